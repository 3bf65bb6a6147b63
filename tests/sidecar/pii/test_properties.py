"""What holds for every text, however adversarial: it comes back, no two values are one, and nothing detectable is left.

The texts are made of values, of tokens and their halves, of what a model or a caller may wrap around them, and of
anything at all.
"""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley_crds.resource import Privacy
from parley_sidecar.http_client import HttpClient
from parley_sidecar.model import ConverseRequest, Message, ToolCall, Trace
from parley_sidecar.pii import spans
from parley_sidecar.pii.finder import Finder
from parley_sidecar.pii.held import HeldArguments, HeldText
from parley_sidecar.pii.hiding import kinds_of, numbered, read
from parley_sidecar.pii.restore import Restorer
from parley_sidecar.pii.vault import SECRET, RequestNumbers, Vault

CORPUS = Path(__file__).parent / "corpus"
PRIVACY = Privacy()
FINDER = Finder.of(PRIVACY, HttpClient())
VALUES = (
    "ann@example.com", "bob@example.org", "+14155552671", "+442079460123", "10.8.9.1", "4111 1111 1111 1111",
    "DE89370400440532013000", "jürgen@exämple.de", "488-23-3729", "born 1990-04-01", "password: hunter22x", "hunter22x",
    "user@localhost", "PO Box 1234",
)  # fmt: skip
TOKENS = (
    "<EMAIL_ADDRESS_1>", "<EMAIL_ADDRESS>", "<EMAIL_ADDRESS_2>", "<PHONE_NUMBER_1>", "<PHONE_NUMBER>", "<IP_1>",
    "<SECRET_1>", "<SECRET>", "<TOKEN_1>", "<email_address_1>", r"<EMAIL\_ADDRESS\_1>", r"\<EMAIL_ADDRESS_1\>",
    r"\<EMAIL\_ADDRESS\_1\>", r"\<EMAIL_ADDRESS_1>", r"<EMAIL_ADDRESS_1\>", "<EMAIL_ADDRESS_01>", "<EMAIL_ADDRESS_1",
    "<EMAIL_", "EMAIL_ADDRESS_1>", "_1>", "<", ">", "\\", "<<", r"\u003cEMAIL_ADDRESS_1\u003e", "<PHONE_NUMBER_",
    "&lt;IP_1&gt;", "<UNKNOWN_1>", "<A_1>",
)  # fmt: skip
GLUE = ("", " ", "\n", ", ", '"', "'", "\\", "`", ": ", "\u200b", "é", "漢", "1", "_", "x", "\\\\", "\ufeff")
TEXT = st.lists(
    st.sampled_from(VALUES) | st.sampled_from(TOKENS) | st.sampled_from(GLUE) | st.text(max_size=6), max_size=14
).map("".join)
JSON = st.recursive(
    TEXT | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def hidden(*messages: Message) -> tuple[ConverseRequest, Vault]:
    """Return a request with numbered tokens, and the vault that was made for it."""

    async def hide() -> tuple[ConverseRequest, Vault]:
        prompt = await read(ConverseRequest(messages, Trace("1")), FINDER, whole=True)
        return await numbered(prompt, FINDER, RequestNumbers(), kinds_of(PRIVACY))

    return asyncio.run(hide())


def revealed(vault: Vault, text: str) -> str:
    """Return a text with all its values, also the secrets that a caller never gets back."""
    secrets = {token[1:-1]: value for value, token in vault.tokens.items() if token.startswith(f"<{SECRET}_")}
    return Restorer({**vault.restored, **secrets}).text(text)


@given(TEXT)
def test_what_was_hidden_comes_back(text: str) -> None:
    """To the character; a secret alone stays behind its token."""
    request, vault = hidden(Message("user", text))

    (message,) = request.messages
    assert text == revealed(vault, message.text)


@given(st.lists(TEXT, max_size=4))
def test_messages_share_their_tokens(texts: list[str]) -> None:
    """One value has one token in all of them, no two share one, and each comes back."""
    request, vault = hidden(*(Message("user", text) for text in texts))

    assert texts == [revealed(vault, message.text) for message in request.messages]
    assert len(vault.tokens) == len(set(vault.tokens.values()))


@given(TEXT)
def test_nothing_detectable_is_left(text: str) -> None:
    """The provider gets a text in which there is nothing to find, and no value that was found."""
    request, _ = hidden(Message("user", text))

    received = request.messages[0].text
    assert [] == [received[span.start : span.end] for span in spans(received)]


@given(JSON)
def test_arguments_come_back(value: object) -> None:
    """As the same JSON value; a number that was hidden comes back as a text of its digits."""
    raw = json.dumps(value)
    request, vault = hidden(Message("assistant", "", tool_calls=(ToolCall("1", "f", raw),)))

    (call,) = request.messages[0].tool_calls
    json.loads(call.arguments)
    if not vault.kinds.get(SECRET):
        assert as_texts(value) == as_texts(json.loads(Restorer(vault.restored).arguments(call.arguments)))


@given(TEXT, st.data())
def test_a_text_is_restored_alike_however_it_is_cut(text: str, data: st.DataObject) -> None:
    """Pieces add up to what the whole text would be."""
    vault = Vault(asyncio.run(RequestNumbers().assign([("EMAIL_ADDRESS", "a\\b@c.de"), ("IP", "10.8.9.1")])))
    held = HeldText(Restorer(vault.restored))

    shown = "".join(held.add(piece) for piece in cut(text, data)) + held.finish()

    assert Restorer(vault.restored).text(text) == shown


@given(TEXT, st.data())
def test_arguments_are_restored_alike_however_they_are_cut(text: str, data: st.DataObject) -> None:
    """Pieces add up to JSON that says what the whole would say."""
    vault = Vault(asyncio.run(RequestNumbers().assign([("EMAIL_ADDRESS", 'a\\"b@c.de\n'), ("IP", "10.8.9.1")])))
    raw = json.dumps({"a": text}, ensure_ascii=data.draw(st.booleans()))
    if data.draw(st.booleans()):
        raw = raw.replace("<", "\\u003c").replace(">", "\\u003E")
    held = HeldArguments(Restorer(vault.restored))

    shown = "".join(held.add(piece) for piece in cut(raw, data)) + held.finish()

    assert Restorer(vault.restored).within_json(raw) == shown
    assert {"a": Restorer(vault.restored).text(text)} == json.loads(shown)


@pytest.mark.parametrize("part", ["known", "held"])
def test_the_corpus_comes_back_and_shows_nothing(part: str) -> None:
    """Labelled text of all sorts: nothing to find is left, no value, and all but the secrets returns."""
    texts = [json.loads(line)["text"] for line in (CORPUS / f"{part}.jsonl").read_text("utf-8").splitlines()]

    for text in texts:
        request, vault = hidden(Message("user", text))
        received = request.messages[0].text
        assert text == revealed(vault, received)
        assert not spans(received)
        assert not [value for value in vault.tokens if len(value) >= 5 and value in received]


def as_texts(value: object) -> object:
    """Return a JSON value with its numbers as texts."""
    if isinstance(value, dict):
        return {key: as_texts(held) for key, held in value.items()}
    if isinstance(value, list):
        return [as_texts(held) for held in value]
    return str(value) if isinstance(value, int) else value


def cut(text: str, data: st.DataObject) -> list[str]:
    """Return a text in pieces of any length."""
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
