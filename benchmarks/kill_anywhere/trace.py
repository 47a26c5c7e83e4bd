"""What is known of one run when all is over, whichever system made it."""

from dataclasses import dataclass, field

from benchmarks.kill_anywhere.work import Work


@dataclass
class Trace:
    """Times are seconds since the epoch."""

    name: str
    work: Work
    run_id: str = ""
    began: float = 0.0
    ended: float | None = None
    status: str = "lost"
    files: str = ""
    """Equal where the final files are: the content id, or git's tree."""
    snapshot: str = ""
    branch: str = ""
    writes: int = 0
    """Write calls that were made."""
    progress: list[float] = field(default_factory=list)
    person: list[tuple[float, float]] = field(default_factory=list)
    """While it waited for a person."""
    redone: list[float] = field(default_factory=list)
    """When write calls were done again."""
    asked: list[tuple[str, float]] = field(default_factory=list)
    recorded: dict[str, float] = field(default_factory=dict)
    """When the answer of which turn of which phase was recorded."""
    updates: int = 0
    pulls: int = 0
    unexplained: float = 0.0
    """The longest time that it was shown as running and nothing of it was recorded, in seconds."""
    unreasoned: str = ""
    """A state in which it was shown to wait, and nothing said for what."""
    why: str = ""
    """The last that is known of it, where it was lost."""

    @property
    def finished(self) -> bool:
        return self.status == "completed"

    @property
    def asked_again(self) -> int:
        """Model calls for a turn whose answer was recorded already."""
        return len(self.late_questions)

    @property
    def late_questions(self) -> list[tuple[str, float]]:
        """Those, by turn, and how many seconds after the record."""
        late = [(turn, at - self.recorded.get(turn, at)) for turn, at in self.asked]
        return [(turn, round(seconds, 3)) for turn, seconds in late if seconds > 0]

    @property
    def wasted(self) -> int:
        """Model calls over the ideal of one a turn."""
        return len(self.asked) - len({turn for turn, _ in self.asked})

    @property
    def doubled(self) -> int:
        return max(self.updates - 1, 0) + max(self.pulls - 1, 0)

    @property
    def missing(self) -> int:
        """Effects of a finished run that are not there."""
        wanted = {"none": (0, 0), "branch": (1, 0), "pull_request": (1, 1)}[self.work.publish]
        return sum(have < want for have, want in zip((self.updates, self.pulls), wanted, strict=True))

    def resumed_after(self, at: float) -> float | None:
        """Seconds from `at` to the next that was recorded; None where it was not under way, or waited for a person."""
        if at <= self.began or (self.ended is not None and at >= self.ended):
            return None
        if any(since <= at < until for since, until in self.person):
            return None
        following = [one for one in self.progress if one > at]
        return min(following) - at if following else None

    def last_moved(self, at: float) -> float:
        """When the last thing before `at` was recorded; when it began, where nothing was."""
        return max((one for one in self.progress if one <= at), default=self.began)
