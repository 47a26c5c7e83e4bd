"""The rules of the house that no other checker knows. Each rule also proves that it can fail."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("domain", "activities", "adapters", "workflows", "api", "cli")
FILE_LINES, TEST_FILE_LINES, FUNCTION_LINES = 250, 400, 40
VAGUE = {"utils", "helpers", "common", "misc", "core", "manager", "service", "handler", "processor", "data", "info"}
VENDORS = ("openai", "anthropic", "docker", "githubkit", "psycopg", "fastapi", "obstore")
IMPURE = {"os", "sys", "time", "random", "secrets", "socket", "subprocess", "threading", "io", "shutil", "tempfile"}
REQUIRED = (
    "README.md CHANGELOG.md LICENSE .env.example pyproject.toml requirements.lock requirements-run.lock worker.py "
    "Dockerfile .dockerignore docker-compose.yml docker-compose.docker-sandbox.yml "
    "docs/architecture.md docs/security.md docs/operations.md docs/glossary.md"
)
# Written in pieces, so that this file does not break its own rule.
REGISTRIES = "|".join(["pypi" + r"\.org", "python" + "hosted", "npm" + r"js\.(org|com)", "proxy.golang" + ".org"])
MACHINE_PATHS = r"(?<![\w.})-])/" + r"(work/(main|shared|\.)|root/|home/(?!agent\b)[a-z]+/)"
LEFTOVERS = r"(#|--|//).*\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"
SQL = re.compile(
    r"\bselect\s+[\w*.,\s()]+?\s+from\s+\w|^\s*select\s+\d|\binsert\s+into\b|\bupdate\s+\w+\s+set\b|\bdelete\s+from\b"
    r"|\b(create|alter|drop)\s+(unique\s+)?(table|index|database|role)\b",
    re.IGNORECASE,
)

Finding = Iterator[str]


def tracked() -> list[Path]:
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in sorted(set(listed.split("\0"))) if name and (ROOT / name).is_file()]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_test(path: str) -> bool:
    return path.startswith("tests/")


def is_ours(path: str) -> bool:
    return path.endswith(".py") and not path.startswith(("tests/", "benchmarks/"))


def too_long_files(path: str, text: str) -> Finding:
    limit = TEST_FILE_LINES if is_test(path) else FILE_LINES
    lines = len(text.splitlines())
    if path.endswith((".py", ".sh", ".sql", ".js", ".css", ".html")) and lines > limit:
        yield f"{path} has {lines} lines, at most {limit}"


def too_long_functions(path: str, text: str) -> Finding:
    if not path.endswith(".py") or is_test(path):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{path}:{node.lineno} {node.name} has {lines} lines, at most {FUNCTION_LINES}"


def vague_names(path: str, text: str) -> Finding:
    words = set(re.split(r"[/._-]", path.removesuffix(".py").lower()))
    if path.endswith(".py") and words & VAGUE:
        yield f"{path} is named {sorted(words & VAGUE)}, which says nothing"
    if not path.endswith(".py"):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            last = re.split(r"_|(?<=[a-z0-9])(?=[A-Z])", node.name.strip("_"))[-1].lower()
            if last in VAGUE or last + "s" in VAGUE or last.removesuffix("s") in VAGUE:
                yield f"{path}:{node.lineno} {node.name} ends in a word that says nothing"


def sql_outside_of_sql_files(path: str, text: str) -> Finding:
    if not is_ours(path):
        return
    tree = ast.parse(text)
    said = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in said:
            continue
        if SQL.search(node.value):
            yield f"{path}:{node.lineno} has SQL in Python: {node.value[:60]!r}"


def addresses_and_leftovers(path: str, text: str) -> Finding:
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(REGISTRIES, line):
            yield f"{path}:{number} names a package registry"
        if re.search(MACHINE_PATHS, line):
            yield f"{path}:{number} names a path of one machine: {line.strip()[:80]}"
        if path.endswith((".py", ".sql", ".sh")) and re.search(LEFTOVERS, line):
            yield f"{path}:{number} leaves something undone: {line.strip()[:80]}"


def mocks(path: str, text: str) -> Finding:
    if not is_test(path) or not path.endswith(".py"):
        return
    banned = {"mock", "monkey" + "patch", "Monkey" + "Patch", "mocker", "pytest_mock"}
    for node in ast.walk(ast.parse(text)):
        named: set[str] = set()
        if isinstance(node, ast.Import | ast.ImportFrom):
            parts = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            named = {word for part in parts for word in part.split(".")}
        elif isinstance(node, ast.arg):
            named = {node.arg}
        elif isinstance(node, ast.Attribute):
            named = {node.attr}
        if named & banned:
            yield f"{path}:{getattr(node, 'lineno', 0)} replaces a real part: {sorted(named & banned)}"


def impure_imports(path: str, text: str) -> Finding:
    if not path.startswith("domain/") or not path.endswith(".py"):
        return
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in (full.split(".")[0] for full in names):
            if name in IMPURE or name not in {*sys.stdlib_module_names, "pydantic", "domain"}:
                yield f"{path} imports {name}"


def imports_of_worker(path: str, text: str) -> Finding:
    """`worker.py` joins the rooms; a room that knows it would close the circle. `cli` may start it."""
    if path.startswith(ROOMS) and not path.startswith("cli/") and re.search(r"^\s*(from|import) worker\b", text, re.M):
        yield f"{path} imports worker"


def dead_links(path: str, text: str) -> Finding:
    if not path.endswith(".md") or path.startswith("domain/"):
        return
    for target in re.findall(r"\]\(([^)\s#]+)", text):
        is_local = "://" not in target and not target.startswith("mailto:")
        if is_local and not (ROOT / path).parent.joinpath(target).exists():
            yield f"{path} links to {target}, which is not there"


RULES: dict[Callable[[str, str], Finding], tuple[str, str]] = {
    too_long_files: ("domain/long.py", "\n" * 251),
    too_long_functions: ("domain/long.py", "def long():\n" + "    pass\n" * 40),
    vague_names: ("adapters/blob_utils.py", "class BlobManager: ..."),
    sql_outside_of_sql_files: ("api/runs.py", 'x = "SELECT a, b FROM runs"'),
    addresses_and_leftovers: ("docs/x.md", "see https://" + "pypi" + ".org/simple"),
    mocks: ("tests/test_x.py", "from unittest import " + "mock"),
    impure_imports: ("domain/x.py", "import os"),
    imports_of_worker: ("api/x.py", "from worker import main"),
    dead_links: ("docs/x.md", "[gone](nowhere.md)"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Callable[[str, str], Finding]) -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += rule(relative(path), text)
    assert found == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_can_be_broken(rule: Callable[[str, str], Finding]) -> None:
    assert list(rule(*RULES[rule]))


@pytest.mark.parametrize(
    "line",
    ["the base/work/main of it", "mounts /home/agent/x", "in /tmp/x inside the sandbox", "https://example.com/root/a"],
)
def test_paths_inside_the_sandbox_are_no_machine_paths(line: str) -> None:
    assert list(addresses_and_leftovers("docs/x.md", line)) == []


def test_workflows_load_no_vendor() -> None:
    modules = [relative(path).removesuffix(".py").replace("/", ".") for path in (ROOT / "workflows").rglob("*.py")]
    script = "import importlib, sys\n" + "".join(f"importlib.import_module({name!r})\n" for name in sorted(modules))
    script += f"print(*[name for name in {VENDORS!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.split() == []


def test_every_variable_that_the_settings_read_is_in_the_example() -> None:
    tree = ast.parse((ROOT / "adapters/settings.py").read_text())
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    read = {text for text in strings if re.fullmatch(r"[A-Z][A-Z0-9_]+", text)}
    listed = set(re.findall(r"^([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M))
    assert "PERDURE_HOME" in read
    assert read - listed == set()


@pytest.mark.parametrize("name", REQUIRED.split())
def test_what_a_newcomer_looks_for_is_there(name: str) -> None:
    assert (ROOT / name).is_file()
