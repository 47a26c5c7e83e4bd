"""Webhooks out: what a run tells others, signed, at least once, under one id."""

import asyncio
from urllib.parse import urlsplit

from temporalio import activity

from activities.dossiers import Dossiers
from activities.effects import Effects
from domain.delivery import DELIVERY, SIGNATURE, encoded, signature, told_of_end, told_of_wait
from domain.effect import Effect, Receipt, effect_id, request_hash
from domain.errors import InvalidRequest, NotFound, RemoteUnavailable
from domain.event import ApprovalRequested, RunEnded
from domain.notify import ENDED, NOTIFY, Listener, Notify, why_not
from domain.ports import Journal, Web
from domain.record import RecordedEvent
from domain.value import Value
from domain.web import WebRequest

SECONDS = 15.0
CARD_SECONDS, CARD_LOOKS = 0.2, 150
"""A phase tells the mailbox that it will ask before its card is recorded."""


class DeliverInput(Value):
    """`about` is "ended", or the id of an approval."""

    run_id: str
    about: str
    listener: Listener


def delivery_key(about: str, listener: Listener) -> str:
    return f"effect/{NOTIFY}/{about}/{listener}"


class NotifyActivities:
    """`secret` signs what is sent; `public_url` is where people reach the API."""

    def __init__(
        self, journal: Journal, dossiers: Dossiers, web: Web, site: Notify, secret: str | None, public_url: str
    ) -> None:
        if site.is_wanted and not secret:
            raise InvalidRequest(
                "The site file has `notify`, and there is no secret to sign with.",
                "Set PERDURE_NOTIFY_SECRET or PERDURE_NOTIFY_SECRET_FILE for the worker.",
            )
        self._journal = journal
        self._dossiers = dossiers
        self._effects = Effects(journal, dossiers)
        self._web = web
        self._site = site
        self._secret = secret or ""
        self._public_url = public_url.rstrip("/")

    @activity.defn
    async def deliver(self, input: DeliverInput) -> None:
        """Anything but an answer of 2xx is tried again, with the same bytes under the same id."""
        url = await self._address(input)
        key = delivery_key(input.about, input.listener)
        body = await self._body(input, effect_id(input.run_id, key))
        parts = urlsplit(url)
        target = f"{parts.scheme}://{parts.netloc}{parts.path}"
        effect = Effect(
            key=key,
            kind=NOTIFY,
            # What stands behind the question mark may be a secret.
            target=target,
            about=f"{input.about}, to {target}",
            request=request_hash(url, body.decode()),
            repeatable=True,
        )

        async def act() -> Receipt:
            return await self._post(url, body, effect_id(input.run_id, key))

        await self._effects.perform(input.run_id, effect, act)

    async def _post(self, url: str, body: bytes, delivery: str) -> Receipt:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Perdure",
            DELIVERY: delivery,
            SIGNATURE: signature(self._secret, body),
            "Idempotency-Key": delivery,
        }
        request = WebRequest(method="POST", url=url, headers=tuple(headers.items()), body=body, seconds=SECONDS)
        answer = await self._web.send(request, self._site.allowed, lambda _: None)
        if not 200 <= answer.status < 300:
            raise RemoteUnavailable(f"The receiver answered {answer.status}.")
        return {"status": answer.status, "delivery": delivery}

    async def _address(self, input: DeliverInput) -> str:
        dossier = await self._dossiers.of(input.run_id)
        url = self._site.url if input.listener == "site" else dossier.spec.notify_url
        if url is None:
            raise NotFound(f"run {input.run_id} has nobody to tell")
        if wrong := why_not(url, self._site):
            raise InvalidRequest(f"notify: {wrong}", "The worker's site file is not the one that the API has.")
        return url

    async def _body(self, input: DeliverInput, delivery: str) -> bytes:
        recorded = await self._recorded(input)
        run = await self._journal.summary(input.run_id)
        link = f"{self._public_url}/v1/runs/{input.run_id}"
        match recorded.event:
            case RunEnded(result=result):
                return encoded(delivery, told_of_end(run, result, recorded.at, link))
            case ApprovalRequested(card=card):
                return encoded(delivery, told_of_wait(run, card, recorded.at, link))
        raise NotFound(f"nothing is to be told of {input.about}")

    async def _recorded(self, input: DeliverInput) -> RecordedEvent:
        key = ENDED if input.about == ENDED else f"approval/{input.about}/requested"
        for _ in range(CARD_LOOKS):
            if (found := await self._journal.find(input.run_id, key)) is not None:
                return found
            await asyncio.sleep(CARD_SECONDS)
        raise RemoteUnavailable(f"{key} is not recorded yet.")
