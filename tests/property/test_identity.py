"""Client ids: what they may hold, and what they are a function of."""

import re
from datetime import datetime, timedelta
from inspect import signature

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW
from trading.identity import client_id, decision_id
from trading.model import DecisionId, Leg

words = st.text(max_size=40)
legs = st.sampled_from(Leg)
times = st.integers(0, 10**7).map(lambda s: NOW + timedelta(seconds=s))


@given(desk=words, decision=words, leg=legs, number=st.integers(0, 999))
def test_a_client_id_fits_every_venue(desk: str, decision: str, leg: Leg, number: int) -> None:
    found = client_id(desk, DecisionId(decision), leg, number)
    assert re.fullmatch(r"[a-z0-9-]{1,32}", found)
    assert found.startswith("gv-")


@given(desk=words, decision=words, leg=legs, number=st.integers(0, 9))
def test_the_same_intent_always_has_the_same_id(desk: str, decision: str, leg: Leg, number: int) -> None:
    made = [client_id(desk, DecisionId(decision), leg, number) for _ in range(3)]
    assert len(set(made)) == 1


def test_a_client_id_is_a_function_of_desk_decision_leg_and_nothing_else() -> None:
    assert list(signature(client_id).parameters) == ["desk", "decision", "leg", "number"]


@given(st.sets(st.tuples(words, words, legs, st.integers(0, 9)), min_size=2, max_size=40))
def test_different_intents_have_different_ids(intents: set[tuple[str, str, Leg, int]]) -> None:
    assert len({client_id(d, DecisionId(i), leg, n) for d, i, leg, n in intents}) == len(intents)


def test_an_id_known_from_before_does_not_change() -> None:
    """A restart with a newer version must find the orders of the older one."""
    assert client_id("gavel", DecisionId("btc-aaaaaaaa"), Leg.ENTRY) == KNOWN
    assert decision_id("gavel", "desk", "BTC/USDT:USDT", NOW, "schedule") == KNOWN_DECISION


@given(desk=words, playbook=words, symbol=words, at=times, trigger=words)
def test_a_decision_id_can_be_typed(desk: str, playbook: str, symbol: str, at: datetime, trigger: str) -> None:
    found = decision_id(desk, playbook, symbol, at, trigger)
    assert found == decision_id(desk, playbook, symbol, at, trigger)
    base, _, tail = found.rpartition("-")
    assert re.fullmatch(r"[a-z2-7]{8}", tail)
    assert len(base) <= 8


KNOWN = "gv-ewlrqp73pb7sw3bikl6bqov6-e0"
KNOWN_DECISION = "btc-yb64rm3l"
