"""Each exit at its exact border, on both sides, in every regime."""

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.builders import a_look, a_position, a_protection, an_exit_plan, every_exit
from trading.exit_plan import NO_EVIDENCE, NOTHING_YET, Entered, ExitPlan, Memory, Regime, StopKind
from trading.exits import (
    MOVED,
    RULES,
    EarlyExit,
    ForceExit,
    Invalidation,
    Look,
    MaxHold,
    RebalanceBook,
    RegimeChange,
    Rule,
    Stand,
    Standing,
    StopLoss,
    TakeProfit,
    TimeLimit,
    TrailingStop,
    armed,
    first_of,
    hours,
    needs_outlook,
)
from trading.market.outlook import NOTHING_KNOWN, Outlook
from trading.model import Direction, ExitReason, Position, PositionId

D = Decimal
LONG, SHORT = Direction.LONG, Direction.SHORT
TICK = timedelta(microseconds=1)
EARLY = timedelta(hours=3)
DAY = timedelta(hours=24)
NONE = timedelta(0)

# Every rule there is. Entry 60000, stop 2.5 %, target 5 %; each table row looks at one rule alone.
EVERYTHING = every_exit(early_loss=D("0.01"))
ME = PositionId("btc-aaaaaaaa")


def stands(*notionals: str | int, direction: Direction = LONG, moves: tuple[str, ...] = ()) -> Standing:
    """10000 of equity, so 50000 net is allowed. The first is the position that is looked at; it is the weakest."""
    weak = ("-0.01", "0", "0.01", "0.02", "0.03")
    return Standing(
        equity=D(10000),
        positions=tuple(
            Stand(
                id=ME if n == 0 else PositionId(f"eth-{n}"),
                direction=direction if D(notional) >= 0 else direction.opposite,
                notional=abs(D(notional)),
                move=D((moves or weak)[n]),
            )
            for n, notional in enumerate(notionals)
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Case:
    rule: Rule
    direction: Direction
    fires: bool
    mark: str = "60000"
    held: timedelta = NONE
    entered: Entered = NO_EVIDENCE
    memory: Memory = NOTHING_YET
    outlook: Outlook = NOTHING_KNOWN
    standing: Standing | None = None

    def position(self) -> Position:
        return a_position(self.direction, plan=replace(EVERYTHING, entered=self.entered), memory=self.memory)

    def look(self) -> Look:
        return a_look(self.mark, held=self.held, outlook=self.outlook, standing=self.standing)


def at(rule: Rule, direction: Direction, mark: str, fires: bool, held: timedelta = NONE) -> Case:
    return Case(rule=rule, direction=direction, fires=fires, mark=mark, held=held)


def _trailing() -> list[Case]:
    """Behind a best of 61000 for a long, 59000 for a short: the level, and one tick before it."""
    levels: list[tuple[Regime | None, str, str, str, str]] = [
        (Regime.TREND_UP, "59780", "59780.1", "60180", "60179.9"),
        (Regime.TREND_DOWN, "59780", "59780.1", "60180", "60179.9"),
        (Regime.RANGE, "60085", "60085.1", "59885", "59884.9"),
        (Regime.CHOP, "60390", "60390.1", "59590", "59589.9"),
        (Regime.VOLATILE, "59475", "59475.1", "60475", "60474.9"),
        (None, "60390", "60390.1", "59590", "59589.9"),  # not known: the narrowest
    ]
    cases = []
    for regime, long, not_long, short, not_short in levels:
        for direction, mark, fires in (
            (LONG, long, True),
            (LONG, not_long, False),
            (SHORT, short, True),
            (SHORT, not_short, False),
        ):
            memory = Memory(armed=True, best=D(61000) if direction is LONG else D(59000))
            cases.append(
                Case(
                    rule=TrailingStop(),
                    direction=direction,
                    fires=fires,
                    mark=mark,
                    memory=memory,
                    outlook=Outlook(regime=regime),
                )
            )
    return cases


def _time_limits() -> list[Case]:
    limits: list[tuple[Regime | None, timedelta]] = [
        (Regime.TREND_UP, timedelta(hours=4)),
        (Regime.TREND_DOWN, timedelta(hours=4)),
        (Regime.RANGE, timedelta(hours=2)),
        (Regime.CHOP, timedelta(hours=1)),
        (Regime.VOLATILE, timedelta(minutes=30)),
        (None, timedelta(hours=4)),  # not known: the longest
    ]
    return [
        Case(rule=TimeLimit(), direction=direction, fires=fires, held=held, outlook=Outlook(regime=regime))
        for regime, limit in limits
        for direction in Direction
        for held, fires in ((limit, True), (limit - TICK, False))
    ]


def _regime_changes() -> list[Case]:
    up, down, chop = Regime.TREND_UP, Regime.TREND_DOWN, Regime.CHOP
    rows: list[tuple[Regime | None, Regime | None, bool]] = [
        (up, chop, True),
        (down, chop, True),
        (up, up, False),
        (up, down, False),
        (up, Regime.RANGE, False),
        (up, Regime.VOLATILE, False),
        (up, None, False),
        (chop, chop, False),
        (Regime.RANGE, chop, False),
        (None, chop, False),
    ]
    return [
        Case(
            rule=RegimeChange(),
            direction=direction,
            fires=fires,
            entered=Entered(regime=then),
            outlook=Outlook(regime=now),
        )
        for direction in Direction
        for then, now, fires in rows
    ]


def _rebalances() -> list[Case]:
    cases = []
    for side in Direction:
        rows = [
            (stands(20000, 20000, "10000.01", direction=side), True),
            (stands(20000, 20000, 10000, direction=side), False),  # exactly what is allowed
            (stands(40000, "10000.01", direction=side), False),  # two are not three
            (stands(40000, 20000, -10000, direction=side), False),  # the other side counts against it
            (stands(40000, 20000, "-9999.99", direction=side), True),
            (stands(20000, 20000, 20000, direction=side, moves=("0.01", "0", "0.02")), False),  # another is weaker
            (stands(20000, 20000, 20000, direction=side, moves=("0", "0", "0")), True),  # a tie goes by the id
            (stands(-1, 40000, 40000, direction=side), False),  # on the light side, and the weakest of all
            (None, False),
        ]
        cases += [
            Case(rule=RebalanceBook(), direction=side, fires=fires, standing=standing) for standing, fires in rows
        ]
    return cases


def _invalidations() -> list[Case]:
    rows: list[tuple[Entered, Outlook, bool]] = [
        (Entered(rsi=30.0), Outlook(rsi=70.0), True),
        (Entered(rsi=30.0), Outlook(rsi=69.9), False),
        (Entered(rsi=30.1), Outlook(rsi=70.0), False),
        (Entered(rsi=None), Outlook(rsi=99.0), False),
        (Entered(rsi=1.0), Outlook(rsi=None), False),
        (Entered(macd=0.11), Outlook(macd=-0.11), True),
        (Entered(macd=0.11), Outlook(macd=-0.1), False),
        (Entered(macd=0.1), Outlook(macd=-0.11), False),
        (Entered(macd=-0.11), Outlook(macd=0.11), False),  # it was against it from the beginning
        (Entered(macd=None), Outlook(macd=-9.0), False),
        (Entered(macd=9.0), Outlook(macd=None), False),
    ]

    def mirrored(value: float | None, around: float) -> float | None:
        return None if value is None else round(around - value, 1 if around else 2)

    cases = []
    for entered, outlook, fires in rows:
        short = Entered(rsi=mirrored(entered.rsi, 100), macd=mirrored(entered.macd, 0))
        now = Outlook(rsi=mirrored(outlook.rsi, 100), macd=mirrored(outlook.macd, 0))
        cases += [
            Case(rule=Invalidation(), direction=LONG, fires=fires, entered=entered, outlook=outlook),
            Case(rule=Invalidation(), direction=SHORT, fires=fires, entered=short, outlook=now),
        ]
    return cases


CASES = [
    at(StopLoss(), LONG, "58500", True),
    at(StopLoss(), LONG, "58500.1", False, DAY),
    at(StopLoss(), SHORT, "61500", True),
    at(StopLoss(), SHORT, "61499.9", False, DAY),
    at(TakeProfit(), LONG, "63000", True),
    at(TakeProfit(), LONG, "62999.9", False, DAY),
    at(TakeProfit(), SHORT, "57000", True),
    at(TakeProfit(), SHORT, "57000.1", False, DAY),
    at(EarlyExit(), LONG, "59399.9", True, EARLY),
    at(EarlyExit(), LONG, "59400", False, EARLY),  # exactly what is allowed
    at(EarlyExit(), LONG, "59399.9", False, EARLY - TICK),
    at(EarlyExit(), SHORT, "60600.1", True, EARLY),
    at(EarlyExit(), SHORT, "60600", False, EARLY),
    at(EarlyExit(), SHORT, "60600.1", False, EARLY - TICK),
    at(ForceExit(), LONG, "57599.9", True),
    at(ForceExit(), LONG, "57600", False, DAY),
    at(ForceExit(), SHORT, "62400.1", True),
    at(ForceExit(), SHORT, "62400", False, DAY),
    at(MaxHold(), LONG, "60000", True, DAY),
    at(MaxHold(), LONG, "60000", False, DAY - TICK),
    at(MaxHold(), SHORT, "60000", True, DAY),
    at(MaxHold(), SHORT, "60000", False, DAY - TICK),
    *_trailing(),
    *_time_limits(),
    *_regime_changes(),
    *_rebalances(),
    *_invalidations(),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{type(c.rule).__name__}-{c.direction.value}-{c.fires}")
def test_a_rule_fires_at_its_border_and_just_does_not_before_it(case: Case) -> None:
    found = case.rule.check(case.position(), case.look())
    assert (found is not None) is case.fires
    if found:
        assert found.note
        assert found.reason is case.rule.reason


def test_every_rule_has_both_borders_on_both_sides() -> None:
    seen = {(type(case.rule), case.direction, case.fires) for case in CASES}
    assert seen == {(type(rule), d, fires) for rule in RULES for d in Direction for fires in (True, False)}


def test_the_rules_are_asked_in_the_order_of_the_playbooks() -> None:
    assert [rule.reason.value for rule in RULES] == [
        "stop loss",
        "take profit",
        "early exit",
        "force exit",
        "trailing stop",
        "time limit",
        "maximum hold",
        "regime change",
        "portfolio rebalance",
        "thesis invalidated",
    ]


def a_held(direction: Direction = LONG, **changes: object) -> Position:
    return a_position(direction, plan=an_exit_plan(early_loss=D("0.01"), **changes))


@pytest.mark.parametrize(
    ("mark", "held", "reason"),
    [
        ("58500", EARLY, ExitReason.STOP_LOSS),  # also early
        ("57000", EARLY, ExitReason.STOP_LOSS),  # also early and forced
        ("59000", EARLY, ExitReason.EARLY_EXIT),
        ("59000", DAY, ExitReason.EARLY_EXIT),  # also held too long
        ("63000", DAY, ExitReason.TAKE_PROFIT),
        ("60001", DAY, ExitReason.MAX_HOLD),
    ],
)
def test_the_first_rule_that_fires_names_the_reason(mark: str, held: timedelta, reason: ExitReason) -> None:
    found = first_of(a_held(), a_look(mark, held=held))
    assert found
    assert found.reason is reason


def test_the_later_rules_give_way_to_the_earlier_ones() -> None:
    """All of these fire at once; one after the other is taken away."""
    entered = Entered(regime=Regime.TREND_UP, rsi=20.0)
    everything = replace(EVERYTHING, entered=entered, max_hold=timedelta(hours=4))
    memory = Memory(armed=True, best=D(61000))
    look = a_look("60100", held=DAY, outlook=Outlook(regime=Regime.CHOP, rsi=80.0), standing=stands(30000, 30000, 1))
    plans: list[tuple[ExitPlan, ExitReason]] = [(everything, ExitReason.TRAILING_STOP)]
    plans.append((replace(plans[-1][0], trailing=None), ExitReason.TIME_LIMIT))
    plans.append((replace(plans[-1][0], time_limits=None), ExitReason.MAX_HOLD))
    plans.append((replace(plans[-1][0], max_hold=None), ExitReason.REGIME_CHANGE))
    plans.append((replace(plans[-1][0], regime_change=False), ExitReason.REBALANCE))
    plans.append((replace(plans[-1][0], rebalance=None), ExitReason.INVALIDATION))
    for plan, reason in plans:
        found = first_of(a_position(plan=plan, memory=memory), look)
        assert found
        assert found.reason is reason
    assert first_of(a_position(plan=replace(plans[-1][0], invalidation=False)), look) is None


def test_a_gap_through_a_lost_stop_is_caught_by_the_second_line() -> None:
    far = a_position(protection=a_protection(stop="1"))
    found = first_of(far, a_look("57000"))
    assert found
    assert found.reason is ExitReason.FORCE_EXIT


def test_nothing_fires_on_a_quiet_market() -> None:
    assert first_of(a_held(), a_look(held=timedelta(hours=1))) is None


@pytest.mark.parametrize("kind", list(StopKind))
def test_a_stop_that_was_moved_has_another_name(kind: StopKind) -> None:
    moved = a_position(protection=a_protection(stop="60060.1"), memory=Memory(stop=kind))
    found = first_of(moved, a_look("60060.1"))
    assert found
    assert found.reason is MOVED[kind]
    assert first_of(moved, a_look("60060.2")) is None


BARE = ExitPlan(phase="base", take_profit=D("0.05"), stop_loss=D("0.025"))
ANYTHING = Outlook(regime=Regime.CHOP, rsi=99.0, macd=-9.0)


@pytest.mark.parametrize("rule", RULES[2:], ids=lambda rule: type(rule).__name__)
def test_a_rule_that_the_plan_does_not_have_is_silent_and_describes_nothing(rule: Rule) -> None:
    worst = replace(BARE, entered=Entered(regime=Regime.TREND_UP, rsi=1.0, macd=9.0))
    bare = a_position(plan=worst, memory=Memory(armed=True, best=D(62000)))
    look = a_look("50000", held=DAY * 99, outlook=ANYTHING, standing=stands(60000, 60000, 60000))
    assert rule.check(bare, look) is None
    assert rule.describe(bare) is None


@pytest.mark.parametrize("outlook", [NOTHING_KNOWN, Outlook(regime=Regime.CHOP)])
def test_where_the_market_is_not_known_the_other_rules_go_on(outlook: Outlook) -> None:
    plan = replace(EVERYTHING, time_limits=None, entered=Entered(rsi=20.0, macd=2.0))
    found = first_of(a_position(plan=plan), a_look(held=DAY, outlook=outlook))
    assert found
    assert found.reason is ExitReason.MAX_HOLD


def test_no_equity_left_allows_nothing_on_one_side() -> None:
    plan = replace(BARE, rebalance=EVERYTHING.rebalance)
    broke = replace(stands(1, 1, 1), equity=D(-5))
    found = first_of(a_position(plan=plan), a_look(standing=broke))
    assert found
    assert found.reason is ExitReason.REBALANCE
    flat = replace(stands(2, -1, -1), equity=D(-5))
    assert first_of(a_position(plan=plan), a_look(standing=flat)) is None


def test_how_a_position_stands_is_measured_at_its_mark() -> None:
    stand = Stand.of(a_position(SHORT), D(59400))
    assert (stand.id, stand.direction, stand.notional, stand.move) == (ME, SHORT, D(5940), D("0.01"))


def test_every_rule_says_its_number() -> None:
    plan = replace(EVERYTHING, entered=Entered(regime=Regime.TREND_UP))
    assert armed(a_position(plan=plan)) == (
        "stop loss at 58500",
        "take profit at 63000",
        "early exit from 3h 00m on below -1.00%",
        "force exit below -4.00%",
        "trailing stop, from +1.50% on: 2.00% behind it in a trend, 1.50% in a range, 1.00% in chop, 2.50% when "
        "volatile",
        "time limit 4h 00m in a trend, 2h 00m in a range, 1h 00m in chop, 30m when volatile",
        "maximum hold 24h 00m",
        "regime change from trend up to chop",
        "rebalance above 50% net on one side, with 3 or more positions",
        "thesis invalidated when RSI or MACD have turned",
        "break-even stop from +1.00% on",
        "close 25% at +2.00%",
        "close 50% at +4.00%",
    )


def test_what_has_happened_is_not_said_to_come() -> None:
    memory = Memory(armed=True, best=D(61500), partials=1, stop=StopKind.BREAK_EVEN)
    lines = armed(a_position(plan=EVERYTHING, protection=a_protection(stop="60060.1"), memory=memory))
    assert lines[0] == "break-even stop at 60060.1"
    assert lines[4].startswith("trailing stop, best mark 61500: 2.00% behind it")
    assert lines[-1] == "close 50% at +4.00%"
    assert not [line for line in lines if line.startswith(("break-even stop from", "close 25%", "regime change"))]


def test_a_position_from_before_says_what_it_said() -> None:
    assert armed(a_held()) == (
        "stop loss at 58500",
        "take profit at 63000",
        "early exit from 3h 00m on below -1.00%",
        "force exit below -4.00%",
        "maximum hold 24h 00m",
    )
    assert not needs_outlook(a_held().plan)


@pytest.mark.parametrize(
    "asks",
    [
        replace(BARE, trailing=EVERYTHING.trailing),
        replace(BARE, time_limits=EVERYTHING.time_limits),
        replace(BARE, regime_change=True),
        replace(BARE, invalidation=True),
    ],
)
def test_the_market_is_looked_at_where_a_rule_asks_for_it(asks: ExitPlan) -> None:
    assert needs_outlook(asks)


def test_the_exits_are_those_the_position_was_opened_with() -> None:
    """Exits come from the position's own plan: nothing else is asked."""
    patient = a_position(plan=an_exit_plan(max_hold=timedelta(hours=48)))
    assert first_of(patient, a_look(held=timedelta(hours=47))) is None


@pytest.mark.parametrize(
    ("span", "words"), [(timedelta(minutes=59, seconds=59), "59m"), (timedelta(hours=1), "1h 00m")]
)
def test_spans_in_words(span: timedelta, words: str) -> None:
    assert hours(span) == words
