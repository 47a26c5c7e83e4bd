"""The one commit that a run's work becomes, as a pure function of its tree, its base and its spec."""

import re
from importlib.resources import files

from adapters.repositories.empty import EMPTY_BODY, EMPTY_COMMIT, commit_bytes, object_id
from adapters.repositories.environment import EMAIL, NAME, sandbox_environment
from adapters.repositories.rules import WorkRules
from domain.repository import CommitSpec
from domain.sandbox import Command, SandboxLimits

COMMIT_SECONDS = 900.0
CACHES = ("__pycache__/", "*.pyc", ".pytest_cache/", ".ruff_cache/", ".mypy_cache/")
"""Nobody's work, also where a repository forgot to ignore them; what it tracks is not concerned."""
CRUD = re.compile(r"[\x00-\x1f\x7f<>]+")


def commit_command(base: str, commit: CommitSpec, rules: WorkRules) -> Command:
    """Prints the pack and reports `<commit> <tree>`; where the exit code is not 0, what it printed says why."""
    empty = EMPTY_BODY if base == EMPTY_COMMIT else ""
    return Command(
        argv=("sh", "-c", script("commit.sh"), "commit", base, object_form(base), empty, "\n".join(CACHES)),
        environment=sandbox_environment(),
        stdin=commit_body(base, commit).encode(),
        timeout_seconds=COMMIT_SECONDS,
        limits=SandboxLimits(output_bytes=rules.pack_bytes),
        keep_bytes=16 * 1024,
        report=True,
    )


def commit_body(base: str, commit: CommitSpec) -> str:
    """All of the commit but its tree: as nothing else varies, equal trees make equal commits."""
    name = _plain(commit.author_name) or NAME
    email = _plain(commit.author_email).replace(" ", "") or EMAIL
    who = f"{name} <{email}> {max(commit.unix_time, 0)} +0000"
    message = commit.message.replace("\0", "").replace("\r\n", "\n").strip()
    body = f"parent {base}\nauthor {who}\ncommitter {who}\n\n{message}\n"
    return body.encode(errors="replace").decode()


def expected_commit(tree: str, base: str, commit: CommitSpec) -> str:
    return object_id("commit", commit_bytes(tree, commit_body(base, commit)), object_form(base))


def object_form(commit: str) -> str:
    return "sha256" if len(commit) > 40 else "sha1"


def script(name: str) -> str:
    return files("adapters.repositories").joinpath(name).read_text()


def _plain(text: str) -> str:
    return " ".join(CRUD.sub(" ", text).split()).strip(" .,:;\"'")
