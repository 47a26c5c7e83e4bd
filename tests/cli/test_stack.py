from pathlib import Path

import pytest

from cli.stack import temporal_elsewhere, without_password


def test_temporal_is_elsewhere_where_its_own_configuration_says_so(tmp_path: Path) -> None:
    file = tmp_path / "temporalio" / "temporal.toml"
    file.parent.mkdir()
    file.write_text('[profile.default]\nnamespace = "n"\n[profile.cloud]\naddress = "a.tmprl.cloud:7233"\n')
    by_profile = {"TEMPORAL_CONFIG_FILE": str(file), "TEMPORAL_PROFILE": "cloud"}
    assert temporal_elsewhere({"HOME": str(tmp_path)}) is None
    assert temporal_elsewhere({"TEMPORAL_CONFIG_FILE": str(file)}) is None
    assert temporal_elsewhere(by_profile) == "a.tmprl.cloud:7233"
    assert temporal_elsewhere({"XDG_CONFIG_HOME": str(tmp_path), "TEMPORAL_PROFILE": "cloud"}) == "a.tmprl.cloud:7233"
    assert temporal_elsewhere({**by_profile, "TEMPORAL_ADDRESS": "t:7233"}) == "t:7233"


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://me:secret@db/perdure", "postgresql://me:***@db/perdure"),
        ("postgresql://me@/perdure?host=%2Frun&port=5432", "postgresql://me@/perdure?host=%2Frun&port=5432"),
        ("host=db user=me password=secret dbname=p", "host=db user=me password=*** dbname=p"),
        ("postgresql://db/p?user=me&password=secret&port=1", "postgresql://db/p?user=me&password=***&port=1"),
    ],
)
def test_no_password_is_shown(dsn: str, shown: str) -> None:
    assert without_password(dsn) == shown
