"""Real money is traded only on a person's word, and a venue's wallet that differs is taken only on one."""

import asyncio
from datetime import timedelta
from decimal import Decimal as D

import pytest

from tests.builders import BTC, NOW
from tests.desks import COOLS_FAST, Bench, a_desk, a_house, a_series
from tests.unit.test_reconcile import stranger
from trading import reconcile
from trading.decision import Denied
from trading.desk import LIVE
from trading.errors import Misuse, VenueDown
from trading.events import BooksAgreed, BooksDisagreed, LiveArmed, LiveDisarmed, WalletAccepted
from trading.messages import AcceptWallet, ArmLive, ClosePosition, DisarmLive, EnterPair, Halt
from trading.model import Direction, ExitReason, Guard, Leg, Side, TradingState
from trading.real_money import NOT_CONFIRMED

ANA, BEN = "Ana (telegram:7)", "Ben (telegram:8)"
ARM, DISARM, ACCEPT = ArmLive(by=ANA), DisarmLive(by=BEN), AcceptWallet(by=ANA)


async def refused(bench: Bench, command: ArmLive | DisarmLive | AcceptWallet | EnterPair, why: str) -> None:
    before = bench.desk.book.state, len(bench.journal.events)
    with pytest.raises(Misuse, match=why):
        await bench.desk.obey(command)
    assert (bench.desk.book.state, len(bench.journal.events)) == before


async def wants(bench: Bench) -> None:
    bench.script.long()
    await bench.decide()


# --- the word that is needed ------------------------------------------------------------------------------------------


async def test_a_live_desk_enters_nothing_until_a_person_has_confirmed_it() -> None:
    bench = await a_desk(mode=LIVE)
    assert bench.desk.frozen == NOT_CONFIRMED
    await wants(bench)
    gate = list(bench.journal.decisions.values())[-1].gate
    assert isinstance(gate, Denied)
    assert NOT_CONFIRMED in gate.reason
    assert bench.trouble.sent() == []
    said = await bench.desk.obey(ARM)
    assert said == "Live trading is confirmed: the desk may enter, with real orders."
    assert bench.desk.frozen == ""
    await bench.step()
    await wants(bench)
    assert bench.desk.book.on(BTC) is not None


async def test_nobody_enters_by_hand_either() -> None:
    bench = await a_desk(mode=LIVE)
    said = await bench.desk.obey(EnterPair(symbol=BTC, direction=Direction.LONG, by=ANA))
    await bench.desk.settle()
    assert NOT_CONFIRMED in said
    assert bench.trouble.sent() == []


async def test_who_confirmed_it_when_and_with_what_at_which_exchange_is_told_and_shown() -> None:
    bench = await a_desk(mode=LIVE)
    await bench.desk.obey(ARM)
    (told,) = bench.told(LiveArmed)
    assert (told.by, told.equity, told.venue, told.at) == (ANA, 10000, "a test", bench.clock.now())
    status = bench.desk.status()
    assert (status.mode, status.live_by, status.live_at) == (LIVE, ANA, told.at)


async def test_a_restart_keeps_the_word() -> None:
    bench = await a_desk(mode=LIVE)
    await bench.desk.obey(ARM)
    await bench.restart()
    assert (bench.desk.status().live_by, bench.desk.frozen) == (ANA, "")
    await bench.desk.obey(DISARM)
    await bench.restart()
    assert (bench.desk.status().live_at, bench.desk.frozen) == (None, NOT_CONFIRMED)


async def test_a_desk_on_paper_needs_no_word_and_takes_none() -> None:
    bench = await a_desk()
    await refused(bench, ARM, "on paper")
    await refused(bench, DISARM, "not confirmed")
    assert bench.desk.frozen == ""
    assert bench.desk.status().live_at is None
    await bench.enter()


async def test_a_second_word_changes_nothing() -> None:
    bench = await a_desk(mode=LIVE)
    await refused(bench, DISARM, "not confirmed")
    await bench.desk.obey(ARM)
    await refused(bench, ArmLive(by=BEN), "confirmed already, by Ana")
    first, second = await a_race(bench, DISARM, DisarmLive(by=ANA))
    assert isinstance(first, str)
    assert isinstance(second, Misuse)
    assert [e.by for e in bench.told(LiveDisarmed)] == [BEN]


async def a_race(bench: Bench, *commands: ArmLive | DisarmLive | AcceptWallet) -> list[object]:
    return await asyncio.gather(*(bench.desk.obey(command) for command in commands), return_exceptions=True)


async def test_it_is_not_confirmed_while_the_venue_cannot_be_read() -> None:
    bench = await a_desk(mode=LIVE)
    bench.trouble.on("positions", VenueDown("gone"))
    await bench.sweep()
    await refused(bench, ARM, "cannot be read")
    await bench.sweep()
    await bench.desk.obey(ARM)


