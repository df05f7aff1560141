"""Limits on one asset, on what moves alike, on a sector: each at its border, by sign, and with something unknown."""

from decimal import Decimal
from typing import Any

import pytest

from tests.builders import BTC, a_plan
from trading.decision import GateAnswer
from trading.exit_plan import Rebalance
from trading.market.correlation import Correlations, Rho
from trading.model import Direction, Symbol
from trading.risk import portfolio as rules
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
    sector_of,
    sector_share,
    uses,
)
from trading.risk_policies import PortfolioLimits

D = Decimal
POLICY = PortfolioLimits()
HALF = Rebalance(net=D("0.5"), positions=3, budget=D(10))


def long(base: str, notional: int | str) -> Exposure:
    return Exposure(symbol=Symbol(f"{base}/USDT:USDT"), base=base, direction=Direction.LONG, notional=D(notional))


def short(base: str, notional: int | str) -> Exposure:
    return Exposure(symbol=Symbol(f"{base}/USDT:USDT"), base=base, direction=Direction.SHORT, notional=D(notional))


def a_portfolio(*exposures: Exposure, **changes: Any) -> Portfolio:
    """10,000 of equity at 10x: a budget of 100,000. An asset may have 40,000, a group 60,000, a sector and one
    side 50,000.
    """
    made: dict[str, Any] = {
        "equity": D(10000),
        "exposures": exposures,
        "leverage_cap": 10,
        "correlations": Correlations(policy=POLICY),
        "policy": POLICY,
        "rebalance": HALF,
    }
    return Portfolio(**{**made, **changes})


def measured(**pairs: str) -> Correlations:
    """measured(BTC_SOL="0.7")"""
    both: dict[tuple[str, str], Rho] = {}
    for name, value in pairs.items():
        a, b = name.split("_")
        both[a, b] = both[b, a] = Rho(value=D(value), measured=True, returns=720)
    return Correlations(policy=POLICY, pairs=both)


# Rule, what is open, what just passes, what just does not.
BORDERS: tuple[tuple[Rule, tuple[Exposure, ...], Exposure, Exposure], ...] = (
    (asset_share, (), long("BTC", 40000), long("BTC", "40000.01")),
    (asset_share, (long("BTC", 30000),), long("BTC", 10000), long("BTC", "10000.01")),
    (asset_share, (short("BTC", 30000),), long("BTC", 10000), long("BTC", "10000.01")),  # gross: no offset here
    (asset_share, (long("ETH", 40000),), long("BTC", 40000), long("BTC", "40000.01")),
    (group_share, (long("SOL", 35000),), long("ADA", 25000), long("ADA", "25000.01")),
    (group_share, (long("XRP", 35000),), long("LTC", 25000), long("LTC", "25000.01")),  # rho .70 is in the group
    (group_share, (long("BTC", 40000), short("ETH", 10000)), long("BNB", 30000), long("BNB", "30000.01")),
    (group_share, (short("BTC", 40000), long("ETH", 10000)), short("BNB", 30000), short("BNB", "30000.01")),
    (group_share, (short("BTC", 20000),), long("ETH", 80000), long("ETH", "80000.01")),
    (sector_share, (long("BTC", 25000),), long("ETH", 25000), long("ETH", "25000.01")),
    (sector_share, (short("BTC", 25000),), long("ETH", 25000), long("ETH", "25000.01")),  # gross
    (sector_share, (long("PEPE", 25000),), long("WIF", 25000), long("WIF", "25000.01")),  # both unlisted
    (sector_share, (long("BTC", 50000),), long("DOGE", 50000), long("DOGE", "50000.01")),
    (one_sided, (long("BTC", 20000), long("SOL", 20000)), long("DOGE", 10000), long("DOGE", "10000.01")),
    (one_sided, (short("BTC", 20000), short("SOL", 20000)), short("DOGE", 10000), short("DOGE", "10000.01")),
    (one_sided, (long("BTC", 30000), short("SOL", 20000)), long("DOGE", 40000), long("DOGE", "40000.01")),
    # A short that leaves a long side too heavy, now that there are three, would have a long thrown out.
    (one_sided, (long("BTC", 40000), long("SOL", 30000)), short("DOGE", 20000), short("DOGE", "19999.99")),
)


