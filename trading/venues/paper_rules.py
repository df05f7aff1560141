"""How the paper venue fills and what it charges. Pure.

Beside the codes of order_checks.py it refuses an order with: symbol, no_market, ended, insufficient_margin; and a level
that is to be moved with: gone.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from trading.model import Instrument, Order, Quote, Side

SATOSHI = Decimal("1e-8")  # the account's smallest unit, quote units


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRules:
    """How much of a bar this account can have, and what taking it costs."""

    impact: Decimal = Decimal("0.005")  # a taker moves the price by this fraction x sqrt(quantity / volume of the bar)
    participation: Decimal = Decimal("0.1")  # of a bar's volume, all orders of the account together

    def __post_init__(self) -> None:
        if not 0 <= self.impact < 1 or not 0 < self.participation <= 1:
            raise ValueError(f"paper rules out of range: impact {self.impact}, participation {self.participation}")


def money(amount: Decimal) -> Decimal:
    return amount.quantize(SATOSHI, ROUND_HALF_EVEN) + 0  # + 0: no negative zero


def taker_price(instrument: Instrument, side: Side, price: Decimal, *, impact: Decimal, share: Decimal) -> Decimal:
    """`price` moved against a taker of this `share` of the bar's volume, to the tick.

    The square-root law of market impact, with one coefficient in place of an estimate of volatility.
    """
    slip = impact * share.sqrt()
    buying = side is Side.BUY
    moved = price * (1 + slip if buying else 1 - slip)
    return max(instrument.round_trigger(moved, up=buying), instrument.tick)


def marketable(order: Order, quote: Quote) -> bool:
    if order.price is None:
        return False
    return order.price >= quote.ask if order.side is Side.BUY else order.price <= quote.bid
