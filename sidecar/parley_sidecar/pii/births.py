"""Dates of birth: a date that words say somebody was born on. Any other date is not personal."""

import re
from collections.abc import Iterator
from typing import Final

from parley_sidecar.pii.foreign_words import foreign_words
from parley_sidecar.pii.kinds import Span
from parley_sidecar.pii.view import View

_WORDS: Final = frozenset(
    """dob born birth birthday birthdate dateofbirth geboren geb geburtsdatum geburtstag gebdatum né née nee naissance nacimiento
    nací naci nacido nacida nació nato nata nascita nascimento nasci nascido nascida nasceu geboortedatum geboorte urodzony
    urodzona urodzenia urodziny urodziłem urodziłam родился родилась рождения рожд народився народилася народження роден родена
    раждане född födelsedatum fødselsdato født syntynyt syntymäaika narozen narozena narození született születési született
    născut născută nașterii rođen rođena rođenja rojen rojena rojstva gimęs gimusi gimimo dzimis dzimusi dzimšanas sündinud
    sünniaeg sünnikuupäev doğum doğumlu doğdum γεννήθηκα γεννήθηκε γέννησης γεννημένος जन्म जन्मतिथि ميلاد الميلاد المولود ولدت
    تولد לידה נולד נולדה נולדתי sinh lahir kelahiran fæddur fædd fæðingardagur petsa kapanganakan alizaliwa kuzaliwa জন্ম""".split()
)
_ABBREVIATED: Final = {
    "nac": ("f. nac", "f.nac", "fecha nac", "fec. nac"),
    "nasc": ("d. nasc", "data nasc", "dt. nasc"),
    "b": ("d.o.b",),
    "р": ("д.р.", "г.р."),
}
"""By one of their words."""
_KEYS: Final = frozenset(_ABBREVIATED)
_SHORT: Final = re.compile(r"[\W_]?(?:b|ur|nar|szül)\. ?(?=[0-9]|[A-Z][a-z])")
_SHORT_WORDS: Final = frozenset({"b", "ur", "nar", "szül"})
_MONTH: Final = r"[^\W\d_]{3,12}\.?"
_DATE: Final = re.compile(
    r"(?<![0-9])(?:"
    r"(?:19|20)[0-9]{2} ?[-/.年년] ?[0-9]{1,2} ?[-/.月월] ?[0-9]{1,2} ?[日일]?"
    rf"|[0-9]{{1,2}} ?[-/. ] ?[0-9]{{1,2}} ?[-/. ] ?(?:(?:19|20)[0-9]{{2}}|[0-9]{{2}})(?![0-9])"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th|er|º|°|ste|de|\.)?,? ?(?:(?:of|de|del|d['’])? ?)?-?{_MONTH}-?(?:,? ?(?:de|of|del))?,? ?'?(?:(?:19|20)[0-9]{{2}}|[0-9]{{2}}(?![0-9:]))"
    r"|(?:19|20)[0-9]{6}(?![0-9])"
    rf"|(?:19|20)[0-9]{{2}}[ -]{_MONTH}[ -][0-9]{{1,2}}(?![0-9])"
    r")"
)
_MONTH_FIRST: Final = re.compile(
    r"(?:jan|feb|mar|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez|ene|abr|ago|dic|avr|juin|juil|août|déc|fév)"
    r"[^\W\d_]{0,7}\.? [0-9]{1,2}(?:st|nd|rd|th)?,? (?:19|20)[0-9]{2}"
)
_DISTANCE: Final = 40
"""How many characters may stand between the word and the date."""
_BEFORE: Final = 44
_NEAR: Final = 24
_DIGIT: Final = b"0"
_DIGITS: Final = b"00"
"""What the shape of every date has in it."""
_BEHIND: Final = _DISTANCE + 36
"""What is searched before and behind a word: the distance, and the longest date."""
_BEHIND_WORDS: Final = re.compile(
    r"\s?(?:生まれ|出生|생|geboren|geb\.|urodz|született|,? ?(?:is|was|=|\(|ist|est|es)[^\d\n]{0,14}(?:birth|dob|born|geburt|naissance|nacimiento))"
)


def births(view: View) -> Iterator[Span]:
    """Return the dates of birth."""
    if not view.has_digits:
        return
    abbreviated = [short for key in view.words & _KEYS for short in _ABBREVIATED[key]]
    for word in (*(view.words & _WORDS), *abbreviated):
        at = view.lower.find(word)
        while at >= 0:
            following = view.lower.find(word, at + len(word))
            yield from _around(view, at, at + len(word), following)
            at = following
    for start, end, said in foreign_words(view):
        if said == "born":
            yield from _around(view, start, end)
    for word in view.words & _SHORT_WORDS:
        at = view.lower.find(f"{word}.")
        while at >= 0:
            short = _SHORT.match(view.text, max(0, at - 1))
            end = short.end() if short else 0
            yield from (span for span in (_around(view, at, end) if short else ()) if span.start == end)
            at = view.lower.find(f"{word}.", at + 1)


def _around(view: View, start: int, end: int, following: int = -1) -> Iterator[Span]:
    """Return the dates that begin close behind a word and before the following one, or end right before the word."""
    limit = min(len(view.text), end + _BEHIND) if following < 0 else min(following, end + _BEHIND)
    if view.shape.find(_DIGITS, end, limit) >= 0:
        digit = view.shape.find(_DIGIT, end, limit)
        for behind in (_DATE.search(view.text, digit, limit), _MONTH_FIRST.search(view.lower, end, limit)):
            if behind and behind.start() - end <= _DISTANCE:
                yield Span(behind.start(), behind.end(), "DATE_OF_BIRTH")
    if view.shape.find(_DIGITS, max(0, start - _NEAR), start) >= 0:
        for pattern, text in ((_DATE, view.text), (_MONTH_FIRST, view.lower)):
            for before in pattern.finditer(text, max(0, start - _BEFORE), end):
                if _BEHIND_WORDS.match(view.lower, before.end()):
                    yield Span(before.start(), before.end(), "DATE_OF_BIRTH")
