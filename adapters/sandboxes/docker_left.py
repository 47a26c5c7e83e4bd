"""What workers of this home left at the engine: found by labels, removed where its owner is gone."""

import contextlib
import time
from collections.abc import Callable, Iterator

import docker
from docker.errors import APIError

from adapters.sandboxes.docker_container import remove_container
from adapters.sandboxes.docker_owner import COMMAND, DEADLINE, HOME, OWNER, RUN, Owner
from adapters.sandboxes.names import plain

YOUNG_SECONDS = 120
"""One of ours that nobody knows may just be starting or going."""


def _of_home(client: docker.APIClient, owner: Owner) -> Iterator[tuple[str, set[str], dict[str, str], int]]:
    """(id, names, labels, when it was made)"""
    for found in client.containers(all=True, filters={"label": f"{HOME}={owner.home}"}):
        names = {str(name).lstrip("/") for name in found["Names"] or ()}
        labels = {str(label): str(value) for label, value in found["Labels"].items()}
        yield str(found["Id"]), names, labels, int(found["Created"])


def reap(client: docker.APIClient, owner: Owner, known: Callable[[], set[str]]) -> None:
    """Removes what nobody owns any more, and what outlived its deadline. For a thread."""
    for container, names, labels, made in _of_home(client, owner):
        if names & known():
            continue
        lost = labels.get(OWNER) == owner.name and time.time() - made > YOUNG_SECONDS
        if lost or owner.is_gone(labels.get(OWNER, "")) or int(labels.get(DEADLINE) or 0) < time.time():
            remove_container(client, container)
    owner.forget_the_gone()


def kill(client: docker.APIClient, owner: Owner, prefix: str, marker: str) -> None:
    """Removes what other processes of this home have for commands whose names start with `prefix`; `marker` is how
    the markers of these start. For a thread."""
    for container, _, labels, _ in _of_home(client, owner):
        if labels.get(OWNER) == owner.name:
            continue
        whose = (labels.get(RUN) or "", labels.get(COMMAND) or "")
        if any(plain(name).startswith(plain(prefix)) for name in whose if name) or _runs(client, container, marker):
            remove_container(client, container)


def _runs(client: docker.APIClient, container: str, marker: str) -> bool:
    """Whether a command with such a marker is in it."""
    with contextlib.suppress(APIError):  # it went meanwhile
        for number in client.inspect_container(container)["ExecIDs"] or ():
            words = client.exec_inspect(number)["ProcessConfig"]["arguments"] or ()
            if any(str(word).startswith(marker) for word in words):
                return True
    return False
