"""What the database holds: dumb rows, one class a table. The desk's classes never appear here; `codec` goes between.

`at` and its like are desk time, except in the tables of the surface (outbox, confirmations, alert_prefs and those of
people and places) and of what models cost (exchanges, bodies), which live by the wall clock: two equal runs give the
same bytes everywhere else.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Dialect, Index, Integer, LargeBinary, Table, Text, UniqueConstraint, text
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from trading.model import require_utc


class DecimalText(TypeDecorator[Decimal]):
    """A Decimal as exact text. A float is refused: it has lost its last digit already."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        if not isinstance(value, Decimal) or not value.is_finite():
            raise TypeError(f"{value!r} is not a finite Decimal")
        return str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        return None if value is None else Decimal(value)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time as text of one width, "2026-01-05T10:00:00.000000Z": it sorts as time does."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        require_utc(value)
        return value.isoformat(timespec="microseconds")[:-6] + "Z"

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)


def _text(*, key: bool = False, index: bool = False, null: bool = False) -> Any:
    return Field(sa_type=Text, primary_key=key, index=index, nullable=null)


def _money(*, null: bool = False) -> Any:
    return Field(sa_type=DecimalText, nullable=null)


def _time(*, index: bool = False, null: bool = False) -> Any:
    return Field(sa_type=UtcDateTime, index=index, nullable=null)


def _number(*, key: bool = False) -> Any:
    return Field(sa_type=Integer, primary_key=key, sa_column_kwargs={"autoincrement": False} if key else {})


def _large() -> Any:
    return Field(sa_type=BigInteger)


_FOLLOWED = text("kind != 'DecisionMade'")
_THREADED = text("thread != ''")
_CRITICAL = text("critical")


class JournalRow(SQLModel, table=True):
    """One event. `hash` is over `prev` and the canonical bytes of the row, see journal.py."""

    __tablename__ = "journal"
    seq: int = _number(key=True)
    at: datetime = _time()
    kind: str = _text(index=True)
    symbol: str | None = _text(null=True)
    decision_id: str | None = _text(null=True)
    body: str = _text()
    prev: str = _text()
    hash: str = _text()
    # Of what followed from decisions; the decisions themselves, by far the most rows, have an index of their own.
    __table_args__ = (
        Index("ix_journal_decision_id", "decision_id", sqlite_where=_FOLLOWED, postgresql_where=_FOLLOWED),
    )


class ChainRow(SQLModel, table=True):
    """The head of the hash chain, one row: without it a cut-off end of the journal would not be missed."""

    __tablename__ = "chain"
    id: int = _number(key=True)
    seq: int = _number()
    hash: str = _text()


class DecisionRow(SQLModel, table=True):
    """The index of decisions; the record itself is the body of journal row `seq`."""

    __tablename__ = "decisions"
    id: str = _text(key=True)
    seq: int = _number()
    symbol: str = _text()
    at: datetime = _time(index=True)
    outcome: str = _text()
    action: str = _text()
    confidence: int = _number()
    __table_args__ = (
        UniqueConstraint("seq", name="uq_decisions_seq"),
        Index("ix_decisions_symbol", "symbol", "seq"),
        Index("ix_decisions_outcome", "outcome", "seq"),
    )


class OrderRow(SQLModel, table=True):
    """`protection` and `plan` are JSON: what an entry's position will be guarded by."""

    __tablename__ = "orders"
    client_id: str = _text(key=True)
    decision_id: str = _text(index=True)
    leg: str = _text()
    symbol: str = _text()
    side: str = _text()
    kind: str = _text()
    quantity: Decimal = _money()
    created_at: datetime = _time()
    price: Decimal | None = _money(null=True)
    trigger: Decimal | None = _money(null=True)
    reduce_only: bool
    leverage: int = _number()
    expected: Decimal | None = _money(null=True)
    status: str = _text(index=True)
    filled: Decimal = _money()
    changed_at: datetime | None = _time(null=True)
    note: str = _text()
    protection: str | None = _text(null=True)
    plan: str | None = _text(null=True)


class FillRow(SQLModel, table=True):
    __tablename__ = "fills"
    id: str = _text(key=True)
    client_id: str = _text()
    symbol: str = _text()
    side: str = _text()
    quantity: Decimal = _money()
    price: Decimal = _money()
    fee: Decimal = _money()
    at: datetime = _time()
    maker: bool
    liquidation: bool
    decision_id: str = _text(index=True)
    seq: int = _number()


class FundingRow(SQLModel, table=True):
    __tablename__ = "funding"
    id: str = _text(key=True)
    symbol: str = _text()
    at: datetime = _time()
    rate: Decimal = _money()
    amount: Decimal = _money()
    position_id: str = _text(index=True)
    seq: int = _number()


