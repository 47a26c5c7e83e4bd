from domain.account import Bounds
from domain.network import AllowedHost
from domain.sandbox import SandboxLimits
from domain.terms import AgentRules, LimitsWanted, RepositoryRules, Site, TeamRules, team_of, terms_of

LIMITS = SandboxLimits(memory_bytes=2**31, processes=512)
MIRROR, REGISTRY = AllowedHost(host="mirror.example.com"), AllowedHost(host="*.registry.example.com")
SITE = Site(
    agents={"coder": AgentRules(network=(MIRROR,), image="kind:1", limits=LimitsWanted(memory_bytes=2**32))},
    repositories=(
        RepositoryRules(match="https://git.example.com/web/*", network=(REGISTRY,), image="web:1"),
        RepositoryRules(match="*/heavy.git", limits=LimitsWanted(cpus=8, seconds=7200)),
    ),
)


def test_without_rules_the_agent_kinds_own_limits_hold_and_nothing_is_reached() -> None:
    terms = terms_of(Site(), "coder", LIMITS, "https://git.example.com/web/a.git", LimitsWanted())
    assert (terms.limits, terms.network, terms.image) == (LIMITS, (), None)


def test_hosts_of_kind_and_repository_add_up_and_the_nearest_image_wins() -> None:
    terms = terms_of(SITE, "coder", LIMITS, "https://git.example.com/web/a.git", LimitsWanted())
    assert terms.network == (MIRROR, REGISTRY)
    assert terms.image == "web:1"
    assert terms_of(SITE, "coder", LIMITS, "", LimitsWanted()).image == "kind:1"
    assert terms_of(SITE, "reviewer", LIMITS, "", LimitsWanted()).network == ()


def test_every_rule_that_matches_sets_its_limits() -> None:
    limits = terms_of(SITE, "coder", LIMITS, "https://git.example.com/web/heavy.git", LimitsWanted()).limits
    assert (limits.memory_bytes, limits.cpus, limits.seconds, limits.processes) == (2**32, 8, 7200, 512)


def test_a_run_lowers_limits_and_never_raises_them() -> None:
    wanted = LimitsWanted(memory_bytes=2**40, processes=16)
    limits = terms_of(SITE, "coder", LIMITS, "", wanted).limits
    assert (limits.memory_bytes, limits.processes) == (2**32, 16)


def test_an_owner_is_in_the_team_that_names_them_or_a_team_of_their_own() -> None:
    web, default = TeamRules(members=("ada", "bo"), monthly_cost_usd=50), TeamRules(monthly_tokens=1000)
    site = Site(teams={"web": web, "default": default})
    assert team_of(site, "bo") == ("web", web)
    assert team_of(site, "web") == ("web", web)
    assert team_of(site, "cy") == ("cy", default)
    assert team_of(Site(), "cy")[1].bounds == Bounds()
