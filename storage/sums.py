"""The arithmetic of the running sums: what a closed trade adds to which of them. Pure, exact, and knows no table: the
migration that fills them for the first time uses it too."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal, Inexact
from typing import Any

import orjson

from trading.model import ZERO, Direction, Trade, base_of
from trading.performance import Stretch, at_once, joined

EXACT = Context(prec=200, traps=[Inexact])  # a sum that would have to be rounded raises
EVER = ""  # in the place of a day: all of them
FALL = ("fraction", "peak", "low", "since", "until")  # what there is to say of a fall
UNKNOWN = "unknown"  # the persona of a trade whose decision is not in the journal

Key = tuple[str, str]  # dimension, key
Said = Mapping[str, str]  # persona -> stance; "" for one that abstained


# --- what a trade adds --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A closed trade, as far as the sums go."""

    opened_at: datetime
    at: datetime  # of closing
    gross: Decimal
    fees: Decimal
    funding: Decimal
    r: Decimal
    keys: tuple[Key, ...]

    @property
    def day(self) -> str:
        return self.at.date().isoformat()

    @property
    def net(self) -> Decimal:
        return EXACT.add(EXACT.subtract(self.gross, self.fees), self.funding)


def closed(trade: Trade, said: Said | None) -> Closed:
    """`said`: by the decision that opened it; None: that is not in the journal."""
    return Closed(
        opened_at=trade.opened_at,
        at=trade.closed_at,
        gross=trade.gross,
        fees=trade.fees,
        funding=trade.funding,
        r=trade.r,
        keys=keys_of(trade.symbol, trade.direction, reason=trade.reason, playbook=trade.playbook, said=said),
    )


def keys_of(symbol: str, direction: str, *, reason: str, playbook: str, said: Said | None) -> tuple[Key, ...]:
    voices = [UNKNOWN] if said is None else [f"{name} {_relation(stance, direction)}" for name, stance in said.items()]
    return (
        ("all", ""),
        ("pair", base_of(symbol)),
        ("exit", str(reason)),
        ("playbook", playbook),
        *(("persona", voice) for voice in voices),
    )


def _relation(stance: str, direction: str) -> str:
    if not stance:
        return "abstained"
    return "neutral" if stance not in tuple(Direction) else "with" if stance == direction else "against"


def said_in(body: str) -> Said:
    """Who said what, of the record of a decision as the journal holds it."""
    opinions = orjson.loads(body)["decision"]["opinions"]
    return {opinion["persona"]: opinion.get("stance", "") for opinion in opinions}


# --- sums ---------------------------------------------------------------------------------------------------------


class Sum:
    """One running sum. Its fields are the columns of its row."""

    __slots__ = ("fees", "funding", "gross", "lost", "r", "trades", "wins", "won")

    def __init__(self) -> None:
        self.trades = self.wins = 0
        self.gross = self.fees = self.funding = self.won = self.lost = self.r = ZERO

    def add(self, trade: Closed) -> None:
        net = trade.net
        self.trades += 1
        self.gross = EXACT.add(self.gross, trade.gross)
        self.fees = EXACT.add(self.fees, trade.fees)
        self.funding = EXACT.add(self.funding, trade.funding)
        self.r = EXACT.add(self.r, trade.r)
        if net > 0:
            self.wins, self.won = self.wins + 1, EXACT.add(self.won, net)
        else:
            self.lost = EXACT.add(self.lost, net)

    def take(self, other: Any) -> None:
        """`other`: a sum, or a row of one."""
        self.trades, self.wins = self.trades + other.trades, self.wins + other.wins
        for name in ("gross", "fees", "funding", "won", "lost", "r"):
            setattr(self, name, EXACT.add(getattr(self, name), getattr(other, name)))

    def values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


Sums = dict[tuple[str, str, str], Sum]  # by dimension, key and day


def summed(trades: Iterable[Closed]) -> Sums:
    """By day, and over all days."""
    sums: Sums = {}
    for trade in trades:
        for dimension, key in trade.keys:
            sums.setdefault((dimension, key, trade.day), Sum()).add(trade)
    for (dimension, key, _), part in list(sums.items()):
        sums.setdefault((dimension, key, EVER), Sum()).take(part)
    return sums


def rows_of(sums: Sums) -> list[dict[str, Any]]:
    return [
        {"dimension": dimension, "key": key, "day": day, **each.values()}
        for (dimension, key, day), each in sums.items()
    ]


# --- the curve ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The equity of one day that closed a trade."""

    day: date
    opened_at: datetime  # of the trade that closed first
    equity: Decimal  # after the last one
    walked: Stretch  # within the day
    ever: Stretch  # from the desk's beginning until the end of the day

    def row(self) -> dict[str, Any]:
        w, e = self.walked, self.ever
        row = {"day": self.day.isoformat(), "opened_at": self.opened_at, "equity": self.equity}
        row |= {"high": w.high, "high_at": w.high_at, "low": w.low, "low_at": w.low_at, **_fall("fall", w)}
        return row | {"peak": e.high, "peak_at": e.high_at, "bottom": e.low, "bottom_at": e.low_at, **_fall("ever", e)}


def _fall(name: str, of: Stretch) -> dict[str, Any]:
    return {f"{name}_{part}": getattr(of.fall, part) if of.fall else None for part in FALL}


def days(trades: Iterable[Closed], start: Decimal, first: Day | None = None) -> Iterator[Day]:
    """Of trades in the order they closed, from an equity of `start` on, or from the middle of the day `first`."""
    today = first
    for trade in trades:
        equity = EXACT.add(start if today is None else today.equity, trade.net)
        point, day = at_once(equity, trade.at), trade.at.date()
        ever = joined(at_once(start, trade.opened_at) if today is None else today.ever, point)
        if today is not None and today.day == day:
            walked = joined(today.walked, point)
            today = Day(day=day, opened_at=today.opened_at, equity=equity, walked=walked, ever=ever)
        else:
            if today is not None:
                yield today
            today = Day(day=day, opened_at=trade.opened_at, equity=equity, walked=point, ever=ever)
    if today is not None:
        yield today
