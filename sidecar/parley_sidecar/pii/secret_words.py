"""Passwords and keys that only the words beside them give away. Source of the words: what people and programs say.

Read as assignments (`DB_PASSWORD=x`, `"api_key": "x"`, `<password>x</password>`), options (`--token x`), and sentences
("the new password will be x", "x is my password"). Code that only names a secret is not one.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from parley_sidecar.pii.foreign_words import foreign_words
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.secret_values import is_key, is_long_token, is_password, is_said, is_strong, is_token
from parley_sidecar.pii.view import View

_PASS: Final = "pass"  # noqa: S105 - a word
_PASSW: Final = "passw"
_PASSES: Final = ("passphrase", "pass phrase", "passcode", "passord")
_PASSES_BEHIND: Final = ("mot de passe", "palavra-passe")
_PASSWORDS: Final = ("pwd", "kennwort", "clave", "credentials", "wifi", "wi-fi")
"""Parts of words, those of "pass" apart."""
_PASSWORD_WORDS: Final = {word: word for word in
    """contrasena contrasenas senha senhas wachtwoord wachtwoorden haslo hasla haslem sifre sifresi sifrem sifreniz
    parola parolasi parolam parolata parool parooli adgangskode adgangskoden salasana salasanasi salasanani heslo hesla
    heslem lozinka lozinke lozinku geslo gesla zugangsdaten contraseña contraseñas hasło hasła hasłem şifre şifresi
    şifrem şifreniz lösenord lösenordet jelszó jelszava jelszavam jelszavad slaptažodis slaptažodį""".split()
} | {"sandi": "kata sandi", "mật": "mật khẩu"}  # fmt: skip
"""Whole words, or one of two."""
_SHORT_PASSWORDS: Final = frozenset({"pass", "pw", "pswd", "pword", "mdp", "pin"})
"""Words that are parts of too many others."""
_TOKENS: Final = ("token", "secret", "credential", "clave", "webhook")
_AUTH: Final = "auth"
_AUTHS: Final = ("auth:", "auth=")
_GERMAN: Final = "schlüssel"
_TOKEN_WORDS: Final = {
    "sig": ("sig=",), "signature": ("signature=",), "session": ("session=", "session_id"), "sessionid": ("sessionid",),
    "sid": ("sid=",), "otp": ("otp",), "totp": ("totp",), "hotp": ("hotp",), "cookie": ("cookie:",),
    "pat": ("pat:", "pat="), "geheim": ("geheim",), "geheimnis": ("geheimnis",), "jeton": ("jeton",),
    "jetons": ("jetons",), "chiave": ("chiave",), "chiavi": ("chiavi",), "chave": ("chave",), "chaves": ("chaves",),
    "klucz": ("klucz",), "clé": ("clé",), "clés": ("clés",), "llave": ("llave",), "llaves": ("llaves",),
     "klucza": ("klucza",), "kluczem": ("kluczem",),
}  # fmt: skip
"""By one of their words."""
_KEY: Final = "key"
_KEY_OF: Final = (
    "api", "app", "access", "secret", "private", "auth", "sign", "signing", "encrypt", "encryption", "account", "master",
    "license", "licence", "client", "service", "server", "hmac", "storage", "deploy", "admin", "write", "read", "ingest",
    "rest", "live", "prod", "wifi", "wi-fi", "wlan", "wpa", "wpa2", "ssh",
)  # fmt: skip
"""What stands before "key" where it is a secret's name."""
_KEY_REACH: Final = 14
_JOINS: Final = frozenset(" _-")
_SOLID: Final = bytes(ord(" ") if code in b" \n" else ord("a") for code in range(256))
_LONG_WORD: Final = b"a" * 20
_LONG_REACH: Final = 160
"""Characters from a word on in which all of a value begins that may belong to it, and 20 of it."""
_SIGN: Final = re.compile(
    r"[\"'`*\]]{0,3}\s{0,3}(?::=|=>|=|:|->|：)\s{0,3}\|?\s{0,4}(?:(?:[a-z]{1,2})?(?=[\"'`]))?|\" value=(?=\")"
)
_VERBS: Final = r"(?:is|was|are|be|ist|lautet|war|est|es|era|è|é|to|jest|brzmi|är|er|on|este|je|это|هي|هو)(?![^\W\d_])"
_SAYS: Final = re.compile(
    rf"[\"'*]{{0,2}} ?(?:(?:{_VERBS}|[=:–-]) ?[:\"'`]?|(?<= )\(|(?:はね|は|が|是|为|為|이|는|은|가) ?[:：\"'「]?|[:：])\s?"
)
_SENTENCE: Final = re.compile(rf"(?: {{1,2}}[^\W\d_]{{1,14}}){{1,4}}?(?: {{1,2}}{_VERBS}:?|\s?:|：) ?[\"'`]?")
"""Up to four words, and a verb or a colon."""
_SENTENCE_REACH: Final = 220
"""The length of these and of the longest value behind them, and a little more."""
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
_TAG_SIGNS: Final = frozenset('">')
_OPTION: Final = re.compile(r"[= ][\"']?")
_OPTION_REACH: Final = 24
_SPACE: Final = re.compile(r"[\"'`]? {1,2}[\"'`]?")
_BESIDE: Final = {
    " ": (_USER, _SPACE, _SENTENCE), ":": (_USER,), "=": (_USER,), '"': (_SPACE,), "'": (_SPACE,), "`": (_SPACE,),
}  # fmt: skip
"""By the characters that these may begin with."""
_QUOTED: Final = re.compile(r"\"([^\"\n]{3,300})\"|'([^'\n]{3,300})'|`([^`\n]{3,300})`")
_BARE: Final = re.compile(r"[^\s\"'`<>,;&|(){}\[\]。、，」]{4,300}")
_SPOKEN: Final = re.compile(r"(?!-)[^\s\"'`<>,;(){}=\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]{4,120}")
_CLOSES: Final = frozenset({"", *".,;)({/!?&|}+<~#$%^\\["})
"""Behind one of these nothing is said of the word before."""
_NAME_REST: Final = re.compile(r"[A-Za-z0-9_\u00c0-\u052f-]{1,32}")
_ABOUT: Final = re.compile(
    r"hash|algo|length|_?len\b|_min|_max|min_|max_|timeout|ttl|polic|field|type|name|file|path|reset|count|limit|expir"
    r"|rotat|age|version|prompt|label|url|uri|usage|valid|regex|pattern|placeholder|column|rule|format|provider|manager"
    r"|endpoint|time"
)
"""A name that goes on with one of these is about a secret."""