async def test_the_equity_that_is_told_holds_what_is_open() -> None:
    bench = await a_desk(a_series([60000, 60000, 60600, 60600]), mode=LIVE)
    await bench.desk.obey(ARM)
    position = await bench.enter()
    await bench.desk.obey(DISARM)
    await bench.step(2)
    await bench.sweep()
    await bench.desk.obey(ARM)
    told = bench.told(LiveArmed)[-1]
    assert told.equity == bench.desk.status().equity
    assert told.equity == bench.desk.book.booked + position.quantity * 600


async def test_without_the_word_what_is_open_goes_on_being_guarded_closed_and_reconciled() -> None:
    bench = await a_desk(a_series([60000, 60000, (60000, 60000, 58000, 58000), 58000]), mode=LIVE)
    await bench.desk.obey(ARM)
    position = await bench.enter()
    await bench.desk.obey(DISARM)
    await bench.restart()
    assert bench.desk.frozen == NOT_CONFIRMED
    assert bench.desk.book.positions[position.id].guard is Guard.CONFIRMED
    await bench.sweep()
    await bench.step(2)
    assert [t.reason for t in bench.trades] == [ExitReason.STOP_LOSS]


async def test_a_person_closes_what_is_open_without_the_word() -> None:
    bench = await a_desk(mode=LIVE)
    await bench.desk.obey(ARM)
    position = await bench.enter()
    await bench.desk.obey(DISARM)
    await bench.desk.obey(ClosePosition(position_id=position.id, by=ANA))
    await bench.desk.settle()
    assert [t.reason for t in bench.trades] == [ExitReason.MANUAL]
    assert await bench.working() == set()


async def test_halt_and_word_are_two_things() -> None:
    bench = await a_desk(mode=LIVE)
    await bench.desk.obey(Halt(by=BEN, reason="news"))
    await bench.desk.obey(ARM)
    assert bench.desk.book.state.trading is TradingState.HALTED
    await wants(bench)
    assert bench.trouble.sent(Leg.ENTRY) == []


async def test_the_word_taken_back_while_somebody_thinks_holds_for_that_thought_too() -> None:
    bench = await a_desk(mode=LIVE, instant=False)
    await bench.desk.obey(ARM)
    bench.script.hang = asyncio.Event()
    bench.script.long()
    thinking = asyncio.create_task(bench.decide())
    for _ in range(20):
        await asyncio.sleep(0)
    await bench.desk.obey(DISARM)
    bench.script.hang.set()
    await thinking
    assert bench.trouble.sent() == []


# --- the venue's wallet -----------------------------------------------------------------------------------------------


async def a_deposit(bench: Bench, amount: str) -> None:
    bench.venue._account.totals.wallet += D(amount)


async def differing(amount: str = "250", **changes: object) -> Bench:
    """A desk whose books and venue differ by that in the wallet, as two looks have found."""
    bench = await a_desk(playbook=a_house(breaker=COOLS_FAST), **changes)
    await a_deposit(bench, amount)
    await bench.sweep()
    await bench.sweep()
    return bench


@pytest.mark.parametrize("amount", ["250", "-137.25", "0.02"])
async def test_accepting_the_wallet_changes_no_result_and_lets_entries_go_on(amount: str) -> None:
    bench = await differing(amount)
    assert "the venue's wallet is" in bench.desk.frozen
    before = bench.desk.status()
    assert before.unacceptable == ""
    said = await bench.desk.obey(ACCEPT)
    after = bench.desk.status()
    assert (after.realised, after.day_pnl, after.frozen) == (before.realised, before.day_pnl, "")
    assert before.equity is not None
    assert after.equity == before.equity + D(amount)
    assert after.start_equity == before.start_equity + D(amount)
    assert bench.desk.sentry.day_loss() == 0
    (told,) = bench.told(WalletAccepted)
    assert (told.by, told.before, told.after) == (ANA, 10000, 10000 + D(amount))
    assert said == f"The desk's wallet is {told.after:f} now, as at the venue; it was 10000."
    await bench.step()  # the breaker has seen wrong books, and cools down
    await bench.sweep()
    await bench.step(2)
    await bench.enter()


async def test_the_days_loss_stays_as_it_is() -> None:
    prices = a_series([60000, 60000, 59400, *[59400] * 30])
    bench = await a_desk(prices, playbook=a_house(breaker=COOLS_FAST))
    position = await bench.enter()
    await bench.step(2)
    await bench.desk.obey(ClosePosition(position_id=position.id, by=ANA))
    await bench.desk.settle()
    await a_deposit(bench, "-5000")
    await bench.sweep()
    await bench.sweep()
    before, (trade,) = bench.desk.status(), bench.trades
    await bench.desk.obey(ACCEPT)
    after = bench.desk.status()
    assert trade.net < 0
    assert (before.day_pnl, after.day_pnl) == (trade.net, trade.net)
    assert bench.desk.sentry.day_loss() == -trade.net / 5000


