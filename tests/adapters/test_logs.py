"""What stays out of logs and of core files."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import logging, resource, sys
from adapters.logs import keep_in
from domain.secrets import Mask
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
named = logging.getLogger("a.server.around.us")
named.addHandler(logging.StreamHandler(sys.stdout))
keep_in(Mask([KNOWN]))
keep_in(Mask([KNOWN]))
logging.warning("key %s of %s", KNOWN, "postgres://me:hunter2@db.example.com/app")
try:
    raise ValueError(f"refused {KNOWN}")
except ValueError:
    named.exception("it failed")
print(resource.getrlimit(resource.RLIMIT_CORE))
"""


def test_no_handler_writes_a_secret_and_no_core_file_is_made() -> None:
    known = "plant-7f3a9c1e5b"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("KNOWN", repr(known))],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout + done.stderr
    assert known not in said
    assert "hunter2" not in said
    assert "WARNING key [secret: credential of the stack] of postgres://me:[secret: password in a url]@db" in said
    assert "ValueError: refused [secret: credential of the stack]" in said
    assert "(0, 0)" in said
