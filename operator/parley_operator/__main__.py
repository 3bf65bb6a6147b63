"""`python -m parley_operator operator|injector|selftest`: the two processes of the one image, and their trial."""

import argparse
import asyncio
import logging
from collections.abc import Sequence

from parley_crds import __version__, logs


def main(words: Sequence[str] | None = None) -> None:
    """Run one of the two until SIGTERM, or try what they do."""
    parser = argparse.ArgumentParser(prog="parley_operator", description=__doc__)
    parser.add_argument("process", choices=("operator", "injector", "selftest"))
    parser.add_argument("--version", action="version", version=__version__)
    arguments, rest = parser.parse_known_args(words)
    if rest and arguments.process != "selftest":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    match arguments.process:
        case "injector":
            _inject()
        case "selftest":
            _try(rest)
        case _:
            _operate()


def _inject() -> None:
    # Here and not above: the injector's process must know neither kopf nor the Kubernetes client.
    from parley_operator.injector import webhook  # noqa: PLC0415

    webhook.main()


def _try(words: Sequence[str]) -> None:
    from parley_operator import selftest  # noqa: PLC0415 - as above

    selftest.main(words)


def _operate() -> None:
    import uvloop  # noqa: PLC0415 - as above

    from parley_operator.errors import OperatorError  # noqa: PLC0415
    from parley_operator.operate import operate  # noqa: PLC0415
    from parley_operator.settings import Settings  # noqa: PLC0415

    settings = Settings.read()
    logs.configure(settings.log_level)
    logging.getLogger("kopf").setLevel(logging.WARNING)  # it tells each event, and its settings with it
    logging.getLogger("kopf._core.reactor.running").setLevel(
        logging.ERROR
    )  # that signals are not its own is on purpose
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(operate(settings))
    except OperatorError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
