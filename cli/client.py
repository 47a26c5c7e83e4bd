"""A client of the HTTP API: bearer token, problems as our own errors, event streams that survive a break."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from domain.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    PerdureError,
    TooLarge,
    Unauthorized,
    WorldError,
)

Json = dict[str, Any]
PROBLEMS: dict[int, type[PerdureError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: InvalidRequest,
    429: WorldError,
    502: WorldError,
    503: WorldError,
    504: WorldError,
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PATIENCE_SECONDS = 60.0
"""How long a broken event stream is tried again: a stack that is started anew needs a moment."""


@dataclass(frozen=True)
class Frame:
    """One frame of an event stream: `kind` is the event's type, `live`, or `end`."""

    kind: str
    body: Json


class ApiClient:
    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        local = urlsplit(self.url).hostname in LOOPBACK
        self._http = httpx2.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=httpx2.Timeout(30.0, connect=5.0),
            # A proxy named in the environment has no business on loopback.
            trust_env=not local,
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **params: str | int | None) -> Json:
        given = {name: value for name, value in params.items() if value is not None}
        return _object(self._send("GET", path, params=given))

    def text(self, path: str, accept: str) -> str:
        return self._send("GET", path, headers={"Accept": accept}).text

    def post(self, path: str, body: Json | None = None) -> Json:
        return _object(self._send("POST", path, json=body))

    def delete(self, path: str) -> None:
        self._send("DELETE", path)

    def start_run(self, body: Json) -> Json:
        return self.start("/v1/runs", body)

    def start(self, path: str, body: Json) -> Json:
        """Sent again after a lost connection: the key makes sure that it is taken in once."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        try:
            return _object(self._send("POST", path, json=body, headers=headers))
        except WorldError:
            time.sleep(1.0)
            return _object(self._send("POST", path, json=body, headers=headers))

    def decide(self, run_id: str, approval_id: str, body: Json) -> Json:
        return self.post(f"/v1/runs/{run_id}/approvals/{quote(approval_id)}", body)

    def pending(self, run_id: str) -> list[Json]:
        return list(self.get(f"/v1/runs/{run_id}/approvals", status="pending")["items"])

    def follow(self, run_id: str, after: int = 0) -> Iterator[Frame]:
        """All events after the given one, then those that come, until the run has ended."""
        broken_since: float | None = None
        while True:
            try:
                for frame in self._stream(run_id, after):
                    broken_since = None
                    yield frame
                    if frame.kind == "end":
                        return
                    after = int(frame.body.get("seq", after))
            except WorldError:
                broken_since = broken_since or time.monotonic()
                if time.monotonic() - broken_since > PATIENCE_SECONDS:
                    raise
            time.sleep(0.3)

    def _stream(self, run_id: str, after: int) -> Iterator[Frame]:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        # The server sends a comment every 15 s; silence longer than this is a dead connection.
        timeout = httpx2.Timeout(60.0, connect=5.0)
        try:
            with self._http.stream("GET", f"/v1/runs/{run_id}/events", headers=headers, timeout=timeout) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise problem(answer.status_code, answer.text)
                yield from frames(answer.iter_lines())
        except httpx2.TransportError as error:
            raise self._lost(error) from error

    def _send(self, method: str, path: str, **given: Any) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, **given)
        except httpx2.TransportError as error:
            raise self._lost(error) from error
        except httpx2.InvalidURL as error:
            raise InvalidRequest(
                f"{self.url} is no address of an API: {error}", "Give --api http://HOST:PORT"
            ) from error
        if answer.status_code >= 400:
            raise problem(answer.status_code, answer.text)
        return answer

    def _lost(self, error: Exception) -> WorldError:
        return WorldError(
            f"The API does not answer at {self.url} ({str(error) or type(error).__name__})",
            "Start the stack with `perdure up`, or name the API with --api or PERDURE_API.",
        )


def frames(lines: Iterator[str]) -> Iterator[Frame]:
    """Server-sent events of JSON objects."""
    kind, content = "", ""
    for line in lines:
        if line.startswith("event:"):
            kind = line[6:].strip()
        elif line.startswith("data:"):
            content += line[5:].removeprefix(" ")
        elif not line and content:
            yield Frame(kind, json.loads(content))
            kind, content = "", ""


def problem(status: int, content: str) -> PerdureError:
    """What the server said, as the error that it means."""
    try:
        said = json.loads(content)
    except ValueError:
        said = {}
    if not isinstance(said, Mapping):
        said = {}
    fields = "".join(f"\n  {one['field']}: {one['message']}" for one in said.get("errors", []))
    message = str(said.get("detail") or f"the server answered with status {status}") + fields
    return PROBLEMS.get(status, PerdureError)(message, str(said.get("next_step", "")))


def _object(answer: httpx2.Response) -> Json:
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise PerdureError("What answers there is no Perdure API", "Check --api or PERDURE_API.")
    return found
