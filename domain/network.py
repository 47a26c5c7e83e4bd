"""What may be reached from a sandbox, and what was."""

from domain.value import Value


class AllowedHost(Value):
    """`host` is a name, or `*.name` for every name below it."""

    host: str
    ports: tuple[int, ...] = (443,)
    networks: tuple[str, ...] = ()
    """Private ranges (CIDR) that its addresses may lie in, for mirrors of one's own; public ones always may."""


class Connection(Value):
    """One connection that a command asked for. `address` is None where the name was refused or not found."""

    host: str
    port: int
    allowed: bool
    address: str | None = None
    reason: str = ""
    """Why it was refused or failed."""
    sent_bytes: int = 0
    received_bytes: int = 0
    seconds: float = 0.0
