"""Where work comes from and goes to."""

from adapters.repositories.address import RemotePolicy
from adapters.repositories.empty import EMPTY_COMMIT, EMPTY_REPOSITORY
from adapters.repositories.git import GitRepositories
from adapters.settings import Settings
from domain.ports.files import Blobs
from domain.ports.forge import RepositoryTokens
from domain.ports.sandbox import Sandbox

__all__ = ["EMPTY_COMMIT", "EMPTY_REPOSITORY", "GitRepositories", "RemotePolicy", "make_repositories"]


def make_repositories(
    settings: Settings, blobs: Blobs, sandbox: Sandbox, tokens: RepositoryTokens | None = None
) -> GitRepositories:
    """`tokens` are those of forges, for hosts that PERDURE_GIT_TOKEN is not for."""
    policy = RemotePolicy(
        allowed_paths=settings.allowed_paths,
        allowed_hosts=settings.allowed_hosts,
        git_token=settings.git_token,
        git_token_hosts=settings.git_token_hosts,
        tokens=tokens,
    )
    return GitRepositories(settings.worker_home, blobs, sandbox, policy, settings.agent_uid)
