"""What closed trades allow to be risked: each method at its border, and the way down and back in one history."""

import json
from collections.abc import Sequence
from decimal import Decimal

import pytest
from pydantic import ValidationError

from trading.market.series import exact
from trading.risk.expectancy import (
    Evidence,
    Method,
    Sized,
    damp,
    driving,
    expectancy,
    explored,
    measure,
    risk_fraction,
    size,
)
from trading.risk_policies import Damp, ExpectancyPolicy

D = Decimal
POLICY = ExpectancyPolicy()
WIN, LOSS = D("2.15"), D(-1)
# p .68 at b 2.15, in the playbook's own example; every block of 25 ends in wins.
EXAMPLE = ([LOSS] * 8 + [WIN] * 17) * 4


def traded(nets: Sequence[Decimal], policy: ExpectancyPolicy = POLICY, start: Evidence | None = None) -> Evidence:
    evidence = start or Evidence()
    for net in nets:
        evidence = evidence.after_trade(net, policy)
    return evidence


def shadowed(nets: Sequence[Decimal], start: Evidence, policy: ExpectancyPolicy = POLICY) -> Evidence:
    for net in nets:
        start = start.after_shadow(net, policy)
    return start


def after(nets: Sequence[Decimal], policy: ExpectancyPolicy = POLICY) -> Sized:
    return risk_fraction(traded(nets, policy), policy)


# --- measuring ----------------------------------------------------------------------------------------------------


def test_the_worked_example_of_the_playbook() -> None:
    policy = ExpectancyPolicy(windows=(100,), max_risk=D(1))
    sized = after(EXAMPLE, policy)
    assert sized.method is Method.KELLY
    assert (sized.window.n, sized.window.p, sized.window.b) == (100, D("0.68"), D("2.15"))
    assert sized.window.e == D("0.68") * D("2.15") - D("0.32")
    assert sized.f is not None
    assert round(sized.f, 3) == D("0.531")
    assert round(sized.fraction, 3) == D("0.133")
    assert sized.fraction == sized.f * D("0.25")
    for part in ("Kelly 0.531", "0.25", "13.28%", "100 real trades", "p 0.68", "b 2.15", "E 1.14"):
        assert part in sized.words


def test_kelly_is_the_expectancy_in_average_wins() -> None:
    window = measure(EXAMPLE)
    assert window.p is not None
    assert window.b is not None
    assert window.f is not None
    assert abs(window.f - (window.p * window.b - (1 - window.p)) / window.b) < D("1e-20")


def test_nothing_measured_is_nothing_claimed() -> None:
    none = measure([])
    assert (none.n, none.p, none.win, none.loss, none.b, none.e, none.f) == (0, None, None, None, None, None, None)


def test_without_a_loss_there_is_no_payoff_but_a_kelly_fraction() -> None:
    only = measure([D(3), D(1)])
    assert (only.p, only.win, only.loss, only.b, only.e, only.f) == (1, 2, None, None, 2, 1)


def test_without_a_win_there_is_no_payoff_and_no_kelly_fraction() -> None:
    only = measure([D(-3), D(-1)])
    assert (only.p, only.win, only.loss, only.b, only.e, only.f) == (0, None, 2, None, -2, None)


def test_a_break_even_trade_did_not_win() -> None:
    window = measure([D(2), D(0)])
    assert (window.p, window.win, window.loss, window.b, window.e) == (D("0.5"), 2, 0, None, 1)
    assert window.f == D("0.5")


# --- the methods, at their borders --------------------------------------------------------------------------------


def test_before_there_is_any_trade_the_desk_explores() -> None:
    sized = after([])
    assert (sized.method, sized.fraction, sized.f) == (Method.EXPLORATION, D("0.005"), None)
    assert "0 of 30 trades" in sized.note


def test_kelly_begins_at_exactly_enough_trades() -> None:
    assert after(EXAMPLE[:29]).method is Method.EXPLORATION
    assert after(EXAMPLE[:29]).fraction == D("0.005")
    assert after(EXAMPLE[:30]).method is Method.KELLY