class PositionRow(SQLModel, table=True):
    """Open positions only. `plan`, `protection`, `memory` and `moving` are JSON."""

    __tablename__ = "positions"
    id: str = _text(key=True)
    symbol: str = _text()
    direction: str = _text()
    quantity: Decimal = _money()
    cost: Decimal = _money()
    leverage: int = _number()
    opened_at: datetime = _time()
    plan: str = _text()
    protection: str = _text()
    playbook: str = _text()
    entry_quantity: Decimal = _money()
    entry_cost: Decimal = _money()
    exit_quantity: Decimal = _money()
    exit_value: Decimal = _money()
    fees: Decimal = _money()
    funding: Decimal = _money()
    guard: str = _text()
    guard_since: datetime | None = _time(null=True)
    closing: str | None = _text(null=True)
    closing_note: str = _text()
    closes: int = _number()
    memory: str = _text()
    moving: str | None = _text(null=True)


class TradeRow(SQLModel, table=True):
    """Closed round trips. `seq` is the journal's head when it was closed: the order in which trades ended."""

    __tablename__ = "trades"
    id: str = _text(key=True)
    symbol: str = _text()
    direction: str = _text()
    quantity: Decimal = _money()
    entry: Decimal = _money()
    exit: Decimal = _money()
    opened_at: datetime = _time()
    closed_at: datetime = _time(index=True)
    gross: Decimal = _money()
    fees: Decimal = _money()
    funding: Decimal = _money()
    r: Decimal = _money()
    reason: str = _text()
    note: str = _text()
    playbook: str = _text()
    leverage: int = _number()
    seq: int = _number()
    __table_args__ = (Index("ix_trades_seq", "seq", "id"),)


class DeskRow(SQLModel, table=True):
    """The desk's own few facts, one row. From `tags` on it is JSON, but for the two counts."""

    __tablename__ = "desk"
    desk: str = _text(key=True)
    playbook: str = _text()
    start_equity: Decimal = _money()
    realised: Decimal = _money()
    trading: str = _text()
    halted_by: str = _text()
    halt_reason: str = _text()
    halted_at: datetime | None = _time(null=True)
    phase: str | None = _text(null=True)
    market_at: datetime | None = _time(null=True)
    last_fill: str = _text()
    last_funding: str = _text()
    day: datetime | None = _time(null=True)
    day_equity: Decimal = _money()
    waits_since: datetime | None = _time(null=True)
    tags: str = _text()
    breaker: str = _text()
    samples: str = _text()
    evidence: str = _text()
    rounds: int = _number()
    rounds_at: datetime | None = _time(null=True)
    health: str | None = _text(null=True)
    shadow: str = _text()
    overrides: str = _text()
    amendments: str = _text()
    version: int = _number()
    beside: str = _text()
    locks: str = _text()
    flattened_at: datetime | None = _time(null=True)
    summed: str = _text()
    calls: str = _text()
    attendance: str = _text()
    judged: str = _text()
    weighed: str | None = _text(null=True)
    live_by: str = _text()
    live_at: datetime | None = _time(null=True)


class OutboxRow(SQLModel, table=True):
    """One event on its way to one destination. Wall time.

    `thread`: the decision it belongs to, so that a trade's messages answer one another. `bundle`: the rows of one are
    held, and told together as one card; "digest" at the hour that its reader wishes, others at `next_try_at`.
    `critical`: told on the other platform too when this one does not take it in time; there it has `instead_of`.
    """

    __tablename__ = "outbox"
    id: int | None = Field(default=None, sa_type=Integer, primary_key=True)
    seq: int = _number()
    destination: str = _text()
    lane: int = _number()
    silent: bool
    state: str = _text()
    attempts: int = _number()
    queued_at: datetime = _time()
    next_try_at: datetime = _time()
    sent_at: datetime | None = _time(null=True)
    reference: str = _text()
    error: str = _text()
    thread: str = _text()
    bundle: str = _text()
    critical: bool
    instead_of: str = _text()
    __table_args__ = (
        UniqueConstraint("seq", "destination", name="uq_outbox_seq_destination"),
        Index("ix_outbox_queue", "state", "destination", "lane", "id"),
        Index("ix_outbox_critical", "state", "queued_at", sqlite_where=_CRITICAL, postgresql_where=_CRITICAL),
        Index("ix_outbox_thread", "thread", "destination", sqlite_where=_THREADED, postgresql_where=_THREADED),
    )


