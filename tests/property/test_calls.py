"""Whatever is decided, and however time passes: calls never overlap, each ends once, and the counts add up."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests import surface_examples as examples
from tests.builders import BTC, ETH, NOW, an_opinion
from trading.calls import Call, attended, due, is_right, opened, without
from trading.decision import Abstention, Action, Decision, Opinion, Stance
from trading.model import DecisionId, Direction, Symbol
from trading.voice import Exchange, Voice

HOUR = timedelta(hours=1)
few = settings(max_examples=80, deadline=None)


@st.composite
def voices(draw: st.DrawFn) -> Voice | None:
    model = draw(st.sampled_from(["", "a", "b"]))
    ids = draw(st.lists(st.integers(1, 20), max_size=2, unique=True))
    exchanges = tuple(Exchange(id=id, purpose="x", provider="p", requested="r", at=NOW, cost=Decimal(id)) for id in ids)
    return draw(st.none() | st.just(Voice(model=model, exchanges=exchanges)))


@st.composite
def decisions(draw: st.DrawFn, hours: int = 0, symbol: Symbol = BTC) -> Decision:
    made = examples.a_decision("wait")
    opinions: list[Opinion | Abstention] = []
    for persona in draw(st.lists(st.sampled_from(["flow", "whale", "sentiment"]), unique=True)):
        stance, voice = draw(st.sampled_from([*Stance, None])), draw(voices())
        if stance is None:
            opinions.append(Abstention(persona=persona, reason="x", failed=draw(st.booleans()), voice=voice))
        else:
            opinions.append(replace(an_opinion(persona, stance, 0.7), voice=voice))
    return replace(
        made,
        id=DecisionId(f"x-{symbol}-{hours}"),
        symbol=symbol,
        at=NOW + hours * HOUR,
        opinions=tuple(opinions),
        verdict=replace(made.verdict, action=draw(st.sampled_from(Action))),
        by=draw(st.sampled_from(["", "ann"])),
    )


@few
@given(st.data())
def test_calls_never_overlap_and_each_ends_once(data: st.DataObject) -> None:
    calls: tuple[Call, ...] = ()
    ever: dict[tuple[str, Symbol], list[Call]] = defaultdict(list)
    for hour in range(data.draw(st.integers(1, 12))):
        for call in due(calls, NOW + hour * HOUR):
            calls = without(calls, call.persona, call.symbol)
        for symbol in (BTC, ETH):
            before = calls
            calls = opened(calls, data.draw(decisions(hour, symbol)), data.draw(st.integers(1, 5)) * HOUR)
            assert calls[: len(before)] == before
            for call in calls[len(before) :]:
                ever[call.persona, call.symbol].append(call)
    for made in ever.values():
        assert all(one.until <= two.at for one, two in pairwise(made))
    assert len({(call.persona, call.symbol) for call in calls}) == len(calls)


@few
@given(st.lists(decisions(), max_size=5), st.lists(decisions(), max_size=5))
def test_counts_add_up(one: list[Decision], two: list[Decision]) -> None:
    found = attended(attended((), one), two)
    for row in found:
        assert row.asked == row.sided + row.neutral + row.abstained
        assert row.failed <= row.abstained
    heard = [said for decision in (*one, *two) for said in decision.opinions]
    judged = sum(not decision.by for decision in (*one, *two))
    assert sum(row.asked for row in found) == len(heard) + judged
    assert len({(row.persona, row.model) for row in found}) == len(found)


@given(decisions())
def test_who_was_asked_does_not_depend_on_the_order_of_pairs_that_share_a_call(decision: Decision) -> None:
    other = replace(decision, symbol=ETH)
    assert attended((), [decision, other]) == attended((), [other, decision])


@given(
    st.decimals(min_value="0.0001", max_value=100_000, places=4),
    st.decimals(min_value=0, max_value=100_000, places=4),
    st.decimals(min_value=0, max_value="0.01", places=5),
)
def test_both_sides_are_never_right(price: Decimal, then: Decimal, costs: Decimal) -> None:
    sides = [is_right(side, price=price, then=then, costs=costs) for side in Direction]
    assert sum(sides) <= 1
    assert any(sides) == (abs(then - price) > costs * price)
