"""One market, seen by several playbooks: each has bars of its own, none sees the future, the price is shared."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.builders import BTC, ETH, NOW, a_playbook, an_instrument
from tests.desks import HOUR, SECOND, a_feed, a_funding, a_house, a_series
from trading.errors import NoEvidence
from trading.market import view as views
from trading.market.feed import Feed
from trading.market.moments import Chapter
from trading.market.series import to_ms
from trading.market.view import View
from trading.model import OrderBook, Quote, Symbol
from trading.playbook import Playbook

D = Decimal
MINUTE = timedelta(minutes=1)


def on_bars(bar: str, **changes: object) -> Playbook:
    return a_house(schedule={"bar": bar}, **changes)


def a_walk(bars: int = 20) -> Feed:
    return a_feed(a_series([60000 + n for n in range(bars)]))


def to_second(feed: Feed, second: int) -> None:
    for step in feed.steps():
        if step.at >= NOW + second * SECOND:
            return
    raise AssertionError("the market has ended")


# --- snapshots --------------------------------------------------------------------------------------------------------


def test_a_snapshot_reads_no_row_after_its_own() -> None:
    feed = a_walk()
    view = View(feed, on_bars("1s"))
    for n, step in enumerate(feed.steps()):
        snapshot = view.snapshot(BTC)
        assert (snapshot.row, snapshot.at) == (n, step.at)
        assert snapshot.features.series.closed[snapshot.row] <= to_ms(step.at)


def test_bars_longer_than_the_markets_are_made_of_them_and_an_open_one_is_not_decided_on() -> None:
    feed = a_walk()
    view = View(feed, on_bars("5s"))
    rows = {}
    for n, _ in enumerate(feed.steps(NOW + 5 * SECOND), start=5):
        snapshot = view.snapshot(BTC)
        rows[n] = (snapshot.row, float(snapshot.features.series.close[snapshot.row]))
    assert [rows[n] for n in (5, 9, 10, 20)] == [(0, 60004.0), (0, 60004.0), (1, 60009.0), (3, 60019.0)]


@pytest.mark.parametrize("bar", ["1s", "7s"])
def test_bars_that_the_market_cannot_make_are_its_own(bar: str) -> None:
    feed = a_feed(a_series([1, 2, 3], every=5 * SECOND))
    assert View(feed, on_bars(bar)).series() == {}, "nothing before a chapter is open"
    view = View(feed, on_bars(bar))
    next(feed.steps())
    assert view.series()[BTC].every == 5 * SECOND


def test_where_there_is_no_fresh_bar_there_is_no_snapshot() -> None:
    feed = a_feed(a_series([1, 2, None, None, 5]), a_series([1] * 5, symbol=ETH))
    view = View(feed, on_bars("1s"))
    to_second(feed, 3)
    assert view.snapshot(ETH)
    for symbol in (BTC, Symbol("XRP/USDT:USDT")):
        with pytest.raises(NoEvidence):
            view.snapshot(symbol)


def test_a_coarse_bar_is_fresh_until_the_next_one_is_due() -> None:
    """The market moves on, but an interval of bars is missing: the old bar is not decided on for ever."""
    feed = a_feed(a_series([1] * 5 + [None] * 7 + [2] * 8))
    view = View(feed, on_bars("5s"))
    to_second(feed, 13)
    with pytest.raises(NoEvidence, match="no fresh bar to decide on"):
        view.snapshot(BTC)


def test_an_instrument_without_history_is_quoted_and_not_decided_on() -> None:
    series = a_series([1, 2])
    chapter = Chapter(paths={BTC: series}, history={}, funding={})
    feed = Feed(chapters=lambda _: iter([chapter]), instruments={BTC: an_instrument()}, source="t", spread=D(0))
    view = View(feed, on_bars("1s"))
    next(feed.steps())
    assert view.quote(BTC).mark == 1
    with pytest.raises(NoEvidence, match="no bars to decide on"):
        view.snapshot(BTC)


def test_a_snapshot_has_a_book_where_the_market_has_one() -> None:
    def book(symbol: Symbol, quote: Quote, at: datetime) -> OrderBook:
        return OrderBook(symbol=symbol, at=at, bids=((quote.bid, D(1)),), asks=((quote.ask, D(1)),))

    series = a_series([60000])
    chapter = Chapter(paths={BTC: series}, history={BTC: series}, funding={})
    instruments = {BTC: an_instrument()}
    feed = Feed(chapters=lambda _: iter([chapter]), instruments=instruments, source="t", spread=D(0), book=book)
    next(feed.steps())
    found = View(feed, on_bars("1s")).snapshot(BTC).book
    assert found
    assert found.at == NOW + SECOND
    plain = a_feed(series)
    next(plain.steps())
    assert View(plain, on_bars("1s")).snapshot(BTC).book is None


def test_a_snapshot_has_the_funding_rate_that_was_settled_last() -> None:
    funding = a_funding((NOW + 2 * HOUR, 0.0001))
    feed = a_feed(a_series([1] * 3, every=HOUR), funding=[funding])
    view = View(feed, on_bars("1h"))
    assert [view.snapshot(BTC).funding_rate for _ in feed.steps()] == [None, D("0.0001"), D("0.0001")]


def test_a_view_shows_the_feeds_prices_and_instruments() -> None:
    feed = a_walk()
    view = View(feed, on_bars("5s"))
    to_second(feed, 3)
    assert view.quote(BTC) == feed.quote(BTC)
    assert (view.instruments(), view.source) == (feed.instruments(), feed.source)


# --- several playbooks ------------------------------------------------------------------------------------------------


def test_two_views_on_one_feed_serve_two_playbooks() -> None:
    feed = a_walk()
    fine, coarse = View(feed, on_bars("1s")), View(feed, on_bars("10s"))
    to_second(feed, 12)
    assert (fine.snapshot(BTC).row, coarse.snapshot(BTC).row) == (11, 0)
    assert fine.snapshot(BTC).quote == coarse.snapshot(BTC).quote


def test_a_view_changes_its_playbook_where_it_stands() -> None:
    feed = a_walk()
    view = View(feed, on_bars("1s"))
    to_second(feed, 12)
    assert view.snapshot(BTC).every == SECOND
    view.use(on_bars("4s"))
    assert (view.snapshot(BTC).every, view.snapshot(BTC).row) == (4 * SECOND, 2)
    assert view.series()[BTC].every == 4 * SECOND


def test_the_window_of_taker_volume_is_the_playbooks() -> None:
    feed = a_walk()
    view = View(feed, on_bars("1s", panel={"flow": {"weight": "1", "window": "10s"}}))
    to_second(feed, 5)
    assert view.snapshot(BTC).features.taker_window == 10 * SECOND
    view.use(Playbook.model_validate({**on_bars("1s").model_dump(), "panel": {"technical": {"weight": 1}}}))
    assert view.snapshot(BTC).features.taker_window == timedelta(minutes=15)


# --- speed ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Symbol]:
    """The instruments whose features were made, in order."""
    made: list[Symbol] = []
    build = views.build

    def counted(series, **rest):  # type: ignore[no-untyped-def]
        made.append(series.symbol)
        return build(series, **rest)

    monkeypatch.setattr(views, "build", counted)
    return made


def two_chapters() -> Feed:
    def chapters(_: datetime | None) -> Iterator[Chapter]:
        whole = a_series([1, 2, 3, 4])
        yield Chapter(paths={BTC: whole.rows(0, 2)}, history={BTC: whole.rows(0, 2)}, funding={}, last=False)
        yield Chapter(paths={BTC: whole.rows(2, 4)}, history={BTC: whole}, funding={})

    return Feed(chapters=chapters, instruments={BTC: an_instrument()}, source="t", spread=D(0))


def test_features_are_made_once_a_chapter(built: list[Symbol]) -> None:
    feed = two_chapters()
    view = View(feed, on_bars("1s"))
    assert [view.snapshot(BTC).row for _ in feed.steps()] == [0, 1, 2, 3]
    assert len(built) == 2


def test_a_playbook_with_the_same_bars_keeps_what_is_there(built: list[Symbol]) -> None:
    feed = a_walk()
    playbook = on_bars("5s")
    view = View(feed, playbook)
    to_second(feed, 7)
    before = view.snapshot(BTC).features
    view.use(a_playbook(**{**playbook.model_dump(), "title": "another"}))
    assert view.snapshot(BTC).features is before
    assert len(built) == 1


def test_nothing_is_made_for_a_desk_that_only_looks_at_prices(built: list[Symbol]) -> None:
    feed = a_walk()
    view = View(feed, on_bars("1s"))
    to_second(feed, 7)
    view.quote(BTC)
    assert not built
