"""`python -m adapters.models.scripted --port 0 --script FILE_OR_DIR`: prints its URL as one JSON line and serves."""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from adapters.models.scripted.server import ScriptedServer


async def serve(arguments: argparse.Namespace) -> None:
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    server = await ScriptedServer(arguments.script, arguments.host, arguments.port).start()
    sys.stdout.write(json.dumps({"url": server.base_url}) + "\n")
    sys.stdout.flush()
    await ended.wait()
    await server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="adapters.models.scripted", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path, action="append", default=[], help="a script or a directory of them")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
