"""Run in the sandbox by the toolchain's own Python: bandit over sources that are read as text and never imported.

Standard input is `[{"source": str, "lines": [int]}]`, Latin-1; descriptor 3 gets what is said of those lines.
"""

import io
import json
import logging
import os
import re
import sys
import tempfile
import tokenize
from pathlib import Path
from typing import Any

MOST = 500
PLAIN = ("utf-8", "utf-8-sig", "iso-8859-1", "ascii")
LONE_RETURN = re.compile(rb"\r(?!\n)")


def check(sources: list[dict[str, Any]]) -> dict[str, Any]:
    from bandit.core.config import BanditConfig
    from bandit.core.manager import BanditManager

    place = Path(tempfile.mkdtemp())
    names = [str(place / f"{index}.py") for index in range(len(sources))]
    contents = [one["source"].encode("latin-1") for one in sources]
    for name, content in zip(names, contents, strict=True):
        Path(name).write_bytes(content)
    # No configuration, no profile, and comments of the work's own silence nothing.
    manager = BanditManager(BanditConfig(), "file", quiet=True, ignore_nosec=True)
    manager.discover_files(names)
    manager.run_tests()
    found = []
    for issue in manager.get_issue_list(sev_level="HIGH", conf_level="LOW"):
        index = names.index(issue.fname)
        lines = set(issue.linerange or [issue.lineno])
        asked = lines.intersection(sources[index]["lines"]) if counts_as_git(contents[index]) else lines
        if asked:
            found.append({"index": index, "line": min(asked), "test": issue.test_id, "text": issue.text[:200]})
    return {"found": found[:MOST], "skipped": sorted({names.index(name) for name, _ in manager.skipped})}


def counts_as_git(content: bytes) -> bool:
    """Whether Python ends lines where git does; a file could else move what it does away from its changed lines."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError:
        return False
    return encoding in PLAIN and LONE_RETURN.search(content) is None


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    logging.disable(logging.CRITICAL)
    report = json.dumps(check(json.load(sys.stdin)))
    with os.fdopen(3, "w") as file:
        file.write(report)
