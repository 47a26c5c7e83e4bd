"""Requests that the worker makes itself, to hosts that the operator opened, by the rules of the sandbox's proxy."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import httpx2

from adapters.network.proxy import resolve
from adapters.network.request import NoRequest
from adapters.network.tunnel import EgressLimits, Passage, Resolve
from domain.errors import Forbidden, InvalidRequest, NotSent, RemoteUnavailable
from domain.network import AllowedHost, Connection, normal
from domain.web import ANSWER_MOST, WebAnswer, WebRequest

# It would write each address into the log, with what stands behind the question mark.
logging.getLogger("httpx2").setLevel(logging.WARNING)
UNSENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)
"""TLS handshakes that fail are among them: nothing of the request was said."""


class EgressWeb:
    """Implements domain.ports.Web: a name is looked up once; the connection goes to the address that was checked."""

    def __init__(self, resolve: Resolve = resolve, most_bytes: int = ANSWER_MOST) -> None:
        self._resolve = resolve
        self._most_bytes = most_bytes

    async def send(
        self, request: WebRequest, hosts: Sequence[AllowedHost], on_connection: Callable[[Connection], None]
    ) -> WebAnswer:
        url = _url(request.url)
        host, port = url.host, url.port or (443 if url.scheme == "https" else 80)
        known = normal(host)
        if known is None:
            raise InvalidRequest(f"{host!r} is no host's name.", "Give an https:// or http:// address.")
        passage = Passage(hosts, EgressLimits(), self._resolve, on_connection)
        try:
            addresses = await passage.addresses(known, port)
        except NoRequest as refused:
            on_connection(Connection(host=known, port=port, allowed=False, reason=refused.reason))
            if refused.status.startswith("403"):
                raise Forbidden(refused.reason) from refused
            raise NotSent(refused.reason) from refused
        return await self._first(request, url, known, port, addresses, on_connection)

    async def _first(
        self,
        request: WebRequest,
        url: httpx2.URL,
        host: str,
        port: int,
        addresses: Sequence[str],
        on_connection: Callable[[Connection], None],
    ) -> WebAnswer:
        """From the first address that can be connected to; what was sent is never sent to a second one."""
        began, why = asyncio.get_running_loop().time(), ""
        for address in addresses:
            told = Connection(host=host, port=port, allowed=True, address=address)
            try:
                async with asyncio.timeout(request.seconds):
                    answer = await self._exchange(request, url, address)
            except UNSENT as error:
                why = str(error) or type(error).__name__
                continue
            except (httpx2.HTTPError, TimeoutError, OSError) as error:
                why = f"No answer of {host}:{port} could be read: {str(error) or type(error).__name__}."
                on_connection(told.model_copy(update={"reason": why, "sent_bytes": len(request.body)}))
                raise RemoteUnavailable(why) from error
            seconds = round(asyncio.get_running_loop().time() - began, 3)
            moved = {"sent_bytes": len(request.body), "received_bytes": len(answer.body), "seconds": seconds}
            on_connection(told.model_copy(update=moved))
            return answer
        why = f"{host}:{port} cannot be reached: {why}."
        on_connection(Connection(host=host, port=port, allowed=True, reason=why))
        raise NotSent(why)

    async def _exchange(self, request: WebRequest, url: httpx2.URL, address: str) -> WebAnswer:
        headers = [("Host", url.netloc.decode()), ("Accept-Encoding", "identity"), *request.headers]
        names = {"sni_hostname": url.host}
        transport = httpx2.AsyncHTTPTransport(retries=0, trust_env=False)
        async with httpx2.AsyncClient(
            transport=transport, timeout=request.seconds, follow_redirects=False, trust_env=False
        ) as client:
            asked = client.build_request(
                request.method,
                url.copy_with(host=address),
                headers=headers,
                content=request.body or None,
                extensions=names,
            )
            answer = await client.send(asked, stream=True)
            try:
                return await self._read(answer)
            finally:
                await answer.aclose()

    async def _read(self, answer: httpx2.Response) -> WebAnswer:
        """No more of the body than is kept, whatever its head says."""
        body = bytearray()
        async for piece in answer.aiter_raw(16 * 1024):
            body += piece
            if len(body) > self._most_bytes:
                break
        headers = tuple((name, value) for name, value in answer.headers.multi_items())
        cut = len(body) > self._most_bytes
        return WebAnswer(status=answer.status_code, headers=headers, body=bytes(body[: self._most_bytes]), cut=cut)


def _url(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, TypeError, ValueError) as error:
        raise InvalidRequest(f"This is no address: {error}", "Give an https:// or http:// address.") from error
    if url.scheme not in ("https", "http") or not url.host or url.userinfo:
        raise InvalidRequest(
            "This is no address that can be asked: only https:// and http://, without a name or password in it.",
            "Give such a one.",
        )
    return url
