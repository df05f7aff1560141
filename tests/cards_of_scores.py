"""The scoreboard's cards: who was how often right, and what confidences were worth."""

from datetime import timedelta
from decimal import Decimal as D

from bot.render.scoreboard import scoreboard_card
from bot.results import scoreboard
from storage.scores import Learned, Score
from tests.cards_of_figures import PERSONAS
from tests.risk_examples import AT
from tests.shown import Shown, shown
from trading.calibration import LABEL, CalibrationRecord, Cell, Sums
from trading.calls import JUDGE, Attendance
from trading.experts import NoProposal, Proposal, Weighed
from trading.model import Direction


def sums(n: int, *, step: int = 7) -> Sums:
    """Calls at rising confidence, of which some come true."""
    found = Sums()
    for k in range(n):
        found = found.plus(520_000 + k * 460_000 // n, k * step % 11 > 3)
    return found


def score(persona: str, n: int, model: str = "", **attendance: object) -> Score:
    there = {"asked": 3 * n, "sided": n, "neutral": 2 * n} | attendance
    return Score(
        persona=persona,
        model=model,
        version=LABEL,
        sums=sums(n),
        attendance=Attendance(persona=persona, model=model, **there),  # type: ignore[arg-type]
    )


BOARD = (
    score("flow", 12),
    score(JUDGE, 140),
    score("sentiment", 64, "gemini-3.5-flash", asked=231, abstained=28, failed=3, lost=2, cost=D("0.8431")),
    score("sentiment", 0, "gemini-3.1-pro", asked=4, abstained=4, failed=4),
    score("technical", 305),
)
LONGS = CalibrationRecord(
    model="",
    direction=Direction.LONG,
    cells=(Cell(at=62, n=61, right=33), Cell(at=71, n=40, right=22), Cell(at=83, n=19, right=12)),
)
SHORTS = CalibrationRecord(model="", direction=Direction.SHORT, cells=(Cell(at=66, n=20, right=9),))
RULED = CalibrationRecord(model="gpt-5.6", direction=Direction.LONG, cells=(Cell(at=70, n=41, right=20),))
PROPOSAL = Proposal(n=412, rows=(("flow", "1.5", "1.83"), ("technical", "1", "0.67")), gain=(D("0.0041"), D("0.0512")))
WEEK = timedelta(days=7)
KEPT = Weighed(at=AT, playbook="desk", found=NoProposal(n=64, reason="64 of 200 decisions with a known outcome"))
MANY = tuple(score("sentiment", 4, "x" * n) for n in range(1, 50))
NOTHING = Learned(judged=(), weighed=None)

CARDS: dict[str, Shown] = {
    "scoreboard": shown(
        scoreboard_card,
        scoreboard(PERSONAS),
        "30d",
        unknown=2,
        board=BOARD,
        learned=Learned(judged=(LONGS, SHORTS, RULED), weighed=KEPT),
    ),
    "scoreboard_proposal": shown(
        scoreboard_card,
        (),
        "all",
        unknown=0,
        board=BOARD[:1],
        learned=Learned(judged=(), weighed=Weighed(at=AT + WEEK, playbook="desk", found=PROPOSAL)),
    ),
    "scoreboard_many": shown(scoreboard_card, (), "today", unknown=0, board=MANY, learned=NOTHING),
    "scoreboard_none": shown(scoreboard_card, (), "all", unknown=0, board=(), learned=NOTHING),
}
