"""SQL by name: `sql/<noun>.sql` holds statements, each under a line `-- name: <name>`."""

import re
from functools import cache
from pathlib import Path

_NAME = re.compile(rb"^-- name: (\w+)\n", re.MULTILINE)


@cache
def statements(noun: str) -> dict[str, bytes]:
    parts = _NAME.split((Path(__file__).parent / "sql" / f"{noun}.sql").read_bytes())
    return {name.decode(): text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