class ConfirmationRow(SQLModel, table=True):
    """A question that waits for one answer. Wall time. `outcome` is "confirmed" or "cancelled" once used.

    `owner`: the person who was asked; with `others`, the one person who may not answer. `code`: what has to be typed
    with it. `quoted`: mark and size as they were shown. `destination` and `reference`: where it stands, so that it can
    be greyed out when it is over; `greyed`: that has been done.
    """

    __tablename__ = "confirmations"
    token: str = _text(key=True)
    owner: str = _text()
    place: str = _text()
    command: str = _text()
    summary: str = _text()
    asked_at: datetime = _time()
    expires_at: datetime = _time()
    used_at: datetime | None = _time(null=True)
    used_by: str = _text()
    outcome: str = _text()
    code: str = _text()
    quoted: str = _text()
    others: bool
    destination: str = _text()
    reference: str = _text()
    greyed: bool


class AlertPrefRow(SQLModel, table=True):
    __tablename__ = "alert_prefs"
    destination: str = _text(key=True)
    kind: str = _text(key=True)
    mode: str = _text()


class PersonRow(SQLModel, table=True):
    """Who may use the desk. `source`: "environment" (only the environment can remove him) or "chat". Wall time."""

    __tablename__ = "people"
    id: str = _text(key=True)
    name: str = _text()
    role: int = _number()
    source: str = _text()
    added_by: str = _text()
    added_at: datetime = _time()


class AccountRow(SQLModel, table=True):
    """One of a person's accounts: "telegram:7", "discord:123". Wall time."""

    __tablename__ = "accounts"
    key: str = _text(key=True)
    person: str = _text(index=True)
    added_at: datetime = _time()


class WishRow(SQLModel, table=True):
    """How somebody, or a shared place, wants things told: zone, quiet hours, ... Wall time."""

    __tablename__ = "wishes"
    owner: str = _text(key=True)
    wish: str = _text(key=True)
    value: str = _text()
    by: str = _text()
    at: datetime = _time()


class DestinationRow(SQLModel, table=True):
    """Places that were told in the chat to be, or not to be, a destination of alerts. Wall time."""

    __tablename__ = "destinations"
    destination: str = _text(key=True)
    active: bool
    by: str = _text()
    at: datetime = _time()


class StreamRow(SQLModel, table=True):
    """Where a stream of a destination's alerts goes: to a topic, a thread, another channel. Wall time."""

    __tablename__ = "streams"
    destination: str = _text(key=True)
    stream: str = _text(key=True)
    goes_to: str = _text()
    by: str = _text()
    at: datetime = _time()


class PinRow(SQLModel, table=True):
    """The status card of a destination: its message, and what it says. Wall time."""

    __tablename__ = "pins"
    destination: str = _text(key=True)
    reference: str = _text()
    body: str = _text()
    at: datetime = _time()


class PulseRow(SQLModel, table=True):
    """When the database was last found to take a write, one row. Wall time."""

    __tablename__ = "pulse"
    id: int = _number(key=True)
    at: datetime = _time()


class TallyRow(SQLModel, table=True):
    """Running exact sums over closed trades, kept up with each of them. Desk time.

    `dimension` and `key`: ("all", ""), ("pair", "BTC"), ("exit", "take profit"), ("playbook", "desk"),
    ("persona", "flow with"), ... `day`: the UTC day of closing "2026-01-05", or "" for all days.
    """

    __tablename__ = "tallies"
    dimension: str = _text(key=True)
    key: str = _text(key=True)
    day: str = _text(key=True)
    trades: int = _number()
    wins: int = _number()
    gross: Decimal = _money()
    fees: Decimal = _money()
    funding: Decimal = _money()
    won: Decimal = _money()
    lost: Decimal = _money()
    r: Decimal = _money()


class CurveRow(SQLModel, table=True):
    """Equity by closed trades over one UTC day that closed any. Desk time.

    `high` to `fall_until` are within the day, so that days can be joined to any window, see trading/performance.py;
    `peak` to `ever_until` are from the desk's beginning until the end of the day. A high is dated by the last time it
    was reached, a low by the first; neither is below zero. A fall is a fraction of its peak; all of it is null where
    equity did not fall.
    """

    __tablename__ = "curve"
    day: str = _text(key=True)
    opened_at: datetime = _time()  # of the trade that closed first
    equity: Decimal = _money()  # after the last one
    high: Decimal = _money()
    high_at: datetime = _time()
    low: Decimal = _money()
    low_at: datetime = _time()
    fall_fraction: Decimal | None = _money(null=True)
    fall_peak: Decimal | None = _money(null=True)
    fall_low: Decimal | None = _money(null=True)
    fall_since: datetime | None = _time(null=True)
    fall_until: datetime | None = _time(null=True)
    peak: Decimal = _money()
    peak_at: datetime = _time()
    bottom: Decimal = _money()
    bottom_at: datetime = _time()
    ever_fraction: Decimal | None = _money(null=True)
    ever_peak: Decimal | None = _money(null=True)
    ever_low: Decimal | None = _money(null=True)
    ever_since: datetime | None = _time(null=True)
    ever_until: datetime | None = _time(null=True)


