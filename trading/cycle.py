"""The entry path, read top to bottom: look, ask the panel, judge, pass the gate, write it down, hand the order on."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from trading.book import Book
from trading.decision import Abstention, Approved, Decision, Denied, Opinion, Plan, Seen, Verdict
from trading.errors import JournalUnwritable, NoEvidence
from trading.identity import client_id, decision_id
from trading.judge import judge
from trading.market.series import exact, from_ms
from trading.market.snapshot import Snapshot
from trading.messages import DecisionMade, Event, OrderIntended
from trading.model import (
    DecisionId,
    ExitPlan,
    Leg,
    Order,
    OrderKind,
    Symbol,
)
from trading.personas.panel import Persona, convene
from trading.playbook import Exits, Phase, Playbook, span_text
from trading.ports import MarketData
from trading.risk.gate import assess
from trading.risk.safety import Facts
from trading.risk.sizing import plan_entry

THINK_WITHIN = 20.0  # seconds a persona that asks the outside world may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one look at the market came to."""

    decisions: tuple[Decision, ...] = ()
    entries: tuple[Order, ...] = ()  # to be sent; their intents are in the journal


@dataclass(frozen=True, slots=True)
class Heard:
    snapshot: Snapshot
    opinions: tuple[Opinion | Abstention, ...]
    verdict: Verdict


class Snapshots(MarketData, Protocol):
    """The market as a decision sees it."""

    def snapshot(self, symbol: Symbol) -> Snapshot:
        """Raises NoEvidence when there is no fresh bar."""
        ...


