"""What people order and change from a chat, and what a day comes to: one event of each kind."""

from datetime import datetime, timedelta
from decimal import Decimal as D

from tests import risk_examples as risk
from tests.risk_examples import AT, BTC, ETH
from trading import events as m
from trading.breaker import Level
from trading.model import Direction, PositionId

ANA = "Ana (telegram:7)"
DAY = timedelta(days=1)
MIDNIGHT = datetime(2024, 5, 3, tzinfo=AT.tzinfo)


def order_events() -> dict[str, m.Event]:
    """Ordered by hand."""
    both = (PositionId("btc-k3f9x2pa"), PositionId("eth-77aa01bc"))
    locked = m.PairLocked(at=AT, symbol=BTC, direction=None, until=None, by=ANA, reason="")
    return {
        "flattened": m.Flattened(at=AT, by=ANA, positions=both, withdrawn=1),
        "flattened_nothing": m.Flattened(at=AT, by=ANA, positions=(), withdrawn=0),
        "pair_locked": locked,
        "pair_locked_one_side": m.PairLocked(
            at=AT,
            symbol=ETH,
            direction=Direction.SHORT,
            until=AT + timedelta(hours=2),
            by=ANA,
            reason="thin book",
        ),
        "pair_unlocked": m.PairUnlocked(at=AT, symbol=BTC, by=ANA),
        "approval_asked": m.ApprovalAsked(
            at=AT,
            by=ANA,
            what="reset the breaker and resume",
            token="8f3a8f3a8f3a8f3a",
            until=AT + timedelta(minutes=10),
        ),
        "playbook_written": m.PlaybookWritten(at=AT, by=ANA, playbook="calm", parent="desk"),
        "playbook_written_alone": m.PlaybookWritten(at=AT, by=ANA, playbook="calm", parent=""),
        "playbook_written_by_a_model": m.PlaybookWritten(
            at=AT, by=ANA, playbook="calm", parent="desk", model="gemini-3.5-flash-lite"
        ),
    }


def people_events() -> dict[str, m.Event]:
    """Who may use the desk, and how he wants to be told."""
    made = {
        "added": ("", "operator telegram:7"),
        "removed": ("operator telegram:7", ""),
        "role": ("viewer", "admin"),
        "linked": ("telegram:7", "discord:9 telegram:7"),
        "unlinked": ("discord:9 telegram:7", "telegram:7"),
    }
    return {
        **{
            f"person_{what}": m.PeopleChanged(at=AT, by=ANA, person="ann-lee", what=what, before=before, after=after)
            for what, (before, after) in made.items()
        },
        "wish_changed": m.WishChanged(
            at=AT, by=ANA, owner="person:ana", wish="quiet", before="off", after="22:00-07:00"
        ),
        "wish_changed_for_a_group": m.WishChanged(
            at=AT, by=ANA, owner="telegram:-1001", wish="min_pnl", before="0", after="5"
        ),
    }


def period_events() -> dict[str, m.Event]:
    """What a day or a week came to."""
    day = m.PeriodSummed(
        at=MIDNIGHT,
        weekly=False,
        since=MIDNIGHT - DAY,
        until=MIDNIGHT,
        trades=3,
        wins=2,
        net=D("12.4031"),
        fees=D("1.2044"),
        funding=D("-0.0512"),
        equity=D("10012.4031"),
        open=2,
        best=("btc-k3f9x2pa", BTC, D("20.0031")),
        worst=("eth-77aa01bc", ETH, D("-9.6")),
    )
    week = m.PeriodSummed(
        at=MIDNIGHT,
        weekly=True,
        since=MIDNIGHT - 7 * DAY,
        until=MIDNIGHT,
        trades=0,
        wins=0,
        net=D(0),
        fees=D(0),
        funding=D(0),
        equity=None,
        open=1,
    )
    busy = m.PeriodSummed(
        at=MIDNIGHT,
        weekly=True,
        since=MIDNIGHT - 7 * DAY,
        until=MIDNIGHT,
        trades=1000,
        wins=610,
        net=D("-310.5"),
        fees=D("120.25"),
        funding=D("3.5"),
        equity=D("9689.5"),
        open=0,
        best=("btc-k3f9x2pa", BTC, D("80.4")),
        worst=("eth-77aa01bc", ETH, D("-71.3")),
        complete=False,
    )
    return {"day_summed": day, "week_summed": busy, "week_summed_quiet": week}


def overridden_events() -> dict[str, m.Event]:
    """The breaker moves while an override stands over it."""
    causes = risk.throttled(AT).causes
    return {
        "breaker_tripped_overridden": m.BreakerTripped(
            at=AT, before=Level.CLOSED, after=Level.THROTTLE, causes=causes, in_force=Level.ALERT
        ),
        "breaker_recovered_overridden": m.BreakerRecovered(
            at=AT, before=Level.THROTTLE, after=Level.ALERT, until=AT + timedelta(minutes=5), in_force=Level.HALT
        ),
        "breaker_reset_overridden": m.BreakerReset(at=AT, by=ANA, before=Level.HALT, in_force=Level.ALERT),
    }


def control_events() -> dict[str, m.Event]:
    return {**order_events(), **people_events(), **period_events(), **overridden_events()}
