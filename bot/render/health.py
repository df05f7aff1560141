"""How the desk is, as one tells it to somebody: what is armed, degraded or off, since when, and what to do. Pure."""

from datetime import UTC, datetime, tzinfo

from bot.render.positions import refresh
from bot.render.risk import breaker_lines, health_lines, severity_word, sizing_lines
from bot.render.views import state_line
from bot.render.words import card, clock
from bot.surface import ASK, Button, Card
from trading.breaker import Level
from trading.health import Severity
from trading.model import TradingState
from trading.playbook import Playbook
from trading.status import Armed, Capability, DeskStatus

# What somebody can do about it, by what the capability's name begins with; the first that fits.
_REMEDIES: tuple[tuple[str, str], ...] = (
    ("journal", "The disk is full or cannot be written: make room. Entries come back by themselves."),
    ("venue", "Nothing, as a rule: the desk asks again by itself, and stops and targets stand at the venue."),
    ("protection", "The desk places the stop again, and closes where it cannot. /positions shows which."),
    ("desk", "Look at /logs, and start the process again: entries stay frozen until then."),
    ("persona", "Only a setting, a key or a file can bring it in. The panel votes without it."),
    ("models", "/models and /budget say which and why. The panel counts them as missing, and stops stay."),
    ("market data", "Nothing: there is no more data for it, so it is not traded any more."),
    ("messages to", "/undelivered shows what was refused. Was the bot blocked, or taken out of the group?"),
    ("telegram", "Check TELEGRAM_BOT_TOKEN and the network, and that no second process reads the same bot."),
    ("discord", "Check DISCORD_BOT_TOKEN and the network, and that the bot is still on the server."),
    ("heartbeat", "Check GAVEL_HEARTBEAT_URL: the watchdog outside hears nothing, and may report the desk dead."),
    ("shadow", "The live desk does not need it. /logs has the reason; /shadow add begins it anew."),
)
_NOT_SET_UP = {  # off because nobody asked for it: no fault
    "telegram": "Set TELEGRAM_BOT_TOKEN and TELEGRAM_ALLOWED_USERS, see .env.example, and start again.",
    "discord": "Set DISCORD_BOT_TOKEN and DISCORD_GUILD_ID, see .env.example, and start again.",
    "heartbeat": "Set GAVEL_HEARTBEAT_URL, see .env.example, and start again.",
}


def remedy(line: Capability) -> str:
    """What to do about a capability that is not armed; "" where it is, or where nobody knows."""
    if line.state is Armed.ARMED:
        return ""
    if line.state is Armed.OFF and line.why.startswith("no ") and line.name in _NOT_SET_UP:
        return _NOT_SET_UP[line.name]
    return next((said for begins, said in _REMEDIES if line.name.startswith(begins)), "")


def health_word(status: DeskStatus) -> str:
    degraded = sum(c.state is Armed.DEGRADED for c in status.capabilities)
    ill = status.health is not None and status.health.severity is not Severity.NONE
    halted = status.trading is TradingState.HALTED
    said = (
        "HALTED" if halted else "",
        "entries frozen" if status.frozen and not halted else "",
        f"{degraded} degraded" if degraded else "",
        f"breaker {status.breaker.level.name}" if status.breaker.level is not Level.CLOSED else "",
        f"strategy {severity_word(status.health)}" if status.health and ill else "",
    )
    return ", ".join(s for s in said if s) or "all well"


def health_card(status: DeskStatus, journal_size: int, playbook: Playbook, zone: tzinfo = UTC) -> Card:
    """`playbook`: the one that runs. What is well is one line; what is not has one of its own, with what to do."""
    monitored = playbook.health is not None
    unseen = "Strategy health: not looked at yet" if monitored else "The playbook has no strategy monitor"
    degraded, off, armed = (_of(status, state) for state in (Armed.DEGRADED, Armed.OFF, Armed.ARMED))
    return card(
        f"health: {health_word(status)}",
        state_line(status, zone),
        *(line for c in (*degraded, *off) for line in _not_well(c, status.at, zone)),
        f"Armed: {', '.join(c.name for c in armed)}" if armed else "",
        *(f"{c.name}: {c.why}" for c in armed if c.why),
        *breaker_lines(status.breaker, status.at, zone),
        *(health_lines(status.health) if status.health else (unseen,)),
        *sizing_lines(status.sized, playbook.sizing.method),
        f"Journal entries: {journal_size:,}",
        f"Market time {clock(status.at, zone=zone)}",
        detail=("Degraded: it works in part, or not now. Off: it is not there.",) if degraded or off else (),
        buttons=(
            refresh("health"),
            Button(label="Breaker", data=f"{ASK}/breaker"),
            *(Button(label="Undelivered", data=f"{ASK}/undelivered") for _ in degraded[:1]),
        ),
    )


def _of(status: DeskStatus, state: Armed) -> list[Capability]:
    return [c for c in status.capabilities if c.state is state]


def _not_well(line: Capability, at: datetime, zone: tzinfo) -> tuple[str, str]:
    since = "" if line.since is None else f" since {clock(line.since, today=at, zone=zone)}"
    todo = remedy(line)
    return f"{line.name}: {line.state}{since}" + (f", {line.why}" if line.why else ""), f"- {todo}" if todo else ""
