"""The entry path, read top to bottom: look, ask the panel, judge, pass the gate, write it down, hand the order on."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial

from trading import shadow
from trading.book import Book
from trading.briefing import brief
from trading.calls import worth_of
from trading.decision import (
    Abstention,
    Action,
    Approved,
    Calibrated,
    Decision,
    Denied,
    Opinion,
    Plan,
    Ruling,
    Seen,
    Verdict,
)
from trading.errors import JournalUnwritable, NoEvidence
from trading.events import DecisionMade, Event, OrderIntended, ShadowOpened
from trading.exit_plan import ExitPlan
from trading.identity import client_id, decision_id
from trading.judge import bounded, by_hand, judge
from trading.market.outlook import Outlook, Outlooks
from trading.market.series import exact, from_ms
from trading.market.snapshot import Snapshot, Snapshots
from trading.messages import BY_HAND, EnterPair
from trading.model import DecisionId, Leg, Order, OrderKind, Position, Symbol, base_of
from trading.personas.panel import convene
from trading.playbook import Phase, Playbook, span_text
from trading.risk.gate import judge_entry
from trading.risk.levels import nearest_invalidation
from trading.risk.sizing import plan_entry
from trading.running import Panel
from trading.situation import Situation

SLACK = 5.0  # seconds beyond the deadlines of its models until a persona is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one look at the market came to."""

    decisions: tuple[Decision, ...] = ()
    entries: tuple[Order, ...] = ()  # to be sent; their intents are in the journal


@dataclass(frozen=True, slots=True)
class Heard:
    snapshot: Snapshot
    outlook: Outlook
    opinions: tuple[Opinion | Abstention, ...]
    verdict: Verdict
    asked: EnterPair | None = None  # by a person, who has chosen the side
    rulings: tuple[Ruling | Abstention, ...] = ()
    calibrated: Calibrated | None = None  # of the judge's confidence; a person's side has none


@dataclass(frozen=True, slots=True)
class Moment:
    """What a round decides under."""

    trigger: str
    phase: Phase | None
    frozen: Callable[[], str]


