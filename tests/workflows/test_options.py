"""The timeouts of activities."""

from datetime import timedelta

from workflows import options


def test_a_worker_that_dies_while_it_reports_is_missed_within_seconds() -> None:
    # Its token is released by then: nobody but a heartbeat can tell that the answer never came.
    named = {name: value for name, value in vars(options).items() if name.isupper() and isinstance(value, dict)}
    remote = {name: value for name, value in named.items() if not name.endswith("_LOCAL")}
    assert len(remote) > 4
    late = [
        name for name, value in remote.items() if value.get("heartbeat_timeout", timedelta.max) > timedelta(seconds=5)
    ]
    assert late == []