@pytest.mark.parametrize(("rule", "held", "passing", "_"), BORDERS)
def test_a_limit_just_does_not_bind(rule: Rule, held: tuple[Exposure, ...], passing: Exposure, _: Exposure) -> None:
    answer = rule(a_portfolio(*held), passing)
    assert answer is not None
    assert answer.passed
    assert answer.reason == ""


@pytest.mark.parametrize(("rule", "held", "_", "denied"), BORDERS)
def test_a_limit_binds(rule: Rule, held: tuple[Exposure, ...], _: Exposure, denied: Exposure) -> None:
    answer = rule(a_portfolio(*held), denied)
    assert answer is not None
    assert not answer.passed
    assert "too much " in answer.reason
    assert any(word in answer.value for word in (denied.base, sector_of(denied.base, POLICY), "3 open"))


def test_every_rule_has_a_border_and_is_asked() -> None:
    assert {row[0] for row in BORDERS} == set(RULES)
    answers = (GateAnswer, GateAnswer | None)
    there = {f for f in vars(rules).values() if getattr(f, "__annotations__", {}).get("return") in answers}
    assert {f for f in there if not f.__name__.startswith("_")} == set(RULES)


def test_an_answer_holds_limit_and_value() -> None:
    answer = group_share(a_portfolio(long("BTC", 40000), short("ETH", 10000)), long("BNB", 31000))
    assert answer == GateAnswer(
        rule="correlated group",
        passed=False,
        limit="60000.00 (60.0% of 100000.00)",
        value="61000.00 (net long in BNB, BTC, ETH)",
        reason="too much in one correlated group (net long in BNB, BTC, ETH)",
    )


def test_one_less_than_alike_is_not_in_the_group() -> None:
    held = long("BTC", 40000)
    new = long("SOL", 30000)
    at = a_portfolio(held, correlations=measured(BTC_SOL="0.7"))
    under = a_portfolio(held, correlations=measured(BTC_SOL="0.699999"))
    assert not group_share(at, new).passed
    assert group_share(under, new).passed
    assert group_share(a_portfolio(held), new).passed, "the table says .5"


def test_an_asset_that_moves_the_other_way_is_not_in_the_group() -> None:
    held = long("BTC", 40000)
    assert group_share(a_portfolio(held, correlations=measured(BTC_SOL="-0.9")), long("SOL", 40000)).passed


def test_an_entry_that_only_lowers_what_is_too_much_may_pass() -> None:
    over = a_portfolio(long("BTC", 90000))
    assert group_share(over, short("ETH", 10000)).passed
    assert not group_share(over, long("ETH", 1)).passed


@pytest.mark.parametrize("rule", RULES)
def test_what_is_not_known_denies(rule: Rule) -> None:
    new = long("BTC", 1)
    for portfolio, why in (
        (a_portfolio(equity=None), "equity"),
        (a_portfolio(equity=D(0)), "equity"),
        (a_portfolio(equity=D(-5)), "equity"),
        (a_portfolio(exposures=None), "open exposure"),
    ):
        answer = rule(portfolio, new)
        assert answer is not None
        assert (answer.passed, answer.value) == (False, "not known")
        assert why in answer.reason
    tiny = rule(a_portfolio(equity=D("0.01")), long("BTC", "0.04"))
    assert tiny is not None
    assert tiny.passed


# --- one side -----------------------------------------------------------------------------------------------------

HEAVY = (long("BTC", 40000), long("SOL", 30000), long("DOGE", 1))


def test_a_side_that_is_heavy_already_may_only_be_lightened() -> None:
    def passes(new: Exposure) -> bool:
        answer = one_sided(a_portfolio(*HEAVY), new)
        assert answer is not None
        return answer.passed

    assert passes(short("XRP", 1)), "it is not what would be thrown out, nor does it bring that about"
    assert not passes(long("XRP", "0.01"))
    assert passes(short("XRP", 120001)), "net short 50000"
    assert not passes(short("XRP", "120001.01")), "the other side would be too heavy"


def test_two_positions_may_lie_on_one_side() -> None:
    answer = one_sided(a_portfolio(long("BTC", 90000)), long("SOL", 90000))
    assert answer == GateAnswer(
        rule="one-sided",
        passed=True,
        limit="50000.00 (50.0% of the gross budget, from 3 positions on)",
        value="180000.00 (net long, 2 open)",
    )


def test_a_playbook_that_does_not_rebalance_is_not_asked() -> None:
    assert one_sided(a_portfolio(*HEAVY, rebalance=None), long("XRP", 1)) is None


