"""One round of decisions at a time. The lanes never wait for it; what it approves is sent from them."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from trading.book import Book
from trading.breaker import Level, in_force
from trading.cycle import Cycle
from trading.decision import Decision, shown
from trading.digest import Waits
from trading.errors import JournalUnwritable
from trading.execution import Execution
from trading.lanes import Lanes
from trading.messages import SCHEDULED, Decide
from trading.model import Order, Symbol, TradingState
from trading.running import Running
from trading.sentry import Sentry

log = logging.getLogger(__name__)

CYCLE = Symbol("cycle")  # where an inner error was, when it was in a round of decisions


class Thinking:
    """`look`: steps the breaker. `frozen`: why nothing may be entered now, although nobody halted it; "" if it may."""

    def __init__(
        self,
        *,
        book: Book,
        running: Running,
        cycle: Cycle,
        sentry: Sentry,
        execution: Execution,
        lanes: Lanes,
        look: Callable[[], None],
        frozen: Callable[[], str],
        failed: Callable[[Symbol, Exception], None],
    ) -> None:
        self.book = book
        self.running = running
        self.cycle = cycle
        self.sentry = sentry
        self.execution = execution
        self.lanes = lanes
        self._look = look
        self._frozen = frozen
        self._failed = failed
        self.waits = Waits(book.state.waits_since or book.clock.now())
        self.ended: set[Symbol] = set()  # no more data: nothing is thought about these
        self.last = ""  # "btc-k3f9x2pa long 0.71"
        self._decided: dict[Symbol, datetime] = {}
        self._thoughts: asyncio.Queue[Decide] = asyncio.Queue()
        self._thinker: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._thinker = asyncio.create_task(self._think(), name="thinker")

    def about(self, thought: Decide) -> None:
        self._thoughts.put_nowait(thought)

    async def settle(self) -> None:
        """Until every thought is thought."""
        await self._thoughts.join()

    async def stop(self) -> None:
        """Give up what is being thought about. What was approved before has been handed on."""
        if self._thinker:
            self._thinker.cancel()
            await asyncio.gather(self._thinker, return_exceptions=True)

    async def sum_waits(self) -> None:
        """Tell the digest of what came to no trade, and begin the next."""
        now = self.book.clock.now()
        event = self.waits.take(now)
        rest = now + timedelta(microseconds=1)  # what was decided at this very moment is in this digest
        await self.book.commit([event] if event else [], desk={"waits_since": rest}, exit=True)

    # --- deciding -----------------------------------------------------------------------------------------------

    async def _think(self) -> None:
        while True:
            thought = await self._thoughts.get()
            try:
                async with self.running.steady:
                    await self._decide(thought)
            except Exception as error:  # the thinker outlives any one thought; it is said, and frozen
                log.exception("deciding")
                self._failed(CYCLE, error)
            finally:
                self._thoughts.task_done()

    async def _decide(self, thought: Decide) -> None:
        now, trigger = self.book.clock.now(), thought.trigger
        if trigger == SCHEDULED:
            self.sentry.count_round()
        self._look()
        symbols = [s for s in thought.symbols if s not in self.ended and self._decided.get(s) != now]
        unwritable = self.book.writable is not None and not self.book.writable.ok
        try:
            made = await self.cycle.run(symbols, trigger, phase=self.running.phase, frozen=self._frozen)
        except JournalUnwritable as error:
            if not unwritable:  # else it has been said
                log.error("entries are frozen: %s", error)
            self._look()
            return
        for decision in made.decisions:
            self._note(decision, now)
        for entry in made.entries:
            self.lanes.post(entry.symbol, lambda o=entry: self._enter(o), urgent=False)  # type: ignore[misc]

    def _note(self, decision: Decision, now: datetime) -> None:
        self._decided[decision.symbol] = now
        self.waits.add(decision)
        self.last = f"{decision.id} {decision.outcome} {shown(decision.verdict.confidence)}"

    # --- entering -----------------------------------------------------------------------------------------------

    async def _enter(self, order: Order) -> None:
        """Send an entry unless the world has changed since it was approved."""
        if self.book.orders.get(order.client_id) != order:
            return  # it was looked up in the meantime, not found, and given up
        self._look()
        obstacle = self._obstacle(order.symbol)
        if obstacle:
            await self.execution.withdraw(order, f"{obstacle} before it was sent")
        else:
            await self.execution.send(order)

    def _obstacle(self, symbol: Symbol) -> str:
        """What stands against an entry that was approved; "" when nothing does."""
        level = in_force(self.book.state.breaker, self.book.clock.now())
        if self.book.state.trading is TradingState.HALTED:
            return "halted"
        if level >= Level.HALT:
            return f"the breaker went to {level.name}"
        if symbol in self.ended:
            return "its data ended"
        frozen = self._frozen()
        return f"entries were frozen ({frozen})" if frozen else ""
