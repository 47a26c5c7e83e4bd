"""A language model: what it is asked, what it answers, what it costs."""

from typing import Annotated, Any, Literal

from pydantic import Field, SkipValidation

from domain.value import Value


class Usage(Value):
    """Tokens of one or many answers. `input_tokens` excludes what a cache served or stored."""

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    """Includes reasoning."""
    reasoning_tokens: int = 0

    def plus(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )

    @property
    def counted_tokens(self) -> int:
        """What counts against `Limits.tokens`."""
        return self.input_tokens + self.cache_write_tokens + self.output_tokens


class Text(Value):
    type: Literal["text"] = "text"
    text: str


class Reasoning(Value):
    """Kept and sent back unchanged to the provider that made it; never shown to another one."""

    type: Literal["reasoning"] = "reasoning"
    provider: str
    text: str = ""
    opaque: dict[str, Any] = {}
    """The provider's own block (signature, encrypted content), byte for byte as JSON."""


class ToolCall(Value):
    type: Literal["tool_call"] = "tool_call"
    id: str
    """`call_<turn>_<index>`, given by us, so that replay, journal and provider caches agree."""
    name: str
    arguments: str
    """JSON text as the model wrote it, valid or not."""


Block = Annotated[Text | Reasoning | ToolCall, Field(discriminator="type")]


class UserMessage(Value):
    role: Literal["user"] = "user"
    text: str


class AssistantMessage(Value):
    role: Literal["assistant"] = "assistant"
    blocks: tuple[Block, ...]

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(block for block in self.blocks if isinstance(block, ToolCall))

    @property
    def text(self) -> str:
        return "".join(block.text for block in self.blocks if isinstance(block, Text))


class ToolMessage(Value):
    """The result of one call, as the model reads it."""

    role: Literal["tool"] = "tool"
    call_id: str
    name: str
    text: str
    is_error: bool = False


Message = Annotated[UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class ToolSchema(Value):
    """A tool as a provider is told of it; `parameters` is a JSON schema object."""

    name: str
    description: str
    parameters: dict[str, Any]


class ModelRequest(Value):
    """One question to a model. Every request of a phase is the previous one plus a suffix."""

    model: str
    """The provider's own name of it, without `provider:`."""
    system: tuple[str, ...]
    """The static part first, then the part of this run."""
    tools: tuple[ToolSchema, ...]
    messages: SkipValidation[tuple[Message, ...]]
    """Not looked at again: that alone would cost more with every turn."""
    max_output_tokens: int = 8192


class ModelAnswer(Value):
    blocks: tuple[Block, ...]
    stop: Literal["end", "tool_calls", "length", "refused"]
    usage: Usage
    model: str
    """As the provider names it in its answer."""


class Price(Value):
    """US dollars per million tokens."""

    input: float
    output: float
    cache_read: float = 0.0
    cache_write: float = 0.0
    window_tokens: int = 128_000


class ModelCard(Value):
    """A model as `GET /v1/models` lists it; `ready` is false where `remedy` says what to set."""

    name: str
    price: Price | None = None
    ready: bool = True
    remedy: str = ""


def cost_usd(price: Price, usage: Usage) -> float:
    micro = (
        usage.input_tokens * price.input
        + usage.output_tokens * price.output
        + usage.cache_read_tokens * price.cache_read
        + usage.cache_write_tokens * price.cache_write
    )
    return micro / 1_000_000
