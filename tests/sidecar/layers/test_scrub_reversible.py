"""Values that are hidden and put back: their numbers, in requests and in chat rooms, and the answers they return in."""

import json
from collections.abc import Iterable, Sequence

import pytest

from parley_sidecar.errors import ProviderUnavailable, StoreUnavailable
from parley_sidecar.layers.scrub import ScrubLayer
from parley_sidecar.model import Answer, Choice, ConverseRequest, Delta, Message, ToolCall, ToolCallDelta, Trace, Usage
from parley_sidecar.pii.kinds import Kind
from parley_sidecar.pii.vault import Named, RequestNumbers
from tests.sidecar.layers.scrubbing import Counts, Heard, asking, echoing, hiding, read, streaming, texts

ANN, BOB, PHONE, KEY = "ann@example.com", "bob@example.org", "+14155552671", "hunter22x"
ONE, TWO, BARE = "<EMAIL_ADDRESS_1>", "<EMAIL_ADDRESS_2>", "<EMAIL_ADDRESS>"
REVERSIBLE = hiding(mode="reversible")


class Rooms:
    """The numbers of rooms, in memory; a secret's value is not kept."""

    def __init__(self) -> None:
        self.rooms: dict[str, RequestNumbers] = {}
        self.named: dict[str, dict[str, Named]] = {}
        self.opened = 0

    def __call__(self, room: str) -> "Room":
        """Return the numbers of one room."""
        return Room(self, self.rooms.setdefault(room, RequestNumbers()), self.named.setdefault(room, {}))


class Room:
    """The numbers of one room."""

    def __init__(self, rooms: Rooms, numbers: RequestNumbers, named: dict[str, Named]) -> None:
        self._rooms, self._numbers, self._named = rooms, numbers, named

    @property
    def epoch(self) -> bytes:
        """Return what tells this life of the room from another."""
        return b"epoch"

    async def known(self) -> Sequence[Named]:
        """Return what the room knows."""
        self._rooms.opened += 1
        return [one._replace(value="") if one.kind == "SECRET" else one for one in self._named.values()]

    def repeats(self, words: Iterable[str]) -> Sequence[Named]:
        """Return the secrets among the words."""
        return [self._named[word] for word in words if word in self._named]

    async def assign(self, values: Sequence[tuple[Kind, str]]) -> Sequence[Named]:
        """Number new values."""
        names = await self._numbers.assign(values)
        self._named |= {name.value: name for name in names}
        return names


def in_room(*messages: Message, room: str = "r") -> ConverseRequest:
    """Return a request in a chat room."""
    return ConverseRequest(messages, Trace("1"), context_id=room)


async def received(*said: str) -> list[str]:
    """Return what the provider got of a user's messages."""
    heard = Heard()
    await ScrubLayer(heard, REVERSIBLE, Counts())(asking(*(Message("user", text) for text in said)))
    return [message.text for message in heard.requests[0].messages]


async def answered(said: str, *prompt: str) -> str:
    """Return what the caller gets when the provider says `said`; the same from a stream, letter by letter."""
    request = asking(*(Message("user", text) for text in prompt))
    reply = await ScrubLayer(Heard(Answer((Choice(said),))), REVERSIBLE, Counts())(request)
    stream = await ScrubLayer(Heard(await streaming(*map(Delta, said))), REVERSIBLE, Counts())(request)
    assert isinstance(reply, Answer)
    assert reply.choices[0].text == texts(await read(stream))
    return reply.choices[0].text


async def test_one_value_has_one_token() -> None:
    """Numbered by kind in order of appearance, over all messages."""
    assert [f"{ONE} or <PHONE_NUMBER_1>", f"{TWO}, {ONE}"] == await received(f"{ANN} or {PHONE}", f"{BOB}, {ANN}")


async def test_the_first_kind_of_a_value_stays() -> None:
    """What is found as something else later keeps its name."""
    assert ["ssn <US_SSN_1>", "id <US_SSN_1>"] == await received("ssn 123456789", "id 123456789")


async def test_a_bare_repeat_does_not_leak() -> None:
    """Five characters are enough to be known again, before and after; fewer are not."""
    assert ["so <SECRET_1>?", "my password is <SECRET_1>"] == await received(f"so {KEY}?", f"my password is {KEY}")
    assert ["my pin is <SECRET_1>, 4711 or so", "4711"] == await received("my pin is 4711, 4711 or so", "4711")


