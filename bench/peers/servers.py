"""The peers: how each is configured, started and asked.

Each runs as it comes, with one worker. Off is the log of single requests, which the sidecar has not either, what would
be fetched from the network at the start, and a limit of requests. A cache that a peer has for all its requests or for
none gets a process of its own.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml

from bench.peers import installs
from bench.peers.installs import Install
from bench.peers.kinds import ASKS_STANDIN, SLOW_MODEL, Ask, GrpcAsk, Kind, called, completed, conversed, same, streamed
from bench.processes import free_port
from bench.rows import MEMORY_PROMPTS, REDIS_PROMPTS
from bench.stream_rows import MODEL
from parley_crds import names

PARLEY: Final = "parley"
DAPRD: Final = "daprd"
LITELLM: Final = "litellm"
FERRO: Final = "ferro"
PORTKEY: Final = "portkey"
KNOWN_MODEL: Final = "gpt-4o"
"""Ferro sends only models that it knows to OpenAI."""
LITELLM_MEMORY: Final = 256
"""More answers than the 200 that LiteLLM keeps in memory before Redis. Those that came from there it drops first."""
TTL_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Place:
    """What a server's configuration depends on."""

    installed: Path
    """The peer's program."""
    directory: Path
    """For the server's own files."""
    standin_port: int
    redis_port: int

    @property
    def provider(self) -> str:
        """The root of the stand-in."""
        return f"http://127.0.0.1:{self.standin_port}"

    @property
    def redis(self) -> str:
        """The URL of Redis."""
        return f"redis://127.0.0.1:{self.redis_port}"


@dataclass(frozen=True, slots=True)
class Served:
    """One process to start; the first of a peer's is the one whose start and memory are told."""

    name: str
    command: Sequence[str]
    port: int
    ready_path: str
    asks: Mapping[Kind, Ask | GrpcAsk]
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """What must stand in its directory."""

    @property
    def first(self) -> Ask:
        """How it is asked first of all: so that it has to ask the stand-in."""
        return next(ask for kind, ask in self.asks.items() if kind in ASKS_STANDIN and isinstance(ask, Ask))


@dataclass(frozen=True, slots=True)
class Peer:
    """A program to be measured."""

    name: str
    served: Callable[[Place], Sequence[Served]]
    install: Install | None = None
    """None: it is this repository's."""


def parley(place: Place) -> list[Served]:
    """Return the sidecar, with the command that a user types."""
    port, grpc_port = free_port(), free_port()
    command = [str(Path(sys.executable).parent / "parley"), "run", "--components", str(place.directory)]
    command += ["--http-port", str(port), "--grpc-port", str(grpc_port), "--metrics-port", str(free_port())]
    command += ["--app-id", "bench", "--redis", place.redis]
    asks: dict[Kind, Ask | GrpcAsk] = {
        Kind.PASS: conversed("plain"),
        Kind.PASS_OPENAI: completed("plain"),
        Kind.MEMORY: conversed("near", MEMORY_PROMPTS, "detail=memory"),
        Kind.REDIS: conversed("far", REDIS_PROMPTS, "detail=redis"),
        Kind.ECHO: conversed("echo"),
        Kind.GRPC_ECHO: called("echo", grpc_port),
        Kind.STREAM: streamed("flow"),
        Kind.FLIGHT: same(conversed("flight")),
    }
    files = {"bench.yaml": components(place.provider)}
    return [Served(PARLEY, command, port, "/v1.0/healthz/outbound", asks, files=files)]


