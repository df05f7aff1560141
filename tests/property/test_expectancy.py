"""What sizing on evidence promises for every history there can be."""

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trading.risk.expectancy import Evidence, Method, damp, is_stopped, measure, risk_fraction, size
from trading.risk_policies import ExpectancyPolicy

D = Decimal
nets = st.integers(-(10**8), 10**8).map(lambda n: D(n) / 10**4)
policies = st.builds(
    ExpectancyPolicy,
    windows=st.lists(st.integers(1, 40), max_size=3, unique=True).map(tuple),
    enough=st.integers(1, 12),
    shadow=st.integers(1, 8),
    exploration=st.sampled_from(["0.001", "0.005", "0.03"]).map(D),
    kelly=st.sampled_from(["0.1", "0.25", "1"]).map(D),
    max_risk=st.sampled_from(["0.01", "0.02", "0.5"]).map(D),
)
happenings = st.lists(st.tuples(st.booleans(), nets), max_size=60)  # (shadow?, net)
parts = st.integers(0, 3000).map(lambda n: D(n) / 1000)


def folded(
    history: Sequence[tuple[bool, Decimal]], policy: ExpectancyPolicy, start: Evidence | None = None
) -> Evidence:
    evidence = start or Evidence()
    for shadow, net in history:
        evidence = evidence.after_shadow(net, policy) if shadow else evidence.after_trade(net, policy)
    return evidence


