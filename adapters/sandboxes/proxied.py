"""A command that may reach the network: what leads to its proxy is put around it, in every sandbox alike."""

from pathlib import Path, PurePosixPath

from domain.sandbox import (
    PROXY_ENVIRONMENT,
    PROXY_FORWARDER_PATH,
    PROXY_PORT,
    PROXY_SOCKET_PATH,
    TOOLCHAIN_PATH,
    Command,
    ReadOnlyMount,
)

# Places that no command can change go before PATH, which a command can.
FIND_PYTHON = f"""
for python in {TOOLCHAIN_PATH}/bin/python3 /usr/bin/python3 /usr/local/bin/python3 "$(command -v python3)"; do
  if [ -x "$python" ]; then exec "$python" -I -S {PROXY_FORWARDER_PATH} {PROXY_PORT} {PROXY_SOCKET_PATH} "$@"; fi
done
echo "perdure: this run may reach hosts on the network, and that needs a python3 in the sandbox: there is none." >&2
echo "The operator can name an image or a toolchain (PERDURE_TOOLCHAIN) that has one, or close the network." >&2
exit 125
"""


def with_proxy(command: Command) -> Command:
    """As it is where it has no proxy. The directory of the socket holds the forwarder, too."""
    if command.proxy is None:
        return command
    place = ReadOnlyMount(source=str(Path(command.proxy).parent), target=str(PurePosixPath(PROXY_SOCKET_PATH).parent))
    return command.model_copy(
        update={
            "argv": ("/bin/sh", "-c", FIND_PYTHON, "sh", *command.argv),
            "environment": PROXY_ENVIRONMENT | command.environment,
            "mounts": (*command.mounts, place),
        }
    )
