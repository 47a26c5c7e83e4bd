"""A request that the worker itself makes, and its answer: data, whatever stands in it."""

from domain.value import Value

REQUEST_MOST = 1024 * 1024
"""Bytes of a body that is sent."""
ANSWER_MOST = 64 * 1024
"""Bytes of an answer's body that are read."""


class WebRequest(Value):
    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    seconds: float = 30.0
    """All of it, from the look-up of the name to the last byte that is read."""


class WebAnswer(Value):
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    cut: bool = False
    """There was more of it."""
