"""Anthropic, by its Messages API."""

from typing import TYPE_CHECKING

from typing_extensions import override

from adapters.models.anthropic_wire import MessageRequests, MessagesAnswer
from adapters.models.endpoint import Endpoint, Patience
from adapters.models.leaving import hurry
from adapters.models.streamed import STREAM, StreamedModel
from adapters.models.transport import Meaning
from domain.model import ModelRequest

if TYPE_CHECKING:
    import httpx2
    from anthropic import AsyncAnthropic

MEANINGS = {
    "AnthropicError": Meaning.SET_UP,
    "APIError": Meaning.LOST,
    "APIResponseValidationError": Meaning.LOST,
    "APIWebhookValidationError": Meaning.LOST,
    "APIStatusError": Meaning.STATUS,
    "APIConnectionError": Meaning.CAUSE,
    "APITimeoutError": Meaning.CAUSE,
    "RetryableError": Meaning.LOST,
    "CredentialsError": Meaning.SET_UP,
    "IdentityTokenFileError": Meaning.SET_UP,
    "BadRequestError": Meaning.STATUS,
    "AuthenticationError": Meaning.STATUS,
    "PaymentRequiredError": Meaning.STATUS,
    "PermissionDeniedError": Meaning.STATUS,
    "NotFoundError": Meaning.STATUS,
    "RequestTimeoutError": Meaning.STATUS,
    "ConflictError": Meaning.STATUS,
    "PreconditionFailedError": Meaning.STATUS,
    "ContentTooLargeError": Meaning.STATUS,
    "UnprocessableEntityError": Meaning.STATUS,
    "RateLimitError": Meaning.STATUS,
    "RequestHeaderFieldsTooLargeError": Meaning.STATUS,
    "ClientClosedRequestError": Meaning.STATUS,
    "InternalServerError": Meaning.STATUS,
    "HTTPNotImplementedError": Meaning.STATUS,
    "ServiceUnavailableError": Meaning.STATUS,
    "GatewayTimeoutError": Meaning.STATUS,
    "OverloadedError": Meaning.STATUS,
}


class AnthropicModel(StreamedModel["AsyncAnthropic"]):
    def __init__(self, endpoint: Endpoint, patience: Patience | None = None) -> None:
        super().__init__(endpoint, MEANINGS, patience)
        self._requests = MessageRequests(endpoint)

    @override
    def _body(self, request: ModelRequest) -> bytes:
        return self._requests.body(request)

    @override
    def _growing(self, request: ModelRequest) -> MessagesAnswer:
        return MessagesAnswer(self._endpoint, request.model)

    @override
    async def _send(self, client: "AsyncAnthropic", body: bytes) -> "httpx2.Response":
        import httpx2
        from anthropic import AsyncStream

        response = await client.post(
            "/v1/messages",
            cast_to=httpx2.Response,
            content=body,
            stream=STREAM,
            stream_cls=AsyncStream[object],
        )
        assert isinstance(response, httpx2.Response)
        return response

    @override
    def _connected(self) -> "AsyncAnthropic":
        import httpx2
        from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

        patience = self._patience
        return AsyncAnthropic(
            api_key=self._endpoint.key.get_secret_value(),
            base_url=self._endpoint.base_url,
            timeout=(timeout := httpx2.Timeout(patience.read_seconds, connect=patience.connect_seconds)),
            http_client=DefaultAsyncHttpxClient(
                base_url=self._endpoint.base_url, timeout=timeout, event_hooks={"request": [hurry]}
            ),
            max_retries=0,
            open_telemetry=False,
        )
