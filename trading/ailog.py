"""What a competition wants to know of each decision, order and close: entries for an exchange's AI log. Pure.

An entry says what is in the record and nothing else. Only a model that has answered is named, by the id with which it
answered; rules are called rules. An entry about an order waits until it is known that the exchange has that order: what
was never sent, or refused, has no place in the log.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from trading.ailog_words import Json, evidence, figures, models_of, plain, sentence, some, verdict_of, words_of
from trading.decision import Decision, Opinion, Ruling
from trading.events import (
    DecisionMade,
    Event,
    ExitTriggered,
    OrderEnded,
    OrderFilled,
    OrderIntended,
    OrderSent,
    PartialTriggered,
    StopMoved,
    StopNotMoved,
    TradeClosed,
)
from trading.exit_plan import StopMove
from trading.model import (
    ClientId,
    DecisionId,
    Direction,
    ExitReason,
    Leg,
    Order,
    OrderStatus,
    Position,
    Symbol,
    Trade,
)
from trading.ports import State
from trading.voice import Voice

DECIDING, EXECUTING, CLOSING = "Decision Making", "Trade Execution", "Position Close"
NOBODY, NOTHING = ClientId(""), DecisionId("")
_SENT_LEGS = (Leg.ENTRY, Leg.PARTIAL, Leg.CLOSE)  # stop and target ride on the entry, and are in its entry
_GUARDS = (Leg.STOP, Leg.TARGET)
_NEVER = (OrderStatus.REJECTED, OrderStatus.ABANDONED)


class Lookup(StrEnum):
    """How the exchange's own id of an order is found."""

    NONE = ""  # the entry is about no order
    ORDER = "order"  # by our id
    GUARD = "guard"  # by our id of a stop that stands
    FILL = "fill"  # by a fill of it: it was made by the exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`key`: what it is about; no second entry has the same. `held`: whether the exchange has the order is not known
    yet."""

    key: str
    symbol: Symbol
    decision: DecisionId
    stage: str
    model: str
    input: Json
    output: Json
    explanation: str
    lookup: Lookup = Lookup.NONE
    client_id: ClientId = NOBODY
    fill: str = ""
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What has become of an order whose entry is held. `came`: the exchange has it.

    By `key`; or, where that is "", every move of the stop of this decision's position.
    """

    key: str = ""
    decision: DecisionId = NOTHING
    came: bool
    why: str = ""


class AsSent(Protocol):
    """How orders look at the exchange: the same as what is sent."""

    def native(self, symbol: Symbol) -> str: ...

    def order(self, order: Order) -> Mapping[str, Any]: ...

    def guard(
        self, symbol: Symbol, direction: Direction, leg: Leg, quantity: Decimal, trigger: Decimal
    ) -> Mapping[str, Any]: ...


def kept(events: Sequence[Event], states: Sequence[State], as_sent: AsSent, rules: str) -> tuple[Entry | Settled, ...]:
    """What one transaction of the journal adds to the log, in its order. `rules`: the name of what is no model."""
    return tuple(_Clerk(events, states, as_sent, rules).entries())


def move_key(stop_id: ClientId, level: Decimal) -> str:
    """A stop is only ever moved in favour: it comes to each level once."""
    return f"{stop_id}@{level.normalize():f}"


