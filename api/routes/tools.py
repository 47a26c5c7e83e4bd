"""The tools that agents have."""

from fastapi import APIRouter

from activities.tools import TOOLS, schema
from api.auth import Reader
from api.schemas.catalogue import ToolView
from api.schemas.value import Page

router = APIRouter(prefix="/tools", tags=["catalogue"])


@router.get("", response_model=Page[ToolView])
async def list_tools(_: Reader) -> Page[ToolView]:
    """With their classes, which policies speak of, and the JSON schemas that models are shown."""
    return Page[ToolView](
        items=[
            ToolView(
                name=tool.definition.name,
                tool_class=tool.definition.tool_class,
                subject=tool.definition.subject,
                ends_phase=tool.definition.ends_phase,
                description=schema(tool).description,
                arguments=schema(tool).parameters,
            )
            for tool in TOOLS.values()
        ]
    )
