"""How soon runs moved again after a kill."""

from collections.abc import Sequence
from itertools import groupby

from domain.value import Value


class Sample(Value):
    """One run after one kill. Where `moved` is false the next kill came first, so that it took longer than that."""

    seconds: float
    moved: bool
    stood: bool = False
    """It had not moved since a graver kill before: what it waits for is that one's, and no percentile has it."""


def quantile(samples: Sequence[Sample], share: float) -> float | None:
    """After how long this share of the runs had moved (Kaplan and Meier): those that were killed again first count for
    as long as they could be watched. None where it cannot be said."""
    left, standing = len(samples), 1.0
    for seconds, together in groupby(sorted(samples, key=lambda one: one.seconds), key=lambda one: one.seconds):
        moved = [one.moved for one in together]
        standing *= 1 - sum(moved) / left
        left -= len(moved)
        if any(moved) and standing <= 1 - share + 1e-9:
            return seconds
    return None
