"""The command `parley`: run a sidecar, check manifests, ask a running sidecar, look after what it keeps, wait for it.

Each command imports what it needs when it is called: only `run` and `check` load a server or pydantic.
"""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TypeVar

from parley_crds import __version__, names
from parley_sidecar.command_error import CommandError
from parley_sidecar.settings import Settings, port, seconds

Value = TypeVar("Value")

RUN_MORE = """\
Every flag has a variable, PARLEY_ and its name in capitals; a flag wins. Without --components the operator's stream is
followed, as the injector sets it up. DAPR_API_TOKEN makes callers bring that token.

With -- COMMAND the application is started beside the sidecar with DAPR_HTTP_PORT and DAPR_GRPC_PORT set; signals are
forwarded to it, and the sidecar ends with its exit code. Beside HTTP/1.1 there is gRPC, but no h2c for HTTP.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 1 for a failure, 2 for a wrong use."""
    words, command = _parted(sys.argv[1:] if arguments is None else arguments)
    chosen = _parser().parse_args(words)
    try:
        match chosen.command:
            case "run":
                return _run(chosen, command)
            case "check":
                return _check(chosen)
            case "wait":
                return _wait(chosen)
            case asking:
                return _ask(asking, chosen)
    except CommandError as error:
        print(f"parley: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130  # as a shell says it: 128 and SIGINT


def _parted(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Part `run`'s own words from the application's command behind `--`."""
    if arguments[:1] != ["run"] or "--" not in arguments:
        return arguments, ()
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="parley", description="An LLM on localhost.")
    parser.add_argument("--version", action="version", version=f"parley {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands)
    check = commands.add_parser("check", help="check manifests of components, as the operator does, offline")
    check.add_argument("files", nargs="+", metavar="FILE", help="a YAML or JSON file; - is the standard input")
    wait = commands.add_parser("wait", help="wait until a sidecar is up: 0 when it is, 1 when the time is over")
    wait.add_argument("--metrics-port", metavar="PORT", help=f"the sidecar's port ({names.METRICS_PORT})")
    wait.add_argument("--seconds", metavar="SECONDS", default="120", help="how long at most (120)")
    _add_asking(commands)
    return parser


def _add_asking(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    asking = {
        name: commands.add_parser(name, help=meaning)
        for name, meaning in (
            ("converse", "ask a running sidecar"),
            ("room", "show what was said in a chat room"),
            ("forget", "erase a chat room, its hidden values and its cached answers"),
            ("purge", "forget a component's cached answers, in all sidecars that share them"),
        )
    }
    for command in asking.values():
        command.add_argument("name", metavar="NAME", help="the component's name")
        command.add_argument("--http-port", metavar="PORT", help=f"the sidecar's port ({names.HTTP_PORT})")
    asking["converse"].add_argument("text", metavar="TEXT", help="what to say; - is the standard input")
    asking["converse"].add_argument("--context", metavar="ID", help="the chat room that it belongs to")
    for name in ("room", "forget"):
        asking[name].add_argument("id", metavar="ID", help="the chat room's id")
    asking["room"].add_argument("--json", action="store_true", help="print it as the API shows it")


def _add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    run = commands.add_parser(
        "run",
        help="run the sidecar",
        usage="parley run --components DIR [options] [-- COMMAND ...]",
        epilog=RUN_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option in fields(Settings):
        told = option.metadata
        if told["flag"]:
            unless = f" ({option.default})" if option.default else ""
            run.add_argument(told["flag"], dest=option.name, metavar=told["takes"], help=told["meaning"] + unless)


def _run(chosen: argparse.Namespace, command: Sequence[str]) -> int:
    settings = Settings.read(vars(chosen), os.environ)
    gc.disable()  # `run` enables it once it serves: modules are no garbage, and to look for it is a tenth of the start
    try:
        from parley_sidecar.run import serve_until_stopped  # noqa: PLC0415 - the server and everything behind it

        return serve_until_stopped(settings, command)
    finally:
        gc.enable()


def _check(chosen: argparse.Namespace) -> int:
    from parley_sidecar.checking import check_files  # noqa: PLC0415 - pydantic and YAML

    failures = 0
    for line, fails in check_files(chosen.files, sys.stdin):
        print(line)
        failures += fails
    return 1 if failures else 0


def _wait(chosen: argparse.Namespace) -> int:
    from parley_sidecar.waiting import until_healthy  # noqa: PLC0415 - the standard library's HTTP client

    metrics_port = chosen.metrics_port or os.environ.get("PARLEY_METRICS_PORT") or str(names.METRICS_PORT)
    number, limit_s = _read("--metrics-port", metrics_port, port), _read("--seconds", chosen.seconds, seconds)
    if not until_healthy(number, limit_s):
        raise CommandError(f"no sidecar answered on port {number} within {chosen.seconds} s")
    return 0


def _ask(asking: str, chosen: argparse.Namespace) -> int:
    from parley_sidecar.asking import Sidecar, document, transcript  # noqa: PLC0415 - the standard library's HTTP client

    http_port = chosen.http_port or os.environ.get("PARLEY_HTTP_PORT") or str(names.HTTP_PORT)
    sidecar = Sidecar(_read("--http-port", http_port, port), os.environ.get(names.API_TOKEN_VARIABLE))
    match asking:
        case "room":
            room = sidecar.room(chosen.name, chosen.id)
            print(document(room) if chosen.json else transcript(room))
        case "forget":
            sidecar.forget(chosen.name, chosen.id)
        case "purge":
            sidecar.purge(chosen.name)
        case _:
            text = sys.stdin.read() if chosen.text == "-" else chosen.text
            for output in sidecar.converse(chosen.name, text, chosen.context):
                print(output)
    return 0


def _read(flag: str, text: str, read: Callable[[str], Value]) -> Value:
    try:
        return read(text)
    except ValueError as error:
        raise CommandError(f"{flag} {error}", exit_code=2) from None
