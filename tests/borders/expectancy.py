"""What closed trades allow to risk: each method, the way back through shadow trades, the caps, the volatility damps."""

from collections.abc import Sequence
from decimal import Decimal

from tests.borders.row import Family, Row
from trading.model import ZERO
from trading.risk.expectancy import Evidence, Method, damp, expectancy, measure, risk_fraction, size
from trading.risk_policies import ExpectancyPolicy

D = Decimal
POLICY = ExpectancyPolicy()
WIN, LOSS = D(2), D(-1)
CENT = D("0.01")
MILLIONTH = D("0.000001")
Nets = list[Decimal]


def traded(nets: Nets, shadow: Sequence[Decimal] = ()) -> Evidence:
    """Real results, then shadow results."""
    evidence = Evidence()
    for net in nets:
        evidence = evidence.after_trade(net, POLICY)
    for net in shadow:
        evidence = evidence.after_shadow(net, POLICY)
    return evidence


def kept(nets: Nets) -> Evidence:
    """Results that another playbook has left: no step on the way there was judged by this one."""
    return Evidence(trades=tuple(nets))


# --- what is won and what is lost -----------------------------------------------------------------------------------


def is_counted(of: str, net: Decimal) -> bool:
    found = measure([net])
    return {"win": found.win, "loss": found.loss}[of] is not None


RESULTS = (
    Row("win", "a net above 0", CENT, ZERO),
    Row("loss", "a net of 0, or below", ZERO, CENT),
)


# --- methods --------------------------------------------------------------------------------------------------------


def is_used(of: Method, evidence: Evidence) -> bool:
    return risk_fraction(evidence, POLICY).method is of


def even(n: int, extra: Decimal = ZERO) -> Nets:
    """As many wins as losses of one; the last win is greater by `extra`."""
    return [*[D(1), D(-1)] * (n // 2 - 1), D(-1), D(1) + extra]


def behind(n: int) -> Nets:
    """A loss that the n - 1 wins after it just make up for."""
    return [D(1 - n), *[D(1)] * (n - 1)]


GOOD, BAD = [WIN, LOSS] * 15, [LOSS] * 30
TURNED = even(30, CENT)  # a shadow that has earned one cent
M = Method
METHODS = (
    Row(M.EXPLORATION, "fewer than 30 trades", traded(GOOD[:29]), traded(GOOD), "expectancy.enough"),
    Row(M.EXPLORATION, "29 losses say nothing yet", traded(BAD[:29]), traded(BAD)),
    Row(M.KELLY, "30 trades", traded(GOOD), traded(GOOD[:29]), "expectancy.enough"),
    Row(M.KELLY, "E above 0", traded(even(30, CENT)), traded(even(30))),
    Row(M.STOPPED, "E at 0", traded(even(30)), traded(even(30, CENT))),
    Row(M.STOPPED, "in the last 30 alone", kept([D(9)] * 30 + even(30)), kept([D(9)] * 30 + even(30, CENT)),
        "expectancy.windows"),
    Row(M.STOPPED, "in the last 100 alone", kept(behind(100)), kept([*behind(100), D(1)]), "expectancy.windows"),
    Row(M.STOPPED, "in the last 500 alone", kept(behind(500)), kept([*behind(500), D(1)]), "expectancy.windows"),
    Row(M.STOPPED, "29 good shadow trades", traded(BAD, [WIN] * 29), traded(BAD, [WIN] * 30), "expectancy.shadow"),
    Row(M.RETURNING, "30 shadow trades with E above 0", traded(BAD, TURNED), traded(BAD, even(30)),
        "expectancy.shadow"),
    Row(M.RETURNING, "the last 30 of them", traded(BAD, [LOSS, *TURNED]), traded(BAD, [ZERO, *even(30)])),
)  # fmt: skip


# --- how much -------------------------------------------------------------------------------------------------------


def is_denied(of: Method, evidence: Evidence) -> bool:
    return not expectancy(risk_fraction(evidence, POLICY)).passed


GATE = (
    Row(M.STOPPED, "nothing real enters", traded(even(30)), traded(even(30, CENT))),
    Row(M.STOPPED, "until the shadow has turned", traded(BAD, even(30)), traded(BAD, TURNED)),
)


def is_capped(of: Method, asked: tuple[Nets, ExpectancyPolicy]) -> bool:
    """Whether the fraction is smaller than its method would have it."""
    nets, policy = asked
    sized = risk_fraction(kept(nets), policy)
    assert sized.method is of
    wanted = policy.exploration if sized.f is None or of is M.EXPLORATION else sized.f * policy.kelly
    assert of is M.EXPLORATION or ("cut to" in sized.note) == (sized.fraction < wanted)
    return sized.fraction < wanted


# p = 1/2, b = 2: f = 0.25, so a quarter Kelly risks 0.0625 of equity.
QUARTER = D("0.0625")


def kelly(max_risk: Decimal) -> ExpectancyPolicy:
    return ExpectancyPolicy(max_risk=max_risk)


CAPS = (
    Row(M.KELLY, "risk per trade", (GOOD, kelly(QUARTER - MILLIONTH)), (GOOD, kelly(QUARTER)),
        "expectancy.max_risk expectancy.kelly"),
    Row(M.EXPLORATION, "risk per trade", ((), kelly(D("0.005") - MILLIONTH)), ((), kelly(D("0.005"))),
        "expectancy.max_risk expectancy.exploration"),
)  # fmt: skip


def is_damped(of: Decimal, volatility: Decimal) -> bool:
    """Whether no more than this factor is left."""
    return damp(volatility, POLICY) <= of


def damped(factor: str, at: str) -> Row:
    keys = "expectancy.damps expectancy.damp_above"
    return Row(D(factor), f"volatility from {at}", D(at), D(at) - MILLIONTH, keys)


DAMPS = (
    damped("0.85", "0.3"),
    damped("0.65", "0.5"),
    damped("0.45", "0.7"),
    damped("0.3", "0.9"),
    Row(D(0), "volatility is not known", D("NaN"), D(0)),
)


def sized(fraction: Decimal, distance: Decimal) -> Decimal:
    """10,000 of equity, no factors."""
    return size(
        equity=D(10000), fraction=fraction, regime_multiplier=D(1), damp=D(1), stop_distance=distance,
        max_risk=POLICY.max_risk,
    )  # fmt: skip


def is_limited(of: str, fraction: Decimal) -> bool:
    """At a stop of 1 % what is wanted is a million times the fraction."""
    return sized(fraction, D("0.01")) < fraction * 1_000_000


def is_nothing(of: str, distance: Decimal) -> bool:
    return sized(D("0.01"), distance) == 0


SIZES = (Row("risk", "2 % of equity at the stop", D("0.02") + MILLIONTH, D("0.02"), "expectancy.max_risk"),)
NO_SIZE = (Row("stop", "without a distance there is no size", ZERO, MILLIONTH),)

FAMILIES = (
    Family("result", is_counted, RESULTS),
    Family("method", is_used, METHODS),
    Family("expectancy gate", is_denied, GATE),
    Family("expectancy cap", is_capped, CAPS),
    Family("damp", is_damped, DAMPS),
    Family("size", is_limited, SIZES),
    Family("no size", is_nothing, NO_SIZE),
)
