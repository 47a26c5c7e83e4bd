"""What the operator decided: environment variables, read once, by the process that joins the parts."""

import contextlib
import os
import re
import socket
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from pydantic import Field

from domain.errors import InvalidRequest
from domain.secrets import Mask
from domain.value import Value

DEFAULT_AGENT_UID = 64901
"""Used where the worker is root; any free uid that nothing else on the host uses."""


def default_home(environment: Mapping[str, str]) -> Path:
    """`PERDURE_HOME`, else /var/lib/perdure as root, else the user's data directory."""
    if named := environment.get("PERDURE_HOME"):
        return Path(named).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/perdure")
    share = environment.get("XDG_DATA_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".local/share")
    return Path(share).absolute() / "perdure"


class VersionSettings(Value):
    """What Temporal is told of the code of workers (docs/operations.md, Upgrades)."""

    told: bool = True
    promote: Literal["always", "new", "never"] = "new"
    """When a worker makes its version the one that runs go to: at each start, at its first start ever, or by hand."""


class Settings(Value):
    """The stack's home and a worker's home are different directories: losing the second loses no run."""

    home: Path
    worker_home: Path
    database_url: str | None
    """None: the embedded Postgres of `perdure up`."""
    blobs_url: str
    """file://, s3://, gs:// or az://."""
    namespace: str = "default"
    task_queue: str = "perdure"
    versions: VersionSettings = VersionSettings()
    default_model: str | None = None
    fallback_models: tuple[str, ...] = ()
    """Who answers while a run's model cannot, where nothing else names them."""
    sandbox: str = "bubblewrap"
    toolchain_paths: tuple[str, ...] = ()
    """Directories to mount read-only and put on PATH; empty means the toolchain that Perdure makes itself."""
    agent_uid: int | None = None
    """Set where the worker is root: commands of agents run as this user."""
    sandbox_root: str = "/"
    """The root filesystem that commands in bubblewrap see."""
    docker_image: str | None = None
    """Where PERDURE_SANDBOX is docker: the image for runs whose rules name none."""
    docker_runtime: str | None = None
    """Of Docker, such as runsc for gVisor."""
    docker_host: str | None = None
    site_path: str | None = None
    """A YAML file with the operator's decisions for agent kinds and repositories (domain/terms.py)."""
    github_api_url: str = "https://api.github.com"
    github_hosts: tuple[str, ...] = ("github.com",)
    """Hosts of repositories whose pull requests are opened there."""
    github_token: str | None = None
    github_app_id: str | None = None
    github_app_key_path: str | None = None
    allowed_paths: tuple[str, ...] = ()
    """Local directories below which repositories may lie."""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts that repositories may be cloned from; empty means any over https."""
    git_token: str | None = None
    """Sent to the hosts in `git_token_hosts` only."""
    git_token_hosts: tuple[str, ...] = ()
    api_token: str | None = None
    notify_secret: str | None = None
    """Signs what runs tell others (domain/notify.py)."""
    prices_path: str | None = None
    temporal_ui_url: str = "http://127.0.0.1:8233"
    public_url: str = "http://127.0.0.1:8080"
    signal_decisions: bool = True
    """Whether approvals may be decided by a bare Temporal signal."""
    release_after_seconds: float = Field(default=60.0, gt=0)
    """A wait for a person that lasts longer holds neither sandbox nor workspace."""
    retention_days: float | None = None
    """How long ended runs are kept; None: until somebody deletes them."""
    model_environment: dict[str, str] = {}
    """Keys and base URLs of providers; never logged, never passed on."""
    secrets: tuple[str, ...] = ()
    """Every value of the environment that its name or place calls a secret: masked in all that is stored and shown."""

    def __repr__(self) -> str:
        return f"Settings(home={self.home}, worker_home={self.worker_home}, sandbox={self.sandbox})"

    __str__ = __repr__

    def mask(self) -> Mask:
        named = (self.git_token, self.github_token, self.api_token, self.notify_secret)
        keys = (value for name, value in self.model_environment.items() if name.endswith("_KEY"))
        return Mask((*self.secrets, *keys, *(value for value in named if value)))


SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|KEY_DATA|_SAS)$")
PASSWORD = re.compile(r"(?:://[^/@\s:]*:|\bpassword=)([^@/\s&]+)")
KEY_FILES = ("PERDURE_NOTIFY_SECRET_FILE", "GITHUB_APP_KEY_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH")
PROVIDER_VARIABLES = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "SCRIPTED_BASE_URL",
)


def load_settings(env: Mapping[str, str] = os.environ) -> Settings:
    """Reads the variables that `.env.example` lists."""
    return Settings(
        home=(home := default_home(env)),
        worker_home=Path(env.get("PERDURE_WORKER_HOME") or home / "worker").absolute(),
        database_url=env.get("DATABASE_URL") or None,
        blobs_url=env.get("PERDURE_BLOBS_URL") or f"file://{home / 'blobs'}",
        namespace=env.get("TEMPORAL_NAMESPACE") or "default",
        task_queue=env.get("PERDURE_TASK_QUEUE") or "perdure",
        versions=_versions(env),
        default_model=env.get("PERDURE_MODEL") or None,
        fallback_models=_words(env.get("PERDURE_FALLBACK_MODELS")),
        sandbox=env.get("PERDURE_SANDBOX") or "bubblewrap",
        toolchain_paths=_paths(env.get("PERDURE_TOOLCHAIN")),
        agent_uid=int(env.get("PERDURE_AGENT_UID") or DEFAULT_AGENT_UID) if os.geteuid() == 0 else None,
        sandbox_root=env.get("PERDURE_SANDBOX_ROOT") or "/",
        docker_image=env.get("PERDURE_DOCKER_IMAGE") or None,
        docker_runtime=env.get("PERDURE_DOCKER_RUNTIME") or None,
        docker_host=env.get("DOCKER_HOST") or None,
        site_path=env.get("PERDURE_SITE") or None,
        github_api_url=env.get("GITHUB_API_URL") or "https://api.github.com",
        github_hosts=_words(env.get("PERDURE_GITHUB_HOSTS")) or ("github.com",),
        github_token=env.get("GITHUB_TOKEN") or None,
        github_app_id=env.get("GITHUB_APP_ID") or None,
        github_app_key_path=env.get("GITHUB_APP_KEY_PATH") or None,
        allowed_paths=_paths(env.get("PERDURE_ALLOWED_PATHS")),
        allowed_hosts=_words(env.get("PERDURE_ALLOWED_HOSTS")),
        git_token=env.get("PERDURE_GIT_TOKEN") or None,
        git_token_hosts=_words(env.get("PERDURE_GIT_TOKEN_HOSTS")),
        api_token=env.get("PERDURE_API_TOKEN") or None,
        notify_secret=_secret(env, "PERDURE_NOTIFY_SECRET", "PERDURE_NOTIFY_SECRET_FILE"),
        prices_path=env.get("PERDURE_PRICES") or None,
        temporal_ui_url=env.get("PERDURE_TEMPORAL_UI_URL") or "http://127.0.0.1:8233",
        public_url=env.get("PERDURE_PUBLIC_URL") or "http://127.0.0.1:8080",
        signal_decisions=env.get("PERDURE_SIGNAL_DECISIONS", "on") != "off",
        release_after_seconds=float(env.get("PERDURE_RELEASE_AFTER_SECONDS") or 60),
        retention_days=_days(env.get("PERDURE_RETENTION_DAYS")),
        model_environment={name: env[name] for name in PROVIDER_VARIABLES if env.get(name)},
        secrets=tuple(_secrets(env)),
    )


def _versions(env: Mapping[str, str]) -> VersionSettings:
    told, promote = env.get("PERDURE_VERSIONING", "on") != "off", env.get("PERDURE_PROMOTE") or "new"
    if promote == "always" or promote == "new" or promote == "never":
        return VersionSettings(told=told, promote=promote)
    raise InvalidRequest(f"PERDURE_PROMOTE is {promote}", "Set it to always, new or never, or leave it out.")


def _secret(env: Mapping[str, str], name: str, file_name: str) -> str | None:
    """A variable, or the file that another one names. A file that cannot be read is a fault, and not no secret."""
    if env.get(name) or not env.get(file_name):
        return env.get(name) or None
    try:
        return Path(env[file_name]).read_text().strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{file_name} cannot be read: {error}", "Name a readable text file.") from error


def _secrets(env: Mapping[str, str]) -> Iterator[str]:
    """Also those of variables that Perdure does not know, of files that it is told of, and passwords within URLs."""
    for name, value in env.items():
        if SECRET_NAME.search(name.upper()):
            yield value
        for found in PASSWORD.finditer(value):
            yield str(found[1])
            yield unquote(str(found[1]))
    for name in KEY_FILES:
        with contextlib.suppress(OSError, ValueError):
            yield Path(env[name]).read_text() if env.get(name) else ""
    with contextlib.suppress(OSError, ValueError, KeyError, AttributeError):
        profiles = tomllib.loads(Path(env.get("TEMPORAL_CONFIG_FILE") or temporal_file(env)).read_text())["profile"]
        for profile in profiles.values():
            yield str(profile.get("api_key", ""))


def temporal_file(env: Mapping[str, str]) -> str:
    base = env.get("XDG_CONFIG_HOME") or str(Path(env.get("HOME", "~")).expanduser() / ".config")
    return f"{base}/temporalio/temporal.toml"


def host_name() -> str:
    return socket.gethostname().split(".")[0] or "host"


def _paths(value: str | None) -> tuple[str, ...]:
    return tuple(part for part in (value or "").split(":") if part)


def _days(value: str | None) -> float | None:
    if not value or value == "off":
        return None
    try:
        days = float(value)
    except ValueError:
        days = 0.0
    if not 0 < days < 1e6:
        raise InvalidRequest(f"PERDURE_RETENTION_DAYS is {value}", "Set it to a number of days above 0, or to off.")
    return days


def _words(value: str | None) -> tuple[str, ...]:
    return tuple((value or "").replace(",", " ").split())
