"""Log lines: JSON with keys, and never an exception's text."""

import json
import logging

from parley_crds.logs import JsonLines


def test_an_event_is_one_json_line_with_its_keys() -> None:
    """Keys passed by the caller stand beside time, level and logger."""
    record = logging.makeLogRecord({"name": "parley", "levelname": "INFO", "msg": "loaded", "component": "gpt"})

    event = json.loads(JsonLines().format(record))

    assert ("info", "parley", "loaded", "gpt") == tuple(event[key] for key in ("level", "logger", "event", "component"))


def test_an_exception_leaves_its_type_and_place_only() -> None:
    """Its text may hold a key or a prompt."""
    try:
        raise ValueError("sk-secret")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
        line = JsonLines().format(logging.makeLogRecord({"msg": "failed", "exc_info": info}))

    assert "sk-secret" not in line
    assert json.loads(line)["exception"] == "ValueError"
    assert json.loads(line)["at"].startswith(f"{__name__}:")
