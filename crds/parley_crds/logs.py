"""Log events with keys, one JSON object a line on stdout; what both halves print looks alike.

Values are never prompts, answers, keys or personal data: callers pass names, numbers and reasons only.
"""

import json
import logging
import sys
from datetime import UTC, datetime

_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """Render a record and its `extra` keys as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; an exception adds its type and place, never its text."""
        event = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in _PLAIN},
        }
        if record.exc_info and record.exc_info[0]:
            event["exception"] = record.exc_info[0].__name__
            event["at"] = _innermost(record)
        return json.dumps(event, default=str)  # in ASCII: some take more than a newline for the end of a line


def configure(level: str) -> None:
    """Send every log to stdout as JSON lines, at `level` (debug, info, warning, error)."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _innermost(record: logging.LogRecord) -> str:
    trace = record.exc_info[2] if record.exc_info else None
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace else ""