@pytest.mark.parametrize(
    ("signed", "equity", "heavy"),
    [
        ((20000, 20000, 10000), 10000, None),
        ((20000, 20000, "10000.01"), 10000, Direction.LONG),
        ((-20000, -20000, "-10000.01"), 10000, Direction.SHORT),
        ((90000, 90000), 10000, None),
        ((90000, -60000, 1, 1), 10000, None),
        ((1, 1, 1), 0, Direction.LONG),
        ((1, 1, 1), -5, Direction.LONG),
        ((1, -2, 1), 0, None),
        ((), 10000, None),
    ],
)
def test_the_heavy_side_is_the_question_of_gate_and_exit_alike(
    signed: tuple[int | str, ...], equity: int, heavy: Direction | None
) -> None:
    assert heavy_side([D(n) for n in signed], equity=D(equity), rule=HALF) is heavy


def test_the_budget_is_equity_times_leverage_cap_times_the_playbooks_share() -> None:
    assert a_portfolio().budget == 100000
    assert a_portfolio(leverage_cap=20).budget == 200000
    half = PortfolioLimits(budget=D("0.5"))
    assert a_portfolio(policy=half).budget == 50000
    assert not asset_share(a_portfolio(policy=half), long("BTC", "20000.01")).passed


def test_an_exposure_is_made_of_a_plan() -> None:
    assert Exposure.of(a_plan(Direction.SHORT)) == Exposure(
        symbol=BTC, base="BTC", direction=Direction.SHORT, notional=D(6000)
    )
    with pytest.raises(ValueError, match="negative"):
        long("BTC", -1)


# --- what people see ----------------------------------------------------------------------------------------------


def test_each_limit_is_listed_with_its_use() -> None:
    found = uses(a_portfolio(long("BTC", 30000), short("ETH", 10000), long("DOGE", 5000)))
    assert found is not None
    assert [(u.limit, u.name, u.used, u.allowed) for u in found] == [
        ("asset share", "BTC", 30000, 40000),
        ("asset share", "DOGE", 5000, 40000),
        ("asset share", "ETH", 10000, 40000),
        ("correlated group", "BTC, ETH net long", 20000, 60000),
        ("correlated group", "DOGE net long", 5000, 60000),
        ("sector share", "large cap", 40000, 50000),
        ("sector share", "meme", 5000, 50000),
        ("one-sided", "net long", 25000, 50000),
    ]
    assert found[0].share == D("0.75")


def test_an_empty_portfolio_lists_each_limit_unused_and_an_unknown_one_lists_nothing() -> None:
    found = uses(a_portfolio())
    assert found is not None
    assert [(u.limit, u.name, u.used, u.share) for u in found] == [
        ("asset share", "", 0, 0),
        ("correlated group", "", 0, 0),
        ("sector share", "", 0, 0),
        ("one-sided", "", 0, 0),
    ]
    without = uses(a_portfolio(rebalance=None))
    assert without is not None
    assert len(without) == 3
    assert uses(a_portfolio(exposures=None)) is None
    assert uses(a_portfolio(equity=None)) is None


def test_a_fully_hedged_group_and_a_short_one_say_so() -> None:
    flat = uses(a_portfolio(long("BTC", 10000), short("ETH", 10000)))
    assert flat is not None
    assert ("BTC, ETH net flat", D(0)) in [(u.name, u.used) for u in flat]
    down = uses(a_portfolio(short("SOL", 100)))
    assert down is not None
    assert ("SOL net short", D(100)) in [(u.name, u.used) for u in down]


def test_heat_grows_with_likeness_and_falls_with_a_hedge() -> None:
    table = Correlations(policy=POLICY)
    assert heat([], table) == 0
    assert heat([long("BTC", 1000)], table) == 1000
    assert heat([long("BTC", 1000), long("ETH", 3000)], table) == 4000 * D("1.85")
    assert heat([long("BTC", 1000), short("ETH", 3000)], table) == 4000 * D("0.15")
    # BTC: (.85 + .5) / 2, ETH: (.85 + .5) / 2, DOGE: .5
    assert heat([long("BTC", 1000), long("ETH", 1000), long("DOGE", 1000)], table) == D(1675) * 2 + 1500
    assert heat([long("BTC", 1000), short("BTC", 1000)], table) == 0
