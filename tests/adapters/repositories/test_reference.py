import pytest

from adapters.repositories.reference import branch_of, check_name, choose, no_such_ref, parse
from domain.errors import RepositoryRefused

ONE, TWO = "1" * 40, "2" * 40
LISTING = f"ref: refs/heads/main\tHEAD\n{ONE}\tHEAD\n{ONE}\trefs/heads/main\n{TWO}\trefs/tags/v1\n".encode()


def test_a_listing_gives_refs_and_the_default_branch() -> None:
    assert parse(LISTING) == ({"HEAD": ONE, "refs/heads/main": ONE, "refs/tags/v1": TWO}, "refs/heads/main")


@pytest.mark.parametrize(
    ("asked", "name", "fetched", "tip"),
    [
        (None, "main", "refs/heads/main", ONE),
        ("main", "main", "refs/heads/main", ONE),
        ("refs/heads/main", "main", "refs/heads/main", ONE),
        ("v1", "tags/v1", "refs/tags/v1", TWO),
        ("tags/v1", "tags/v1", "refs/tags/v1", TWO),
        ("abcdef1", "abcdef1", "abcdef1", "abcdef1"),
    ],
)
def test_a_word_for_a_commit_is_understood(asked: str | None, name: str, fetched: str, tip: str) -> None:
    found = choose(asked, *parse(LISTING))
    assert found is not None
    assert (found.name, found.asked, found.tip) == (name, fetched, tip)


def test_a_detached_head_is_named_by_its_commit() -> None:
    found = choose(None, {"HEAD": ONE}, None)
    assert found is not None
    assert (found.name, found.asked) == (ONE, "HEAD")


def test_nothing_is_chosen_where_nothing_fits() -> None:
    assert choose("absent", *parse(LISTING)) is None
    assert choose(None, {"refs/heads/x": ONE}, None) is None


@pytest.mark.parametrize(
    "name", ["-x", "/a", "a/", "a..b", "a.lock", "@", "a@{1}", "a\n", *(f"a{c}b" for c in " ~^:?*[\\")]
)
def test_names_that_git_would_not_take_are_refused(name: str) -> None:
    with pytest.raises(RepositoryRefused):
        check_name(name)


def test_names_that_are_near_are_named() -> None:
    refs = ["refs/heads/main", "refs/heads/feature/login", "refs/tags/v1.0", "refs/tags/v1.0^{}", "refs/pull/1/head"]
    assert "feature/login" in no_such_ref("url", "feature/logn", refs).next_step
    assert "main" in no_such_ref("url", "origin/main", refs).next_step
    assert no_such_ref("url", "qqq", refs).next_step == "It has main, feature/login, tags/v1.0."
    assert "no commit yet" in no_such_ref("url", "main", []).message
    assert "no default branch" in no_such_ref("url", None, refs).message


def test_only_branches_become_local_branches() -> None:
    assert branch_of("main", ONE) == "main"
    assert [branch_of(name, ONE) for name in (ONE, "tags/v1", "refs/pull/1/head")] == ["", "", ""]
