"""Everything the process is told, read once from flags and environment into one frozen object.

`cli` makes the flags of `parley run` from the same fields, so a flag, its variable and its help stand in one place.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from parley_crds import names
from parley_sidecar.command_error import CommandError
from parley_sidecar.store_address import read_store_address

CONTEXT_KEY_BYTES = 32
LOG_LEVELS = ("debug", "info", "warning", "error")
MAX_PORT = 65535


def port(text: str) -> int:
    """Read a TCP port."""
    if not text.isdecimal() or not 1 <= int(text) <= MAX_PORT:
        raise ValueError(f"must be a port from 1 to {MAX_PORT}")
    return int(text)


def port_or_none(text: str) -> int:
    """Read a TCP port, or 0 for none at all."""
    return 0 if text == "0" else port(text)


def seconds(text: str) -> float:
    """Read a length of time, in seconds."""
    if not text.replace(".", "", 1).isdecimal():
        raise ValueError("must be a number of seconds, such as 10")
    return float(text)


def switch(text: str) -> bool:
    """Read a boolean."""
    if text.lower() not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text.lower() == "true"


def log_level(text: str) -> str:
    """Read the name of a log level, in any case."""
    if text.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return text.lower()


def words(text: str) -> tuple[str, ...]:
    """Read a list with commas between its words."""
    return tuple(word for part in text.split(",") if (word := part.strip()))


def store_url(text: str) -> str:
    """Read the address of a Redis: one server, Sentinels or a cluster."""
    read_store_address(text)
    return text


def key_text(text: str) -> str:
    """Read a key of 32 bytes in base64."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != CONTEXT_KEY_BYTES:
        raise ValueError(f"must be {CONTEXT_KEY_BYTES} bytes in base64")
    return text.strip()


def operator_url(text: str) -> str:
    """Read the address of the operator, without a path; only TLS will do, for keys travel on it."""
    if not text.startswith(("https://", "wss://")):
        raise ValueError("must be a URL that starts with https:// or wss://")
    return text.rstrip("/")


def _from(variable: str, read: Callable[[str], object], flag: str = "", takes: str = "", meaning: str = "") -> Any:
    """Say where a field comes from: variable and reader, and for a person a flag, what it takes and what it means."""
    return {"variable": variable, "read": read, "flag": flag, "takes": takes, "meaning": meaning}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one sidecar runs with. Components come from a directory, or else from the operator's stream."""

    components: Path | None = field(
        default=None,
        metadata=_from("PARLEY_COMPONENTS", Path, "--components", "DIR", "the directory of component manifests"),
    )
    http_port: int = field(
        default=names.HTTP_PORT,
        metadata=_from("PARLEY_HTTP_PORT", port, "--http-port", "PORT", "the API's port, on loopback"),
    )
    grpc_port: int = field(
        default=names.GRPC_PORT,
        metadata=_from("PARLEY_GRPC_PORT", port_or_none, "--grpc-port", "PORT", "gRPC's port, on loopback; 0: no gRPC"),
    )
    metrics_port: int = field(
        default=names.METRICS_PORT,
        metadata=_from("PARLEY_METRICS_PORT", port, "--metrics-port", "PORT", "metrics and health, on all interfaces"),
    )
    redis: str | None = field(
        default=None,
        repr=False,
        metadata=_from("PARLEY_REDIS", store_url, "--redis", "URL", "a Redis to share cached answers in"),
    )
    context_key: str | None = field(default=None, repr=False, metadata=_from("PARLEY_CONTEXT_KEY", key_text))
    """The key that protects chat rooms in Redis, 32 bytes in base64; in the process they need none."""
    former_context_key: str | None = field(
        default=None, repr=False, metadata=_from("PARLEY_FORMER_CONTEXT_KEY", key_text)
    )
    """The key before that one, while rooms of its time are still alive."""
    store_limit_s: float = field(default=0.25, metadata=_from("PARLEY_STORE_SECONDS", seconds))
    """How long all operations on Redis of one request may take together, in seconds."""
    secrets: Path | None = field(
        default=None,
        metadata=_from("PARLEY_SECRETS", Path, "--secrets", "FILE", "Secrets: {name: {key: value}}, or manifests"),
    )
    app_id: str = field(
        default="local", metadata=_from("PARLEY_APP_ID", str, "--app-id", "ID", "who is asking, as scopes name it")
    )
    namespace: str = field(
        default="default", metadata=_from("PARLEY_NAMESPACE", str, "--namespace", "NS", "the components' namespace")
    )
    operator_url: str | None = field(default=None, metadata=_from("PARLEY_OPERATOR_URL", operator_url))
    token_file: Path | None = field(default=None, metadata=_from("PARLEY_TOKEN_FILE", Path))
    """The pod's token for the operator; the kubelet replaces it before it expires."""
    trust_anchors: str = field(default="", repr=False, metadata=_from("PARLEY_TRUST_ANCHORS", str))
    """PEM of the authorities that may sign the operator's certificate, as known when the pod was made."""
    last_good_file: Path | None = field(default=None, metadata=_from("PARLEY_LAST_GOOD_FILE", Path))
    api_token: str | None = field(default=None, repr=False, metadata=_from(names.API_TOKEN_VARIABLE, str))
    second_api_token: str | None = field(default=None, repr=False, metadata=_from(names.SECOND_API_TOKEN_VARIABLE, str))
    """Another valid token, while one replaces the other."""
    allowed_hosts: tuple[str, ...] = field(default=(), metadata=_from("PARLEY_ALLOWED_HOSTS", words))
    """Names beside loopback that a request's Host header may carry."""
    log_level: str = field(default="info", metadata=_from("PARLEY_LOG_LEVEL", log_level))
    precise_statuses: bool = field(default=False, metadata=_from("PARLEY_PRECISE_STATUSES", switch))
    drain_s: float = field(default=10.0, metadata=_from("PARLEY_DRAIN_SECONDS", seconds))
    """The longest time that new requests are still taken after SIGTERM, in seconds."""

    @classmethod
    def read(cls, flags: Mapping[str, str | None], environ: Mapping[str, str]) -> "Settings":
        """Read flags by field name, and variables for what no flag gives.

        Raises:
            CommandError: when a value means nothing, or there is not one source of components; no value is shown.
        """
        read: dict[str, Any] = {option.name: _value(option, flags, environ) for option in fields(cls)}
        settings = cls(**{name: value for name, value in read.items() if value is not None})
        if bool(settings.components) == bool(settings.operator_url):
            raise CommandError("give one source of components: --components DIR, or PARLEY_OPERATOR_URL", exit_code=2)
        if settings.operator_url and not settings.token_file:
            raise CommandError("PARLEY_OPERATOR_URL needs PARLEY_TOKEN_FILE", exit_code=2)
        return settings

    def shown(self) -> dict[str, object]:
        """Return what may be logged; of what is secret or long, only whether it is given."""
        values = ((option, getattr(self, option.name)) for option in fields(self))
        return {option.name: _plain(value) if option.repr else bool(value) for option, value in values}


def _value(option: "Field[Any]", flags: Mapping[str, str | None], environ: Mapping[str, str]) -> Any:
    """Return an option's value, or None where it is not given; an empty text is not given."""
    given = flags.get(option.name)
    text = given or environ.get(option.metadata["variable"])
    if not text:
        return None
    try:
        return option.metadata["read"](text)
    except ValueError as error:
        place = option.metadata["flag" if given else "variable"]
        raise CommandError(f"{place} {error}", exit_code=2) from None


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
