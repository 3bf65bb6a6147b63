"""The servers of a run: stand-in, Redis, floor and sidecar, each by its real command.

The server under test has a core for itself; what is around it shares the others.
"""

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.components import manifests
from bench.machine import ROOT, Cores
from bench.processes import BenchError, Running, Starter, free_port, listens, wait_until
from bench.rows import ALONE, BARE_PROVIDER, BY_NAME, PASS_THROUGH, SIDECARS, Row, ServerName
from e2e.cluster import packages
from e2e.cluster.errors import ClusterError


@dataclass(frozen=True, slots=True)
class Server:
    """How to start a server under test."""

    name: ServerName
    command: Sequence[str]
    port: int
    ready_path: str
    """Answers with success as soon as the server can work."""
    work: Row
    """What it is asked where its start and its memory are measured."""
    grpc_port: int = 0
    metrics_port: int = 0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What floor and sidecar need beside them, already running."""

    starter: Starter
    cores: Cores
    standin: Running
    redis: Running

    def floor(self) -> Server:
        """Return how to start the floor server."""
        standin, redis = f"http://127.0.0.1:{self.standin.port}", f"redis://127.0.0.1:{self.redis.port}"
        port = free_port()
        command = [sys.executable, "-m", "bench.floor", "--port", str(port), "--standin", standin, "--redis", redis]
        return Server("floor", command, port, "/ready", BY_NAME[BARE_PROVIDER])

    def sidecar(self, name: ServerName = "sidecar") -> Server:
        """Return how to start a sidecar with the components of all rows."""
        return self.sidecar_with(name, manifests(self.standin.port))

    def sidecar_with(self, name: ServerName, documents: str) -> Server:
        """Return how to start a sidecar with these components: the command that a user types."""
        components = self.starter.directory / f"components of {name}"
        components.mkdir(exist_ok=True)
        (components / "bench.yaml").write_text(documents)
        port, grpc_port, metrics_port = free_port(), free_port(), free_port()
        command = [str(Path(sys.executable).parent / "parley"), "run", "--components", str(components)]
        command += ["--http-port", str(port), "--grpc-port", str(grpc_port), "--metrics-port", str(metrics_port)]
        command += ["--app-id", "bench"]
        if name != ALONE:
            command += ["--redis", f"redis://127.0.0.1:{self.redis.port}"]
        ready_path, work = "/v1.0/healthz/outbound", BY_NAME[PASS_THROUGH]
        return Server(name, command, port, ready_path, work, grpc_port, metrics_port)

    @contextmanager
    def running(self, server: Server) -> Iterator[Running]:
        """Run a server on its own core meanwhile. It is not waited for."""
        with self.starter.running(server.name, server.command, server.port, self.cores.server) as running:
            yield running


@contextmanager
def surroundings(starter: Starter, cores: Cores) -> Iterator[Surroundings]:
    """Run the stand-in and Redis meanwhile.

    Raises:
        BenchError: when there is no redis-server and it cannot be installed.
    """
    try:
        packages.install({"redis-server": "redis-server"})
    except ClusterError as error:
        raise BenchError(str(error).replace("the test cluster", "the bench")) from error
    port, redis_port = free_port(), free_port()
    standin = [sys.executable, str(ROOT / "bench/standin.py"), "--port", str(port)]
    redis = ["redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--save", ""]
    redis += ["--dir", str(starter.directory)]
    with (
        starter.running("stand-in", standin, port, cores.others) as running_standin,
        starter.running("redis-server", redis, redis_port, cores.others) as running_redis,
    ):
        running_standin.wait_until_answers("/healthz")
        wait_until(running_redis, "listen", lambda: listens(redis_port))
        yield Surroundings(starter, cores, running_standin, running_redis)


@contextmanager
def all_running(
    around: Surroundings, names: Collection[ServerName] = ("floor", *SIDECARS)
) -> Iterator[dict[ServerName, Running]]:
    """Run these servers of the rows meanwhile, ready; the stand-in runs already."""
    servers = [around.floor()] if "floor" in names else []
    servers += [around.sidecar(name) for name in SIDECARS if name in names]
    running: dict[ServerName, Running] = {"stand-in": around.standin}
    with ExitStack() as started:
        for server in servers:
            running[server.name] = started.enter_context(around.running(server))
        for server in servers:
            running[server.name].wait_until_answers(server.ready_path)
        yield running
