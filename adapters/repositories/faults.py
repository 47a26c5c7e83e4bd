"""What git's standard error means: git -> domain, once."""

import re

from adapters.repositories.address import Remote
from adapters.repositories.program import GitResult
from domain.errors import OutOfSpace, PerdureError, RemoteUnavailable, RepositoryRefused, StorageUnavailable

SHOWN = 600

NO_HOST = "Could not resolve host"
NO_SPACE = re.compile(r"no space left|disk quota exceeded|out of diskspace", re.IGNORECASE)
LOGIN = re.compile(
    r"authentication failed|could not read (username|password)|terminal prompts disabled|unable to read askpass"
    r"|returned error: 40[13]|HTTP 40[13]\b|access denied",
    re.IGNORECASE,
)
REDIRECT = re.compile(r"returned error: 30\d|HTTP 30\d\b|redirect", re.IGNORECASE)
ABSENT = re.compile(
    r"returned error: 4(04|10)|repository .* not found|does not appear to be a git repository"
    r"|not valid: is this a git repository|no such file or directory|could(n't| not) find remote ref",
    re.IGNORECASE,
)
NO_SUCH_OBJECT = re.compile(r"not our ref|no such remote ref", re.IGNORECASE)
FLAWED = re.compile(r"fsck error|error in object|object corrupt|bad object|invalid (tree|index-pack)", re.IGNORECASE)
CERTIFICATE = re.compile(r"certificate|SSL peer|CAfile", re.IGNORECASE)
DECLINED = re.compile(r"\[(remote )?rejected\]|hook declined|protected branch|stale info|denied", re.IGNORECASE)
SHALLOW = re.compile(r"shallow (roots|update)", re.IGNORECASE)


def remote_fault(result: GitResult, remote: Remote, doing: str) -> PerdureError:
    """The error to raise for a git that talked to a remote and failed."""
    said = _said(result)
    what = f"{remote.url}: {doing} failed"
    if NO_SPACE.search(said):
        return OutOfSpace(
            f"{what}: the disk is full ({said}).", "Free space in the worker's home: the run then goes on."
        )
    if result.ended:
        return RemoteUnavailable(f"{what}: {result.ended}.")
    for pattern, reason, next_step in _refusals(remote):
        if pattern.search(said):
            return RepositoryRefused(f"{what}: {reason} ({said})", next_step)
    if remote.local:
        return RepositoryRefused(f"{what}: {said}", "Check that the server's user may read and write the repository.")
    return RemoteUnavailable(f"{what}: {said}")


def local_fault(result: GitResult, doing: str) -> PerdureError:
    """The error for a git that worked on the host's own mirrors: nothing that a caller could mend."""
    said = _said(result)
    if NO_SPACE.search(said):
        return OutOfSpace(f"{doing} failed: the disk is full ({said}).", "Free space in the worker's home.")
    return StorageUnavailable(f"{doing} failed: {said}")


def _refusals(remote: Remote) -> tuple[tuple[re.Pattern[str], str, str], ...]:
    return (
        (LOGIN, "the server wants a login, or refuses the one it got.", _login_step(remote)),
        (SHALLOW, "it is a shallow clone.", "Run `git fetch --unshallow` in it first."),
        (DECLINED, "it was declined.", "See the reason given by the server."),
        (REDIRECT, "the server sends us elsewhere, and tokens are not taken along.", _REDIRECT_STEP),
        (ABSENT, "there is no such repository, or it is private.", _login_step(remote, "Check the address. ")),
        (NO_SUCH_OBJECT, "it has no such commit.", "Give a branch, a tag, or a commit that a branch has."),
        (FLAWED, "it holds an object that git's own checks refuse.", "Repair the repository's history."),
        (CERTIFICATE, "its certificate cannot be trusted.", "Set SSL_CERT_FILE for the worker."),
    )


_REDIRECT_STEP = "Give the address that the server names; often it is the same with .git at its end."


def _login_step(remote: Remote, before: str = "") -> str:
    if remote.local:
        return f"{before}Check that the server's user may read and write it."
    if remote.token:
        return f"{before}The token in PERDURE_GIT_TOKEN was offered: check that it may read and push there."
    if remote.remedy:
        return f"{before}{remote.remedy}"
    return f"{before}The operator sets PERDURE_GIT_TOKEN, and names {remote.host} in PERDURE_GIT_TOKEN_HOSTS."


def _said(result: GitResult) -> str:
    """The last lines that git said, without its own tags."""
    lines = [line.strip() for line in result.error.splitlines() if line.strip() and not line.startswith("hint:")]
    return result.ended or " / ".join(lines)[-SHOWN:] or f"git ended with {result.code}"
