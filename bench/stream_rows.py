"""The rows whose answers are streams: 20 pieces of text, the finish reason and the usage, with a pause between them."""

from typing import Final

from bench import texts
from bench.rows import COMPLETIONS, DENSE_TEXT, Row, completion, converse

PIECES: Final = 20
EVENTS: Final = PIECES + 2
"""Of the provider: with the finish reason and the usage."""
PAUSE_MS: Final = 3
"""So long that each event comes by itself, and so short that a round takes no minute."""
MODEL: Final = f"pieces-{PIECES}-{PAUSE_MS}"
CROWD_MODEL: Final = f"pieces-{PIECES}-50"
"""For many streams at once, which with a shorter pause would have ended before the last has begun."""
LEAST_PUT_BACK: Final = PIECES // 2
"""How many pieces are left of an answer at least where they are held back until a value is whole."""

DIRECT_STREAM: Final = "stand-in, asked directly, streamed"
BARE_STREAM: Final = "bare route, streamed"
STREAM: Final = "streamed"
OPENAI_STREAM: Final = "streamed, OpenAI's endpoint"
PLAIN_STREAM: Final = "streamed, 2 KiB"
PRIVATE_STREAM: Final = "streamed, 24 values in 2 KiB hidden and put back"


def _streamed(model: str) -> str:
    return completion(model, stream=True, stream_options={"include_usage": True})


STREAM_ROWS: Final = (
    Row(DIRECT_STREAM, "stand-in", COMPLETIONS, body=_streamed(MODEL), events=PIECES, ending="[DONE]"),
    Row(BARE_STREAM, "floor", f"/stream/{MODEL}", asks_standin=True, events=PIECES, ending="[DONE]"),
    Row(
        STREAM, "sidecar", converse("flow"), BARE_STREAM,
        asks_standin=True, events=PIECES, ending="event: complete",
    ),
    Row(
        OPENAI_STREAM, "sidecar", COMPLETIONS, BARE_STREAM, _streamed("flow-openai"),
        asks_standin=True, events=PIECES, ending="[DONE]",
    ),
    Row(
        PLAIN_STREAM, "sidecar", converse("flow-long"), BARE_STREAM, DENSE_TEXT,
        asks_standin=True, events=PIECES, ending="event: complete",
    ),
    Row(
        PRIVATE_STREAM, "sidecar", converse("flow-private"), PLAIN_STREAM, DENSE_TEXT,
        asks_standin=True, expected=texts.VALUE, hidden=texts.VALUE, events=LEAST_PUT_BACK, ending="event: complete",
    ),
)  # fmt: skip
CROWDS: Final = (
    Row(BARE_STREAM, "floor", f"/stream/{CROWD_MODEL}", asks_standin=True, events=PIECES, ending="[DONE]"),
    Row(
        STREAM, "sidecar", converse("flow-crowd"), BARE_STREAM,
        asks_standin=True, events=PIECES, ending="event: complete",
    ),
)  # fmt: skip
"""The same as many streams at once."""