def daprd(place: Place) -> list[Served]:
    """Return daprd, with the same components."""
    port, grpc_port = free_port(), free_port()
    command = [str(place.installed / "bin/daprd"), "--mode", "standalone", "--app-id", "bench"]
    command += ["--resources-path", str(place.directory), "--config", str(place.directory / "configuration.yaml")]
    command += ["--dapr-http-port", str(port), "--dapr-grpc-port", str(grpc_port)]
    command += ["--dapr-internal-grpc-port", str(free_port()), "--metrics-port", str(free_port())]
    command += ["--log-level", "warn", "--dapr-listen-addresses", "127.0.0.1"]
    asks: dict[Kind, Ask | GrpcAsk] = {
        Kind.PASS: conversed("plain"),
        Kind.MEMORY: conversed("near", MEMORY_PROMPTS),
        Kind.ECHO: conversed("echo"),
        Kind.GRPC_ECHO: called("echo", grpc_port),
        Kind.FLIGHT: same(conversed("flight")),
    }
    files = {"bench.yaml": components(place.provider), "configuration.yaml": yaml.safe_dump(QUIET_CONFIGURATION)}
    return [Served(DAPRD, command, port, "/v1.0/healthz/outbound", asks, files=files)]


def litellm(place: Place) -> list[Served]:
    """Return LiteLLM's proxy without a cache, with one in memory, and with one in Redis."""
    redis = {"type": "redis", "host": "127.0.0.1", "port": place.redis_port, "ttl": TTL_S}
    cached = completed("bench", MEMORY_PROMPTS)
    plain = {Kind.PASS_OPENAI: completed("bench"), Kind.STREAM: streamed("flow")}
    near = {Kind.MEMORY: cached, Kind.FLIGHT: same(completed("flight"))}
    far = {Kind.REDIS: replace(cached, besides=LITELLM_MEMORY)}
    return [
        _litellm(place, LITELLM, {}, plain),
        _litellm(place, "litellm, cache in memory", {"type": "local", "ttl": TTL_S}, near),
        _litellm(place, "litellm, cache in Redis", redis, far),
    ]


def _litellm(place: Place, name: str, cache: Mapping[str, object], asks: Mapping[Kind, Ask]) -> Served:
    port, directory = free_port(), place.directory
    command = [
        str(place.installed / "bin/litellm"),
        "--config",
        str(directory / f"{name}.yaml"),
        "--telemetry",
        "False",
    ]
    command += ["--host", "127.0.0.1", "--port", str(port), "--log_config", str(directory / "logs.yaml")]
    files = {f"{name}.yaml": litellm_config(place.provider, cache), "logs.yaml": yaml.safe_dump(NO_ACCESS_LOG)}
    return Served(name, command, port, "/health/liveliness", asks, _FETCH_NOTHING, files)


def ferro(place: Place) -> list[Served]:
    """Return Ferro without and with its cache. Models that it does not know it asks as Ollama's."""
    plain = {Kind.PASS_OPENAI: completed(KNOWN_MODEL), Kind.STREAM: streamed()}
    cached = {Kind.MEMORY: completed(KNOWN_MODEL, MEMORY_PROMPTS), Kind.FLIGHT: same(completed(SLOW_MODEL))}
    return [_ferro(place, FERRO, plain, is_cached=False), _ferro(place, "ferro, cache", cached, is_cached=True)]


def _ferro(place: Place, name: str, asks: Mapping[Kind, Ask], *, is_cached: bool) -> Served:
    port, config = free_port(), f"{name}.yaml"
    variables = {
        "GATEWAY_CONFIG": str(place.directory / config),
        "PORT": str(port),
        "OPENAI_API_KEY": "bench",
        "OPENAI_BASE_URL": place.provider,
        "OLLAMA_HOST": place.provider,
        "ALLOW_UNAUTHENTICATED_PROXY": "true",
        "FERRO_MODEL_CATALOG_TIMEOUT": "0",
        "RATE_LIMIT_RPS": "0",
        "LOG_LEVEL": "warn",
    }
    command = [str(place.installed / "bin/ferrogw"), "serve"]
    return Served(name, command, port, "/health", asks, variables, {config: ferro_config(is_cached=is_cached)})


