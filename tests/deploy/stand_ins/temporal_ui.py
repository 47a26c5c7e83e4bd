"""In place of temporalio/ui: passes on to the Web UI that the development server brings."""

import asyncio
import contextlib
import os


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    host = os.environ["TEMPORAL_ADDRESS"].partition(":")[0]
    there, back = await asyncio.open_connection(host, 8233)
    await asyncio.gather(copy(reader, back), copy(there, writer))


async def main() -> None:
    server = await asyncio.start_server(pass_on, "0.0.0.0", 8080)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
