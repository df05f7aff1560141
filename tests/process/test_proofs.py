"""The proofs find what they are for: real records, each spoilt in one way."""

import copy
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.process import program, proofs
from tests.process.records import CONSOLE, Chain, Records, read
from tests.process.test_cli import stop, trade_until
from trading.events import Event, OrderEnded, OrderFilled, OrderIntended, ProtectionConfirmed, TradeClosed
from trading.model import ClientId, Guard, Leg, OrderStatus


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """A desk that has closed trades and holds positions."""
    place = tmp_path_factory.mktemp("proofs")
    (place / "busy.toml").write_text(program.BUSY)
    process = program.start("demo", "--playbook", "busy.toml", "--speed", "2000", "--data-dir", "d", cwd=place)
    try:
        trade_until(process, place, "long won")
        trade_until(process, place, "protected")
        stop(process, signal.SIGTERM)
    finally:
        process.kill()
    records = read(place / "d")
    assert proofs.faults(records, stopped=True) == []
    assert Chain().faults(place / "d") == []
    assert records.positions
    return records


def _without(kind: type[Event]) -> Callable[[Records], None]:
    """Takes the last event of a kind away."""

    def spoil(records: Records) -> None:
        index = max(n for n, (_, event) in enumerate(records.events) if isinstance(event, kind))
        del records.events[index]

    return spoil


def _twice(kind: type[Event]) -> Callable[[Records], None]:
    def spoil(records: Records) -> None:
        records.events.append(next((seq, event) for seq, event in records.events if isinstance(event, kind)))

    return spoil


def _a_second_entry(records: Records) -> None:
    """As a blind retry would do: the same decision under another id, and its fill."""
    account = records.account
    ticket = next(t for t in account.orders.values() if t.order.leg is Leg.ENTRY)
    id = ClientId("gv-again")
    account.orders[id] = replace(ticket, order=replace(ticket.order, client_id=id))


def _a_doubled_close(records: Records) -> None:
    """As a close without reduce-only would do."""
    fills = records.account.fills
    legs = [records.account.orders[fill.client_id].order.leg for fill in fills]
    first = next(n for n, leg in enumerate(legs) if leg in (Leg.CLOSE, Leg.STOP, Leg.TARGET))
    fills.insert(first + 1, replace(fills[first], id="999999999999"))


def _a_fill_changed(records: Records) -> None:
    fills = records.account.fills
    fills[0] = replace(fills[0], fee=fills[0].fee + Decimal("0.00000001"))


def _a_guard_cancelled(records: Records) -> None:
    id = records.positions[0].protection.stop_id
    ticket = records.account.orders[id]
    records.account.orders[id] = replace(ticket, order=replace(ticket.order, status=OrderStatus.CANCELLED))


def _told_out_of_order(records: Records) -> None:
    lanes = {mail.key: mail.lane for mail in records.mail}
    fast = [n for n, key in enumerate(records.told) if lanes[key] == 2]
    records.told[fast[0]], records.told[fast[1]] = records.told[fast[1]], records.told[fast[0]]


def _an_outbox_row_gone(records: Records) -> None:
    records.mail.remove(next(mail for mail in records.mail if mail.key == records.told[-1]))


def _an_alert_left(records: Records) -> None:
    records.mail[-1] = replace(records.mail[-1], state="pending")


def _a_hair_more(records: Records) -> None:
    assert records.account.wallet is not None
    records.account.wallet += Decimal("0.00000001")


def _unconfirmed(records: Records) -> None:
    records.positions[0] = replace(records.positions[0], guard=Guard.PENDING)


def _unprotected(records: Records) -> None:
    id = records.of(TradeClosed)[0].trade.id
    confirmed = ((n, event) for n, (_, event) in enumerate(records.events) if isinstance(event, ProtectionConfirmed))
    del records.events[next(n for n, event in confirmed if event.position.id == id)]


SPOILT: list[tuple[Callable[[Records], None], proofs.Proof]] = [
    (_without(OrderIntended), proofs.every_order_at_the_venue_was_intended),
    (_twice(OrderIntended), proofs.no_order_is_doubled),
    (_a_second_entry, proofs.no_order_is_doubled),
    (_a_doubled_close, proofs.an_exit_never_enlarges),
    (_a_doubled_close, proofs.every_fill_is_in_the_journal),
    (_a_fill_changed, proofs.journalled_fills_are_the_venues),
    (_twice(OrderFilled), proofs.journalled_fills_are_the_venues),
    (_without(OrderFilled), proofs.every_fill_is_in_the_journal),
    (_a_guard_cancelled, proofs.every_position_at_the_venue_is_guarded),
    (_a_guard_cancelled, proofs.nothing_is_left_over),
    (_unconfirmed, proofs.nothing_is_left_over),
    (_twice(ProtectionConfirmed), proofs.nothing_is_recorded_twice),
    (lambda records: records.told.append(records.told[0]), proofs.no_alert_is_told_twice),
    (lambda records: records.told.pop(), proofs.what_counts_as_sent_was_told),
    (lambda records: records.told.append(f"99999:{CONSOLE}"), proofs.every_alert_is_queued),
    (_an_outbox_row_gone, proofs.every_alert_is_queued),
    (_an_alert_left, proofs.every_alert_was_sent),
    (_told_out_of_order, proofs.alerts_of_a_lane_keep_their_order),
    (lambda records: records.positions.pop(), proofs.desk_and_venue_hold_the_same),
    (lambda records: records.account.positions.popitem(), proofs.desk_and_venue_hold_the_same),
    (_a_hair_more, proofs.money_is_conserved),
    (_without(TradeClosed), proofs.money_is_conserved),
    (_twice(TradeClosed), proofs.every_trade_is_whole),
    (_unprotected, proofs.every_trade_is_whole),
    (_without(OrderEnded), proofs.every_intent_has_come_to_an_end),
]


@pytest.mark.parametrize(("spoil", "proof"), SPOILT)
def test_a_proof_finds_what_it_is_for(stopped: Records, spoil: Callable[[Records], None], proof: proofs.Proof) -> None:
    records = copy.deepcopy(stopped)
    spoil(records)
    assert list(proof(records)) != []


def test_a_changed_journal_is_seen_also_behind_the_last_look(tmp_path: Path) -> None:
    program.candles(tmp_path / "candles", 60)
    done = program.run("demo", "--history", "candles", "--data-dir", "d", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    chain = Chain()
    assert chain.faults(tmp_path / "d") == []
    with closing(sqlite3.connect(tmp_path / "d" / "gavel.db", isolation_level=None)) as database:
        database.execute("UPDATE journal SET hash = 'x' WHERE seq = (SELECT max(seq) FROM journal)")
    assert chain.faults(tmp_path / "d") == [f"row {chain.seq} is not what it was"]
    assert Chain().faults(tmp_path / "d") != []
