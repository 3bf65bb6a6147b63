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
_HEADERS: Final = {
    "authorization": _AUTHORIZATION, "authorisation": _AUTHORIZATION, "bearer": _SCHEME, "basic": _SCHEME,
    "negotiate": _SCHEME,
}  # fmt: skip
_USER_INFO: Final = re.compile(r"://[^\s/:@\"'<>]{0,80}:([^\s/\"'<>]{3,120})@(?=[\w.\[-])")
_CLIENT: Final = re.compile(
    r"(?:mysql|mysqldump|mysqladmin|mariadb|sshpass|sqlcmd)\b[^\n]{0,60}? -[pP] ?([^\s\"'-][^\s\"']{3,60})"
)
_COMMANDS: Final = {
    **dict.fromkeys(("mysql", "mysqldump", "mysqladmin", "mariadb", "sshpass", "sqlcmd"), _CLIENT),
    "curl": re.compile(r"curl\b[^\n]{0,200}? (?:-u|--user) [\"']?[^\s:\"']{1,60}:([^\s\"']{3,80})"),
    "cli": re.compile(r"redis-cli\b[^\n]{0,80}? -a [\"']?([^\s\"']{4,80})"),
    "sudo": re.compile(r"echo [\"']?([^\s\"'|]{4,80})[\"']? ?\| ?sudo -S"),
    "net": re.compile(r"net use \S{1,80} ([^\s/*][^\s]{3,60}) /user"),
}
"""By a word of the command, where its password stands."""


def secret_commands(view: View) -> Iterator[Span]:
    """Return the passwords and tokens."""
    text, lower = view.text, view.lower
    for word in view.words.intersection(_HEADERS):
        at = lower.find(word)
        while at >= 0:
            header = _HEADERS[word].match(text, at)
            if header and is_token(header.group(1)):
                yield Span(*header.span(1), "SECRET")
            at = lower.find(word, at + len(word))
    patterns = {_COMMANDS[word] for word in view.words.intersection(_COMMANDS)}
    if "://" in text and "@" in text:
        patterns.add(_USER_INFO)
    for pattern in patterns:
        for found in pattern.finditer(text):
            if is_password(found.group(1), quoted=False):
                yield Span(*found.span(1), "SECRET")
