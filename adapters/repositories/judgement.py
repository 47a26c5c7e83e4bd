"""What a person should look at before work leaves: judged on the host, over what a pack adds to its base."""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence

from adapters.repositories.added import Added
from adapters.repositories.rules import HFS_IGNORED, NO_OBJECT, Change, shown
from domain.errors import WorkRefused
from domain.repository import MOST_FINDINGS, Finding, FindingRule, Verdict
from domain.secrets import find_secrets
from domain.terms import PublishRules

CI_DIRECTORIES = (
    ".github/workflows/",
    ".github/actions/",
    ".forgejo/workflows/",
    ".gitea/workflows/",
    ".gitlab/ci/",
    ".circleci/",
    ".buildkite/",
    ".azure-pipelines/",
    ".woodpecker/",
    ".semaphore/",
    ".teamcity/",
)
CI_FILES = re.compile(
    r"action\.ya?ml|\.gitlab-ci\.ya?ml|jenkinsfile(\..+)?|.+\.jenkinsfile|azure-pipelines[^/]*\.ya?ml|\.travis\.ya?ml"
    r"|bitbucket-pipelines\.ya?ml|\.drone\.ya?ml|\.woodpecker\.ya?ml|\.?appveyor\.ya?ml|cloudbuild\.(ya?ml|json)"
    r"|buildspec\.ya?ml"
)
TEST_FILES = re.compile(
    r"(?:.*/)?(?:test_[^/]*\.py|[^/]*_test\.(?:py|go|rb|exs|dart)|[^/]*_spec\.rb|[^/]*[.](?:test|spec)\.[cm]?[jt]sx?"
    r"|[^/]*Tests?\.(?:java|kt|cs|php|swift|scala))"
)
MOST_PER_FILE = 5
"""Findings of secrets in one file: a file full of them is one thing to look at."""


def judge(
    changes: Sequence[Change], added: Mapping[str, Added], whole: bool, lines: int, rules: PublishRules
) -> Iterator[Finding]:
    """All but what bandit says. `whole` is False where `added` is not all; `lines` were added and removed."""
    yield from _of_ci(changes, rules.ci)
    yield from _of_tests(changes, rules.deleted_tests)
    for path, one in added.items():
        yield from _of_secrets(path, one, rules.secret)
    if not whole:
        said = "More lines were added than are searched for secrets; only the first were."
        yield Finding(rule="secret", path="", message=said, verdict=rules.secret)
    if lines > rules.most_lines:
        said = f"{lines:,} lines were added or removed; more than {rules.most_lines:,} are seldom read by anybody."
        yield Finding(rule="large", path="", message=said, verdict=rules.large)


def settle(found: Sequence[Finding]) -> tuple[tuple[Finding, ...], int]:
    """What is kept of them, those that ask first, and how many there were. Raises WorkRefused where one refuses."""
    refused = [finding for finding in found if finding.verdict == "refuse"]
    if refused:
        named = "; ".join(_one_line(finding) for finding in refused[:5])
        more = f"; and {len(refused) - 5} more" if len(refused) > 5 else ""
        raise WorkRefused(
            f"The operator's rules refuse the work: {named}{more}",
            "Start a run whose task says what to leave out. The operator sets the rules under `publish` in the site.",
        )
    ordered = sorted(found, key=lambda finding: finding.verdict != "ask")
    return tuple(ordered[:MOST_FINDINGS]), len(found)


def _one_line(finding: Finding) -> str:
    place = f"{finding.path}:{finding.line}" if finding.line else finding.path
    return f"{place}: {finding.message}" if place else finding.message


def _of_ci(changes: Sequence[Change], verdict: Verdict) -> Iterator[Finding]:
    for change in changes:
        if is_ci(change):
            said = "It tells a build server what to run, and that may run with the repository's secrets."
            yield _about("ci", change.path, said, verdict)


def is_ci(change: Change) -> bool:
    path = HFS_IGNORED.sub("", change.path).lower()
    if any(path.startswith(directory) for directory in CI_DIRECTORIES):
        return True
    # A link in the place of such a directory, or of one above it, would bring in what lies elsewhere.
    link = "120000" in (change.old_mode, change.new_mode)
    if link and any(directory.startswith(f"{path}/") for directory in CI_DIRECTORIES):
        return True
    return CI_FILES.fullmatch(posixpath.basename(path)) is not None


def _of_tests(changes: Sequence[Change], verdict: Verdict) -> Iterator[Finding]:
    """Tests that were moved are no finding: their name or their content is still there."""
    names = {posixpath.basename(change.path) for change in changes if change.adds}
    contents = {change.new for change in changes if change.adds}
    for change in changes:
        if change.adds or NO_OBJECT.fullmatch(change.old) or not TEST_FILES.fullmatch(change.path):
            continue
        if posixpath.basename(change.path) not in names and change.old not in contents:
            yield _about("deleted_tests", change.path, "A test file was deleted.", verdict)


def _of_secrets(path: str, added: Added, verdict: Verdict) -> Iterator[Finding]:
    text = added.text
    at, index = 0, 0
    for found in find_secrets(text)[:MOST_PER_FILE]:
        index += text.count("\n", at, found.start)
        at = found.start
        said = f"This looks like a secret: {found.kind}."
        yield _about("secret", path, said, verdict, added.numbers[index])


def _about(rule: FindingRule, path: str, said: str, verdict: Verdict, line: int | None = None) -> Finding:
    return Finding(rule=rule, path=shown(path)[:400], line=line, message=said, verdict=verdict)
