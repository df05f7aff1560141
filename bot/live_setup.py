"""What the environment says of live trading, for /mode: which variables are set and where, never what is in them."""

import os
from dataclasses import dataclass

from bot.settings import Settings

_EXCHANGES = "weex, binance or bybit"
_KEYS = {
    "weex": ("weex_key", "weex_secret", "weex_passphrase"),
    "binance": ("binance_key", "binance_secret"),
    "bybit": ("bybit_key", "bybit_secret"),
}
_LIVE = "GAVEL_MODE=live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    venue: str = ""  # "binance"; "": the market is simulated, or candle files
    practice: str = ""  # "demo", "testnet": the exchange's own play money
    keys: tuple[tuple[str, str], ...] = ()  # variables that are set, and where: "the environment", ".env"
    lacking: tuple[str, ...] = (f"GAVEL_VENUE ({_EXCHANGES})", "the exchange's keys", _LIVE)


def setup_of(settings: Settings, *, connected: bool) -> Setup:
    """`connected`: this process runs on the exchange that the settings name."""
    if settings.venue is None:
        return Setup()
    names = {field: str(Settings.model_fields[field].validation_alias) for field in _KEYS[settings.venue]}
    there = {name: getattr(settings, field) is not None for field, name in names.items()}
    lacking = [name for name, found in there.items() if not found]
    lacking += [_LIVE] if settings.mode != "live" else []
    lacking += [] if connected else ["`gavel run`: what is played is always on paper"]
    return Setup(
        venue=settings.venue,
        practice=settings.practice or "",
        keys=tuple((name, _where(name)) for name, found in there.items() if found),
        lacking=tuple(lacking),
    )


def _where(name: str) -> str:
    """The environment goes before `.env`, whatever the case of its letters; an empty variable is none."""
    return "the environment" if any(key.upper() == name and value for key, value in os.environ.items()) else ".env"
