"""The strategy monitor over any trades: order and scale do not matter, worse trades never look better."""

from datetime import timedelta
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import BTC, NOW
from trading.health import Finding, Metric, Severity, examine, grade
from trading.model import Direction, ExitReason, PositionId, Trade
from trading.risk_policies import HealthPolicy

POLICY = HealthPolicy()
START = Decimal(100_000)
nets = st.lists(st.integers(-400, 400).map(Decimal), min_size=20, max_size=130)
gaps = st.integers(1, 10_000).map(lambda minutes: timedelta(minutes=minutes))


def trades(values: list[Decimal], every: timedelta = timedelta(hours=1)) -> list[Trade]:
    return [
        Trade(
            id=PositionId(f"btc-{n:08}"), symbol=BTC, direction=Direction.SHORT, quantity=Decimal(1),
            entry=Decimal(1), exit=Decimal(1), opened_at=NOW, closed_at=NOW + n * every, gross=net,
            fees=Decimal(0), funding=Decimal(0), r=Decimal(0), reason=ExitReason.MANUAL, note="",
            playbook="desk", leverage=1,
        )
        for n, net in enumerate(values, 1)
    ]  # fmt: skip


@given(nets, st.randoms(use_true_random=False))
def test_the_order_in_which_they_are_given_does_not_matter(values: list[Decimal], random: Random) -> None:
    done = trades(values)
    shuffled = random.sample(done, len(done))
    assert examine(shuffled, START, POLICY) == examine(done, START, POLICY)


@given(
    st.lists(st.integers(-400, 400).map(Decimal), min_size=POLICY.over, max_size=130),
    st.lists(st.integers(-900, 900).map(Decimal), max_size=30),
)
def test_what_is_older_than_the_window_changes_nothing(recent: list[Decimal], older: list[Decimal]) -> None:
    done = trades([*older, *recent])
    assert examine(done, START, POLICY) == examine(done[-POLICY.over :], START, POLICY)


@given(nets, st.integers(-6, 6))
def test_the_currency_does_not_matter(values: list[Decimal], places: int) -> None:
    """Everything ten times as large is the same health."""
    scaled = [value.scaleb(places) for value in values]
    one, ten = examine(trades(values), START, POLICY), examine(trades(scaled), START.scaleb(places), POLICY)
    assert [m.finding for m in one.findings] == [m.finding for m in ten.findings]


@given(nets, st.integers(0, 300), gaps)
def test_worse_trades_from_the_same_start_never_look_better(
    values: list[Decimal], shift: int, every: timedelta
) -> None:
    """Each net lower by the same: every finding and the severity are at least as bad."""
    recent = values[-POLICY.over :]
    lower = [value - shift for value in recent]
    better = examine(trades(recent, every), START + sum(recent), POLICY)
    worse = examine(trades(lower, every), START + sum(lower), POLICY)
    assert worse.severity >= better.severity
    assert all(w.finding >= b.finding for w, b in zip(worse.findings, better.findings, strict=True))


@given(st.lists(st.tuples(st.sampled_from(Finding), st.sampled_from(Finding)).map(sorted), max_size=5))
def test_a_worse_finding_never_gives_a_milder_severity(findings: list[list[Finding]]) -> None:
    assert grade([mild for mild, _ in findings]) <= grade([worse for _, worse in findings])


@given(st.lists(st.integers(-9000, 9000).map(Decimal), max_size=19))
def test_too_few_trades_say_nothing(values: list[Decimal]) -> None:
    assert examine(trades(values), START, POLICY).severity is Severity.NONE


@given(nets)
def test_every_number_is_in_its_range(values: list[Decimal]) -> None:
    found = {m.metric: m.value for m in examine(trades(values), START, POLICY).findings}
    assert set(found) == set(Metric)
    rate, row, fall = found[Metric.WIN_RATE], found[Metric.LOSSES], found[Metric.DRAWDOWN]
    assert rate is not None
    assert 0 <= rate <= 1
    assert row is not None
    assert 0 <= row <= POLICY.over
    assert fall is not None
    assert fall >= 0
