"""Who may do what in the chart's own Redis: the operator makes users, and each namespace has one of its own. Pure.

The keeper writes the file that Redis starts with, in which there is the operator alone; the leader makes the others
(`redis_users`), and every replica tells sidecars theirs (`store_section`): all three follow from one password.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from parley_operator.derived import derived

PASSWORD_KEY: Final = "operator-password"  # noqa: S105 - a key of a Secret
"""Where the store's Secret has the operator's password, from which all others follow."""
FILE_KEY: Final = "redis.acl"
"""Where it has the file that Redis starts with."""
OPERATOR: Final = "operator"
PREFIX: Final = "parley-"
"""What the name of a namespace's user begins with; nobody else's does."""
COMMANDS: Final = (
    "get", "mget", "set", "psetex", "exists", "del", "pexpire", "pttl", "time",
    "hget", "hgetall", "hset", "hsetnx", "hdel", "hincrby", "zadd", "zrange", "zremrangebyscore",
    "evalsha", "eval", "publish", "subscribe", "unsubscribe", "ping", "info",
)  # fmt: skip
"""All that a sidecar does with Redis; docs/redis.md lists the same."""

Command = tuple[str, ...]


def file(password: str) -> str:
    """Return the users that Redis starts with: the operator, who can make users, and no default one."""
    may = " ".join(f"+acl|{verb}" for verb in ("list", "setuser", "deluser"))
    return f"user default off\nuser {OPERATOR} on {_hashed(password)} resetkeys resetchannels -@all {may}\n"


def user(namespace: str) -> str:
    """Return the name of a namespace's user."""
    return f"{PREFIX}{namespace}"


def password_of(namespace: str, root: str) -> str:
    """Return the password of a namespace's user, which follows from the operator's and tells nothing of it."""
    return base64.urlsafe_b64encode(derived(root.encode(), f"redis {namespace}")).decode().rstrip("=")


def made(namespace: str, root: str) -> Command:
    """Return the command that makes a namespace's user, or makes it anew: at once, and connections go on."""
    place = f"parley:{namespace}:*"
    rights = (f"~{place}", "resetchannels", f"&{place}", "-@all", *(f"+{command}" for command in COMMANDS))
    return ("ACL", "SETUSER", user(namespace), "reset", "on", _hashed(password_of(namespace, root)), *rights)


def users(lines: Iterable[str]) -> dict[str, str]:
    """Return the namespaces' users of an ACL LIST, and the line of each."""
    named = {line.split(" ", 2)[1]: line for line in lines}
    return {name: line for name, line in named.items() if name.startswith(PREFIX)}


def due(namespaces: Iterable[str], root: str, present: Mapping[str, str], known: Mapping[str, str]) -> list[Command]:
    """Return what is to be done: make users whose line is not the one that is `known`, remove those of no namespace."""
    wanted = {user(namespace): namespace for namespace in sorted(namespaces)}
    differing = [name for name in wanted if name not in present or present[name] != known.get(name)]
    gone = sorted(present.keys() - wanted.keys())
    return [made(wanted[name], root) for name in differing] + [("ACL", "DELUSER", name) for name in gone]


def _hashed(password: str) -> str:
    """Return a password as ACL rules take it without its being shown. Source: ACL SETUSER."""
    return f"#{hashlib.sha256(password.encode()).hexdigest()}"
