"""What the tests of models ask, and servers that answer exactly the given bytes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from adapters.models.anthropic import AnthropicModel
from adapters.models.endpoint import Endpoint, Patience
from adapters.models.openai import OpenAIModel
from domain.model import AssistantMessage, Message, ModelAnswer, ModelRequest, ToolMessage, ToolSchema, UserMessage

TOOLS = tuple(
    ToolSchema(name=name, description=f"{name}s", parameters={"type": "object", "properties": {}})
    for name in ("bash", "read", "finish")
)
WIRES = ("openai", "anthropic")
SHORT = Patience(connect_seconds=2, read_seconds=0.3, total_seconds=5, answer_bytes=200_000)


def ask(model: str, *messages: Message, system: tuple[str, ...] = ("You work.", "On this.")) -> ModelRequest:
    return ModelRequest(model=model, system=system, tools=TOOLS, messages=messages or (UserMessage(text="Mend it"),))


def go_on(request: ModelRequest, answer: ModelAnswer, result: str = "ok", is_error: bool = False) -> ModelRequest:
    """The request after an answer: ids renamed as the activity does."""
    turn = sum(message.role == "assistant" for message in request.messages) + 1
    said = AssistantMessage(blocks=answer.blocks)
    names = {call.id: f"call_{turn}_{index}" for index, call in enumerate(said.calls)}
    renamed = AssistantMessage(
        blocks=tuple(
            block.model_copy(update={"id": names[block.id]}) if block.type == "tool_call" else block
            for block in said.blocks
        )
    )
    results = [
        ToolMessage(call_id=call.id, name=call.name, text=result, is_error=is_error) for call in renamed.calls
    ] or [UserMessage(text="Go on")]
    return request.model_copy(update={"messages": (*request.messages, renamed, *results)})


def endpoint(url: str, key: str = "sk-secret-key", provider: str = "vendor") -> Endpoint:
    return Endpoint(
        provider=provider,
        base_url=url,
        key=SecretStr(key),
        key_variable="VENDOR_API_KEY",
        url_variable="VENDOR_URL",
    )


@asynccontextmanager
async def raw_server(
    *pieces: bytes, pause_seconds: float = 0.0, hold: bool = False, endless: bool = False
) -> AsyncGenerator[tuple[str, list[bytes]]]:
    """Answers each request with the given bytes, then hangs up (or holds); gives its URL and what it was sent."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            requests.append(head + await reader.readexactly(length))
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_seconds)
            while endless:
                writer.write(pieces[-1])
                await writer.drain()
            if hold:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests


def http(body: bytes, status: str = "200 OK", kind: str = "text/event-stream", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n{headers}\r\n"
    return head.encode() + body


def made(wire: str, url: str, patience: Patience = SHORT) -> OpenAIModel | AnthropicModel:
    if wire == "openai":
        return OpenAIModel(endpoint(f"{url}/v1"), patience)
    return AnthropicModel(endpoint(url), patience)


def scripted_name(wire: str, script: str) -> str:
    return f"scripted:{script}" if wire == "openai" else f"scripted:anthropic/{script}"
