"""How much: by the playbook's method, under every bound on it. A plan is only ever made smaller. Pure."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_UP, Decimal, localcontext

from trading.decision import MICRO, Plan, shown
from trading.identity import client_id
from trading.market.regime import multiplier
from trading.model import ZERO, DecisionId, Direction, Leg, Protection
from trading.playbook import Sizing, SizingMethod
from trading.policies import Line, StatedOr
from trading.risk.expectancy import damp, size
from trading.risk.facts import Facts
from trading.risk.levels import levels


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One of the things that say how large a position may be."""

    by: str
    notional: Decimal  # quote units
    note: str


def plan_entry(f: Facts, direction: Direction, *, desk: str, decision: DecisionId) -> Plan:
    """The entry as it would be sent. Whether it may be is the gate's business; a quantity of 0 fails there."""
    price = f.quote.ask if direction is Direction.LONG else f.quote.bid
    leverage = min(f.playbook.sizing.leverage, f.playbook.limits.max_leverage, f.instrument.max_leverage)
    stand = levels(f, direction, price=price, leverage=leverage)
    with localcontext() as exact:
        exact.rounding = ROUND_DOWN  # so that no bound is exceeded by a last digit
        bound = _smallest(f, leverage=leverage, price=price, stop=(price - stand.stop) * direction.sign)
        notional = max(bound.notional * f.breaker.size_factor, ZERO)
        quantity = f.instrument.round_quantity(notional / price)
    return Plan(
        symbol=f.instrument.symbol,
        direction=direction,
        quantity=quantity,
        price=price,
        leverage=leverage,
        margin=quantity * price / leverage,
        notional=quantity * price,
        protection=Protection(
            stop_id=client_id(desk, decision, Leg.STOP),
            stop=stand.stop,
            target_id=client_id(desk, decision, Leg.TARGET),
            target=stand.target,
        ),
        method=bound.by,
        size_note=bound.note + _throttled(f),
        stop_loss=stand.stop_loss,
        take_profit=stand.take_profit,
    )


def _throttled(f: Facts) -> str:
    factor, level = f.breaker.size_factor, f.breaker.level
    return f"; x {factor}: the breaker is at {level.name}" if factor < 1 else ""


def _smallest(f: Facts, *, leverage: int, price: Decimal, stop: Decimal) -> Bound:
    """The bound that sets the size, with the numbers of all that had a say. `stop`: its distance, quote units."""
    if f.unknown or f.equity is None:
        return Bound(by="nothing", notional=ZERO, note=f"not known: {', '.join(f.unknown)}")
    if stop <= 0:
        return Bound(by="nothing", notional=ZERO, note="the stop is on the wrong side of the price")
    said = [b for b in (_by_margin(f, f.equity, leverage), _by_evidence(f, f.equity, price=price, stop=stop)) if b]
    smallest = min([*said, *_caps(f, f.equity, leverage=leverage, price=price, stop=stop)], key=lambda b: b.notional)
    notes = [b.note for b in said] + ([] if smallest in said else [smallest.note])
    return Bound(by=smallest.by, notional=smallest.notional, note="; ".join(notes))


def _caps(f: Facts, equity: Decimal, *, leverage: int, price: Decimal, stop: Decimal) -> list[Bound]:
    """Limits that hold for every method, where one position alone can reach them."""
    risk, margin = f.playbook.limits.max_risk, f.playbook.limits.max_trade
    caps = [
        Bound(by="risk limit", notional=equity * risk * price / stop, note=f"cut to {risk:.1%} of equity at the stop"),
        Bound(by="trade limit", notional=equity * margin * leverage, note=f"cut to {margin:.1%} of equity as margin"),
    ]
    if f.portfolio and f.portfolio.budget is not None:
        share = f.portfolio.policy.asset
        note = f"cut to {share:.0%} of the gross budget for one asset"
        caps.append(Bound(by="asset share", notional=f.portfolio.budget * share, note=note))
    return caps


