"""The ways out: of a sandbox, and of the worker itself."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from domain.network import AllowedHost, Connection
from domain.web import WebAnswer, WebRequest


class Web(Protocol):
    async def send(
        self, request: WebRequest, hosts: Sequence[AllowedHost], on_connection: Callable[[Connection], None]
    ) -> WebAnswer:
        """One request to one of these hosts, without redirects. Forbidden and InvalidRequest: it may not go there.
        NotSent: nobody there. RemoteUnavailable: it was sent, perhaps in part, and what came of it is not known."""
        ...


class Egress(Protocol):
    def open(
        self, hosts: Sequence[AllowedHost], on_connection: Callable[[Connection], None]
    ) -> AbstractAsyncContextManager[str]:
        """A proxy to these hosts for one command: the path of its socket (`Command.proxy`). Each connection is told
        of when it is over; all of them are when this ends."""
        ...
