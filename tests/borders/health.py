"""The strategy monitor: each metric at each grade, what grades add up to, and when it looks at all."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from tests.borders.row import Family, Row
from tests.builders import BTC, NOW
from trading.health import Finding, Metric, Severity, due, examine, grade
from trading.model import Direction, ExitReason, PositionId, Trade
from trading.risk_policies import HealthPolicy

D = Decimal
POLICY = HealthPolicy()
FINE, WARNING, CRITICAL = Finding
HOUR = timedelta(hours=1)
Nets = Sequence[str | int | Decimal]


def a_trade(number: int, net: Decimal, every: timedelta) -> Trade:
    closed = NOW + number * every
    return Trade(
        id=PositionId(f"btc-{number:08}"), symbol=BTC, direction=Direction.LONG, quantity=D(1), entry=D(1), exit=D(1),
        opened_at=closed - HOUR, closed_at=closed, gross=net, fees=D(0), funding=D(0), r=D(0),
        reason=ExitReason.MANUAL, note="", playbook="sigma", leverage=1,
    )  # fmt: skip


def trades(nets: Nets, every: timedelta = HOUR) -> list[Trade]:
    return [a_trade(n, D(net), every) for n, net in enumerate(nets)]


# --- metric x grade -------------------------------------------------------------------------------------------------

Seen = tuple[Nets, str, timedelta]  # results, equity after them, time between two closes


def is_found(of: tuple[Metric, Finding], seen: Seen) -> bool:
    nets, equity, every = seen
    found = {m.metric: m.finding for m in examine(trades(nets, every), D(equity), POLICY).findings}
    return found[of[0]] is of[1]


def wins(count: int) -> Seen:
    """Of 100."""
    return [-1] * (100 - count) + [3] * count, "10000", HOUR


# Deviations whose sample deviation over 20 trades is exactly 2: (2 x 36 + 4 x 1) / 19 = 4.
SPREAD = (6, -6, 1, -1, 1, -1, *[0] * 14)
FOUR_HUNDRED_A_YEAR = timedelta(days=365) / 400


def sharpe(mean: str) -> Seen:
    """mean / 2 x sqrt(400): ten times the mean."""
    return [D(mean) + x for x in SPREAD], "10000", FOUR_HUNDRED_A_YEAR


def in_a_row(losses: int) -> Seen:
    return [5] * 20 + [-1] * losses, "10000", HOUR


def mean(net: str) -> Seen:
    return [D(net) - 7, D(net) + 7] * 10, "10000", HOUR


def fallen(by: str) -> Seen:
    """From 10,000, and up again a little."""
    return [0] * 19 + [f"-{by}", 1], str(10001 - D(by)), HOUR


M = Metric
METRICS = (
    Row((M.WIN_RATE, WARNING), "45 %, of 100 trades", wins(44), wins(45), "health.win_rate"),
    Row((M.WIN_RATE, CRITICAL), "35 %", wins(34), wins(35), "health.win_rate"),
    Row((M.SHARPE, WARNING), "0.5", sharpe("0.04999999"), sharpe("0.05"), "health.sharpe"),
    Row((M.SHARPE, CRITICAL), "0", sharpe("-0.00000001"), sharpe("0"), "health.sharpe"),
    Row((M.SHARPE, CRITICAL), "no time between them: only the sign counts",
        ([D("-0.00000001") + x for x in SPREAD], "10000", 0 * HOUR), ([*SPREAD], "10000", 0 * HOUR)),
    Row((M.LOSSES, WARNING), "7 in a row", in_a_row(7), in_a_row(6), "health.losses"),
    Row((M.LOSSES, WARNING), "a net of zero ends the row", in_a_row(7), ([5] * 20 + [-1, 0] + [-1] * 6, "10000", HOUR)),
    Row((M.LOSSES, CRITICAL), "10 in a row", in_a_row(10), in_a_row(9), "health.losses"),
    Row((M.EXPECTANCY, WARNING), "0", mean("0"), mean("0.00000001"), "health.expectancy"),
    Row((M.EXPECTANCY, CRITICAL), "-0.1 % of equity", mean("-10.00000001"), mean("-10"), "health.expectancy"),
    Row((M.EXPECTANCY, CRITICAL), "nothing is left to lose", ([1] * 20, "0", HOUR), ([1] * 20, "0.00000001", HOUR)),
    Row((M.DRAWDOWN, WARNING), "8 %", fallen("800"), fallen("799.99999999"), "health.drawdown"),
    Row((M.DRAWDOWN, CRITICAL), "15 %", fallen("1500"), fallen("1499.99999999"), "health.drawdown"),
)  # fmt: skip


# --- severities -----------------------------------------------------------------------------------------------------


def is_graded(of: Severity, findings: Sequence[Finding]) -> bool:
    return grade(findings) is of


SEVERITIES = (
    Row(Severity.NONE, "no warning", [FINE] * 5, [FINE] * 4 + [WARNING]),
    Row(Severity.MINOR, "one warning", [FINE] * 4 + [WARNING], [FINE] * 5),
    Row(Severity.MODERATE, "two warnings", [WARNING] * 2, [WARNING]),
    Row(Severity.SEVERE, "one critical", [WARNING] * 4 + [CRITICAL], [WARNING] * 5),
    Row(Severity.CRITICAL, "two critical", [CRITICAL] * 2, [CRITICAL, WARNING]),
)


# --- when it looks, and what it does --------------------------------------------------------------------------------


def looks(of: str, rounds: int) -> bool:
    return due(rounds, POLICY)


def has_a_say(of: str, nets: Nets) -> bool:
    return examine(trades(nets), D(10000), POLICY).severity is not Severity.NONE


LOOKS = (Row("every", "every 5 rounds", 5, 4, "health.every"),)
TRADES = (
    Row("enough", "20 trades", [-1] * 20, [-1] * 19, "health.enough"),
    # A fall of 1,600 counts as long as the trade that made it is one of the last 100.
    Row("over", "the last 100", [-1600, *[20] * 99], [-1600, *[20] * 100], "health.over"),
)

WORST = [-50] * 20


def closes(of: str, asked: tuple[Nets, bool]) -> bool:
    nets, wanted = asked
    return examine(trades(nets), D(10000), HealthPolicy(close_on_emergency=wanted)).close_positions


EMERGENCY = (
    Row("emergency", "when the playbook says so", (WORST, True), (WORST, False), "health.close_on_emergency"),
    Row("emergency", "two critical, not one", (WORST, True), ([5] * 20 + [-1] * 10, True)),
)

FAMILIES = (
    Family("metric", is_found, METRICS),
    Family("severity", is_graded, SEVERITIES),
    Family("monitor looks", looks, LOOKS),
    Family("monitor says", has_a_say, TRADES),
    Family("monitor closes", closes, EMERGENCY),
)
