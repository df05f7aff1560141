"""A deposit and a withdrawal at each exchange: entries freeze, a person accepts the wallet, the books agree again."""

import asyncio
from decimal import Decimal as D

import pytest

from tests.fakes.exchange_desk import SWEEP_EVERY, ExchangeDesk, a_desk_at
from tests.fakes.exchange_house import NAMES
from tests.fakes.exchange_time import run
from trading.errors import Misuse
from trading.events import BooksAgreed, BooksDisagreed, WalletAccepted
from trading.messages import AcceptWallet
from trading.model import Symbol
from trading.reconcile import CENT

BTC = Symbol("BTC/USDT:USDT")
ANA = "Ana (telegram:7)"


async def looked_at_twice(at: ExchangeDesk) -> None:
    """As it does by itself; a burst of looks would meet our own limits."""
    await asyncio.sleep(2.5 * SWEEP_EVERY.total_seconds())
    assert at.desk.reconciler.lost_at is None


def told(at: ExchangeDesk, *kinds: type) -> list[str]:
    return [type(event).__name__ for event in at.journal.events if isinstance(event, kinds)]


async def transferred(name: str, amount: str) -> None:
    """With a position open; it is closed afterwards, and the wallets are the same."""
    async with a_desk_at(name) as at:
        desk = at.desk
        await at.enter(BTC, D("0.01"))
        assert await at.settle()
        before = desk.status()
        at.core.transfer(D(amount))
        await looked_at_twice(at)
        assert "the venue's wallet is" in desk.frozen
        assert desk.status().unacceptable == ""
        await desk.obey(AcceptWallet(by=ANA))
        after = desk.status()
        assert desk.frozen == ""
        assert abs(desk.book.booked - at.core.wallet) <= CENT
        assert abs(after.start_equity - before.start_equity - D(amount)) <= CENT
        assert after.day_pnl is not None
        assert before.day_pnl is not None
        assert abs(after.day_pnl - before.day_pnl) <= CENT
        assert told(at, BooksDisagreed, WalletAccepted, BooksAgreed) == [
            "BooksDisagreed",
            "WalletAccepted",
            "BooksAgreed",
        ]
        with pytest.raises(Misuse, match="Nothing differs"):
            await desk.obey(AcceptWallet(by=ANA))
        position = at.position(BTC)
        assert position is not None
        at.close(position)
        assert await at.settle()
        await looked_at_twice(at)
        assert (desk.frozen, at.position(BTC)) == ("", None)
        assert abs(desk.book.booked - at.core.wallet) <= CENT


@pytest.mark.parametrize("amount", ["250.5", "-1000"])
@pytest.mark.parametrize("name", NAMES)
def test_a_wallet_that_a_person_has_changed_is_accepted_by_a_person(name: str, amount: str) -> None:
    run(lambda: transferred(name, amount))
