from pathlib import Path

import pytest

from adapters.repositories.judgement import is_ci, judge, settle
from adapters.repositories.rules import Change
from domain.errors import WorkRefused
from domain.repository import MOST_FINDINGS, Finding, PublishedWork, RepositorySpec
from domain.terms import PublishRules
from tests.adapters.repositories.conftest import SPEC, Work
from tests.fixtures.git_server import commit_files

KEY = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


def change(path: str, mode: str = "100644") -> Change:
    return Change("000000", mode, "0" * 40, "1" * 40, path)


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/ci.yml",
        ".GitHub/Workflows/ci.yml",
        ".git\u200chub/workflows/ci.yml",
        ".github/actions/build/run.sh",
        ".gitlab-ci.yml",
        "sub/.gitlab-ci.yml",
        ".circleci/config.yml",
        "Jenkinsfile",
        "ci/Jenkinsfile.release",
        "azure-pipelines.yml",
        "azure-pipelines-release.yml",
        ".buildkite/pipeline.yml",
        "action.yml",
        "tools/action.yaml",
    ],
)
def test_what_a_build_server_runs_is_known(path: str) -> None:
    assert is_ci(change(path))


@pytest.mark.parametrize(
    "path",
    [".github/CODEOWNERS", ".github/ISSUE_TEMPLATE/bug.yml", "docs/.circleci.md", "src/actions.yml", "reaction.yml"],
)
def test_what_no_build_server_runs_is_left_alone(path: str) -> None:
    assert not is_ci(change(path))


@pytest.mark.parametrize("path", [".github", ".github/workflows", ".circleci", ".gitlab/ci", "Jenkinsfile"])
def test_a_link_in_their_place_counts_too(path: str) -> None:
    assert is_ci(change(path, "120000"))


async def published(work: Work, source: Path, script: str, rules: PublishRules | None = None) -> PublishedWork:
    await work.open(RepositorySpec(url=str(source)))
    await work.run(script)
    result = await work.commit(SPEC)
    commit = result.report.decode().split()[0]
    return await work.repositories.take_in(work.base, work.pack, commit, SPEC, rules)


async def test_ordinary_work_has_no_findings(work: Work, source: Path) -> None:
    done = await published(work, source, "sed -i 's/a - b/a + b/' src/sum.py; chmod +x README.md; echo x >tests.txt")
    assert (done.findings, done.findings_count, done.asks) == ((), 0, False)


async def test_changing_and_deleting_a_workflow_asks_a_person(work: Work, source: Path) -> None:
    commit_files(source, {".github/workflows/old.yml": "on: push\n"})
    done = await published(work, source, "rm .github/workflows/old.yml; echo 'on: push' >.github/workflows/new.yml")
    assert [(one.rule, one.path) for one in done.findings] == [
        ("ci", ".github/workflows/new.yml"),
        ("ci", ".github/workflows/old.yml"),
    ]
    assert done.asks


async def test_a_secret_asks_with_its_place_and_is_not_repeated(work: Work, source: Path) -> None:
    done = await published(
        work, source, f"printf 'a\\nb\\nkey = \"{KEY}\"\\n' >config.ini; echo '{KEY}' | sed s/ghp/x/ >o"
    )
    (finding,) = done.findings
    assert (finding.rule, finding.path, finding.line) == ("secret", "config.ini", 3)
    assert KEY not in finding.message


async def test_a_secret_that_stood_there_before_is_not_the_runs(work: Work, source: Path) -> None:
    commit_files(source, {"config.ini": f"{KEY}\n"})
    assert (await published(work, source, "echo more >>config.ini")).findings == ()


async def test_a_secret_behind_null_bytes_and_hidden_attributes_is_found(work: Work, source: Path) -> None:
    done = await published(work, source, f"printf '\\0\\n{KEY}\\n' >x.bin; echo '*.bin -diff binary' >.gitattributes")
    assert [one.rule for one in done.findings] == ["secret"]


async def test_deleted_tests_ask_and_moved_ones_do_not(work: Work, source: Path) -> None:
    tests = {"tests/test_a.py": "def test_a(): ...\n", "test_b.py": "def test_b(): ...\n", "web/x.spec.ts": "it()\n"}
    commit_files(source, {**tests, "tests/data.py": "x = 1\n"})
    done = await published(
        work, source, "git mv test_b.py tests/; git mv web/x.spec.ts y.ts; rm tests/test_a.py tests/data.py"
    )
    assert [(one.rule, one.path) for one in done.findings] == [("deleted_tests", "tests/test_a.py")]


async def test_very_many_lines_ask(work: Work, source: Path) -> None:
    done = await published(work, source, "seq 10001 >numbers.txt")
    assert [one.rule for one in done.findings] == ["large"]
    assert "10,001 lines" in done.findings[0].message
    assert (await published(work, source, "seq 9999 >numbers.txt")).findings == ()


async def test_the_operator_refuses_what_the_rules_say(work: Work, source: Path) -> None:
    with pytest.raises(WorkRefused, match=r"\.gitlab-ci\.yml: It tells a build server") as refused:
        await published(work, source, "echo x >.gitlab-ci.yml", PublishRules(ci="refuse"))
    assert "publish" in refused.value.next_step


async def test_what_the_operator_allows_is_shown_and_asks_nobody(work: Work, source: Path) -> None:
    done = await published(work, source, "echo x >.gitlab-ci.yml", PublishRules(ci="allow"))
    assert ([one.verdict for one in done.findings], done.asks) == (["allow"], False)


def test_findings_are_bounded_and_those_that_ask_come_first() -> None:
    shown = [Finding(rule="ci", path=str(number), message="x", verdict="allow") for number in range(60)]
    asking = Finding(rule="secret", path="last", message="x")
    kept, count = settle([*shown, asking])
    assert (len(kept), count, kept[0]) == (MOST_FINDINGS, 61, asking)


def test_what_was_not_searched_is_said() -> None:
    (finding,) = judge([], {}, whole=False, lines=0, rules=PublishRules())
    assert (finding.rule, finding.verdict) == ("secret", "ask")