def test_twenty_nine_losses_explore_and_the_thirtieth_stops() -> None:
    assert after([LOSS] * 29).method is Method.EXPLORATION
    stopped = after([LOSS] * 30)
    assert (stopped.method, stopped.fraction) == (Method.STOPPED, 0)
    assert "0 of 30 shadow trades" in stopped.note


def test_what_closes_after_the_stop_is_no_reason_for_it() -> None:
    """The stop was in the past: numbers of now would contradict it."""
    later = traded([WIN] * 20, start=traded([LOSS] * 30))
    sized = risk_fraction(later, POLICY)
    assert sized.method is Method.STOPPED
    assert sized.window.e is not None
    assert sized.window.e > 0
    assert sized.note == "no real size since E was not above 0; 0 of 30 shadow trades closed"


def test_an_expectancy_of_exactly_nothing_stops() -> None:
    even = [D(1), D(-1)] * 15
    assert after(even).method is Method.STOPPED
    assert after([*even[:-1], D("-0.99999999")]).method is Method.KELLY
    assert after([D(0)] * 30).method is Method.STOPPED


def test_the_risk_cap_binds_above_itself_only() -> None:
    # f = .5 exactly: three wins of 1 to one loss of 1
    nets = [D(1), D(1), D(1), D(-1)] * 10
    policy = ExpectancyPolicy(windows=(40,), kelly=D("0.04"))
    at = after(nets, policy)
    assert (at.f, at.fraction) == (D("0.5"), D("0.02"))
    assert "cut" not in at.note
    fuller = after(nets, ExpectancyPolicy(windows=(40,), kelly=D("0.05")))
    assert fuller.fraction == D("0.02")
    assert "cut to 2.00%" in fuller.note
    assert after(nets, ExpectancyPolicy(windows=(40,), kelly=D("0.039"))).fraction == D("0.0195")


def test_exploration_too_is_under_the_risk_cap() -> None:
    assert after([], ExpectancyPolicy(exploration=D("0.03"))).fraction == D("0.02")


def test_recent_losses_do_not_hide_behind_an_old_success() -> None:
    good, bad = [D(1)] * 470, [D(1)] * 14 + [D(-1)] * 16
    assert measure(good + bad).e == D(468) / 500
    sized = after(good + bad)
    assert (sized.method, sized.window.n) == (Method.STOPPED, 30)
    assert sized.window == measure(bad)


def test_a_recent_success_does_not_hide_a_losing_history() -> None:
    # The last 30 are good enough for a cap, the 100 are not worth half of it.
    old = [D(1), D(1), D(1), D(-1), D(-1)] * 4 + [D("0.9"), D(-1)] * 25
    recent = [D(1)] * 18 + [D(-1)] * 12
    window = driving(old + recent, POLICY)
    assert window == measure(old + recent)
    assert window.n == 100


@pytest.mark.parametrize(
    ("trades", "windows"), [(29, {29}), (30, {30}), (99, {30}), (100, {30, 100}), (500, {30, 100, 500})]
)
def test_a_window_counts_from_the_trade_that_fills_it(trades: int, windows: set[int]) -> None:
    # The longest full window is the worst when only the very first of its trades was lost.
    longest = max(windows)
    nets = [D(1)] * trades
    nets[trades - longest] = D(-1)
    assert driving(nets, POLICY).n == longest
    assert longest == trades or min(windows) == 30


# --- the way down, and back ---------------------------------------------------------------------------------------


