"""The sample repository of the demo: made on the spot, with a bare origin that takes branches."""

import os
import subprocess
from pathlib import Path

import yaml

from domain.errors import WorldError
from domain.value import Value

TASK = "The test suite of this small package fails; find out why and mend it."
VERIFY = "python -m pytest -q"


class SampleCommit(Value):
    message: str
    time: str
    files: dict[str, str]


class Sample(Value):
    commits: tuple[SampleCommit, ...]


def make_sample(directory: Path) -> Path:
    """Writes `slugkit` with its history below `directory`; the bare origin that runs are sent to."""
    sample = Sample.model_validate(yaml.safe_load(Path(__file__).with_name("slugkit.yaml").read_text("utf-8")))
    checkout, origin = directory / "slugkit", directory / "slugkit.git"
    checkout.mkdir(parents=True)
    git(checkout, "init", "--quiet", "--initial-branch=main")
    for commit in sample.commits:
        for name, text in commit.files.items():
            path = checkout / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        git(checkout, "add", "--all")
        git(checkout, "commit", "--quiet", "--message", commit.message, time=commit.time)
    git(directory, "clone", "--quiet", "--bare", "--no-hardlinks", str(checkout), str(origin))
    git(checkout, "remote", "add", "origin", str(origin))
    return origin


def git(directory: Path, *arguments: str, time: str = "2026-03-01T00:00:00Z") -> str:
    """Without the user's configuration, which may ask for signatures or run hooks."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(directory),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        **{f"GIT_{who}_NAME": "Slugkit" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "slugkit@localhost" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_DATE": time for who in ("AUTHOR", "COMMITTER")},
    }
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=directory, env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise WorldError("git is not installed", "Install it: apt-get install git") from error
    if done.returncode != 0:
        raise WorldError(f"git {arguments[0]} failed: {done.stderr.strip()}", "See `perdure doctor`.")
    return done.stdout.strip()
