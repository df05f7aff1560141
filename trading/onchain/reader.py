"""One look at the chain: who has moved at least 100 ETH to or from an exchange within six hours, and whose wallets
those are. Nothing is asked twice within its lifetime, restarts included; several callers share one look."""

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import orjson

from trading.asking import Kept
from trading.chain import ChainView, Flow, NoReading, Reading, WalletClass, document
from trading.errors import BadRecord, BadWhaleModel, GavelError, JournalUnwritable
from trading.onchain.classifier import Classifier, Features, Kind
from trading.onchain.etherscan import DAY, Etherscan, TooMuch
from trading.onchain.features import LARGE, SCHEMA_HASH, features
from trading.onchain.history import MOST_ROWS, SPAN, Action, Transfer, history, newest
from trading.onchain.wallets import Wallets
from trading.ports import ChainCache, Clock, Ledger
from trading.voice import Body, Exchange, Lack, sha

BACK = timedelta(hours=6)
AHEAD = timedelta(minutes=10)  # the machine's clock and the chain's may differ by so much
LOOKED_FOR = timedelta(minutes=10)  # a discovery is good for
KNOWN_FOR = timedelta(hours=24)  # a wallet's history is good for
MOST_DISCOVERED = 50_000  # rows of one exchange wallet in six hours; more cannot be read, and is not guessed
MOST_JUDGED = 40  # wallets, the largest first, whose histories are read; what the others are is not known
MOST_KEPT = 256 * 1024  # bytes of a raw body that are kept with the reading
TOGETHER = 6  # answers waited for at the same time; the pace is the client's own
NOT_KNOWN: Kind = (WalletClass.UNKNOWN, 500_000)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one labelled wallet has shown: large transfers as (counterparty, ETH, goes into the exchange)."""

    at: datetime
    as_of: datetime | None  # of its newest row, whatever its size
    moves: tuple[tuple[str, Decimal, bool], ...]


class Off:
    """No chain reader, and why."""

    def __init__(self, why: str) -> None:
        self.off = why

    async def reading(self) -> Reading:
        raise NoReading(Lack.OFF, self.off)

    def view(self) -> ChainView:
        return ChainView(reading=None, why=f"off: {self.off}", asked=0, cached=0)

    async def close(self) -> None:
        """There is nothing to let go of."""


class Reader:
    off = ""

    def __init__(
        self,
        client: Etherscan,
        wallets: Wallets,
        classifier: Classifier,
        cache: ChainCache,
        ledger: Ledger,
        *,
        wall: Clock,
    ) -> None:
        self._client, self._wallets, self._classifier = client, wallets, classifier
        self._cache, self._ledger, self._wall = cache, ledger, wall
        self._together = asyncio.Semaphore(TOGETHER)
        self._task: asyncio.Task[Reading] | None = None
        self._last: Reading | None = None
        self._why = "not asked yet"
        self._cached: deque[datetime] = deque()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, GavelError):
                await self._task
        await self._client.close()

    def view(self) -> ChainView:
        while self._cached and self._cached[0] < self._wall.now() - DAY:
            self._cached.popleft()
        return ChainView(reading=self._last, why=self._why, asked=self._client.asked(), cached=len(self._cached))

    async def reading(self) -> Reading:
        """Raises NoReading. A caller that cannot wait leaves the look to go on: the next one finds what it brought."""
        if self._last is not None and self._fresh(self._last.at, LOOKED_FOR):
            self._hit()
            return self._last
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look(), name="chain reading")
            self._task.add_done_callback(_heard)  # its failure is told to whoever waits, and to nobody else
        return await asyncio.shield(self._task)

    def _fresh(self, at: datetime, life: timedelta) -> bool:
        return timedelta(0) <= self._wall.now() - at < life

    def _hit(self) -> None:
        self._cached.append(self._wall.now())

    # --- one look ---------------------------------------------------------------------------------------------------

    async def _look(self) -> Reading:
        try:
            found = await self._kept_reading()
        except NoReading as lack:
            self._last, self._why = None, lack.reason
            raise
        except (JournalUnwritable, BadRecord):
            self._last, self._why = None, "the reading could not be kept"
            raise NoReading(Lack.NOT_RECORDED, self._why) from None
        except BadWhaleModel as fault:
            self._last, self._why = None, str(fault)
            raise NoReading(Lack.OFF, self._why) from None
        self._last, self._why = found, ""
        return found

    async def _kept_reading(self) -> Reading:
        bodies: list[bytes] = []
        reading = await self._read(bodies)
        record = Body(data=document(reading))
        exchange = Exchange(
            purpose="whale",
            provider="etherscan",
            requested=reading.classifier,
            returned=reading.classifier,
            at=reading.at,
            request=sha(orjson.dumps([reading.at.isoformat(), sorted(self._wallets.exchanges)])),
            response=record.sha,
            status=200,
        )
        small = tuple(Body(data=body) for body in bodies if len(body) < MOST_KEPT)
        id = await self._ledger.keep(Kept(exchange=exchange, bodies=(record, *small)))
        return replace(reading, record=record.sha, exchange=replace(exchange, id=id))

    async def _read(self, bodies: list[bytes]) -> Reading:
        exchanges = sorted(self._wallets.exchanges)
        first, last = await self._blocks("block -6h", BACK, LOOKED_FOR)
        async with _all_or_none() as group:
            looks = [group.create_task(self._found(each, first, last, bodies)) for each in exchanges]
        found = [look.result() for look in looks]
        as_of = max((one.as_of for one in found if one.as_of), default=None)
        if as_of is None:
            raise NoReading(Lack.EMPTY, "Etherscan shows no transaction of any exchange wallet")
        if as_of > self._wall.now() + AHEAD:
            raise NoReading(Lack.BROKEN, "Etherscan shows a block of the future")
        moved = _sums(move for one in found for move in one.moves)
        kinds = await self._kinds(sorted(moved, key=lambda wallet: (-sum(moved[wallet][:2]), wallet)), last)
        return Reading(
            at=min(one.at for one in found),
            as_of=as_of,
            window=BACK,
            least=LARGE,
            exchanges=len(exchanges),
            flows=tuple(self._flow(wallet, moved[wallet], kind) for wallet, kind in kinds),
            classifier=self._classifier.name,
            record="",
        )

    def _flow(self, wallet: str, moved: tuple[Decimal, Decimal, int], kind: Kind) -> Flow:
        into, out, count = moved
        return Flow(
            wallet=wallet,
            label=self._wallets.label(wallet),
            kind=kind[0],
            kind_confidence=kind[1],
            into=into,
            out=out,
            transactions=count,
        )

    async def _blocks(self, name: str, back: timedelta, life: timedelta) -> tuple[int, int]:
        """The blocks that stood `back` ago and a moment ago: every list of one look ends at the same one."""

        async def ask() -> bytes:
            now = self._wall.now()
            return orjson.dumps([await self._client.block_at(now - back), await self._client.block_at(now)])

        first, last = orjson.loads((await self._once(name, life, ask))[1])
        return int(first), int(last)

    async def _once(self, key: str, life: timedelta, ask: Callable[[], Awaitable[bytes]]) -> tuple[datetime, bytes]:
        """An answer that was asked for within its lifetime, or a new one."""
        kept = await self._cache.get(key)
        if kept is not None and self._fresh(kept[0], life):
            self._hit()
            return kept
        async with self._together:
            at, body = self._wall.now(), await ask()
        await self._cache.put(key, at, body)
        return at, body

    # --- discovery --------------------------------------------------------------------------------------------------

    async def _found(self, exchange: str, first: int, last: int, bodies: list[bytes]) -> Found:
        async def ask() -> bytes:
            rows: list[Transfer] = []
            for action in (Action.NORMAL, Action.INTERNAL):
                got = await self._client.transfers(action, exchange, first=first, last=last, most=MOST_DISCOVERED + 1)
                if len(got.rows) > MOST_DISCOVERED:
                    raise NoReading(Lack.BROKEN, "an exchange wallet has more transactions than can be read")
                rows += got.rows
                bodies.extend(got.bodies)
            return await asyncio.to_thread(_packed, exchange, rows)

        at, body = await self._once(f"discovery {exchange}", LOOKED_FOR, ask)
        since, known = at - BACK, self._wallets.exchanges  # the first block may have begun before
        as_of, moves = _unpacked(body)
        kept = tuple((who, eth, into) for when, who, eth, into in moves if when >= since and who not in known)
        return Found(at=at, as_of=as_of, moves=kept)

    # --- what the counterparties are --------------------------------------------------------------------------------

    async def _kinds(self, wallets: Sequence[str], last: int) -> list[tuple[str, Kind]]:
        """In the same order; those beyond the cap, and those with more than can be read, are not known."""
        judged = wallets[:MOST_JUDGED]
        balances = await self._balances(judged)
        first, _ = await self._blocks("block -90d", SPAN, KNOWN_FOR) if judged else (0, 0)
        async with _all_or_none() as group:
            asked = [group.create_task(self._features(each, balances.get(each), first, last)) for each in judged]
        known = {each: task.result() for each, task in zip(judged, asked, strict=True)}
        ready = [(each, found) for each, found in known.items() if found is not None]
        kinds = await self._classifier.classify([found for _, found in ready])
        said = {each: kind for (each, _), kind in zip(ready, kinds, strict=True)}
        return [(each, said.get(each, NOT_KNOWN)) for each in wallets]

    async def _balances(self, wallets: Iterable[str]) -> dict[str, Decimal]:
        """Of those whose history is not at hand: twenty in a call."""
        wanted = []
        for wallet in wallets:
            kept = await self._cache.get(_history_of(wallet))
            if kept is None or not self._fresh(kept[0], KNOWN_FOR):
                wanted.append(wallet)
        return await self._client.balances(wanted)

    async def _features(self, wallet: str, balance: Decimal | None, first: int, last: int) -> Features | None:
        async def ask() -> bytes:
            rows: dict[Action, Sequence[Transfer]] = {}
            try:
                for action in Action:
                    got = await self._client.transfers(action, wallet, first=first, last=last, most=MOST_ROWS)
                    rows[action] = got.rows
            except TooMuch:
                return b"null"
            return await asyncio.to_thread(self._vector, wallet, rows, balance)

        _, body = await self._once(_history_of(wallet), KNOWN_FOR, ask)
        plain = orjson.loads(body)
        return None if plain is None else tuple(math.nan if value is None else float(value) for value in plain)

    def _vector(self, wallet: str, rows: dict[Action, Sequence[Transfer]], balance: Decimal | None) -> bytes:
        whole = history(wallet, rows, until=self._wall.now(), balance=balance, exchanges=self._wallets.exchanges)
        return orjson.dumps(features(whole))


def _history_of(wallet: str) -> str:
    """With the schema: features of another one are not at hand."""
    return f"history {SCHEMA_HASH[:12]} {wallet}"


def _packed(exchange: str, rows: Sequence[Transfer]) -> bytes:
    """The large transfers of an exchange wallet; a failed one moved nothing."""
    last = newest(rows)
    moves = [
        [row.at.isoformat(), row.sender if row.to == exchange else row.to, str(row.value), row.to == exchange]
        for row in rows
        if not row.failed and row.value >= LARGE and row.sender and row.to and exchange in (row.sender, row.to)
    ]
    return orjson.dumps({"as_of": last.isoformat() if last else None, "moves": moves})


def _unpacked(body: bytes) -> tuple[datetime | None, list[tuple[datetime, str, Decimal, bool]]]:
    plain = orjson.loads(body)
    moves = [(datetime.fromisoformat(at), str(who), Decimal(eth), bool(into)) for at, who, eth, into in plain["moves"]]
    return datetime.fromisoformat(plain["as_of"]) if plain["as_of"] else None, moves


def _sums(moves: Iterable[tuple[str, Decimal, bool]]) -> Mapping[str, tuple[Decimal, Decimal, int]]:
    """Into, out and how many, by counterparty."""
    sums: dict[str, tuple[Decimal, Decimal, int]] = {}
    for who, eth, into in moves:
        a, b, count = sums.get(who, (Decimal(0), Decimal(0), 0))
        sums[who] = (a + eth, b, count + 1) if into else (a, b + eth, count + 1)
    return sums


@contextlib.asynccontextmanager
async def _all_or_none() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that raises the first failure as it is: a part of the chain is no reading."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _heard(task: "asyncio.Task[Reading]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, NoReading):
        log.error("the chain could not be read: %s", type(error).__name__)
