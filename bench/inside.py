"""What hiding personal data costs inside the process. `measured` starts it as `python -m bench.inside`; prints JSON.

The texts are looked at one after the other, so that none is still warm from the time before.
"""

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Final, cast

import msgspec

from bench import texts
from bench.hostile import SHAPES
from bench.load import quantile
from bench.machine import ROOT
from bench.processes import BenchError, Starter
from parley_crds.resource import Privacy
from parley_sidecar.http_client import HttpClient
from parley_sidecar.layers.scrub import Hiding, ScrubLayer
from parley_sidecar.model import Answer, Choice, Converse, ConverseRequest, Message, Reply, Trace
from parley_sidecar.pii import detected, replaced, spans
from parley_sidecar.pii.counted import Direction
from parley_sidecar.pii.finder import Finder
from parley_sidecar.pii.held import HeldText
from parley_sidecar.pii.kinds import Kind, Span, merged
from parley_sidecar.pii.restore import Restorer
from parley_sidecar.pii.vault import Named, Vault
from parley_sidecar.pii.view import view
from parley_sidecar.run import COLLECT_AFTER

REVERSIBLE: Final = "reversible"
LOOKS: Final = 400
PIECES: Final = 480
"""What a stream's answer comes in."""
HOSTILE_BYTES: Final = 20_000
GROWTH: Final = 4
"""How many times the longer text is as long as the shorter."""
LEAST_S: Final = 0.001
"""Shorter times say nothing of growth."""
SPANS_CLEAN: Final = "looked for, nothing in 2 KiB"
SPANS_DENSE: Final = "looked for, 24 values in 2 KiB"
SPANS_AGAIN: Final = "looked for again, 24 values in 2 KiB"
LAYER_OFF: Final = "layer without a mode"
LAYER_CLEAN: Final = "hidden and put back, nothing in 2 KiB"
LAYER_DENSE: Final = "hidden and put back, 24 values in 2 KiB"
RESTORE: Final = "put back into 2 KiB"
RESTORE_PIECE: Final = "put back, per piece of a stream"
NAMES: Final = (SPANS_CLEAN, SPANS_DENSE, SPANS_AGAIN, LAYER_OFF, LAYER_CLEAN, LAYER_DENSE, RESTORE, RESTORE_PIECE)


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What one thing takes in the process."""

    name: str
    p50_us: float
    p95_us: float


class Inside(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, and what hostile texts of 20 KB take."""

    costs: Sequence[Cost]
    hostile: str
    """The worst one."""
    hostile_ms: float
    growth: float
    """The worst growth of the time when the text becomes four times as long."""

    def cost(self, name: str) -> Cost:
        """Return one by its name."""
        return next(cost for cost in self.costs if cost.name == name)


def inside(starter: Starter, cores: Iterable[int]) -> Inside:
    """Measure in a process of its own on the server's core; raises BenchError when it fails."""
    print("hiding, inside the process", file=sys.stderr, flush=True)
    command = ["taskset", "-c", ",".join(map(str, cores)), sys.executable, "-m", "bench.inside"]
    done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT, env=starter.environment())
    if done.returncode:
        raise BenchError(f"bench.inside fails:\n{done.stderr.decode()[-2000:]}")
    return msgspec.json.decode(done.stdout, type=Inside)


def _times(work: Sequence[Callable[[], object]]) -> Iterator[float]:
    """Do the pieces of work by turns, each once before it counts; return what each took, in microseconds."""
    for do in work:
        do()
    for number in range(LOOKS):
        do = work[number % len(work)]
        began_s = time.perf_counter()
        do()
        yield (time.perf_counter() - began_s) * 1e6


def _cost(name: str, work: Sequence[Callable[[], object]], each: int = 1) -> Cost:
    ordered = sorted(_times(work))
    return Cost(name=name, p50_us=quantile(ordered, 0.5) / each, p95_us=quantile(ordered, 0.95) / each)


