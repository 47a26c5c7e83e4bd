"""What a command says to the proxy: CONNECT, or plain http in the form that proxies get."""

import re
from dataclasses import dataclass

from domain.network import normal

CONNECT = re.compile(r"CONNECT ([^\s/@]{1,300}):(\d{1,5}) HTTP/1\.[01]")
PLAIN = re.compile(r"([A-Z]{1,20}) http://([^/?#\s]{1,400})((?:[/?][^\s#]*)?) (HTTP/1\.[01])", re.IGNORECASE)
AUTHORITY = re.compile(r"(?:[^@]*@)?(\[[0-9A-Fa-f:.]+\]|[^:@\[\]]+)(?::(\d{1,5}))?")
FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
UNSAID = -1
BETWEEN_TWO = {"connection", "proxy-connection", "keep-alive", "proxy-authorization", "te", "upgrade", "expect"}
"""Said by a client to a proxy, or by a server to one, and to nobody behind it."""


class NoRequest(Exception):
    """The status and what is said about it."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Asked:
    """`host` is as `domain.network.normal` gives it. `head` goes to the server; a tunnel has none."""

    host: str
    port: int
    head: bytes | None = None
    body_bytes: int | None = 0
    """None: it comes in chunks."""
    bodiless: bool = False
    """The answer has a head alone."""


@dataclass(frozen=True)
class Answered:
    """The head of a server's answer as the client gets it."""

    head: bytes
    body_bytes: int | None = 0
    """None: until the server ends it."""
    more: bool = False
    """Another head follows (100 Continue)."""


def asked(head: bytes) -> Asked:
    """Reads a whole head, with the empty line that ends it. Raises NoRequest."""
    first, fields = _lines(head)
    if tunnel := CONNECT.fullmatch(first):
        return Asked(_host(tunnel[1]), _port(tunnel[2]))
    plain = PLAIN.fullmatch(first)
    authority = AUTHORITY.fullmatch(plain[2]) if plain else None
    if plain is None or authority is None:
        raise NoRequest("400 Bad Request", "This is a proxy: it takes CONNECT and requests for http:// addresses.")
    host, port = _host(authority[1]), _port(authority[2] or "80")
    kept = [(name, value) for name, value in fields if name.lower() not in BETWEEN_TWO | {"host"}]
    # The server is told the host that was checked, whatever the client calls it.
    shown = (f"[{host}]" if ":" in host else host) + (f":{port}" if port != 80 else "")
    start = f"{plain[1].upper()} {plain[3] if plain[3].startswith('/') else '/' + plain[3]} {plain[4].upper()}"
    head = _head(start, [("Host", shown), *kept])
    codings = [value.lower() for name, value in kept if name.lower() == "transfer-encoding"]
    if codings and (codings != ["chunked"] or plain[4].upper() != "HTTP/1.1"):
        raise NoRequest("501 Not Implemented", "Of transfer encodings only chunked is known, in HTTP/1.1.")
    length = _body_bytes(kept)
    return Asked(host, port, head, 0 if length == UNSAID else length, plain[1].upper() == "HEAD")


def answered(head: bytes, bodiless: bool) -> Answered:
    """Raises NoRequest where it cannot be read."""
    first, fields = _lines(head)
    status = re.fullmatch(r"HTTP/1\.[01] (\d{3})(?: .*)?", first)
    if status is None:
        raise NoRequest("502 Bad Gateway", "The server's answer is not HTTP/1.")
    if status[1].startswith("1"):
        return Answered(head, more=True)
    kept = [field for field in fields if field[0].lower() not in BETWEEN_TWO]
    length = 0 if bodiless or status[1] in ("204", "304") else _body_bytes(kept)
    return Answered(_head(first, kept), None if length == UNSAID else length)


def _lines(head: bytes) -> tuple[str, list[tuple[str, str]]]:
    text = head.decode("latin-1").removesuffix("\r\n\r\n")
    first, *lines = text.split("\r\n")
    fields = [FIELD.fullmatch(line) for line in lines]
    if re.search(r"[\r\n\0]", text.replace("\r\n", "")) or not all(fields):
        raise NoRequest("400 Bad Request", "The request has lines that HTTP does not know.")
    return first, [(field[1], field[2]) for field in fields if field]


def _head(first: str, fields: list[tuple[str, str]]) -> bytes:
    """One exchange a connection: the next may be for another host, and is to be asked for anew."""
    lines = [first, *(f"{name}: {value}" for name, value in fields), "Connection: close"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _host(said: str) -> str:
    host = normal(said)
    if host is None or not said.isascii():
        raise NoRequest("400 Bad Request", "That is no host's name.")
    return host


def _port(said: str) -> int:
    if not 0 < int(said) < 65536:
        raise NoRequest("400 Bad Request", "That is no port.")
    return int(said)


def _body_bytes(fields: list[tuple[str, str]]) -> int | None:
    """None for one that comes in chunks."""
    lengths = [value for name, value in fields if name.lower() == "content-length"]
    chunked = any(name.lower() == "transfer-encoding" for name, _ in fields)
    if len(lengths) + chunked > 1 or not all(re.fullmatch(r"[0-9]{1,15}", length) for length in lengths):
        raise NoRequest("400 Bad Request", "The length of the request is not clear.")
    return None if chunked else int(lengths[0]) if lengths else UNSAID