_ENDINGS: Final = frozenset({"s", "ord", "ords", "ort", "es", "d"})
"""Rests of names that say nothing about it; the most are one of these."""


class Place(NamedTuple):
    """Where a value may stand, and whether it is in quotes."""

    start: int
    end: int
    quoted: bool = False


Judge = Callable[[str, Place, bool], bool]
"""Takes the text, a place, and whether a sign or a verb leads to it."""


def secret_words(view: View) -> Iterator[Span]:
    """Return the secrets that words give away."""
    solid = view.ascii.translate(_SOLID)
    for start, end in _passwords(view):
        yield from _judged(view, start, end, _is_password, solid)
        if _LINK.search(view.lower, max(0, start - _LINK_REACH), start):
            yield from _said_before(view, start)
    for start, end in _tokens(view):
        yield from _judged(view, start, end, _is_token, solid)
    for start in _places(view.lower, _KEY):
        named = view.lower[max(0, start - _KEY_REACH) : start]
        is_named = (named[:-1] if named[-1:] in _JOINS else named).endswith(_KEY_OF)
        if is_named or _has_long_word(solid, start):
            yield from _judged(view, start, start + len(_KEY), _is_token if is_named else _is_key, solid)


def _said_before(view: View, start: int) -> Iterator[Span]:
    """Return the password before "is my password", on the same line."""
    low = max(0, start - _BEFORE_REACH)
    low = max(low, view.text.rfind("\n", low, start))
    before = _BEFORE.search(view.text, low, start) if view.shape.find(b"0", low, start) >= 0 else None
    if before and is_strong(before.group(1)):
        yield Span(*before.span(1), "SECRET")


