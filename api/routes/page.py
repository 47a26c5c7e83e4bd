"""The root page: what this is, and where things are. It shows nothing that needs a token."""

import html
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.parts import Parts

router = APIRouter(include_in_schema=False)
INDEX = (Path(__file__).parent.parent / "pages" / "index.html").read_text(encoding="utf-8")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@router.get("/")
async def read_index(request: Request, parts: Parts) -> HTMLResponse:
    settings = parts.settings
    page = INDEX
    for name, text in {
        "version": request.app.version,
        "temporal_ui": settings.temporal_ui_url,
        "public_url": settings.public_url.rstrip("/"),
    }.items():
        page = page.replace(f"{{{{ {name} }}}}", html.escape(text))
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})
