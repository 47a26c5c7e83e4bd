"""What every sandbox with walls does with a command that may reach a host. A test file subclasses this."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.network.proxy import EgressProxy
from domain.network import AllowedHost, Connection
from domain.sandbox import Command, CommandResult, ReadOnlyMount
from tests.adapters.conformance.sandbox import AnySandbox, shell
from tests.adapters.network.conversing import AGENT_UID, Names
from tests.fixtures.package_index import PackageIndex

PIP = (
    "PYTHONPATH=/opt/pip python3 -m pip install --quiet --no-cache-dir --no-compile --disable-pip-version-check"
    " --retries 0 --timeout 10 --trusted-host packages.example --target /workspace/site"
    " --index-url http://packages.example:{port}/simple greeting"
    " && PYTHONPATH=/workspace/site python3 -c 'import greeting; print(greeting.TEXT)'"
)
ASK = """
import sys, urllib.request
for url in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(url, timeout=10).status)
    except Exception as error:
        print(type(error).__name__, error)
"""


class NetworkConformance:
    made: list[Connection]

    @asynccontextmanager
    async def opened(self, home: Path, *hosts: AllowedHost) -> AsyncGenerator[str]:
        self.made = []
        names = Names(packages_example=[["127.0.0.1"]], inward_example=[["169.254.169.254"]])
        async with EgressProxy(home, AGENT_UID, names).open(hosts, self.made.append) as path:
            yield path

    def allowed(self, port: int) -> AllowedHost:
        return AllowedHost(host="packages.example", ports=(port,), networks=("127.0.0.0/8",))

    async def said(self, sandbox: AnySandbox, command: Command) -> str:
        result = await sandbox.run(command)
        return (result.head + result.tail).decode()

    async def test_pip_installs_from_the_index_that_the_operator_allows(
        self, sandbox: AnySandbox, home: Path, pip_directory: Path, package_index: PackageIndex
    ) -> None:
        pip = ReadOnlyMount(source=str(pip_directory), target="/opt/pip")
        async with self.opened(home, self.allowed(package_index.port)) as proxy:
            command = shell(
                sandbox, PIP.format(port=package_index.port), mounts=(pip,), proxy=proxy, timeout_seconds=90
            )
            text = await self.said(sandbox, command)
        assert text == "hello from the index\n"
        assert package_index.hosts == {f"packages.example:{package_index.port}"}
        assert {(one.host, one.allowed, one.address) for one in self.made} == {("packages.example", True, "127.0.0.1")}

    async def test_pip_finds_nothing_without_a_proxy_and_nothing_that_is_not_allowed(
        self, sandbox: AnySandbox, home: Path, pip_directory: Path, package_index: PackageIndex
    ) -> None:
        pip = ReadOnlyMount(source=str(pip_directory), target="/opt/pip")
        command = shell(sandbox, PIP.format(port=package_index.port), mounts=(pip,), timeout_seconds=90)
        assert (await sandbox.run(command)).exit_code == 1
        async with self.opened(home, AllowedHost(host="other.example", ports=(80,))) as proxy:
            assert (await sandbox.run(command.model_copy(update={"proxy": proxy}))).exit_code == 1
        assert package_index.asked == []
        assert self.made and not any(one.allowed for one in self.made)

    async def test_metadata_loopback_and_private_addresses_are_refused_through_the_proxy_and_past_it(
        self, sandbox: AnySandbox, home: Path, package_index: PackageIndex
    ) -> None:
        port = package_index.port
        urls = [
            "http://169.254.169.254/latest/meta-data/",
            "http://inward.example/",
            f"http://127.0.0.2:{port}/simple/greeting/",
            f"http://[::1]:{port}/",
            f"http://10.0.0.1:{port}/",
            f"http://localhost:{port}/simple/greeting/",
        ]
        async with self.opened(home, self.allowed(port), AllowedHost(host="inward.example", ports=(80,))) as proxy:
            asking = Command(argv=("python3", "-c", ASK, *urls), cwd="/", environment=sandbox.environment, proxy=proxy)
            through = (await self.said(sandbox, asking)).splitlines()
            past = 'unset HTTP_PROXY http_proxy ALL_PROXY all_proxy; exec python3 -c "$0" "$@"'
            around = await self.said(sandbox, asking.model_copy(update={"argv": ("sh", "-c", past, ASK, *urls)}))
        assert len(through) == 6 and all("HTTP Error 403" in line for line in through[:5]), through
        assert "URLError" in through[5]  # its own loopback, where nothing listens
        assert len(around.splitlines()) == 6 and all("URLError" in line for line in around.splitlines())
        assert package_index.asked == []
        assert len(self.made) == 5 and not any(one.allowed for one in self.made)

    async def test_a_proxied_command_is_as_any_other(self, sandbox: AnySandbox, home: Path) -> None:
        async with self.opened(home, self.allowed(80)) as proxy:

            async def run(text: str, **fields: object) -> CommandResult:
                return await sandbox.run(shell(sandbox, text, proxy=proxy, **fields))

            result = await run("cat; echo out; echo err >&2; echo told >&3; exit 7", stdin=b"in\n", report=True)
            assert (result.exit_code, result.head, result.report) == (7, b"in\nout\nerr\n", b"told\n")
            result = await run("echo out; echo err >&2", split_error=True)
            assert (result.head, result.error) == (b"out\n", b"err\n")
            assert (await run("kill -TERM $$")).exit_code == 128 + 15
            assert (await run("python3 -c 'import os; os.wait()'")).head.endswith(b"No child processes\n")
            assert (await run("yes | head -1; echo ${PIPESTATUS[0]}")).head == b"y\n141\n"
            result = await run("sleep 60", timeout_seconds=1.5)
            assert result.ended == "timed_out"
            result = await sandbox.run(
                Command(argv=("no-such-program",), cwd="/", environment=sandbox.environment, proxy=proxy)
            )
            assert result.exit_code == 127 and b"no-such-program" in result.head
            assert (
                await run("echo $http_proxy $NO_PROXY", environment=sandbox.environment | {"NO_PROXY": "mine"})
            ).head == (b"http://127.0.0.1:3128 mine\n")

    async def test_the_way_out_cannot_be_changed_from_inside(self, sandbox: AnySandbox, home: Path) -> None:
        async with self.opened(home, self.allowed(80)) as proxy:
            text = "cd /run/perdure; touch x; rm -f proxy.sock forward.py; echo y > forward.py"
            result = await sandbox.run(shell(sandbox, text, proxy=proxy))
            assert result.head.count(b"Read-only file system") == 4
            again = await sandbox.run(shell(sandbox, "echo still", proxy=proxy))
            assert again.head == b"still\n"
