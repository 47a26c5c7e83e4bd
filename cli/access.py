"""Where the API is, by what token, and which run is meant."""

import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import InvalidRequest, NotFound, Unauthorized

if TYPE_CHECKING:
    from cli.client import ApiClient

DEFAULT_API = "http://127.0.0.1:8080"
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, a part of it that is unique, or `last`.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


@dataclass(frozen=True)
class Given:
    """What stands on the command line before the command."""

    api: str | None = None
    token: str | None = None


def client_of(context: typer.Context) -> "ApiClient":
    """What the command line or the environment names, else the stack of this user's `perdure up`."""
    from cli.client import ApiClient

    given = context.obj if isinstance(context.obj, Given) else Given()
    api = given.api or os.environ.get("PERDURE_API")
    token = given.token or os.environ.get("PERDURE_API_TOKEN")
    if api and token:
        return ApiClient(api, token)
    from adapters.settings import default_home
    from cli.home import Home

    home = Home(default_home(os.environ))
    announced = home.announced()
    local = announced.get("api", DEFAULT_API)
    # The token of our own stack is never sent to another server.
    if token is None and api in (None, local):
        token = announced.get("token") or home.token()
    if token is None:
        raise Unauthorized(
            f"There is no token for {api or local}",
            f"`perdure up` makes one in {home.path}; otherwise give --token or PERDURE_API_TOKEN.",
        )
    return ApiClient(api or local, token)


def resolve(client: "ApiClient", named: str) -> str:
    """The whole id. InvalidRequest where several runs are meant, NotFound where none is."""
    try:
        return str(uuid.UUID(named))
    except ValueError:
        pass
    newest = client.get("/v1/runs", limit=1 if named == "last" else 200)["items"]
    if named == "last":
        if not newest:
            raise NotFound("There is no run yet", 'Start one with `perdure run "What to do"`.')
        return str(newest[0]["id"])
    meant = [str(run["id"]) for run in newest if str(run["id"]).startswith(named) or str(run["id"]).endswith(named)]
    if not meant:
        raise NotFound(f"No run of the last 200 is called {named}", "`perdure ls` lists them.")
    if len(meant) > 1:
        raise InvalidRequest(f"{named} may mean {len(meant)} runs: {', '.join(meant)}", "Give more of the id.")
    return meant[0]
