"""The address of a Redis, read from a URL: one server, a cluster, or the Sentinels that know the master.

`settings` checks with it what a person writes, and the store connects by it. An error never holds the URL's text, for
that may hold a password.

Source: the provisional URI schemes redis and rediss (IANA); `+cluster` and `+sentinel` are ours.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote

Kind = Literal["server", "cluster", "sentinel"]
Host = tuple[str, int]

FORMS: Final = (
    "redis://HOST:PORT[/DB], redis+cluster://HOST:PORT,... or redis+sentinel://HOST:PORT,.../MASTER[/DB]; "
    "rediss instead of redis for TLS"
)
SERVER_PORT: Final = 6379
SENTINEL_PORT: Final = 26379
MAX_PORT: Final = 65535

_KINDS: Final[dict[str, Kind]] = {"": "server", "+cluster": "cluster", "+sentinel": "sentinel"}
_URL: Final = re.compile(r"(rediss?)(\+cluster|\+sentinel)?://(?:([^/?#]*)@)?([^@/?#]+)(/[^?#]*)?(?:\?([^#]*))?")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class User:
    """Who the server is told that we are; without a password, nobody in particular."""

    name: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where a Redis is, and who asks."""

    kind: Kind
    tls: bool
    hosts: tuple[Host, ...]
    """The server, some nodes of the cluster, or the Sentinels."""
    user: User = User()
    database: int = 0
    master: str = ""
    """What the Sentinels call the master."""
    sentinel_user: User = User()


def read_store_address(url: str) -> StoreAddress:
    """Read a Redis URL.

    Raises:
        ValueError: when it is none; the text is not in the message.
    """
    matched = _URL.fullmatch(url)
    if not matched:
        raise ValueError(f"must be a Redis URL: {FORMS}")
    scheme, suffix, user, hosts, path, query = matched.groups()
    kind = _KINDS[suffix or ""]
    port = SENTINEL_PORT if kind == "sentinel" else SERVER_PORT
    master, database = _path((path or "").strip("/"), kind)
    return StoreAddress(
        kind=kind,
        tls=scheme == "rediss",
        hosts=_hosts(hosts, port, kind),
        user=_user(user),
        master=master,
        database=database,
        sentinel_user=_sentinel_user(query or "", kind),
    )


def _hosts(text: str, port: int, kind: Kind) -> tuple[Host, ...]:
    hosts = tuple(_host(each, port) for each in text.split(","))
    if kind == "server" and len(hosts) > 1:
        raise ValueError("must name one host; several are for redis+cluster:// and redis+sentinel://")
    return hosts


def _host(text: str, port: int) -> Host:
    matched = _HOST.fullmatch(text)
    if not matched or int(matched[2] or port) not in range(1, MAX_PORT + 1):
        raise ValueError("must name its hosts as HOST or HOST:PORT, with commas between them")
    return matched[1].strip("[]"), int(matched[2] or port)


def _user(text: str | None) -> User:
    name, colon, password = (text or "").partition(":")
    return User(unquote(name) or None, unquote(password) if colon else None)


def _path(path: str, kind: Kind) -> tuple[str, int]:
    """Return the master's name and the database's number."""
    master = ""
    if kind == "sentinel":
        master, _, path = path.partition("/")
        if not master:
            raise ValueError("must name the master after the Sentinels: redis+sentinel://HOST:PORT/MASTER")
    if path and not path.isdecimal():
        raise ValueError("must end in the number of a database, or in its host")
    if kind == "cluster" and int(path or 0):
        raise ValueError("must not name a database: a cluster has only number 0")
    return unquote(master), int(path or 0)


def _sentinel_user(query: str, kind: Kind) -> User:
    try:
        given = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    except ValueError:
        given = {"": ""}
    name, password = given.pop("sentinelUser", None), given.pop("sentinelPassword", None)
    if given or (query and kind != "sentinel"):
        raise ValueError("takes no parameters but sentinelUser and sentinelPassword, with redis+sentinel://")
    return User(name, password)
