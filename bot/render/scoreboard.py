"""How right everybody was, and what their confidence is worth, in words. Pure.

Two labels stand side by side: of each call, whether its direction was right at its horizon net of fees; of each closed
trade, whether it won. The first knows who was denied too, the second knows what was earned.
"""

from collections.abc import Iterator, Sequence

from bot.pictures import Picture
from bot.render.results import personas_card, window_words
from bot.render.words import card, confidence, counted, percent, rounded, signed
from bot.results import Record
from bot.surface import Card, Table
from storage.scores import Learned, Score
from trading.calibration import EDGES, ENOUGH, MANY, CalibrationRecord, Sums, calibrated
from trading.calls import JUDGE
from trading.decision import MICRO
from trading.experts import Proposal, Weighed

ROWS = 12
_HEAD = ("who", "right", "Brier skill", "asked", "cost")
_STATED = 7 * MICRO // 10  # a confidence to show what the judge's are worth


def scoreboard_card(
    records: Sequence[Record],
    window: str,
    *,
    unknown: int,
    board: Sequence[Score],
    learned: Learned,
    picture: Picture | None = None,
) -> Card:
    """`records`: of closed trades within the window; `board` and `learned`: of calls since the desk began."""
    by_trades = personas_card(records, window, unknown=unknown, picture=picture)
    if not board:
        return by_trades
    shown = sorted(board, key=lambda score: (score.persona == JUDGE, -score.sums.n, -score.attendance.asked))[:ROWS]
    more = len(board) - len(shown)
    return card(
        by_trades.title,
        f"{counted(more, 'more row')} with fewer calls" if more else "",
        "Above: calls since the desk began, right if the move at the horizon paid both fees (label direction-1).",
        *(line for record in learned.judged for line in _worth(record)),
        _weights(learned.weighed),
        f"Below: closed trades, {window_words(window)}, right if the trade won (label trade-1).",
        *by_trades.lines,
        detail=_reliability(board),
        buttons=by_trades.buttons,
        table=Table(head=_HEAD, rows=tuple(_row(score) for score in shown)),
        picture=by_trades.picture,
    )


# --- one row --------------------------------------------------------------------------------------------------------


def _row(score: Score) -> tuple[str, ...]:
    return (_who(score.persona, score.model), _right(score.sums), _skill(score.sums), _asked(score), _cost(score))


def _who(persona: str, model: str) -> str:
    return f"{persona.upper()} {model}".rstrip()


def _right(sums: Sums) -> str:
    if sums.n < ENOUGH:
        return f"not enough data, n {sums.n}"
    low, high = sums.interval
    return f"{sums.right / sums.n:.0%} of {sums.n} right ({low:.0%} to {high:.0%})"


def _skill(sums: Sums) -> str:
    if sums.n < ENOUGH or sums.skill is None:
        return ""
    error = "" if sums.error is None else f", off by {sums.error:.0%}"
    return f"skill {signed(sums.skill)}{error}"


def _asked(score: Score) -> str:
    a = score.attendance
    parts = ((a.abstained, "abstained"), (a.failed, "failed"), (a.lost, "without a mark"))
    return ", ".join((f"asked {a.asked}", *(f"{n} {word}" for n, word in parts if n)))


def _cost(score: Score) -> str:
    a = score.attendance
    return f"{rounded(a.cost / a.asked, 5).normalize():f} USD each" if a.cost and a.asked else ""


# --- what was learned -----------------------------------------------------------------------------------------------


def _worth(record: CalibrationRecord) -> Iterator[str]:
    who = f"{_who(JUDGE, record.model)} {record.direction}"
    found = calibrated(_STATED, record)
    if found is None:
        yield f"{who}: not enough data, n {record.n} of {ENOUGH}"
        return
    loss = "" if record.log_loss is None else f"; log loss {record.log_loss:.2f}"
    by = "its line" if found.slope is not None else "its hit rate alone"
    yield f"{who}: {confidence(_STATED)} stated was worth {confidence(found.value)} by {by}, n {record.n}{loss}"


def _weights(weighed: Weighed | None) -> str:
    if weighed is None:
        return "Other weights are looked at with the weekly digest: not yet"
    when, found = f"{weighed.at:%Y-%m-%d}", weighed.found
    if not isinstance(found, Proposal):
        return f"No other weights for {weighed.playbook} ({when}): {found.reason}"
    rows = ", ".join(f"{name.upper()} {now} -> {then}" for name, now, then in found.rows)
    low, high = (percent(bound) for bound in found.gain)
    return (
        f"Weights proposed for {weighed.playbook} ({when}), nothing is changed by it: {rows}. "
        f"Hit rate {low} to {high}, n {found.n}"
    )


def _reliability(board: Sequence[Score]) -> Iterator[str]:
    """Of those with enough calls: stated and come true, by confidence."""
    for score in board:
        if score.sums.n >= MANY:
            parts = (
                f"{_edge(n)} right {of.right / of.n:.0%} of {of.n} ({of.interval[0]:.0%} to {of.interval[1]:.0%})"
                for n, of in enumerate(score.sums.bins)
                if of.n
            )
            yield f"{_who(score.persona, score.model)} by stated confidence: {'; '.join(parts)}"


def _edge(place: int) -> str:
    return f"from {confidence(EDGES[place - 1])}" if place else f"under {confidence(EDGES[0])}"
