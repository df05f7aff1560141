"""A desk on the emulated WEEX that keeps an AI log: real journal, real client, real exchange rules."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bot.ai_log import AiLog, Pace
from bot.ai_log_keeping import credential
from storage.ai_log import AiLogBox
from storage.database import Database
from storage.journal import SqlJournal
from storage.tables import AI_LOG
from tests.builders import a_plain_playbook, an_exit_plan
from tests.fakes.exchange_house import KEYS, House, a_house
from tests.fakes.weex_exchange_rows import ID_BASE
from tests.storage_builders import a_database, decided
from trading.ailog import kept
from trading.clock import SystemClock
from trading.desk import Desk
from trading.errors import NoEvidence
from trading.events import OrderIntended
from trading.exit_plan import StopKind, StopMove
from trading.identity import client_id
from trading.market.series import Series
from trading.market.snapshot import Snapshot
from trading.model import (
    DecisionId,
    Direction,
    ExitReason,
    Instrument,
    Leg,
    Order,
    OrderKind,
    Position,
    Protection,
    Quote,
    Symbol,
)
from trading.running import Panel
from trading.venues.exchange.weex_ai import WeexLog

BTC = Symbol("BTC/USDT:USDT")
RULES = "gavel/1.2.3 rules"
QUICK = Pace(first=0.02, longest=0.1, refused=0.05, look=0.02, between=0.0, looked_up=0.0)
UPLOAD = "/capi/v3/order/uploadAiLog"


def native_id(number: int) -> int:
    return ID_BASE + number


async def until(true: Callable[[], Any], within: float = 15.0) -> None:
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 - the exchange has no event for it
            await asyncio.sleep(0.02)


class Marks:
    """The market as the desk sees it, without asking anybody."""

    source = "an emulated exchange"

    def __init__(self, house: House) -> None:
        self._house = house

    def instruments(self) -> dict[Symbol, Instrument]:
        return {symbol: listing.instrument for symbol, listing in self._house.listings.items()}

    def quote(self, symbol: Symbol) -> Quote:
        core, native = self._house.core, self._house.native(symbol)
        now = SystemClock().now()
        return Quote(symbol=symbol, at=now, bid=core.bid(native), ask=core.ask(native), mark=core.mark(native))

    def snapshot(self, symbol: Symbol) -> Snapshot:
        raise NoEvidence(f"{symbol}: nobody decides here")

    def series(self) -> dict[Symbol, Series]:
        return {}


@dataclass
class Stage:
    house: House
    desk: Desk
    database: Database
    box: AiLogBox
    exchange: WeexLog
    log: AiLog = field(init=False)
    told: list[tuple[str, bool]] = field(default_factory=list)
    quantity: Decimal = Decimal("0.01")
    number: int = 0

    @property
    def front(self) -> Any:
        return self.house.front

    @property
    def logs(self) -> list[dict[str, Any]]:
        return list(self.front.ai_logs)

    @property
    def stages(self) -> list[str]:
        return [log["stage"] for log in self.logs]

    async def rows(self) -> list[Any]:
        return list(await self.database.read(lambda c: c.execute(select(AI_LOG).order_by(AI_LOG.c.id)).all()))

    async def all_sent(self, n: int) -> None:
        """Until so many entries are there, and known to be."""
        async with asyncio.timeout(15):
            while [s for s in await self.states() if s != "void"] != ["sent"] * n:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.02)

    async def states(self) -> list[str]:
        return [row.state for row in await self.rows()]

    def sender(self, **changes: Any) -> AiLog:
        async def tell(detail: str, over: bool) -> None:
            self.told.append((detail, over))

        settings: dict[str, Any] = {
            "credential": credential(KEYS),
            "rules": RULES,
            "required": False,
            "wall": SystemClock(),
            "tell": tell,
            "pace": QUICK,
        }
        return AiLog(self.box, self.exchange, **{**settings, **changes})

    async def end(self) -> None:
        await self.log.close()

    async def again(self, **changes: Any) -> AiLog:
        """The process begins anew: another sender on the same outbox."""
        await self.log.close()
        self.log = self.sender(**changes)
        self.log.start()
        return self.log

    async def decided(self) -> DecisionId:
        """A decision and its three intents in one transaction, as the cycle has it."""
        self.number += 1
        decision = DecisionId(f"btc-{self.number:08d}")
        orders, now = self._intents(decision), self.desk.now()
        self.desk.book.reserve(orders)
        intended = [OrderIntended(at=now, order=order) for order in orders]
        await self.desk.book.commit([decided(decision, "long", now, BTC), *intended], orders)
        return decision

    def _intents(self, decision: DecisionId) -> list[Order]:
        instrument, mark = self.house.listings[BTC].instrument, self.house.core.mark("BTCUSDT")
        ids = {leg: client_id("test", decision, leg) for leg in (Leg.ENTRY, Leg.STOP, Leg.TARGET)}
        stop, target = (instrument.round_price(mark * Decimal(far)) for far in ("0.97", "1.04"))
        entry = Order(
            client_id=ids[Leg.ENTRY],
            decision_id=decision,
            leg=Leg.ENTRY,
            symbol=BTC,
            side=Direction.LONG.entry,
            kind=OrderKind.MARKET,
            quantity=self.quantity,
            created_at=self.desk.now(),
            leverage=10,
            expected=mark,
            protection=Protection(stop_id=ids[Leg.STOP], stop=stop, target_id=ids[Leg.TARGET], target=target),
            plan=an_exit_plan(),
        )
        guard = replace(entry, side=Direction.LONG.exit, reduce_only=True, protection=None, plan=None)
        kinds = ((Leg.STOP, OrderKind.STOP, stop), (Leg.TARGET, OrderKind.TAKE_PROFIT, target))
        return [entry, *(replace(guard, client_id=ids[leg], leg=leg, kind=k, trigger=t) for leg, k, t in kinds)]

    def send(self, decision: DecisionId) -> None:
        [entry] = self.desk.book.orders_for(decision, Leg.ENTRY)
        self.desk.lanes.post(BTC, lambda: self.desk.execution.send(entry), urgent=False)

    def move_stop(self, position: Position) -> None:
        level = self.house.listings[BTC].instrument.round_price(position.protection.stop * Decimal("1.005"))
        move = StopMove(level=level, kind=StopKind.TRAILING, note="a test")
        self.desk.lanes.post(BTC, lambda: self.desk.execution.move_stop(position, move))

    def close(self, position: Position) -> None:
        close = self.desk.execution.close_now
        self.desk.lanes.post(BTC, lambda: close(position.id, ExitReason.MANUAL, "closed by the owner"))

    async def live(self) -> None:
        """The desk's second hand, twice as fast."""
        while True:
            self.desk.on_time()
            await asyncio.sleep(0.5)

    async def entered(self) -> Position:
        decision = await self.decided()
        self.send(decision)
        await until(lambda: (p := self.desk.book.on(BTC)) is not None and p.guard.value == "confirmed")
        position = self.desk.book.on(BTC)
        assert position is not None
        return position

    def asked(self, path: str) -> list[dict[str, Any]]:
        """Bodies of what was posted there."""
        return [json.loads(c.body) for c in self.front.requests if c.path == path and c.method == "POST"]


