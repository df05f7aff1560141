"""The paper venue keeps the contract, with its account in memory and in a file."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest

from tests.contract.venue_contract import Bench, Desk, VenueContract
from tests.fakes.paper_market import BTC, PaperMarket, an_instrument
from trading.messages import OrderReport, VenueUpdate
from trading.model import Quote, Side


class PaperBench:
    def __init__(self, store: Path | None) -> None:
        self.instrument = an_instrument(min_quantity=Decimal("0.1"), max_quantity=Decimal(1000))
        self._market = PaperMarket(store=store, instruments=(self.instrument,), spread="0.2")
        self._market.flat_bar(100)
        self.venue, self.clock = self._market.venue, self._market.clock

    @property
    def updates(self) -> Sequence[VenueUpdate]:
        return self._market.updates

    async def touch(self) -> Quote:
        return self._market.bars[BTC][-1][1]

    async def move(self, fraction: Decimal) -> None:
        mark = (await self.touch()).mark
        to = self.instrument.round_price(mark * (1 + fraction))
        self._market.bar(str(mark), str(max(mark, to)), str(min(mark, to)), str(to))

    async def settle_funding(self, rate: Decimal) -> None:
        self.venue.settle_funding(BTC, self.clock.now(), rate, (await self.touch()).mark)

    async def quiet(self) -> None:
        """The paper venue tells at once."""


class TestPaper(VenueContract):
    @pytest.fixture(params=["in memory", "in a file"])
    def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
        return PaperBench(tmp_path / "paper.db" if request.param == "in a file" else None)

    async def test_every_change_of_an_order_is_told(self, bench: Bench) -> None:
        desk = Desk(bench, count(1))
        guard = await desk.guard("-0.03", "0.04")
        entry = await desk.open(Side.BUY, guard)
        await bench.move(Decimal("-0.035"))
        told = {u.order.client_id: u.order for u in bench.updates if isinstance(u, OrderReport)}
        assert set(told) == {entry.client_id, guard.stop_id, guard.target_id}
        for order in told.values():
            assert await desk.looked_up(order) == order
