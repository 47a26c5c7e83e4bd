"""What a history never holds."""

from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from adapters.temporal import masking_converter
from domain.secrets import Mask

KNOWN = 'plant-"7f3a9c1e5b'
CONVERTER = masking_converter(Mask([KNOWN]))
HIDDEN = "[secret: credential of the stack]"


async def test_no_payload_holds_a_known_secret_and_all_else_is_as_it_was() -> None:
    plain = {"text": "nothing", "number": 12, "list": [None, "ghp_q7Zp2Lx9Vb4Nf8Rt1Kd6Wm3Hs5Yc0Jgabcd5"]}
    payloads = await CONVERTER.encode([{"text": f"so {KNOWN}", "number": 12}, plain, b"\xff\x00", None])
    assert not any(b"7f3a9c1e5b" in payload.data for payload in payloads)
    decoded = await CONVERTER.decode(payloads)
    assert decoded == [{"text": f"so {HIDDEN}", "number": 12}, plain, b"\xff\x00", None]


async def test_no_failure_holds_a_secret_in_its_message_its_details_or_its_causes() -> None:
    failure = Failure()
    try:
        try:
            raise ValueError(f"the driver said postgres://me:hunter2@db.example.com {KNOWN}")
        except ValueError as cause:
            raise ApplicationError(f"refused {KNOWN}", f"check {KNOWN}", type="Refused") from cause
    except ApplicationError as error:
        await CONVERTER.encode_failure(error, failure)
    stored = failure.SerializeToString()
    assert b"7f3a9c1e5b" not in stored
    assert b"hunter2" not in stored
    assert failure.message == f"refused {HIDDEN}"
    assert failure.cause.message.startswith("the driver said postgres://me:[secret: password in a url]@db")
