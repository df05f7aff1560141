"""How much may be risked on what the closed trades have shown: exploration, a part of Kelly, or nothing. Pure.

A result is the net of one closed trade, fees and funding included, in quote units (any one unit gives the same
fractions). A trade that did not win counts as a loss, a break-even one too, so that E = p x win - (1 - p) x loss is
simply the mean result, and Kelly's f = (p b - (1 - p)) / b is E / win, defined also where there never was a loss.

Every rolling window that is full has a say and the least favourable one drives: real size needs a positive E in all of
them, the fraction is the smallest of theirs. So recent losses cannot hide behind an old success, nor the reverse. No
window is a trap: the only way out of a stop are shadow trades, and after the return nothing counts that came before it.
A persona's confidence is nowhere in here: it is not a probability of winning.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal, localcontext
from enum import StrEnum

from trading.decision import GateAnswer
from trading.model import ZERO
from trading.risk_policies import ExpectancyPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What some closed trades add up to. None where a value has no meaning, never a zero."""

    n: int
    p: Decimal | None  # wins / n; None without any trade
    win: Decimal | None  # average win; None without one
    loss: Decimal | None  # average of what did not win, positive; None without one
    b: Decimal | None  # payoff, win / loss; None where either is missing or the losses are all break-even
    e: Decimal | None  # expectancy: net per trade

    @property
    def f(self) -> Decimal | None:
        """The full Kelly fraction, (p b - (1 - p)) / b (Kelly 1956 for a bet that pays b to 1). None without a win."""
        return self.e / self.win if self.e is not None and self.win is not None else None


def measure(nets: Sequence[Decimal]) -> Window:
    won = [n for n in nets if n > 0]
    lost = [n for n in nets if n <= 0]
    gained, given = sum(won, ZERO), -sum(lost, ZERO)
    win = gained / len(won) if won else None
    loss = given / len(lost) if lost else None
    return Window(
        n=len(nets),
        p=Decimal(len(won)) / len(nets) if nets else None,
        win=win,
        loss=loss,
        b=win / loss if win is not None and loss else None,
        e=(gained - given) / len(nets) if nets else None,
    )


class Method(StrEnum):
    EXPLORATION = "exploration"  # too few trades to know
    KELLY = "kelly"
    STOPPED = "stopped"  # no real size: shadow trades only
    RETURNING = "returning"  # exploration again, after the shadow trades have turned


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that has to survive a restart. A fold over closed trades, real and shadow, in the order they closed."""

    trades: tuple[Decimal, ...] = ()  # real results since the last return, newest last
    shadow: tuple[Decimal, ...] = ()  # shadow results since the stop, newest last; empty when not stopped
    stopped: bool = False
    returns: int = 0  # how often shadow trades have led back

    def after_trade(self, net: Decimal, policy: ExpectancyPolicy) -> "Evidence":
        """One more real trade. While stopped, what still closes is remembered but lifts nothing."""
        kept = max((*policy.windows, policy.enough))
        grown = replace(self, trades=(*self.trades, net)[-kept:])
        return replace(grown, stopped=is_stopped(grown, policy))

    def after_shadow(self, net: Decimal, policy: ExpectancyPolicy) -> "Evidence":
        """One more shadow trade. It counts only while stopped; the one that turns the shadow's E starts afresh."""
        if not is_stopped(self, policy):
            return self
        shadow = (*self.shadow, net)[-policy.shadow :]
        if len(shadow) == policy.shadow and sum(shadow, ZERO) > 0:
            return Evidence(returns=self.returns + 1)
        return replace(self, shadow=shadow, stopped=True)


def driving(trades: Sequence[Decimal], policy: ExpectancyPolicy) -> Window:
    """The least favourable of the full windows; all trades there are while none is full."""
    windows = policy.windows or (policy.enough,)
    full = sorted(w for w in windows if 0 < w <= len(trades)) or [len(trades)]
    measured = [measure(trades[len(trades) - w :]) for w in full]
    return min(measured, key=lambda w: Decimal("-Infinity") if w.f is None else w.f)


def is_stopped(evidence: Evidence, policy: ExpectancyPolicy) -> bool:
    """The policy is asked too: a playbook changed since may stop what its predecessor let run."""
    return evidence.stopped or _losing(evidence, driving(evidence.trades, policy), policy)


