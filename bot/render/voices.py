"""What speaks and what it costs, in words: models lost, back, near their end, answered for by another; the budget; the
calls of personas once it is known who was right. Pure."""

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from decimal import Decimal

from bot.render.paging import csv_file
from bot.render.positions import refresh
from bot.render.words import (
    RenderContext,
    Renderer,
    amount,
    card,
    clock,
    confidence,
    counted,
    name_of,
    percent,
    price,
    rounded,
    share,
    span,
)
from bot.surface import Button, Card, Table
from trading import events as m
from trading.spending import GIVEN_UP, BudgetView, CapUse, ModelCost, ModelLine

_COSTS_SHOWN = 12
_CENTS, _MILLS = 2, 3
_CAPS = {"words": "Words, a day"}
_BUDGET = Button(label="Budget", data="do:/budget")
_MODELS = Button(label="Models", data="do:/models")


def usd(value: Decimal) -> str:
    """0.50, 0.029, and what is smaller with all its digits: a cost is never shown as nothing."""
    if value == rounded(value, _CENTS):
        return amount(value)
    return f"{rounded(value, _MILLS):,f}" if abs(value) >= Decimal("0.01") else f"{value.normalize():f}"


# --- alerts -----------------------------------------------------------------------------------------------------------


def _lost(event: m.VoiceLost, _: RenderContext) -> Card:
    return card(
        f"VOICE LOST: {event.voice}",
        f"{str(event.lack).capitalize()}: {event.reason}" if event.reason else str(event.lack).capitalize(),
        f"Without it: {', '.join(event.serves)}." if event.serves else "",
        "Nothing is guessed in its place. Exits and protection go on.",
        buttons=(_MODELS, Button(label="Health", data="do:/health")),
    )


def _back(event: m.VoiceBack, about: RenderContext) -> Card:
    lost = clock(event.lost_at, today=event.at, zone=about.zone)
    return card(f"{event.voice} is back", f"It was gone for {span(event.at - event.lost_at)}, since {lost}.")


def _substituted(event: m.ModelSubstituted, _: RenderContext) -> Card:
    return card(
        "another model answered than was asked",
        f"Asked: {event.requested}",
        f"Answered: {event.returned}, through {event.provider}",
        "Its record is kept under the name that answered, apart from the other's.",
        buttons=(_MODELS,),
    )


def _expiring(event: m.ModelExpiring, _: RenderContext) -> Card:
    when = "has ended" if event.days < 0 else "ends today" if event.days == 0 else "ends soon"
    left = f", in {counted(event.days, 'day')}" if event.days > 0 else ""
    gone = "Gone since" if event.days < 0 else "It is gone from"
    return card(
        f"{event.model} {when}",
        f"{gone} {event.expires:%Y-%m-%d}{left}. The playbook asks it.",
        f"Its successor: {event.instead}" if event.instead else "No successor is known.",
        "Name another one in the playbook, or let the default of the file of models be asked.",
        buttons=(_MODELS,),
    )


def _reached(event: m.BudgetReached, _: RenderContext) -> Card:
    return card(
        f"budget reached: {event.given_up} given up",
        f"{_cap(event.cap)}: {usd(event.used)} of {usd(event.limit)} USD are used, with what is set aside.",
        "It is given up so that what matters more can still be paid. It comes back when there is room again.",
        buttons=(_BUDGET,),
    )


def _scored(event: m.CallScored, about: RenderContext) -> Card:
    who = f"{event.persona.upper()}{f' ({event.model})' if event.model else ''}"
    return card(
        f"{event.persona.upper()} was {'right' if event.right else 'wrong'} on {name_of(event.symbol)}",
        f"{who}: {event.direction} {confidence(event.confidence)} at {clock(event.called_at, zone=about.zone)}",
        f"{price(event.price)} then, {price(event.then)} after {span(event.horizon)}; costs {share(event.costs)}",
        f"Decision {event.decision_id}, label {event.version}",
    )


def _proposed(event: m.WeightsProposed, _: RenderContext) -> Card:
    low, high = event.gain
    return card(
        f"other weights proposed for {event.playbook}",
        *(f"{persona}: {now} -> {proposed}" for persona, now, proposed in event.rows),
        f"From {counted(event.n, 'call')}; gain in hit rate {percent(low)} to {percent(high)} (95% interval)",
        "Nothing is changed by it. /set changes a weight.",
        buttons=(Button(label="Personas", data="do:/personas"),),
    )


