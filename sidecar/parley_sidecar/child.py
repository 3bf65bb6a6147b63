"""The application beside the sidecar: `parley run ... -- COMMAND` starts it, forwards signals, and ends with it."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from parley_crds import names
from parley_sidecar.command_error import CommandError
from parley_sidecar.settings import Settings

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
"""Exit codes of a command that cannot be started. Source: POSIX shells."""


def environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the application's environment: ours, and what a Dapr SDK reads to find the sidecar."""
    ports = {names.HTTP_PORT_VARIABLE: settings.http_port, names.GRPC_PORT_VARIABLE: settings.grpc_port}
    token = {names.API_TOKEN_VARIABLE: settings.api_token} if settings.api_token else {}
    return {**environ, **{name: str(port) for name, port in ports.items() if port}, **token}


class Child:
    """A running application."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._interrupted = False

    @classmethod
    async def start(cls, command: Sequence[str], environ: Mapping[str, str]) -> "Child":
        """Start the application with our standard streams; raises CommandError with a shell's exit code."""
        try:
            return cls(await asyncio.create_subprocess_exec(*command, env=environ))
        except FileNotFoundError:
            raise CommandError(f"{command[0]}: command not found", exit_code=NOT_FOUND) from None
        except OSError as error:
            raise CommandError(f"{command[0]}: {error.strerror}", exit_code=NOT_EXECUTABLE) from None

    def forward(self, number: int) -> None:
        """Pass a signal on. The first interrupt from a terminal is not: the terminal gave it to the application too."""
        if number == signal.SIGINT and not self._interrupted and _is_in_foreground():
            self._interrupted = True
        elif self._process.returncode is None:
            self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end and return the exit code, as a shell gives it: 128 and the number for a fatal signal."""
        code = await self._process.wait()
        return code if code >= 0 else 128 - code


def _is_in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False  # no terminal, or no standard input at all
