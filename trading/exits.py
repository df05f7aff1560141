"""When to leave: one class a rule, asked in order on every quote. Pure: values in, an Exit or None out.

The venue holds stop and target itself; here they are the second line, for the day when it does not.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from trading.model import Direction, ExitReason, Position, Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    reason: ExitReason
    note: str  # the rule's numbers, in words


class Rule(Protocol):
    def check(self, position: Position, quote: Quote, now: datetime) -> Exit | None: ...

    def describe(self, position: Position) -> str:
        """The rule as it stands for this position: its number, in words."""
        ...


def hours(span: timedelta) -> str:
    """timedelta(hours=3, minutes=20) -> "3h 20m"."""
    minutes = int(span.total_seconds()) // 60
    return f"{minutes // 60}h {minutes % 60:02d}m" if minutes >= 60 else f"{minutes}m"


def _beyond(position: Position, level: Decimal, mark: Decimal, *, against: bool) -> bool:
    """Whether the mark has reached a level that lies against (or in favour of) the position."""
    falling = (position.direction is Direction.LONG) == against
    return mark <= level if falling else mark >= level


class StopLoss:
    def check(self, position: Position, quote: Quote, now: datetime) -> Exit | None:  # noqa: ARG002 - one signature
        stop = position.protection.stop
        if not _beyond(position, stop, quote.mark, against=True):
            return None
        return Exit(reason=ExitReason.STOP_LOSS, note=f"mark {quote.mark} reached the stop {stop}")

    def describe(self, position: Position) -> str:
        return f"stop loss at {position.protection.stop}"


class TakeProfit:
    def check(self, position: Position, quote: Quote, now: datetime) -> Exit | None:  # noqa: ARG002
        target = position.protection.target
        if not _beyond(position, target, quote.mark, against=False):
            return None
        return Exit(reason=ExitReason.TAKE_PROFIT, note=f"mark {quote.mark} reached the target {target}")

    def describe(self, position: Position) -> str:
        return f"take profit at {position.protection.target}"


class EarlyExit:
    """A trade that is still losing after a while is not what was voted for."""

    def check(self, position: Position, quote: Quote, now: datetime) -> Exit | None:
        plan, move, held = position.plan, position.move(quote.mark), now - position.opened_at
        if held < plan.early_after or move >= -plan.early_loss:
            return None
        return Exit(
            reason=ExitReason.EARLY_EXIT,
            note=f"{move:+.2%} after {hours(held)}; allowed {-plan.early_loss:+.2%} from {hours(plan.early_after)} on",
        )

    def describe(self, position: Position) -> str:
        return f"early exit from {hours(position.plan.early_after)} on below {-position.plan.early_loss:+.2%}"


class ForceExit:
    """At any time: the second line against gaps and missing stops."""

    def check(self, position: Position, quote: Quote, now: datetime) -> Exit | None:  # noqa: ARG002
        move = position.move(quote.mark)
        if move >= -position.plan.force_loss:
            return None
        return Exit(reason=ExitReason.FORCE_EXIT, note=f"{move:+.2%}; allowed {-position.plan.force_loss:+.2%}")

    def describe(self, position: Position) -> str:
        return f"force exit below {-position.plan.force_loss:+.2%}"


class MaxHold:
    def check(self, position: Position, quote: Quote, now: datetime) -> Exit | None:
        held = now - position.opened_at
        if held < position.plan.max_hold:
            return None
        move = position.move(quote.mark)
        return Exit(
            reason=ExitReason.MAX_HOLD, note=f"held {hours(held)} of {hours(position.plan.max_hold)}, at {move:+.2%}"
        )

    def describe(self, position: Position) -> str:
        return f"maximum hold {hours(position.plan.max_hold)}"


RULES: tuple[Rule, ...] = (StopLoss(), TakeProfit(), EarlyExit(), ForceExit(), MaxHold())


def first_of(position: Position, quote: Quote, now: datetime) -> Exit | None:
    """The first rule that fires."""
    return next((exit_ for rule in RULES if (exit_ := rule.check(position, quote, now))), None)


def armed(position: Position) -> tuple[str, ...]:
    """Every rule that watches this position, with its number."""
    return tuple(rule.describe(position) for rule in RULES)
