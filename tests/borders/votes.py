"""What lets an entry begin: the judge's tally, and the council's count."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.borders.row import Family, Row
from tests.builders import NOW, an_abstention, an_opinion
from trading.ballot import Ballot, Category, Judged, Mark, Signal
from trading.decision import Abstention, Action, Opinion, Ruling, Stance, Verdict
from trading.judge import bounded, judge
from trading.personas.council_count import Absent, Answer, Standing, count, standing
from trading.playbook import JudgePolicy, Quorum, ValidationPolicy, load
from trading.policies import Unavailable
from trading.voice import Voice

D = Decimal
MICROSECOND = timedelta(microseconds=1)
POLICY = JudgePolicy()

# --- the judge: two voices of equal weight, and a third where a row is about it -------------------------------------


def votes(*convictions: int | None) -> tuple[Opinion | Abstention, ...]:
    """Signed millionths; None is missing."""
    names = ("flow", "technical", "sigma")
    return tuple(
        an_abstention(name)
        if c is None
        else an_opinion(name, Stance.LONG if c > 0 else Stance.SHORT if c else Stance.NEUTRAL, abs(c))
        for name, c in zip(names, convictions, strict=False)
    )


def verdict(of: tuple[Quorum, int], convictions: tuple[int | None, ...], **policy: Any) -> Verdict:
    """With every side turned round where the row is of shorts."""
    quorum, sign = of
    opinions = votes(*(None if c is None else c * sign for c in convictions))
    changed = POLICY.model_copy(update={"quorum": quorum, **policy})
    found = judge(opinions, {o.persona: 1000 for o in opinions}, changed)
    assert found.tally.lead in (Action.WAIT, Action.LONG if sign > 0 else Action.SHORT)
    return found


def enters(of: tuple[Quorum, int], convictions: tuple[int | None, ...]) -> bool:
    return verdict(of, convictions).action is not Action.WAIT


def leads(of: tuple[Quorum, int], convictions: tuple[int | None, ...]) -> bool:
    return verdict(of, convictions).tally.lead is not Action.WAIT


def breaks_a_tie(of: tuple[Quorum, int], convictions: tuple[int | None, ...]) -> bool:
    """Where a playbook lets any lead do."""
    return verdict(of, convictions, dominance=D(1)).tally.lead is not Action.WAIT


WORST, LEFT = Quorum.WORST_CASE, Quorum.RENORMALISE
ALL = 1_000_000
ENTRIES = tuple(
    row
    for sign in (1, -1)
    for row in (
        Row((WORST, sign), "confidence 0.60", (600_000, 600_000), (600_000, 599_999), "judge.min_confidence"),
        Row((WORST, sign), "2 voices", (ALL, 500_000), (ALL, 0), "judge.min_agreeing"),
        # A neutral voice weighs half: 1.5 / (2 + 0.5) is 0.60.
        Row((WORST, sign), "neutral voices drag", (750_000, 750_000, 0), (750_000, 749_999, 0), "judge.drag"),
        Row((LEFT, sign), "who is missing is left out", (600_000, 600_000, None), (600_000, 599_999, None),
            "judge.quorum"),
    )
)  # fmt: skip
LEADS = tuple(
    row
    for sign in (1, -1)
    for row in (
        # 1,150,000 against 1,000,000 is just 1.15 times.
        Row((WORST, sign), "1.15 times the other side", (575_000, 575_000, -ALL), (575_000, 574_999, -ALL),
            "judge.dominance"),
        Row((WORST, sign), "the missing are hostile", (575_000, 575_000, None), (575_000, 574_999, None),
            "judge.quorum"),
    )
)  # fmt: skip
TIES = tuple(
    Row((WORST, sign), "a tie is nobody's", (500_000, 500_000, -999_999), (500_000, 500_000, -ALL)) for sign in (1, -1)
)


# --- what models may make of it: they lower or stop -----------------------------------------------------------------

LONG_VERDICT = verdict((WORST, 1), (700_000, 700_000))
Ruled = tuple[str, int | None, Unavailable]  # what a model said, how sure it was; what holds where it said nothing


def judged(of: str, ruled: Ruled) -> bool:
    """Whether it is an entry still. `of`: "judge" or "validator"."""
    said, confidence, unavailable = ruled
    ruling = Ruling(who=of, said=said, confidence=confidence, thesis="", voice=Voice()) if said else None
    policy = POLICY.model_copy(update={"model": "m" if of == "judge" else "", "unavailable": unavailable})
    validation = ValidationPolicy(model="m", unavailable=unavailable) if of == "validator" else None
    given = (an_abstention(of),) if ruling is None else (ruling,)
    return bounded(LONG_VERDICT, given, policy, validation).action is not Action.WAIT


WAITS, GOES_ON = Unavailable.WAIT, Unavailable.MECHANICAL
RULINGS = (
    Row("judge", "confidence 0.60", ("long", 600_000, WAITS), ("long", 599_999, WAITS), "judge.min_confidence"),
    Row("judge", "the side of the votes", ("long", ALL, WAITS), ("short", ALL, WAITS)),
    Row("judge", "nothing said", ("", None, GOES_ON), ("", None, WAITS), "judge.unavailable"),
    Row("validator", "approved", ("approve", None, WAITS), ("reject", None, WAITS)),
    Row("validator", "nothing said", ("", None, GOES_ON), ("", None, WAITS), "validation.unavailable"),
)

# --- the council ----------------------------------------------------------------------------------------------------

SEAT = load("council").panel["council"]
PRICE = D(60000)


def ballot(model: str, signal: Signal = Signal.BUY, *, bullish: int = 7, age: timedelta = timedelta(0)) -> Ballot:
    marks = [Mark.BULLISH] * bullish + [Mark.UNKNOWN] * (7 - bullish)
    return Ballot(
        model=model, at=NOW - age, signal=signal, confidence=800_000, invalidation=D(59000), thesis="",
        categories=tuple(Judged(category=c, mark=m, reason="") for c, m in zip(Category, marks, strict=True)),
    )  # fmt: skip


def stands(of: Standing, asked: tuple[Ballot, Decimal]) -> bool:
    return standing(*asked, SEAT) is of


def buys(of: Stance, answers: tuple[Answer, ...]) -> bool:
    found = count(answers, at=NOW, price=PRICE, seat=SEAT)
    return isinstance(found, Opinion) and found.stance is of


SURE, ANOTHER, NO, GONE = ballot("a"), ballot("b"), ballot("c", Signal.NONE), Absent(model="c", reason="late")
STANDINGS = (
    Row(Standing.BUYS, "7 of 7 bullish", (ballot("a"), PRICE), (ballot("a", bullish=6), PRICE),
        "panel.council.bullish"),
    Row(Standing.DOUBTS, "fewer than 7", (ballot("a", bullish=6), PRICE), (ballot("a"), PRICE),
        "panel.council.bullish"),
    Row(Standing.GAVE_UP, "at its invalidation price", (ballot("a"), D(59000)), (ballot("a"), D("59000.1"))),
    Row(Standing.NOTHING, "it does not buy", (NO, PRICE), (SURE, PRICE)),
)  # fmt: skip
COUNTS = (
    Row(Stance.LONG, "2 of 3", (SURE, ANOTHER, NO), (SURE, ballot("b", Signal.NONE), NO), "panel.council.agree"),
    Row(Stance.LONG, "2 that are there must agree", (SURE, ANOTHER, GONE), (SURE, NO, Absent(model="b", reason=""))),
    Row(Stance.LONG, "30 minutes old", (SURE, ballot("b", age=SEAT.max_age)),
        (SURE, ballot("b", age=SEAT.max_age + MICROSECOND)), "panel.council.max_age"),
    Row(Stance.LONG, "not of the future", (SURE, ballot("b")), (SURE, ballot("b", age=-MICROSECOND))),
    Row(Stance.NEUTRAL, "2 ballots", (SURE, NO), (NO, GONE)),
)  # fmt: skip

FAMILIES = (
    Family("judge enters", enters, ENTRIES),
    Family("judge leads", leads, LEADS),
    Family("judge tie", breaks_a_tie, TIES),
    Family("ruling", judged, RULINGS),
    Family("ballot", stands, STANDINGS),
    Family("council", buys, COUNTS),
)
