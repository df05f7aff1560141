"""A market as the desk sees it, and what all positions together come to. Pure."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from bot.pictures import Picture
from bot.render.positions import UNKNOWN, refresh
from bot.render.words import (
    amount,
    card,
    clock,
    confidence,
    factor,
    money,
    name_of,
    number,
    price,
    share,
    signed,
    yearly,
)
from bot.surface import Button, Card
from trading.decision import MICRO, Stance
from trading.market.correlation import Rho
from trading.market.outlook import Outlook
from trading.personas.sigma import RuleView, SigmaView, Standing
from trading.risk.portfolio import Use
from trading.status import ExposureView, Figure, MarketView, RegimeLine

_SAYS = {
    Standing.AGREEING: "agrees",
    Standing.CONFLICTING: "in conflict",
    Standing.TIED: "fired, but the sides are tied",
    Standing.SILENT: "silent",
}

# --- /market ------------------------------------------------------------------------------------------------------


def _figure(figure: Figure) -> str:
    if figure.value is None:
        return f"{figure.name} {UNKNOWN}"
    unit = figure.unit if figure.unit.startswith("%") else f" {figure.unit}".rstrip()
    return f"{figure.name} {number(figure.value)}{unit}"


def _in_threes(words: Iterable[str]) -> tuple[str, ...]:
    every = list(words)
    return tuple(", ".join(every[n : n + 3]) for n in range(0, len(every), 3))


def _times(of: Decimal | None) -> str:
    return "" if of is None else f", risk {factor(of)}"


def outlook_words(outlook: Outlook) -> str:
    regime = UNKNOWN if outlook.regime is None else outlook.regime
    return f"regime {regime}"


def volatility_words(outlook: Outlook) -> str:
    return f"volatility {UNKNOWN if outlook.volatility is None else yearly(outlook.volatility)}"


def _rule(rule: RuleView) -> str:
    """MACD agrees: long, MACD histogram 0.21 x ATR (over 0.1 long, under -0.1 short)."""
    side = "" if rule.stance is Stance.NEUTRAL else f"{rule.stance}, "
    value = f"{rule.label} {number(rule.value)} {rule.unit}".rstrip()
    return f"{rule.name} {_SAYS[rule.standing]}: {side}{value} ({rule.threshold})"


def _fired(sigma: SigmaView) -> tuple[str, ...]:
    return tuple(_rule(r) for r in sigma.rules if r.standing is not Standing.SILENT)


def _silent(sigma: SigmaView) -> tuple[str, ...]:
    return tuple(_rule(r) for r in sigma.rules if r.standing is Standing.SILENT)


def _sigma(sigma: SigmaView) -> tuple[str, ...]:
    parts = (f"{c.name} {signed(c.value)} x {c.weight:g}" for c in sigma.categories)
    so = f"score x{sigma.factor:g}" if sigma.factor else "wait"
    side = "tied" if sigma.side is Stance.NEUTRAL else sigma.side
    return (
        f"SIGMA {sigma.stance} {confidence(sigma.confidence)}: {sigma.reason}, {so}",
        f"V1 {signed(sigma.score / MICRO)}: {signed(sigma.before)} damped x{sigma.damping:.2f}",
        *_in_threes(parts),
        f"V2 {side} {confidence(sigma.rules_confidence)}, {'valid' if sigma.valid else 'not valid'}: "
        f"{sigma.agreeing} agree, {sigma.conflicting} in conflict, the difference is {sigma.share:.0%} of all rules",
        *_fired(sigma),
    )


def market_card(view: MarketView, picture: Picture | None = None, zone: tzinfo = UTC) -> Card:
    outlook, quote, base = view.outlook, view.quote, name_of(view.symbol)
    bar = "" if outlook.at is None else f", bar of {clock(outlook.at, today=quote.at, zone=zone)}"
    atr = UNKNOWN if outlook.atr is None else price(outlook.atr, quote.mark)
    judged = _sigma(view.sigma) if view.sigma else (f"SIGMA has nothing to say: {view.sigma_silent}",)
    return card(
        f"{base} {price(quote.mark)}, {outlook_words(outlook)}",
        f"Bid {price(quote.bid)}, ask {price(quote.ask)} at {clock(quote.at, zone=zone)}",
        f"{outlook_words(outlook).capitalize()}{_times(view.multiplier)}",
        f"{volatility_words(outlook).capitalize()}{_times(view.damping)}; ATR {atr}",
        *judged,
        f"Features, {view.interval} bars{bar}",
        *_in_threes(_figure(f) for f in view.figures),
        detail=_silent(view.sigma) if view.sigma else (),
        buttons=(refresh(f"market {base}"), Button(label="Regimes", data="do:/regime")),
        picture=picture,
    )


# --- /regime ------------------------------------------------------------------------------------------------------


def _regime_line(line: RegimeLine, newest: datetime | None, zone: tzinfo) -> str:
    base, outlook = name_of(line.symbol), line.outlook
    if outlook is None:
        return f"{base}: {UNKNOWN}" + (f", {line.why}" if line.why else "")
    older = "" if outlook.at is None or outlook.at == newest else f", bar of {clock(outlook.at, zone=zone)}"
    return f"{base}: {outlook_words(outlook)}{_times(line.multiplier)}, {volatility_words(outlook)}{older}"


def regimes_card(lines: Iterable[RegimeLine], zone: tzinfo = UTC) -> Card:
    every = tuple(lines)
    counts = Counter(UNKNOWN if n.outlook is None or n.outlook.regime is None else n.outlook.regime for n in every)
    said = ", ".join(f"{count} {regime}" for regime, count in counts.most_common())
    newest = max((n.outlook.at for n in every if n.outlook and n.outlook.at), default=None)
    return card(
        f"regimes: {said or 'no pair'}",
        *(_regime_line(n, newest, zone) for n in every),
        f"Last bar {clock(newest, zone=zone)}" if newest else "",
        buttons=(refresh("regime"),),
    )


# --- /exposure ----------------------------------------------------------------------------------------------------


def _amount(value: Decimal | None) -> str:
    return UNKNOWN if value is None else amount(value)


def _part(value: Decimal | None, of: Decimal | None) -> str:
    return "" if value is None or of is None or of <= 0 else f" ({share(value / of)})"


def _use(use: Use) -> str:
    over = ", ABOVE THE LIMIT" if use.used > use.allowed else ""
    name = f" {use.name}" if use.name else ", nothing open"
    return f"{use.limit}{name}: {amount(use.used)} of {amount(use.allowed)}{_part(use.used, use.allowed)}{over}"


def _correlation(a: str, b: str, rho: Rho) -> str:
    measured = f"measured on {rho.returns} hours"
    table = f"from the table ({rho.returns} hours are too few)" if rho.returns else "from the table (nothing measured)"
    return f"{a} with {b}: {signed(float(rho.value))}, {measured if rho.measured else table}"


def exposure_card(view: ExposureView, picture: Picture | None = None) -> Card:
    net = UNKNOWN if view.net is None else money(view.net)
    used = f" of {amount(view.budget)}{_part(view.gross, view.budget)}" if view.budget is not None else ""
    return card(
        f"exposure {_amount(view.gross)}{used}",
        f"Equity {_amount(view.equity)}, net {net}" + (f", heat {_amount(view.heat)}" if view.limited else ""),
        f"Margin {_amount(view.margin_used)} of {_amount(view.max_margin)}{_part(view.margin_used, view.max_margin)}",
        *(_use(use) for use in view.uses),
        "" if view.limited else "The playbook has no limits on assets, groups or sectors.",
        *(_correlation(a, b, rho) for a, b, rho in view.correlations),
        f"Not known: {view.why}" if view.why else "",
        buttons=(refresh("exposure"), Button(label="Positions", data="do:/positions")),
        picture=picture,
    )
