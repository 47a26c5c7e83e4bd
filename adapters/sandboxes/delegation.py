"""Where this process may make control groups: as root anywhere, of version 2 also in what was delegated to it."""

import contextlib
import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from adapters.sandboxes.cgroups import Cgroups, Controller, pids_in
from domain.sandbox import SandboxLimits

CONTROLLERS = ("memory", "pids", "cpu")
OURS, LEAF = "perdure", "perdure-worker"
"""Holds the groups of commands; holds what ran in a delegated group before, as only groups without groups may."""
MOVES = 20


def find_cgroups(home: Path, names: Sequence[str] = CONTROLLERS) -> Cgroups | None:
    """Tries to make a group for each controller; None where this host allows none of them."""
    found: list[Controller] = []
    for name in names:
        works = (controller for controller in _candidates(name) if _works(controller))
        found += [controller for controller, _ in zip(works, range(1), strict=False)]
    if not found:
        return None
    tag = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    return Cgroups(tag, tuple(replace(controller, own=_own_place(controller)) for controller in found))


def _candidates(name: str) -> list[Controller]:
    """This process's own place and the top, of each hierarchy that has the controller."""
    own = _own_paths()
    found: list[Controller] = []
    for mount, options in _mounts():
        if options is not None and name not in options:
            continue
        path = Path(own.get(name if options is not None else "", "/"))
        if path.name == LEAF:  # moved there before
            path = path.parent
        places = dict.fromkeys((mount / str(path).lstrip("/"), mount))
        found += [Controller(name, place / OURS, options is None, place) for place in places if place.is_dir()]
    return found


def _works(controller: Controller) -> bool:
    probe = controller.parent / f"probe-{os.getpid()}"
    try:
        if controller.unified and not _delegates(controller.parent.parent, controller.name):
            return False
        controller.parent.mkdir(exist_ok=True)
        if controller.unified and not _delegates(controller.parent, controller.name):
            return False
        probe.mkdir(exist_ok=True)
        controller.limit(probe, SandboxLimits())
        (probe / "cgroup.procs").touch()
        probe.rmdir()
    except OSError:
        return False
    return True


def _delegates(place: Path, name: str) -> bool:
    """Version 2: makes `name` available to the groups below `place`, which may then hold no process itself."""
    control = place / "cgroup.subtree_control"
    if name in control.read_text().split():
        return os.access(control, os.W_OK)
    if name not in (place / "cgroup.controllers").read_text().split():
        return False
    if pids_in(place) and _is_ours(place):
        _empty(place)
    control.write_text(f"+{name}")
    return True


def _is_ours(place: Path) -> bool:
    """Whether what runs in `place` was put there with us: a unit with Delegate=yes, or a container of our own."""
    if os.geteuid() != 0:
        return place.stat().st_uid == os.geteuid()
    if pids_in(place) == [os.getpid()]:
        return True
    with contextlib.suppress(OSError):
        return os.getxattr(place, "trusted.delegate") == b"1"
    # The top of a namespace is a group as any other; the top of the host is none, and has no type.
    return place.is_mount() and (place / "cgroup.type").exists()


def _empty(place: Path) -> None:
    leaf = place / LEAF
    leaf.mkdir(exist_ok=True)
    for _ in range(MOVES):  # what they start meanwhile starts in `place`, too
        for pid in (pids := pids_in(place)):
            with contextlib.suppress(ProcessLookupError):
                (leaf / "cgroup.procs").write_text(str(pid))
        if not pids:
            return


def _own_place(controller: Controller) -> Path:
    """Where this process is by now, in the hierarchy of `controller`."""
    top = next((mount for mount, _ in _mounts() if controller.parent.is_relative_to(mount)), controller.parent.parent)
    place = top / _own_paths().get("" if controller.unified else controller.name, "/").lstrip("/")
    return place if place.is_dir() else top


def _own_paths() -> dict[str, str]:
    """Path of this process by controller; version 2 has the controller ""."""
    found: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        found |= dict.fromkeys(names.split(","), path)
    return found


def _mounts() -> list[tuple[Path, tuple[str, ...] | None]]:
    """(mount point, controllers); None for version 2."""
    found: list[tuple[Path, tuple[str, ...] | None]] = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            found.append((Path(before.split()[4]), tuple(options.split(",")) if kind == "cgroup" else None))
    return found
