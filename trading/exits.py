"""When to leave: one class a rule, asked in order on every look. Pure: values in, an Exit or None out.

The venue holds stop and target itself; for them the rules here are the second line, for the day when it does not. A
rule that a position's plan does not have is silent and describes nothing. What is less than leaving (a part closed,
the stop moved) is in steps.py, with the entry that both the watch and a shadow trade use: `remember`, then `next_step`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from trading.exit_plan import ExitPlan, Regime, StopKind, TimeLimits, Trailing
from trading.market.outlook import NOTHING_KNOWN, Outlook
from trading.model import ZERO, Direction, ExitReason, Instrument, Position, PositionId, Quote
from trading.risk.portfolio import heavy_side

OVERSOLD, OVERBOUGHT = 30.0, 70.0  # RSI: a thesis has turned when it has gone from the one to the other
CROSSED = 0.1  # MACD histogram in ATRs, beyond which it speaks for a side; the border of SIGMA's rule

MOVED: dict[StopKind, ExitReason] = {
    StopKind.LOSS: ExitReason.STOP_LOSS,
    StopKind.BREAK_EVEN: ExitReason.BREAK_EVEN,
    StopKind.TRAILING: ExitReason.TRAILING_STOP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """How one open position stands at its mark."""

    id: PositionId
    direction: Direction
    notional: Decimal  # quote units, never negative
    move: Decimal  # fraction, positive is profit

    @staticmethod
    def of(position: Position, mark: Decimal) -> "Stand":
        return Stand(
            id=position.id,
            direction=position.direction,
            notional=mark * position.quantity,
            move=position.move(mark),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that is open, at one moment."""

    equity: Decimal
    positions: tuple[Stand, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the exits of one position see at one moment."""

    quote: Quote
    now: datetime
    instrument: Instrument
    outlook: Outlook = NOTHING_KNOWN
    standing: Standing | None = None  # None: not known, or not asked for

    @property
    def mark(self) -> Decimal:
        return self.quote.mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    reason: ExitReason
    note: str  # the rule's numbers, in words


class Rule(Protocol):
    @property
    def reason(self) -> ExitReason: ...

    def check(self, position: Position, look: Look) -> Exit | None: ...

    def describe(self, position: Position) -> str | None:
        """The rule as it stands for this position: its number, in words. None: its plan does not have it."""
        ...


def needs_outlook(plan: ExitPlan) -> bool:
    """Whether anything in a plan asks what the market looks like."""
    return bool(plan.trailing or plan.time_limits or plan.regime_change or plan.invalidation)


def hours(span: timedelta) -> str:
    """timedelta(hours=3, minutes=20) -> "3h 20m"."""
    minutes = int(span.total_seconds()) // 60
    return f"{minutes // 60}h {minutes % 60:02d}m" if minutes >= 60 else f"{minutes}m"


def regime_words(regime: Regime | None) -> str:
    return "market unknown" if regime is None else f"market: {regime.value}"


def is_against(position: Position, level: Decimal, mark: Decimal) -> bool:
    """Whether the mark is at or beyond a level that lies against the position."""
    return mark <= level if position.direction is Direction.LONG else mark >= level


def trailing_level(position: Position, look: Look) -> Decimal | None:
    """Where the trailing stop stands now, on the tick, away from the market. None: it is not armed."""
    trailing, best = position.plan.trailing, position.memory.best
    if trailing is None or best is None or not position.memory.armed:
        return None
    exact = best * (1 - trailing.distance(look.outlook.regime) * position.direction.sign)
    return look.instrument.round_trigger(exact, up=position.direction is Direction.SHORT)


class StopLoss:
    """At the stop as it stands now: where it was moved, it has another name."""

    reason = ExitReason.STOP_LOSS

    def check(self, position: Position, look: Look) -> Exit | None:
        stop, kind = position.protection.stop, position.memory.stop
        if not is_against(position, stop, look.mark):
            return None
        name = "stop" if kind is StopKind.LOSS else kind.value
        return Exit(reason=MOVED[kind], note=f"mark {look.mark} reached the {name} {stop}")

    def describe(self, position: Position) -> str:
        return f"{position.memory.stop.value} at {position.protection.stop}"


class TakeProfit:
    reason = ExitReason.TAKE_PROFIT

    def check(self, position: Position, look: Look) -> Exit | None:
        target, long = position.protection.target, position.direction is Direction.LONG
        if look.mark < target if long else look.mark > target:
            return None
        return Exit(reason=self.reason, note=f"mark {look.mark} reached the target {target}")

    def describe(self, position: Position) -> str:
        return f"take profit at {position.protection.target}"


class EarlyExit:
    """A trade that is still losing after a while is not what was voted for."""

    reason = ExitReason.EARLY_EXIT

    def check(self, position: Position, look: Look) -> Exit | None:
        plan, move, held = position.plan, position.move(look.mark), look.now - position.opened_at
        if plan.early_after is None or plan.early_loss is None or held < plan.early_after or move >= -plan.early_loss:
            return None
        return Exit(
            reason=self.reason,
            note=f"{move:+.2%} after {hours(held)}; allowed {-plan.early_loss:+.2%} from {hours(plan.early_after)} on",
        )

    def describe(self, position: Position) -> str | None:
        after, loss = position.plan.early_after, position.plan.early_loss
        return None if after is None or loss is None else f"early exit from {hours(after)} on below {-loss:+.2%}"


class ForceExit:
    """At any time: the second line against gaps and missing stops."""

    reason = ExitReason.FORCE_EXIT

    def check(self, position: Position, look: Look) -> Exit | None:
        move, loss = position.move(look.mark), position.plan.force_loss
        if loss is None or move >= -loss:
            return None
        return Exit(reason=self.reason, note=f"{move:+.2%}; allowed {-loss:+.2%}")

    def describe(self, position: Position) -> str | None:
        loss = position.plan.force_loss
        return None if loss is None else f"force exit below {-loss:+.2%}"


class TrailingStop:
    """The second line of a stop that follows the best mark: the venue's own is moved to the same level."""

    reason = ExitReason.TRAILING_STOP

    def check(self, position: Position, look: Look) -> Exit | None:
        level = trailing_level(position, look)
        if level is None or not is_against(position, level, look.mark):
            return None
        return Exit(
            reason=self.reason, note=f"mark {look.mark} reached {level}, behind a best of {position.memory.best}"
        )

    def describe(self, position: Position) -> str | None:
        trailing = position.plan.trailing
        if trailing is None:
            return None
        best = position.memory.best
        since = f"best mark {best}" if best is not None else f"from {trailing.arm:+.2%} on"
        return f"trailing stop, {since}: {_distances(trailing)}"


class TimeLimit:
    reason = ExitReason.TIME_LIMIT

    def check(self, position: Position, look: Look) -> Exit | None:
        limits, held, regime = position.plan.time_limits, look.now - position.opened_at, look.outlook.regime
        if limits is None or held < limits.limit(regime):
            return None
        note = f"held {hours(held)} of {hours(limits.limit(regime))}, {regime_words(regime)}"
        return Exit(reason=self.reason, note=note)

    def describe(self, position: Position) -> str | None:
        limits = position.plan.time_limits
        return None if limits is None else f"time limit {_spans(limits)}"


class MaxHold:
    reason = ExitReason.MAX_HOLD

    def check(self, position: Position, look: Look) -> Exit | None:
        held, longest = look.now - position.opened_at, position.plan.max_hold
        if longest is None or held < longest:
            return None
        note = f"held {hours(held)} of {hours(longest)}, at {position.move(look.mark):+.2%}"
        return Exit(reason=self.reason, note=note)

    def describe(self, position: Position) -> str | None:
        longest = position.plan.max_hold
        return None if longest is None else f"maximum hold {hours(longest)}"


class RegimeChange:
    """What was entered in a trend has no business in chop."""

    reason = ExitReason.REGIME_CHANGE

    def check(self, position: Position, look: Look) -> Exit | None:
        entered = position.plan.entered.regime
        if not position.plan.regime_change or entered is None or not entered.trending:
            return None
        if look.outlook.regime is not Regime.CHOP:
            return None
        return Exit(reason=self.reason, note=f"entered in {entered.value}, now {Regime.CHOP.value}")

    def describe(self, position: Position) -> str | None:
        entered = position.plan.entered.regime
        if not position.plan.regime_change or entered is None or not entered.trending:
            return None
        return f"regime change from {entered.value} to {Regime.CHOP.value}"


class RebalanceBook:
    """Too much on one side: the weakest of that side goes."""

    reason = ExitReason.REBALANCE

    def check(self, position: Position, look: Look) -> Exit | None:
        rule, standing = position.plan.rebalance, look.standing
        if rule is None or standing is None:
            return None
        signed = [s.notional * s.direction.sign for s in standing.positions]
        side = heavy_side(signed, equity=standing.equity, rule=rule)
        heavy = [s for s in standing.positions if s.direction is side]
        if side is None or min(heavy, key=lambda s: (s.move, s.id)).id != position.id:
            return None
        net, limit = abs(sum(signed, ZERO)), rule.net * rule.budget * max(standing.equity, ZERO)
        note = f"net {side.value} {net:.2f}, allowed {limit:.2f}: the weakest of {len(heavy)}"
        return Exit(reason=self.reason, note=note)

    def describe(self, position: Position) -> str | None:
        rule = position.plan.rebalance
        if rule is None:
            return None
        return f"rebalance above {rule.net:.0%} net on one side, with {rule.positions} or more positions"


class Invalidation:
    """The evidence that opened the trade has turned against it."""

    reason = ExitReason.INVALIDATION

    def check(self, position: Position, look: Look) -> Exit | None:
        if not position.plan.invalidation:
            return None
        turned = _rsi_turned(position, look.outlook.rsi) or _macd_turned(position, look.outlook.macd)
        return Exit(reason=self.reason, note=turned) if turned else None

    def describe(self, position: Position) -> str | None:
        return "thesis invalidated when RSI or MACD have turned" if position.plan.invalidation else None


RULES: tuple[Rule, ...] = (
    StopLoss(),
    TakeProfit(),
    EarlyExit(),
    ForceExit(),
    TrailingStop(),
    TimeLimit(),
    MaxHold(),
    RegimeChange(),
    RebalanceBook(),
    Invalidation(),
)


def first_of(position: Position, look: Look) -> Exit | None:
    """The first rule that fires."""
    return next((exit_ for rule in RULES if (exit_ := rule.check(position, look))), None)


def armed(position: Position) -> tuple[str, ...]:
    """All that watches this position, with its number: the rules, the break-even stop, the steps still to come."""
    lines = [words for rule in RULES if (words := rule.describe(position)) is not None]
    plan, memory = position.plan, position.memory
    if plan.break_even is not None and memory.stop is StopKind.LOSS:
        lines.append(f"break-even stop from {plan.break_even:+.2%} on")
    return (*lines, *(f"close {p.share:.0%} at {p.at:+.2%}" for p in plan.partials[memory.partials :]))


def _distances(trailing: Trailing) -> str:
    return (
        f"{trailing.trend:.2%} behind it in a trend, {trailing.range:.2%} in a range, {trailing.chop:.2%} in chop, "
        f"{trailing.volatile:.2%} when volatile"
    )


def _spans(limits: TimeLimits) -> str:
    return (
        f"{hours(limits.trend)} in a trend, {hours(limits.range)} in a range, {hours(limits.chop)} in chop, "
        f"{hours(limits.volatile)} when volatile"
    )


def _rsi_turned(position: Position, now: float | None) -> str:
    then = position.plan.entered.rsi
    if then is None or now is None:
        return ""
    if position.direction is Direction.LONG:
        turned = then <= OVERSOLD and now >= OVERBOUGHT
    else:
        turned = then >= OVERBOUGHT and now <= OVERSOLD
    return f"RSI {then:.1f} at the entry, now {now:.1f}" if turned else ""


def _macd_turned(position: Position, now: float | None) -> str:
    then, sign = position.plan.entered.macd, position.direction.sign
    if then is None or now is None or then * sign <= CROSSED or now * sign >= -CROSSED:
        return ""
    return f"MACD histogram {then:+.2f} ATR at the entry, now {now:+.2f}"
