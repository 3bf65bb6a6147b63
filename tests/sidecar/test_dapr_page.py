"""docs/dapr.md: its table of errors and its example of events are the code's."""

from parley_sidecar.description import conditions
from parley_sidecar.errors import ParleyError
from parley_sidecar.model import Answer, Choice, ConverseRequest, Delta, ToolCallDelta, Trace, Usage
from parley_sidecar.wire.alpha2_events import Events
from tests.conftest import ROOT


def section(name: str) -> list[str]:
    """Return the lines of a marked part of the page."""
    page = (ROOT / "docs/dapr.md").read_text("utf-8")
    return page.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- end of {name} -->")[0].strip("\n").splitlines()


def row(kind: type[ParleyError]) -> str:
    """Return what the table says of an error, after its condition."""
    face = kind.face
    statuses = f"{face.status} | {face.precise_status}"
    return f"`{face.code}` | `{face.reason}` | {statuses} | `{face.grpc_code}` |"


def test_every_error_is_in_the_table() -> None:
    """The page has a row for each condition of errors.py, in its order, with all that callers see of it."""
    written = [line.split(" | ", 1)[1] for line in section("errors")[2:]]

    own = [kind for kind in conditions() if kind.__module__ == ParleyError.__module__]
    assert [row(kind) for kind in own] == written


def test_the_events_are_as_shown() -> None:
    """The example is what the renderer writes."""
    events = Events(ConverseRequest((), Trace("1")), "gpt", "c-1")
    call = ToolCallDelta(0, "call_1", "now", '{"zone"')
    told = (
        events.delta(Delta("It is"))
        + events.delta(Delta(tool_calls=(call,)))
        + events.complete(Answer((Choice("It is", "tool_calls"),), Usage(3, 4), "m-1"))
    )

    shown = [line.removeprefix("    ") for line in section("events")]
    assert told.decode().strip("\n").splitlines() == shown
