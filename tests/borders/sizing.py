"""How large: each method and each bound on it, what is left at THROTTLE, and where stop and target stand.

10,000 of equity, a price of 60,000 without a spread, 10x, a stop at 2.5 %. Ticks and steps are so fine that nothing is
hidden by rounding, except where a row is about just that.
"""

from decimal import ROUND_DOWN, Decimal
from typing import Any

from tests.borders.row import Family, Row
from tests.builders import BTC, ETH, NOW, a_plain_playbook, an_instrument, an_outlook, some_facts
from trading.breaker import Level, effects
from trading.decision import Plan
from trading.exit_plan import Regime
from trading.model import DecisionId, Direction, Quote, Symbol
from trading.playbook import Playbook, SizingMethod, load
from trading.policies import Line
from trading.risk.sizing import margin_fraction, on_line, plan_entry

D = Decimal
LONG, SHORT = Direction.LONG, Direction.SHORT
PRICE, EQUITY = D(60000), D(10000)
MILLIONTH = D("0.000001")
FINE = {"tick": D("1e-9"), "step": D("1e-15"), "min_quantity": D("1e-15")}
PLAIN = a_plain_playbook()
EVIDENCE = a_plain_playbook(sizing={"method": "expectancy"}, expectancy={})
COUNCIL, SMT = load("council").sizing, load("smt-3.0").sizing


def drafted(changes: dict[str, Any], direction: Direction = LONG) -> Plan:
    """A part's name with a mapping changes keys of that part of the playbook; everything else changes the facts."""
    playbook: Playbook = changes.get("playbook", PLAIN)
    parts = {name: value for name, value in changes.items() if isinstance(value, dict)}
    playbook = playbook.model_copy(
        update={name: getattr(playbook, name).model_copy(update=keys) for name, keys in parts.items()}
    )
    symbol = changes.get("symbol", BTC)
    facts = {
        "quote": Quote(symbol=symbol, at=NOW, bid=PRICE, ask=PRICE, mark=PRICE),
        "instrument": an_instrument(symbol, **FINE),
        **{k: v for k, v in changes.items() if k not in {*parts, "symbol"}},
        "playbook": playbook,
    }
    return plan_entry(some_facts(**facts), direction, desk="test", decision=DecisionId("btc-aaaaaaaa"))


# --- which bound sets the size --------------------------------------------------------------------------------------


def sets_it(of: str | SizingMethod, changes: dict[str, Any]) -> bool:
    return drafted(changes).method == str(of)


def risk(max_risk: str, **more: Any) -> dict[str, Any]:
    return {"limits": {"max_risk": D(max_risk)}, **more}


def trade(max_trade: str, **more: Any) -> dict[str, Any]:
    return {"limits": {"max_risk": D(1), "max_trade": D(max_trade)}, **more}


LINEAR = {"playbook": PLAIN.model_copy(update={"sizing": SMT})}
FIXED = {"playbook": PLAIN.model_copy(update={"sizing": COUNCIL})}
EXPLORING = {"playbook": EVIDENCE}
GIVES_UP = PLAIN.exits.model_copy(update={"stop_at_invalidation": True})
METHODS = (
    # 10.5 % of equity at 10x are 10,500, and 2.625 % of equity at a stop of 2.5 %.
    Row(SizingMethod.CONFIDENCE, "the risk limit", risk("0.02625"), risk("0.026249"), "limits.max_risk"),
    Row(SizingMethod.CONFIDENCE, "the trade limit", trade("0.105"), trade("0.104999"), "limits.max_trade"),
    # At confidence 0.775 the line of tier 1 is half way between 5 and 20 %.
    Row(SizingMethod.LINEAR, "the trade limit", trade("0.125", **LINEAR, confidence=775_000),
        trade("0.124999", **LINEAR, confidence=775_000)),
    # One unit of margin at 20x: 0.2 % of 10,000.
    Row(SizingMethod.FIXED, "the trade limit", trade("0.0001", **FIXED), trade("0.000099", **FIXED), "sizing.margin"),
    # 0.5 % of equity at risk x 0.8 in a range x 0.85 at a volatility of 0.4.
    Row("expectancy (exploration)", "the risk limit", risk("0.0034", **EXPLORING), risk("0.003399", **EXPLORING),
        "expectancy.exploration"),
    Row("risk limit", "2 % of equity at the stop", risk("0.026249"), risk("0.02625"), "limits.max_risk"),
    Row("trade limit", "what one may commit", trade("0.104999"), trade("0.105"), "limits.max_trade"),
    Row("nothing", "something is not known", {"equity": None}, {}),
    Row("nothing", "the stop is on the right side", {"exits": GIVES_UP, "invalidation": PRICE},
        {"exits": GIVES_UP, "invalidation": PRICE - D("1e-9")}),
)  # fmt: skip


# --- by confidence --------------------------------------------------------------------------------------------------


