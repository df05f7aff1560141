"""What people type for a position or a decision, and which one it is."""

from bot.arguments import symbol_named
from bot.catalogue import BadArguments, nearest
from bot.reach import Context
from trading.decision import Decision
from trading.errors import Misuse
from trading.model import Symbol
from trading.playbook import Playbook
from trading.status import DeskStatus, PositionStatus


def position_named(status: DeskStatus, playbook: Playbook, word: str) -> PositionStatus:
    """By id, by its beginning, or by the pair's base where one position of it is open. Raises Misuse otherwise."""
    if not word:
        raise BadArguments("which position?")
    symbol = symbol_named(playbook, word)
    exact = [p for p in status.positions if p.position.id == word.lower()]
    if exact:
        return exact[0]
    if symbol is not None:
        found = [p for p in status.positions if p.position.symbol == symbol]
    else:
        found = [p for p in status.positions if p.position.id.startswith(word.lower())]
    if len(found) == 1:
        return found[0]
    ids = ", ".join(p.position.id for p in (found or status.positions))
    if found:
        raise Misuse(f"{word[:40]} names {len(found)} open positions: {ids}")
    raise Misuse(f"no open position {word[:40]}" + (f"; open: {ids}" if ids else "; none is open"))


async def _by_id(context: Context, word: str) -> Decision:
    try:
        found = await context.records.decision(word.lower())
    except LookupError as ambiguous:
        raise Misuse(f"{word[:40]} fits more than one decision: {ambiguous}") from ambiguous
    if found is None:
        close = nearest(word.lower(), [line.id for line in await context.records.decisions(50)])
        raise Misuse(f"no decision {word[:40]}" + (f"; did you mean {close}?" if close else ""))
    return found


async def _newest(context: Context, symbol: Symbol | None) -> Decision:
    lines = await context.records.decisions(1, symbol=symbol)
    if not lines:
        raise Misuse("no decision yet" if symbol is None else f"no decision about {symbol} yet")
    return await _by_id(context, lines[0].id)


async def decision_named(context: Context, word: str) -> Decision:
    """By id, by its beginning, "last", or a pair's base: its one open position's decision, or else its last."""
    if not word or word.lower() == "last":
        return await _newest(context, None)
    symbol = symbol_named(context.desk.playbook, word)
    if symbol is None:
        return await _by_id(context, word)
    held = [p.position.id for p in context.desk.status().positions if p.position.symbol == symbol]
    return await _by_id(context, held[0]) if len(held) == 1 else await _newest(context, symbol)