@pytest.mark.parametrize(
    "typed", [ONE, BARE, r"<EMAIL\_ADDRESS\_1>", r"\<EMAIL_ADDRESS_1\>", "<SECRET_1>", "<PERSON_1>"]
)
async def test_a_typed_token_is_nobodys(typed: str) -> None:
    """It comes back as it was typed, and the value of that name does not come with it."""
    request = asking(Message("user", f"{ANN} wrote"), Message("user", f"say {typed}"))

    reply = await ScrubLayer(echoing(), hiding(mode="reversible"), Counts())(request)

    assert isinstance(reply, Answer)
    assert f"{ANN} wrote\nsay {typed}" == reply.choices[0].text


async def test_an_echo_comes_back_whole() -> None:
    """What was hidden from the provider is not hidden from the caller; a secret is."""
    request = asking(Message("user", f"mail {ANN}, call {PHONE}, my password is {KEY}"))

    reply = await ScrubLayer(echoing(), REVERSIBLE, Counts())(request)

    assert isinstance(reply, Answer)
    assert f"mail {ANN}, call {PHONE}, my password is <SECRET_1>" == reply.choices[0].text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"to {ONE}.", f"to {ANN}."),
        (f"to {ONE}{ONE}<{ONE}>", f"to {ANN}{ANN}<{ANN}>"),
        (f"to {BARE}", f"to {ANN}"),
        (r"to <EMAIL\_ADDRESS\_1> or \<EMAIL\_ADDRESS\_1\>", f"to {ANN} or {ANN}"),
        (r"to \<EMAIL_ADDRESS_1\>", f"to {ANN}"),
        (f"to `{ONE}`, **{ONE}**", f"to `{ANN}`, **{ANN}**"),
        ("to <email_address_1> <email_address> <email>", "to <email_address_1> <email_address> <email>"),
        ("to <EMAIL_ADDRESS_2> <EMAIL_ADDRESS_01> <IP_1> <IP>", "to <EMAIL_ADDRESS_2> <EMAIL_ADDRESS_01> <IP_1> <IP>"),
        ("to < EMAIL_ADDRESS_1> <EMAIL_ADDRESS_1", "to < EMAIL_ADDRESS_1> <EMAIL_ADDRESS_1"),
        (f"new {BOB}", f"new {BOB}"),
        ("a < b <- c <EMAIL <b>bold</b> \\", "a < b <- c <EMAIL <b>bold</b> \\"),
    ],
)
async def test_tokens_give_way_to_values(said: str, shown: str) -> None:
    """Exact ones, also with a model's escapes; whatever else looks like one stays."""
    assert shown == await answered(said, f"I am {ANN}")


async def test_a_token_without_number_needs_one_value() -> None:
    """Of two values nobody knows which is meant, nor where a flag has hidden another."""
    heard = Heard(Answer((Choice(f"{BARE} {ONE}"),)))
    request = asking(Message("user", ANN, scrub=True), Message("user", BOB))

    reply = await ScrubLayer(heard, REVERSIBLE, Counts())(request)

    assert f"{BARE}" == await answered(BARE, ANN, BOB)
    assert [BARE, TWO] == [message.text for message in heard.requests[0].messages]
    assert Answer((Choice(f"{BARE} {BARE}"),)) == reply


async def test_secrets_do_not_come_back() -> None:
    """In no form."""
    said = r"<SECRET_1> <SECRET> \<SECRET_1\>"

    assert said == await answered(said, f"my password is {KEY}")


async def test_values_come_back_in_tool_calls() -> None:
    """Inside the JSON's strings, whatever the value's own quotes and the model's escapes; keys too."""
    value = 'born "1990-04-01"'
    heard = Heard()
    await ScrubLayer(heard, REVERSIBLE, Counts())(asking(Message("user", value)))
    raw = '{"to": "\\u003cEMAIL_ADDRESS_1\\u003E", "<EMAIL_ADDRESS_1>": ["<EMAIL_ADDRESS_1>", 1.0, "<IP_1>"]}'
    inner = Heard(
        Answer((Choice("", "tool_calls", "", (ToolCall("c", "f", raw), ToolCall("d", "f", "{<EMAIL_ADDRESS_1>"))),))
    )

    reply = await ScrubLayer(inner, REVERSIBLE, Counts())(asking(Message("user", ANN)))

    assert isinstance(reply, Answer)
    first, second = reply.choices[0].tool_calls
    assert f'{{"to": "{ANN}", "{ANN}": ["{ANN}", 1.0, "<IP_1>"]}}' == first.arguments
    assert f"{{{ANN}" == second.arguments