def is_margin(of: SizingMethod, asked: tuple[int, Decimal]) -> bool:
    confidence, fraction = asked
    return margin_fraction(confidence, PLAIN.sizing) == fraction


def is_clamped(of: SizingMethod, otherwise: Decimal) -> bool:
    sizing = PLAIN.sizing.model_copy(update={"steps": (), "otherwise": otherwise})
    return margin_fraction(0, sizing) != otherwise


C = SizingMethod.CONFIDENCE
STEPS = tuple(
    Row(C, f"above {above / 1e6}", (above + 1, D(margin)), (above, D(margin)), "sizing.steps sizing.otherwise")
    for above, margin in ((800_000, "0.105"), (700_000, "0.09"), (600_000, "0.07"))
)
CLAMPS = (
    Row(C, "at least 5 %", D("0.05") - MILLIONTH, D("0.05"), "sizing.floor sizing.otherwise"),
    Row(C, "at most 12 %", D("0.12") + MILLIONTH, D("0.12"), "sizing.ceiling"),
)


def is_above(of: Line, confidence: int) -> bool:
    return on_line(confidence, of) > of.low


def is_below(of: Line, confidence: int) -> bool:
    return on_line(confidence, of) < of.high


LINES_BEGIN = tuple(
    Row(line, f"from 0.6 on, {key}", 600_001, 600_000, f"sizing.{key}")
    for key, line in (("tier1", SMT.tier1), ("tier2", SMT.tier2))
)
LINES_END = tuple(
    Row(line, f"up to 0.95, {key}", 949_999, 950_000, f"sizing.{key}")
    for key, line in (("tier1", SMT.tier1), ("tier2", SMT.tier2))
)
SOL = Symbol("SOL/USDT:USDT")


def is_large(of: SizingMethod, symbol: Symbol) -> bool:
    """Whether full confidence commits the 20 % of tier 1."""
    plan = drafted({**trade("1", **LINEAR, confidence=1_000_000), "symbol": symbol})
    return round(plan.margin, 6) == EQUITY * D("0.20")


TIERS = (Row(SizingMethod.LINEAR, "tier 1 or 2", ETH, SOL, "tier1"),)


# --- by evidence ----------------------------------------------------------------------------------------------------


def is_multiplied(of: Regime, asked: tuple[Decimal, Decimal]) -> bool:
    """Whether 0.5 % of equity at risk, over a stop of 2.5 %, comes out as this many times itself."""
    volatility, factor = asked
    plan = drafted({"playbook": EVIDENCE, "outlook": an_outlook(regime=of, volatility=volatility)})
    wanted = EQUITY * D("0.005") / D("0.025") * factor
    return plan.quantity == (wanted / PRICE).quantize(D("1e-15"), ROUND_DOWN)


def is_cut(of: str, max_risk: Decimal) -> bool:
    """0.5 % of equity x 1.3 in a trend."""
    assert EVIDENCE.expectancy is not None
    policy = EVIDENCE.model_copy(update={"expectancy": EVIDENCE.expectancy.model_copy(update={"max_risk": max_risk})})
    plan = drafted({"playbook": policy, "outlook": an_outlook(regime=Regime.TREND_UP, volatility=CALM)})
    full = (EQUITY * D("0.0065") / D("0.025") / PRICE).quantize(D("1e-15"), ROUND_DOWN)
    assert ("cut to" in plan.size_note) == (plan.quantity < full)
    return plan.quantity < full


CALM = D("0.1")
CUT = (Row("risk", "of a trade by expectancy", D("0.0065") - MILLIONTH, D("0.0065"), "expectancy.max_risk"),)
MULTIPLIERS = tuple(
    Row(regime, f"x {factor}", (CALM, D(factor)), (CALM, D(factor) + MILLIONTH), f"regime.{key}")
    for regime, key, factor in (
        (Regime.TREND_UP, "trend", "1.3"),
        (Regime.TREND_DOWN, "trend", "1.3"),
        (Regime.VOLATILE, "volatile_risk", "0.3"),
        (Regime.RANGE, "range", "0.8"),
        (Regime.CHOP, "chop", "0.4"),
    )
)
PENALTIES = tuple(
    Row(Regime.RANGE, f"x {factor} from {volatility} on", (D(volatility), D("0.8") * D(factor)),
        (D(volatility) - MILLIONTH, D("0.8") * D(factor)), "expectancy.damps expectancy.damp_above")
    for volatility, factor in (("0.3", "0.85"), ("0.5", "0.65"), ("0.7", "0.45"), ("0.9", "0.3"))
)  # fmt: skip


# --- breaker, leverage, rounding ------------------------------------------------------------------------------------


def is_reduced(of: Level, level: Level) -> bool:
    factor = {Level.THROTTLE: D("0.5"), Level.HALT: D(0), Level.SHUTDOWN: D(0)}[of]
    plan = drafted({"breaker": effects(level, PLAIN.breaker)})
    assert ("the breaker is at" in plan.size_note) == (level >= Level.THROTTLE)
    return round(plan.quantity, 12) == round(drafted({}).quantity * factor, 12)


