"""Statuses, codes and headers of refusals."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from adapters.models.failures import Refusal, lost, misdirected, refused, retry_after_seconds
from domain.errors import (
    ContextTooLong,
    KeyRefused,
    PerdureError,
    ProviderBusy,
    ProviderRefused,
    ProviderUnavailable,
    QuotaUsedUp,
)
from tests.adapters.models.asking import endpoint

HERE = endpoint("http://vendor.test")


@pytest.mark.parametrize("status", [408, 409, 425, 499, 500, 502, 504])
def test_what_may_pass_is_tried_again(status: int):
    assert type(refused(HERE, Refusal(status=status, message="later"))) is ProviderUnavailable


@pytest.mark.parametrize("status", [429, 503, 529])
def test_what_is_asked_too_much_says_so(status: int):
    assert type(refused(HERE, Refusal(status=status, message="later"))) is ProviderBusy


def test_an_overload_told_in_the_middle_of_a_stream_is_known_by_its_code():
    assert type(refused(HERE, Refusal(status=500, message="later", code="overloaded_error"))) is ProviderBusy


@pytest.mark.parametrize(("status", "code"), [(401, ""), (403, ""), (400, "invalid_api_key")])
def test_a_refused_key_is_told_from_other_refusals(status: int, code: str):
    error = refused(HERE, Refusal(status=status, message="no", code=code))
    assert type(error) is KeyRefused
    assert "VENDOR_API_KEY" in error.next_step


@pytest.mark.parametrize("status", [301, 400, 404, 405, 412, 422, 431, 501])
def test_what_will_not_pass_stops_the_run(status: int):
    error = refused(HERE, Refusal(status=status, message="no"))
    assert type(error) is ProviderRefused
    assert error.next_step


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(status=400, message="too big", code="context_length_exceeded"),
        Refusal(status=400, message="This model's maximum context length is 8192 tokens."),
        Refusal(status=400, message="prompt is too long: 210000 tokens > 200000 maximum"),
        Refusal(status=400, message="input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000"),
        Refusal(status=400, message="the request exceeds the available context size", code="exceed_context_size_error"),
        Refusal(status=413, message="Request exceeds the maximum size", code="request_too_large"),
        Refusal(status=500, message="Input is too long for requested model."),
    ],
)
def test_a_conversation_that_does_not_fit_is_known_by_code_status_or_words(refusal: Refusal):
    assert type(refused(HERE, refusal)) is ContextTooLong


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(status=429, message="no", code="insufficient_quota"),
        Refusal(status=402, message="no"),
        Refusal(status=403, message="no", code="billing_not_active"),
        Refusal(status=400, message="Your credit balance is too low to access the API", code="invalid_request_error"),
        Refusal(status=429, message="You exceeded your current quota, please check your plan"),
    ],
)
def test_a_quota_that_is_used_up_is_waited_for_and_says_so(refusal: Refusal):
    error = refused(HERE, refusal)
    assert type(error) is QuotaUsedUp
    assert "credit" in error.next_step


@pytest.mark.parametrize(
    ("status", "asked", "kind"),
    [(429, "false", ProviderRefused), (429, "true", ProviderBusy), (400, "true", ProviderUnavailable)],
)
def test_x_should_retry_goes_before_the_status(status: int, asked: str, kind: type[PerdureError]):
    assert type(refused(HERE, Refusal(status=status, message="", headers={"x-should-retry": asked}))) is kind


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        (401, "", "VENDOR_API_KEY"),
        (403, "", "VENDOR_API_KEY"),
        (404, "", "model's name"),
        (400, "content_filter", "policy"),
    ],
)
def test_a_refusal_says_what_to_check(status: int, code: str, word: str):
    assert word in refused(HERE, Refusal(status=status, message="no", code=code)).next_step


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_was_asked_for_is_read(headers: dict[str, str], seconds: float | None):
    error = refused(HERE, Refusal(status=429, message="slow down", headers=headers))
    assert isinstance(error, ProviderUnavailable)
    assert error.retry_after_seconds == seconds


def test_a_wait_may_be_a_date():
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < (retry_after_seconds({"retry-after": then}) or 0) <= 30
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=30), usegmt=True)
    assert retry_after_seconds({"retry-after": past}) == 0


def test_the_key_never_stands_in_a_message():
    for error in (
        refused(HERE, Refusal(status=401, message="Incorrect API key provided: sk-secret-key.")),
        lost(HERE, "sent sk-secret-key"),
        misdirected(HERE, "sk-secret-key"),
    ):
        assert "sk-secret-key" not in error.message
        assert "[key]" in error.message


def test_a_long_page_is_cut_short():
    assert len(refused(HERE, Refusal(status=502, message="<p>\n" * 10_000)).message) < 1_000