def _losing(evidence: Evidence, window: Window, policy: ExpectancyPolicy) -> bool:
    return len(evidence.trades) >= policy.enough and (window.e is None or window.e <= 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """How much of equity may be lost at the stop, which method says so, and from which numbers."""

    method: Method
    fraction: Decimal  # of equity, before regime and volatility; 0 when stopped
    window: Window  # the one that drives
    f: Decimal | None  # its full Kelly fraction
    note: str  # what led to the fraction, without the window's own numbers

    @property
    def words(self) -> str:
        """The note with the numbers it comes from, where there is any."""
        return f"{self.note}; from {in_words(self.window)}" if self.window.n else self.note


def risk_fraction(evidence: Evidence, policy: ExpectancyPolicy) -> Sized:
    window = driving(evidence.trades, policy)
    if evidence.stopped or _losing(evidence, window, policy):
        return _sized(Method.STOPPED, ZERO, window, _why_stopped(evidence, policy))
    f, count = window.f, len(evidence.trades)
    if count < policy.enough or f is None:
        method = Method.RETURNING if evidence.returns else Method.EXPLORATION
        fraction = min(policy.exploration, policy.max_risk)
        since = " since the shadow trades led back" if evidence.returns else ""
        note = f"{count} of {policy.enough} trades closed{since}: {fraction:.2%} of equity"
        return _sized(method, fraction, window, note)
    wanted = f * policy.kelly
    cut = f", cut to {policy.max_risk:.2%}" if wanted > policy.max_risk else ""
    note = f"Kelly {f:.3f} x {policy.kelly} = {wanted:.2%} of equity{cut}"
    return _sized(Method.KELLY, min(wanted, policy.max_risk), window, note)


def explored(sized: Sized, policy: ExpectancyPolicy) -> Sized:
    """What would be risked now if the desk were exploring: the size of a shadow trade."""
    fraction = min(policy.exploration, policy.max_risk)
    note = f"in shadow: {fraction:.2%} of equity"
    return _sized(Method.EXPLORATION, fraction, sized.window, note)


def _sized(method: Method, fraction: Decimal, window: Window, note: str) -> Sized:
    return Sized(method=method, fraction=fraction, window=window, f=window.f, note=note)


def _why_stopped(evidence: Evidence, policy: ExpectancyPolicy) -> str:
    """In the past tense: what closes after the stop may lift E again, and lifts no stop."""
    shadow = measure(evidence.shadow)
    so_far = "" if shadow.e is None else f", their E {shadow.e:.2f}"
    return f"no real size since E was not above 0; {shadow.n} of {policy.shadow} shadow trades closed{so_far}"


def in_words(window: Window) -> str:
    """ "30 real trades, p 0.68, b 2.15, E 1.14, f 0.531"; what is undefined is a dash."""

    def text(value: Decimal | None, places: int = 2) -> str:
        return "-" if value is None else f"{value:.{places}f}"

    w = window
    return f"{w.n} real trade{'' if w.n == 1 else 's'}, p {text(w.p)}, b {text(w.b)}, E {text(w.e)}, f {text(w.f, 3)}"


def expectancy(sized: Sized) -> GateAnswer:
    """The gate's rule: nothing real enters while stopped."""
    passed = sized.fraction > 0
    return GateAnswer(
        rule="expectancy",
        passed=passed,
        value=f"{sized.fraction:.2%} of equity at risk ({sized.method.value})",
        limit="above 0",
        reason="" if passed else sized.words,
    )


def damp(volatility: Decimal | None, policy: ExpectancyPolicy) -> Decimal:
    """The factor on risk at an annualised Garman-Klass volatility; 0, no risk at all, where it is not known."""
    if volatility is None or not volatility.is_finite() or volatility < 0:
        return ZERO
    return next((d.factor for d in policy.damps if volatility < d.below), policy.damp_above)


def size(
    *,
    equity: Decimal,
    fraction: Decimal,
    regime_multiplier: Decimal,
    damp: Decimal,
    stop_distance: Decimal,
    max_risk: Decimal,
) -> Decimal:
    """Notional in quote units, rounded towards zero: equity x risk / stop distance, where risk is the fraction with
    all its multipliers, `max_risk` of equity at most. `stop_distance` is a fraction of price; without a positive
    distance there is no size.
    """
    if min(equity, fraction, regime_multiplier, damp, stop_distance) <= 0:
        return ZERO
    with localcontext() as exact:
        exact.rounding = ROUND_DOWN  # so that notional x distance never exceeds the risk by a last digit
        return equity * min(fraction * regime_multiplier * damp, max_risk) / stop_distance
