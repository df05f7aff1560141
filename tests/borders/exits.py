"""Exits, at entry 60,000 and with every rule of the house: what closes, what moves the stop, what closes a part."""

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.borders.row import Family, Row
from tests.builders import NOW, a_position, a_quote, an_instrument
from trading.exit_plan import NO_EVIDENCE, NOTHING_YET, Entered, Memory, Regime, StopKind, StopMove
from trading.exits import (
    EarlyExit,
    ForceExit,
    Invalidation,
    Look,
    MaxHold,
    RebalanceBook,
    RegimeChange,
    Stand,
    Standing,
    StopLoss,
    TakeProfit,
    TimeLimit,
    TrailingStop,
)
from trading.market.outlook import NOTHING_KNOWN, Outlook
from trading.model import Direction, ExitReason, Guard, Position, PositionId
from trading.playbook import load
from trading.steps import TRIES, break_even_level, is_retry, partial, remember, stop_move, untaken

D = Decimal
LONG, SHORT = Direction.LONG, Direction.SHORT
MICROSECOND = timedelta(microseconds=1)
HOUSE = load("desk").exits
# The house opens stops by ATR; here they stand at its outer bounds, 2.5 % and 5 %.
PLAN = HOUSE.plan(
    phase="base", stop_loss=D("0.025"), take_profit=D("0.05"), entered=NO_EVIDENCE, budget=D(10)
)  # fmt: skip
ME = PositionId("btc-aaaaaaaa")


@dataclass(frozen=True)
class At:
    """One look at a position: only what differs from a position that was just opened and stands at its entry."""

    mark: str = "60000"
    direction: Direction = LONG
    held: timedelta = timedelta(0)
    regime: Regime | None = None
    rsi: float | None = None
    macd: float | None = None
    entered: Entered = NO_EVIDENCE
    memory: Memory = NOTHING_YET
    standing: Standing | None = None
    position: Any = None  # changes of the position

    def open(self) -> Position:
        changes = self.position or {}
        return a_position(
            self.direction, **{"plan": replace(PLAN, entered=self.entered), "memory": self.memory, **changes}
        )

    def look(self) -> Look:
        outlook = Outlook(at=NOW, regime=self.regime, rsi=self.rsi, macd=self.macd)
        known = (self.regime, self.rsi, self.macd) != (None, None, None)
        return Look(
            quote=a_quote(self.mark), now=NOW + self.held, instrument=an_instrument(),
            outlook=outlook if known else NOTHING_KNOWN, standing=self.standing,
        )  # fmt: skip


# --- leaving --------------------------------------------------------------------------------------------------------


def fires(of: Any, at: At) -> bool:
    """The rule by itself: another may well come before it."""
    rule = of[0] if isinstance(of, tuple) else of
    return rule().check(at.open(), at.look()) is not None


def both(
    of: Any, border: str, long: tuple[str, str], short: tuple[str, str], setting: str = "", **at: Any
) -> list[Row]:
    """A long and a short: the mark at which it fires, and the tick before."""
    return [
        Row(of, f"{border}, {direction}", At(hit, direction, **at), At(miss, direction, **at), setting)
        for direction, (hit, miss) in ((LONG, long), (SHORT, short))
    ]


def since(of: Any, border: str, span: timedelta, setting: str, **at: Any) -> Row:
    return Row(of, border, At(held=span, **at), At(held=span - MICROSECOND, **at), setting)


HOUR = timedelta(hours=1)
BEST = {LONG: Memory(armed=True, best=D(61000)), SHORT: Memory(armed=True, best=D(59000))}


def trailing(regime: Regime | None, key: str, long: tuple[str, str], short: tuple[str, str]) -> list[Row]:
    """Behind a best of 61,000 for a long, 59,000 for a short."""
    return [
        Row(
            (TrailingStop, regime), f"{key}, {side}",
            At(hit, side, regime=regime, memory=BEST[side]), At(miss, side, regime=regime, memory=BEST[side]),
            f"exits.trailing.{key}",
        )
        for side, (hit, miss) in ((LONG, long), (SHORT, short))
    ]  # fmt: skip


def stands(*notionals: int | str, moves: tuple[str, ...] = ("-0.01", "0", "0.01"), equity: int = 10000) -> Standing:
    """Signed notionals; the first is the position that is looked at. 5 x equity is allowed net."""
    return Standing(
        equity=D(equity),
        positions=tuple(
            Stand(
                id=ME if n == 0 else PositionId(f"eth-{n}"), notional=abs(D(notional)), move=D(moves[n]),
                direction=LONG if D(notional) > 0 else SHORT,
            )
            for n, notional in enumerate(notionals)
        ),
    )  # fmt: skip


