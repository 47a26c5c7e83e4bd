"""Which values of an environment are secrets."""

from pathlib import Path

from adapters.settings import load_settings

LINE = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ"


def test_every_secret_of_the_environment_is_known_to_the_mask(tmp_path: Path) -> None:
    (tmp_path / "app.pem").write_text(f"-----BEGIN PRIVATE KEY-----\n{LINE}\n-----END PRIVATE KEY-----\n")
    (tmp_path / "temporal.toml").write_text('[profile.other]\napi_key = "secret-10-of-temporal"\n')
    environment = {
        "HOME": str(tmp_path),
        "OPENAI_API_KEY": "secret-1-of-openai",
        "ANTHROPIC_API_KEY": "secret-2-of-anthropic",
        "PERDURE_GIT_TOKEN": "secret-3-of-git",
        "GITHUB_TOKEN": "secret-4-of-github",
        "PERDURE_API_TOKEN": "secret-5-of-the-api",
        "DATABASE_URL": "postgresql://perdure:secret-6%2Fof-postgres@db.example.com/perdure",
        "TEMPORAL_API_KEY": "secret-7-of-temporal",
        "AWS_SECRET_ACCESS_KEY": "secret-8-of-the-store",
        "PGOPTIONS": "host=db.example.com password=secret-9-of-libpq user=me",
        "TEMPORAL_CONFIG_FILE": str(tmp_path / "temporal.toml"),
        "GITHUB_APP_KEY_PATH": str(tmp_path / "app.pem"),
        "SOME_VENDORS_PASSWORD": "secret-11-of-a-vendor",
    }
    settings = load_settings(environment)
    mask = settings.mask()
    values = [value for value in environment.values() if value.startswith("secret-")]
    values += ["secret-6/of-postgres", "secret-9-of-libpq", "secret-10-of-temporal", LINE]
    assert [value for value in values if value in mask.known(f"x {value} y")] == []
    assert [value for value in values if value in repr(settings) or value in str(settings)] == []
    assert mask.known(f"{tmp_path} db.example.com perdure") == f"{tmp_path} db.example.com perdure"


def test_what_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    named = {"HOME": str(tmp_path), "GITHUB_APP_KEY_PATH": str(tmp_path / "none.pem"), "OPENAI_API_KEY": ""}
    assert load_settings(named).secrets.count("") == len(load_settings(named).secrets)