class _Clerk:
    def __init__(self, events: Sequence[Event], states: Sequence[State], as_sent: AsSent, rules: str) -> None:
        self._events = events
        self._as_sent = as_sent
        self._rules = rules
        self._decisions = {e.decision.id: e.decision for e in events if isinstance(e, DecisionMade)}
        self._evidence = {id: evidence(decision) for id, decision in self._decisions.items()}
        self._positions = {DecisionId(s.id): s for s in states if isinstance(s, Position)}
        self._moving = [(s, s.moving) for s in states if isinstance(s, Position) and s.moving is not None]
        told = [e for e in events if isinstance(e, ExitTriggered | PartialTriggered)]
        self._quotes = {DecisionId(e.position.id): e.quote for e in told}
        self._by_hand = {DecisionId(e.position.id) for e in told if e.reason is ExitReason.MANUAL}
        self._by_hand |= {id for id, p in self._positions.items() if p.closing is ExitReason.MANUAL}
        self._last_fill = {e.order.decision_id: e for e in events if isinstance(e, OrderFilled)}

    def entries(self) -> Iterator[Entry | Settled]:
        for position, move in self._moving:  # before what has become of it, where that is written with it
            yield self._moved(position, move)
        for event in self._events:
            match event:
                case DecisionMade(decision=decision):
                    yield self._decided(decision)
                case OrderIntended(order=order) if order.leg in _SENT_LEGS:
                    yield self._sent(order)
                case TradeClosed(trade=trade):
                    yield Settled(decision=DecisionId(trade.id), came=False, why="closed before the exchange answered")
                    yield self._closed(trade)
                case _:
                    yield from _settled(event)

    def _decided(self, decision: Decision) -> Entry:
        return Entry(
            key=f"decision {decision.id}",
            symbol=decision.symbol,
            decision=decision.id,
            stage=DECIDING,
            model=self._model(decision),
            input=self._evidence[decision.id],
            output=plain({"symbol": self._as_sent.native(decision.symbol), **verdict_of(decision)}),
            explanation=words_of(decision),
        )

    def _sent(self, order: Order) -> Entry:
        """The order as it will be sent: what is known of it is written before it leaves."""
        decision = self._decisions.get(order.decision_id)
        position = self._positions.get(order.decision_id)
        note = "closed by hand" if order.decision_id in self._by_hand else order.note
        input: Json = {"order": order.leg.value, "decision": order.decision_id}
        if decision is not None:
            input |= self._evidence[decision.id]
        elif position is not None:
            input |= {"position": plain(figures(position, self._quotes.get(order.decision_id))), "rule": note}
        return Entry(
            key=order.client_id,
            symbol=order.symbol,
            decision=order.decision_id,
            stage=EXECUTING,
            model=self._model(decision),
            input=input,
            output=plain(self._as_sent.order(order)),
            explanation=words_of(decision) if decision is not None else sentence(f"{order.leg.value}: {note}"),
            lookup=Lookup.ORDER,
            client_id=order.client_id,
            held=True,
        )

    def _moved(self, position: Position, move: StopMove) -> Entry:
        stop_id, decision = position.protection.stop_id, DecisionId(position.id)
        asked = self._as_sent.guard(position.symbol, position.direction, Leg.STOP, position.quantity, move.level)
        return Entry(
            key=move_key(stop_id, move.level),
            symbol=position.symbol,
            decision=decision,
            stage=EXECUTING,
            model=self._rules,
            input=plain({"order": "move of the stop", "decision": decision, "position": figures(position, None)}),
            output=plain(asked),
            explanation=sentence(f"{move.kind.value} to {move.level:f}: {move.note}"),
            lookup=Lookup.GUARD,
            client_id=stop_id,
            held=True,
        )

    def _closed(self, trade: Trade) -> Entry:
        """An order that we have sent has an entry of its own, with its id; one that the exchange has made of a stop or
        a target has it here."""
        told = self._last_fill.get(DecisionId(trade.id))
        result = some(trade, "quantity", "entry", "exit", "opened_at", "closed_at", "gross", "fees", "funding", "net")
        output: Json = {"symbol": self._as_sent.native(trade.symbol), "positionSide": trade.direction.name}
        fill = ""
        if told is not None and told.order.leg in _GUARDS and told.order.trigger is not None:
            order, fill = told.order, told.fill.id
            output |= self._as_sent.guard(trade.symbol, trade.direction, order.leg, order.quantity, told.order.trigger)
        note = "" if trade.reason is ExitReason.MANUAL else trade.note
        return Entry(
            key=f"close {trade.id}",
            symbol=trade.symbol,
            decision=DecisionId(trade.id),
            stage=CLOSING,
            model=self._rules,
            input=plain({"decision": trade.id, "rule": trade.reason, "note": note, "trade": result}),
            output=plain({**output, "closed": trade.reason, "net": trade.net}),
            explanation=sentence(f"{trade.reason.value}: {note}" if note else trade.reason.value),
            lookup=Lookup.FILL if fill else Lookup.NONE,
            fill=fill,
        )

    def _model(self, decision: Decision | None) -> str:
        """The one whose answer has counted most: it rules on the verdict, or else its opinion weighed most."""
        if decision is None or decision.by:
            return self._rules
        said: list[Voice | None] = [r.voice for r in decision.rulings if isinstance(r, Ruling)]
        weighed = [o for o in decision.opinions if isinstance(o, Opinion)]
        weighed.sort(key=lambda o: -decision.weights.get(o.persona, 0) * o.confidence)
        said += [opinion.voice for opinion in weighed]
        return next((model for voice in said for model in reversed(models_of(voice))), self._rules)


def _settled(event: Event) -> Iterator[Settled]:
    match event:
        case OrderSent(order=order):
            yield Settled(key=order.client_id, came=True)
        case OrderFilled(order=order):
            yield Settled(key=_key(order), came=True)
        case OrderEnded(order=order):
            never = order.status in _NEVER and not order.filled
            yield Settled(key=order.client_id, came=not never, why=order.note if never else "")
        case StopMoved(position=position):
            yield Settled(key=move_key(position.protection.stop_id, position.protection.stop), came=True)
        case StopNotMoved(position=position, wanted=wanted, reason=reason):
            yield Settled(key=move_key(position.protection.stop_id, wanted), came=False, why=reason)


def _key(filled: Order) -> str:
    """A stop that fills at a level has come to that level."""
    if filled.leg is Leg.STOP and filled.trigger is not None:
        return move_key(filled.client_id, filled.trigger)
    return filled.client_id
