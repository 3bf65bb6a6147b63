"""Secrets in the places that commands, headers and links have for them. Used by `pii.spans`."""

import re
from collections.abc import Iterator
from typing import Final

from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.secret_values import is_password, is_token
from parley_sidecar.pii.view import View

_AUTHORIZATION: Final = re.compile(
    r"(?i)authori[sz]ation[\"']? ?[:=,] ?[\"']?(?:(?:bearer|basic|token|apikey) +)?([^\s\"'<>{}$]{8,2000})"
)
_SCHEME: Final = re.compile(r"(?i)(?:bearer|basic|negotiate) +([A-Za-z0-9._~+/=:-]{8,2000})")
_HEADERS: Final = (("authori", _AUTHORIZATION), ("bearer ", _SCHEME), ("basic ", _SCHEME), ("negotiate ", _SCHEME))
_USER_INFO: Final = re.compile(r"://[^\s/:@\"'<>]{0,80}:([^\s/\"'<>]{3,120})@(?=[\w.\[-])")
_COMMANDS: Final = (
    (
        ("mysql", "mariadb", "sshpass", "sqlcmd"),
        re.compile(
            r"(?:mysql|mysqldump|mysqladmin|mariadb|sshpass|sqlcmd)\b[^\n]{0,60}? -[pP] ?([^\s\"'-][^\s\"']{3,60})"
        ),
    ),
    (("curl",), re.compile(r"curl\b[^\n]{0,200}? (?:-u|--user) [\"']?[^\s:\"']{1,60}:([^\s\"']{3,80})")),
    (("redis-cli",), re.compile(r"redis-cli\b[^\n]{0,80}? -a [\"']?([^\s\"']{4,80})")),
    (("sudo -s",), re.compile(r"echo [\"']?([^\s\"'|]{4,80})[\"']? ?\| ?sudo -S")),
    (("net use",), re.compile(r"net use \S{1,80} ([^\s/*][^\s]{3,60}) /user")),
)
"""Words of a command, and where its password stands."""


def secret_commands(view: View) -> Iterator[Span]:
    """Return the passwords and tokens."""
    text, lower = view.text, view.lower
    for stem, pattern in _HEADERS:
        at = lower.find(stem)
        while at >= 0:
            header = pattern.match(text, at)
            if header and is_token(header.group(1)):
                yield Span(*header.span(1), "SECRET")
            at = lower.find(stem, at + len(stem))
    patterns = [pattern for words, pattern in _COMMANDS if any(word in lower for word in words)]
    if "://" in text and "@" in text:
        patterns.append(_USER_INFO)
    for pattern in patterns:
        for found in pattern.finditer(text):
            if is_password(found.group(1), quoted=False):
                yield Span(*found.span(1), "SECRET")
