"""The log of admission and broker: JSON lines on standard error, each with a constant message and fields."""

import json
import logging
import sys
from datetime import UTC, datetime

TEXT_LIMIT = 1000
"""Characters of a message or field: strangers write names, too. JSON takes up to six bytes for each."""

VALUE_LIMIT = 8 * 1024
"""Characters of a list or object, such as the counts of `webhook.limits.tally`, as JSON"""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """The items of `extra` become fields. No traceback: its lines may quote a Pod or a Secret."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {key: _cut(value) for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[0]:
            fields["error"] = record.exc_info[0].__name__
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage()),
            **fields,
        }
        return json.dumps(line, default=str)


def _cut(value: object) -> object:
    """A text up to the limit. A list or object that is too long becomes a text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if not isinstance(value, str):
        text = json.dumps(value, default=str)
        if len(text) <= VALUE_LIMIT:
            return value
        value = text
    return value if len(value) <= TEXT_LIMIT else value[: TEXT_LIMIT - 1] + "…"


def set_up(level: str) -> None:
    """Call it once for the whole process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # clients of other servers are quieted where they are imported: they may quote requests in any process
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of every malformed request
    logging.getLogger("asyncio").setLevel(logging.WARNING)