def is_lower(of: str, changes: dict[str, Any]) -> bool:
    return drafted(changes).leverage < PLAIN.sizing.leverage


def is_sent(of: str, margin: Decimal) -> bool:
    """At 10x, with a step of 0.001 BTC, which costs 60."""
    sizing = {"method": SizingMethod.FIXED, "margin": margin}
    return drafted({"sizing": sizing, "instrument": an_instrument(step=D("0.001"))}).quantity > 0


REDUCED = (
    Row(Level.THROTTLE, "half", Level.THROTTLE, Level.ALERT, "breaker.throttle_size"),
    Row(Level.HALT, "nothing", Level.HALT, Level.THROTTLE),
    Row(Level.SHUTDOWN, "nothing", Level.SHUTDOWN, Level.THROTTLE),
)
LEVERAGE = (
    Row("leverage", "the playbook's cap", {"limits": {"max_leverage": 9}}, {"limits": {"max_leverage": 10}},
        "limits.max_leverage sizing.leverage"),
    Row("leverage", "the venue's cap", {"instrument": an_instrument(max_leverage=9)},
        {"instrument": an_instrument(max_leverage=10)}),
)  # fmt: skip
ROUNDING = (Row("step", "down, never up", D(6), D(6) - MILLIONTH, "sizing.margin"),)


# --- where stop and target stand ------------------------------------------------------------------------------------


def stop_is_nearer(of: Direction, changes: dict[str, Any]) -> bool:
    """Nearer than the percentage that the playbook names."""
    plan = drafted(changes, of)
    return (PRICE - plan.protection.stop) * of.sign < D(1500)


def target_is_nearer(of: Direction, changes: dict[str, Any]) -> bool:
    plan = drafted(changes, of)
    return (plan.protection.target - PRICE) * of.sign < D(3000)


def moved_inside(of: Direction, loss: Decimal) -> bool:
    """At 20x there are 4 % to liquidation, and a stop is allowed within 70 % of them."""
    exits = GIVES_UP.model_copy(update={"stop_loss": loss})
    far = PRICE * (1 - D("0.1") * of.sign)
    plan = drafted({"sizing": {"leverage": 20}, "exits": exits, "invalidation": far}, of)
    return (PRICE - plan.protection.stop) * of.sign < PRICE * loss


def exits(**changes: Any) -> Any:
    return PLAIN.exits.model_copy(update=changes)


def atr(value: str, **changes: Any) -> dict[str, Any]:
    return {"exits": exits(**changes), "outlook": an_outlook(atr=D(value))}


def wrong_by(direction: Direction, distance: str) -> dict[str, Any]:
    return {"exits": GIVES_UP, "invalidation": PRICE - D(distance) * direction.sign}


SIDES = (LONG, SHORT)
STOPS = tuple(
    row
    for side in SIDES
    for row in (
        Row(side, "1.5 ATR", atr("999.999999", stop_atr=D("1.5")), atr("1000", stop_atr=D("1.5")),
            "exits.stop_atr exits.stop_loss"),
        Row(side, "the invalidation price", wrong_by(side, "1499.999999"), wrong_by(side, "1500"),
            "exits.stop_at_invalidation exits.stop_loss"),
    )
)  # fmt: skip
TARGETS = tuple(
    row
    for side in SIDES
    for row in (
        Row(side, "3 ATR", atr("999.999999", target_atr=D(3)), atr("1000", target_atr=D(3)),
            "exits.target_atr exits.take_profit"),
        Row(side, "50 % of margin at 10x", {"exits": exits(target_of_margin=D("0.499999"))},
            {"exits": exits(target_of_margin=D("0.5"))}, "exits.target_of_margin"),
    )
)  # fmt: skip
INSIDE = tuple(
    row
    for side in SIDES
    for row in (
        Row(side, "past 70 % of the way", D("0.028") + MILLIONTH, D("0.028"), "limits.stop_within"),
        Row(side, "before liquidation", D("0.04") - MILLIONTH, D("0.04")),
    )
)

FAMILIES = (
    Family("sizing method", sets_it, METHODS),
    Family("confidence step", is_margin, STEPS),
    Family("margin clamp", is_clamped, CLAMPS),
    Family("line begins", is_above, LINES_BEGIN),
    Family("line ends", is_below, LINES_END),
    Family("tier", is_large, TIERS),
    Family("multiplier in size", is_multiplied, MULTIPLIERS),
    Family("cut in size", is_cut, CUT),
    Family("penalty in size", is_multiplied, PENALTIES),
    Family("breaker in size", is_reduced, REDUCED),
    Family("leverage", is_lower, LEVERAGE),
    Family("rounding", is_sent, ROUNDING),
    Family("stop", stop_is_nearer, STOPS),
    Family("target", target_is_nearer, TARGETS),
    Family("stop inside", moved_inside, INSIDE),
)