def turned(border: str, entered: Entered, now: dict[str, float], not_yet: dict[str, float], side: Direction) -> Row:
    return Row(
        Invalidation, f"{border}, {side}",
        At(direction=side, entered=entered, **now), At(direction=side, entered=entered, **not_yet),  # type: ignore[arg-type]
        "exits.invalidation",
    )  # fmt: skip


R = Regime
UP, DOWN, RANGE = Entered(regime=R.TREND_UP), Entered(regime=R.TREND_DOWN), Entered(regime=R.RANGE)
LEAVING = (
    *both(StopLoss, "the stop", ("58500", "58500.1"), ("61500", "61499.9"), "exits.stop_loss"),
    *both(TakeProfit, "the target", ("63000", "62999.9"), ("57000", "57000.1"), "exits.take_profit"),
    *both(EarlyExit, "losing more than 2.5 %", ("58499.9", "58500"), ("61500.1", "61500"), "exits.early_loss",
          held=3 * HOUR),
    since(EarlyExit, "after 3 h", 3 * HOUR, "exits.early_after", mark="58000"),
    *both(ForceExit, "losing more than 4 %", ("57599.9", "57600"), ("62400.1", "62400"), "exits.force_loss"),
    *trailing(R.TREND_UP, "trend", ("59780", "59780.1"), ("60180", "60179.9")),
    *trailing(R.TREND_DOWN, "trend", ("59780", "59780.1"), ("60180", "60179.9")),
    *trailing(R.RANGE, "range", ("60085", "60085.1"), ("59885", "59884.9")),
    *trailing(R.CHOP, "chop", ("60390", "60390.1"), ("59590", "59589.9")),
    *trailing(R.VOLATILE, "volatile", ("59475", "59475.1"), ("60475", "60474.9")),
    *trailing(None, "chop", ("60390", "60390.1"), ("59590", "59589.9")),  # not known: the narrowest
    Row((TrailingStop, R.CHOP), "only when it is armed", At("60390", regime=R.CHOP, memory=BEST[LONG]),
        At("60390", regime=R.CHOP, memory=Memory(best=D(61000)))),
    since((TimeLimit, R.TREND_UP), "trend", 4 * HOUR, "exits.time_limits.trend", regime=R.TREND_UP),
    since((TimeLimit, R.TREND_DOWN), "trend", 4 * HOUR, "exits.time_limits.trend", regime=R.TREND_DOWN),
    since((TimeLimit, R.RANGE), "range", 2 * HOUR, "exits.time_limits.range", regime=R.RANGE),
    since((TimeLimit, R.CHOP), "chop", HOUR, "exits.time_limits.chop", regime=R.CHOP),
    since((TimeLimit, R.VOLATILE), "volatile", HOUR / 2, "exits.time_limits.volatile", regime=R.VOLATILE),
    since((TimeLimit, None), "not known: the longest", 4 * HOUR, "exits.time_limits.trend"),
    since(MaxHold, "24 h", 24 * HOUR, "exits.max_hold"),
    Row(RegimeChange, "from a trend up to chop", At(entered=UP, regime=R.CHOP), At(entered=UP, regime=R.RANGE),
        "exits.regime_change"),
    Row(RegimeChange, "from a trend down to chop", At(entered=DOWN, regime=R.CHOP),
        At(entered=DOWN, regime=R.VOLATILE)),
    Row(RegimeChange, "entered in a trend", At(entered=UP, regime=R.CHOP), At(entered=RANGE, regime=R.CHOP)),
    Row(RegimeChange, "chop is known", At(entered=UP, regime=R.CHOP), At(entered=UP)),
    Row(RebalanceBook, "more than 50 % net", At(standing=stands("20000.1", 20000, 10000)),
        At(standing=stands(20000, 20000, 10000)), "exits.rebalance.net"),
    Row(RebalanceBook, "net: a short offsets", At(standing=stands("40000.1", 20000, -10000)),
        At(standing=stands(40000, 20000, -10000))),
    Row(RebalanceBook, "on the short side too", At(direction=SHORT, standing=stands("-20000.1", -20000, -10000)),
        At(direction=SHORT, standing=stands(-20000, -20000, -10000))),
    Row(RebalanceBook, "3 positions", At(standing=stands(30000, 20000, 10000)), At(standing=stands(30000, 30000)),
        "exits.rebalance.positions"),
    Row(RebalanceBook, "the weakest", At(standing=stands(30000, 20000, 10000, moves=("0", "0.000001", "0.1"))),
        At(standing=stands(30000, 20000, 10000, moves=("0.000001", "0", "0.1")))),
    Row(RebalanceBook, "the weakest of the heavy side",
        At(standing=stands(70000, 20000, -10000, moves=("0", "1", "-1"))),
        At(direction=SHORT, standing=stands(-10000, 70000, 20000))),
    turned("RSI from 30 to 70", Entered(rsi=30.0), {"rsi": 70.0}, {"rsi": 69.999999}, LONG),
    turned("RSI from 70 to 30", Entered(rsi=70.0), {"rsi": 30.0}, {"rsi": 30.000001}, SHORT),
    Row(Invalidation, "oversold at the entry", At(entered=Entered(rsi=30.0), rsi=70.0),
        At(entered=Entered(rsi=30.000001), rsi=70.0)),
    turned("MACD crossed", Entered(macd=0.11), {"macd": -0.100001}, {"macd": -0.1}, LONG),
    turned("MACD crossed", Entered(macd=-0.11), {"macd": 0.100001}, {"macd": 0.1}, SHORT),
    Row(Invalidation, "MACD for it at the entry", At(entered=Entered(macd=0.100001), macd=-0.2),
        At(entered=Entered(macd=0.1), macd=-0.2)),
)  # fmt: skip

