"""The paper venue keeps the contract, with its account in memory and in a file."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from tests.contract.venue_contract import Bench, VenueContract
from tests.fakes.paper_market import BTC, PaperMarket, an_instrument
from trading.messages import VenueUpdate
from trading.model import Quote


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


class TestPaper(VenueContract):
    @pytest.fixture(params=["in memory", "in a file"])
    def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
        return PaperBench(tmp_path / "paper.db" if request.param == "in a file" else None)
