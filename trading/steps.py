"""What to do with a position at one look: leave it, close a part of it, move its stop, or nothing. Pure.

First `remember`, and keep what it says with the position; then `next_step`, until it is None or an Exit:

    position = replace(position, memory=remember(position, look))
    while (step := next_step(position, look)) is not None: ...  # Exit | StopMove | Reduce

A StopMove that was carried out is `stop_moved(position, move)`. A Reduce counts its steps with the very intent:
`replace(position, memory=counted(position, reduce))`; the quantity goes with the fill (ledger.reduced). A stop is only
moved while position.guard is CONFIRMED and no move is under way: a paper position is built with that guard.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from trading.exit_plan import Memory, StopKind, StopMove
from trading.exits import Exit, Look, first_of, is_against, regime_words, trailing_level
from trading.model import ZERO, Guard, Instrument, Position

TRIES = 20  # orders for parts that may be lost on the way, per position, before their steps are passed over


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduce:
    """Close a part. Several steps that are reached at once are one order."""

    step: int  # the last step of the plan that it takes, from 0
    quantity: Decimal  # on the step of the instrument, never more than is open
    note: str


Step = Exit | StopMove | Reduce


def remember(position: Position, look: Look) -> Memory:
    """What the exits know after this look: whether the trailing stop is armed, and the best mark since."""
    memory, plan, move = position.memory, position.plan, position.move(look.mark)
    if memory.refused is not None and plan.break_even is not None and move < plan.break_even:
        memory = replace(memory, refused=None)  # when the move is reached anew, the stop is asked for anew
    if plan.trailing is None:
        return memory
    if memory.best is None:
        return replace(memory, armed=True, best=look.mark) if move >= plan.trailing.arm else memory
    gained = (look.mark - memory.best) * position.direction.sign
    return replace(memory, best=look.mark) if gained >= plan.trailing.step * memory.best else memory


def next_step(position: Position, look: Look) -> Step | None:
    """What is due now, the most urgent first. Asked again after each step that was taken."""
    return first_of(position, look) or stop_move(position, look) or partial(position, look)


def stop_move(position: Position, look: Look) -> StopMove | None:
    """Where the stop should go: only ever in favour, and never to where the mark has been already."""
    if position.guard is not Guard.CONFIRMED or position.moving is not None:
        return None
    sign = position.direction.sign
    moves = [move for move in (_break_even(position, look), _trail(position, look)) if move is not None]
    best = max(moves, key=lambda move: move.level * sign, default=None)
    if best is None or best.level == position.memory.refused:
        return None
    better = (best.level - position.protection.stop) * sign > 0
    return best if better and not is_against(position, best.level, look.mark) else None


def stop_moved(position: Position, move: StopMove) -> Position:
    """The position once its stop stands at the new level."""
    memory = position.memory
    first = position.protection.stop if memory.first_stop is None else memory.first_stop
    return replace(
        position,
        protection=replace(position.protection, stop=move.level),
        memory=replace(memory, stop=move.kind, first_stop=first, refused=None),
        moving=None,
    )


def partial(position: Position, look: Look) -> Reduce | None:
    """The steps of the plan that are reached and not taken yet. One that is too small to send is passed over."""
    move, taken = position.move(look.mark), position.memory.partials
    reached = [step for step in position.plan.partials[taken:] if move >= step.at]
    parts = [look.instrument.round_quantity(position.entry_quantity * step.share) for step in reached]
    quantity = min(sum((p for p in parts if p >= look.instrument.min_quantity), ZERO), position.quantity)
    if not quantity:
        return None
    shares = ", ".join(f"{step.share:.0%} at {step.at:+.2%}" for step in reached)
    return Reduce(step=taken + len(reached) - 1, quantity=quantity, note=f"{move:+.2%}: {shares}")


def counted(position: Position, reduce: Reduce) -> Memory:
    """The steps of a part that is about to be closed are taken."""
    return replace(position.memory, partials=reduce.step + 1, partials_before=position.memory.partials)


def untaken(position: Position) -> Position:
    """The last order for a part never reached the venue: its steps are due again, a bounded number of times."""
    memory = position.memory
    tries = memory.tries + 1
    if tries > TRIES:
        return position
    return replace(position, memory=replace(memory, partials=memory.partials_before, tries=tries))


def is_retry(memory: Memory) -> bool:
    return memory.tries > 0 and memory.partials == memory.partials_before


def break_even_level(position: Position, instrument: Instrument) -> Decimal:
    """The price at which a round trip nets zero after taker fees both ways, to the tick in its favour.

    Long: (exit - entry) = fee x (exit + entry), so exit = entry x (1 + fee) / (1 - fee); a short is its mirror image.
    """
    fee, sign = instrument.taker_fee, position.direction.sign
    entry = position.entry_cost / position.entry_quantity  # of all of it: a part that was closed does not shift it
    return instrument.round_trigger(entry * (1 + fee * sign) / (1 - fee * sign), up=sign > 0)


def _break_even(position: Position, look: Look) -> StopMove | None:
    due, move = position.plan.break_even, position.move(look.mark)
    if due is None or move < due:
        return None
    level = break_even_level(position, look.instrument)
    return StopMove(level=level, kind=StopKind.BREAK_EVEN, note=f"{move:+.2%}: from {level} on it costs nothing")


def _trail(position: Position, look: Look) -> StopMove | None:
    level = trailing_level(position, look)
    if level is None:
        return None
    note = f"behind a best of {position.memory.best}, {regime_words(look.outlook.regime)}"
    return StopMove(level=level, kind=StopKind.TRAILING, note=note)
