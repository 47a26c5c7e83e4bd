"""What holds for every test: nothing is skipped in CI, and the process ends without Temporal's exit crash."""

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest

# Before any of them is imported, as they import each other.
pytest.register_assert_rewrite("tests.fixtures")
# Fixtures that several rooms share stand in tests/fixtures, one file a server or part.
pytest_plugins = [f"tests.fixtures.{path.stem}" for path in sorted(Path(__file__).parent.glob("fixtures/[!_]*.py"))]

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

IN_CI = os.environ.get("CI") == "true"
_sessions: list[pytest.Session] = []


def pytest_sessionstart(session: pytest.Session) -> None:
    _sessions.append(session)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _without_skips((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _without_skips((yield))


def _without_skips(report: Report) -> Report:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Temporal's bridge aborts one interpreter in four at its exit; by now everything else is said and saved."""
    used_temporal = "temporalio.bridge.temporal_sdk_bridge" in sys.modules
    if _sessions and used_temporal and not hasattr(config, "workerinput"):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(_sessions[-1].exitstatus))
