"""The log of admission and broker: a JSON object per line on standard error, constant message and fields."""

import json
import logging
import sys
from datetime import UTC, datetime

LONGEST_TEXT = 1000
"""Characters of a message or field, of which JSON makes up to six each. Strangers write names, too."""

LONGEST_VALUE = 8 * 1024
"""Characters of a list or object, such as the counts of `webhook.limits.tally`, as JSON"""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """What was given as `extra` becomes fields. No traceback: its lines may quote a Pod or a Secret."""

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
    """A text up to the limit; what is not a text and too long becomes one."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if not isinstance(value, str):
        text = json.dumps(value, default=str)
        if len(text) <= LONGEST_VALUE:
            return value
        value = text
    return value if len(value) <= LONGEST_TEXT else value[: LONGEST_TEXT - 1] + "…"


def set_up(level: str) -> None:
    """For the whole process, once."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # clients of other servers are quieted where they are imported: they may quote requests in any process
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of every malformed request
    logging.getLogger("asyncio").setLevel(logging.WARNING)
