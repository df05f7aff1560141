"""A real exchange's lines of /health: its streams, its limits, what of it is not traded."""

from collections.abc import Sequence
from datetime import datetime

from bot.markets import Market
from bot.render.doctor import doctor_capabilities
from trading.status import Armed, Capability
from trading.venues.exchange.wire import Finding


def live_lines(market: Market, found: Sequence[Finding] = ()) -> tuple[Capability, ...]:
    """`found`: by the last self-check, which is kept current where money is at stake."""
    connection = market.connection
    if connection is None:
        return ()
    feed, lines = connection.feed, []
    why = "read over REST: the stream is silent" if feed.polling_since else ""
    lines.append(_line("quotes", why, feed.polling_since))
    lines += [_line(what, f"cannot be read: {why}") for what, why in feed.unread.items()]
    lines += [_line(f"stream of the {s.name}", s.why and f"down: {s.why}", s.down_since) for s in connection.streams]
    untraded = "; ".join(f"{base} is not traded: {why}" for base, why in sorted(feed.untraded.items()))
    lines.append(_line("instruments", untraded))
    for name, client in (("market data", connection.data), ("trading", connection.trade)):
        if client is not None:
            used = ", ".join(f"{what} {n} of {most}" for what, (n, most) in client.limiter.used().items())
            lines.append(Capability(name=f"limits of {name}", state=Armed.ARMED, why=used))
    return (*lines, *(doctor_capabilities(found) if market.live else ()))


def _line(name: str, why: str, since: datetime | None = None) -> Capability:
    return Capability(name=name, state=Armed.DEGRADED if why else Armed.ARMED, why=why, since=since)