@given(st.lists(nets, min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_expectancy_is_the_mean_in_whatever_order(trades: list[Decimal], random: object) -> None:
    window = measure(trades)
    assert window.e == sum(trades, D(0)) / len(trades)
    shuffled = list(trades)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert measure(shuffled) == window


@given(st.lists(nets, min_size=1, max_size=60))
def test_the_textbook_formulas_hold_where_they_are_defined(trades: list[Decimal]) -> None:
    w = measure(trades)
    assert w.p is not None
    assert w.e is not None
    assert 0 <= w.p <= 1
    by_parts = w.p * (w.win or 0) - (1 - w.p) * (w.loss or 0)
    assert abs(by_parts - w.e) < D("1e-18")
    if w.b:
        assert w.f is not None
        assert abs(w.f - (w.p * w.b - (1 - w.p)) / w.b) < D("1e-15") * max(1, 1 / w.b)
    assert w.f is None or w.f <= 1


@given(happenings, policies)
def test_the_fraction_stays_within_its_caps_and_is_nothing_just_when_stopped(
    history: list[tuple[bool, Decimal]], policy: ExpectancyPolicy
) -> None:
    evidence = folded(history, policy)
    sized = risk_fraction(evidence, policy)
    assert 0 <= sized.fraction <= policy.max_risk
    assert (sized.fraction == 0) == (sized.method is Method.STOPPED) == is_stopped(evidence, policy)
    if sized.method is Method.KELLY:
        assert sized.f is not None
        assert sized.fraction <= sized.f * policy.kelly
        assert len(evidence.trades) >= policy.enough
    if sized.method in (Method.EXPLORATION, Method.RETURNING):
        assert (sized.method is Method.RETURNING) == (evidence.returns > 0)
        assert sized.fraction <= policy.exploration


@given(st.lists(nets, min_size=1, max_size=60), policies, st.integers(0, 59), st.integers(1, 10**8))
def test_a_worse_result_never_gives_a_larger_size(
    trades: list[Decimal], policy: ExpectancyPolicy, at: int, less: int
) -> None:
    worse = list(trades)
    worse[at % len(trades)] -= D(less) / 10**4
    before = risk_fraction(Evidence(trades=tuple(trades)), policy).fraction
    assert risk_fraction(Evidence(trades=tuple(worse)), policy).fraction <= before + D("1e-25")


@given(happenings, policies, st.sampled_from(["0.001", "10", "100000"]).map(D))
def test_the_unit_of_the_results_does_not_matter(
    history: list[tuple[bool, Decimal]], policy: ExpectancyPolicy, unit: Decimal
) -> None:
    here = risk_fraction(folded(history, policy), policy)
    there = risk_fraction(folded([(s, n * unit) for s, n in history], policy), policy)
    assert (there.method, there.fraction) == (here.method, here.fraction)


@given(happenings, policies, policies)
def test_no_history_and_no_change_of_playbook_is_a_trap(
    history: list[tuple[bool, Decimal]], before: ExpectancyPolicy, policy: ExpectancyPolicy
) -> None:
    evidence = folded(history, before)
    if is_stopped(evidence, policy):
        returns = evidence.returns
        win = 1 + sum((abs(n) for n in evidence.shadow), D(0))
        evidence = folded([(True, win)] * policy.shadow, policy, evidence)
        assert evidence.returns == returns + 1
        assert risk_fraction(evidence, policy).method is Method.RETURNING
        evidence = folded([(False, D(1))] * policy.enough, policy, evidence)
        assert risk_fraction(evidence, policy).method is Method.KELLY


@given(happenings, policies, nets)
def test_only_shadow_trades_end_a_stop(
    history: list[tuple[bool, Decimal]], policy: ExpectancyPolicy, net: Decimal
) -> None:
    evidence = folded(history, policy)
    if is_stopped(evidence, policy):
        assert is_stopped(evidence.after_trade(net, policy), policy)


@given(happenings, policies)
def test_what_is_left_out_of_the_evidence_never_mattered(
    history: list[tuple[bool, Decimal]], policy: ExpectancyPolicy
) -> None:
    """The whole of the trades since the last return gives the same size as the part that is kept."""
    whole: list[Decimal] = []
    evidence = Evidence()
    for shadow, net in history:
        stopped, returns = is_stopped(evidence, policy), evidence.returns
        evidence = evidence.after_shadow(net, policy) if shadow else evidence.after_trade(net, policy)
        whole = [] if evidence.returns > returns else whole if shadow else [*whole, net]
        longer = Evidence(
            trades=tuple(whole), shadow=evidence.shadow, stopped=evidence.stopped, returns=evidence.returns
        )
        assert risk_fraction(longer, policy).fraction == risk_fraction(evidence, policy).fraction
        assert not (shadow and not stopped and evidence.shadow), "a shadow counted outside a stop"


@given(st.lists(parts, min_size=2, max_size=2))
def test_more_volatility_never_means_more_risk(two: list[Decimal]) -> None:
    calm, wild = sorted(two)
    assert damp(wild, ExpectancyPolicy()) <= damp(calm, ExpectancyPolicy())


@given(
    equity=st.integers(-(10**6), 10**10).map(lambda n: D(n) / 100),
    fraction=parts,
    regime=parts,
    factor=parts,
    distance=parts,
    cap=st.integers(1, 1000).map(lambda n: D(n) / 1000),
    less=st.integers(0, 1000).map(lambda n: D(n) / 1000),
)
def test_a_size_never_risks_more_than_the_cap_and_falls_with_each_factor(
    equity: Decimal, fraction: Decimal, regime: Decimal, factor: Decimal, distance: Decimal, cap: Decimal, less: Decimal
) -> None:
    def made(**changes: Decimal) -> Decimal:
        whole = {
            "equity": equity, "fraction": fraction, "regime_multiplier": regime, "damp": factor,
            "stop_distance": distance, "max_risk": cap,
        }  # fmt: skip
        return size(**{**whole, **changes})

    notional = made()
    assert notional >= 0
    assert notional * distance <= max(equity, D(0)) * cap
    assert notional * distance <= max(equity, D(0)) * fraction * regime * factor
    assert made(equity=equity * less) <= notional
    assert made(fraction=fraction * less) <= notional
    assert made(regime_multiplier=regime * less) <= notional
    assert made(damp=factor * less) <= notional
    assert made(max_risk=cap * less) <= notional
    if distance > 0:
        assert made(stop_distance=distance * (1 + less)) <= notional
