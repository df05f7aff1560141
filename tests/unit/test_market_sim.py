import hashlib
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest

from trading.errors import Misuse, NoEvidence
from trading.market.series import Floats, exact, from_ms
from trading.model import OrderBook, Quote, Symbol
from trading.venues.market_sim import DAY, Day, MarketSim

BASES = ("BTC", "ETH", "SOL", "DOGE", "XRP", "ADA", "BNB", "LTC")
STARTS = datetime(2025, 3, 1, tzinfo=UTC)
DOGE = Symbol("DOGE/USDT:USDT")


def a_market(seed: int = 7, bases: tuple[str, ...] = BASES) -> MarketSim:
    return MarketSim(seed=seed, bases=bases, starts=STARTS)


def fingerprint(day: Day) -> str:
    digest = hashlib.sha256()
    for symbol, series in day.series.items():
        digest.update(symbol.encode())
        for column in (series.opened, series.open, series.high, series.low, series.close, series.volume):
            digest.update(column.tobytes())
        assert series.taker_buy is not None
        assert series.trades is not None
        for column in (
            series.taker_buy,
            series.trades,
            day.lean[symbol],
            day.funding[symbol].at,
            day.funding[symbol].rate,
        ):
            digest.update(column.tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def month() -> list[Day]:
    market = a_market()
    return [market.day(number) for number in range(30)]


def joined(days: list[Day], name: str) -> Floats:
    """A column of all days by (pair, minute)."""
    return np.array([np.concatenate([getattr(day.series[symbol], name) for day in days]) for symbol in days[0].series])


def test_the_same_seed_is_the_same_market() -> None:
    one, two = a_market(), a_market()
    assert [fingerprint(one.day(k)) for k in range(4)] == [fingerprint(two.day(k)) for k in range(4)]


def test_another_seed_is_another_market() -> None:
    assert fingerprint(a_market(7).day(0)) != fingerprint(a_market(8).day(0))


def test_a_day_is_the_same_asked_directly_or_in_order() -> None:
    ordered, direct = a_market(), a_market()
    days = [fingerprint(ordered.day(k)) for k in range(6)]
    assert fingerprint(direct.day(5)) == days[5]
    assert [fingerprint(direct.day(k)) for k in range(6)] == days


def test_a_day_that_was_forgotten_comes_back_the_same() -> None:
    market = a_market()
    first = fingerprint(market.day(1))
    market.day(20)
    assert fingerprint(market.day(1)) == first
    assert fingerprint(market.day(21)) == fingerprint(a_market().day(21))


def test_a_choice_of_pairs_changes_no_path() -> None:
    alone, all_ = a_market(bases=("DOGE",)), a_market()
    assert alone.day(2).series[DOGE].close.tobytes() == all_.day(2).series[DOGE].close.tobytes()
    assert list(alone.day(2).series) == [DOGE]


def test_days_are_utc_days_of_1440_bars(month: list[Day]) -> None:
    for number, day in enumerate(month):
        for series in day.series.values():
            assert len(series) == 1440
            assert from_ms(series.opened[0]) == STARTS + number * DAY
            assert (np.diff(series.opened) == 60_000).all()


def test_a_start_within_a_day_begins_with_that_day() -> None:
    market = MarketSim(seed=7, bases=BASES, starts=STARTS + timedelta(hours=13, minutes=5))
    assert market.starts == STARTS
    assert fingerprint(market.day(0)) == fingerprint(a_market().day(0))


def test_every_bar_can_be_built(month: list[Day]) -> None:
    for series in month[3].series.values():
        for row in range(len(series)):
            series.candle(row)  # Candle refuses what is no bar


def test_bars_of_all_days_are_whole(month: list[Day]) -> None:
    open_, high, low, close = (joined(month, name) for name in ("open", "high", "low", "close"))
    assert (low > 0).all()
    assert (low <= np.minimum(open_, close)).all()
    assert (high >= np.maximum(open_, close)).all()
    volume, taker = joined(month, "volume"), joined(month, "taker_buy")
    assert (volume > 0).all()
    assert ((taker >= 0) & (taker <= volume)).all()
    assert (joined(month, "trades") >= 1).all()


def test_prices_are_on_the_tick_and_volumes_on_the_step(month: list[Day]) -> None:
    instruments = a_market().instruments()
    for symbol, series in month[0].series.items():
        tick, step = instruments[symbol].tick, instruments[symbol].step
        for row in range(0, 1440, 7):
            candle = series.candle(row)
            assert candle.taker_buy is not None
            assert all(price % tick == 0 for price in (candle.open, candle.high, candle.low, candle.close))
            assert candle.volume % step == 0
            assert candle.taker_buy % step == 0


def test_a_day_opens_where_the_last_one_closed(month: list[Day]) -> None:
    for before, after in pairwise(month):
        for symbol in before.series:
            assert after.series[symbol].open[0] == before.series[symbol].close[-1]


def test_funding_is_settled_at_0_8_and_16_hours(month: list[Day]) -> None:
    for number, day in enumerate(month):
        for funding in day.funding.values():
            assert [from_ms(at) - (STARTS + number * DAY) for at in funding.at] == [
                timedelta(hours=h) for h in (0, 8, 16)
            ]
            assert (np.abs(funding.rate) <= 0.003).all()
            assert all(-exact(rate).as_tuple().exponent <= 8 for rate in funding.rate)  # type: ignore[operator]


def test_funding_follows_the_trend(month: list[Day]) -> None:
    symbol = Symbol("SOL/USDT:USDT")
    rates = np.concatenate([day.funding[symbol].rate for day in month])[1:]
    price = np.log(joined(month, "open")[2, ::480])
    assert np.corrcoef(rates, np.diff(price))[0, 1] > 0.8


@pytest.mark.parametrize("seed", [7, 1, 2024])
def test_volatility_and_correlation_are_as_constructed(seed: int) -> None:
    market = a_market(seed)
    closes = joined([market.day(number) for number in range(30)], "close")
    returns = np.diff(np.log(closes))
    yearly = returns.std(axis=1) * np.sqrt(365 * 1440)
    assert ((yearly > 0.45) & (yearly < 1.4)).all()
    assert yearly[0] < yearly[3]
    correlation = np.corrcoef(returns)
    assert correlation[0, 1] == pytest.approx(0.85, abs=0.04)
    others = correlation[np.triu_indices(len(BASES), 1)][1:]
    assert ((others > 0.45) & (others < 0.85)).all()


def test_volatility_clusters_and_tails_are_fat(month: list[Day]) -> None:
    returns = np.diff(np.log(joined(month, "close")[0]))
    size = np.abs(returns)
    assert np.corrcoef(size[:-60], size[60:])[0, 1] > 0.05
    assert ((returns / returns.std()) ** 4).mean() > 4


def test_volume_follows_moves_and_takers_follow_direction(month: list[Day]) -> None:
    returns = np.diff(np.log(joined(month, "close")))
    volume = joined(month, "volume")[:, 1:]
    share = joined(month, "taker_buy")[:, 1:] / volume
    for pair in range(len(BASES)):
        assert np.corrcoef(np.abs(returns[pair]), volume[pair])[0, 1] > 0.5
        assert np.corrcoef(returns[pair], share[pair])[0, 1] > 0.4
        assert 0.47 < share[pair].mean() < 0.53


def test_regimes_persist_for_hours_and_all_appear(month: list[Day]) -> None:
    regimes = [name for day in month for name in day.regime]
    assert set(regimes) == {"trend up", "trend down", "range", "volatile", "chop"}
    changes = sum(a != b for a, b in pairwise(regimes))
    assert 2 < len(regimes) / changes / 60 < 8


def test_exits_are_reached_within_hours(month: list[Day]) -> None:
    closes = joined(month, "close")
    waits = []
    for path in closes:
        for start in range(0, len(path) - 4320, 720):
            move = path[start:] / path[start] - 1
            waits.append(np.argmax((move >= 0.05) | (move <= -0.025)) / 60)
    assert 2 < np.median(waits) < 20


def test_enough_trades_for_a_quarter_of_an_hour(month: list[Day]) -> None:
    assert joined(month, "trades").min(axis=1).min() * 15 >= 50


def test_steps_go_up_to_a_hundred() -> None:
    instruments = a_market().instruments()
    assert instruments[DOGE].step == 100
    assert instruments[DOGE].round_quantity(Decimal(12345)) == 12300
    assert {instruments[Symbol(f"{base}/USDT:USDT")].step for base in ("XRP", "ADA")} == {1, 10}
    for each in instruments.values():
        assert each.maintenance < Decimal(1) / each.max_leverage


def a_quote(day: Day, symbol: Symbol, minute: int, tick: Decimal) -> Quote:
    mark = exact(day.series[symbol].open[minute])
    return Quote(
        symbol=symbol, at=from_ms(day.series[symbol].opened[minute]), bid=mark - tick, ask=mark + tick, mark=mark
    )


def test_books_are_whole() -> None:
    market = a_market()
    for symbol, instrument in market.instruments().items():
        quote = a_quote(market.day(1), symbol, 600, instrument.tick)
        book = market.book(symbol, quote, quote.at)
        assert (book.bids[0][0], book.asks[0][0]) == (quote.bid, quote.ask)
        assert len(book.bids) == len(book.asks) == 20
        bids, asks = [price for price, _ in book.bids], [price for price, _ in book.asks]
        assert bids == sorted(set(bids), reverse=True)
        assert asks == sorted(set(asks))
        assert bids[-1] > quote.mark * Decimal("0.99")
        assert asks[-1] < quote.mark * Decimal("1.01")
        for price, size in book.bids + book.asks:
            assert price % instrument.tick == 0
            assert size > 0
            assert size % instrument.step == 0


def test_a_book_depends_on_seed_symbol_and_minute_alone() -> None:
    one, two = a_market(), a_market()
    quote = a_quote(one.day(1), DOGE, 600, Decimal("0.00001"))
    two.day(3)
    assert one.book(DOGE, quote, quote.at) == two.book(DOGE, quote, quote.at)
    later = one.book(DOGE, quote, quote.at + timedelta(seconds=59))
    assert later.bids == one.book(DOGE, quote, quote.at).bids
    assert one.book(DOGE, quote, quote.at + timedelta(minutes=1)).bids != later.bids
    assert a_market(8).book(DOGE, quote, quote.at).bids != later.bids


def imbalance(book: OrderBook) -> float:
    bid, ask = (float(sum(size for _, size in side)) for side in (book.bids, book.asks))
    return (bid - ask) / (bid + ask)


def test_books_lean_with_the_flow() -> None:
    market = a_market()
    lean, seen = [], []
    for number in range(4):
        day = market.day(number)
        for minute in range(0, 1440, 20):
            quote = a_quote(day, DOGE, minute, Decimal("0.00001"))
            seen.append(imbalance(market.book(DOGE, quote, quote.at)))
            lean.append(day.lean[DOGE][minute])
    assert np.corrcoef(lean, seen)[0, 1] > 0.5
    assert abs(np.mean(seen)) < 0.2


def test_what_it_has_no_numbers_for_is_refused() -> None:
    with pytest.raises(Misuse, match="no PEPE"):
        a_market(bases=("BTC", "PEPE"))
    with pytest.raises(Misuse, match="empty choice"):
        a_market(bases=())
    with pytest.raises(Misuse, match="seed"):
        a_market(seed=-1)
    with pytest.raises(ValueError, match="aware UTC"):
        MarketSim(seed=1, bases=BASES, starts=datetime(2025, 1, 1))  # noqa: DTZ001


def test_before_its_start_there_is_no_market() -> None:
    market = a_market()
    with pytest.raises(NoEvidence, match="2025-03-01"):
        market.day(-1)
    quote = a_quote(market.day(0), DOGE, 0, Decimal("0.00001"))
    with pytest.raises(NoEvidence):
        market.book(DOGE, quote, STARTS - timedelta(minutes=1))


def test_a_day_is_quick() -> None:
    market = a_market()
    market.day(0)
    began = time.process_time()
    market.day(10)
    assert (time.process_time() - began) / 10 < 0.06
