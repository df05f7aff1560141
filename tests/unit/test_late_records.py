"""Records that come late: funding and fills still belong to the position that they were about."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from tests.builders import BTC
from tests.desks import Bench, a_desk, payments
from trading.errors import Transient
from trading.events import OrderIntended
from trading.messages import ClosePosition, OrderReport
from trading.model import FundingPayment, Leg, OrderStatus

RATE = Decimal("0.0001")


def a_payment(bench: Bench) -> FundingPayment:
    return FundingPayment(id="f-1", symbol=BTC, at=bench.clock.now(), rate=RATE, amount=Decimal(-1))


async def test_funding_that_overtakes_the_entry_it_is_paid_on_is_kept_for_it() -> None:
    bench = await a_desk()
    bench.trouble.lose_updates = True
    bench.script.long()
    await bench.decide()
    bench.script.wait()
    assert next(e.order.leg for e in bench.told(OrderIntended)) is Leg.ENTRY
    assert bench.desk.book.on(BTC) is None, "nothing was heard of its fill"
    await bench.desk.execution.on_funding(a_payment(bench))
    assert "f-1" not in bench.desk.book.funding, "it is not passed over"
    bench.trouble.lose_updates = False
    await bench.sweep()
    await bench.desk.execution.on_funding(a_payment(bench))
    assert [p.amount for p in payments(bench)] == [Decimal(-1)]
    await bench.desk.execution.on_funding(a_payment(bench))
    assert len(payments(bench)) == 1


async def test_funding_that_nobody_told_is_read_before_the_position_is_closed() -> None:
    bench = await a_desk()
    position = await bench.enter()
    bench.trouble.lose_updates = True
    bench.venue.settle_funding(BTC, bench.clock.now(), RATE, Decimal(60_000))
    bench.trouble.lose_updates = False
    assert not payments(bench)
    await bench.desk.obey(ClosePosition(position_id=position.id, by="somebody"))
    await bench.desk.settle()
    (trade,) = bench.trades
    assert trade.funding < 0
    assert (await bench.venue.balance()).wallet == bench.desk.book.booked


async def test_funding_of_a_position_that_is_nobodys_is_passed_over() -> None:
    bench = await a_desk()
    await bench.desk.execution.on_funding(a_payment(bench))
    assert "f-1" in bench.desk.book.funding
    assert not payments(bench)


async def test_an_order_that_has_ended_waits_for_the_fills_its_end_speaks_of() -> None:
    bench = await a_desk()
    bench.trouble.lose_updates = True
    bench.script.long()
    await bench.decide()
    bench.script.wait()
    desk = bench.desk
    desk.venue.lag = timedelta(minutes=5)  # records come late at this venue
    entry = next(o for o in desk.book.orders.values() if o.leg is Leg.ENTRY)
    part = replace(entry, status=OrderStatus.EXPIRED, filled=entry.quantity / 2)
    bench.trouble.on("fills", Transient("not yet"), times=1)
    await desk.execution.on_report(OrderReport(order=part, at=bench.clock.now()))
    assert entry.client_id in desk.book.orders, "its fills would belong to nothing"
    bench.trouble.lose_updates = False
    await bench.sweep()
    position = desk.book.on(BTC)
    assert position is not None
    assert position.quantity == entry.quantity
