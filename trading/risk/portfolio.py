"""Too much of one thing: limits on an asset, on assets that move alike, on a sector, on one side. Pure.

All limits are shares of one budget, `budget` x equity x leverage cap, in quote units of notional. An asset and a sector
are counted gross. A correlated group is counted net, because there a long and a short offset each other: so an open
short of a like asset makes room for a long, and only there. One side is the net of everything; there the gate and the
exit that rebalances ask the same question, so that nothing is opened only to be thrown out. What is not known denies.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from trading.decision import GateAnswer, Plan
from trading.exit_plan import Rebalance
from trading.market.correlation import Correlations
from trading.model import ZERO, Direction, Symbol, base_of
from trading.risk_policies import PortfolioLimits

OTHER = "other"  # all assets that no sector names share one, so that a limit is not evaded by not being listed
_RHO_STEP = Decimal("1e-6")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One open position, or an entry on its way, at the mark."""

    symbol: Symbol
    base: str
    direction: Direction
    notional: Decimal  # quote units, never negative

    def __post_init__(self) -> None:
        if not self.notional >= 0:
            raise ValueError(f"{self.symbol}: notional {self.notional} is negative")

    @property
    def signed(self) -> Decimal:
        return self.notional * self.direction.sign

    @staticmethod
    def of(plan: Plan) -> "Exposure":
        return Exposure(symbol=plan.symbol, base=base_of(plan.symbol), direction=plan.direction, notional=plan.notional)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """What is open at one moment, and what it is measured against. None is what could not be read or valued."""

    equity: Decimal | None
    exposures: tuple[Exposure, ...] | None  # entries on their way included
    leverage_cap: int
    correlations: Correlations
    policy: PortfolioLimits
    rebalance: Rebalance | None = None  # None: the playbook's exits do not rebalance, and any side may be heavy

    @property
    def budget(self) -> Decimal | None:
        """None without equity, or with none left."""
        if self.equity is None or self.equity <= 0:
            return None
        return self.policy.budget * self.equity * self.leverage_cap


def sector_of(base: str, policy: PortfolioLimits) -> str:
    return next((name for name, bases in policy.sectors.items() if base in bases), OTHER)


def _in_sector(sector: str, exposures: Iterable[Exposure], policy: PortfolioLimits) -> list[Exposure]:
    return [e for e in exposures if sector_of(e.base, policy) == sector]


def _alike(base: str, exposures: Iterable[Exposure], portfolio: Portfolio) -> list[Exposure]:
    """The correlated group of an asset, itself included."""
    return [e for e in exposures if portfolio.correlations.rho(base, e.base).value >= portfolio.policy.correlated]


def _gross(exposures: Iterable[Exposure]) -> Decimal:
    return sum((e.notional for e in exposures), ZERO)


def _net(exposures: Iterable[Exposure]) -> Decimal:
    return sum((e.signed for e in exposures), ZERO)


def _names(exposures: Iterable[Exposure]) -> str:
    return ", ".join(sorted({e.base for e in exposures}))


def heavy_side(signed: Sequence[Decimal], *, equity: Decimal, rule: Rebalance) -> Direction | None:
    """The side that outweighs the other by more than the rule allows. `signed`: notional of each position, negative
    when short. None: neither side does, or too few positions are open for the rule.
    """
    net = sum(signed, ZERO)
    if len(signed) < rule.positions or abs(net) <= rule.net * rule.budget * max(equity, ZERO):
        return None
    return Direction.LONG if net > 0 else Direction.SHORT


# --- the gate's rules ---------------------------------------------------------------------------------------------


def asset_share(portfolio: Portfolio, new: Exposure) -> GateAnswer:
    def read(exposures: Sequence[Exposure]) -> tuple[Decimal, str]:
        return _gross(e for e in exposures if e.base == new.base), new.base

    return _answer("asset share", portfolio, new, portfolio.policy.asset, read)


def group_share(portfolio: Portfolio, new: Exposure) -> GateAnswer:
    def read(exposures: Sequence[Exposure]) -> tuple[Decimal, str]:
        group = _alike(new.base, exposures, portfolio)
        return _net(group) * new.direction.sign, f"net {new.direction.value} in {_names(group)}"

    return _answer("correlated group", portfolio, new, portfolio.policy.group, read)


def sector_share(portfolio: Portfolio, new: Exposure) -> GateAnswer:
    sector = sector_of(new.base, portfolio.policy)

    def read(exposures: Sequence[Exposure]) -> tuple[Decimal, str]:
        return _gross(_in_sector(sector, exposures, portfolio.policy)), sector

    return _answer("sector share", portfolio, new, portfolio.policy.sector, read)


