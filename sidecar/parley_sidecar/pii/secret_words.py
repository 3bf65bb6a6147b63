"""Passwords and keys that only the words beside them give away. Source of the words: what people and programs say.

Read as assignments (`DB_PASSWORD=x`, `"api_key": "x"`, `<password>x</password>`), options (`--token x`), and sentences
("the new password will be x", "x is my password"). Code that only names a secret is not one.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.secret_values import is_key, is_long_token, is_password, is_said, is_strong, is_token
from parley_sidecar.pii.view import View

_PASSWORDS: Final = (
    "passw", "pwd", "passphrase", "pass phrase", "passcode", "kennwort", "mot de passe", "contrasena", "clave", "senha",
    "palavra-passe", "wachtwoord", "haslo", "sifre", "parola", "adgangskode", "salasana", "heslo", "kata sandi", "passord",
    "parool", "lozinka", "geslo", "zugangsdaten", "credentials", "wifi", "wi-fi",
)  # fmt: skip
_FOREIGN_PASSWORDS: Final = re.compile(
    "contraseña|hasło|парол|şifre|lösenord|jelszó|κωδικός|密码|密碼|口令|パスワード|暗証番号|비밀번호|암호|كلمة المرور|كلمة السر"
    "|סיסמה|סיסמא|पासवर्ड|รหัสผ่าน|mật khẩu|лозинк|slaptažodis"
)
_SHORT_PASSWORDS: Final = frozenset({"pass", "pw", "pswd", "pword", "mdp", "pin"})
"""Words that are parts of too many others."""
_TOKENS: Final = (
    "token", "secret", "credential", "auth:", "auth=", "_auth", "sig=", "signature=", "session=", "sessionid",
    "session_id", "sid=", "geheim", "jeton", "chiave", "chave", "clave", "llave", "klucz", "otp", "webhook", "cookie:",
    "pat:", "pat=",
)  # fmt: skip
_FOREIGN_TOKENS: Final = re.compile("schlüssel|секрет|ключ|токен|密钥|密鑰|秘钥|秘密鍵|토큰|clé")
_KEY: Final = "key"
_KEY_OF: Final = re.compile(
    r"(?:api|app|access|secret|private|auth|sign(?:ing)?|encrypt(?:ion)?|account|shared ?access|master|licen[sc]e"
    r"|client|service|server|hmac|storage|deploy|admin|write|read|ingest|rest|live|prod|wi-?fi|wlan|wpa2?|ssh)[ _-]?\Z"
)
_KEY_REACH: Final = 14
_SIGN: Final = re.compile(
    r"[\"'`*\]]{0,3}\s{0,3}(?::=|=>|=|:|->|：)\s{0,3}\|?\s{0,4}(?:(?:[a-z]{1,2})?(?=[\"'`]))?|\" value=(?=\")"
)
_VERBS: Final = r"(?:is|was|are|be|ist|lautet|war|est|es|era|è|é|to|jest|brzmi|är|er|on|este|je|это|هي|هو)(?![^\W\d_])"
_SAYS: Final = re.compile(
    rf"[\"'*]{{0,2}} ?(?:(?:{_VERBS}|[=:–-]) ?[:\"'`]?|(?<= )\(|(?:はね|は|が|是|为|為|이|는|은|가) ?[:：\"'「]?|[:：])\s?"
)
_SENTENCE: Final = re.compile(rf"(?: {{1,2}}[^\W\d_]{{1,14}}){{1,4}}?(?: {{1,2}}{_VERBS}:?|\s?:|：) ?[\"'`]?")
"""Up to four words, and a verb or a colon."""
_BEFORE: Final = re.compile(
    r"(?<![^\s\"'`(])([^\s\"'`(<>]{6,64})[\"'`]?,? (?:is|as|was|ist|als|est|es|è|é|como|come|comme|jest|=) "
    r"(?:[^\W\d_]{1,8} ){0,3}\Z"
)
_LINK: Final = re.compile(r" (?:is|as|was|ist|als|est|es|è|é|como|come|comme|jest|=) ")
_LINK_REACH: Final = 36
"""What links a value with the word behind it, and how far before that word it stands."""
_BEFORE_REACH: Final = 110
_USER: Final = re.compile(r"[ :=]{1,3}[\w.@+-]{2,40} ?/ ?")
"""A user's name and a slash, after which the password stands."""
_TAG: Final = re.compile(r"(?:\"[^>\n]{0,40})?>")
_OPTION: Final = re.compile(r"[= ][\"']?")
_OPTION_REACH: Final = 24
_SPACE: Final = re.compile(r"[\"'`]? {1,2}[\"'`]?")
_QUOTED: Final = re.compile(r"\"([^\"\n]{3,300})\"|'([^'\n]{3,300})'|`([^`\n]{3,300})`")
_BARE: Final = re.compile(r"[^\s\"'`<>,;&|(){}\[\]。、，」]{4,300}")
_SPOKEN: Final = re.compile(r"(?!-)[^\s\"'`<>,;(){}=\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]{4,120}")
_NAME_REST: Final = re.compile(r"[A-Za-z0-9_\u00c0-\u052f-]{0,32}")
_ABOUT: Final = re.compile(
    r"(?i)hash|algo|length|_?len\b|_min|_max|min_|max_|timeout|ttl|polic|field|type|name|file|path|reset|count|limit|expir"
    r"|rotat|age|version|prompt|label|url|uri|usage|valid|regex|pattern|placeholder|column|rule|format|provider|manager"
    r"|endpoint|time"
)
"""A name that goes on with one of these is about a secret."""