def _costs() -> Iterator[Cost]:
    clean, dense, numbers = texts.clean(), texts.dense(), count()
    yield _cost(SPANS_CLEAN, [partial(_looked_at, text) for text in clean])
    yield _cost(SPANS_DENSE, [partial(_looked_at, text) for text in dense])
    yield _cost(SPANS_AGAIN, [partial(spans, text) for text in dense])
    for name, mode, prompts in (
        (LAYER_OFF, "off", clean),
        (LAYER_CLEAN, REVERSIBLE, clean),
        (LAYER_DENSE, REVERSIBLE, dense),
    ):
        privacy = Privacy.model_validate({"mode": mode})
        layer = ScrubLayer(_repeated, Hiding(privacy, Finder.of(privacy, HttpClient())), _uncounted)
        yield _cost(name, [partial(_asked, layer, numbers, text) for text in prompts])
    hidden = [_hidden(text) for text in dense]
    yield _cost(RESTORE, [partial(restorer.text, text) for text, restorer in hidden])
    streams = [partial(_streamed, restorer, list(_pieces(text))) for text, restorer in hidden]
    yield _cost(RESTORE_PIECE, streams, PIECES)


async def _repeated(request: ConverseRequest, /) -> Reply:
    return Answer((Choice(request.messages[0].text),))


def _uncounted(_direction: Direction, _kind: Kind, _times: int, /) -> None:
    """Take no notice: the metrics are measured in the rows."""


def _looked_at(text: str) -> list[Span]:
    """Look for personal data in a text as if it had never been seen."""
    return merged(detected(view(text)))


def _asked(converse: Converse, numbers: Iterator[int], text: str) -> Reply:
    """Ask in no event loop, as nothing on the way waits for anything; each prompt has a number, so that it is new.

    On a line of its own and short, so that no detector takes it for a part of what follows.
    """
    request = ConverseRequest((Message("user", f"{next(numbers)}\n{text}"),), Trace("bench"))
    try:
        converse(request).send(None)
    except StopIteration as ended:
        return cast("Reply", ended.value)
    raise BenchError("the layer waits for something")


def _hidden(text: str) -> tuple[str, Restorer]:
    """Return a text with tokens, and what puts the values back."""
    found = spans(text)
    named = [Named(span.kind, text[span.start : span.end], place + 1) for place, span in enumerate(found)]
    vault = Vault(named)
    naming = vault.tokens
    return replaced(text, found, lambda _kind, value: naming[value]), Restorer(vault.restored)


def _pieces(text: str) -> Iterator[str]:
    """Cut a text as a model streams it."""
    for place in range(PIECES):
        yield text[place * len(text) // PIECES : (place + 1) * len(text) // PIECES]


def _streamed(restorer: Restorer, pieces: Sequence[str]) -> None:
    held = HeldText(restorer)
    for piece in pieces:
        held.add(piece)
    held.finish()


def _took_s(text: str) -> float:
    began_s = time.process_time()
    _looked_at(text)
    return time.process_time() - began_s


def _least_s(length: int, rounds: int = 5) -> dict[str, float]:
    """Return the least processor time of each hostile text, in turns: a busy moment meets one look of each."""
    texts = {name: unit * (length // len(unit)) for name, unit in SHAPES.items()}
    looks = [{name: _took_s(text) for name, text in texts.items()} for _ in range(rounds)]
    return {name: min(look[name] for look in looks) for name in texts}


def _measured() -> Inside:
    costs = list(_costs())
    long_s, short_s = _least_s(HOSTILE_BYTES), _least_s(HOSTILE_BYTES // GROWTH)
    worst = max(long_s, key=lambda name: long_s[name])
    growth = max(long_s[name] / max(short_s[name], LEAST_S / GROWTH) for name in SHAPES)
    return Inside(costs=costs, hostile=worst, hostile_ms=long_s[worst] * 1000, growth=growth)


def main() -> None:
    """Measure and print, with the collector set as it is in the sidecar."""
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    sys.stdout.buffer.write(msgspec.json.encode(_measured()))


if __name__ == "__main__":
    main()
