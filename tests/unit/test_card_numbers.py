"""All numbers from the view: every number on every card stands in what the card was made from, or is worked out of it
in a way that is listed here."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain
from typing import Any

import pytest

from bot.accounts import is_room
from bot.render import (
    changes,
    digest,
    figures,
    insight,
    market,
    orders,
    people,
    positions,
    results,
    scoreboard,
    settings,
    standing,
    trades,
    views,
    voices,
    wishes,
)
from bot.render.whales import whales_card
from bot.results import WINDOWS, average_r, expectancy, profit_factor, win_rate
from bot.surface import Role
from tests import whales
from tests.cards import ALL, EVENTS
from tests.origins import Held, held_by, numbers, outside
from tests.shown import Shown
from trading import events as m
from trading.calibration import EDGES, ENOUGH, calibrated
from trading.decision import Approved, Denied, Plan
from trading.model import Position, Quote
from trading.performance import ENOUGH_DAYS, sharpe, sortino
from trading.status import PositionStatus

Worked = Iterable[Any]


@dataclass(frozen=True, slots=True)
class Derived:
    """What a renderer may work out: of the arguments of its function, or of the event."""

    why: str
    of: Callable[..., Worked]


# --- of positions -----------------------------------------------------------------------------------------------------


def at(position: Position, level: Decimal) -> Worked:
    return position.move(level), position.unrealised(level)


def at_mark(position: Position, quote: Quote | None) -> Worked:
    return () if quote is None else at(position, quote.mark)


def of_each(views: Sequence[PositionStatus]) -> Worked:
    return chain.from_iterable(at_mark(v.position, v.quote) for v in views)


def guarded(position: Position) -> Worked:
    return (*at(position, position.protection.stop), *at(position, position.protection.target))


def standing_there(view: PositionStatus) -> Worked:
    """Its result in R, and how far stop and target are from the mark."""
    position, quote = view.position, view.quote
    if quote is None:
        return ()
    guard = position.protection
    away = ((level - quote.mark) / quote.mark for level in (guard.stop, guard.target))
    return position.unrealised(quote.mark) / position.risk, *away


def planned(event: m.DecisionMade) -> Worked:
    match event.decision.gate:
        case Approved(plan=plan) | Denied(would=Plan() as plan):
            guard = plan.protection
            return tuple((level - plan.price) / plan.price for level in (guard.stop, guard.target))
    return ()


# --- of lists ---------------------------------------------------------------------------------------------------------


def pages(rows: Sequence[object], each: int) -> Worked:
    return (-(-len(rows) // each),)


def percent(text: str) -> Worked:
    """What a file holds as a fraction is read in percent."""
    return (Decimal(number) for number in re.findall(r"\d+(?:\.\d+)?", text))


MARK = Derived("the move and the result at the mark", lambda event: at_mark(event.position, event.quote))
GUARDS = Derived("what stop and target leave of it", lambda e: guarded(e.position))
HELD = Derived("how long it was held", lambda e: (e.trade.closed_at - e.trade.opened_at,))
EACH = Derived("each position's move and result at its mark", lambda status, *_, **__: of_each(status.positions))
OTHERS = Derived("the windows that its buttons lead to", lambda *_, **__: WINDOWS)

DERIVED: dict[Callable[..., Any] | type[m.Event], tuple[Derived, ...]] = {
    m.DecisionMade: (Derived("how far stop and target are from the price of the plan", planned),),
    m.StopMoved: (GUARDS,),
    m.PartialTriggered: (MARK,),
    m.ExitTriggered: (MARK,),
    m.TradeClosed: (HELD,),
    m.ShadowClosed: (HELD,),
    m.BreakerOverridden: (Derived("how long it lasts", lambda e: (e.until - e.at,)),),
    m.VenueBack: (Derived("how long it was gone", lambda e: (e.at - e.lost_at,)),),
    m.WalletAccepted: (Derived("the difference", lambda e: (e.after - e.before,)),),
    views.status_card: (EACH,),
    standing.pinned_card: (EACH,),
    positions.chart_card: (Derived("its move and result at the mark", lambda v, _: at_mark(v.position, v.quote)),),
    positions.positions_card: (
        EACH,
        Derived("in R, and from the mark", lambda s, _: chain.from_iterable(map(standing_there, s.positions))),
        Derived("how long each is open", lambda s, _: (s.at - v.position.opened_at for v in s.positions)),
    ),
    positions.position_card: (
        Derived("its move and result at the mark", lambda v, *_: at_mark(v.position, v.quote)),
        Derived("in R, and from the mark", lambda v, *_: standing_there(v)),
        Derived("what the stop leaves", lambda v, *_: at(v.position, v.position.protection.stop)),
        Derived("how long it is open", lambda v, at, *_: (at - v.position.opened_at,)),
    ),
    results.pnl_card: (
        Derived(
            "rates of the whole",
            lambda r, **_: (win_rate(r.total), expectancy(r.total), average_r(r.total), profit_factor(r.total)),
        ),
        Derived("those that did not win", lambda r, **_: (r.total.trades - r.total.wins,)),
        Derived("of the returns by day", lambda r, **_: (sharpe(r.returns), sortino(r.returns))),
        Derived("how many days a yearly figure takes", lambda *_, **__: (ENOUGH_DAYS,)),
        OTHERS,
    ),
    results.group_card: (
        Derived("the win rate of each", lambda rows, *_, **__: (round(win_rate(t), 3) for t in rows)),
        Derived("what each made of a trade", lambda rows, *_, **__: (expectancy(t) for t in rows)),
    ),
    results.personas_card: (
        Derived("how often each was right", lambda records, *_, **__: (r.right / r.n for r in records if r.n)),
        Derived("the interval's level, and what a coin reaches", lambda *_, **__: (95, 50)),
        OTHERS,
    ),
    scoreboard.scoreboard_card: (
        Derived("how often each was right", lambda records, *_, board, **__: (
            of.right / of.n
            for of in (*records, *chain.from_iterable((s.sums, *s.sums.bins) for s in board)) if of.n)),
        Derived("what each was paid for one answer", lambda *_, board, **__: (
            f"{s.attendance.cost / s.attendance.asked:.5f}" for s in board if s.attendance.asked)),
        Derived("what 0.70 was worth by each record", lambda *_, learned, **__: (
            of.value if (of := calibrated(700_000, record)) else None for record in learned.judged)),
        Derived("the borders of confidence, and how much is enough", lambda *_, **__: (*EDGES, ENOUGH)),
        Derived("the interval's level, and what a coin reaches", lambda *_, **__: (95, 50)),
        Derived("the rows that are not shown", lambda *_, board, **__: (len(board) - 12,)),
        OTHERS,
    ),
    figures.render_summary: (Derived("against the equity before", lambda r, *_: (r.net / r.start_equity,)),),
    trades.trade_card: (
        Derived("from entry to exit", lambda t, **_: ((t.exit - t.entry) / t.entry,)),
        Derived("how long it was held", lambda t, **_: (t.closed_at - t.opened_at,)),
    ),
    insight.replay_card: (
        Derived(
            "whole millionths, thousandths and billionths as numbers",
            lambda *given: (
                Decimal(value) / scale
                for _, *both in given[3]
                for value in both
                for scale in (10**6, 10**3, 10**9)
                if value.isdigit()
            ),
        ),
    ),
    people.users_card: (
        Derived("admins and groups among them", lambda people, *_: (
            sum(p.role >= Role.ADMIN for p in people), sum(is_room(p.accounts[0]) for p in people)
        )),
    ),
    people.questions_card: (
        Derived("their numbers, and how many more there are", lambda asked, *_: range(1, len(asked) + 1)),
    ),
    market.regimes_card: (
        Derived("how many there are of each", lambda lines: Counter(
            line.outlook.regime if line.outlook else "" for line in lines).values()),
    ),
    market.exposure_card: (
        Derived("what of its budget is used", lambda v, *_: () if v.budget is None else (v.gross / v.budget,)),
        Derived("what of the margin is used", lambda v, *_: () if v.max_margin is None else (
            v.margin_used / v.max_margin,)),
    ),
    changes.shadows_card: (
        Derived("what became of the equity", lambda views: (
            (v.equity - v.start_equity) / v.start_equity for v in views if v.equity is not None)),
    ),
    settings.settings_card: (
        Derived("fractions in percent", lambda lines, **_: chain.from_iterable(
            percent(f"{line.value} {line.default} {line.range}") for line in lines)),
        Derived("its pages, of ten each", lambda lines, **_: pages(lines, 10)),
    ),
    wishes.alerts_card: (Derived("how many are told how", lambda told, _: Counter(told.modes.values()).values()),),
    orders.locks_card: (Derived("its pages, of eight each", lambda locks, *_, **__: pages(locks, 8)),),
    standing.gone_card: (Derived("for how long", lambda since, now, **_: _ago(now - since)),),
    standing.returned_card: (Derived("for how long", lambda since, now, _: _ago(now - since)),),
    m.VoiceBack: (Derived("how long it was gone", lambda e: (e.at - e.lost_at,)),),
    m.WeightsProposed: (Derived("the interval's level", lambda _: (95,)),),
    voices.budget_card: (
        Derived("settled and reserved together", lambda v: (u.settled + u.reserved for u in v.caps)),
        Derived("what of a cap is used", lambda v: ((u.settled + u.reserved) / u.limit for u in v.caps if u.limit)),
    ),
    whales_card: (
        Derived("addresses, cut short", whales.shortened),
        Derived("whole ETH of each, of a class and of all", whales.in_whole_eth),
    ),
    digest.together_card: (Derived("those that are not shown", lambda cards, count, *_, **__: (count - len(cards),)),),
    digest.unworded_card: (Derived("the event as it is", lambda event, _: (repr(event),)),),
}  # fmt: skip


def _ago(length: Any) -> Worked:
    seconds = int(length.total_seconds())
    return seconds, seconds // 60


# --- every card -------------------------------------------------------------------------------------------------------


def key(name: str) -> Callable[..., Any] | type[m.Event]:
    """What a card's derivations stand under."""
    return type(EVENTS[name.removeprefix("alert_")]) if name.startswith("alert_") else ALL[name].of