class Place(NamedTuple):
    """Where a value may stand, and whether it is in quotes."""

    start: int
    end: int
    quoted: bool = False


Judge = Callable[[str, Place, bool], bool]
"""Takes the text, a place, and whether a sign or a verb leads to it."""


def secret_words(view: View) -> Iterator[Span]:
    """Return the secrets that words give away."""
    for start, end in _passwords(view):
        yield from _judged(view.text, start, end, _is_password)
        if _LINK.search(view.lower, max(0, start - _LINK_REACH), start):
            before = _BEFORE.search(view.text, max(0, start - _BEFORE_REACH), start)
            if before and is_strong(before.group(1)):
                yield Span(*before.span(1), "SECRET")
    for start, end in _tokens(view):
        yield from _judged(view.text, start, end, _is_token)
    for start in _places(view.lower, _KEY):
        is_named = _KEY_OF.search(view.lower, max(0, start - _KEY_REACH), start)
        yield from _judged(view.text, start, start + len(_KEY), _is_token if is_named else _is_key)


def _passwords(view: View) -> Iterator[tuple[int, int]]:
    lower = view.lower
    for stem in _PASSWORDS:
        if stem in lower:
            yield from ((at, at + len(stem)) for at in _places(lower, stem))
    if not lower.isascii():
        yield from (found.span() for found in _FOREIGN_PASSWORDS.finditer(lower))
    for word in view.words & _SHORT_PASSWORDS:
        for at in _places(lower, word):
            behind = lower[at + len(word) : at + len(word) + 1]
            if not (lower[at - 1 : at].isalpha() or behind.isalpha() or behind == "_"):
                yield at, at + len(word)


def _tokens(view: View) -> Iterator[tuple[int, int]]:
    for stem in _TOKENS:
        if stem in view.lower:
            yield from ((at, at + len(stem.rstrip(":="))) for at in _places(view.lower, stem))
    if not view.lower.isascii():
        yield from (found.span() for found in _FOREIGN_TOKENS.finditer(view.lower))


def _places(text: str, stem: str) -> Iterator[int]:
    at = text.find(stem)
    while at >= 0:
        yield at
        at = text.find(stem, at + len(stem))


def _judged(text: str, start: int, end: int, judge: Judge) -> Iterator[Span]:
    """Return the value behind a word, if it is a secret."""
    rest = _NAME_REST.match(text, end)
    if rest is None or _ABOUT.search(rest.group()):
        return
    end = rest.end()
    place = _assigned(text, end) or _tagged(text, end)
    if place is None and (led := (_OPTION if _is_option(text, start) else _SAYS).match(text, end)):
        place = _spoken(text, led.end())
    if place is not None:
        if judge(text, place, True):
            yield Span(place.start, place.end, "SECRET")
            return
        if place.quoted or place.start == place.end:
            return
    for pattern in (_USER, _SPACE, _SENTENCE):
        led = pattern.match(text, end)
        place = _spoken(text, led.end()) if led else None
        if place and judge(text, place, False):
            yield Span(place.start, place.end, "SECRET")
            return


def _is_password(text: str, place: Place, led: bool) -> bool:  # noqa: FBT001 - a Judge
    value = text[place.start : place.end]
    if not led:
        return is_strong(value)
    return is_password(value, quoted=place.quoted) if text[place.start - 1] not in " (" else is_said(value)


def _is_token(text: str, place: Place, led: bool) -> bool:  # noqa: FBT001 - a Judge
    value = text[place.start : place.end]
    return is_token(value) if led else is_long_token(value)


def _is_key(text: str, place: Place, _led: bool) -> bool:  # noqa: FBT001 - a Judge
    return is_key(text[place.start : place.end])


def _is_option(text: str, start: int) -> bool:
    """Say whether the word there is an option of a command, as in `--db-password`."""
    return text[max(0, start - _OPTION_REACH) : start].rpartition(" ")[2].startswith("-")


def _assigned(text: str, end: int) -> Place | None:
    """Return where the value of an assignment stands; an empty place if it is code."""
    sign = _SIGN.match(text, end)
    if sign is None:
        return None
    quoted = _QUOTED.match(text, sign.end())
    if quoted:
        return Place(quoted.start() + 1, quoted.end() - 1, quoted=True)
    bare = _BARE.match(text, sign.end())
    if bare is None:
        return None
    if text[bare.end() : bare.end() + 1] in {"(", "["} or text[bare.end() - 1 : bare.end() + 1] == "->":
        return Place(bare.start(), bare.start())
    return Place(bare.start(), _trimmed(text, bare.start(), bare.end()))


def _tagged(text: str, end: int) -> Place | None:
    """Return where the content of an element stands whose tag ends here."""
    tag = _TAG.match(text, end)
    value = tag and _BARE.match(text, tag.end())
    return Place(value.start(), value.end(), quoted=True) if value and text.startswith("</", value.end()) else None


def _spoken(text: str, start: int) -> Place | None:
    """Return the word that begins there, without what closes a sentence."""
    value = _SPOKEN.match(text, start)
    return Place(start, _trimmed(text, start, value.end())) if value else None


def _trimmed(text: str, start: int, end: int) -> int:
    while end > start + 1 and text[end - 1] in ".,;:":
        end -= 1
    return end
