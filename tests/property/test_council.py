"""Counting ballots: an order does not matter, less agreement never buys, and nothing is made up."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOW
from trading.ballot import Ballot, Category, Judged, Mark, Signal
from trading.decision import MICRO, Opinion, Stance
from trading.personas.council_count import Absent, Answer, count
from trading.playbook import Seat

PRICE = Decimal(100)
MODELS = ("a", "b", "c", "d", "e")


@st.composite
def answers(draw: st.DrawFn, model: str) -> Answer:
    if draw(st.booleans()) and draw(st.booleans()):
        return Absent(model=model, reason="no key")
    sure = draw(st.booleans())
    marks = [Mark.BULLISH] * 7 if sure else draw(st.lists(st.sampled_from(Mark), min_size=7, max_size=7))
    return Ballot(
        model=model,
        at=NOW - timedelta(minutes=draw(st.integers(-1, 31))),
        signal=draw(st.sampled_from(Signal)),
        confidence=draw(st.integers(0, MICRO)),
        invalidation=Decimal(draw(st.integers(1, 101))),
        thesis="",
        categories=tuple(Judged(category=c, mark=m, reason="") for c, m in zip(Category, marks, strict=True)),
    )


panels = st.integers(0, len(MODELS)).flatmap(lambda n: st.tuples(*(answers(model) for model in MODELS[:n])))
seats = st.builds(Seat, weight=st.just(Decimal(1)), agree=st.integers(1, 4), bullish=st.integers(0, 7))


def longs(panel: tuple[Answer, ...], seat: Seat) -> bool:
    found = count(panel, at=NOW, price=PRICE, seat=seat)
    return isinstance(found, Opinion) and found.stance is Stance.LONG


@settings(max_examples=150)
@given(panels, seats)
def test_a_long_is_what_enough_ballots_have_in_common(panel: tuple[Answer, ...], seat: Seat) -> None:
    found = count(panel, at=NOW, price=PRICE, seat=seat)
    ballots = [a for a in panel if isinstance(a, Ballot) and timedelta(0) <= NOW - a.at <= seat.max_age]
    buying = [
        b
        for b in ballots
        if b.signal is Signal.BUY
        and b.bullish >= seat.bullish
        and b.invalidation is not None
        and b.invalidation < PRICE
    ]
    assert isinstance(found, Opinion) == (len(ballots) >= max(2, seat.agree))
    if not isinstance(found, Opinion):
        return
    assert found.stance is (Stance.LONG if len(buying) >= seat.agree else Stance.NEUTRAL)
    assert [e.as_of for e in found.evidence] == [b.at for b in ballots]
    if found.stance is Stance.LONG:
        assert found.invalidation == max(b.invalidation for b in buying if b.invalidation)
        assert min(b.confidence for b in buying) <= found.confidence <= max(b.confidence for b in buying)
        assert 0 <= sum(b.confidence for b in buying) - found.confidence * len(buying) < len(buying)


@settings(max_examples=100)
@given(panels, seats)
def test_the_order_of_the_models_does_not_matter(panel: tuple[Answer, ...], seat: Seat) -> None:
    turned = panel[::-1]
    one, other = (count(p, at=NOW, price=PRICE, seat=seat) for p in (panel, turned))
    assert type(one) is type(other)
    if isinstance(one, Opinion) and isinstance(other, Opinion):
        assert (one.stance, one.confidence, one.invalidation) == (other.stance, other.confidence, other.invalidation)
        assert one.evidence == other.evidence[::-1]


@settings(max_examples=100)
@given(panels, seats, st.data())
def test_a_model_that_falls_silent_never_makes_a_long(
    panel: tuple[Answer, ...], seat: Seat, data: st.DataObject
) -> None:
    if panel:
        gone = data.draw(st.integers(0, len(panel) - 1))
        fewer = tuple(Absent(model=a.model, reason="late") if n == gone else a for n, a in enumerate(panel))
        assert longs(panel, seat) or not longs(fewer, seat)


@settings(max_examples=100)
@given(panels, seats)
def test_asking_for_more_agreement_never_makes_a_long(panel: tuple[Answer, ...], seat: Seat) -> None:
    stricter = seat.model_copy(update={"agree": seat.agree + 1})
    doubting = seat.model_copy(update={"bullish": min(7, seat.bullish + 1)})
    for harder in (stricter, doubting):
        assert longs(panel, seat) or not longs(panel, harder)
