"""What every door knows of a request."""

from parley_sidecar.model import CachePolicy, ConverseRequest, Message, Overrides, Trace
from parley_sidecar.wire.call import Call
from parley_sidecar.wire.overrides import NOTHING, Asked

HI = (Message("user", "hi"),)


def test_what_is_not_wished_for_stays_unset() -> None:
    """A request has the model's defaults, but for what the door and the body say."""
    bare = Call("alpha2", "id-1").request(HI, NOTHING)
    full = Call("openai", "id-1", cache_control=b"no-cache", wants_stream=True).request(
        HI, Asked(Overrides("m"), 60.0), temperature=0.5
    )

    assert ConverseRequest(HI, Trace("id-1")) == bare
    expected = ConverseRequest(
        HI,
        Trace("id-1", "openai"),
        temperature=0.5,
        overrides=Overrides("m"),
        cache=CachePolicy(60.0, may_read=False),
        wants_stream=True,
    )
    assert expected == full
