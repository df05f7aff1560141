"""Weights in shadow: what is learned from whom, when they are proposed, and when not."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.builders import BTC, ETH, NOW
from trading.experts import ENOUGH, NoProposal, Proposal, Trial, _hit, _interval, _learn, _learned, apart, propose
from trading.model import Symbol

D = Decimal
HOUR = timedelta(hours=1)
EVEN = {"flow": D(1), "technical": D(1), "whale": D(1)}


def a_trial(number: int, move: str = "0.02", symbol: Symbol = BTC, hours: int = 1, **said: int) -> Trial:
    """Sides in whole units of conviction: flow=1, technical=-1."""
    at = NOW + number * HOUR
    return Trial(
        at=at,
        until=at + hours * HOUR,
        symbol=symbol,
        move=D(move),
        costs=D("0.001"),
        said=tuple((name, 700_000 * side) for name, side in said.items()),
    )


def history(n: int, flow_is_right: Callable[[int], bool], others: Callable[[int], int]) -> list[Trial]:
    """The move is up each second time; FLOW calls it or not, TECHNICAL and WHALE say the same thing as each other."""
    made = []
    for number in range(n):
        up = 1 if number % 2 else -1
        flow = up if flow_is_right(number) else -up
        made.append(a_trial(number, str(D("0.02") * up), flow=flow, technical=others(number), whale=others(number)))
    return made


def good(n: int) -> list[Trial]:
    """FLOW is right in four of five, the two others, who outvote it, by a coin of their own."""
    return history(n, lambda k: k % 5 > 0, lambda k: 1 if (k // 2) % 2 else -1)


def proposed(trials: Sequence[Trial], weights: dict[str, Decimal] = EVEN) -> Proposal:
    found = propose(trials, weights)
    assert isinstance(found, Proposal), found
    return found


# --- learning -------------------------------------------------------------------------------------------------------


def test_who_was_right_gains_what_who_was_wrong_loses() -> None:
    weights = {"flow": 0.5, "technical": 0.3, "whale": 0.2}
    _learn(a_trial(0, flow=1, technical=-1), weights)
    assert weights["flow"] > 0.5
    assert weights["technical"] < 0.3
    assert weights["whale"] == 0.2, "who slept keeps his weight"
    assert sum(weights.values()) == pytest.approx(1)


def test_learning_by_hand() -> None:
    # .5 and .5 e^-.1 = .45242 of .95242: .52498 and .47502; then 1 % of the mass is divided evenly
    weights = {"flow": 0.5, "technical": 0.5}
    _learn(a_trial(0, flow=1, technical=-1), weights)
    assert weights["flow"] == pytest.approx(0.99 * 0.524979 + 0.005, abs=1e-6)


def test_a_move_that_pays_no_fees_makes_both_sides_wrong() -> None:
    weights = {"flow": 0.5, "technical": 0.5}
    _learn(a_trial(0, "0.0005", flow=1, technical=-1), weights)
    assert weights == pytest.approx({"flow": 0.5, "technical": 0.5})


def test_who_was_wrong_for_long_can_come_back() -> None:
    weights = {"flow": 0.5, "technical": 0.5}
    for number in range(500):
        _learn(a_trial(number, flow=-1, technical=1), weights)
    assert 0.03 < weights["flow"] < 0.12
    for number in range(60):
        _learn(a_trial(number, flow=1, technical=-1), weights)
    assert weights["flow"] > 0.5


def test_a_persona_without_a_place_on_the_panel_is_not_heard() -> None:
    weights = {"flow": 1.0}
    _learn(a_trial(0, flow=1, gone=-1), weights)
    assert weights == pytest.approx({"flow": 1.0})
    _learn(a_trial(0, gone=-1), weights)
    assert weights == pytest.approx({"flow": 1.0})


def test_votes_that_are_even_hit_by_half() -> None:
    assert _hit(a_trial(0, flow=1, technical=-1), {"flow": 0.5, "technical": 0.5}) == 0.5
    assert _hit(a_trial(0, flow=1, technical=-1), {"flow": 0.6, "technical": 0.4}) == 1
    assert _hit(a_trial(0, flow=1, technical=-1), {"flow": 0.4, "technical": 0.6}) == 0


def test_a_vote_is_counted_before_it_is_learned_from() -> None:
    even = {"flow": 0.5, "technical": 0.5}
    gains, learned = _learned([a_trial(n, flow=1, technical=-1) for n in range(3)], even)
    assert gains == [0.0, 0.5, 0.5]  # a tie, then FLOW leads
    assert learned["flow"] > 0.5
    assert even == {"flow": 0.5, "technical": 0.5}


def test_an_interval_is_as_wide_as_its_blocks_differ() -> None:
    low, high = _interval([1.0] * 100 + [0.0] * 100, b"seed")  # ten blocks: .5 +- 1.96 x .5 / sqrt(10)
    assert D("0.1") <= low <= D("0.3")
    assert D("0.7") <= high <= D("0.9")
    assert _interval([0.25] * 200, b"seed") == (D("0.25"), D("0.25"))


# --- proposing ------------------------------------------------------------------------------------------------------


def test_a_persona_that_others_outvote_wrongly_is_given_more() -> None:
    found = proposed(good(400))
    rows = {name: (now, D(then)) for name, now, then in found.rows}
    assert rows["flow"][0] == "1"
    assert rows["flow"][1] > D("1.5")
    assert rows["technical"][1] == rows["whale"][1] < D("0.8")
    assert sum(then for _, then in rows.values()) == pytest.approx(3, abs=D("0.02"))
    assert 0 < found.gain[0] < found.gain[1] < D("0.5")
    assert found.n == 400


@pytest.mark.parametrize(("n", "kind"), [(ENOUGH - 1, NoProposal), (ENOUGH, Proposal)])
def test_two_hundred_decisions_are_needed(n: int, kind: type) -> None:
    found = propose(good(n), EVEN)
    assert isinstance(found, kind)
    assert found.n == n


def test_decisions_in_which_one_spoke_alone_teach_nothing() -> None:
    alone = [a_trial(400 + n, flow=1) for n in range(300)]
    assert propose(good(150) + alone, EVEN).n == 150


def test_coins_are_given_no_weight() -> None:
    """Nobody is better than another: the interval holds zero."""
    coins = history(600, lambda k: (k * 7919) % 13 < 6, lambda k: 1 if (k * 104729) % 11 < 5 else -1)
    found = propose(coins, EVEN)
    assert isinstance(found, NoProposal)
    assert "not surely above zero" in found.reason


def test_weights_that_are_right_already_are_left() -> None:
    assert isinstance(propose(good(400), {"flow": D(9), "technical": D(1), "whale": D(1)}), NoProposal)


def test_all_of_one_mind_say_nothing_of_weights() -> None:
    same = [a_trial(n, flow=1, technical=1, whale=1) for n in range(300)]
    assert isinstance(propose(same, EVEN), NoProposal)


def test_a_panel_without_weight_is_proposed_nothing() -> None:
    assert isinstance(propose(good(400), {"flow": D(0), "technical": D(0)}), NoProposal)
    assert isinstance(propose(good(400), {}), NoProposal)
    assert isinstance(propose((), EVEN), NoProposal)


def test_the_same_trials_give_the_same_answer_in_any_order() -> None:
    trials = good(260)
    assert propose(trials, EVEN) == propose(trials[::-1], EVEN) == propose(trials, EVEN)


def test_decisions_that_overlap_on_one_instrument_count_once() -> None:
    trials = [a_trial(n, flow=1, technical=-1, hours=4) for n in range(9)]
    other = [a_trial(n, symbol=ETH, flow=1, technical=-1, hours=4) for n in range(2)]
    kept = apart([*trials, *other])
    assert [(t.symbol, (t.at - NOW) // HOUR) for t in kept] == [(BTC, 0), (ETH, 0), (BTC, 4), (BTC, 8)]
