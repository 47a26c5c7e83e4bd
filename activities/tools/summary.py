"""A call in one short line, for people: the Temporal Web UI, lists, approvals."""

SUMMARY_CHARACTERS = 80


def summary_of(name: str, subject: str) -> str:
    line = " ".join(f"{name}: {subject}".split()) if subject else name
    return line if len(line) <= SUMMARY_CHARACTERS else line[: SUMMARY_CHARACTERS - 1] + "…"