VOICES: dict[type[m.Event], Renderer] = {
    m.VoiceLost: _lost,
    m.VoiceBack: _back,
    m.ModelSubstituted: _substituted,
    m.ModelExpiring: _expiring,
    m.BudgetReached: _reached,
    m.CallScored: _scored,
    m.WeightsProposed: _proposed,
}


# --- /budget ----------------------------------------------------------------------------------------------------------


def _cap(name: str) -> str:
    return _CAPS.get(name, name.capitalize())


def _use(use: CapUse) -> str:
    used = use.settled + use.reserved
    part = f" ({share(used / use.limit)})" if use.limit else ""
    aside = f", {usd(use.reserved)} of it set aside" if use.reserved else ""
    return f"{_cap(use.name)}: {usd(used)} of {usd(use.limit)}{part}{aside}"


def _given_up(view: BudgetView) -> str:
    if not view.given_up:
        return "Nothing is given up."
    return f"Given up for now: {', '.join(GIVEN_UP.get(p, p) for p in view.given_up)}"


def _costs(costs: Sequence[ModelCost]) -> Table | None:
    rows = tuple((c.model, c.purpose, str(c.calls), usd(c.cost)) for c in costs[:_COSTS_SHOWN])
    return Table(head=("model", "for", "calls", "USD this month"), rows=rows) if rows else None


def budget_card(view: BudgetView) -> Card:
    """The caps with what is used of them, what is given up now, what each model has cost, and who can be asked."""
    armed = any(state == "armed" for _, state in view.voices)
    month = next((use for use in view.caps if use.name == "month"), None)
    if month is None or not (armed or view.costs):
        return _unspent(view)
    return card(
        f"models: {usd(month.settled + month.reserved)} of {usd(month.limit)} USD this month",
        _given_up(view),
        *(_use(use) for use in view.caps),
        f"A decision may cost {usd(view.per_decision)} USD",
        *(f"{who}: {state}" for who, state in view.voices),
        table=_costs(view.costs),
        buttons=(refresh("budget"), _MODELS, Button(label="CSV", data="do:/budget csv")),
    )


def _unspent(view: BudgetView) -> Card:
    return card(
        "nothing is spent: no model is asked",
        "Rules and statistics speak, and /ask answers from what was recorded.",
        *(f"{who}: {state}" for who, state in view.voices),
        buttons=(refresh("budget"), _MODELS),
    )


_HEAD = ("at", "about", "for", "model", "USD", "settled")


def budget_file(view: BudgetView) -> Card:
    """The last exchanges, the newest first."""
    rows = ((p.at, p.about, p.purpose, p.model, p.cost, "yes" if p.settled else "no") for p in view.last)
    shown = csv_file("budget.csv", _HEAD, rows)
    return card(f"the last {counted(len(view.last), 'exchange')} with models", file=shown)


# --- /models ----------------------------------------------------------------------------------------------------------


def models_card(lines: Sequence[ModelLine], zone: tzinfo) -> Card:
    """Every model that can be named, those first that the playbook asks."""
    asked = [line for line in lines if line.asked]
    rest = [line for line in lines if not line.asked]
    if not lines:
        return card("no model can be asked", "Set a key of a provider of models, and start again.")
    return card(
        f"{counted(len(lines), 'model')} can be named",
        "The playbook asks:" if asked else "The playbook asks none.",
        *_each(asked, zone),
        "The others:" if asked and rest else "",
        *_each(rest, zone),
        "Prices are USD for a million tokens, in and out.",
        buttons=(refresh("models"), _BUDGET),
    )


def _each(lines: Iterable[ModelLine], zone: tzinfo) -> Iterable[str]:
    for line in lines:
        serves = f" for {', '.join(line.asked)}" if line.asked else ""
        yield f"{line.name}{serves}: {line.state}"
        yield f"- {line.provider}, {'; '.join(_facts(line, zone))}"


def _facts(line: ModelLine, zone: tzinfo) -> Iterable[str]:
    if line.input is None or line.output is None:
        yield "price not known"
    else:
        yield f"{usd(line.input)} in, {usd(line.output)} out"
    if line.search is not None:
        yield f"{usd(line.search)} a {line.search_per} searched"
    if line.expires is not None:
        instead = f", then {line.instead}" if line.instead else ""
        yield f"until {clock(line.expires, zone=zone)}{instead}"
