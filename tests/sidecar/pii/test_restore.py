"""What is taken for a token, and what comes back in its place."""

from collections import Counter

import pytest

from parley_sidecar.pii.held import HeldArguments, HeldText
from parley_sidecar.pii.restore import Restorer, Token, tokens_in

VALUES = {"IP_1": 'say "10.8.9.1"', "IP": 'say "10.8.9.1"', "OWN__1": "a", "A" * 32 + "_1": "b"}


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("<IP_1>", [Token(0, 6, "IP_1")]),
        ("a <IP> b", [Token(2, 6, "IP")]),
        (r"\<IP\_1\>", [Token(0, 9, "IP_1")]),
        (r"\\<IP_1\>", [Token(1, 9, "IP_1")]),
        (r"\<IP_1>", [Token(1, 7, "IP_1")]),
        (r"<IP_1\>", []),
        ("<IP_0> <IP_01> <ip_1> <Ip> <IP 1> <1> <> <<IP", []),
        ("<IP1>", [Token(0, 5, "IP1")]),
        ("<<IP_1>>", [Token(1, 7, "IP_1")]),
        (f"<{'A' * 45}>", [Token(0, 47, "A" * 45)]),
        (f"<{'A' * 46}>", []),
    ],
)
def test_tokens_are_seen(text: str, tokens: list[Token]) -> None:
    """A word in capitals between brackets, both of them escaped or none; the number begins with no zero."""
    assert tokens == list(tokens_in(text))


def test_a_tokens_kind_is_its_word() -> None:
    """With the number or without it."""
    assert ["EMAIL_ADDRESS", "EMAIL_ADDRESS", "IP"] == [
        Token(0, 1, key).kind for key in ("EMAIL_ADDRESS_12", "EMAIL_ADDRESS", "IP")
    ]


def test_kinds_of_ones_own_come_back() -> None:
    """Whatever their word ends in, and however long it is."""
    assert "a b" == Restorer(VALUES).text(f"<OWN__1> <{'A' * 32}_1>")


@pytest.mark.parametrize(
    ("raw", "restored"),
    [
        ('{"a": "<IP_1>"}', '{"a": "say \\"10.8.9.1\\""}'),
        ('{"a": "\\u003cIP_1\\u003E <IP>"}', '{"a": "say \\"10.8.9.1\\" say \\"10.8.9.1\\""}'),
        ('{"a": "\\\\<IP\\\\_1\\\\>"}', '{"a": "say \\"10.8.9.1\\""}'),
        ('{"a": "\\\\<IP_1>"}', '{"a": "\\\\say \\"10.8.9.1\\""}'),
        ('{"a": "\\\\u003cIP_1>"}', '{"a": "\\\\u003cIP_1>"}'),
        ('{"a": "\\u003cip_1\\u003e <IP_2>"}', '{"a": "\\u003cip_1\\u003e <IP_2>"}'),
        ('{"a": 1.0}', '{"a": 1.0}'),
    ],
)
def test_json_text_gets_escaped_values(raw: str, restored: str) -> None:
    """Part by part as in a stream, or complete: it says the same."""
    assert restored == Restorer(VALUES).within_json(raw)
    assert restored == Restorer(VALUES).arguments(raw)


def test_arguments_that_are_no_json_are_text() -> None:
    """A model's broken arguments get their values as they are."""
    assert '{"a": say "10.8.9.1"' == Restorer(VALUES).arguments('{"a": <IP_1>')


def test_counts_are_by_kind() -> None:
    """Of tokens with and without a number together."""
    counted: Counter[tuple[str, str]] = Counter()
    restorer = Restorer(VALUES)

    restorer.text("<IP> <IP_1> <IP_2>")
    restorer.within_json('"<IP_1>"')
    restorer.report(lambda direction, kind, times: counted.update({(direction, kind): times}))

    assert {("restored", "IP"): 3} == counted


@pytest.mark.parametrize("begun", ["<" + "A" * 60, "\\u003c" + "A" * 60, "\\\\<" + "A" * 60])
def test_what_cannot_become_a_token_any_more_is_let_go(begun: str) -> None:
    """No more than a token's length waits, in JSON too; what comes behind is restored as ever."""
    held = HeldArguments(Restorer({"IP_1": "10.8.9.1"}))

    shown = [held.add(letter) for letter in begun + "<IP_1>"]

    waited, longest = 0, 0
    for letter, piece in zip(begun, shown, strict=False):
        waited += len(letter) - len(piece)
        longest = max(longest, waited)
    assert longest < 48
    assert begun + "10.8.9.1" == "".join(shown) + held.finish()


@pytest.mark.parametrize("held", [HeldText(Restorer({})), HeldArguments(Restorer({}))])
def test_what_has_waited_is_shown_at_the_end(held: HeldText | HeldArguments) -> None:
    """As it came."""
    assert ("a ", "<IP_1") == (held.add("a <IP_1"), held.finish())
