"""The environment becomes settings, or one error that names every bad variable and no value."""

import os
from decimal import Decimal
from pathlib import Path

import pytest

from bot.settings import known_variables, read_settings
from trading.errors import BadSettings

TOKEN = "123456:AAsecretsecret"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("GAVEL_", "TELEGRAM_", "DISCORD_")):
            monkeypatch.delenv(name)


def test_without_anything_the_defaults_hold() -> None:
    settings = read_settings(None)
    assert (settings.playbook, settings.mode, settings.seed) == ("desk", "paper", 2)
    assert settings.start_equity == Decimal(10_000)
    assert settings.telegram_token is None
    assert settings.telegram_users == ()
    assert settings.discord_token is None
    assert settings.discord_users == ()
    assert settings.heartbeat_url is None
    assert settings.speed is None


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("GAVEL_SEED=9\nGAVEL_SPEED=max\nTELEGRAM_ALLOWED_USERS=12, 34\n")
    monkeypatch.setenv("GAVEL_SEED", "11")
    settings = read_settings(tmp_path / ".env")
    assert (settings.seed, settings.speed, settings.telegram_users) == (11, "max", (12, 34))


SECRETS = (
    ("TELEGRAM_BOT_TOKEN", "telegram_token", TOKEN),
    ("DISCORD_BOT_TOKEN", "discord_token", "abc.def.ghi-secret"),
    ("GAVEL_HEARTBEAT_URL", "heartbeat_url", "https://watch.example.org/ping/secret"),
)


@pytest.mark.parametrize(("variable", "field", "value"), SECRETS)
def test_secrets_are_masked(variable: str, field: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    settings = read_settings(None)
    assert getattr(settings, field).get_secret_value() == value
    assert value not in repr(settings)


def test_discord_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "DISCORD_GUILD_ID": "81384788765712384",
        "DISCORD_CHANNEL_ID": "381870553235193857",
        "DISCORD_ALLOWED_USERS": "80351110224678912, 9",
        "DISCORD_API_BASE": "http://127.0.0.1:8000/api/v10",
        "DISCORD_GATEWAY_URL": "ws://localhost:8000/",
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    settings = read_settings(None)
    assert (settings.discord_guild, settings.discord_channel) == (81384788765712384, 381870553235193857)
    assert settings.discord_users == (80351110224678912, 9)
    assert settings.discord_api_base == said["DISCORD_API_BASE"]
    assert settings.discord_gateway_url == said["DISCORD_GATEWAY_URL"]


def test_every_bad_variable_is_named_at_once_and_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {
        "GAVEL_MODE": "live",
        "GAVEL_SEED": "seven",
        "GAVEL_START_EQUITY": "-1",
        "GAVEL_SPEED": "fast",
        "GAVEL_LOG_LEVEL": "loud",
        "TELEGRAM_BOT_TOKEN": "not-a-token-but-secret",
        "TELEGRAM_ALLOWED_USERS": "@somebody",
        "TELEGRAM_BASE_URL": "https://example.org/bot",
        "DISCORD_BOT_TOKEN": "not-a-token-either",
        "DISCORD_GUILD_ID": "my server",
        "DISCORD_CHANNEL_ID": "-1",
        "DISCORD_ALLOWED_USERS": "somebody#1234",
        "DISCORD_API_BASE": "https://discord.example.org/api",
        "DISCORD_GATEWAY_URL": "wss://[gateway",
        "GAVEL_HEARTBEAT_URL": "ftp://secret.example.org",
        "GAVEL_PLAYBOK": "desk",
    }
    for name, value in bad.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings) as caught:
        read_settings(None)
    message = str(caught.value)
    assert all(f"  {name}: " in message for name in bad)
    assert "live needs GAVEL_VENUE" in message
    assert "did you mean GAVEL_PLAYBOOK?" in message
    assert "not-a-token" not in message
    assert "secret" not in message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("equity", ["NaN", "Infinity", "0"])
def test_an_equity_that_is_no_money_is_refused(equity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAVEL_START_EQUITY", equity)
    with pytest.raises(BadSettings, match="GAVEL_START_EQUITY"):
        read_settings(None)


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf"])
def test_a_speed_that_is_none_is_refused(speed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAVEL_SPEED", speed)
    with pytest.raises(BadSettings, match="GAVEL_SPEED"):
        read_settings(None)


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GAVEL_SEEED=9\n")
    with pytest.raises(BadSettings, match="did you mean GAVEL_SEED"):
        read_settings(tmp_path / ".env")


def test_an_empty_variable_is_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in known_variables():
        monkeypatch.setenv(name, "")
    assert read_settings(None).playbook == "desk"


def test_the_example_explains_every_variable_and_is_accepted() -> None:
    example = Path(__file__).parents[2] / ".env.example"
    text = example.read_text()
    assert all(f"\n{name}=" in text for name in known_variables())
    assert read_settings(example).telegram_users == ()
