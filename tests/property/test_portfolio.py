"""What the portfolio limits promise for every portfolio there can be."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trading.exit_plan import Rebalance
from trading.market.correlation import Correlations, Rho
from trading.model import Direction, Symbol
from trading.risk.portfolio import (
    RULES,
    Exposure,
    Portfolio,
    Rule,
    asset_share,
    group_share,
    heat,
    heavy_side,
    one_sided,
    sector_share,
    uses,
)
from trading.risk_policies import PortfolioLimits

D = Decimal
POLICY = PortfolioLimits()
BASES = ("BTC", "ETH", "SOL", "ADA", "XRP", "DOGE", "PEPE")
PAIRS = [(a, b) for i, a in enumerate(BASES) for b in BASES[:i]]
notionals = st.integers(0, 8_000_000).map(lambda n: D(n) / 100)
rhos = st.integers(-1_000_000, 1_000_000).map(lambda n: D(n) / 10**6)
# Where likeness decides, most values lie about the border.
near = st.sampled_from(["-1", "0", "0.5", "0.699999", "0.7", "0.85", "1"]).map(D) | rhos


def an_exposure(base: str, direction: Direction, notional: Decimal) -> Exposure:
    return Exposure(symbol=Symbol(f"{base}/USDT:USDT"), base=base, direction=direction, notional=notional)


exposures = st.builds(an_exposure, st.sampled_from(BASES), st.sampled_from(Direction), notionals)
tables = st.lists(near, min_size=len(PAIRS), max_size=len(PAIRS))
rules = st.sampled_from(RULES)


def correlated(values: list[Decimal]) -> Correlations:
    pairs: dict[tuple[str, str], Rho] = {}
    for (a, b), value in zip(PAIRS, values, strict=True):
        pairs[a, b] = pairs[b, a] = Rho(value=value, measured=True, returns=720)
    return Correlations(policy=POLICY, pairs=pairs)


def a_portfolio(equity: Decimal, held: list[Exposure], cap: int, values: list[Decimal], net: Decimal) -> Portfolio:
    return Portfolio(
        equity=equity,
        exposures=tuple(held),
        leverage_cap=cap,
        correlations=correlated(values),
        policy=POLICY,
        rebalance=Rebalance(net=net, positions=3, budget=POLICY.budget * cap),
    )


portfolios = st.builds(
    a_portfolio,
    st.integers(1, 2_000_000).map(lambda n: D(n) / 100),
    st.lists(exposures, max_size=6),
    st.integers(1, 20),
    tables,
    st.sampled_from(["0.2", "0.5", "1"]).map(D),
)


def held(portfolio: Portfolio) -> tuple[Exposure, ...]:
    assert portfolio.exposures is not None
    return portfolio.exposures


def passes(rule: Rule, portfolio: Portfolio, new: Exposure) -> bool:
    answer = rule(portfolio, new)
    assert answer is not None
    return answer.passed


def mirrored(exposure: Exposure) -> Exposure:
    return replace(exposure, direction=exposure.direction.opposite)


@given(portfolios, exposures, st.sampled_from([r for r in RULES if r is not one_sided]), notionals)
def test_a_larger_entry_never_turns_a_denial_into_a_pass(
    portfolio: Portfolio, new: Exposure, rule: Rule, more: Decimal
) -> None:
    larger = replace(new, notional=new.notional + more)
    assert not (passes(rule, portfolio, larger) and not passes(rule, portfolio, new))


@given(portfolios, exposures, st.sampled_from((asset_share, sector_share)), exposures)
def test_more_open_exposure_on_either_side_never_frees_an_asset_or_a_sector(
    portfolio: Portfolio, new: Exposure, rule: Rule, other: Exposure
) -> None:
    more = replace(portfolio, exposures=(*held(portfolio), other))
    assert not (passes(rule, more, new) and not passes(rule, portfolio, new))


@given(portfolios, exposures, notionals)
def test_a_larger_entry_on_the_heavier_side_is_never_freed(portfolio: Portfolio, new: Exposure, more: Decimal) -> None:
    """On the lighter side a larger one may be: it brings the two nearer to each other."""
    net = sum((e.signed for e in held(portfolio)), D(0))
    heavier = replace(new, direction=Direction.SHORT if net < 0 else Direction.LONG)
    larger = replace(heavier, notional=heavier.notional + more)
    assert not (passes(one_sided, portfolio, larger) and not passes(one_sided, portfolio, heavier))


@given(portfolios, exposures)
def test_what_passes_is_not_thrown_out_again(portfolio: Portfolio, new: Exposure) -> None:
    """Right after an entry that passed, the exit that rebalances finds nothing that it would not have found before."""
    rule, equity = portfolio.rebalance, portfolio.equity
    assert rule
    assert equity is not None
    if passes(one_sided, portfolio, new):
        signed = [e.signed for e in held(portfolio)]
        after = heavy_side([*signed, new.signed], equity=equity, rule=rule)
        assert after is None or after is heavy_side(signed, equity=equity, rule=rule) is new.direction.opposite


@given(portfolios, exposures, exposures)
def test_more_open_exposure_of_one_side_never_frees_that_side(
    portfolio: Portfolio, new: Exposure, other: Exposure
) -> None:
    before = replace(portfolio, exposures=tuple(replace(e, direction=new.direction) for e in held(portfolio)))
    more = replace(before, exposures=(*held(before), replace(other, direction=new.direction)))
    assert not (passes(one_sided, more, new) and not passes(one_sided, before, new))


@given(portfolios, exposures, exposures)
def test_more_open_exposure_on_the_same_side_never_frees_a_group(
    portfolio: Portfolio, new: Exposure, other: Exposure
) -> None:
    """An opposite one may: that is what offsetting means."""
    more = replace(portfolio, exposures=(*held(portfolio), replace(other, direction=new.direction)))
    assert not (group_share(more, new).passed and not group_share(portfolio, new).passed)


@given(portfolios, exposures, tables, rules)
def test_more_correlation_among_one_side_never_turns_a_denial_into_a_pass(
    portfolio: Portfolio, new: Exposure, values: list[Decimal], rule: Rule
) -> None:
    one_sided = tuple(replace(e, direction=new.direction) for e in held(portfolio))
    before = replace(portfolio, exposures=one_sided)
    raised = [max(v, before.correlations.rho(a, b).value) for (a, b), v in zip(PAIRS, values, strict=True)]
    after = replace(before, correlations=correlated(raised))
    assert not (passes(rule, after, new) and not passes(rule, before, new))


@given(portfolios, exposures, tables)
def test_a_hedge_frees_no_more_than_its_own_size(portfolio: Portfolio, new: Exposure, values: list[Decimal]) -> None:
    """Whatever the correlations are, gross by side bounds the net: same side <= limit + opposite side."""
    changed = replace(portfolio, correlations=correlated(values))
    if group_share(changed, new).passed:
        assert changed.budget is not None
        group = [e for e in held(changed) if changed.correlations.rho(new.base, e.base).value >= POLICY.correlated]
        same = sum((e.notional for e in group if e.direction is new.direction), new.notional)
        against = sum((e.notional for e in group if e.direction is not new.direction), D(0))
        assert same <= changed.budget * POLICY.group + against


@given(portfolios, exposures, rules, st.randoms(use_true_random=False))
def test_the_order_of_the_exposures_does_not_matter(
    portfolio: Portfolio, new: Exposure, rule: Rule, random: object
) -> None:
    shuffled = list(held(portfolio))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other = replace(portfolio, exposures=tuple(shuffled))
    assert rule(other, new) == rule(portfolio, new)
    assert uses(other) == uses(portfolio)
    assert heat(shuffled, portfolio.correlations) == heat(held(portfolio), portfolio.correlations)


@given(portfolios, exposures, rules)
def test_long_and_short_are_mirrored(portfolio: Portfolio, new: Exposure, rule: Rule) -> None:
    there = replace(portfolio, exposures=tuple(mirrored(e) for e in held(portfolio)))
    assert passes(rule, there, mirrored(new)) == passes(rule, portfolio, new)
    assert heat(held(there), there.correlations) == heat(held(portfolio), portfolio.correlations)
    mine, theirs = uses(portfolio), uses(there)
    assert mine is not None
    assert theirs is not None
    assert [(u.limit, u.used, u.allowed) for u in mine] == [(u.limit, u.used, u.allowed) for u in theirs]


@given(portfolios, exposures, rules, st.sampled_from(("equity", "exposures")))
def test_nothing_enters_when_something_is_not_known(
    portfolio: Portfolio, new: Exposure, rule: Rule, missing: str
) -> None:
    unknown = replace(portfolio, equity=None) if missing == "equity" else replace(portfolio, exposures=None)
    assert not passes(rule, unknown, new)
    assert uses(unknown) is None


@given(portfolios, exposures, rules, st.integers(1, 10**6).map(lambda n: D(n) / 100))
def test_less_equity_never_turns_a_denial_into_a_pass(
    portfolio: Portfolio, new: Exposure, rule: Rule, less: Decimal
) -> None:
    assert portfolio.equity is not None
    poorer = replace(portfolio, equity=portfolio.equity - less)
    assert not (passes(rule, poorer, new) and not passes(rule, portfolio, new))


@given(portfolios, st.integers(0, 5), notionals)
def test_heat_lies_between_nothing_and_twice_the_gross_and_grows_with_each_exposure(
    portfolio: Portfolio, at: int, more: Decimal
) -> None:
    open_ = held(portfolio)
    before = heat(open_, portfolio.correlations)
    assert 0 <= before <= 2 * sum((e.notional for e in open_), D(0))
    grown = tuple(replace(e, notional=e.notional + more) if i == at else e for i, e in enumerate(open_))
    assert heat(grown, portfolio.correlations) >= before


@given(portfolios, tables)
def test_more_correlation_among_one_side_never_cools(portfolio: Portfolio, values: list[Decimal]) -> None:
    one_sided = tuple(replace(e, direction=Direction.LONG) for e in held(portfolio))
    raised = [max(v, portfolio.correlations.rho(a, b).value) for (a, b), v in zip(PAIRS, values, strict=True)]
    assert heat(one_sided, correlated(raised)) >= heat(one_sided, portfolio.correlations)


@given(portfolios, exposures)
def test_the_list_of_uses_agrees_with_the_gate(portfolio: Portfolio, new: Exposure) -> None:
    """What is listed after an entry that passed is within its limit for the asset and the sector it went to."""
    if all(passes(rule, portfolio, new) for rule in RULES):
        after = uses(replace(portfolio, exposures=(*held(portfolio), new)))
        assert after is not None
        asset = next(u for u in after if (u.limit, u.name) == ("asset share", new.base))
        assert asset.used <= asset.allowed
        assert 0 <= asset.share <= 1
