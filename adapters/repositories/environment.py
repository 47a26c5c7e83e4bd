"""What every git of ours is started with: nothing of the host's configuration, nothing of a repository's own will."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

NAME = "Perdure"
EMAIL = "perdure@localhost"

BARE = {
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_DEFAULT_REF_FORMAT": "files",
}
"""Of every git, on the host and in the sandbox."""

OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    # Bound what a hostile pack can make git map or inflate at once.
    "core.packedGitWindowSize=32m",
    "core.packedGitLimit=1g",
    "core.bigFileThreshold=32m",
    "gc.auto=0",
    "maintenance.auto=false",
    "credential.helper=",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=90",
    "transfer.fsckObjects=true",
    "fetch.recurseSubmodules=false",
    "push.recurseSubmodules=no",
    "safe.bareRepository=explicit",
    "advice.addEmbeddedRepo=false",
)

HARMLESS_FLAWS = (
    # Old commits and trees of well known libraries have these; none of them can hurt.
    "badTimezone",
    "badDate",
    "badDateOverflow",
    "badEmail",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
)

PASSED_ON = ("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY")
"""What the operator's network needs; for https alone."""

ASKPASS = """#!/bin/sh
# Answers git's question only where it names the one origin that the token is for.
case "$1" in
  "Username for '$PERDURE_ASKPASS_ORIGIN'"*) printf '%s\\n' x-access-token ;;
  "Password for '$PERDURE_ASKPASS_WITH_USER'"*) printf '%s\\n' "$PERDURE_ASKPASS_TOKEN" ;;
  *) exit 1 ;;
esac
"""


def options() -> list[str]:
    """The `-c` arguments of every git on the host."""
    flaws = (f"fetch.fsck.{flaw}=ignore" for flaw in HARMLESS_FLAWS)
    return [part for option in (*OPTIONS, *flaws) for part in ("-c", option)]


def host_environment(environment: Mapping[str, str], protocol: str = "") -> dict[str, str]:
    """`protocol` is the only one that git may speak; empty means none."""
    passed_on = {name: environment[name] for name in PASSED_ON if protocol == "https" and name in environment}
    return {"PATH": environment.get("PATH", os.defpath), **BARE, **passed_on, "GIT_ALLOW_PROTOCOL": protocol or "none"}


def token_environment(askpass: Path, protocol: str, host: str, token: str) -> dict[str, str]:
    return {
        "GIT_ASKPASS": str(askpass),
        "PERDURE_ASKPASS_ORIGIN": f"{protocol}://{host}",
        "PERDURE_ASKPASS_WITH_USER": f"{protocol}://x-access-token@{host}",
        "PERDURE_ASKPASS_TOKEN": token,
    }


def write_askpass(path: Path) -> Path:
    """Puts the script where git can execute it; a package's own files may have lost their mode."""
    if not path.exists() or path.read_text() != ASKPASS:
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_text(ASKPASS)
        fresh.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
        fresh.replace(path)
    return path


def sandbox_environment() -> dict[str, str]:
    """Of the gits that Perdure runs inside the sandbox: no name, date or setting of the place gets in."""
    identity = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in _IDENTITY}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", **BARE, **identity, "GIT_ALLOW_PROTOCOL": "none"}


_IDENTITY = (("NAME", NAME), ("EMAIL", EMAIL))
