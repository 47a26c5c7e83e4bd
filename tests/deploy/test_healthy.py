"""What Docker asks a container."""

import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from adapters.embedded.ports import free_port
from adapters.instances import Instance
from deploy.healthy import STALE_SECONDS, api_is_well, worker_is_well


def test_a_worker_is_well_that_has_said_so_lately(tmp_path: Path) -> None:
    assert not worker_is_well(tmp_path)
    instance = Instance(tmp_path)
    assert not worker_is_well(tmp_path)
    alive = instance.path / "alive"
    alive.touch()
    assert worker_is_well(tmp_path)
    long_ago = alive.stat().st_mtime - STALE_SECONDS - 1
    os.utime(alive, (long_ago, long_ago))
    assert not worker_is_well(tmp_path)
    instance.close()


def test_an_api_is_well_that_answers() -> None:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 503)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    assert api_is_well(f"{url}/healthz")
    assert not api_is_well(f"{url}/ill")
    server.shutdown()
    server.server_close()
    thread.join()
    assert not api_is_well(f"http://127.0.0.1:{free_port()}/healthz")
