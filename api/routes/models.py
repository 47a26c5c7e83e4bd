"""The language models that runs may name."""

from fastapi import APIRouter

from api.auth import Reader
from api.parts import Parts
from api.schemas.catalogue import ModelView, PriceView
from api.schemas.value import Page

router = APIRouter(prefix="/models", tags=["catalogue"])


@router.get("", response_model=Page[ModelView])
async def list_models(parts: Parts, _: Reader) -> Page[ModelView]:
    """Where `ready` is false, `remedy` says what to set."""
    return Page[ModelView](
        items=[
            ModelView(
                name=card.name,
                price=PriceView.model_validate(card.price.model_dump()) if card.price else None,
                ready=card.ready,
                remedy=card.remedy,
                default=card.name == parts.settings.default_model,
            )
            for card in parts.models.catalogue()
        ]
    )
