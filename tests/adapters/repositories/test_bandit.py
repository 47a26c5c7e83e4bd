from pathlib import Path

import pytest

from adapters.blobs import ObjectBlobs
from adapters.repositories import GitRepositories, RemotePolicy
from adapters.sandboxes.bubblewrap import BubblewrapSandbox
from domain.errors import WorkRefused
from domain.repository import Finding, PublishedWork, RepositorySpec
from domain.terms import PublishRules
from tests.adapters.repositories.conftest import AGENT_UID, SPEC, Work
from tests.fixtures.git_server import commit_files

SHELL = "import subprocess\n\n\ndef run(text):\n    return subprocess.call(text, shell=True)\n"


def of_bandit(work: PublishedWork) -> list[Finding]:
    return [finding for finding in work.findings if finding.rule == "bandit"]


async def published(work: Work, source: Path, script: str) -> list[Finding]:
    await work.open(RepositorySpec(url=str(source)))
    await work.run(script)
    return of_bandit(await work.publish(SPEC))


def writes(name: str, text: str) -> str:
    return f"mkdir -p $(dirname {name}); cat >{name} <<'END'\n{text}END\n"


async def test_a_severe_finding_in_an_added_line_asks_a_person(work: Work, source: Path) -> None:
    (finding,) = await published(work, source, writes("src/run.py", SHELL))
    assert (finding.path, finding.line, finding.verdict) == ("src/run.py", 5, "ask")
    assert finding.message.startswith("bandit B602")


async def test_ordinary_python_is_no_finding(work: Work, source: Path) -> None:
    assert await published(work, source, writes("src/sum.py", "def add(a, b):\n    assert a\n    return a + b\n")) == []


async def test_what_stood_there_before_is_not_the_runs_finding(work: Work, source: Path) -> None:
    commit_files(source, {"old.py": SHELL})
    assert await published(work, source, "sed -i '1i import os' old.py") == []


async def test_a_program_without_the_ending_is_known_by_its_first_line(work: Work, source: Path) -> None:
    (finding,) = await published(work, source, writes("bin/tool", "#!/usr/bin/env python3\n" + SHELL))
    assert (finding.path, finding.line) == ("bin/tool", 6)


@pytest.mark.parametrize(
    "script",
    [
        writes("run.py", SHELL.replace("shell=True)", "shell=True)  # nosec")),
        writes("run.py", "# nosec\n" + SHELL.replace("text,", "text,  # nosec B602\n")),
        writes("run.py", SHELL) + writes(".bandit", "[bandit]\nskips = B602\nexclude = run.py\ntests = B101\n"),
        writes("run.py", SHELL) + writes("pyproject.toml", '[tool.bandit]\nskips = ["B602"]\nexclude_dirs = ["."]\n'),
        writes("run.py", SHELL)
        + writes("bandit.yaml", "skips: [B602]\n")
        + writes("setup.cfg", "[bandit]\nskips=B602\n"),
        writes("tests/run.py", SHELL),
        writes("run.py", SHELL) + writes("bandit/__init__.py", "raise SystemExit\n") + writes("json.py", "exit()\n"),
        writes("run.py", SHELL)
        + "mkdir -p /home/agent/.cache/python-entrypoints /home/agent/.config/bandit; echo 'skips: [B602]' >~/.bandit\n"
        "printf '[bandit]\\nskips = B602\\n' >/home/agent/.config/bandit/config; export BANDIT_SKIP=B602",
        # Python ends lines where git does not: what is severe seems to be in a line that nobody changed.
        "printf 'import subprocess #\\r#\\r#\\r#\\r#\\r#\\nsubprocess.call(given, shell=True)\\n' >run.py",
    ],
    ids=["nosec", "nosec-file", "ini", "pyproject", "yaml", "tests", "modules", "home", "returns"],
)
async def test_nothing_in_the_work_silences_it(work: Work, source: Path, script: str) -> None:
    found = await published(work, source, script)
    assert any("B602" in finding.message for finding in found)


@pytest.mark.parametrize(
    "script",
    [
        "printf 'def (:\\n' >x.py",
        "printf '\\0\\1' >x.py",
        "(printf 'x = '; head -c 60000 /dev/zero | tr '\\0' '('; echo) >x.py",
        "(printf 'x = '; yes '1+' | head -c 400000 | tr -d '\\n'; echo 1) >x.py",
        "printf '# coding: nonsense\\nx = 1\\n' >x.py",
        "(yes '# a long file' | head -c 9000000; echo) >x.py",
    ],
    ids=["syntax", "nul", "nested", "sum", "coding", "large"],
)
async def test_python_that_cannot_be_checked_asks_a_person(work: Work, source: Path, script: str) -> None:
    (finding,) = await published(work, source, script)
    assert (finding.path, finding.verdict) == ("x.py", "ask")
    assert "could not check" in finding.message


async def test_the_operator_may_refuse_or_allow(work: Work, source: Path) -> None:
    await work.open(RepositorySpec(url=str(source)))
    await work.run(writes("run.py", SHELL))
    commit = (await work.commit(SPEC)).report.decode().split()[0]

    async def taken(rules: PublishRules) -> PublishedWork:
        return await work.repositories.take_in(work.base, work.pack, commit, SPEC, rules)

    assert of_bandit(await taken(PublishRules(bandit="allow"))) == []
    with pytest.raises(WorkRefused, match=r"run.py:5: bandit B602"):
        await taken(PublishRules(bandit="refuse"))


async def test_an_emptied_or_deleted_file_is_nothing_to_check(work: Work, source: Path) -> None:
    commit_files(source, {"old.py": SHELL, "other.py": SHELL})
    assert await published(work, source, "rm old.py; : >other.py; ln -s README.md link.py") == []


async def test_where_the_sandbox_has_no_bandit_the_work_says_so_and_nobody_is_asked(
    work: Work, source: Path, place: Path, blobs: ObjectBlobs
) -> None:
    bare = BubblewrapSandbox(place / "bare", AGENT_UID, toolchain_paths=("/usr/share",))
    (place / "bare").mkdir(mode=0o711)
    work.repositories = GitRepositories(
        place / "home", blobs, bare, RemotePolicy(allowed_paths=(str(place),)), AGENT_UID
    )
    (finding,) = await published(work, source, writes("run.py", SHELL))
    assert (finding.path, finding.verdict) == ("", "allow")
    assert "not checked" in finding.message
