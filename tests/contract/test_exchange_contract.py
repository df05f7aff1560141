"""The emulated exchanges keep the contract of every venue, through the real client, TLS and signatures."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import count

import pytest

from tests.contract.venue_contract import Bench, Desk, VenueContract
from tests.fakes.exchange_house import NAMES, House, a_house
from trading.clock import SystemClock
from trading.messages import VenueUpdate
from trading.model import Instrument, Quote, Side, Symbol

BTC = Symbol("BTC/USDT:USDT")


class ExchangeBench:
    def __init__(self, house: House, instrument: Instrument) -> None:
        self.house = house
        self.venue = house.venue
        self.clock = SystemClock()
        self.instrument = instrument

    @property
    def updates(self) -> Sequence[VenueUpdate]:
        return self.house.updates

    async def touch(self) -> Quote:
        return await self.house.profile.quote(BTC)

    async def move(self, fraction: Decimal) -> None:
        mark = (await self.touch()).mark
        self.house.core.move(self.house.native(BTC), self.instrument.round_price(mark * (1 + fraction)))

    async def settle_funding(self, rate: Decimal) -> None:
        self.house.core.fund(self.house.native(BTC), rate)
        await self.house.venue.look_for_funding()

    async def quiet(self) -> None:
        await self.house.quiet()


class TestExchange(VenueContract):
    @pytest.fixture(params=NAMES)
    async def bench(self, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
        async with a_house(request.param) as house:
            await house.listen()
            yield ExchangeBench(house, (await house.venue.instruments())[BTC])


async def test_a_liquidation_is_told_as_one_where_the_exchange_says_so() -> None:
    async with a_house("binance") as house:
        desk = Desk(ExchangeBench(house, (await house.venue.instruments())[BTC]), count(1))
        await house.venue.submit(replace(desk.order(Side.BUY), leverage=20))
        price = house.core.mark(house.native(BTC))
        house.core.move(house.native(BTC), (price * Decimal("0.9")).quantize(Decimal("0.1")))
        bought, taken = await house.venue.fills("")
        assert (bought.liquidation, taken.liquidation, taken.side) == (False, True, Side.SELL)
