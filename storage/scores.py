"""Running exact sums over scored calls, kept up in the transaction that scores each; and what they are for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import orjson
from sqlalchemy import BindParameter, Connection, Executable, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from storage.codec import from_json, from_row
from storage.tables import DECISIONS, DESK, JOURNAL, SCORES
from trading.calibration import LABEL, CalibrationRecord, Sums, added, in_one_bin, place, squared
from trading.calls import Attendance
from trading.decision import Stance
from trading.events import CallScored
from trading.experts import Trial, Weighed
from trading.state import DeskState

_BATCH = 500
_CALLS_EACH = 6  # calls that one decision makes at most, more or less: so many are read for a trial
_COLUMNS = tuple(column.name for column in SCORES.columns)
_ADDED = _COLUMNS[4:]
_ALL = select(SCORES)
_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_BODIES = (
    select(DECISIONS.c.id, JOURNAL.c.body)
    .join(JOURNAL, JOURNAL.c.seq == DECISIONS.c.seq)
    .where(DECISIONS.c.id.in_(_IDS))
)
_SIGNS = {stance.value: stance.sign for stance in Stance}

Key = tuple[str, str, str]  # version of the label, persona, model


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One persona and the model that answered for it; another model is another row."""

    persona: str
    model: str  # "" for rules
    version: str  # of the label
    sums: Sums
    attendance: Attendance


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What the desk has learned of voices. `weighed` None: it was not looked at yet."""

    judged: tuple[CalibrationRecord, ...]
    weighed: Weighed | None


# --- looking ------------------------------------------------------------------------------------------------------


def board(connection: Connection) -> list[Score]:
    """By persona and model; who was asked and has no scored call yet stands there too."""
    state = _state(connection)
    attended = {(row.persona, row.model): row for row in (state.attendance if state else ())}
    found: dict[Key, Sums] = {}
    for version, persona, model, at, *counts in connection.execute(_ALL):
        found[version, persona, model] = added((found.get((version, persona, model), Sums()), in_one_bin(at, *counts)))
    scored = {(persona, model) for _, persona, model in found}
    found |= {(LABEL, *who): Sums() for who in attended if who not in scored}
    return [
        Score(
            persona=persona,
            model=model,
            version=version,
            sums=sums,
            attendance=attended.get((persona, model)) or Attendance(persona=persona, model=model),
        )
        for (version, persona, model), sums in sorted(found.items(), key=lambda item: (item[0][1:], item[0][0]))
    ]


def learned(connection: Connection) -> Learned:
    state = _state(connection)
    return Learned(judged=state.judged if state else (), weighed=state.weighed if state else None)


def _state(connection: Connection) -> DeskState | None:
    row = connection.execute(select(DESK).limit(1)).mappings().one_or_none()
    return None if row is None else from_row(DeskState, row)


# --- keeping up ---------------------------------------------------------------------------------------------------


def keep(connection: Connection, scored: Sequence[CallScored]) -> None:
    """Count calls that this transaction writes down. Nothing is read: the database adds."""
    found: dict[tuple[str, str, str, int], list[int]] = {}
    for call in scored:
        counts = found.setdefault((call.version, call.persona, call.model, place(call.confidence)), [0, 0, 0, 0])
        for n, value in enumerate((1, call.right, call.confidence, squared(call.confidence, call.right))):
            counts[n] += value
    rows = [dict(zip(_COLUMNS, (*key, *counts), strict=True)) for key, counts in found.items()]
    connection.execute(_adding(connection.dialect.name), rows)


@cache
def _adding(dialect: str) -> Executable:
    """Insert rows, or add them to those with the same key."""
    new = (postgresql if dialect == "postgresql" else sqlite).insert(SCORES)
    sums = {name: SCORES.c[name] + new.excluded[name] for name in _ADDED}
    statement: Executable = new.on_conflict_do_update(index_elements=list(SCORES.primary_key), set_=sums)
    return statement


T = TypeVar("T")


def _parts(items: list[T]) -> Iterable[list[T]]:
    return (items[first : first + _BATCH] for first in range(0, len(items), _BATCH))


# --- decisions with a known outcome ---------------------------------------------------------------------------------


def trials(connection: Connection, n: int) -> list[Trial]:
    """The last `n` decisions of which a call was scored, oldest first."""
    last = select(JOURNAL.c.body).where(JOURNAL.c.kind == CallScored.__name__).order_by(JOURNAL.c.seq.desc())
    calls: dict[str, CallScored] = {}
    for body in connection.scalars(last.limit(n * _CALLS_EACH)):
        call = from_json(CallScored, body)
        calls.setdefault(call.decision_id, call)
    ids = list(calls)[:n]
    said: dict[str, tuple[tuple[str, int], ...]] = {}
    for part in _parts(ids):
        said.update((id, _said(body)) for id, body in connection.execute(_BODIES, {"ids": part}))
    return [_trial(calls[id], said[id]) for id in reversed(ids) if id in said]


def _trial(call: CallScored, said: tuple[tuple[str, int], ...]) -> Trial:
    return Trial(
        at=call.called_at,
        until=call.called_at + call.horizon,
        symbol=call.symbol,
        move=(call.then - call.price) / call.price,
        costs=call.costs,
        said=said,
    )


def _said(body: str) -> tuple[tuple[str, int], ...]:
    """Who took which side how surely, from the body of a DecisionMade."""
    opinions = orjson.loads(body)["decision"]["opinions"]
    taken = ((o["persona"], _SIGNS[o["stance"]] * o["confidence"]) for o in opinions if "stance" in o)
    return tuple((persona, conviction) for persona, conviction in taken if conviction)
