import os
import subprocess
from pathlib import Path

import pytest

from adapters.repositories.environment import host_environment, token_environment, write_askpass


def ask(script: Path, prompt: str) -> str:
    environment = {"PATH": os.environ["PATH"], **token_environment(script, "https", "git.example", "s3cret")}
    done = subprocess.run([script, prompt], env=environment, capture_output=True, text=True, check=False)
    return done.stdout


def test_the_token_is_told_to_its_own_origin(tmp_path: Path) -> None:
    script = write_askpass(tmp_path / "askpass.sh")
    assert ask(script, "Username for 'https://git.example': ") == "x-access-token\n"
    assert ask(script, "Password for 'https://x-access-token@git.example': ") == "s3cret\n"
    assert write_askpass(script) == script


@pytest.mark.parametrize(
    "prompt",
    [
        "Password for 'https://evil.example': ",
        "Password for 'https://x-access-token@evil.example': ",
        "Password for 'https://x-access-token@git.example.evil': ",
        "Password for 'https://x-access-token@git.example@evil': ",
        "Password for 'https://x-access-token@git.example:8443': ",
        "Password for 'http://x-access-token@git.example': ",
        "Are you sure you want to continue connecting (yes/no)?",
        "",
    ],
)
def test_the_token_is_told_to_nobody_else(tmp_path: Path, prompt: str) -> None:
    assert "s3cret" not in ask(write_askpass(tmp_path / "askpass.sh"), prompt)


def test_git_gets_nothing_of_the_workers_environment_but_the_network() -> None:
    worker = {
        "PATH": "/bin",
        "GIT_SSH_COMMAND": "touch marker",
        "GIT_DIR": "elsewhere",
        "OPENAI_API_KEY": "key",
        "LD_PRELOAD": "x.so",
        "HTTPS_PROXY": "http://proxy:3128",
    }
    over_https, local = host_environment(worker, "https"), host_environment(worker, "file")
    assert over_https["HTTPS_PROXY"] == "http://proxy:3128"
    assert "HTTPS_PROXY" not in local
    assert not {"GIT_SSH_COMMAND", "GIT_DIR", "OPENAI_API_KEY", "LD_PRELOAD"} & {*over_https, *local}
    assert (local["PATH"], local["GIT_ALLOW_PROTOCOL"], host_environment(worker)["GIT_ALLOW_PROTOCOL"]) == (
        "/bin",
        "file",
        "none",
    )
