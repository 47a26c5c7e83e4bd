"""Temporal: how to connect, and what a cluster must know before runs start."""

import json
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.failure.v1 import Failure
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    ActivitySerializationContext,
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
    PayloadCodec,
    PayloadConverter,
    SerializationContext,
    WithSerializationContext,
)
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.service import RPCError, RPCStatusCode

from adapters.settings import Settings
from domain.errors import StorageUnavailable
from domain.secrets import Mask

if TYPE_CHECKING:
    from temporalio.worker import Worker
    from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

HUNG_SECONDS = 60
PASSED_THROUGH = ("domain", "activities", "workflows", "pydantic", "annotated_types", "typing_extensions")
SEARCH_ATTRIBUTES = ("RunStatus", "WaitingFor", "Agent", "Repository", "Owner", "ParentRun")


class TolerantJson(PydanticJSONPlainPayloadConverter, WithSerializationContext):
    """Between a workflow and its activities a field that the reader does not know is left out.

    While two versions run side by side, a run of the newer one calls a host of the older one, and the other way round.
    What people and workflows say to a workflow is read strictly: there a misspelt field must not be lost."""

    def __init__(self, tolerant: bool = False) -> None:
        super().__init__()
        self._tolerant = tolerant
        self._other = None if tolerant else TolerantJson(tolerant=True)

    def with_context(self, context: SerializationContext) -> "TolerantJson":
        return self._other if self._other and isinstance(context, ActivitySerializationContext) else self

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        if not self._tolerant or type_hint is None:
            return super().from_payload(payload, type_hint)
        return type_adapter(type_hint).validate_json(payload.data, extra="ignore")


class Payloads(CompositePayloadConverter):
    def __init__(self) -> None:
        usual = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(*(TolerantJson() if isinstance(one, JSONPlainPayloadConverter) else one for one in usual))


@lru_cache(maxsize=1024)
def type_adapter(hint: type) -> TypeAdapter[Any]:
    return TypeAdapter(hint)


class MaskingCodec(PayloadCodec):
    """Known secrets are in no payload of a history. Reading changes nothing: what others wrote is read as it is."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._masked(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    def _masked(self, payload: Payload) -> Payload:
        text = payload.data.decode(errors="replace")
        if self._mask.known(text) == text:
            return payload
        try:
            content = json.dumps(self._mask.known_in(json.loads(text)))
        except ValueError:
            content = self._mask.known(text)
        return Payload(metadata=payload.metadata, data=content.encode())


def masking_converter(mask: Mask) -> DataConverter:
    """Failures, with their causes and traces, are masked of all that looks like a secret: vendors word them."""

    class MaskingFailures(DefaultFailureConverter):
        def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
            super().to_failure(exception, payload_converter, failure)
            failure.message = mask.text(failure.message)
            failure.stack_trace = mask.text(failure.stack_trace)

    return DataConverter(
        payload_converter_class=Payloads,
        payload_codec=MaskingCodec(mask),
        failure_converter_class=MaskingFailures,
    )


async def connect(settings: Settings, address: str | None = None) -> Client:
    """By Temporal's own environment configuration: TEMPORAL_ADDRESS, profiles, TLS, API keys; or to `address`, bare."""
    config = ClientConnectConfig(target_host=address) if address else ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "127.0.0.1:7233")
    config["namespace"] = config.get("namespace") or settings.namespace
    try:
        return await Client.connect(**config, data_converter=masking_converter(settings.mask()))
    except RuntimeError as error:
        raise StorageUnavailable(
            f"Temporal does not answer at {config['target_host']}: {error}",
            "Start it with `perdure up`, or set TEMPORAL_ADDRESS to a server that runs.",
        ) from error


async def ensure_search_attributes(client: Client) -> None:
    """Registers what runs are searched by; needs no right where they are there already."""
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    missing = [name for name in SEARCH_ATTRIBUTES if name not in known.custom_attributes]
    if not missing:
        return
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=dict.fromkeys(missing, keyword))
        )
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise


def workflow_runner() -> "SandboxedWorkflowRunner":
    """How workflows run; replays of recorded histories run them the same way."""
    # The API has no use for it.
    from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions=restrictions)


def activities_of(objects: tuple[object, ...]) -> list[Callable[..., Awaitable[object]]]:
    """The methods that are activities."""
    names = ((one, name) for one in objects for name in dir(type(one)) if not name.startswith("_"))
    methods = [getattr(one, name) for one, name in names]
    return [method for method in methods if hasattr(method, "__temporal_activity_definition")]


def patient(worker: "Worker") -> "Worker":
    """Gives workflow code more than the SDK's two seconds before it counts as hung.

    On a machine short of CPU two seconds pass without any fault of the code. The task then fails in its middle, the
    SDK cannot evict what is left of it, and the run stays stuck on this worker for as long as that lives.
    """
    # There is no option for it but debug mode, which would take the workflow sandbox away.
    workflows = worker._workflow_worker
    assert workflows is not None
    workflows._deadlock_timeout_seconds = HUNG_SECONDS
    return worker