STOPS = (
    Row(
        ExitReason.STOP_LOSS,
        "a stop that was not moved",
        At("58500"),
        At("58500", memory=Memory(stop=StopKind.TRAILING)),
    ),
    Row(
        ExitReason.BREAK_EVEN, "a stop at break-even", At("58500", memory=Memory(stop=StopKind.BREAK_EVEN)), At("58500")
    ),
    Row(
        ExitReason.TRAILING_STOP, "a stop that trails", At("58500", memory=Memory(stop=StopKind.TRAILING)), At("58500")
    ),
)


def has_reason(of: ExitReason, at: At) -> bool:
    found = StopLoss().check(at.open(), at.look())
    return found is not None and found.reason is of


# --- what the trailing stop remembers -------------------------------------------------------------------------------


def is_armed(of: str, at: At) -> bool:
    return remember(at.open(), at.look()).armed


def is_noted(of: str, at: At) -> bool:
    return remember(at.open(), at.look()).best == D(at.mark)


ARMING = tuple(both("armed", "a move of 1.5 %", ("60900", "60899.9"), ("59100", "59100.1"), "exits.trailing.arm"))
BESTS = (
    Row("best", "0.05 % beyond the best, long", At("61030.5", memory=BEST[LONG]), At("61030.4", memory=BEST[LONG]),
        "exits.trailing.step"),
    Row("best", "0.05 % beyond the best, short", At("58970.5", SHORT, memory=BEST[SHORT]),
        At("58970.6", SHORT, memory=BEST[SHORT]), "exits.trailing.step"),
)  # fmt: skip


# --- moving the stop ------------------------------------------------------------------------------------------------

NOT_TRAILING = replace(PLAN, trailing=None)
# Long: 60000 x 1.0005 / 0.9995; short: 60000 x 0.9995 / 1.0005; away from the entry to the tick.
LEVELS = {LONG: D("60060.1"), SHORT: D("59940")}


def moves(of: StopKind, at: At) -> bool:
    found = stop_move(at.open(), at.look())
    return found is not None and found.kind is of


def costs_nothing(of: StopKind, asked: tuple[Direction, Decimal]) -> bool:
    """Whether a round trip from 60,000 to this price pays for its fees."""
    side, price = asked
    entry, fee = D(60000), an_instrument().taker_fee
    assert break_even_level(a_position(side), an_instrument()) == LEVELS[side]
    return (price - entry) * side.sign - fee * (price + entry) >= 0


def stopped_at(side: Direction, level: str) -> dict[str, Any]:
    position = a_position(side)
    return {"plan": NOT_TRAILING, "protection": replace(position.protection, stop=D(level))}