class Cycle:
    def __init__(
        self,
        *,
        market: Snapshots,
        book: Book,
        playbook: Playbook,
        panel: Panel,
        repeats_until: datetime | None = None,
    ) -> None:
        self.market = market
        self.book = book
        self.repeats_until = repeats_until  # market time at which the last process ended
        self.use(playbook, panel)

    def use(self, playbook: Playbook, panel: Panel) -> None:
        """Decide by these from now on. Never in the middle of a round: a decision is of one playbook."""
        self.playbook = playbook
        self.panel = panel
        self.patience = SLACK + max(s.answer_within for s in playbook.panel.values()).total_seconds()
        self.weights = {s: self._weights(i.base) for s, i in self.market.instruments().items()}
        self.outlooks = Outlooks(playbook.regime)
        self.situation = Situation(market=self.market, book=self.book, playbook=playbook)

    async def run(
        self, symbols: Sequence[Symbol], trigger: str, *, phase: Phase | None, frozen: Callable[[], str]
    ) -> Round:
        """Decide on each instrument of the universe that is free. `frozen` is asked after the panel, which may have
        thought for a while.

        Raises JournalUnwritable when the journal did not take the decisions: then nothing is to be sent.
        """
        moment = Moment(trigger, phase, frozen)
        # Models may take their time here; nothing below this line waits for anything but the journal.
        heard = await self._listen(await self._news([s for s in symbols if self._concerns(s)], trigger), moment)
        heard.sort(key=lambda h: -h.verdict.confidence)  # slots go to the strongest verdicts first
        return await self._come_to([(self._id(h.snapshot, trigger), h) for h in heard], moment)

    async def by_hand(self, asked: EnterPair, *, phase: Phase | None, frozen: Callable[[], str]) -> Round:
        """Decide on what a person asks for: the panel is heard and recorded, the side is his, the gate has the last
        word. An instrument that is taken, or not of the universe, is the gate's business too.

        Raises NoEvidence where there is no fresh bar, JournalUnwritable as `run` does.
        """
        moment = Moment(BY_HAND, phase, frozen)
        heard = await self._ask(self.market.snapshot(asked.symbol), moment, ruled=False)
        verdict = by_hand(heard.verdict, asked.direction, asked.by, self.playbook.judge)
        heard = replace(heard, verdict=verdict, asked=asked)
        return await self._come_to([(await self._next_id(heard.snapshot), heard)], moment)

    async def _come_to(self, heard: Sequence[tuple[DecisionId, Heard]], moment: Moment) -> Round:
        """Pass the gate, write down what it says, hand the entries on."""
        decisions: list[Decision] = []
        intents: list[Order] = []
        shadows: list[Position] = []  # what nothing but its expectancy keeps out: never sent, followed on paper
        for id, h in heard:
            decision = self._decide(id, h, moment)
            decisions.append(decision)
            match decision.gate:
                case Approved(plan=plan):
                    orders = self._orders(decision, plan, self._exit_plan(h, plan, moment.phase))
                    self.book.reserve(orders)  # at once, before anything is awaited: two entries never share a slot
                    intents += orders
                case Denied(would=Plan() as plan) if plan.symbol not in {p.symbol for p in self.book.state.shadow}:
                    orders = self._orders(decision, plan, self._exit_plan(h, plan, moment.phase))
                    shadows.append(self._shadow(orders[0]))
        await self._write(decisions, intents, shadows)
        return Round(decisions=tuple(decisions), entries=tuple(o for o in intents if o.leg is Leg.ENTRY))

    def _concerns(self, symbol: Symbol) -> bool:
        return base_of(symbol) in self.playbook.universe and symbol not in self.book.taken()

    async def _listen(self, snapshots: Sequence[Snapshot], moment: Moment) -> list[Heard]:
        """Opinions and verdicts; where models are on the panel, of all instruments at once."""
        if self.panel.instant:
            return [await self._ask(s, moment) for s in snapshots]
        return list(await asyncio.gather(*(self._ask(s, moment) for s in snapshots)))

    async def _ask(self, snapshot: Snapshot, moment: Moment, *, ruled: bool = True) -> Heard:
        """`ruled`: models may have a say in the verdict too; a person's is his own."""
        seats, outlook = self.weights[snapshot.symbol], self.outlooks(snapshot)
        if not self.panel.instant:
            about, briefing = self._id(snapshot, moment.trigger), brief(snapshot, outlook, self.situation, moment.phase)
            snapshot = replace(snapshot, about=about, briefing=briefing)
        opinions = await convene([self.panel.personas[n] for n in seats], snapshot, timeout=self.patience)
        verdict = judge(opinions, seats, self.playbook.judge)
        if not ruled:
            return Heard(snapshot, outlook, opinions, verdict)
        rulings: tuple[Ruling | Abstention, ...] = ()
        if self.panel.bench is not None:
            rulings = await self.panel.bench.rule(snapshot, verdict, opinions, weights=seats)
            verdict = bounded(verdict, rulings, self.playbook.judge, self.playbook.validation)
        worth = worth_of(self.book.state.judged, verdict, rulings)
        return Heard(snapshot, outlook, opinions, verdict, rulings=rulings, calibrated=worth)

    async def _news(self, symbols: Sequence[Symbol], trigger: str) -> list[Snapshot]:
        """What has not been decided on yet: after a crash one moment may be looked at twice, and nobody is asked twice.
        An instrument without a fresh bar is passed over."""
        snapshots = []
        for symbol in symbols:
            with suppress(NoEvidence):
                snapshots.append(self.market.snapshot(symbol))
        if self.repeats_until is None:
            return snapshots
        if self.book.clock.now() > self.repeats_until:
            self.repeats_until = None
        known = await self.book.journal.known([self._id(s, trigger) for s in snapshots])
        return [s for s in snapshots if self._id(s, trigger) not in known]

    def _weights(self, base: str) -> dict[str, int]:
        """Thousandths, of the personas that exist for an instrument and are armed."""
        return {n: seat.milli for n, seat in self.playbook.seats(base).items() if n in self.panel.personas}

    def _id(self, snapshot: Snapshot, trigger: str) -> DecisionId:
        return decision_id(self.book.state.desk, self.playbook.name, snapshot.symbol, snapshot.at, trigger)

    async def _next_id(self, snapshot: Snapshot) -> DecisionId:
        """A person may ask more than once in one moment of the market; each time is another decision."""
        number = 1
        while await self.book.journal.known([self._id(snapshot, f"{BY_HAND} {number}")]):
            number += 1
        return self._id(snapshot, f"{BY_HAND} {number}")

    def _decide(self, decision: DecisionId, heard: Heard, moment: Moment) -> Decision:
        """The record of one decision, its gate's answer included."""
        snapshot, verdict = heard.snapshot, heard.verdict
        waits = verdict.action is Action.WAIT
        return Decision(
            id=decision,
            symbol=snapshot.symbol,
            at=snapshot.at,
            trigger=moment.trigger,
            playbook=self.playbook.name,
            playbook_hash=self.playbook.hash,
            phase=_name(moment.phase),
            seen=_seen(snapshot, heard.outlook),
            opinions=heard.opinions,
            weights=self.weights[snapshot.symbol],
            verdict=verdict,
            gate=None if waits else self._gate(decision, heard, moment),
            by=heard.asked.by if heard.asked else "",
            rulings=heard.rulings,
            calibrated=heard.calibrated,
        )

    def _gate(self, decision: DecisionId, heard: Heard, moment: Moment) -> Approved | Denied:
        direction = heard.verdict.action.direction
        facts = self.situation.facts(
            heard.snapshot,
            heard.outlook,
            confidence=heard.verdict.confidence,
            invalidation=nearest_invalidation(heard.opinions, direction),
            phase=moment.phase,
            frozen=moment.frozen(),
            asked=heard.asked,
            thought=not self.panel.instant,
            calibrated=heard.calibrated.value if heard.calibrated else None,
        )
        draft = partial(plan_entry, direction=direction, desk=self.book.state.desk, decision=decision)
        return judge_entry(draft, facts)

    def _exit_plan(self, heard: Heard, plan: Plan, phase: Phase | None) -> ExitPlan:
        """What the position will be left by; it is opened on the evidence of now."""
        exits = self.playbook.exits_in(phase).plan(
            phase=_name(phase),
            stop_loss=plan.stop_loss,
            take_profit=plan.take_profit,
            entered=heard.outlook.evidence,
            budget=self.situation.budget,
        )
        return replace(exits, playbook=self.playbook.name)

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
            expected=plan.price,
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
                expected=trigger,
            )

        stop = guard(Leg.STOP, OrderKind.STOP, plan.protection.stop)
        return [entry, stop, guard(Leg.TARGET, OrderKind.TAKE_PROFIT, plan.protection.target)]

    def _shadow(self, entry: Order) -> Position:
        return shadow.opened(entry, self.market.instruments()[entry.symbol], playbook=self.playbook.name)

    async def _write(self, decisions: list[Decision], intents: list[Order], shadows: list[Position]) -> None:
        if not decisions:
            return
        now = self.book.clock.now()
        events: list[Event] = [DecisionMade(at=now, decision=d) for d in decisions]
        events += [OrderIntended(at=now, order=o) for o in intents]
        events += [ShadowOpened(at=now, position=p) for p in shadows]
        idle = not intents and not shadows and not any(d.by for d in decisions)
        try:
            await self.book.commit(events, intents, idle=idle)
        except (JournalUnwritable, asyncio.CancelledError):
            self.book.release(intents)
            raise


def _name(phase: Phase | None) -> str:
    return phase.name if phase else "base"


def _seen(snapshot: Snapshot, outlook: Outlook) -> Seen:
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
        regime=outlook.regime,
        volatility=outlook.volatility,
        atr=outlook.atr,
        source=snapshot.source,
    )
