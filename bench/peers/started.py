"""The peers as they run: installed, configured, started, and asked once to see what works."""

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bench.peers.installs import UnavailableError, bytes_of, caches
from bench.peers.kinds import Ask, GrpcAsk, Kind
from bench.peers.ours import runtime_bytes
from bench.peers.report import Start
from bench.peers.servers import Peer, Place, Served
from bench.peers.tree import tree_resident_bytes
from bench.processes import BenchError, Running
from bench.servers import Surroundings


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of request that a running server answers."""

    peer: str
    kind: Kind
    ask: Ask | GrpcAsk
    running: Running


@dataclass(slots=True)
class Peers:
    """What is known of the peers that are to be measured."""

    around: Surroundings
    starts_at_most: int
    starts_s: float
    """No further start of a peer begins after this time."""
    targets: list[Target] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    first: dict[str, Running] = field(default_factory=dict)
    """Each peer's first server."""
    versions: dict[str, str] = field(default_factory=dict)
    installed_bytes: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Why peers could not be had."""

    def enter(self, peer: Peer, own_version: str, running: ExitStack) -> None:
        """Install and start a peer; it runs as long as the stack is open. One that cannot be had is noted."""
        print(f"starting {peer.name}", file=sys.stderr, flush=True)
        directory = self.around.starter.directory / peer.name
        directory.mkdir()
        try:
            installed = peer.install.installed(caches()) if peer.install else Path()
            served = peer.served(Place(installed, directory, self.around.standin.port, self.around.redis.port))
            self._start(peer.name, served, directory, running)
        except (UnavailableError, BenchError) as error:
            self.missing[peer.name] = reason(error)
            print(f"{peer.name} is not available: {error}", file=sys.stderr, flush=True)
            return
        self.versions[peer.name] = peer.install.version if peer.install else own_version
        self.installed_bytes[peer.name] = bytes_of(installed) if peer.install else runtime_bytes()

    def _start(self, peer: str, served: Sequence[Served], directory: Path, running: ExitStack) -> None:
        for one in served:
            for name, text in one.files.items():
                (directory / name).write_text(text)
        began_s = time.monotonic()
        starts = [self._once(peer, served[0])]
        while len(starts) < self.starts_at_most and time.monotonic() - began_s < self.starts_s:
            starts.append(self._once(peer, served[0]))
        servers = [running.enter_context(self._running(one)) for one in served]
        for one, server in zip(served, servers, strict=True):
            server.wait_until_answers(one.ready_path)
        self.starts += starts
        self.first[peer] = servers[0]
        for one, server in zip(served, servers, strict=True):
            self.targets += [Target(peer, kind, ask, server) for kind, ask in one.asks.items()]

    def _once(self, peer: str, served: Served) -> Start:
        began_s = time.monotonic()
        with self._running(served) as server:
            server.wait_until_answers(served.ready_path)
            ready_s = time.monotonic() - began_s
            idle_bytes = tree_resident_bytes(server.pid)
            path = served.first.path
            if not served.first.is_answered(server.port):
                raise BenchError(f"{served.name} does not answer on {path}:\n{server.log.read_text()[-2000:]}")
            first_answer_s = time.monotonic() - began_s
        return Start(peer=peer, ready_s=ready_s, first_answer_s=first_answer_s, idle_bytes=idle_bytes)

    @contextmanager
    def _running(self, served: Served) -> Iterator[Running]:
        """Run a server on its own core meanwhile. It is not waited for."""
        cores, starter = self.around.cores.server, self.around.starter
        starter = replace(starter, variables={**starter.variables, **served.variables})
        with ExitStack() as stack:
            with only_on(cores):
                server = stack.enter_context(starter.running(served.name, served.command, served.port, cores))
            yield server


@contextmanager
def only_on(cores: Iterable[int]) -> Iterator[None]:
    """Keep this process and what it starts on some cores meanwhile: a program counts its cores as it begins."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def reason(error: Exception) -> str:
    """Return what an error says in short, for a table: neither further lines nor the answer that it quotes."""
    return _QUOTED.split(str(error).split("\n", 1)[0])[0].rstrip(":")


_QUOTED: Final = re.compile(r"(?<=status \d{3}): |(?<=is not in the answer) ")