class Cycle:
    def __init__(
        self,
        *,
        market: Snapshots,
        book: Book,
        playbook: Playbook,
        panel: Mapping[str, Persona],
        repeats_until: datetime | None = None,
    ) -> None:
        self.market = market
        self.book = book
        self.playbook = playbook
        self.panel = panel  # the personas that are armed in this process
        self.repeats_until = repeats_until  # market time at which the last process ended
        self.weights = {s: self._weights(i.base) for s, i in market.instruments().items()}

    async def run(
        self, symbols: Sequence[Symbol], trigger: str, *, phase: Phase | None, frozen: Callable[[], str]
    ) -> Round:
        """Decide on each instrument that is free. `frozen` is asked after the panel: it may have thought for a while.

        Raises JournalUnwritable when the journal did not take the decisions: then nothing is to be sent.
        """
        # Models may take their time here; nothing below these two lines waits for anything but the journal.
        heard = await self._listen([s for s in symbols if s not in self.book.taken()])
        heard = await self._news(heard, trigger)
        heard.sort(key=lambda h: -h.verdict.confidence)  # slots go to the strongest verdicts first
        decisions: list[Decision] = []
        intents: list[Order] = []
        for h in heard:
            decision = self._decide(h, trigger, phase=phase, frozen=frozen())
            decisions.append(decision)
            if isinstance(decision.gate, Approved):
                orders = self._orders(decision, decision.gate.plan, self.playbook.exits_in(phase).plan(decision.phase))
                self.book.reserve(orders)  # at once, before anything is awaited: two entries never share a slot
                intents += orders
        await self._write(decisions, intents)
        return Round(decisions=tuple(decisions), entries=tuple(o for o in intents if o.leg is Leg.ENTRY))

    async def _listen(self, symbols: Sequence[Symbol]) -> list[Heard]:
        """Opinions and verdicts; an instrument without a fresh bar is passed over."""
        snapshots = []
        for symbol in symbols:
            with suppress(NoEvidence):
                snapshots.append(self.market.snapshot(symbol))
        if all(persona.instant for persona in self.panel.values()):
            return [await self._ask(s) for s in snapshots]
        return list(await asyncio.gather(*(self._ask(s) for s in snapshots)))

    async def _ask(self, snapshot: Snapshot) -> Heard:
        seats = self.weights[snapshot.symbol]
        opinions = await convene([self.panel[name] for name in seats], snapshot, timeout=THINK_WITHIN)
        return Heard(snapshot, opinions, judge(opinions, seats, self.playbook.judge))

    async def _news(self, heard: list[Heard], trigger: str) -> list[Heard]:
        """Without what the journal holds already: after a crash one moment may be looked at twice."""
        if self.repeats_until is None:
            return heard
        if self.book.clock.now() > self.repeats_until:
            self.repeats_until = None
        known = await self.book.journal.known([self._id(h.snapshot, trigger) for h in heard])
        return [h for h in heard if self._id(h.snapshot, trigger) not in known]

    def _weights(self, base: str) -> dict[str, int]:
        """Thousandths, of the personas that exist for an instrument and are armed."""
        return {n: seat.milli for n, seat in self.playbook.seats(base).items() if n in self.panel}

    def _id(self, snapshot: Snapshot, trigger: str) -> DecisionId:
        return decision_id(self.book.state.desk, self.playbook.name, snapshot.symbol, snapshot.at, trigger)

    def _decide(
        self,
        heard: Heard,
        trigger: str,
        *,
        phase: Phase | None,
        frozen: str,
    ) -> Decision:
        """The record of one decision, its gate's answer included."""
        snapshot, verdict = heard.snapshot, heard.verdict
        decision = self._id(snapshot, trigger)
        gate = None
        if verdict.action.value != "wait":
            gate = self._gate(decision, snapshot, verdict, phase=phase, frozen=frozen)
        return Decision(
            id=decision,
            symbol=snapshot.symbol,
            at=snapshot.at,
            trigger=trigger,
            playbook=self.playbook.name,
            playbook_hash=self.playbook.hash,
            phase=phase.name if phase else "base",
            seen=_seen(snapshot),
            opinions=heard.opinions,
            weights=self.weights[snapshot.symbol],
            verdict=verdict,
            gate=gate,
        )

    def _gate(
        self,
        decision: DecisionId,
        snapshot: Snapshot,
        verdict: Verdict,
        *,
        phase: Phase | None,
        frozen: str,
    ) -> Approved | Denied:
        symbol, exits = snapshot.symbol, self.playbook.exits_in(phase)
        try:
            quote = self.market.quote(symbol)  # again: the panel may have thought for a while
        except NoEvidence as error:
            quote, frozen = snapshot.quote, frozen or f"no price any more: {error}"
        facts = self._facts(symbol, exits=exits, phase=phase, frozen=frozen)
        plan = plan_entry(
            desk=self.book.state.desk,
            decision=decision,
            direction=verdict.action.direction,
            confidence=verdict.confidence,
            equity=facts.equity,
            quote=quote,
            instrument=facts.instrument,
            playbook=self.playbook,
            exits=exits,
        )
        return assess(plan, facts)

    def _facts(self, symbol: Symbol, *, exits: Exits, phase: Phase | None, frozen: str) -> Facts:
        book = self.book
        try:
            equity = book.equity(self.market.quote)
        except NoEvidence as error:
            equity, frozen = book.booked, frozen or f"equity is not known: {error}"
        margin = book.margin_used(lambda order: self.market.quote(order.symbol).mark)
        return Facts(
            now=book.clock.now(),
            trading=book.state.trading,
            halt_reason=book.state.halt_reason,
            frozen=frozen,
            equity=equity,
            available=min(book.booked, equity) - margin,
            margin_used=margin,
            day_equity=book.state.day_equity or equity,
            positions=len(book.positions) + len(book.entries()),
            max_positions=self.playbook.max_positions_in(phase),
            taken=book.taken(),
            last_exit=book.last_exit.get(symbol),
            instrument=self.market.instruments()[symbol],
            playbook=self.playbook,
            stop_loss=exits.stop_loss,
        )

    def _orders(self, decision: Decision, plan: Plan, exits: ExitPlan) -> list[Order]:
        """Entry, stop and target: all three are intents before the request leaves."""
        now, desk = self.book.clock.now(), self.book.state.desk
        entry = Order(
            client_id=client_id(desk, decision.id, Leg.ENTRY),
            decision_id=decision.id,
            leg=Leg.ENTRY,
            symbol=plan.symbol,
            side=plan.direction.entry,
            kind=OrderKind.MARKET,
            quantity=plan.quantity,
            created_at=now,
            leverage=plan.leverage,
            protection=plan.protection,
            plan=exits,
        )

        def guard(leg: Leg, kind: OrderKind, trigger: Decimal) -> Order:
            return Order(
                client_id=client_id(desk, decision.id, leg),
                decision_id=decision.id,
                leg=leg,
                symbol=plan.symbol,
                side=plan.direction.exit,
                kind=kind,
                quantity=plan.quantity,
                created_at=now,
                trigger=trigger,
                reduce_only=True,
                leverage=plan.leverage,
            )

        stop = guard(Leg.STOP, OrderKind.STOP, plan.protection.stop)
        return [entry, stop, guard(Leg.TARGET, OrderKind.TAKE_PROFIT, plan.protection.target)]

    async def _write(self, decisions: list[Decision], intents: list[Order]) -> None:
        if not decisions:
            return
        now = self.book.clock.now()
        events: list[Event] = [DecisionMade(at=now, decision=d) for d in decisions]
        events += [OrderIntended(at=now, order=o) for o in intents]
        try:
            await self.book.commit(events, intents, idle=not intents)
        except (JournalUnwritable, asyncio.CancelledError):
            self.book.release(intents)
            raise


def _seen(snapshot: Snapshot) -> Seen:
    series = snapshot.features.series
    return Seen(
        close=exact(series.close[snapshot.row]),
        bid=snapshot.quote.bid,
        ask=snapshot.quote.ask,
        mark=snapshot.quote.mark,
        quote_at=snapshot.quote.at,
        bar_closed_at=from_ms(series.opened[snapshot.row]) + series.every,
        interval=span_text(series.every),
        funding_rate=snapshot.funding_rate,
        source=snapshot.source,
    )
