"""Passwords and keys that only the words before them give away. Source of the stems: what people and programs call them.

Read as assignments (`DB_PASSWORD=x`, `"api_key": "x"`, `<password>x</password>`), options (`--token x`), headers, the user
part of links, and sentences ("the password is x"). Code that only names a secret is not one.
"""

import re
from collections.abc import Iterator
from typing import Final

from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.secret_values import is_key, is_password, is_said, is_token
from parley_sidecar.pii.view import View

_PASSWORDS: Final = (
    "passw", "pwd", "passphrase", "passcode", "pass:", "pass=", "kennwort", "mot de passe", "mdp", "contrasena", "clave",
    "senha", "palavra-passe", "wachtwoord", "haslo", "sifre", "parola", "adgangskode", "salasana", "heslo", "kata sandi",
    "passord", "parool", "lozinka", "geslo",
)  # fmt: skip
_FOREIGN_PASSWORDS: Final = re.compile(
    "contraseña|hasło|парол|şifre|lösenord|jelszó|κωδικός|密码|密碼|口令|パスワード|暗証番号|비밀번호|암호|كلمة المرور|كلمة السر"
    "|סיסמה|סיסמא|पासवर्ड|รหัสผ่าน|mật khẩu|лозинк|slaptažodis"
)
_TOKENS: Final = (
    "token", "secret", "credential", "auth:", "auth=", "_auth", "sig=", "signature=", "session", "sid=", "geheim",
    "jeton", "chiave", "chave", "llave", "klucz", "otp", "webhook", "cookie:", "pat:", "pat=",
)  # fmt: skip
_FOREIGN_TOKENS: Final = re.compile("schlüssel|секрет|ключ|密钥|密鑰|秘钥|秘密鍵|토큰|clé")
_KEY: Final = "key"
_KEY_OF: Final = re.compile(
    r"(?:api|app|access|secret|private|auth|sign(?:ing)?|encrypt(?:ion)?|account|shared ?access|master|licen[sc]e"
    r"|client|service|server|hmac|storage|deploy|admin|write|read|ingest|rest|live|prod)[ _-]?\Z"
)
_KEY_REACH: Final = 14
_SIGN: Final = re.compile(r"[\"'`*\]]{0,3}\s{0,3}(?::=|=>|=|:|->|：)\s{0,3}\|?\s{0,4}(?:(?:[a-z]{1,2})?(?=[\"'`]))?")
_SAYS: Final = re.compile(
    r"[\"'*]{0,2} ?(?:(?:is|was|are|ist|lautet|war|est|es|era|è|é|to|jest|brzmi|är|er|on|este|je|это|:|=|-|–) ?[:\"'`]?"
    r"|(?:はね|は|が|是|为|為|이|는|은|가) ?[:：\"'「]?|[:：])\s?"
)
_TAG: Final = re.compile(r"(?:\"[^>\n]{0,40})?>")
_OPTION: Final = re.compile(r"[= ][\"']?")
_SPACE: Final = re.compile(r"[\"'`]? {1,2}[\"'`]?")
_QUOTED: Final = re.compile(r"\"([^\"\n]{3,300})\"|'([^'\n]{3,300})'|`([^`\n]{3,300})`")
_BARE: Final = re.compile(r"[^\s\"'`<>,;&|(){}\[\]。、，」]{4,300}")
_SPOKEN: Final = re.compile(r"[^\s\"'`<>,;(){}=\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]{4,120}")
_NAME_REST: Final = re.compile(r"[A-Za-z0-9_\u00c0-\u052f-]{0,32}")
_ABOUT: Final = re.compile(
    r"(?i)hash|algo|length|_?len\b|_min|_max|min_|max_|timeout|ttl|polic|field|type|name|file|path|reset|count|limit|expir"
    r"|rotat|age|prompt|label|url|uri|usage|valid|regex|pattern|placeholder|column|rule|format|provider|manager|endpoint"
)
"""A name that goes on with one of these is about a secret."""
_DIGIT: Final = re.compile("[0-9]")
_LETTER: Final = re.compile("[A-Za-z]")
_BEARER: Final = re.compile(
    r"(?:bearer|basic|token|negotiate|apikey|digest) +([A-Za-z0-9._~+/=:-]{8,2000})", re.IGNORECASE
)
_AUTHORIZED: Final = re.compile(
    r"authori[sz]ation[\"']? ?[:=,] ?[\"']?(?:(?:bearer|basic|token) +)?([^\s\"'<>{}$]{8,2000})", re.IGNORECASE
)
_HEADERS: Final = (("authori", _AUTHORIZED), ("bearer ", _BEARER), ("basic ", _BEARER), ("negotiate ", _BEARER))
_USER_INFO: Final = re.compile(r"://([^\s/:@\"'<>]{0,80}):([^\s/@\"'<>]{3,120})@")
_MYSQL: Final = re.compile(
    r"(?:mysql|mysqldump|mysqladmin|mariadb|sshpass|sqlcmd)\b[^\n]{0,60}? -[pP] ?([^\s\"'-][^\s\"']{3,60})"
)
_CURL_USER: Final = re.compile(r"(?:-u|--user) [\"']?([^\s:\"']{1,60}):([^\s\"']{3,80})")