def worked_out(shown: Shown, derived: Iterable[Derived]) -> Iterator[Any]:
    for each in derived:
        yield from each.of(*shown.given, **shown.named)


def held(name: str, derived: Sequence[Derived] | None = None) -> Held:
    shown = ALL[name]
    return held_by(shown, *worked_out(shown, DERIVED.get(key(name), ()) if derived is None else derived))


@pytest.mark.parametrize("name", ALL)
def test_every_number_is_from_the_view(name: str) -> None:
    assert outside(ALL[name].card(), held(name)) == []


@pytest.mark.parametrize("of", DERIVED)
def test_nothing_is_listed_that_no_card_works_out(of: Callable[..., Any] | type[m.Event]) -> None:
    for derived in DERIVED[of]:
        rest = [other for other in DERIVED[of] if other is not derived]
        needed = [name for name in ALL if key(name) == of and outside(ALL[name].card(), held(name, rest))]
        assert needed, f"{derived.why} is needed by no card"


def turned(number: str) -> str:
    """Another number, as likely as this one: its second digit is one more."""
    digits = [place for place, c in enumerate(number) if c.isdigit()]
    place = digits[1]
    return f"{number[:place]}{(int(number[place]) + 1) % 10}{number[place + 1 :]}"


def test_a_number_that_is_not_from_the_view_is_noticed() -> None:
    """Of all numbers of three digits and more on all cards, each put wrong by one digit."""
    wrong = noticed = 0
    for name in ALL:
        card, there = ALL[name].card(), held(name)
        for number in {n for n in numbers(card.plain()) if sum(c.isdigit() for c in n) > 2}:
            wrong += 1
            noticed += bool(outside(replace(card, lines=(turned(number),), detail=(), table=None), there))
    assert wrong > 800
    assert noticed / wrong > 0.9
