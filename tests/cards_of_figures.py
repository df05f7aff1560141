"""Cards of what the desk holds, has earned and has decided, each with what it was made from."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from zoneinfo import ZoneInfo

from bot import explain
from bot.flips import Flip, flips
from bot.rejudging import basis, differences, judged
from bot.render.decisions import decision_card
from bot.render.figures import render_summary
from bot.render.insight import flips_card, replay_card, whatif_card
from bot.render.positions import chart_card, position_card, positions_card
from bot.render.results import group_card, group_file, personas_card, pnl_card
from bot.render.trades import trade_card
from bot.render.views import Page, balance_card, decisions_card, decisions_file, status_card, trades_card, trades_file
from bot.render.words import card
from bot.results import NOTHING, Results, grouped, scoreboard
from bot.surface import Card
from storage.queries import DecisionLine
from storage.tallies import Curve, Point, Tally
from tests import surface_examples as examples
from tests.risk_examples import AT, BTC, ETH, SOL
from tests.shown import Shown, shown
from trading.decision import Approved, Decision, GateAnswer
from trading.judge import judge
from trading.model import ExitReason, Leg, Order, OrderKind, OrderStatus, PositionId, TradingState
from trading.performance import Drawdown, summarise
from trading.playbook import SizingMethod, load
from trading.state import PairLock
from trading.status import PositionStatus

BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)
BY_CONFIDENCE = SizingMethod.CONFIDENCE
BOOK = load("desk")

# --- results ---------------------------------------------------------------------------------------------------------


def tally(key: str = "", trades: int = 3, wins: int = 2, won: str = "120.5", lost: str = "-40.25") -> Tally:
    return Tally(
        key=key, trades=trades, wins=wins, gross=D("84.15"), fees=D("3.6"), funding=D("-0.3"), won=D(won), lost=D(lost),
        r=D("2.4"),
    )  # fmt: skip


def a_curve(days: int) -> Curve:
    points = tuple(
        Point(day=(AT + n * DAY).date(), equity=10_000 + D(n * 37 % 101), low=10_000 + D(n * 37 % 101) - 5)
        for n in range(days)
    )
    fall = Drawdown(fraction=D("0.0093"), peak=D(10_100), low=D(10_006), since=AT, until=AT + DAY)
    return Curve(points=points, fall=fall, start=D(10_000))


def results(days: int = 30, **changes: object) -> Results:
    made = Results(
        window="30d",
        total=tally(trades=41, wins=25),
        pairs=(tally("BTC"), tally("ETH", won="3", lost="-18")),
        curve=a_curve(days),
        now=AT + (days - 1) * DAY,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


NO_TRADE = Results(window="today", total=NOTHING, pairs=(), curve=Curve(points=(), fall=None, start=D(10_000)), now=AT)
PERSONAS = (
    tally("flow with", 30, 20), tally("flow against", 10, 3), tally("sigma with", 4, 1),
    tally("sigma neutral", 30, 20), tally("whale abstained", 40, 24), tally("unknown", 2, 1),
)  # fmt: skip
PAIRS = [
    tally("BTC", 30),
    tally("ETH", won="3", lost="-18"),
    *(tally(f"A{n:02}", won="0", lost=f"-{n}") for n in range(20)),
]
PERIODS = [tally("2024-04-30", 4, 3), tally("2024-05-02", won="0", lost="-9.5", wins=0), tally("2024-05-03", 2, 1)]
EXITS = [tally("take profit", 12, 12, lost="0"), tally("stop loss", 9, 0, won="0", lost="-81.25")]
PLAYBOOKS = [tally("desk", 30), tally("smt-3.1", 2, 1)]


def by(group: str, rows: Sequence[Tally], *, window: str = "30d", page: int = 1) -> Shown:
    return shown(group_card, grouped(rows, group), window, group, net=D("62.25"), page=page)


def as_a_file(rows: Sequence[Tally]) -> Card:
    return card("as a file", file=group_file(rows, "all", "persona"))


def closed() -> tuple:  # type: ignore[type-arg]
    """Two that won and one that lost."""
    lost = {"gross": D("-20.4"), "r": D("-1.02"), "reason": ExitReason.STOP_LOSS, "id": PositionId("eth-77aa01bc")}
    later = {"closed_at": AT + 3 * DAY, "id": PositionId("btc-99zz10aa")}
    return examples.a_trade(), examples.a_trade(symbol=ETH, closed_at=AT + DAY, **lost), examples.a_trade(**later)


RUN = summarise(closed(), D(10_000))

# --- positions and status --------------------------------------------------------------------------------------------

HALTED = examples.a_status(
    trading=TradingState.HALTED,
    halted_by="Ana (telegram:7)",
    halt_reason="news",
    halted_at=AT,
    equity=None,
    unrealised=None,
    day_pnl=None,
)
LOCKS = (
    PairLock(symbol=BTC, direction=None, until=None, by="Ana (telegram:7)", at=AT, reason="news"),
    PairLock(symbol=SOL, direction=examples.Direction.SHORT, until=AT + DAY, by="console:owner", at=AT),
)
BUSY = examples.a_status(frozen="books of ETH", locks=LOCKS, pending=(examples.an_order(),), version=4)
UNQUOTED = examples.a_status(
    positions=(PositionStatus(position=examples.a_position(closing=ExitReason.MANUAL), quote=None, rules=()),),
    equity=None,
    unrealised=None,
    day_pnl=None,
)
EMPTY = examples.a_status(
    positions=(), equity=D(10_000), unrealised=D(0), day_pnl=D(0), exposure=D(0), last_decision="", capabilities=()
)
MOVING = PositionStatus(position=examples.a_moving_position(), quote=examples.a_quote("64900.0"), rules=())
STATUS, HELD_BACK = examples.a_status(), examples.a_held_back_status()

# --- decisions -------------------------------------------------------------------------------------------------------


def waited() -> Decision:
    """As the judge makes it: the whale, whose vote weighs most, is missing."""
    weights = {"flow": 1500, "technical": 1000, "whale": 2000}
    made = replace(examples.a_decision("wait"), weights=weights, playbook_hash=BOOK.hash)
    return replace(made, verdict=judge(made.opinions, weights, BOOK.judge))


def lines(n: int) -> list[DecisionLine]:
    outcomes = ("long", "denied", "wait")
    return [
        DecisionLine(
            id=f"btc-{k:08}", symbol=BTC, at=AT - k * DAY / 4, outcome=outcomes[k % 3], action="long",
            confidence=712_345,
        )
        for k in range(n)
    ]  # fmt: skip


def orders() -> tuple[Order, ...]:
    entry = examples.an_order(status=OrderStatus.FILLED, filled=D("0.0124"))
    stop = examples.an_order(
        Leg.STOP, client_id="gv-aaaa-s0", kind=OrderKind.STOP, trigger=D("62605.2"), status=OrderStatus.CANCELLED
    )
    return entry, stop


LONG, DENIED, WAITED = examples.a_decision(), examples.a_decision("denied"), waited()
THEN, OTHER = basis(WAITED, [BOOK]), basis(LONG, [BOOK])
COUNTED = replace(
    LONG,
    playbook_hash=BOOK.hash,
    gate=Approved(
        plan=examples.plan(), answers=(GateAnswer(rule="position count", passed=True, limit="5", value="1"),)
    ),
)
SAME = basis(COUNTED, [BOOK])
AGAIN = judge(LONG.opinions, LONG.weights, BOOK.judge)
TURNED = judge((), WAITED.weights, BOOK.judge)
FILLS = (examples.a_fill(), examples.a_fill(id="f2", client_id="x", side="sell", price=D("67421.0")))
MANY_FLIPS = tuple(
    Flip(what=f"limits.rule_{n}", before="5", after=f"{5 + n}", leads_to=f"rule {n} passes", size=D(n) / 5)
    for n in range(1, 9)
)

CARDS: dict[str, Shown] = {
    "status": shown(status_card, STATUS, BY_CONFIDENCE, slots=5),
    "status_halted": shown(status_card, HALTED, BY_CONFIDENCE, slots=5, zone=BERLIN),
    "status_held_back": shown(status_card, HELD_BACK, BY_CONFIDENCE),
    "status_busy": shown(status_card, BUSY, BY_CONFIDENCE, slots=5),
    "status_empty": shown(status_card, EMPTY, BY_CONFIDENCE, slots=5),
    "positions": shown(positions_card, STATUS, "Entries allowed"),
    "positions_moved": shown(positions_card, HELD_BACK, "Entries allowed"),
    "positions_none": shown(positions_card, EMPTY, "Entries allowed"),
    "position": shown(position_card, STATUS.positions[0], STATUS.at, BERLIN),
    "position_moved": shown(position_card, HELD_BACK.positions[0], AT),
    "position_moving": shown(position_card, MOVING, AT),
    "position_unquoted": shown(position_card, UNQUOTED.positions[0], UNQUOTED.at),
    "position_chart": shown(chart_card, MOVING, None),
    "balance": shown(balance_card, STATUS),
    "balance_unknown": shown(balance_card, replace(HALTED, balance=None)),
    "pnl": shown(pnl_card, results(), unrealised="Unrealised +8.55 in 1 position open", sizing=("Size now: by kelly",)),
    "pnl_few_days": shown(pnl_card, results(19, pairs=(tally("BTC"),)), unrealised="", zone=BERLIN),
    "pnl_nothing": shown(pnl_card, NO_TRADE, unrealised=""),
    "pnl_pair": by("pair", PAIRS),
    "pnl_pair_2": by("pair", PAIRS, page=2),
    "pnl_day": by("day", PERIODS),
    "pnl_week": by("week", PERIODS),
    "pnl_month": by("month", PERIODS),
    "pnl_exit": by("exit", EXITS),
    "pnl_playbook": by("playbook", PLAYBOOKS),
    "pnl_persona": shown(group_card, grouped(PERSONAS, "persona"), "all", "persona", net=D("80.25"), page=1),
    "pnl_none": shown(group_card, (), "7d", "exit", net=D(0), page=1),
    "pnl_file": shown(as_a_file, grouped(PERSONAS, "persona")),
    "summary": shown(render_summary, RUN),
    "summary_nothing": shown(render_summary, summarise((), D(10_000)), "7d"),
    "personas": shown(personas_card, scoreboard(PERSONAS), "all", unknown=2),
    "personas_none": shown(personas_card, (), "today", unknown=0),
    "trades": shown(trades_card, [examples.a_trade()], AT),
    "trades_page": shown(
        trades_card, [examples.a_trade()] * 2, AT, Page(line="/trades 2", number=3, more=True, zone=BERLIN)
    ),
    "trades_none": shown(trades_card, [], AT),
    "trades_no_page": shown(trades_card, [], AT, Page(line="/trades", number=7)),
    "trades_file": shown(trades_file, [examples.a_trade()]),
    "trade": shown(trade_card, examples.a_trade(), orders=orders(), fills=FILLS, at=AT),
    "trade_shadowy": shown(trade_card, examples.a_trade(note="", reason=ExitReason.MANUAL), orders=(), fills=(), at=AT),
    "decisions": shown(decisions_card, lines(4), AT, Page(line="/decisions BTC", more=True)),
    "decisions_none": shown(decisions_card, [], AT),
    "decisions_no_page": shown(decisions_card, [], AT, Page(line="/decisions", number=7)),
    "decisions_file": shown(decisions_file, lines(2)),
    "decision": shown(decision_card, WAITED),
    "why": shown(explain.why, LONG, examples.story(), zone=BERLIN),
    "why_denied": shown(explain.why, DENIED),
    "why_shadow": shown(explain.why, examples.a_decision("stopped"), list(examples.shadow_events().values())),
    "ask": shown(explain.ask, "where is the stop?", LONG, examples.moving_story()),
    "ask_unknown": shown(explain.ask, "what about the weather?", WAITED),
    "replay": shown(replay_card, WAITED, THEN, WAITED.verdict, ()),
    "replay_other": shown(replay_card, LONG, OTHER, AGAIN, differences(LONG.verdict, AGAIN)),
    "replay_turned": shown(replay_card, LONG, OTHER, TURNED, differences(LONG.verdict, TURNED)),
    "flips": shown(flips_card, WAITED, THEN, flips(WAITED, THEN), judged=WAITED.verdict),
    "flips_other": shown(flips_card, DENIED, OTHER, (), judged=AGAIN),
    "flips_many": shown(flips_card, DENIED, OTHER, MANY_FLIPS, judged=DENIED.verdict),
    "whatif": shown(whatif_card, WAITED, THEN, judged(WAITED, THEN, {"panel.whale.weight": "0.2"})),
    "whatif_same": shown(whatif_card, WAITED, THEN, judged(WAITED, THEN, {"judge.drag": "0.25"})),
    "whatif_gate": shown(whatif_card, COUNTED, SAME, judged(COUNTED, SAME, {"limits.max_positions": "1"})),
}  # fmt: skip
