"""Cursors of pages: the place of the last row that was shown, opaque to whoever passes it back."""

import base64
import binascii
import json
from datetime import datetime

from domain.errors import InvalidRequest


def write_cursor(at: datetime, *ids: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), *ids]).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, count: int) -> tuple[datetime | None, list[str | None]]:
    """Time and `count` ids; all None for the first page. Raises InvalidRequest."""
    if cursor is None:
        return None, [None] * count
    try:
        at, *ids = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if len(ids) == count and all(isinstance(one, str) for one in ids):
            return datetime.fromisoformat(at), [str(one) for one in ids]
    except (ValueError, TypeError, binascii.Error):
        pass
    raise InvalidRequest("This cursor is not one of ours", "Take `next_cursor` from the former page, unchanged.")
