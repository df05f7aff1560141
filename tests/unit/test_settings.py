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
        if name.startswith(("GAVEL_", "TELEGRAM_")):
            monkeypatch.delenv(name)


def test_without_anything_the_defaults_hold() -> None:
    settings = read_settings(None)
    assert (settings.playbook, settings.mode, settings.seed) == ("desk", "paper", 2)
    assert settings.start_equity == Decimal(10_000)
    assert settings.telegram_token is None
    assert settings.telegram_users == ()
    assert settings.speed is None


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("GAVEL_SEED=9\nGAVEL_SPEED=max\nTELEGRAM_ALLOWED_USERS=12, 34\n")
    monkeypatch.setenv("GAVEL_SEED", "11")
    settings = read_settings(tmp_path / ".env")
    assert (settings.seed, settings.speed, settings.telegram_users) == (11, "max", (12, 34))


def test_the_token_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    settings = read_settings(None)
    assert settings.telegram_token is not None
    assert settings.telegram_token.get_secret_value() == TOKEN
    assert TOKEN not in repr(settings)


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
        "GAVEL_PLAYBOK": "desk",
    }
    for name, value in bad.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings) as caught:
        read_settings(None)
    message = str(caught.value)
    assert all(f"  {name}: " in message for name in bad)
    assert "this version has no venue adapter yet" in message
    assert "did you mean GAVEL_PLAYBOOK?" in message
    assert "not-a-token" not in message
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
