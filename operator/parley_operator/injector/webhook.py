"""The webhook's process: two servers, one owner of signals, a certificate that is followed, and an orderly end."""

import asyncio
import logging
import signal
from pathlib import Path
from typing import Final

import uvicorn
import uvloop
from fastapi import FastAPI

from parley_crds import logs
from parley_operator.injector.app import Injector, create_app, create_public_app
from parley_operator.injector.certificate import ServedCertificate
from parley_operator.injector.door import Door
from parley_operator.injector.metrics import Metrics
from parley_operator.injector.settings import Settings, SettingsError, file_from, load, shown, unknown_fields
from parley_operator.listening import Server

POLL_CERTIFICATE_S: Final = 5.0
_LAST_CALL_S: Final = 1.0
"""How long reviews are sent away before the listener closes: the API server's connections learn that they must end."""
_FINISH_S: Final = 5
"""What still runs when the listener closes gets this long; the API server waits no longer either."""
_KEEP_ALIVE_S: Final = 120
"""Longer than the API server keeps an idle connection (90 s): it never meets one that is just being closed here."""

_log = logging.getLogger(__name__)


def main() -> None:
    """Run the injector until SIGTERM; called by `python -m parley_operator injector`.

    Raises:
        SystemExit: with a sentence, when the settings file cannot be used.
    """
    file = file_from()
    try:
        settings = load(file)
    except SettingsError as error:
        raise SystemExit(str(error)) from error
    logs.configure(settings.log_level)
    _log.info("injector starts", extra={"settings": shown(settings)})
    if unknown := unknown_fields(file):
        _log.warning("settings that mean nothing here", extra={"fields": unknown})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_until_signal(settings))


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve the webhook and its health until `stop` is set, then end without losing a review."""
    certificate = ServedCertificate(Path(settings.tls_directory))
    injector = Injector(settings, certificate, Door(settings.max_in_flight), Metrics())
    webhook = _server(create_app(injector), settings, settings.port, certificate)
    public = _server(create_public_app(injector), settings, settings.metrics_port)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(_follow(injector))
        tasks.create_task(webhook.serve())
        tasks.create_task(public.serve())
        await stop.wait()
        await _drain(injector.door, settings.drain_seconds)
        following.cancel()
        webhook.should_exit = public.should_exit = True


async def _serve_until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, stop)
    _log.info("injector ends")


async def _follow(injector: Injector) -> None:
    """Load the certificate now, and again whenever its files change."""
    while True:
        if injector.certificate.refresh():
            injector.metrics.certificate_expiry_s.set(injector.certificate.expires.timestamp())
            injector.metrics.certificate_not_before_s.set(injector.certificate.begins.timestamp())
        await asyncio.sleep(POLL_CERTIFICATE_S)


async def _drain(door: Door, drain_s: int) -> None:
    """Turn readiness off and go on serving while the cluster notices, then send away what still comes."""
    _log.info("injector drains", extra={"seconds": drain_s})
    door.leaving = True
    await asyncio.sleep(drain_s)
    door.closed = True
    await asyncio.sleep(_LAST_CALL_S)


def _server(app: FastAPI, settings: Settings, port: int, certificate: ServedCertificate | None = None) -> Server:
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=port,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_FINISH_S,
        ssl_context_factory=(lambda *_: certificate.context) if certificate else None,
    )
    return Server(config)