MOVING = (
    *both(StopKind.BREAK_EVEN, "a move of 1 %", ("60600", "60599.9"), ("59400", "59400.1"), "exits.break_even"),
    Row(StopKind.BREAK_EVEN, "better than the stop, long", At("60600", position=stopped_at(LONG, "60060")),
        At("60600", position=stopped_at(LONG, "60060.1"))),
    Row(StopKind.BREAK_EVEN, "better than the stop, short", At("59400", SHORT, position=stopped_at(SHORT, "59940.1")),
        At("59400", SHORT, position=stopped_at(SHORT, "59940"))),
    Row(StopKind.BREAK_EVEN, "the guard is confirmed", At("60600"), At("60600", position={"guard": Guard.PENDING})),
    Row(StopKind.BREAK_EVEN, "no move is under way", At("60600"),
        At("60600", position={"moving": StopMove(level=D(60060), kind=StopKind.BREAK_EVEN, note="")})),
    Row(StopKind.TRAILING, "better than the stop", At("61000", memory=BEST[LONG], regime=R.CHOP,
        position={"protection": replace(a_position().protection, stop=D("60389.9"))}),
        At("61000", memory=BEST[LONG], regime=R.CHOP,
        position={"protection": replace(a_position().protection, stop=D(60390))})),
    Row(StopKind.TRAILING, "not where the mark has been", At("60390.1", memory=BEST[LONG], regime=R.CHOP),
        At("60390", memory=BEST[LONG], regime=R.CHOP)),
)  # fmt: skip
FEES = (
    Row(StopKind.BREAK_EVEN, "fees both ways, long", (LONG, LEVELS[LONG]), (LONG, LEVELS[LONG] - D("0.1"))),
    Row(StopKind.BREAK_EVEN, "fees both ways, short", (SHORT, LEVELS[SHORT]), (SHORT, LEVELS[SHORT] + D("0.1"))),
)


# --- closing a part -------------------------------------------------------------------------------------------------


def is_due(of: int, at: At) -> bool:
    """Whether this step of the plan is the last one that is reached."""
    found = partial(at.open(), at.look())
    return found is not None and found.step == of


def is_due_again(of: str, memory: Memory) -> bool:
    """After an order for the first step that never reached the venue."""
    found = untaken(a_position(memory=memory)).memory
    return found.partials == 0 and is_retry(found)


def is_one_more(of: str, memory: Memory) -> bool:
    return is_retry(memory)


def is_forgotten(of: str, at: At) -> bool:
    return remember(at.open(), at.look()).refused is None


def closes(of: str, asked: tuple[At, str]) -> bool:
    """Whether exactly this much is closed."""
    at, quantity = asked
    found = partial(at.open(), at.look())
    return found is not None and found.quantity == D(quantity)


TAKEN = Memory(partials=1)
DUST = {"quantity": D("0.003"), "cost": D(180), "entry_quantity": D("0.003"), "entry_cost": D(180)}
ENOUGH = {"quantity": D("0.004"), "cost": D(240), "entry_quantity": D("0.004"), "entry_cost": D(240)}
LEFT = {"quantity": D("0.049"), "cost": D(2940)}
PARTS = (
    *both(0, "a move of 2 %", ("61200", "61199.9"), ("58800", "58800.1"), "exits.partials"),
    *both(1, "a move of 4 %", ("62400", "62399.9"), ("57600", "57600.1"), "exits.partials"),
    Row(0, "once", At("61200"), At("61200", memory=TAKEN)),
    Row(0, "too small to send", At("61200", position=ENOUGH), At("61200", position=DUST)),
)  # fmt: skip
SHARES = (
    Row("share", "25 % of what was entered", (At("61200"), "0.025"), (At("61200"), "0.026"), "exits.partials"),
    Row("share", "50 % of what was entered", (At("62400", memory=TAKEN), "0.05"), (At("62400", memory=TAKEN), "0.051"),
        "exits.partials"),
    Row("share", "both at once", (At("62400"), "0.075"), (At("62400"), "0.05")),
    Row("share", "never more than is open", (At("62400", memory=TAKEN, position=LEFT), "0.049"),
        (At("62400", memory=TAKEN, position=LEFT), "0.05")),
    Row("share", "down to the step", (At("61200", position=ENOUGH | {"entry_quantity": D("0.007")}), "0.001"),
        (At("61200", position=ENOUGH | {"entry_quantity": D("0.008")}), "0.001")),
)  # fmt: skip

TRIED = (
    Row("tries", "20 lost orders", Memory(partials=1, tries=TRIES - 1), Memory(partials=1, tries=TRIES)),
)  # fmt: skip
RETRIED = (Row("tries", "one was lost", Memory(tries=1), Memory()),)
REFUSED = Memory(refused=D("60060.1"))
FORGOTTEN = (Row("refused", "the move is under 1 % again", At("60599.9", memory=REFUSED), At("60600", memory=REFUSED)),)

FAMILIES = (
    Family("exit", fires, LEAVING),
    Family("stop's name", has_reason, STOPS),
    Family("arming", is_armed, ARMING),
    Family("best mark", is_noted, BESTS),
    Family("stop move", moves, MOVING),
    Family("break-even", costs_nothing, FEES),
    Family("partial", is_due, PARTS),
    Family("part", closes, SHARES),
    Family("part lost", is_due_again, TRIED),
    Family("part retried", is_one_more, RETRIED),
    Family("stop refused", is_forgotten, FORGOTTEN),
)