def test_losses_stop_shadow_trades_bring_back_and_kelly_returns() -> None:
    evidence = traded(EXAMPLE[:50])
    assert risk_fraction(evidence, POLICY).method is Method.KELLY

    methods = []
    while not methods or methods[-1] is Method.KELLY:
        evidence = evidence.after_trade(LOSS, POLICY)
        methods.append(risk_fraction(evidence, POLICY).method)
    assert methods[-1] is Method.STOPPED
    assert len(methods) < 25, "a run of losses stops within a window"
    assert risk_fraction(evidence, POLICY).fraction == 0

    evidence = shadowed([LOSS] * 40, evidence)  # the shadow goes on losing
    assert risk_fraction(evidence, POLICY).method is Method.STOPPED
    turned = 0
    while risk_fraction(evidence, POLICY).method is Method.STOPPED:
        evidence = evidence.after_shadow(WIN, POLICY)
        turned += 1
    # n wins of 2.15 to 30 - n losses of 1 are worth something from 10 on
    assert turned == 10

    back = risk_fraction(evidence, POLICY)
    assert (back.method, back.fraction) == (Method.RETURNING, D("0.005"))
    assert back.words == back.note, "there is no number yet that it could come from"
    assert back.window.n == 0, "what came before the return does not count"
    assert "0 of 30 trades closed since the shadow" in back.note

    evidence = traded(EXAMPLE[:29], start=evidence)
    assert risk_fraction(evidence, POLICY).method is Method.RETURNING
    evidence = traded([WIN], start=evidence)
    again = risk_fraction(evidence, POLICY)
    assert (again.method, again.window.n) == (Method.KELLY, 30)
    assert again.fraction > 0

    evidence = traded([LOSS] * 30, start=evidence)
    assert risk_fraction(evidence, POLICY).method is Method.STOPPED
    assert evidence.returns == 1, "and it can stop again"


def test_the_return_needs_all_shadow_trades_and_more_than_nothing() -> None:
    stopped = traded([LOSS] * 30)
    assert risk_fraction(shadowed([WIN] * 29, stopped), POLICY).method is Method.STOPPED
    assert risk_fraction(shadowed([WIN] * 30, stopped), POLICY).method is Method.RETURNING
    even = shadowed([D(1), D(-1)] * 15, stopped)
    assert risk_fraction(even, POLICY).method is Method.STOPPED
    assert "30 of 30 shadow trades closed, their E 0.00" in risk_fraction(even, POLICY).note
    assert risk_fraction(shadowed([D("1.00000001")], even), POLICY).method is Method.RETURNING


def test_a_winner_that_closes_late_does_not_end_a_stop() -> None:
    late = traded([D(1000)], start=traded([LOSS] * 30))
    assert late.trades[-1] == 1000
    assert risk_fraction(late, POLICY).method is Method.STOPPED


def test_a_shadow_trade_counts_only_while_stopped() -> None:
    running = traded(EXAMPLE[:40])
    assert shadowed([LOSS] * 100, running) == running
    back = shadowed([WIN] * 30, traded([LOSS] * 30))
    assert shadowed([LOSS], back) == back, "one that closes after the return"


def test_a_stricter_playbook_stops_and_its_shadow_still_leads_out() -> None:
    running = traded([LOSS] * 20)
    strict = ExpectancyPolicy(enough=20, shadow=5)
    assert risk_fraction(running, strict).method is Method.STOPPED
    assert risk_fraction(shadowed([WIN], running, strict), POLICY).method is Method.STOPPED, "and stays so"
    back = shadowed([WIN] * 5, running, strict)
    assert risk_fraction(back, strict).method is Method.RETURNING


def test_evidence_stays_small() -> None:
    evidence = traded([WIN] * 700)
    assert len(evidence.trades) == 500
    stopped = traded([LOSS] * 31, start=evidence)
    assert len(shadowed([LOSS] * 100, stopped).shadow) == 30


def test_a_restart_changes_nothing() -> None:
    def stored(evidence: Evidence) -> Evidence:
        text = json.dumps([[str(n) for n in evidence.trades], [str(n) for n in evidence.shadow]])
        trades, shadow = json.loads(text)
        return Evidence(
            trades=tuple(map(D, trades)),
            shadow=tuple(map(D, shadow)),
            stopped=evidence.stopped,
            returns=evidence.returns,
        )

    kept = again = Evidence()
    for net in EXAMPLE[:40] + [LOSS] * 60 + EXAMPLE + [LOSS] * 20:
        shadow = risk_fraction(kept, POLICY).fraction == 0
        kept = kept.after_shadow(net, POLICY) if shadow else kept.after_trade(net, POLICY)
        again = stored(again.after_shadow(net, POLICY) if shadow else again.after_trade(net, POLICY))
        assert again == kept
    assert kept.returns == 1


