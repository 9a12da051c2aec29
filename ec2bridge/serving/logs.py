"""Log records on one line each, as text for a person or as JSON for a collector.

What a client sent stands in them; it must neither pretend to be further lines nor move the cursor of who reads them.
"""

import json
import logging
import re
from datetime import UTC, datetime

from aiohttp.http import HttpProcessingError

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class OneLine(logging.Formatter):
    """Text."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows behind it as always."""
        text = super().formatMessage(record)
        return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class Json(logging.Formatter):
    """One JSON object a record, its traceback in it; a request's fields (`extra={"fields": …}`) are members."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        at = datetime.fromtimestamp(record.created, UTC)
        fields = getattr(record, "fields", None)
        shown = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            **(fields or {"message": record.getMessage()}),
        }
        if record.exc_info:
            shown["traceback"] = self.formatException(record.exc_info)
        return json.dumps(shown, default=str)


def to_stderr(level: str, line: str = TEXT, *, as_json: bool = False) -> None:
    """Have everything logged to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Json() if as_json else OneLine(line))
    handler.addFilter(_worth_logging)
    logging.basicConfig(level=level, handlers=[handler])


def _worth_logging(record: logging.LogRecord) -> bool:
    """Whether a record is more than a traceback of bytes that are no HTTP, which any scanner of ports sends."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
