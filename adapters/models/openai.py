"""OpenAI and every server that speaks its Chat Completions."""

from typing import TYPE_CHECKING

from typing_extensions import override

from adapters.models.endpoint import Endpoint, Patience
from adapters.models.leaving import hurry
from adapters.models.openai_wire import ChatAnswer, ChatRequests
from adapters.models.streamed import STREAM, StreamedModel
from adapters.models.transport import Meaning
from domain.model import ModelRequest

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

MEANINGS = {
    "OpenAIError": Meaning.SET_UP,
    "SubjectTokenProviderError": Meaning.SET_UP,
    "APIError": Meaning.LOST,
    "APIResponseValidationError": Meaning.LOST,
    "APIStatusError": Meaning.STATUS,
    "APIConnectionError": Meaning.CAUSE,
    "APITimeoutError": Meaning.CAUSE,
    "BadRequestError": Meaning.STATUS,
    "AuthenticationError": Meaning.STATUS,
    "OAuthError": Meaning.STATUS,
    "PermissionDeniedError": Meaning.STATUS,
    "NotFoundError": Meaning.STATUS,
    "ConflictError": Meaning.STATUS,
    "UnprocessableEntityError": Meaning.STATUS,
    "RateLimitError": Meaning.STATUS,
    "InternalServerError": Meaning.STATUS,
    "LengthFinishReasonError": Meaning.LOST,
    "ContentFilterFinishReasonError": Meaning.POLICY,
    "InvalidWebhookSignatureError": Meaning.SET_UP,
    "WebSocketConnectionClosedError": Meaning.LOST,
    "WebSocketQueueFullError": Meaning.LOST,
}


class OpenAIModel(StreamedModel["AsyncOpenAI"]):
    def __init__(self, endpoint: Endpoint, patience: Patience | None = None) -> None:
        super().__init__(endpoint, MEANINGS, patience)
        self._requests = ChatRequests(endpoint)

    @override
    def _body(self, request: ModelRequest) -> bytes:
        return self._requests.body(request)

    @override
    def _growing(self, request: ModelRequest) -> ChatAnswer:
        return ChatAnswer(self._endpoint, request.model)

    @override
    async def _send(self, client: "AsyncOpenAI", body: bytes) -> "httpx2.Response":
        import httpx2
        from openai import AsyncStream

        response = await client.post(
            "/chat/completions",
            cast_to=httpx2.Response,
            content=body,
            options={"security": {"bearer_auth": True}},
            stream=STREAM,
            stream_cls=AsyncStream[object],
        )
        assert isinstance(response, httpx2.Response)
        return response

    @override
    def _connected(self) -> "AsyncOpenAI":
        import httpx2
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        patience = self._patience
        return AsyncOpenAI(
            api_key=self._endpoint.key.get_secret_value(),
            base_url=self._endpoint.base_url,
            timeout=(timeout := httpx2.Timeout(patience.read_seconds, connect=patience.connect_seconds)),
            http_client=DefaultAsyncHttpxClient(
                base_url=self._endpoint.base_url, timeout=timeout, event_hooks={"request": [hurry]}
            ),
            max_retries=0,
        )
