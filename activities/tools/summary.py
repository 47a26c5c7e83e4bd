"""A call in one short line, for people: the Temporal Web UI, lists, approvals."""

from domain.secrets import Mask

SUMMARY_CHARACTERS = 80
READ_CHARACTERS = 4096
"""What begins as a secret in the line shows within so many that it is one."""
LOOKS = Mask()


def summary_of(name: str, subject: str) -> str:
    """Without what looks like a secret: the line goes where the call itself does not, into Temporal's history."""
    words = LOOKS.text(f"{name}: {subject[:READ_CHARACTERS]}") if subject else name
    line = " ".join(words.split())
    return line if len(line) <= SUMMARY_CHARACTERS else line[: SUMMARY_CHARACTERS - 1] + "…"
