"""A market replayed: nothing of the future, no price carried over a hole, the same wherever one enters."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.builders import BTC, ETH, NOW, an_instrument
from tests.desks import HOUR, SECOND, a_feed, a_funding, a_series
from trading.errors import NoEvidence
from trading.market.feed import Feed
from trading.market.moments import Chapter, Step
from trading.model import Symbol

D = Decimal
MINUTE = timedelta(minutes=1)


def to_second(feed: Feed, second: int) -> Step:
    """Play until this many seconds after the beginning."""
    for step in feed.steps():
        if step.at >= NOW + second * SECOND:
            return step
    raise AssertionError("the market has ended")


# --- steps ------------------------------------------------------------------------------------------------------------


def test_a_step_is_a_moment_at_which_bars_close_all_of_them() -> None:
    feed = a_feed(a_series([1, 2, 3]), a_series([10, 20], symbol=ETH, begins=NOW + SECOND))
    found = [(step.at - NOW, [(c.symbol, c.close) for c in step.candles]) for step in feed.steps()]
    assert found == [
        (1 * SECOND, [(BTC, D(1))]),
        (2 * SECOND, [(BTC, D(2)), (ETH, D(10))]),
        (3 * SECOND, [(BTC, D(3)), (ETH, D(20))]),
    ]


def test_bars_of_different_lengths_meet_where_they_close() -> None:
    feed = a_feed(a_series([1] * 6), a_series([10, 20], symbol=ETH, every=3 * SECOND))
    assert [len(step.candles) for step in feed.steps()] == [1, 1, 2, 1, 1, 2]


def test_a_market_entered_later_begins_with_the_moment_that_may_have_been_interrupted() -> None:
    feed = a_feed(a_series([1, 2, 3, 4]))
    assert [s.at for s in feed.steps(NOW + 2 * SECOND)] == [NOW + n * SECOND for n in (2, 3, 4)]


def test_a_market_without_bars_has_no_moments() -> None:
    empty = Chapter(paths={}, history={}, funding={})
    feed = Feed(chapters=lambda _: iter([empty]), instruments={}, source="t", spread=D(0))
    assert list(feed.steps()) == []


def test_the_end_of_an_instrument_is_told_with_its_last_bar() -> None:
    feed = a_feed(a_series([1, 2, 3]), a_series([1, 2], symbol=ETH))
    assert [step.ended for step in feed.steps()] == [(), (ETH,), (BTC,)]


def test_a_gap_is_told_with_the_first_bar_after_it() -> None:
    feed = a_feed(a_series([1, 2, None, None, 5]), a_series([1] * 5, symbol=ETH))
    gaps = {step.at: step.gaps for step in feed.steps() if step.gaps}
    assert gaps == {NOW + 5 * SECOND: ((BTC, NOW + 2 * SECOND, NOW + 4 * SECOND, 2),)}


# --- chapters ---------------------------------------------------------------------------------------------------------


def a_book_of_two() -> Feed:
    """Two seconds a chapter; the second one knows the first as its warm-up."""

    def chapters(since: datetime | None) -> Iterator[Chapter]:
        first, whole = a_series([1, 2]), a_series([1, 2, 3, 4])
        if since is None or since <= NOW + 2 * SECOND:
            yield Chapter(paths={BTC: first}, history={BTC: first}, funding={}, last=False)
        yield Chapter(paths={BTC: whole.rows(2, 4)}, history={BTC: whole}, funding={})

    return Feed(chapters=chapters, instruments={BTC: an_instrument()}, source="t", spread=D(0))


def test_chapters_follow_each_other_without_a_seam() -> None:
    feed = a_book_of_two()
    seen = []
    for step in feed.steps():
        seen.append((step.candles[0].close, feed.quote(BTC).mark, step.ended))
    assert seen == [(1, 1, ()), (2, 2, ()), (3, 3, ()), (4, 4, (BTC,))]


def test_a_market_entered_in_its_second_chapter_is_the_same() -> None:
    feed = a_book_of_two()
    assert [(s.at, s.candles[0].close) for s in feed.steps(NOW + 3 * SECOND)] == [
        (NOW + 3 * SECOND, 3),
        (NOW + 4 * SECOND, 4),
    ]


def test_one_can_stand_in_a_market_before_its_next_step() -> None:
    feed = a_book_of_two()
    feed.stand(NOW + 2 * SECOND)
    assert feed.quote(BTC).mark == 2
    assert feed.mark(BTC) == 2
    step = next(feed.steps(NOW + 2 * SECOND))
    assert step.at == NOW + 2 * SECOND


# --- quotes -----------------------------------------------------------------------------------------------------------


def test_a_quote_is_the_last_close_and_never_a_later_one() -> None:
    feed = a_feed(a_series([60000 + n for n in range(20)]))
    for n, step in enumerate(feed.steps()):
        quote = feed.quote(BTC)
        assert (quote.mark, quote.at) == (60000 + n, step.at)


def test_the_touch_is_rounded_away_from_the_mark() -> None:
    feed = a_feed(a_series([60000]), spread="0.0001", tick=D("0.5"))
    quote = feed.touch(BTC, D("60000.2"), NOW)
    # +-3.00001 around 60000.2, to the half: 59997.0 | 60003.5
    assert (quote.bid, quote.ask, quote.mark) == (D("59997.0"), D("60003.5"), D("60000.2"))


def test_before_the_first_bar_there_is_no_quote() -> None:
    feed = a_feed(a_series([1, 2]), a_series([1], symbol=ETH, begins=NOW + 5 * SECOND))
    with pytest.raises(NoEvidence, match="no bar yet"):
        feed.quote(BTC)
    next(feed.steps())
    assert feed.quote(BTC).mark == 1
    for ask in (feed.quote, feed.mark):
        with pytest.raises(NoEvidence, match="no bar yet"):
            ask(ETH)


def test_a_quote_is_good_until_the_next_bar_is_due_and_not_after() -> None:
    feed = a_feed(a_series([1, 2], every=MINUTE))
    next(feed.steps())
    feed.move_to(NOW + 2 * MINUTE - SECOND)
    assert feed.quote(BTC).at == NOW + MINUTE
    feed.move_to(NOW + 2 * MINUTE)
    with pytest.raises(NoEvidence, match=r"the last bar closed 0:01:00 ago"):
        feed.quote(BTC)


def test_a_quote_that_was_asked_for_is_not_kept_beyond_its_time() -> None:
    feed = a_feed(a_series([1, 2], every=MINUTE))
    next(feed.steps())
    assert feed.quote(BTC)
    feed.move_to(NOW + 2 * MINUTE)
    with pytest.raises(NoEvidence):
        feed.quote(BTC)


def test_in_a_gap_there_is_no_quote_but_a_last_mark() -> None:
    feed = a_feed(a_series([1, 2, None, None, 5]), a_series([1] * 5, symbol=ETH))
    to_second(feed, 3)
    with pytest.raises(NoEvidence):
        feed.quote(BTC)
    assert feed.mark(BTC) == 2
    assert feed.quote(ETH)


def test_an_instrument_whose_data_have_ended_has_no_quote_from_the_next_moment_on() -> None:
    feed = a_feed(a_series([1] * 5), a_series([3, 4], symbol=ETH))
    to_second(feed, 2)
    assert feed.quote(ETH).mark == 4
    to_second(feed, 3)
    with pytest.raises(NoEvidence):
        feed.quote(ETH)
    assert feed.mark(ETH) == 4


def test_an_unknown_instrument_has_no_quote() -> None:
    feed = a_feed(a_series([1]))
    next(feed.steps())
    with pytest.raises(NoEvidence):
        feed.quote(Symbol("XRP/USDT:USDT"))


# --- funding ----------------------------------------------------------------------------------------------------------


def hours(*settlements: tuple[float, float]) -> Feed:
    """Six hourly bars, with funding so many hours after the beginning."""
    funding = a_funding(*((NOW + h * HOUR, rate) for h, rate in settlements))
    return a_feed(a_series([1] * 6, every=HOUR), funding=[funding])


def test_funding_before_an_instruments_first_bar_is_not_settled() -> None:
    late = a_series([1] * 3, symbol=ETH, every=HOUR, begins=NOW + 3 * HOUR)
    rates = a_funding((NOW + 2 * HOUR, 0.1), (NOW + 5 * HOUR, 0.2), symbol=ETH)
    feed = a_feed(a_series([1] * 6, every=HOUR), late, funding=[rates])
    assert [(s, rate) for step in feed.steps() for s, _, rate in step.funding] == [(ETH, D("0.2"))]


def test_funding_is_settled_at_its_time_once() -> None:
    feed = hours((2, 0.0001), (4, -0.0002))
    found = [(at - NOW, rate) for step in feed.steps() for _, at, rate in step.funding]
    assert found == [(2 * HOUR, D("0.0001")), (4 * HOUR, D("-0.0002"))]


def test_funding_between_two_bars_is_settled_with_the_later() -> None:
    feed = hours((2.5, 0.0001))
    assert [step.at - NOW for step in feed.steps() if step.funding] == [3 * HOUR]


def test_the_milliseconds_of_a_settlement_do_not_move_it_to_the_next_bar() -> None:
    funding = a_funding((NOW + 2 * HOUR + timedelta(milliseconds=7), 0.0001))
    feed = a_feed(a_series([1] * 6, every=HOUR), funding=[funding])
    assert [(s.at, s.funding[0][1]) for s in feed.steps() if s.funding] == [(NOW + 2 * HOUR, NOW + 2 * HOUR)]


def test_the_rate_is_not_known_before_it_is_settled() -> None:
    feed = hours((2, 0.0001), (4, 0.0003))
    rates = []
    for _ in feed.steps():
        rates.append(feed.rate(BTC))
    assert rates == [None, D("0.0001"), D("0.0001"), D("0.0003"), D("0.0003"), D("0.0003")]


def test_funding_of_before_the_beginning_is_known_and_not_settled_again() -> None:
    feed = hours((2, 0.0001), (4, 0.0003))
    steps = feed.steps(NOW + 3 * HOUR)
    assert next(steps).funding == ()
    assert feed.rate(BTC) == D("0.0001")


def test_funding_due_at_the_interrupted_moment_is_told_again() -> None:
    """The venue knows what it has settled; the feed does not."""
    feed = hours((2, 0.0001))
    assert len(next(feed.steps(NOW + 2 * HOUR)).funding) == 1


def test_who_stands_in_the_market_knows_the_last_price() -> None:
    feed = hours((2, 0.0001), (4, 0.0003))
    feed.stand(NOW + 3 * HOUR)
    assert feed.quote(BTC).mark == 1
