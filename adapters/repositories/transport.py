"""The other end of a local repository: the git that git itself starts there, which `-c` options do not reach."""

import os
import shlex
import shutil
import sys

from adapters.repositories.address import Remote

OVERRIDES = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    # Git runs this for a repository that borrows objects.
    "core.alternateRefsCommand=true",
    "receive.denyCurrentBranch=refuse",
    "receive.autogc=false",
    "receive.fsckObjects=true",
    "gc.auto=0",
    "maintenance.auto=false",
)

BECOME = """
import os, sys
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[1]))
os.execv(sys.argv[3], sys.argv[3:])
"""


def upload_pack(remote: Remote) -> list[str]:
    """A local repository may belong to somebody else; exactly that one is trusted to be read."""
    return [f"--upload-pack={_git(remote)} upload-pack"] if remote.local else []


def receive_pack(remote: Remote) -> list[str]:
    """Writes to a local repository as its owner: what root writes there, the owner could not change any more."""
    if not remote.local:
        return []
    uid, gid = remote.local.owner
    become = ""
    if os.geteuid() == 0 and uid != 0:
        become = shlex.join([sys.executable, "-I", "-S", "-c", BECOME, str(uid), str(gid)]) + " "
    return [f"--receive-pack={become}{_git(remote)} receive-pack"]


def _git(remote: Remote) -> str:
    settings = [f"safe.directory={remote.location}", *(OVERRIDES)]
    return shlex.join([shutil.which("git") or "git", *(part for setting in settings for part in ("-c", setting))])