def portkey(place: Place) -> list[Served]:
    """Return Portkey's gateway, which is told with each request where to go. Its npm build has no cache."""
    port = free_port()
    program = place.installed / "node_modules/@portkey-ai/gateway/build/start-server.js"
    target = {
        "authorization": "Bearer bench",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"{place.provider}/v1",
    }
    asks = {
        Kind.PASS_OPENAI: completed("bench", headers=target),
        Kind.STREAM: streamed(headers=target),
        Kind.FLIGHT: same(completed(SLOW_MODEL, headers=target)),
    }
    return [Served(PORTKEY, ["node", str(program), f"--port={port}", "--headless"], port, "/", asks)]


def components(provider: str) -> str:
    """Return the components of the sidecar and of daprd, which read the same form."""
    cache = {"responseCacheTTL": f"{TTL_S}s"}
    specs: dict[str, dict[str, Any]] = {
        "plain": _openai(provider),
        "near": _openai(provider, **cache),
        "far": _openai(provider, **cache),
        "flow": _openai(provider, model=MODEL),
        "flight": _openai(provider, model=SLOW_MODEL, **cache),
        "echo": {"type": "conversation.echo", "version": "v1"},
    }
    identity = {"apiVersion": names.DAPR_API_VERSION, "kind": names.DAPR_KIND}
    return yaml.safe_dump_all({**identity, "metadata": {"name": name}, "spec": spec} for name, spec in specs.items())


def _openai(provider: str, model: str = "bench", **more: str) -> dict[str, Any]:
    settings = {"key": "bench", "model": model, "endpoint": f"{provider}/v1", **more}
    metadata = [{"name": name, "value": value} for name, value in settings.items()]
    return {"type": "conversation.openai", "version": "v1", "metadata": metadata}


def litellm_config(provider: str, cache: Mapping[str, object]) -> str:
    """Return LiteLLM's configuration; without parameters of a cache it has none."""
    models = {"bench": "bench", "flow": MODEL, "flight": SLOW_MODEL}
    target = {"api_key": "bench", "api_base": f"{provider}/v1"}
    listed = [
        {"model_name": name, "litellm_params": {"model": f"openai/{to}", **target}} for name, to in models.items()
    ]
    settings = {"cache": True, "cache_params": dict(cache)} if cache else {}
    return yaml.safe_dump({"model_list": listed, "litellm_settings": settings})


def ferro_config(*, is_cached: bool) -> str:
    """Return Ferro's configuration."""
    plugin = {"name": "response-cache", "type": "transform", "enabled": True}
    plugin["config"] = {"max_age": TTL_S, "max_entries": 1000}
    plugins = [plugin | {"stage": stage} for stage in ("before_request", "after_request")] if is_cached else []
    targets = [{"virtual_key": "openai"}, {"virtual_key": "ollama"}]
    return yaml.safe_dump({"strategy": {"mode": "fallback"}, "targets": targets, "plugins": plugins})


QUIET_CONFIGURATION: Final = {
    "apiVersion": "dapr.io/v1alpha1",
    "kind": "Configuration",
    "metadata": {"name": "bench"},
    "spec": {"nameResolution": {"component": "nameformat", "configuration": {"format": "{appid}.invalid"}}},
}
"""daprd looks for others by multicast otherwise."""
NO_ACCESS_LOG: Final = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"uvicorn.access": {"level": "WARNING"}},
}
_FETCH_NOTHING: Final = {
    f"LITELLM_LOCAL_{what}": "True"
    for what in ("MODEL_COST_MAP", "ANTHROPIC_BETA_HEADERS", "AUTOROUTER_PRESETS", "BLOG_POSTS", "POLICY_TEMPLATES")
} | {"PYTHONPYCACHEPREFIX": ""}  # its modules are compiled where they are installed
PEERS: Final = (
    Peer(PARLEY, parley),
    Peer(DAPRD, daprd, Install(DAPRD, "1.18.1", installs.daprd)),
    Peer(FERRO, ferro, Install(FERRO, "1.5.10", installs.ferro)),
    Peer(PORTKEY, portkey, Install(PORTKEY, "1.15.2", installs.portkey)),
    Peer(LITELLM, litellm, Install(LITELLM, "1.102.4", installs.litellm)),
)