# --- by margin ------------------------------------------------------------------------------------------------------


def _by_margin(f: Facts, equity: Decimal, leverage: int) -> Bound | None:
    """What the playbook's method commits. None: it has no method but what the closed trades allow."""
    sizing = f.playbook.sizing
    used, said = _confidence(f)
    match sizing.method:
        case SizingMethod.CONFIDENCE:
            # Steps may rise as confidence falls; being known better never makes a position larger.
            fraction, how = min(margin_fraction(c, sizing) for c in (used, f.confidence)), ""
        case SizingMethod.LINEAR:
            line = sizing.tier1 if f.playbook.tier(f.instrument.base) == 1 else sizing.tier2
            fraction, how = on_line(used, line), f" on a line from {line.low:.1%} to {line.high:.1%}"
        case SizingMethod.FIXED:
            note = f"{sizing.margin} of margin at {leverage}x"
            return Bound(by=sizing.method.value, notional=sizing.margin * leverage, note=note)
        case SizingMethod.EXPECTANCY:
            return None
    note = f"{said}{how}: {fraction:.1%} of equity as margin at {leverage}x"
    return Bound(by=sizing.method.value, notional=equity * fraction * leverage, note=note)


def _confidence(f: Facts) -> tuple[int, str]:
    """The confidence that sizes, in millionths, and which one it is: what is not known to be worth anything is 0."""
    stated = shown(f.confidence)
    if f.playbook.sizing.confidence is StatedOr.STATED:
        return f.confidence, f"confidence {stated}"
    if f.calibrated is None:
        return 0, f"confidence {stated} stated, what it is worth is not known yet"
    if f.calibrated < f.confidence:
        return f.calibrated, f"confidence {shown(f.calibrated)} calibrated, {stated} stated"
    return f.confidence, f"confidence {stated} stated, {shown(f.calibrated)} calibrated"


def margin_fraction(confidence: int, sizing: Sizing) -> Decimal:
    """Fraction of equity committed as margin at a confidence in millionths; steps are strict (`above`)."""
    step = next((s.margin for s in sizing.steps if confidence > int(s.above * MICRO)), sizing.otherwise)
    return min(max(step, sizing.floor), sizing.ceiling)


def on_line(confidence: int, line: Line) -> Decimal:
    """Fraction of equity committed as margin at a confidence in millionths; flat below `since` and above `until`."""
    at = min(max(Decimal(confidence) / MICRO, line.since), line.until)
    return line.low + (line.high - line.low) * (at - line.since) / (line.until - line.since)


# --- by evidence ----------------------------------------------------------------------------------------------------


def _by_evidence(f: Facts, equity: Decimal, *, price: Decimal, stop: Decimal) -> Bound | None:
    """What the closed trades allow in this market. None: the playbook does not ask them."""
    policy, sized, regime, volatility = f.playbook.expectancy, f.sized, f.outlook.regime, f.outlook.volatility
    if policy is None or sized is None or regime is None or volatility is None:
        return None  # of a playbook that does ask nothing is None here: see Facts.unknown
    market, calm = multiplier(regime, f.playbook.regime), damp(volatility, policy)
    wanted = sized.fraction * market * calm
    notional = size(
        equity=equity,
        fraction=sized.fraction,
        regime_multiplier=market,
        damp=calm,
        stop_distance=_rounded_up(stop, price),
        max_risk=policy.max_risk,
    )
    cut = f", cut to {policy.max_risk:.2%}" if wanted > policy.max_risk else ""
    factors = f"x {market} ({regime.value}) x {calm} (volatility {volatility:.0%})"
    return Bound(
        by=f"expectancy ({sized.method.value})",
        notional=notional,
        note=f"{sized.words}; {factors} = {wanted:.2%} of equity at risk{cut}",
    )


def _rounded_up(part: Decimal, whole: Decimal) -> Decimal:
    with localcontext() as exact:
        exact.rounding = ROUND_UP
        return part / whole
