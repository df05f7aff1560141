"""Where a replayed market comes from: chapters out of candle files, and out of the simulated market, day by day."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from trading.llm.recorded import RecordedBallots, read_ballots
from trading.market.feed import Feed
from trading.market.moments import Chapter, MarketFeed, Step
from trading.market.series import FundingSeries, Series, from_ms
from trading.model import Instrument, Symbol
from trading.playbook import Playbook
from trading.venues import history
from trading.venues.listing import listing
from trading.venues.market_paths import PAIRS
from trading.venues.market_sim import MarketSim

if TYPE_CHECKING:  # it loads a whole network library, which a market that is played does not need
    from trading.venues.exchange.connection import Connection

SPREAD = Decimal("0.0001")  # of price: candle files hold no touch, so one basis point is assumed
SIM_STARTS = datetime(2026, 1, 1, tzinfo=UTC)
NO_FLOW = "no taker volume in these candles, and no order book"
WARM_UP = 6  # days of simulated market before the first one that is played
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    feed: MarketFeed
    begins: datetime
    ends: datetime | None  # None: it never does
    notes: tuple[str, ...]
    lacks: dict[str, str]  # personas that this market can never give anything to read, and why
    identity: dict[str, str]  # what a database must have been made with to go on in this market
    real: bool = False  # it exists, now: what models read in the news is about it
    ballots: RecordedBallots | None = None  # what models have said about it, where that was written down
    connection: "Connection | None" = None  # to the exchange whose market it is; None: it is played
    live: bool = False  # orders go to that exchange, and money with them

    def played(self, since: datetime | None) -> Iterator[Step]:
        """The moments of a market that is played."""
        if not isinstance(self.feed, Feed):
            raise TypeError(f"{self.feed.source} is not played")
        return self.feed.steps(since)


def from_history(
    directory: Path,
    playbook: Playbook,
    *,
    also: Iterable[str] = (),
    every: timedelta | None = None,
    funding: Path | None = None,
) -> Market:
    """Candle files as a market: of the playbook's universe, and of the bases that are needed besides.

    Raises BadHistory.
    """
    bases = (*playbook.universe, *sorted(set(also) - set(playbook.universe)))
    found = history.load(directory, quote=playbook.quote, bases=bases, every=every, funding=funding)
    chapter = Chapter(paths=found.series, history=found.series, funding=found.funding)
    instruments = {s: listing(series) for s, series in found.series.items()}
    source = f"history: {found.name}"
    feed = Feed(chapters=lambda _: iter([chapter]), instruments=instruments, source=source, spread=SPREAD)
    return Market(
        feed=feed,
        begins=from_ms(min(int(s.closed[0]) for s in found.series.values())),
        ends=from_ms(max(int(s.closed[-1]) for s in found.series.values())),
        notes=found.notes,
        lacks={} if any(s.taker_buy is not None for s in found.series.values()) else {"flow": NO_FLOW},
        identity={"market": source},
    )


def with_opinions(market: Market, file: Path, playbook: Playbook) -> Market:
    """The same market, with recorded ballots beside it, and a note where the playbook's council is not in them.

    Raises BadBallots.
    """
    ballots = read_ballots(file)
    seat = playbook.panel.get("council")
    if seat is None:
        note = f"Playbook {playbook.name} has no council: {file.name} is not used."
        return replace(market, ballots=ballots, notes=(*market.notes, note))
    silent = [model for model in seat.models if model not in ballots.models]
    if not silent:
        return replace(market, ballots=ballots)
    note = f"{file.name} holds no ballot of {', '.join(silent)}; it is by {', '.join(sorted(ballots.models))}."
    lacks = {"council": f"{file.name} holds no ballot of its models"} if len(silent) == len(seat.models) else {}
    return replace(market, ballots=ballots, notes=(*market.notes, note), lacks={**market.lacks, **lacks})


def simulated(seed: int, playbook: Playbook, *, also: Iterable[str] = ()) -> Market:
    """The seeded market: same seed, same market, bit for bit, at whatever moment one enters it, whatever is chosen."""
    bases = (*playbook.universe, *sorted(set(also) & PAIRS.keys() - set(playbook.universe)))
    sim = MarketSim(seed=seed, bases=bases, quote=playbook.quote, starts=SIM_STARTS - WARM_UP * DAY)
    instruments: dict[Symbol, Instrument] = sim.instruments()

    def chapters(since: datetime | None) -> Iterator[Chapter]:
        # A bar that closes at midnight belongs to the day before.
        number = WARM_UP + max(0, (since - SIM_STARTS - timedelta(microseconds=1)) // DAY if since else 0)
        while True:
            yield _sim_chapter(sim, number)
            number += 1

    feed = Feed(chapters=chapters, instruments=instruments, source="simulated market", spread=SPREAD, book=sim.book)
    identity = {"market": "simulated market", "seed": str(seed)}
    return Market(feed=feed, begins=SIM_STARTS, ends=None, notes=(), lacks={}, identity=identity)


def _sim_chapter(sim: MarketSim, number: int) -> Chapter:
    """One day to play, with the days before it as warm-up: a function of the day alone."""
    days = [sim.day(n) for n in range(number - WARM_UP, number + 1)]
    longer = {s: Series.joined([d.series[s] for d in days]) for s in days[-1].series}
    funding = {s: FundingSeries.joined([d.funding[s] for d in days]) for s in days[-1].funding}
    return Chapter(paths=days[-1].series, history=longer, funding=funding, last=False)
