"""The environment and `.env`, read once into frozen settings: secrets masked, every bad variable named at once."""

import difflib
import ipaddress
import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from trading.errors import BadSettings

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


def _user_ids(value: Any) -> Any:
    """Ids from "123, 456". Names are not ids: whoever takes a name over would own the desk."""
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise ValueError("numeric user ids, separated by commas, are expected")
    return tuple(int(part) for part in parts)


Usd = Annotated[Decimal, Field(allow_inf_nan=False, max_digits=12)]


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


class Settings(BaseSettings):
    """What the environment says. See .env.example for every variable."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True, env_file_encoding="utf-8"
    )

    data_dir: Path = Field(Path("data"), validation_alias="GAVEL_DATA_DIR")
    playbook: str = Field("desk", validation_alias="GAVEL_PLAYBOOK", min_length=1)
    venue: Literal["weex", "binance", "bybit"] | None = Field(None, validation_alias="GAVEL_VENUE")
    mode: Literal["paper", "live"] = Field("paper", validation_alias="GAVEL_MODE")
    practice: Literal["demo", "testnet"] | None = Field(None, validation_alias="GAVEL_PRACTICE")
    weex_key: SecretStr | None = Field(None, validation_alias="WEEX_API_KEY")
    weex_secret: SecretStr | None = Field(None, validation_alias="WEEX_API_SECRET")
    weex_passphrase: SecretStr | None = Field(None, validation_alias="WEEX_API_PASSPHRASE")
    binance_key: SecretStr | None = Field(None, validation_alias="BINANCE_API_KEY")
    binance_secret: SecretStr | None = Field(None, validation_alias="BINANCE_API_SECRET")
    bybit_key: SecretStr | None = Field(None, validation_alias="BYBIT_API_KEY")
    bybit_secret: SecretStr | None = Field(None, validation_alias="BYBIT_API_SECRET")
    weex_log: Literal["off", "on", "required"] = Field("off", validation_alias="GAVEL_WEEX_LOG")
    venue_loopback: str | None = Field(None, validation_alias="GAVEL_VENUE_LOOPBACK")  # tests only
    venue_ca: Path | None = Field(None, validation_alias="GAVEL_VENUE_CA")  # tests only
    start_equity: Decimal = Field(
        Decimal(10_000), validation_alias="GAVEL_START_EQUITY", gt=0, allow_inf_nan=False, max_digits=20
    )
    seed: int = Field(2, validation_alias="GAVEL_SEED", ge=0)  # a first minute with every kind of exit in it
    speed: float | Literal["max"] | None = Field(None, validation_alias="GAVEL_SPEED")  # None: the demo's own default
    log_level: Annotated[Level, BeforeValidator(_upper)] = Field("INFO", validation_alias="GAVEL_LOG_LEVEL")
    telegram_token: SecretStr | None = Field(None, validation_alias="TELEGRAM_BOT_TOKEN")
    telegram_users: Annotated[tuple[int, ...], NoDecode, BeforeValidator(_user_ids)] = Field(
        (), validation_alias="TELEGRAM_ALLOWED_USERS"
    )
    telegram_base_url: str | None = Field(None, validation_alias="TELEGRAM_BASE_URL")  # tests only
    discord_token: SecretStr | None = Field(None, validation_alias="DISCORD_BOT_TOKEN")
    discord_guild: int | None = Field(None, validation_alias="DISCORD_GUILD_ID", gt=0)
    # Where alerts go; None: to each user himself.
    discord_channel: int | None = Field(None, validation_alias="DISCORD_CHANNEL_ID", gt=0)
    discord_users: Annotated[tuple[int, ...], NoDecode, BeforeValidator(_user_ids)] = Field(
        (), validation_alias="DISCORD_ALLOWED_USERS"
    )
    discord_api_base: str | None = Field(None, validation_alias="DISCORD_API_BASE")  # tests only
    discord_gateway_url: str | None = Field(None, validation_alias="DISCORD_GATEWAY_URL")  # tests only
    heartbeat_url: SecretStr | None = Field(None, validation_alias="GAVEL_HEARTBEAT_URL")
    voices: Literal["auto", "on", "off"] = Field("auto", validation_alias="GAVEL_VOICES")
    gemini_key: SecretStr | None = Field(None, validation_alias="GEMINI_API_KEY")
    gemini_base: str | None = Field(None, validation_alias="GEMINI_BASE_URL")  # tests only
    openrouter_key: SecretStr | None = Field(None, validation_alias="OPENROUTER_API_KEY")
    openrouter_base: str | None = Field(None, validation_alias="OPENROUTER_BASE_URL")  # tests only
    own_model_url: SecretStr | None = Field(None, validation_alias="GAVEL_MODEL_URL")  # an OpenAI-compatible server
    own_model_key: SecretStr | None = Field(None, validation_alias="GAVEL_MODEL_KEY")
    models_file: Path | None = Field(None, validation_alias="GAVEL_MODELS_FILE")
    etherscan_key: SecretStr | None = Field(None, validation_alias="ETHERSCAN_API_KEY")
    etherscan_base: str | None = Field(None, validation_alias="ETHERSCAN_BASE_URL")  # tests only
    wallets_file: Path | None = Field(None, validation_alias="GAVEL_WALLETS_FILE")
    whale_model: Path | None = Field(None, validation_alias="GAVEL_WHALE_MODEL")
    model_calls: int = Field(32, validation_alias="GAVEL_MODEL_CALLS", ge=1, le=256)  # at the same time
    usd_decision: Usd = Field(Decimal("0.25"), validation_alias="GAVEL_USD_PER_DECISION", ge=0)
    usd_hour: Usd = Field(Decimal(1), validation_alias="GAVEL_USD_PER_HOUR", ge=0)
    usd_day: Usd = Field(Decimal(3), validation_alias="GAVEL_USD_PER_DAY", ge=0)
    usd_month: Usd = Field(Decimal(60), validation_alias="GAVEL_USD_PER_MONTH", ge=0)
    usd_words: Usd = Field(Decimal("0.25"), validation_alias="GAVEL_USD_WORDS_PER_DAY", ge=0)  # /ask, /playbook new

    @property
    def account_folder(self) -> str:
        """Of the data directory: books of paper and of money, and of two exchanges, are never mixed."""
        return "-".join(part for part in (self.venue, self.practice, self.mode) if part)

    @property
    def secrets(self) -> list[SecretStr]:
        """All there are, for whoever has to mask them."""
        return [value for _, value in self if isinstance(value, SecretStr)]

    @field_validator("venue_loopback")
    @classmethod
    def _here(cls, value: str | None) -> str | None:
        host, _, port = (value or "127.0.0.1:1").rpartition(":")
        if not port.isdigit() or not _is_loopback(f"https://{host}"):
            raise ValueError("for tests: only a loopback address is taken, 127.0.0.1:PORT")
        return value

    @field_validator("mode", "practice")
    @classmethod
    def _somewhere(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value not in (None, "paper") and "venue" in info.data and info.data["venue"] is None:
            raise ValueError(f"{value} needs GAVEL_VENUE: weex, binance or bybit")
        return value

    @field_validator("speed", mode="before")
    @classmethod
    def _speed(cls, value: Any) -> Any:
        if value is None or value == "max":
            return value
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = 0.0
        if not 0 < number < float("inf"):
            raise ValueError('a number above 0, or "max", is expected')
        return number

    @field_validator("telegram_token")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        number, colon, secret = value.get_secret_value().partition(":") if value else ("1", ":", "x")
        if not (number.isdigit() and colon and secret) or secret.split() != [secret]:
            raise ValueError('a bot token looks like "123456:ABC..."')
        return value

    @field_validator("discord_token")
    @classmethod
    def _discord_token(cls, value: SecretStr | None) -> SecretStr | None:
        secret = value.get_secret_value() if value else "x.y.z"
        if secret.split() != [secret] or not all(secret.split(".")) or secret.count(".") != 2:
            raise ValueError("a bot token has three parts with dots between them")
        return value

    @field_validator("heartbeat_url")
    @classmethod
    def _heartbeat(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_web(value.get_secret_value()):
            raise ValueError("an address that begins with http:// or https:// is expected")
        return value

    @field_validator("own_model_url")
    @classmethod
    def _server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_web(value.get_secret_value()):
            raise ValueError(
                "an address that begins with http:// or https:// is expected, like http://127.0.0.1:11434/v1"
            )
        return value

    @field_validator(
        "gemini_key",
        "openrouter_key",
        "own_model_key",
        "etherscan_key",
        "weex_key",
        "weex_secret",
        "weex_passphrase",
        "binance_key",
        "binance_secret",
        "bybit_key",
        "bybit_secret",
    )
    @classmethod
    def _key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not (value.get_secret_value().isascii() and value.get_secret_value().isprintable()):
            raise ValueError("a key of printable characters is expected")
        if value is not None and value.get_secret_value().split() != [value.get_secret_value()]:
            raise ValueError("a key without spaces is expected")
        return value

    @field_validator(
        "telegram_base_url",
        "discord_api_base",
        "discord_gateway_url",
        "gemini_base",
        "openrouter_base",
        "etherscan_base",
    )
    @classmethod
    def _loopback(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not _is_loopback(value):
            example = _LOOPBACK[str(info.field_name)]
            raise ValueError(f"for tests: only a loopback address is taken, {example}")
        return value


_LOOPBACK = {
    "telegram_base_url": "http://127.0.0.1:PORT/bot",
    "discord_api_base": "http://127.0.0.1:PORT/api/v10",
    "discord_gateway_url": "ws://127.0.0.1:PORT/",
    "gemini_base": "http://127.0.0.1:PORT",
    "openrouter_base": "http://127.0.0.1:PORT/api/v1",
    "etherscan_base": "http://127.0.0.1:PORT/v2/api",
}


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and url.split() == [url]
    except ValueError:
        return False


def _is_loopback(url: str) -> bool:
    host = ""
    try:
        host = urlsplit(url).hostname or ""
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def known_variables() -> tuple[str, ...]:
    return tuple(str(f.validation_alias) for f in Settings.model_fields.values())


def _unknown(names: set[str]) -> list[str]:
    known = known_variables()
    faults = []
    for name in sorted(n for n in names if n.startswith("GAVEL_") and n not in known):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        faults.append(f"{name}: unknown" + (f"; did you mean {close[0]}?" if close else ""))
    return faults


def read_settings(env_file: Path | None = Path(".env")) -> Settings:
    """The environment, over `.env` where there is one. Raises BadSettings that names every bad variable; no value of a
    variable is ever in the message."""
    written = set(dotenv_values(env_file)) if env_file is not None and env_file.is_file() else set()
    faults = _unknown(set(os.environ) | written)
    settings: Settings | None = None
    try:
        settings = Settings(_env_file=env_file)
    except ValidationError as error:
        faults += [f"{e['loc'][0]}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()]
    if faults or settings is None:
        raise BadSettings("settings:\n" + "\n".join(f"  {fault}" for fault in faults))
    return settings
