from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.venues.market_sim import MarketSim

BASES = ("BTC", "ETH", "SOL", "DOGE", "XRP", "ADA", "BNB", "LTC", "AVAX", "LINK")
STARTS = datetime(2024, 2, 28, tzinfo=UTC)
seeds = st.integers(0, 2**64)


def a_market(seed: int, bases: tuple[str, ...] = BASES) -> MarketSim:
    return MarketSim(seed=seed, bases=bases, starts=STARTS)


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(0, 4))
def test_every_bar_of_every_seed_is_a_bar(seed: int, number: int) -> None:
    for series in a_market(seed).day(number).series.values():
        assert (series.low > 0).all()
        assert (series.low <= np.minimum(series.open, series.close)).all()
        assert (series.high >= np.maximum(series.open, series.close)).all()
        assert (series.open[1:] == series.close[:-1]).all()
        assert series.taker_buy is not None
        assert ((series.taker_buy >= 0) & (series.taker_buy <= series.volume)).all()


@settings(max_examples=15, deadline=None)
@given(seeds, st.lists(st.integers(0, 12), min_size=1, max_size=6), st.sets(st.sampled_from(BASES), min_size=1))
def test_any_order_of_asking_and_any_choice_of_pairs_give_one_market(
    seed: int, asked: list[int], some: set[str]
) -> None:
    reference, market = a_market(seed), a_market(seed, tuple(sorted(some)))
    days = [reference.day(number) for number in range(max(asked) + 1)]
    for number in asked:
        for symbol, series in market.day(number).series.items():
            assert series.close.tobytes() == days[number].series[symbol].close.tobytes()
            assert market.day(number).funding[symbol].rate.tobytes() == days[number].funding[symbol].rate.tobytes()
