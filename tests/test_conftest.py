"""What `tests/conftest.py` promises, tried on small suites in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(folder: Path, text: str, ci: str) -> tuple[int, str]:
    (folder / "test_small.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml")]
    options = ["--rootdir", str(folder), "-p", "no:cacheprovider", str(folder / "test_small.py")]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [*command, *options], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout


@pytest.mark.parametrize(
    "text",
    [
        "import pytest\ndef test_a():\n    pytest.skip('no server')\n",
        "import pytest\n@pytest.mark.skip(reason='no server')\ndef test_a(): ...\n",
        "import pytest\npytest.skip('no server', allow_module_level=True)\n",
        "import pytest\n@pytest.fixture\ndef server():\n    pytest.skip('no server')\ndef test_a(server): ...\n",
    ],
)
def test_a_skip_is_a_skip_at_home_and_a_failure_in_ci(tmp_path: Path, text: str) -> None:
    code, said = run(tmp_path, text, ci="")
    assert code in (0, 5) and "1 skipped" in said
    code, said = run(tmp_path, text, ci="true")
    assert code != 0 and "skipped, which CI does not allow" in said and "no server" in said


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    code, said = run(tmp_path, "import pytest\n@pytest.mark.xfail\ndef test_a():\n    assert 0\n", ci="true")
    assert code == 0 and "1 xfailed" in said


@pytest.mark.parametrize(("body", "expected"), [("pass", 0), ("assert 0", 1)])
def test_the_exit_status_survives_temporal(tmp_path: Path, body: str, expected: int) -> None:
    code, said = run(tmp_path, f"import temporalio.client\ndef test_a():\n    {body}\n", ci="true")
    assert code == expected
    assert said.splitlines()[-1].startswith("1 ")
