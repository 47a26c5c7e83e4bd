"""What a command sees: /usr and a minimal /etc of the host, or all of another root, and the mounts that it names."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from domain.sandbox import HOME_PATH, WORKSPACE_PATH, Mount, OverlayMount, ReadOnlyMount

AGENT_ID = 1000
SMALL_TMPFS, LARGE_TMPFS = 16 * 1024**2, 256 * 1024**2
TOP_DIRECTORIES = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
ETC_PATTERNS = (
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "java-*",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "magic",
    "mime.types",
    "os-release",
    "perl",
    "pki/ca-trust/extracted",
    "pki/tls/certs",
    "pki/tls/cert.pem",
    "pki/tls/openssl.cnf",
    "protocols",
    "python3*",
    "services",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
)
"""Never keys, passwords, resolvers or what else an operator keeps in /etc."""
HOST = Path("/")
OURS = ("proc", "dev", "sys", "run", "tmp", "home", "root", "boot", "etc", "usr", "workspace", "mirror", "outputs")
"""What another root has at these places is not shown, or otherwise."""
ENTRY_BY_ENTRY = {"opt": ("perdure",), "var": ("tmp", "run", "lock")}
"""Mount points are made in these directories of another root, and so they cannot be mounted whole."""
NEEDED = ("bin/sh",)
ETC_WRITTEN = {
    "passwd": f"root:x:0:0:root:/:/bin/sh\nagent:x:{AGENT_ID}:{AGENT_ID}:agent:{HOME_PATH}:/bin/bash\n"
    "nobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": f"root:x:0:\nagent:x:{AGENT_ID}:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "hostname": "sandbox\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "resolv.conf": "",
}


def make_etc(root: Path, home: Path) -> Path:
    """A directory below `home`, named by its content, with what may be seen of `root`'s /etc."""
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".etc-", dir=home))
    for pattern in ETC_PATTERNS if root == HOST else ("*",):
        for source in sorted((root / "etc").glob(pattern)):
            if _unreadable(str(source.parent), [source.name]):
                continue
            target = building / source.relative_to(root / "etc")
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_symlink() or source.is_file():
                shutil.copyfile(source, target, follow_symlinks=False)
            elif source.is_dir():
                shutil.copytree(source, target, symlinks=True, ignore=_unreadable, copy_function=shutil.copyfile)
    for name, text in ETC_WRITTEN.items():
        (building / name).unlink(missing_ok=True)  # a link may lead anywhere
        (building / name).write_text(text)
    target = home / f"etc-{_content_id(building)}"
    try:
        building.rename(target)
    except OSError:  # made before, by us or by another worker of this home
        shutil.rmtree(building)
    return target


def _unreadable(directory: str, names: list[str]) -> list[str]:
    """What only its owner may read is nothing for an agent; neither are sockets and devices."""
    found = {name: os.lstat(os.path.join(directory, name)).st_mode for name in names}  # noqa: PTH118
    plain = (0o120000, 0o040000, 0o100000)
    return [name for name, mode in found.items() if mode & 0o170000 not in plain or not mode & 0o004]


def _content_id(tree: Path) -> str:
    digest = hashlib.sha256()
    for directory, names, files in os.walk(tree):
        names.sort()
        Path(directory).chmod(0o755)
        for name in sorted(files):
            path = Path(directory, name)
            digest.update(f"{path.relative_to(tree)}\0".encode())
            if path.is_symlink():
                digest.update(str(path.readlink()).encode())
            else:
                path.chmod(0o644)
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def root_arguments(root: Path, etc: Path) -> list[str]:
    """The read-only part, the same for every command."""
    arguments = ["--ro-bind", str(root / "usr"), "/usr"]
    for name in TOP_DIRECTORIES:
        source = root / name
        if source.is_symlink():
            arguments += ["--symlink", str(source.readlink()).lstrip("/"), f"/{name}"]
        elif source.is_dir():
            arguments += ["--ro-bind", str(source), f"/{name}"]
    arguments += [] if root == HOST else _others(root)
    arguments += ["--ro-bind", str(etc), "/etc", "--proc", "/proc", "--dev", "/dev"]
    arguments += ["--perms", "1777", *_tmpfs("/dev/shm", SMALL_TMPFS), "--remount-ro", "/dev"]  # noqa: S108
    return [*arguments, *_tmpfs("/run", SMALL_TMPFS), "--symlink", "../tmp", "/var/tmp"]  # noqa: S108


def _others(root: Path) -> Iterator[str]:
    for entry in sorted(root.iterdir()):
        if entry.is_symlink() or not entry.is_dir() or entry.name in (*OURS, *TOP_DIRECTORIES):
            continue
        if (left_out := ENTRY_BY_ENTRY.get(entry.name)) is None:
            yield from ("--ro-bind", str(entry), f"/{entry.name}")
            continue
        for inner in sorted(entry.iterdir()):
            if inner.name not in left_out and not inner.is_symlink():
                yield from ("--ro-bind", str(inner), f"/{entry.name}/{inner.name}")


def missing_in(root: Path) -> str | None:
    """What a root lacks that the first process of each command needs."""
    for name in NEEDED:
        # Its links are meant for inside; where they lead is known by trying them there.
        if not (root / name).exists() and not (root / name).is_symlink():
            return f"/{name}"
    return None


def mount_arguments(mounts: Sequence[Mount]) -> list[str]:
    """The command's mounts in their order; /tmp, home and workspace are filled where none covers them."""
    targets = [PurePosixPath(mount.target) for mount in mounts]
    arguments: list[str] = []
    for path in ("/tmp", HOME_PATH, WORKSPACE_PATH):  # noqa: S108
        if any(PurePosixPath(path).is_relative_to(target) for target in targets):
            continue
        mode = "1777" if path == "/tmp" else "0755"  # noqa: S108
        arguments += ["--perms", mode, *_tmpfs(path, LARGE_TMPFS)]
    for mount in mounts:
        arguments += _mount(mount)
    return arguments


def _mount(mount: Mount) -> Iterator[str]:
    if isinstance(mount, OverlayMount):
        return _overlay(mount)
    flag = "--ro-bind" if isinstance(mount, ReadOnlyMount) else "--bind"
    return iter((flag, mount.source, mount.target))


def _overlay(mount: OverlayMount) -> Iterator[str]:
    if mount.upper is None and len(mount.sources) == 1:  # the kernel refuses a read-only overlay of one layer
        yield from ("--ro-bind", mount.sources[0], mount.target)
        return
    for source in mount.sources:
        yield from ("--overlay-src", source)
    if mount.upper is None:
        yield from ("--ro-overlay", mount.target)
    elif mount.work is None:
        raise ValueError(f"the overlay on {mount.target} has an upper directory and no work directory")
    else:
        yield from ("--overlay", mount.upper, mount.work, mount.target)


def _tmpfs(path: str, size: int) -> tuple[str, ...]:
    return ("--size", str(size), "--tmpfs", path)
