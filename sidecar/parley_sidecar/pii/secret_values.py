"""Whether what stands behind a secret's word is one, or code, a placeholder or a part of a sentence. Used by `secret_words`."""

import re
from typing import Final

_PLACEHOLDER: Final = re.compile(
    r"(?i)(?:[&*][a-z_]|:|<|\{|\[|\(|\\|%[s(]|%[a-z_]+%$|\$[{(]|\$(?-i:[A-Z_][A-Z0-9_]*|[a-z_]+)$|x{3,}|\*{3,}|\.{3}|-{3,}|#$|@[a-z]+$"
    r"|(?:os|env|process|config|settings|self|this|request|req|args|ctx|secrets|vars|var|data|input|params|options|props"
    r"|user|std|string|getenv|ref|vault|file|arn|https?)[.:(\[]|your|my[-_](?![0-9])|example|change[-_]?(?:me|this|it)|replace|insert|todo"
    r"|dummy|test$|none|null|nil|true|false|undefined|optional|secretkeyref|valuefrom)"
)
"""How one begins, or what is code."""
_PLACEHOLDER_PARTS: Final = ("...", "${", "{{", "%s", "****", "redacted", "placeholder", "your-", "your_")
_PLACEHOLDER_ENDS: Final = ("-here", "_here", "(")
_EXAMPLE: Final = re.compile("(?<![a-z])example(?![a-z])")
_COMMON: Final = frozenset(
    """password passwort contraseña senha secret token key value text field bearer basic opaque required incorrect invalid wrong
    correct expired missing empty changed reset forgotten strong weak secure encrypted hashed protected stored valid number
    letter name admin user username postgres root guest default postgresql mysql redis rabbitmq unknown too not string str int
    bytes never always also here there what that this case-sensitive up-to-date plain-text plaintext json yaml hidden
    disabled enabled environment sha256 sha512 argon2id bcrypt oauth2 base64 hs256 rs256 utf-8 utf8 md5""".split()
)
_PATH: Final = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|\?\.)[A-Za-z_$][\w$]*)+[;,)]?$")
_NAME: Final = re.compile(r"[^\W\d](?:[^\W\d]|[$-])*[;,)]?$|\$[A-Za-z_]+$")
_SHORTEST_STRONG: Final = 6
_ORDINARY: Final = re.compile(
    r"[a-z]+[-_]?[0-9]{1,2}|[0-9]+(?:st|nd|rd|th|ms|s|m|h|d|k|kb|mb|gb|px|pt|cm|mm|km|kg|g|x|er|e)?|[A-Z]+-?[0-9]+|v?[0-9.]+"
    r"|[\w-]+(?:\.[\w-]+)+|[^@\s]+@[\w-]+(?:\.[\w-]+)+|.*://.*|[0-9]+-[a-z]+|[a-z]+[0-9]+-[a-z-]+|0x[0-9a-fA-F]+|/.*|[\d/.,:-]+[a-z]*"
)
"""Names with a number, amounts with a unit, versions, file and host names, addresses, links."""
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")
_HEX: Final = re.compile(r"[0-9a-f]+$")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}:[0-9]{2}")
_SPECIAL: Final = re.compile(r"[^\w\s.,;:!?'\"/()-]|[!?][^!?.]|_")
_DIGITS: Final = re.compile("[0-9]")
_FEW_DIGITS: Final = 3
_HUMP: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_VOWELS: Final = frozenset("aeiouAEIOU")
_TELLING: Final = 48
"""Characters in which a placeholder shows that it is one."""
_SHORTEST: Final = 4
_SHORTEST_TOKEN: Final = 8
_LONG: Final = 20
_SHORT_HUMP: Final = 2.6
_FEW_VOWELS: Final = 0.25


def is_password(value: str, *, quoted: bool) -> bool:
    """Say whether a value that is assigned to a password is one; unquoted names are variables."""
    if len(value) < _SHORTEST:
        return False
    if quoted:
        return (" " not in value or _has_digit(value)) and not _never(value)
    named = _PATH.match(value) is not None or (_NAME.match(value) is not None and not _is_random(value))
    return not named and not _never(value)


def is_said(value: str) -> bool:
    """Say whether the word after "the password is" is one: no word of a sentence has digits or signs within."""
    if len(value) < _SHORTEST or _TIME.match(value):
        return False
    told = (
        _has_digit(value)
        or _SPECIAL.search(value) is not None
        or (value.count("-") > 1 and len(value) >= _LONG - 4)
        or _is_random(value)
    )
    return told and not _never(value)


def is_strong(value: str) -> bool:
    """Say whether a word has the letters and digits of a password, wherever it stands: not a name with a number."""
    if len(value) < _SHORTEST_STRONG or not _has_digit(value) or not any(map(str.isalpha, value)):
        return False
    return not _TIME.search(value) and not _ORDINARY.fullmatch(value) and not _never(value)


def is_long_token(value: str) -> bool:
    """Say whether a word is long and random, as tokens without any sign before them must be."""
    return len(value) >= _LONG and _has_digit(value) and is_token(value) and not _UUID.match(value)


def is_token(value: str) -> bool:
    """Say whether a value that is assigned to a token or an API key is one."""
    if len(value) < _SHORTEST_TOKEN or " " in value or _TIME.match(value):
        return False
    if value.isdigit() or _PATH.match(value) or _NAME.match(value):
        return _is_random(value) and not _never(value)
    return (_has_digit(value) or (len(value) > _LONG and not value.islower())) and not _never(value)


def is_key(value: str) -> bool:
    """Say whether the value of a mere "key" is a secret: long and random, no hash, no identifier."""
    if len(value) < _LONG or " " in value or not _has_digit(value) or value.islower() or value.isupper():
        return False
    if ":" in value or "/" in value[:8] or _UUID.match(value) or _HEX.match(value) or _PATH.match(value):
        return False
    return (len(_DIGITS.findall(value)) >= _FEW_DIGITS or _is_random(value)) and not _never(value)


def _never(value: str) -> bool:
    """Say whether a value is a placeholder, code, or an ordinary word."""
    if _PLACEHOLDER.match(value, 0, _TELLING):
        return True
    lower = value.lower()
    told = lower[:_TELLING]
    if any(part in told for part in _PLACEHOLDER_PARTS) or told.endswith(_PLACEHOLDER_ENDS):
        return True
    return ("example" in told and _EXAMPLE.search(told) is not None) or lower.rstrip(".,;:!") in _COMMON


def _has_digit(value: str) -> bool:
    return _DIGITS.search(value) is not None


def _is_random(value: str) -> bool:
    """Say whether letters change case as no name does: in short humps, or almost without vowels."""
    if len(value) < _SHORTEST_TOKEN or value[1:].islower() or value.isupper() or not value.isascii() or "." in value:
        return False
    humps = _HUMP.findall(value)
    letters = sum(map(len, humps))
    vowels = sum(character in _VOWELS for character in value)
    return letters > 0 and (letters / len(humps) < _SHORT_HUMP or vowels / letters < _FEW_VOWELS)
