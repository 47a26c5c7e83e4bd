"""Writes Docker's profile from the same rules: `python -m adapters.sandboxes.seccomp.profile`. Needs pyseccomp.

An allow-list: the system calls that libseccomp knows today, but for those that `build` refuses. What a later kernel
brings is refused until somebody adds it here.
"""

import errno
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyseccomp

from adapters.sandboxes.seccomp.build import (
    ABSENT,
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    ARCHITECTURES,
    NEW_NAMESPACES,
    REFUSED,
    REFUSED_ON_X86,
    TIOCLINUX,
    TIOCSTI,
)

PROFILE = Path(__file__).parent / "docker.json"
LAST_NUMBER = 600
JUDGED = ("clone", "ioctl", "socket", "personality")
"""Allowed for some arguments alone."""
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
"""As Docker's own profile: never without address randomisation."""

Condition = dict[str, int | str]
Rule = dict[str, object]


def known_calls() -> set[str]:
    """By all architectures that we serve; a name that one of them lacks is left out there by the engine."""
    names: set[str] = set()
    for architecture in ARCHITECTURES.values():
        for number in range(LAST_NUMBER):
            try:
                names.add(pyseccomp.resolve_syscall(architecture, number).decode())
            except ValueError:
                continue
    return names


def allowed(names: Sequence[str], condition: Condition | None = None) -> Rule:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", "args": [condition] if condition else []}


def answered(names: Sequence[str], error: int, condition: Condition | None = None) -> Rule:
    return {
        "names": list(names),
        "action": "SCMP_ACT_ERRNO",
        "errnoRet": error,
        "args": [condition] if condition else [],
    }


def compared(index: int, operator: str, value: int, other: int = 0) -> Condition:
    return {"index": index, "op": f"SCMP_CMP_{operator}", "value": value, "valueTwo": other}


def no_terminal_input() -> Iterator[Condition]:
    """Each request but two. A filter knows no 'not equal' of the low 32 bits: some bit of them must be another."""
    apart = TIOCSTI ^ TIOCLINUX
    for bit in (1 << number for number in range(32)):
        if not apart & bit:
            yield compared(1, "MASKED_EQ", bit, ~TIOCSTI & bit)
    for value in range(apart + 1):
        if value & ~apart == 0 and value not in (TIOCSTI & apart, TIOCLINUX & apart):
            yield compared(1, "MASKED_EQ", apart, value)


def rules() -> Iterator[Rule]:
    refused = {*REFUSED.split(), *REFUSED_ON_X86.split(), *ABSENT.split(), *JUDGED}
    yield allowed(sorted(known_calls() - refused))
    yield answered(ABSENT.split(), errno.ENOSYS)
    yield allowed(["clone"], compared(0, "MASKED_EQ", sum(NEW_NAMESPACES)))
    for condition in no_terminal_input():
        yield allowed(["ioctl"], condition)
    for value in PERSONALITIES:
        yield allowed(["personality"], compared(0, "EQ", value))
    for family in range(AF_NETLINK + 1):
        condition = compared(0, "EQ", family)
        inside = family in (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK)
        yield allowed(["socket"], condition) if inside else answered(["socket"], errno.EAFNOSUPPORT, condition)
    yield answered(["socket"], errno.EAFNOSUPPORT, compared(0, "GT", AF_NETLINK))


def main() -> None:
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": errno.EPERM, "syscalls": list(rules())}
    PROFILE.write_text(json.dumps(profile, indent=1) + "\n")


if __name__ == "__main__":
    main()