async def test_it_survives_a_restart_and_is_said_and_agreed_once() -> None:
    bench = await differing()
    await bench.desk.obey(ACCEPT)
    assert len(bench.told(BooksDisagreed)) == 1
    await bench.restart()
    await bench.sweep()
    await bench.sweep()
    assert bench.desk.frozen == ""
    assert [e.symbol for e in bench.told(BooksAgreed)] == [reconcile.ACCOUNT]
    assert bench.desk.book.booked == 10250
    assert len(bench.told(BooksDisagreed)) == 1


async def test_nothing_is_accepted_where_nothing_differs() -> None:
    bench = await a_desk()
    await refused(bench, ACCEPT, "Nothing differs")
    bench = await differing()
    await bench.desk.obey(ACCEPT)
    await refused(bench, ACCEPT, "Nothing differs")


async def test_two_people_at_once_accept_it_once() -> None:
    bench = await differing()
    first, second = await a_race(bench, ACCEPT, AcceptWallet(by=BEN))
    assert isinstance(first, str)
    assert isinstance(second, Misuse)
    assert bench.desk.book.booked == 10250


async def test_positions_that_differ_come_first() -> None:
    bench = await differing(taker_fee=D(0), maker_fee=D(0))
    await stranger(bench, Side.BUY, "0.01")
    await bench.sweep()
    assert "Positions differ" in bench.desk.status().unacceptable
    await refused(bench, ACCEPT, "Positions differ, and come first: .*the venue holds long 0.01")
    await stranger(bench, Side.SELL, "0.01", 2, reduce_only=True)
    await bench.sweep()
    await bench.desk.obey(ACCEPT)


async def test_a_difference_that_was_seen_once_is_not_accepted_yet() -> None:
    bench = await a_desk()
    await a_deposit(bench, "250")
    await bench.sweep()
    await refused(bench, ACCEPT, "seen once only")
    await a_deposit(bench, "1")
    await bench.sweep()
    await refused(bench, ACCEPT, "seen once only")
    await bench.sweep()
    await bench.desk.obey(ACCEPT)
    assert bench.desk.book.booked == 10251


async def test_what_was_shown_is_what_is_accepted() -> None:
    bench = await differing("250")
    await refused(bench, AcceptWallet(by=ANA, difference=D(249)), r"\+250 by now, and \+249 was shown")
    await bench.desk.obey(AcceptWallet(by=ANA, difference=D("250.00")))
    assert bench.desk.book.booked == 10250


async def test_nothing_is_accepted_while_the_venue_cannot_be_read() -> None:
    bench = await differing()
    bench.trouble.on("balance", VenueDown("gone"))
    await bench.sweep()
    assert bench.desk.status().wallets is None
    await refused(bench, ACCEPT, "cannot be read")
    await bench.sweep()
    await refused(bench, ACCEPT, "seen once only")


async def test_a_fee_that_comes_while_something_is_open_is_accepted_too() -> None:
    bench = await a_desk(playbook=a_house(breaker=COOLS_FAST))
    position = await bench.enter()
    await a_deposit(bench, "-3.5")
    await bench.sweep()
    await bench.sweep()
    before = bench.desk.book.booked
    await bench.desk.obey(ACCEPT)
    assert bench.desk.book.booked == before - D("3.5")
    await bench.desk.obey(ClosePosition(position_id=position.id, by=ANA))
    await bench.desk.settle()
    await bench.sweep()
    assert bench.desk.frozen == ""


async def test_a_day_that_begins_while_it_is_written_opens_with_the_new_wallet() -> None:
    """The last second of a day, and the first of the next."""
    midnight = NOW.replace(hour=0, minute=0, second=0) + timedelta(days=1)
    bench = await a_desk(a_series([60000] * 30, begins=midnight - timedelta(seconds=10)))
    await a_deposit(bench, "250")
    await bench.sweep()
    await bench.sweep()
    bench.journal.slow = asyncio.Event()
    accepting = asyncio.create_task(bench.desk.obey(ACCEPT))
    for _ in range(20):
        await asyncio.sleep(0)
    bench.clock.set(midnight + timedelta(seconds=1))
    bench.desk.book.roll_day(lambda _: pytest.fail("nothing is open"))
    bench.journal.slow.set()
    await accepting
    state = bench.desk.book.state
    assert (state.day, state.day_equity, bench.desk.status().day_pnl) == (midnight, 10250, 0)