def test_the_gate_denies_while_stopped_and_says_why() -> None:
    no = expectancy(after([LOSS] * 30))
    assert (no.rule, no.passed, no.limit) == ("expectancy", False, "above 0")
    assert no.value == "0.00% of equity at risk (stopped)"
    assert "30 real trades, p 0.00, b -, E -1.00" in no.reason
    yes = expectancy(after([]))
    assert (yes.passed, yes.reason, yes.value) == (True, "", "0.50% of equity at risk (exploration)")


# --- volatility and size ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("volatility", "factor"),
    [
        ("0", "1"),
        ("0.29999", "1"),
        ("0.3", "0.85"),
        ("0.49999", "0.85"),
        ("0.5", "0.65"),
        ("0.69999", "0.65"),
        ("0.7", "0.45"),
        ("0.89999", "0.45"),
        ("0.9", "0.3"),
        ("12", "0.3"),
    ],
)
def test_the_volatility_penalty_at_its_borders(volatility: str, factor: str) -> None:
    assert damp(D(volatility), POLICY) == D(factor)
    assert damp(exact(float(volatility)), POLICY) == D(factor)


@pytest.mark.parametrize("unknown", [None, D("NaN"), D("Infinity"), D("-0.1")])
def test_an_unknown_volatility_leaves_no_risk(unknown: Decimal | None) -> None:
    assert damp(unknown, POLICY) == 0


@pytest.mark.parametrize(
    ("steps", "above"),
    [
        ([("0.5", "0.5"), ("0.2", "1")], "0.3"),  # not in order
        ([("0.2", "1"), ("0.2", "0.5")], "0.3"),  # one volatility, two answers
        ([("0.2", "0.5"), ("0.5", "0.6")], "0.3"),  # more risk where it is wilder
        ([("0.2", "1"), ("0.5", "0.5")], "0.6"),
    ],
)
def test_a_penalty_that_allows_more_where_it_is_wilder_cannot_be_built(
    steps: list[tuple[str, str]], above: str
) -> None:
    damps = tuple(Damp(below=D(below), factor=D(factor)) for below, factor in steps)
    with pytest.raises(ValidationError, match="damps"):
        ExpectancyPolicy(damps=damps, damp_above=D(above))


def test_the_size_of_a_shadow_trade_is_that_of_exploration() -> None:
    stopped = after([LOSS] * 30)
    shadow = explored(stopped, POLICY)
    assert (shadow.method, shadow.fraction, shadow.window) == (Method.EXPLORATION, D("0.005"), stopped.window)
    assert shadow.words == "in shadow: 0.50% of equity; from 30 real trades, p 0.00, b -, E -1.00, f -"
    capped = ExpectancyPolicy(exploration=D("0.03"), max_risk=D("0.02"))
    assert explored(stopped, capped).fraction == D("0.02")


def sized(**changes: Decimal) -> Decimal:
    made = {
        "equity": D(10000),
        "fraction": D("0.01"),
        "regime_multiplier": D(1),
        "damp": D(1),
        "stop_distance": D("0.025"),
        "max_risk": D("0.02"),
    }
    return size(**{**made, **changes})


def test_a_size_is_risk_over_stop_distance() -> None:
    assert sized() == 4000
    assert sized(regime_multiplier=D("0.3"), damp=D("0.45")) == 540
    assert sized(stop_distance=D("0.05")) == 2000


def test_the_cap_on_risk_holds_after_all_multipliers() -> None:
    assert sized(fraction=D("0.02"), regime_multiplier=D("1.3")) == 8000
    assert sized(fraction=D("0.02"), regime_multiplier=D("1.3"), damp=D("0.65")) == D("6760")
    assert sized(fraction=D("0.016"), regime_multiplier=D("1.25")) == 8000
    assert sized(fraction=D("0.016"), regime_multiplier=D("1.2499")) < 8000


@pytest.mark.parametrize("name", ["equity", "fraction", "regime_multiplier", "damp", "stop_distance"])
def test_nothing_or_less_of_any_factor_is_no_size(name: str) -> None:
    assert sized(**{name: D(0)}) == 0
    assert sized(**{name: D(-1)}) == 0
