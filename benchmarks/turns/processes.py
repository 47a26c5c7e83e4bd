"""CPU by process, counted with the children that have ended."""

import os
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Watched:
    """A part of the stack and the process that it is; its live and ended children count with it."""

    name: str
    pid: int

    def cpu_seconds(self) -> float:
        process = psutil.Process(self.pid)
        own = process.cpu_times()
        total = float(own.user + own.system + own.children_user + own.children_system)
        for child in process.children(recursive=True):
            try:
                used = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += float(used.user + used.system)
        return total


def cpu_of(watched: list[Watched]) -> dict[str, float]:
    return {one.name: one.cpu_seconds() for one in watched}


def spent(before: dict[str, float], after: dict[str, float], turns: int) -> dict[str, float]:
    """Milliseconds per turn by process."""
    return {name: round(1000 * (after[name] - before[name]) / turns, 2) for name in before}


def this_process(name: str) -> Watched:
    return Watched(name, os.getpid())
