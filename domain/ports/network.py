"""The way out of a sandbox."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from domain.network import AllowedHost, Connection


class Egress(Protocol):
    def open(
        self, hosts: Sequence[AllowedHost], on_connection: Callable[[Connection], None]
    ) -> AbstractAsyncContextManager[str]:
        """A proxy to these hosts for one command: the path of its socket (`Command.proxy`). Each connection is told
        of when it is over; all of them are when this ends."""
        ...