@asynccontextmanager
async def a_stage(path: Path, **changes: Any) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as opened:
        house: House = await opened.enter_async_context(a_house("weex"))
        house.front.permissions["ai_log"] = True
        clock = SystemClock()
        database = await a_database(path / "gavel.db")
        opened.push_async_callback(database.close)
        journal = SqlJournal(database, route=lambda _: [], wall=clock)
        natives = {symbol: listing.native for symbol, listing in house.listings.items()}
        exchange = WeexLog(house.trade, house.venue, natives=lambda: natives)
        box = AiLogBox(database, kept=partial(kept, as_sent=exchange, rules=RULES), wall=clock)
        journal.beside.append(box)
        desk = await Desk.open(
            name="test",
            journal=journal,
            clock=clock,
            market=Marks(house),  # type: ignore[arg-type]
            venue=house.venue,
            playbook=a_plain_playbook(),
            arm=lambda _: Panel(personas={}, off={}),
            load=lambda _: a_plain_playbook(),
            tags={},
        )
        desk.patient = False
        house.venue.follow(desk.book)
        stage = Stage(house, desk, database, box, exchange)
        await desk.start()
        opened.push_async_callback(desk.stop, "done")
        await house.listen()
        living = asyncio.create_task(stage.live())
        opened.callback(living.cancel)
        stage.log = stage.sender(**changes)
        opened.push_async_callback(stage.end)
        yield stage