class ExchangeRow(SQLModel, table=True):
    """One request to a provider, written before it leaves. Wall time.

    `cost`: what it may come to, until it is settled. `lack`: "" for an answer. `request` and `response` are keys
    of `bodies`, whose rows may be gone already.
    """

    __tablename__ = "exchanges"
    id: int | None = Field(default=None, sa_type=Integer, primary_key=True)
    at: datetime = _time(index=True)
    about: str = _text()
    purpose: str = _text()
    provider: str = _text()
    requested: str = _text()
    returned: str = _text()
    lack: str = _text()
    reason: str = _text()
    prompt: str = _text()
    prompt_hash: str = _text()
    request: str = _text()
    response: str = _text()
    status: int = _number()
    latency_ms: int = _number()
    tokens_in: int = _number()
    tokens_out: int = _number()
    searches: int = _number()
    cost: Decimal = _money()
    basis: str = _text()
    settled: bool


class BodyRow(SQLModel, table=True):
    """Bytes that crossed a wire, compressed, under the hash of what they were. Wall time."""

    __tablename__ = "bodies"
    sha: str = _text(key=True)
    data: bytes = Field(sa_type=LargeBinary)
    size: int = _number()  # before it was compressed
    at: datetime = _time(index=True)


class ScoreRow(SQLModel, table=True):
    """Running exact sums over scored calls, kept up with each of them.

    `version`: the definition of the label; `place`: of the bin of confidence, from 0. `stated`: sum of confidences in
    millionths, `squares`: sum of their squared errors in millionths squared.
    """

    __tablename__ = "scores"
    version: str = _text(key=True)
    persona: str = _text(key=True)
    model: str = _text(key=True)
    place: int = _number(key=True)
    n: int = _large()
    right: int = _large()
    stated: int = _large()
    squares: int = _large()


class ChainCacheRow(SQLModel, table=True):
    """What the chain's provider has answered, so that it is not asked again within its lifetime. Wall time."""

    __tablename__ = "chain_cache"
    key: str = _text(key=True)
    at: datetime = _time()
    body: str = _text()


class AiLogRow(SQLModel, table=True):
    """An entry of an exchange's AI log, written with the events it is about, before an order leaves. Wall time.

    `state`: "held" until it is known whether the exchange has the order, "pending", "sent", "refused" by the exchange
    for good, or "void": the order never came to be. `lookup`, `client_id`, `fill`: how the exchange's own id of the
    order is found; `order_id`: that id. `body` is JSON.
    """

    __tablename__ = "ai_log"
    id: int | None = Field(default=None, sa_type=Integer, primary_key=True)
    key: str = _text()
    at: datetime = _time()
    state: str = _text()
    symbol: str = _text()
    decision: str = _text(index=True)
    lookup: str = _text()
    client_id: str = _text()
    fill: str = _text()
    body: str = _text()
    order_id: str = _text()
    note: str = _text()  # why it was refused, or is void
    done_at: datetime | None = _time(null=True)
    __table_args__ = (UniqueConstraint("key", name="uq_ai_log_key"), Index("ix_ai_log_state", "state", "id"))


METADATA = SQLModel.metadata
JOURNAL: Table = METADATA.tables["journal"]
CHAIN: Table = METADATA.tables["chain"]
DECISIONS: Table = METADATA.tables["decisions"]
ORDERS: Table = METADATA.tables["orders"]
FILLS: Table = METADATA.tables["fills"]
FUNDING: Table = METADATA.tables["funding"]
POSITIONS: Table = METADATA.tables["positions"]
TRADES: Table = METADATA.tables["trades"]
DESK: Table = METADATA.tables["desk"]
OUTBOX: Table = METADATA.tables["outbox"]
CONFIRMATIONS: Table = METADATA.tables["confirmations"]
ALERT_PREFS: Table = METADATA.tables["alert_prefs"]
PEOPLE: Table = METADATA.tables["people"]
ACCOUNTS: Table = METADATA.tables["accounts"]
WISHES: Table = METADATA.tables["wishes"]
DESTINATIONS: Table = METADATA.tables["destinations"]
STREAMS: Table = METADATA.tables["streams"]
PINS: Table = METADATA.tables["pins"]
PULSE: Table = METADATA.tables["pulse"]
TALLIES: Table = METADATA.tables["tallies"]
CURVE: Table = METADATA.tables["curve"]
EXCHANGES: Table = METADATA.tables["exchanges"]
BODIES: Table = METADATA.tables["bodies"]
SCORES: Table = METADATA.tables["scores"]
CHAIN_CACHE: Table = METADATA.tables["chain_cache"]
AI_LOG: Table = METADATA.tables["ai_log"]
