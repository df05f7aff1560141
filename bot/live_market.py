"""A real exchange's market for this process: opened with the settings, shown in /health, closed at the end."""

from bot.markets import Market
from bot.settings import Settings
from trading.errors import BadSettings
from trading.playbook import Playbook
from trading.ports import Clock
from trading.venues.exchange.connection import Connection
from trading.venues.exchange.hosts import Loopback


def keys_of(settings: Settings) -> dict[str, str] | None:
    """The credentials of the chosen exchange, by ccxt's names; None where there are none."""
    given = {
        "weex": {
            "apiKey": settings.weex_key,
            "secret": settings.weex_secret,
            "password": settings.weex_passphrase,
        },
        "binance": {"apiKey": settings.binance_key, "secret": settings.binance_secret},
        "bybit": {"apiKey": settings.bybit_key, "secret": settings.bybit_secret},
    }[settings.venue or ""]
    found = {name: value.get_secret_value() for name, value in given.items() if value is not None}
    return found or None


def loopback_of(settings: Settings) -> Loopback | None:
    """Tests only: every host of the exchange is this server."""
    if settings.venue_loopback is None or settings.venue_ca is None:
        return None
    host, _, port = settings.venue_loopback.rpartition(":")
    return Loopback(host=host, port=int(port), ca=settings.venue_ca)


async def connected(settings: Settings, playbook: Playbook, also: set[str], clock: Clock) -> Connection:
    """Raises BadSettings, Transient, OrderRejected: see Connection.open. Paper needs no key, and uses none."""
    from trading.venues.exchange.registry import DIALECTS

    live = settings.mode == "live"
    keys = keys_of(settings) if live else None
    if live and keys is None:
        raise BadSettings(f"GAVEL_MODE=live needs the keys of {settings.venue}: see .env.example")
    return await Connection.open(
        DIALECTS[settings.venue or ""],
        keys=keys,
        practice=settings.practice or "",
        loopback=loopback_of(settings),
        clock=clock,
        bases=(*playbook.universe, *sorted(also - set(playbook.universe))),
        quote=playbook.quote,
        every=playbook.schedule.bar,
    )


def market_of(connection: Connection, settings: Settings, clock: Clock) -> Market:
    live = settings.mode == "live"
    practice = f" ({connection.practice})" if connection.practice else ""
    notes = [f"{base} is not traded: {why}" for base, why in sorted(connection.feed.untraded.items())]
    return Market(
        feed=connection.feed,
        begins=clock.now(),
        ends=None,
        notes=tuple(notes),
        lacks={},
        identity={"market": f"{connection.dialect.name}{practice}", "mode": "live" if live else "paper"},
        real=True,
        connection=connection,
        live=live,
    )