def secret_words(view: View) -> Iterator[Span]:
    """Return the secrets that words give away."""
    lower = view.lower
    for stem in _PASSWORDS:
        for at in _places(lower, stem):
            yield from _password(view, at, at + len(stem))
    for stem in _TOKENS:
        for at in _places(lower, stem):
            yield from _token(view, at + len(stem))
    if not lower.isascii():
        yield from _foreign(view)
    yield from _named_keys(view)
    yield from _links(view)
    yield from _headers(view)


def _foreign(view: View) -> Iterator[Span]:
    for found in _FOREIGN_PASSWORDS.finditer(view.lower):
        yield from _password(view, *found.span())
    for found in _FOREIGN_TOKENS.finditer(view.lower):
        yield from _token(view, found.end())


def _named_keys(view: View) -> Iterator[Span]:
    lower = view.lower
    for at in _places(lower, _KEY):
        if _KEY_OF.search(lower, max(0, at - _KEY_REACH), at):
            yield from _token(view, at + len(_KEY))
        else:
            yield from _key(view, at + len(_KEY))


def _headers(view: View) -> Iterator[Span]:
    for stem, pattern in _HEADERS:
        for at in _places(view.lower, stem):
            header = pattern.match(view.text, at)
            if header and is_token(header.group(1)):
                yield Span(*header.span(1), "SECRET")


def _places(text: str, stem: str) -> Iterator[int]:
    at = text.find(stem)
    while at >= 0:
        yield at
        at = text.find(stem, at + len(stem))


def _password(view: View, start: int, end: int) -> Iterator[Span]:
    text = view.text
    rest = _behind_name(text, end)
    if rest is None:
        return
    end = rest
    found = _assigned(text, end) or _tagged(text, end)
    if found:
        low, high, quoted = found
        if is_password(text[low:high], quoted=quoted):
            yield Span(low, high, "SECRET")
        return
    option = text[max(0, start - 24) : start].rpartition(" ")[2].startswith("-")
    verb = (_OPTION if option else _SAYS).match(text, end)
    said = verb or _SPACE.match(text, end)
    value = said and _SPOKEN.match(text, said.end())
    if value is None:
        return
    high = _trimmed(text, value.start(), value.end())
    spoken = text[value.start() : high]
    if is_said(spoken) and (verb or (_DIGIT.search(spoken) and _LETTER.search(spoken))):
        yield Span(value.start(), high, "SECRET")


def _token(view: View, end: int) -> Iterator[Span]:
    text = view.text
    rest = _behind_name(text, end)
    if rest is None:
        return
    end = rest
    found = _assigned(text, end) or _tagged(text, end)
    if found is None:
        said = _SAYS.match(text, end) or _OPTION.match(text, end)
        value = said and _SPOKEN.match(text, said.end())
        if not said or not value:
            return
        found = (value.start(), _trimmed(text, value.start(), value.end()), False)
        if not any(map(str.isdigit, text[found[0] : found[1]])):
            return
    if is_token(text[found[0] : found[1]]):
        yield Span(found[0], found[1], "SECRET")


def _key(view: View, end: int) -> Iterator[Span]:
    text = view.text
    found = _assigned(text, end)
    if found is None:
        said = _SAYS.match(text, end) or _SPACE.match(text, end)
        value = said and _SPOKEN.match(text, said.end())
        if value is None:
            return
        found = (value.start(), _trimmed(text, value.start(), value.end()), False)
    if is_key(text[found[0] : found[1]]):
        yield Span(found[0], found[1], "SECRET")


def _links(view: View) -> Iterator[Span]:
    if "://" in view.text and "@" in view.text:
        for found in _USER_INFO.finditer(view.text):
            if is_password(found.group(2), quoted=False):
                yield Span(*found.span(2), "SECRET")
    if " -p" in view.text or " -P" in view.text:
        for found in _MYSQL.finditer(view.text):
            yield Span(*found.span(1), "SECRET")
    if "-u " in view.text or "--user " in view.text:
        for found in _CURL_USER.finditer(view.text):
            if is_password(found.group(2), quoted=False):
                yield Span(*found.span(2), "SECRET")


def _behind_name(text: str, end: int) -> int | None:
    """Return where the rest of the name ends, as `_v2` of `password_v2`; None if it is the name of something else."""
    name = _NAME_REST.match(text, end)
    if name is None or _ABOUT.search(name.group()):
        return None
    return name.end()


def _assigned(text: str, end: int) -> tuple[int, int, bool] | None:
    """Return where the value of an assignment stands, and whether it is in quotes."""
    sign = _SIGN.match(text, end)
    if sign is None:
        return None
    quoted = _QUOTED.match(text, sign.end())
    if quoted:
        return quoted.start() + 1, quoted.end() - 1, True
    bare = _BARE.match(text, sign.end())
    if bare is None or text[bare.end() : bare.end() + 1] in {"(", "["}:
        return None
    return bare.start(), _trimmed(text, bare.start(), bare.end()), False


def _tagged(text: str, end: int) -> tuple[int, int, bool] | None:
    """Return where the content of an element stands whose tag ends here."""
    tag = _TAG.match(text, end)
    value = tag and _BARE.match(text, tag.end())
    return (value.start(), value.end(), True) if value and text[value.end() : value.end() + 2] == "</" else None


def _trimmed(text: str, start: int, end: int) -> int:
    """Return the end without what closes a sentence."""
    while end > start + 1 and text[end - 1] in ".,;:":
        end -= 1
    return end
