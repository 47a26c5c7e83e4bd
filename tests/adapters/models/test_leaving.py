"""Requests that leave in time, or not at all."""

import time

import pytest

from adapters.models import ProviderModels
from adapters.models.scripted import ScriptedServer
from domain.errors import NotSent
from tests.adapters.models.asking import ask


@pytest.mark.parametrize("wire", ["scripted:echo@1", "scripted:anthropic/echo@1"])
async def test_a_request_that_is_too_late_is_not_sent_and_one_in_time_is(
    scripted: ScriptedServer, scripted_models: ProviderModels, wire: str
) -> None:
    model, name = scripted_models.get(wire)
    for _ in range(2):  # without a connection that stands, and with one
        with pytest.raises(NotSent):
            await model.answer(ask(name), leaves_by=time.monotonic() - 0.001)
        before = scripted.counts().asked
        await model.answer(ask(name), leaves_by=time.monotonic() + 5)
        assert scripted.counts().asked == before + 1
