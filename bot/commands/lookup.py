"""What people type for a position, a decision or a number, and what it means."""

import re
from collections.abc import Iterable
from datetime import timedelta

from bot.catalogue import BadArguments, Context, nearest
from trading.decision import Decision
from trading.errors import Misuse
from trading.model import Symbol
from trading.playbook import Playbook, span_text
from trading.status import DeskStatus, PositionStatus

_SECOND, _MINUTE, _HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), _SECOND),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), _MINUTE),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), _HOUR),
    **dict.fromkeys(("d", "day", "days"), 24 * _HOUR),
}


def count_in(text: str, *, default: int, most: int) -> int:
    """A whole number from 1 to `most`."""
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= most:
        raise BadArguments(f"{text[:20]!r} is not a number from 1 to {most}")
    return int(text)


def _bare(word: str) -> str:
    return re.sub(r"[\s_-]", "", word.lower())


def one_of(word: str, known: Iterable[str], what: str) -> str:
    """The one of `known` that is meant, whatever its case, spaces, dashes and underscores. Raises BadArguments with
    the nearest one."""
    names = list(known)
    same = [name for name in names if _bare(name) == _bare(word)]
    if len(same) == 1:
        return same[0]
    known_ones = f"known: {', '.join(names)}"
    if not word:
        raise BadArguments(f"which {what}? {known_ones}")
    lowered = {name.lower(): name for name in names}
    close = nearest(word.lower(), lowered)
    raise BadArguments(f"no {what} {word[:30]!r}; {f'did you mean {lowered[close]}?' if close else known_ones}")


def duration_in(text: str, *, most: timedelta) -> timedelta:
    """ "30m", "2h", "1h 30m", "90 minutes" -> how long. Raises BadArguments for none, and for more than `most`."""
    plain = text.lower().replace("and", " ")
    parts = re.findall(r"(\d{1,6})\s*([a-z]+)", plain)
    read = "".join(f"{count}{unit}" for count, unit in parts) == re.sub(r"[\s,]", "", plain)
    units = [_UNITS.get(unit) for _, unit in parts]
    if not parts or not read or None in units:
        raise BadArguments(f"{text[:20]!r} is not a time like 30m or 2h" if text else "for how long? 30m or 2h, say")
    total = sum((int(count) * unit for (count, _), unit in zip(parts, units, strict=True) if unit), timedelta(0))
    if not timedelta(0) < total <= most:
        raise BadArguments(f"{text[:20]} is not within {span_text(most)}")
    return total


def symbol_named(playbook: Playbook, word: str) -> Symbol | None:
    """ "btc", "BTC/USDT", "btcusdt" or the full symbol -> the symbol, where the playbook trades it."""
    head = word.upper().partition("/")[0].strip()
    bases = (head, head.removesuffix(playbook.quote).rstrip(" -_"))
    found = next((base for base in bases if base in playbook.universe), None)
    return Symbol(f"{found}/{playbook.quote}:{playbook.quote}") if found else None


def pair_named(playbook: Playbook, word: str) -> Symbol:
    """A pair of the playbook. Raises BadArguments with the nearest one."""
    found = symbol_named(playbook, word)
    return found or pair_named(playbook, one_of(word.upper(), playbook.universe, "pair"))


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