def _passwords(view: View) -> Iterator[tuple[int, int]]:
    lower = view.lower
    stems = [*_PASSWORDS, *(_PASSWORD_WORDS[word] for word in view.words.intersection(_PASSWORD_WORDS))]
    for stem in stems:
        at = lower.find(stem)
        while at >= 0:
            yield at, at + len(stem)
            at = lower.find(stem, at + len(stem))
    yield from _passes(lower)
    yield from ((start, end) for start, end, said in foreign_words(view) if said == "password")
    for word in view.words & _SHORT_PASSWORDS:
        for at in _places(lower, word):
            behind = lower[at + len(word) : at + len(word) + 1]
            if not (lower[at - 1 : at].isalpha() or behind.isalpha() or behind == "_"):
                yield at, at + len(word)


def _passes(lower: str) -> Iterator[tuple[int, int]]:
    for at in _places(lower, _PASS):
        if lower.startswith(_PASSW, at):
            yield at, at + len(_PASSW)
        elif lower.startswith(_PASSES, at):
            yield at, next(at + len(stem) for stem in _PASSES if lower.startswith(stem, at))
        elif lower.startswith("e", at + len(_PASS)):
            stem = next((stem for stem in _PASSES_BEHIND if lower.endswith(stem, 0, at + len(_PASS) + 1)), None)
            if stem:
                yield at + len(_PASS) + 1 - len(stem), at + len(_PASS) + 1


def _tokens(view: View) -> Iterator[tuple[int, int]]:
    stems = [*_TOKENS, *(stem for word in view.words.intersection(_TOKEN_WORDS) for stem in _TOKEN_WORDS[word])]
    for at in _places(view.lower, _AUTH):
        if view.lower.startswith(_AUTHS, at) or view.lower[at - 1 : at] == "_":
            yield at, at + len(_AUTH)
    if not view.lower.isascii():
        stems.append(_GERMAN)
    for stem in stems:
        at = view.lower.find(stem)
        while at >= 0:
            yield at, at + len(stem.rstrip(":="))
            at = view.lower.find(stem, at + len(stem))
    yield from ((start, end) for start, end, said in foreign_words(view) if said == "token")


def _places(text: str, stem: str) -> Iterator[int]:
    at = text.find(stem)
    while at >= 0:
        yield at
        at = text.find(stem, at + len(stem))


def _judged(view: View, start: int, end: int, judge: Judge, solid: bytes) -> Iterator[Span]:
    """Return the value behind a word, if it is a secret."""
    text = view.text
    if text[end : end + 1] in _CLOSES:
        return
    rest = None if text[end] == " " else _NAME_REST.match(text, end)
    if rest:
        if rest.group() not in _ENDINGS and _ABOUT.search(view.lower, end, rest.end()):
            return
        end = rest.end()
        if text[end : end + 1] in _CLOSES:
            return
    place = _assigned(text, end) or (_tagged(text, end) if text[end] in _TAG_SIGNS else None)
    if place is None and (led := (_OPTION if _is_option(text, start) else _SAYS).match(text, end)):
        place = _spoken(text, led.end())
    if place is not None:
        if judge(text, place, True):
            yield Span(place.start, place.end, "SECRET")
            return
        if place.quoted or place.start == place.end:
            return
    if (judge is _is_password or _has_long_word(solid, end)) and _has_digit(view, end):
        yield from _beside(text, end, judge)


def _has_long_word(solid: bytes, start: int) -> bool:
    """Say whether a word stands near that is long enough for a key, or for a token that no sign leads to."""
    return solid.find(_LONG_WORD, start, start + _LONG_REACH) >= 0


def _has_digit(view: View, start: int) -> bool:
    """Say whether a digit stands near on this line, or behind a colon on the next: else nothing there is a secret."""
    line_end = view.text.find("\n", start, start + _SENTENCE_REACH)
    limit = start + _SENTENCE_REACH if line_end < 0 or view.text.startswith(":", line_end + 1) else line_end
    return view.shape.find(b"0", start, limit) >= 0


def _beside(text: str, end: int, judge: Judge) -> Iterator[Span]:
    """Return the value that no sign and no verb leads to."""
    for pattern in _BESIDE.get(text[end], ()):
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
    low = max(0, start - _OPTION_REACH)
    space = text.rfind(" ", low, start)
    return text[low if space < 0 else space + 1 : start].startswith("-")


def _assigned(text: str, end: int) -> Place | None:
    """Return where the value of an assignment stands; an empty place if it is code."""
    sign = None if text[end] == " " and text[end + 1 : end + 2].isalnum() else _SIGN.match(text, end)
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
