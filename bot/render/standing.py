"""What stands in a chat and is kept as things are: the status card, and questions that are over. Pure."""

from datetime import UTC, datetime, timedelta

from bot.render.positions import UNKNOWN, held_line, position_title
from bot.render.views import locked_line, state_line
from bot.render.words import RenderContext, amount, card, clock, counted, dressed, money, price
from bot.surface import ASK, Button, Card
from trading.breaker import Level
from trading.model import TradingState
from trading.status import Armed, DeskStatus

_SAME = timedelta(minutes=2)  # market and wall this close together are one time
_SHOWN = 8  # positions


def pinned_card(status: DeskStatus, now: datetime, about: RenderContext) -> Card:
    """The desk in a few lines. `now`: wall time, to the minute: how old it is tells whether the desk is alive."""
    day = UNKNOWN if status.day_pnl is None else money(status.day_pnl)
    equity = UNKNOWN if status.equity is None else amount(status.equity)
    ill = [c.name for c in status.capabilities if c.state is Armed.DEGRADED]
    rest = len(status.positions) - _SHOWN
    overridden = ", overridden" if status.breaker.override else ""
    replayed = abs(status.at - now) > _SAME
    made = card(
        f"{_word(status)}, equity {equity}, day {day}",
        state_line(status, about.zone),
        f"{len(status.positions)} open, exposure {amount(status.exposure)}",
        *(position_title(view) for view in status.positions[:_SHOWN]),
        f"and {rest} more" if rest > 0 else "",
        f"Last decision: {status.last_decision}" if status.last_decision else "No decision since this start",
        f"Breaker {status.breaker.level.name}{overridden}",
        locked_line(status, about.zone),
        f"Trouble: {', '.join(ill)}; /health says more" if ill else "",
        f"As of {clock(_to_minute(now), zone=about.zone)}",
        f"Market time {clock(_to_minute(status.at), zone=about.zone)}" if replayed else "",
        buttons=(Button(label="Status", data=f"{ASK}/status"), Button(label="Positions", data=f"{ASK}/positions")),
    )
    return dressed(made, about)


def _word(status: DeskStatus) -> str:
    if status.trading is TradingState.HALTED:
        return "HALTED"
    if status.frozen:
        return "frozen"
    level = status.breaker.level
    return "active" if level < Level.THROTTLE else f"breaker {level.name}"


def _to_minute(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def unpinned_card(now: datetime, about: RenderContext) -> Card:
    """In the place of a status card that nobody wants any more."""
    made = card("status card switched off", f"Not kept up to date since {clock(_to_minute(now), zone=about.zone)}")
    return dressed(made, about)


def over_card(summary: str, command: str, outcome: str, *, by: str, at: datetime, about: RenderContext) -> Card:
    """A question without its buttons. `outcome`: "confirmed", "cancelled", or "" for one that expired; `by`: who."""
    when = clock(at, zone=about.zone)
    if not outcome:
        made = card(
            f"expired: {summary}",
            f"Nobody answered until {when}: nothing was done.",
            f"{command} asks again.",
        )
    else:
        said = "This is done." if outcome == "confirmed" else "Nothing was done."
        whose = f"{outcome.capitalize()} by {by} in another place, {when}. {said}"
        made = card(f"{outcome}: {summary}", whose, command)
    return dressed(made, about)


def held_lines(status: DeskStatus) -> tuple[str, ...]:
    """Each open position with what guards it."""
    held = (view.position for view in status.positions)
    return tuple(f"{held_line(p)}, stop {price(p.protection.stop)}, target {price(p.protection.target)}" for p in held)


# --- a desk that is gone --------------------------------------------------------------------------------------------


def gone_card(
    since: datetime, now: datetime, *, ill: bool, why: str, held: tuple[str, ...], paper: bool, about: RenderContext
) -> Card:
    """Told by `gavel watch`. `since`: the last time all was well; `ill`: it runs, and says itself what is wrong;
    `held`: its open positions then."""
    ago = _ago(now - since)
    made = card(
        f"THE DESK IS NOT WELL for {ago}" if ill else f"THE DESK IS GONE, silent for {ago}",
        why,
        f"Last well {clock(since, zone=about.zone)}" if ill else f"Last sign of life {clock(since, zone=about.zone)}",
        f"Open then: {counted(len(held), 'position')}" if held else "Nothing was open then.",
        *held,
        _unguarded(paper) if held and not (ill and paper) else "",
        "It runs: /health says more, and so does its log. Start it again where that does not end by itself."
        if ill
        else "Look at the process and its log, and start it again: it goes on where it was.",
    )
    return dressed(made, about)


def unseen_card(about: RenderContext) -> Card:
    """Told by `gavel watch` where no desk has ever given a sign."""
    made = card(
        "NO SIGN OF A DESK",
        "In this data directory no desk has ever said that it is alive.",
        "Does it run, and does the watch look at the same directory?",
    )
    return dressed(made, about)


def _unguarded(paper: bool) -> str:
    if paper:
        return "Paper positions stand still until the desk runs again."
    return "Stops and targets stand at the venue; every other exit waits for the desk."


def _ago(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def stopped_card(since: datetime, *, reason: str, held: tuple[str, ...], paper: bool, about: RenderContext) -> Card:
    """Told by `gavel watch` of a desk that was stopped on purpose and has not come back."""
    made = card(
        f"the desk is stopped, {len(held)} left open" if held else "the desk is stopped, nothing left open",
        f"Since {clock(since, zone=about.zone)}: {reason}",
        *held,
        _unguarded(paper) if held else "",
    )
    return dressed(made, about)


def returned_card(since: datetime, now: datetime, about: RenderContext) -> Card:
    made = card(f"the desk is back after {_ago(now - since)}", f"Gone since {clock(since, zone=about.zone)}")
    return dressed(made, about)