@pytest.mark.parametrize("size", [1, 2, 3, 5, 11, 400])
async def test_streamed_tool_calls_get_their_values(size: int) -> None:
    """However their JSON is cut; what waits is no more than what may become a token."""
    raw = json.dumps({"to": f"a\\b {ONE} \u2713", "<x": [f"\\<EMAIL\\_ADDRESS\\_1\\>{TWO}", "<SECRET_1>"], "n": 1.5})
    raw = raw.replace(TWO, "\\u003cEMAIL_ADDRESS_2\\u003e")
    cut = [raw[at : at + size] for at in range(0, len(raw), size)]
    pieces = [ToolCallDelta(0, "c" if not at else "", "f" if not at else "", part) for at, part in enumerate(cut)]
    heard = Heard(await streaming(*(Delta("", 0, (piece,)) for piece in pieces)))

    stream = await ScrubLayer(heard, REVERSIBLE, Counts())(asking(Message("user", f"{ANN} {BOB}")))
    shown = [piece for delta in await read(stream) for piece in delta.tool_calls]

    assert not isinstance(stream, Answer)
    arguments = "".join(piece.arguments for piece in shown)
    assert {"to": f"a\\b {ANN} \u2713", "<x": [f"{ANN}{BOB}", "<SECRET_1>"], "n": 1.5} == json.loads(arguments)
    assert (("c", "f"), (ToolCall("c", "f", arguments),)) == (
        (shown[0].id, shown[0].name),
        stream.answer.choices[0].tool_calls,
    )


async def test_a_stream_waits_only_for_what_may_become_a_token() -> None:
    """Everything else leaves at once, as the very delta that came."""
    deltas = [Delta("plain "), Delta("<EMAIL_"), Delta("ADDRESS_1"), Delta("> and <b"), Delta("old>")]
    heard = Heard(await streaming(*deltas))

    shown = await read(await ScrubLayer(heard, REVERSIBLE, Counts())(asking(Message("user", ANN))))

    assert [Delta("plain "), Delta(f"{ANN} and <b"), Delta("old>")] == shown
    assert shown[0] is deltas[0]


async def test_no_more_than_a_token_waits() -> None:
    """A long word in brackets is let go once it cannot be one."""
    heard = Heard(await streaming(*map(Delta, "<" + "A" * 60)))

    shown = await read(await ScrubLayer(heard, REVERSIBLE, Counts())(asking(Message("user", ANN))))

    assert "<" + "A" * 60 == texts(shown)
    assert len(shown[0].text) <= 48


async def test_choices_are_apart() -> None:
    """Each has its own end, and what waits there is shown when the stream is over."""
    deltas = [Delta("<EMAIL"), Delta("<EMAIL_ADD", 1), Delta("_ADDRESS_1>"), Delta("RESS_1", 1)]
    heard = Heard(await streaming(*deltas))

    stream = await ScrubLayer(heard, REVERSIBLE, Counts())(asking(Message("user", ANN)))
    shown = await read(stream)

    assert not isinstance(stream, Answer)
    assert (ANN, "<EMAIL_ADDRESS_1") == (texts(shown), texts(shown, 1))
    choices = (Choice(ANN, "stop", "stop"), Choice("<EMAIL_ADDRESS_1", "stop", "stop"))
    assert Answer(choices, Usage(1, 2), "m") == stream.answer


async def test_arguments_that_end_within_a_token_are_shown() -> None:
    """A model may stop anywhere."""
    piece = ToolCallDelta(0, "c", "f", '{"to": "<EMAIL')
    heard = Heard(await streaming(Delta(tool_calls=(piece,))))

    shown = await read(await ScrubLayer(heard, REVERSIBLE, Counts())(asking(Message("user", ANN))))

    assert ['{"to": "', "<EMAIL"] == [one.arguments for delta in shown for one in delta.tool_calls]


async def test_a_stream_that_breaks_shows_no_half_token() -> None:
    """What came before the fault was shown, and counted."""
    counts = Counts()
    inner = await streaming(Delta(f"{ONE} and <EMAIL"), fault=ProviderUnavailable("gone"))
    stream = await ScrubLayer(Heard(inner), REVERSIBLE, counts)(asking(Message("user", ANN)))
    shown: list[Delta] = []

    async def reading() -> None:
        assert not isinstance(stream, Answer)
        async for delta in stream:
            shown.append(delta)  # noqa: PERF401 - what was shown before the fault is what counts

    with pytest.raises(ProviderUnavailable):
        await reading()

    assert f"{ANN} and " == texts(shown)
    assert 1 == counts.seen["restored", "EMAIL_ADDRESS"]


