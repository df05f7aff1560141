"""Cards of what the desk holds, has earned and has decided, word for word; and within a phone's limits."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.flips import flips
from bot.rejudging import basis, differences, judged
from bot.render.insight import flips_card, replay_card, whatif_card
from bot.render.positions import chart_card, position_card, positions_card
from bot.render.results import group_card, group_file, personas_card, pnl_card, scores
from bot.render.trades import trade_card
from bot.render.views import (
    Page,
    balance_card,
    decisions_card,
    decisions_file,
    status_card,
    trades_card,
    trades_file,
)
from bot.render.words import LINE_LIMIT, TITLE_LIMIT, card
from bot.results import GROUPS, NOTHING, WINDOWS, Record, Results, grouped, period, returns, scoreboard, since
from bot.surface import Card
from storage.queries import DecisionLine
from storage.tallies import Curve, Point, Tally
from tests import surface_examples as examples
from tests.goldens import as_text, check_golden
from trading.decision import Decision
from trading.judge import judge
from trading.model import ExitReason, Leg, OrderKind, OrderStatus, TradingState
from trading.performance import Drawdown
from trading.playbook import SizingMethod, load
from trading.status import PositionStatus

AT, DAY = examples.AT, timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
BY_CONFIDENCE = SizingMethod.CONFIDENCE
BOOK = load("desk")

# --- what is shown -------------------------------------------------------------------------------------------------


def tally(key: str = "", trades: int = 3, wins: int = 2, won: str = "120.5", lost: str = "-40.25") -> Tally:
    return Tally(
        key=key, trades=trades, wins=wins, gross=D("84.15"), fees=D("3.6"), funding=D("-0.3"), won=D(won), lost=D(lost),
        r=D("2.4"),
    )  # fmt: skip


def a_curve(days: int) -> Curve:
    points = tuple(
        Point(day=(AT + n * DAY).date(), equity=10_000 + D(n * 37 % 101), low=10_000 + D(n * 37 % 101) - 5)
        for n in range(days)
    )
    fall = Drawdown(fraction=D("0.0093"), peak=D(10_100), low=D(10_006), since=AT, until=AT + DAY)
    return Curve(points=points, fall=fall, start=D(10_000))


def results(days: int = 30, **changes: object) -> Results:
    made = Results(
        window="30d",
        total=tally(trades=41, wins=25),
        pairs=(tally("BTC"), tally("ETH", won="3", lost="-18")),
        curve=a_curve(days),
        now=AT + (days - 1) * DAY,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


NO_TRADE = Results(window="today", total=NOTHING, pairs=(), curve=Curve(points=(), fall=None, start=D(10_000)), now=AT)
PERSONAS = (
    tally("flow with", 30, 20), tally("flow against", 10, 3), tally("sigma with", 4, 1),
    tally("sigma neutral", 30, 20), tally("whale abstained", 40, 24), tally("unknown", 2, 1),
)  # fmt: skip
TABLE = [
    tally("BTC", 30),
    tally("ETH", won="3", lost="-18"),
    *(tally(f"A{n:02}", won="0", lost=f"-{n}") for n in range(20)),
]


def waited() -> Decision:
    """As the judge makes it: the whale, whose vote weighs most, is missing."""
    weights = {"flow": 1500, "technical": 1000, "whale": 2000}
    made = replace(examples.a_decision("wait"), weights=weights, playbook_hash=BOOK.hash)
    return replace(made, verdict=judge(made.opinions, weights, BOOK.judge))


def lines(n: int) -> list[DecisionLine]:
    outcomes = ("long", "denied", "wait")
    return [
        DecisionLine(
            id=f"btc-{k:08}", symbol=examples.BTC, at=AT - k * DAY / 4, outcome=outcomes[k % 3], action="long",
            confidence=712_345,
        )
        for k in range(n)
    ]  # fmt: skip


def orders() -> tuple:  # type: ignore[type-arg]
    entry = examples.an_order(status=OrderStatus.FILLED, filled=D("0.0124"))
    stop = examples.an_order(
        Leg.STOP, client_id="gv-aaaa-s0", kind=OrderKind.STOP, trigger=D("62605.2"), status=OrderStatus.CANCELLED
    )
    return entry, stop


def moving() -> PositionStatus:
    return PositionStatus(position=examples.a_moving_position(), quote=examples.a_quote("64900.0"), rules=())


HALTED = replace(
    examples.a_status(), trading=TradingState.HALTED, halted_by="Ana (telegram:7)", halt_reason="news", halted_at=AT,
    equity=None, unrealised=None, day_pnl=None,
)  # fmt: skip
WAITED = waited()
THEN = basis(WAITED, [BOOK])
OTHER = basis(examples.a_decision(), [BOOK])
AGAIN = judge(examples.a_decision().opinions, examples.a_decision().weights, BOOK.judge)
FILLS = (examples.a_fill(), examples.a_fill(id="f2", client_id="x", side="sell", price=D("67421.0")))

CARDS: dict[str, Card] = {
    "status": status_card(examples.a_status(), BY_CONFIDENCE, slots=5),
    "status_halted": status_card(HALTED, BY_CONFIDENCE, slots=5, zone=BERLIN),
    "status_held_back": status_card(examples.a_held_back_status(), BY_CONFIDENCE),
    "positions": positions_card(examples.a_status(), "Entries allowed"),
    "positions_moved": positions_card(examples.a_held_back_status(), "Entries allowed"),
    "position": position_card(examples.a_status().positions[0], examples.a_status().at, BERLIN),
    "position_moved": position_card(examples.a_held_back_status().positions[0], AT),
    "position_moving": position_card(moving(), AT),
    "position_chart": chart_card(moving(), None),
    "balance": balance_card(examples.a_status()),
    "pnl": pnl_card(results(), unrealised="Unrealised +8.55 in 1 position open", sizing=("Size now: by kelly",)),
    "pnl_few_days": pnl_card(results(19, pairs=(tally("BTC"),)), unrealised="", zone=BERLIN),
    "pnl_nothing": pnl_card(NO_TRADE, unrealised=""),
    "pnl_pair": group_card(grouped(TABLE, "pair"), "30d", "pair", net=D("62.25"), page=1),
    "pnl_pair_2": group_card(grouped(TABLE, "pair"), "30d", "pair", net=D("62.25"), page=2),
    "pnl_persona": group_card(grouped(PERSONAS, "persona"), "all", "persona", net=D("80.25"), page=1),
    "pnl_none": group_card((), "7d", "exit", net=D(0), page=1),
    "pnl_file": card("as a file", file=group_file(grouped(PERSONAS, "persona"), "all", "persona")),
    "personas": personas_card(scoreboard(PERSONAS), "all", unknown=2),
    "personas_none": personas_card((), "today", unknown=0),
    "trades": trades_card([examples.a_trade()], AT),
    "trades_page": trades_card([examples.a_trade()] * 2, AT, Page(line="/trades 2", number=3, more=True, zone=BERLIN)),
    "trades_none": trades_card([], AT),
    "trades_file": trades_file([examples.a_trade()]),
    "trade": trade_card(examples.a_trade(), orders=orders(), fills=FILLS, at=AT),
    "trade_shadowy": trade_card(examples.a_trade(note="", reason=ExitReason.MANUAL), orders=(), fills=(), at=AT),
    "decisions": decisions_card(lines(4), AT, Page(line="/decisions BTC", more=True)),
    "decisions_none": decisions_card([], AT),
    "decisions_no_page": decisions_card([], AT, Page(line="/decisions", number=7)),
    "decisions_file": decisions_file(lines(2)),
    "replay": replay_card(WAITED, THEN, WAITED.verdict, ()),
    "replay_other": replay_card(
        examples.a_decision(), OTHER, AGAIN, differences(examples.a_decision().verdict, AGAIN)
    ),
    "flips": flips_card(WAITED, THEN, flips(WAITED, THEN), judged=WAITED.verdict),
    "flips_other": flips_card(examples.a_decision("denied"), OTHER, (), judged=AGAIN),
    "whatif": whatif_card(WAITED, THEN, judged(WAITED, THEN, {"panel.whale.weight": "0.2"})),
    "whatif_same": whatif_card(WAITED, THEN, judged(WAITED, THEN, {"judge.drag": "0.25"})),
}  # fmt: skip


@pytest.mark.parametrize("name", CARDS)
def test_card_is_worded_as_agreed(name: str) -> None:
    check_golden(f"card_{name}", as_text(CARDS[name]).replace(BOOK.hash, "0123456789ab"))


@pytest.mark.parametrize("name", CARDS)
def test_cards_are_within_the_limits(name: str) -> None:
    within(CARDS[name])


def within(made: Card) -> None:
    assert 0 < len(made.title) <= TITLE_LIMIT - len("PAPER ")
    assert len(made.plain()) <= 4096
    assert all(len(b.data.encode()) <= 64 for b in made.buttons)
    assert all(len(line) <= LINE_LIMIT for line in (*made.body(), *made.detail))


# --- whatever is shown ---------------------------------------------------------------------------------------------

amounts = st.decimals(min_value=-500_000, max_value=500_000, places=6)


@st.composite
def tallies(draw: st.DrawFn, key: str = "") -> Tally:
    trades = draw(st.integers(1, 10**7))
    parts = [draw(amounts) for _ in range(4)]
    return Tally(
        key=key, trades=trades, wins=draw(st.integers(0, trades)), gross=parts[0], fees=parts[1], funding=parts[2],
        won=abs(draw(amounts)), lost=-abs(draw(amounts)), r=parts[3],
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(tallies(), tallies("BTC"), tallies("1000SHIBUSDTPERP"), st.sampled_from(WINDOWS), st.integers(0, 40))
def test_any_result_keeps_within_the_limits(total: Tally, one: Tally, other: Tally, window: str, days: int) -> None:
    shown = results(days, total=total, pairs=(one, other), window=window)
    within(pnl_card(shown, unrealised="Unrealised +1.00 in 1 position open"))
    for group in GROUPS:
        rows = tuple(replace(t, key="2026-01-05" if group == "day" else t.key) for t in (one, other))
        within(group_card(rows, window, group, net=total.net, page=1))


@settings(max_examples=40, deadline=None)
@given(tallies("flow with"), tallies("flow against"), tallies("technical neutral"), st.sampled_from(WINDOWS))
def test_any_scoreboard_keeps_within_the_limits(a: Tally, b: Tally, c: Tally, window: str) -> None:
    records = scoreboard((a, b, c))
    within(personas_card(records, window, unknown=a.trades))
    assert all(0 <= s.low <= s.rate + 1e-9 and s.rate - 1e-9 <= s.high <= 1 for s in scores(records))


# --- the figures themselves ----------------------------------------------------------------------------------------


def test_a_window_begins_at_a_utc_midnight() -> None:
    midnight = AT.replace(hour=0, minute=0, second=0, microsecond=0)
    found = [since(window, AT) for window in WINDOWS]
    assert found == [midnight, midnight - 6 * DAY, midnight - 29 * DAY, None]


def test_days_without_a_trade_count_in_the_returns() -> None:
    day = AT.date()
    points = (Point(day=day, equity=D(110), low=D(100)), Point(day=day + 3 * DAY, equity=D(99), low=D(99)))
    curve = Curve(points=points, fall=None, start=D(100))
    assert returns(curve, day + 4 * DAY) == (D("0.1"), 0, 0, D("-0.1"), 0)
    assert returns(Curve(points=(), fall=None), day) == ()


@pytest.mark.parametrize(
    ("day", "week", "month"),
    [
        ("2024-12-30", "2025-W01", "2024-12"),
        ("2027-01-01", "2026-W53", "2027-01"),
        ("2024-05-03", "2024-W18", "2024-05"),
    ],
)
def test_a_week_is_of_the_year_that_it_belongs_to(day: str, week: str, month: str) -> None:
    assert (period(day, "week"), period(day, "month")) == (week, month)


def test_periods_add_up_to_their_days_and_come_newest_first() -> None:
    days = [tally(f"2024-{month:02}-{day:02}") for month in (1, 2) for day in (1, 15, 28)]
    months = grouped(days, "month")
    assert [(m.key, m.trades, m.net) for m in months] == [("2024-02", 9, D("240.75")), ("2024-01", 9, D("240.75"))]
    assert [t.key for t in grouped(days, "day")] == sorted((t.key for t in days), reverse=True)
    assert sum(week.trades for week in grouped(days, "week")) == 18


def test_right_is_with_a_winner_or_against_a_loser() -> None:
    (flow, *_) = [r for r in scoreboard(PERSONAS) if r.name == "flow"]
    assert isinstance(flow, Record)
    assert (flow.n, flow.right) == (40, 20 + 7)
    assert [r.name for r in scoreboard(PERSONAS)] == ["flow", "sigma", "whale"]
