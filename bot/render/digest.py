"""Many alerts as one card, what a day or a week came to, and the notes under an alert that did not come as it should.
Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bot.render.words import (
    TITLE_LIMIT,
    RenderContext,
    Renderer,
    amount,
    card,
    clock,
    counted,
    dressed,
    money,
    name_of,
    span,
)
from bot.surface import Button, Card
from trading import events as m

REPEAT = "(may be a repeat: the last process ended while this was being sent)"
TITLES = 12  # of a card that sums up: more of them would not be read

# --- many as one ----------------------------------------------------------------------------------------------------


def together_card(
    cards: Sequence[Card], count: int, kinds: Mapping[str, int], *, note: str = "", about: RenderContext
) -> Card:
    """`cards`: the last few of `count` alerts, newest first; `kinds`: name of the event -> how many there are."""
    newest, *others = (_bare(made, about) for made in cards)
    rest = count - len(cards)
    title = f"{counted(count, 'alert')}, last: {newest}"
    room = TITLE_LIMIT - len(about.mode) - 1
    made = card(
        title if len(title) <= room else f"{title[: room - 1].rstrip()}…",
        f"Last: {newest}",
        *cards[0].body()[:-1][:1],  # the last of them is the market
        *(f"· {other}" for other in others),
        f"and {rest:,} more: {_in_words(kinds)}" if rest else "",
        note,
        buttons=cards[0].buttons,
    )
    return dressed(made, about)


def _bare(made: Card, about: RenderContext) -> str:
    return made.title.removeprefix(f"{about.mode} ")


def _in_words(kinds: Mapping[str, int]) -> str:
    """DecisionMade 488, WaitsSummed 2 -> "decision made 488, waits summed 2 in all"."""
    ordered = sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))
    said = (f"{' '.join(re.findall('[A-Z][a-z]*', name)).lower()} {count:,}" for name, count in ordered)
    return f"{', '.join(said)} in all"


# --- notes under an alert -------------------------------------------------------------------------------------------


def late_note(queued_at: datetime, now: datetime, about: RenderContext) -> str:
    return f"late: queued {clock(queued_at, today=now, zone=about.zone)}, {span(now - queued_at)} ago"


def summed_note(oldest: datetime, now: datetime, about: RenderContext) -> str:
    """Under a card of many that waited."""
    return f"late: the first of them was queued {clock(oldest, today=now, zone=about.zone)}, {span(now - oldest)} ago"


def digest_note(oldest: datetime, now: datetime, about: RenderContext) -> str:
    return f"The digest since {clock(oldest, today=now, zone=about.zone)}"


def again_note(times: int, since: datetime, now: datetime, about: RenderContext) -> str:
    often = "once more" if times == 1 else f"{times:,} more times"
    return f"{often} since {clock(since, today=now, zone=about.zone)}; the same is told less and less often"


def stand_in_note(platform: str, after: timedelta) -> str:
    return f"{platform} has not taken this for {span(after)}"


def unworded_card(event: m.Event, error: Exception) -> Card:
    """An alert is not lost to a fault in its wording."""
    return card(f"{type(event).__name__} (not worded: {error!r})", detail=(repr(event),))


# --- what a day or a week came to -------------------------------------------------------------------------------------


def _named(what: tuple[str, str, object]) -> str:
    trade, symbol, _ = what
    return f"{name_of(symbol)}, {trade}"


def _period(event: m.PeriodSummed, about: RenderContext) -> Card:
    word = "week" if event.weekly else "day"
    if not event.trades:
        title = f"{word} without a closed trade"
    else:
        title = f"{word} {money(event.net)}, {counted(event.trades, 'trade')}, {event.wins} won"
    equity = "not known: a mark is missing" if event.equity is None else amount(event.equity)
    since, until = (clock(at, zone=about.zone) for at in (event.since, event.until))
    return card(
        title,
        f"{since} to {until}",
        f"Equity {equity}, {event.open} open",
        f"Fees {money(-event.fees)}, funding {money(event.funding)}" if event.trades else "",
        f"Best {money(event.best[2])}: {_named(event.best)}" if event.best else "",
        f"Worst {money(event.worst[2])}: {_named(event.worst)}" if event.worst else "",
        "" if event.complete else "There were more trades than the desk keeps at hand: these are the last of them.",
        buttons=(
            Button(label="Results", data="do:/pnl 30d" if event.weekly else "do:/pnl 7d"),
            Button(label="Trades", data="do:/trades"),
        ),
    )


DIGESTS: dict[type[m.Event], Renderer] = {m.PeriodSummed: _period}