def one_sided(portfolio: Portfolio, new: Exposure) -> GateAnswer | None:
    """Whether the rebalance exit would find something to throw out once the new one is open. One that takes from a side
    that is heavy already may pass. None: the playbook's exits do not rebalance.
    """
    rule, equity, held = portfolio.rebalance, portfolio.equity, portfolio.exposures
    if rule is None:
        return None
    share = f"{rule.net:.1%} of the gross budget, from {rule.positions} positions on"
    if portfolio.budget is None or equity is None or held is None:
        return _not_known("one-sided", portfolio, share)
    signed = [e.signed for e in held]
    before = heavy_side(signed, equity=equity, rule=rule)
    after = heavy_side([*signed, new.signed], equity=equity, rule=rule)
    passed = after is None or (before is after and after is not new.direction)
    net = _net((*held, new))
    return GateAnswer(
        rule="one-sided",
        passed=passed,
        limit=f"{rule.net * equity * rule.budget:.2f} ({share})",
        value=f"{abs(net):.2f} (net {_side(net)}, {len(held) + 1} open)",
        reason="" if passed else f"too much on one side: the weakest {_side(net)} would have to go again",
    )


Rule = Callable[[Portfolio, Exposure], GateAnswer | None]
RULES: tuple[Rule, ...] = (asset_share, group_share, sector_share, one_sided)


def _answer(
    rule: str,
    portfolio: Portfolio,
    new: Exposure,
    share: Decimal,
    read: Callable[[Sequence[Exposure]], tuple[Decimal, str]],
) -> GateAnswer:
    """`read` says how much there would be with the new one, and of what."""
    budget, held = portfolio.budget, portfolio.exposures
    if budget is None or held is None:
        return _not_known(rule, portfolio, f"{share:.1%} of the gross budget")
    used, of = read((*held, new))
    passed = used <= budget * share
    return GateAnswer(
        rule=rule,
        passed=passed,
        limit=f"{budget * share:.2f} ({share:.1%} of {budget:.2f})",
        value=f"{used:.2f} ({of})",
        reason="" if passed else f"too much in one {rule.removesuffix(' share')} ({of})",
    )


def _not_known(rule: str, portfolio: Portfolio, limit: str) -> GateAnswer:
    missing = "equity is not known or gone" if portfolio.budget is None else "the open exposure is not known"
    return GateAnswer(rule=rule, passed=False, limit=limit, value="not known", reason=missing)


# --- what people see ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One limit and how much of it is taken, quote units."""

    limit: str  # the rule's name
    name: str  # "BTC"; "BTC, ETH net long"; "large cap"; "" when nothing is open
    used: Decimal
    allowed: Decimal

    @property
    def share(self) -> Decimal:
        """Of what is allowed; above 1 when prices or a closed hedge have carried it past the limit."""
        return self.used / self.allowed


def uses(portfolio: Portfolio) -> tuple[Use, ...] | None:
    """Each limit with its use: every asset, correlated group and sector that is open. None when it cannot be known."""
    budget, held, policy = portfolio.budget, portfolio.exposures, portfolio.policy
    if budget is None or held is None:
        return None
    bases = sorted({e.base for e in held})
    sectors = sorted({sector_of(b, policy) for b in bases})
    read = (
        ("asset share", policy.asset, [(b, _gross(e for e in held if e.base == b)) for b in bases]),
        ("correlated group", policy.group, [_group_use(_alike(b, held, portfolio)) for b in bases]),
        ("sector share", policy.sector, [(s, _gross(_in_sector(s, held, policy))) for s in sectors]),
    )
    listed = [
        Use(limit=limit, name=name, used=used, allowed=budget * share)
        for limit, share, found in read
        for name, used in dict(found or [("", ZERO)]).items()
    ]
    if portfolio.rebalance is not None:
        listed.append(_side_use(held, budget * portfolio.rebalance.net))
    return tuple(listed)


def _side_use(held: Sequence[Exposure], allowed: Decimal) -> Use:
    net = _net(held)
    return Use(limit="one-sided", name=f"net {_side(net)}" if held else "", used=abs(net), allowed=allowed)


def _group_use(group: Sequence[Exposure]) -> tuple[str, Decimal]:
    net = _net(group)
    return f"{_names(group)} net {_side(net)}", abs(net)


def _side(net: Decimal) -> str:
    return "flat" if net == 0 else Direction.LONG.value if net > 0 else Direction.SHORT.value


def heat(exposures: Sequence[Exposure], correlations: Correlations) -> Decimal:
    """Sum of |exposure| x (1 + mean rho), quote units.

    The mean is that of one exposure with each other one, negative for a pair of a long and a short: a hedged pair cools
    and like bets heat, between nothing and twice the gross.
    """
    total = ZERO
    for i, one in enumerate(exposures):
        others = [e for j, e in enumerate(exposures) if j != i]
        signed = sum(
            (correlations.rho(one.base, e.base).value * one.direction.sign * e.direction.sign for e in others), ZERO
        )
        mean = (signed / len(others)).quantize(_RHO_STEP) if others else ZERO
        total += one.notional * (1 + mean)
    return total
