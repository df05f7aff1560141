"""One round of decisions at a time. The lanes never wait for it; what it approves is sent from them."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from trading.book import Book
from trading.breaker import Level, in_force
from trading.cycle import Cycle, Round
from trading.decision import Approved, Decision, shown
from trading.digest import Waits
from trading.errors import JournalUnwritable, Misuse, NoEvidence
from trading.execution import Execution
from trading.lanes import STOPPED, Lanes
from trading.locks import against, standing_on
from trading.messages import SCHEDULED, Decide, EnterPair
from trading.model import Order, Symbol, TradingState, base_of
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
        self._rounds: set[Decide] = set()  # scheduled, and not begun
        self._thinker: asyncio.Task[None] | None = None
        self._by_hand: set[asyncio.Task[str]] = set()

    def start(self) -> None:
        self._thinker = asyncio.create_task(self._think(), name="thinker")

    def about(self, thought: Decide) -> None:
        """A scheduled round that finds its like waiting is left out: models may think longer than two rounds are apart,
        and what is missed is made up by one, never by a burst."""
        if thought.trigger == SCHEDULED:
            if thought in self._rounds:
                return
            self._rounds.add(thought)
        self._thoughts.put_nowait(thought)

    async def settle(self) -> None:
        """Until every thought is thought."""
        await self._thoughts.join()

    async def stop(self) -> None:
        """Give up what is being thought about. What was approved before has been handed on."""
        thinking = [*([self._thinker] if self._thinker else []), *self._by_hand]
        for task in thinking:
            task.cancel()
        await asyncio.gather(*thinking, return_exceptions=True)

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
            self._rounds.discard(thought)
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
            self._decided[decision.symbol] = now
        self._hand_on(made)

    def _hand_on(self, made: Round) -> None:
        for decision in made.decisions:
            self.waits.add(decision)
            self.last = f"{decision.id} {decision.outcome} {shown(decision.verdict.confidence)}"
        for entry in made.entries:
            self.lanes.post(entry.symbol, lambda o=entry: self._enter(o), urgent=False)  # type: ignore[misc]

    # --- by hand ------------------------------------------------------------------------------------------------

    async def by_hand(self, asked: EnterPair) -> str:
        """What comes of an entry that a person asks for. It goes on when who asked does not wait for it.

        Raises Misuse with the reason where nothing could be decided at all.
        """
        if asked.symbol not in self.cycle.market.instruments():
            raise Misuse(f"This market has no {base_of(asked.symbol)}.")
        task = asyncio.create_task(self._decide_by_hand(asked), name=f"by hand {asked.symbol}")
        self._by_hand.add(task)
        task.add_done_callback(self._by_hand.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise Misuse(STOPPED) from None
            raise

    async def _decide_by_hand(self, asked: EnterPair) -> str:
        async with self.running.steady:  # a round that is being thought about ends first
            self._look()
            try:
                made = await self.cycle.by_hand(asked, phase=self.running.phase, frozen=self._frozen)
            except NoEvidence as error:
                raise Misuse(f"Nothing can be decided now: {error}.") from error
            except JournalUnwritable as error:
                self._look()
                raise Misuse("The journal cannot be written, so nothing is entered.") from error
            except Exception as error:
                log.exception("deciding by hand")
                self._failed(CYCLE, error)
                raise Misuse("An error inside the desk has kept it from deciding; entries are frozen.") from error
            self._hand_on(made)
            return _came_of(made.decisions[0])

    # --- entering -----------------------------------------------------------------------------------------------

    async def _enter(self, order: Order) -> None:
        """Send an entry unless the world has changed since it was approved."""
        if self.book.orders.get(order.client_id) != order:
            return  # it was looked up in the meantime, not found, and given up
        self._look()
        obstacle = self._obstacle(order)
        if obstacle:
            await self.execution.withdraw(order, f"{obstacle} before it was sent")
        else:
            await self.execution.send(order)

    def _obstacle(self, order: Order) -> str:
        """What stands against an entry that was approved; "" when nothing does."""
        state, now = self.book.state, self.book.clock.now()
        level = in_force(state.breaker, now)
        lock = against(standing_on(state.locks, order.symbol, now), order.direction)
        if state.trading is TradingState.HALTED:
            return "halted"
        if lock is not None:
            return f"{base_of(order.symbol)} was locked by {lock.by}"
        if level >= Level.HALT:
            return f"the breaker went to {level.name}"
        if order.symbol in self.ended:
            return "its data ended"
        frozen = self._frozen()
        return f"entries were frozen ({frozen})" if frozen else ""


def _came_of(decision: Decision) -> str:
    """In one sentence."""
    what, gate = f"{base_of(decision.symbol)} {decision.verdict.action.value}", decision.gate
    if isinstance(gate, Approved):
        p = gate.plan
        levels = f"stop {p.protection.stop:f}, target {p.protection.target:f}"
        return f"Entering {what} {p.quantity:f} at about {p.price:f}, {levels} ({decision.id})."
    why = f"{gate.rule}: {gate.reason}" if gate else decision.verdict.reason
    return f"{what} is not entered. {why} ({decision.id})."
