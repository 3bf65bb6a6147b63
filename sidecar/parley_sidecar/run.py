"""`parley run`: serve until told to stop, and end in order."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import uvloop

from parley_crds import logs
from parley_sidecar.app import create_app
from parley_sidecar.assembly import Parts, assembled, followed
from parley_sidecar.banner import banner
from parley_sidecar.child import Child, environment
from parley_sidecar.drain import finish, until_quiet
from parley_sidecar.grpc_start import answering, free_addresses
from parley_sidecar.public import create_public_app
from parley_sidecar.serve import EVERYWHERE, LOOPBACK, listening, serving
from parley_sidecar.settings import Settings
from parley_sidecar.signals import Signals

COLLECT_AFTER: Final = (10_000, 20, 20)
"""Objects made, and collections, before the next older generation is gone through. Source: `make bench`."""

_log = logging.getLogger(__name__)


def serve_until_stopped(settings: Settings, command: Sequence[str]) -> int:
    """Run the sidecar, `command` beside it if there is one, and return the exit code; raises CommandError."""
    logs.configure(settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings, command, dict(os.environ)))


async def _run(settings: Settings, command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Listen first, so that a taken port is told at once, and answer as soon as what is at hand is loaded."""
    signals = Signals()
    api_sockets = listening(settings.http_port, LOOPBACK, "--http-port")
    public_sockets = listening(settings.metrics_port, EVERYWHERE, "--metrics-port")
    grpc_addresses = free_addresses(settings.grpc_port)
    with signals.owned():
        async with assembled(settings, environ) as parts:
            await parts.source.start()
            stop = partial(signals.receive, signal.SIGTERM)
            api_app = create_app(parts.registry, parts.door, parts.metrics, parts.metadata, stop)
            public_app = create_public_app(parts.door.traffic, parts.metrics)
            async with (
                serving(public_app, public_sockets) as public,
                serving(api_app, api_sockets) as api,
                answering(grpc_addresses, parts, stop, signals.hurry) as grpc,
                followed(parts.source),
            ):
                _settle()
                _greet(settings, parts)
                child = await Child.start(command, environment(settings, environ)) if command else None
                code = await signals.ended(child) if child else await _alone(settings, parts, signals)
                if grpc:
                    await grpc.refuse()
                await finish(parts.door.traffic, signals.hurry)
                for server in (api, public):
                    server.force_exit, server.should_exit = signals.hurry.is_set(), True
    _log.info("sidecar ended", extra={"exit_code": code})
    return code


async def _alone(settings: Settings, parts: Parts, signals: Signals) -> int:
    """Wait to be stopped; an orchestrator's signal leaves time for late requests, a person's does not."""
    await signals.stop.wait()
    _log.info("sidecar is stopping", extra={"signal": signals.last})
    if signals.last == signal.SIGTERM:
        await until_quiet(parts.door.traffic, settings.drain_s, signals.hurry)
    return 0


def _settle() -> None:
    """Begin to collect garbage, leave out what the start made, and collect less often: a tenth of a request's CPU.

    Modules, routes and models live as long as the process; going through them at every collection finds nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()


def _greet(settings: Settings, parts: Parts) -> None:
    """Tell the log what runs, and a person at a terminal what to try: on stderr, for stdout is the log's."""
    _log.info("sidecar is up", extra={"settings": settings.shown()})
    if settings.components:
        print(banner(settings, parts.registry.components(), parts.source.left_out), file=sys.stderr, end="", flush=True)
