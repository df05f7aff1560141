"""Which rows a list shows, newest first: each statement reads about as many as it shows, however many there are."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, CompoundSelect, Select, select, union_all

from storage.tables import DECISIONS, JOURNAL, TRADES
from trading.events import (
    AccessRefused,
    AlertsChanged,
    ApprovalAsked,
    CommandRun,
    PeopleChanged,
    PlaybookChanged,
    PlaybookWritten,
    SettingsChanged,
    ShadowDeskChanged,
    WishChanged,
)

Rows = Select[tuple[object, ...]]

JOURNAL_ROWS = select(JOURNAL.c.seq, JOURNAL.c.kind, JOURNAL.c.body, JOURNAL.c.hash)
AUDIT = (
    CommandRun,
    AccessRefused,
    PeopleChanged,
    WishChanged,
    AlertsChanged,
    SettingsChanged,
    PlaybookChanged,
    PlaybookWritten,
    ShadowDeskChanged,
    ApprovalAsked,
)


def last_decisions(n: int, symbol: str | None, outcomes: Collection[str] | None, *, skip: int) -> Rows:
    page = select(DECISIONS.c.seq).order_by(DECISIONS.c.seq.desc()).limit(n).offset(skip)
    if symbol is not None:
        page = page.where(DECISIONS.c.symbol == symbol)
    if outcomes is not None and symbol is None and len(outcomes) > 1:
        page = page.where(DECISIONS.c.seq.in_(_last_of(DECISIONS.c.outcome, outcomes, DECISIONS.c.seq, n + skip)))
    elif outcomes is not None:
        page = page.where(DECISIONS.c.outcome.in_(sorted(outcomes)))
    # Rows that are passed over stay in the index.
    return select(DECISIONS).where(DECISIONS.c.seq.in_(page)).order_by(DECISIONS.c.seq.desc())


def last_trades(n: int, since: datetime | None, until: datetime | None, *, skip: int) -> Rows:
    order = TRADES.c.seq.desc(), TRADES.c.id.desc()
    page = closed_in(select(TRADES.c.id), since, until).order_by(*order).limit(n).offset(skip)
    return select(TRADES).where(TRADES.c.id.in_(page)).order_by(*order)  # rows that are passed over stay in the index


def last_audited(n: int, *, skip: int) -> Rows:
    kinds = [kind.__name__ for kind in AUDIT]
    last = _last_of(JOURNAL.c.kind, kinds, JOURNAL.c.seq, n + skip)
    return JOURNAL_ROWS.where(JOURNAL.c.seq.in_(last)).order_by(JOURNAL.c.seq.desc()).limit(n).offset(skip)


def _last_of(
    column: ColumnElement[str], values: Collection[str], seq: ColumnElement[int], n: int
) -> CompoundSelect[tuple[int]]:
    """The last `n` of each value. Asked for together, the database would read and sort all that there are of any."""
    each = (select(seq).where(column == value).order_by(seq.desc()).limit(n).subquery() for value in sorted(values))
    return union_all(*(select(part.c.seq) for part in each))


def closed_in(found: Rows, since: datetime | None, until: datetime | None) -> Rows:
    if since is not None:
        found = found.where(TRADES.c.closed_at >= since)
    if until is not None:
        found = found.where(TRADES.c.closed_at < until)
    return found
