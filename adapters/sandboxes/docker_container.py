"""One warm container: its keeper lives for as long as this process holds the other end of its input."""

import asyncio
import contextlib
import select
import socket
import time
from pathlib import Path
from uuid import uuid4

import docker
from docker.errors import APIError, NotFound

from adapters.sandboxes.conduct import to_the_end
from adapters.sandboxes.docker_engine import Engine
from adapters.sandboxes.docker_owner import COMMAND, DEADLINE, HOME, OWNER, RUN, Owner
from adapters.sandboxes.docker_plan import KEEPER, KEEPERS_PROCESSES, Plan, Users
from adapters.sandboxes.names import plain

LIFETIME_SECONDS = 6 * 3600
EMPTY_ATTEMPTS, EMPTY_WAIT_SECONDS = 20, 0.01
STATUS_CONFLICT = 409


class Container:
    """`start` it, and `remove` or `let_go` of it in the end. `spoilt`: not to be used again."""

    def __init__(self, engine: Engine, plan: Plan, users: Users, owner: Owner, command: str) -> None:
        self._engine = engine
        self._users = users
        self.plan = plan
        self.name = f"perdure-{plain(plan.run_id or command)[:60].strip('._-') or 'command'}-{uuid4().hex[:8]}"
        self.id = ""
        self.spoilt = False
        self.idle_since = 0.0
        self.until = time.time() + LIFETIME_SECONDS
        self._labels = {
            HOME: owner.home,
            OWNER: owner.name,
            RUN: plan.run_id,
            COMMAND: "" if plan.run_id else plain(command),
            DEADLINE: str(int(self.until)),
        }
        self._input: socket.socket | None = None
        self._counted: Path | None = None

    async def start(self) -> None:
        """Nothing of it is left where this fails or is cancelled."""
        try:
            await to_the_end(self._start())
        except BaseException:
            await to_the_end(self.remove())
            raise

    async def _start(self) -> None:
        self.id = await self._engine.ask(self._create)
        # Before it starts, so that it never lives without us: the end of its input is its end.
        self._input, _ = await self._engine.stream(f"/containers/{self.id}/attach?stdin=1&stream=1")
        self._counted = await self._engine.ask(self._run)

    def _create(self, client: docker.APIClient) -> str:
        made = client.create_container(
            self.plan.image,
            entrypoint=list(KEEPER),
            command=[],
            name=self.name,
            hostname="sandbox",
            user=self._users.keeper,
            working_dir="/",
            stdin_open=True,
            network_disabled=True,
            healthcheck={"test": ["NONE"]},
            labels=self._labels,
            host_config=self.plan.host_config(client, self._users),
            # What the SDK is configured with is this host's: an address of a proxy, with its password.
            use_config_proxy=False,
        )
        return str(made["Id"])

    def _run(self, client: docker.APIClient) -> Path | None:
        client.start(self.id)
        return processes_file(int(client.inspect_container(self.id)["State"]["Pid"]), self.id)

    def alive(self) -> bool:
        """Nothing is ever said on that stream: what can be read there is its end."""
        if self._input is None:
            return False
        poll = select.poll()
        poll.register(self._input, select.POLLIN | select.POLLRDHUP)
        return not poll.poll(0)

    def pids(self) -> list[int]:
        """Of its processes, the keeper's among them. Asks the engine where its control group is not seen here."""
        if self._counted is not None:
            with contextlib.suppress(OSError):
                return [int(line) for line in self._counted.read_text().split()]
        listed = self._engine.answer(lambda client: client.top(self.id))
        column = listed["Titles"].index("PID")
        return [int(process[column]) for process in listed["Processes"]]

    async def empty(self) -> bool:
        """Whether nothing but the keeper lives in it; what was killed just now takes a moment to go."""
        for _ in range(EMPTY_ATTEMPTS):
            pids = self.pids() if self._counted is not None else await asyncio.to_thread(self.pids)
            if len(pids) <= KEEPERS_PROCESSES:
                return len(pids) == KEEPERS_PROCESSES
            await asyncio.sleep(EMPTY_WAIT_SECONDS)
        return False

    async def remove(self) -> None:
        """Kills all in it; they are dead when this returns."""
        self.spoilt = True
        try:
            if self.id:
                await self._engine.ask(lambda client: remove_container(client, self.id))
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Its keeper ends, with it all others, and the engine removes what is left. Needs no loop."""
        self.spoilt = True
        if self._input is not None:
            self._input.close()
            self._input = None


def remove_container(client: docker.APIClient, name: str) -> None:
    try:
        client.remove_container(name, force=True, v=True)
    except NotFound:
        pass
    except APIError as error:
        # It is dead, and the engine removes it by itself just now.
        if error.status_code != STATUS_CONFLICT:
            raise


def processes_file(pid: int, container_id: str) -> Path | None:
    """Where the kernel lists its processes, if this host's control groups are the engine's."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            if container_id in path:
                for name in names.split(","):
                    file = Path("/sys/fs/cgroup", name, path.lstrip("/"), "cgroup.procs")
                    if file.is_file():
                        return file
    return None
