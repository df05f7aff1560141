"""docs/risk.md names every rule of the code, in the code's own order, and files that exist."""

import re
from pathlib import Path

import pytest

from tests.borders.gate import RULES as BORDERS
from tests.borders.gate import some
from tests.builders import a_plan
from trading import exits
from trading.breaker import Tripwire
from trading.exit_plan import Regime
from trading.health import Metric
from trading.model import ExitReason
from trading.playbook import SizingMethod
from trading.risk import safety
from trading.risk.expectancy import Method

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "risk.md").read_text()


def rows(heading: str, first: str) -> list[str]:
    """What stands first in each row of the table that begins with the column `first` under a heading."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    table = section.partition(f"| {first} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)


def name_of(rule: safety.Rule) -> str:
    """What it calls itself when it is asked."""
    entry = next(row.spares for row in BORDERS if row.of is rule)
    answer = rule(some(entry.facts), a_plan(entry.direction, **entry.plan))
    assert answer is not None
    return answer.rule


def test_the_gates_rules_in_the_order_they_are_asked() -> None:
    assert rows("The gate", "rule") == [name_of(rule) for rule in safety.RULES]


@pytest.mark.parametrize(
    ("heading", "first", "names"),
    [
        ("Size", "method", [m.value for m in SizingMethod]),
        ("Size", "evidence", ["exploration", "kelly", "stopped", "returning"]),
        ("Regime", "regime", ["volatile", "trend up", "trend down", "range", "chop"]),
        ("Circuit breaker", "trigger", [t.value for t in Tripwire]),
        ("Strategy health", "metric", [m.value for m in Metric]),
        ("Exits", "exit", [rule.reason.value for rule in exits.RULES]),
    ],
)
def test_every_name_of_the_code_has_its_row(heading: str, first: str, names: list[str]) -> None:
    assert rows(heading, first) == names


def test_the_lists_above_are_whole() -> None:
    assert {m.value for m in Method} == set(rows("Size", "evidence"))
    assert {r.value for r in Regime} == set(rows("Regime", "regime"))
    beside = {ExitReason.BREAK_EVEN, ExitReason.PARTIAL}
    assert all(f"`{reason.value}`" in re.sub(r"\s+", " ", DOCUMENT) for reason in beside)


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`((?:\w+/)*\w+\.py)`", DOCUMENT))))
def test_every_file_it_names_is_there(named: str) -> None:
    assert (ROOT / named).is_file() or (ROOT / "trading" / named).is_file()