async def test_closing_closes_what_it_wraps() -> None:
    """The provider's call ends with the caller's interest."""
    inner = await streaming(Delta("a"), Delta("b"))
    stream = await ScrubLayer(Heard(inner), REVERSIBLE, Counts())(asking(Message("user", ANN)))
    assert not isinstance(stream, Answer)

    await stream.aclose()

    assert [Delta("a")] == [delta async for delta in inner]


async def test_without_values_a_reply_passes_untouched() -> None:
    """Nothing to put back costs nothing."""
    inner, answer = await streaming(Delta("a")), Answer((Choice(ONE),))

    stream = await ScrubLayer(Heard(inner), REVERSIBLE, Counts())(asking(Message("user", "hi")))
    reply = await ScrubLayer(Heard(answer), REVERSIBLE, Counts())(asking(Message("user", "hi")))

    assert stream is inner
    assert reply is answer


async def test_a_participants_name_is_told_in_the_text() -> None:
    """It has its token; see `reach.in_message`."""
    heard = Heard()

    await ScrubLayer(heard, REVERSIBLE, Counts())(asking(Message("user", "hi", ANN)))

    assert ONE == heard.requests[0].messages[0].name


async def test_a_person_has_one_token_over_all_turns_of_a_room() -> None:
    """A new request of a room knows its values; another room's are its own."""
    rooms, heard = Rooms(), Heard(Answer((Choice(f"{ONE} {TWO}"),)))
    layer = ScrubLayer(heard, hiding(rooms, mode="reversible"), Counts())

    await layer(in_room(Message("user", ANN)))
    reply = await layer(in_room(Message("user", f"{BOB} and {ANN}")))
    other = await layer(in_room(Message("user", BOB), room="s"))

    assert [ONE, f"{TWO} and {ONE}", ONE] == [asked.messages[0].text for asked in heard.requests]
    assert (Answer((Choice(f"{ANN} {BOB}"),)), Answer((Choice(f"{BOB} {TWO}"),))) == (reply, other)


async def test_a_rooms_vault_is_opened_once() -> None:
    """For each request."""
    rooms = Rooms()
    layer = ScrubLayer(echoing(), hiding(rooms, mode="reversible"), Counts())

    await layer(in_room(Message("user", ANN)))
    await layer(in_room(Message("user", "hi")))

    assert 2 == rooms.opened


async def test_a_value_of_an_earlier_turn_does_not_leak() -> None:
    """A bare repeat is known from the vault, though nothing in this turn says what it is."""
    rooms, heard = Rooms(), Heard()
    layer = ScrubLayer(heard, hiding(rooms, mode="reversible"), Counts())

    await layer(in_room(Message("user", "ssn 123456789")))
    await layer(in_room(Message("user", "123456789 it was; my password is hunter22x")))
    await layer(in_room(Message("user", "my password is still hunter22x")))

    assert "<US_SSN_1> it was; my password is <SECRET_1>" == heard.requests[1].messages[0].text
    assert "my password is still <SECRET_1>" == heard.requests[2].messages[0].text


async def test_without_a_room_requests_share_nothing() -> None:
    """Where the component keeps none, or the request names none."""
    heard = Heard()
    for layer in (hiding(Rooms(), mode="reversible"), REVERSIBLE):
        await ScrubLayer(heard, layer, Counts())(asking(Message("user", ANN)))
        await ScrubLayer(heard, layer, Counts())(asking(Message("user", BOB)))
    await ScrubLayer(heard, REVERSIBLE, Counts())(in_room(Message("user", BOB)))

    assert [ONE] * 5 == [asked.messages[0].text for asked in heard.requests]


async def test_a_bare_token_of_an_earlier_flag_is_nobodys() -> None:
    """What a flag hid in a former turn is not taken for the one value that the room knows."""
    rooms = Rooms()
    layer = ScrubLayer(Heard(Answer((Choice(BARE),))), hiding(rooms, mode="reversible"), Counts())

    await layer(in_room(Message("user", BOB, scrub=True)))
    reply = await layer(in_room(Message("user", ANN)))

    assert Answer((Choice(BARE),)) == reply


class Lost(Room):
    """A room whose store cannot be reached."""

    def __init__(self) -> None:
        super().__init__(Rooms(), RequestNumbers(), {})

    async def assign(self, values: Sequence[tuple[Kind, str]]) -> Sequence[Named]:
        """Fail."""
        raise StoreUnavailable(f"{len(values)} values cannot be numbered")


async def test_a_lost_store_fails_the_request() -> None:
    """It fails closed: the provider is not asked."""
    heard = Heard()

    with pytest.raises(StoreUnavailable):
        await ScrubLayer(heard, hiding(lambda _: Lost(), mode="reversible"), Counts())(in_room(Message("user", ANN)))

    assert [] == heard.requests
