"""28, 29: what is left in a workspace for the tools of the host to fall over."""

import os
import socket
from pathlib import Path

from tests.containment.probes.protocol import FACTS, Breach, probe

NAMES = (b"\xff\xfe", b"line\nbreak", b"-rf", b"*", b"$(touch hooked)", "\u202etxt.exe".encode(), b" ", b"a" * 255)


@probe("28")
def owners() -> str:
    """The host looks at whom they belong to."""
    Path("/workspace/mine").write_text("x")
    Path("/workspace/folder").mkdir()
    if os.getuid() == 0:
        raise Breach("commands are root inside")
    return f"made by {os.getuid()}"


@probe("29")
def traps() -> str:
    """The host stores, restores and reads it."""
    top = os.open("/workspace", os.O_RDONLY)
    for name in NAMES:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=top))
    host = FACTS["host_home"]
    links = {"link": f"{host}/notes", "self": "/proc/self/environ", "up": "../" * 30 + host, "loop": "loop"}
    for name, target in links.items():
        Path("/workspace", name).symlink_to(target)
    os.mkfifo("/workspace/pipe")
    with socket.socket(socket.AF_UNIX) as own:
        own.bind("/workspace/socket")
    with Path("/workspace/sparse").open("wb") as file:
        try:
            file.truncate(2**40)
        except OSError:
            file.truncate(2**28)
    closed = Path("/workspace/closed")
    closed.mkdir()
    (closed / "file").write_text("x")
    closed.chmod(0)
    os.chdir("/workspace")
    for _ in range(1500):
        Path("d").mkdir()
        os.chdir("d")
    Path("end").write_text("x")
    return f"planted {len(NAMES)} names, {len(links)} links and 1500 directories below each other"
