"""What the benchmark compares with: a run that knows of no other, and waits that are shortened with the outage."""

from benchmarks.weather.measure import alone
from benchmarks.weather.sky import scaled
from domain.weather import WeatherRules


def test_one_run_alone_asks_after_each_of_its_waits() -> None:
    rules = WeatherRules(first_wait_seconds=1, longest_wait_seconds=4)
    # At 0, 1, 3, 7 and 11 seconds.
    assert alone(rules, 12) == 5


def test_waits_are_shortened_as_the_outage_is_but_not_below_the_first() -> None:
    assert scaled(1800) == WeatherRules()
    assert scaled(60).longest_wait_seconds == 10
    assert scaled(1).longest_wait_seconds == WeatherRules().first_wait_seconds
