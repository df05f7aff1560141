"""The border table: every rule of the playbooks that can bind, once where it does and once where it just does not.

The rows are data, a family of rules a file: breaker.py, health.py, regime.py, expectancy.py, portfolio.py, exits.py,
gate.py, sizing.py, votes.py. Each is run through the real code twice. What has no row fails the tests at the end: they
ask the code's own registries, and the playbook's own settings.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from tests.borders import breaker, exits, expectancy, gate, health, portfolio, regime, sizing, votes
from tests.borders.row import Family, Row
from tests.builders import NOW
from trading import exits as exit_rules
from trading.breaker import RESETS, TRANSITIONS, BreakerState, effects
from trading.errors import IllegalTransition
from trading.exit_plan import Regime, StopKind
from trading.health import Finding, Metric, Severity
from trading.personas.council_count import Standing
from trading.playbook import Playbook, Quorum, SizingMethod, load
from trading.risk import portfolio as portfolio_rules
from trading.risk import safety
from trading.risk.expectancy import Method
from trading.risk_policies import BreakerPolicy, ExpectancyPolicy, HealthPolicy, PortfolioLimits, RegimePolicy, Trigger
from trading.tripwires import STAND_STILL, Level, Tripwire, limits

MODULES = (breaker, health, regime, expectancy, portfolio, exits, gate, sizing, votes)
FAMILIES = {family.name: family for module in MODULES for family in module.FAMILIES}
TABLE = [(family, row) for family in FAMILIES.values() for row in family.rows]


def named(of: Any) -> str:
    """The same in every process: a function by its name, not by where it happens to lie."""
    parts = of if isinstance(of, tuple) else (of,)
    return ", ".join(str(getattr(part, "__name__", part)) for part in parts)


NAMES = [f"{family.name}-{named(row.of)}-{row.border}" for family, row in TABLE]
each = pytest.mark.parametrize(("family", "row"), TABLE, ids=NAMES)


@each
def test_it_binds(family: Family, row: Row) -> None:
    assert family.fires(row.of, row.binds)


@each
def test_it_just_does_not(family: Family, row: Row) -> None:
    assert not family.fires(row.of, row.spares)


# --- nothing is without a row ---------------------------------------------------------------------------------------


def rows(*families: str) -> set[Any]:
    return {of for name in families for of in FAMILIES[name].all_of()}


def kinds() -> set[Any]:
    """The exits that have a row: a rule, or a rule with the regime it asks about."""
    return {of[0] if isinstance(of, tuple) else of for of in rows("exit")}


def tripping() -> set[tuple[Tripwire, Level]]:
    """Every level that a tripwire can ask for."""
    triggers = limits(BreakerPolicy()).items()
    return {(wire, level) for wire, trigger in triggers for level in Level if _begins(trigger, level)}


def _begins(trigger: Trigger, level: Level) -> bool:
    return level is not Level.CLOSED and getattr(trigger, level.name.lower()) is not None


REGISTRIES: dict[str, tuple[set[Any], set[Any]]] = {
    "gate rules": (set(safety.RULES), rows("gate")),
    "facts of the gate": ({what for what, _ in gate.some({})._needed()}, rows("fact")),
    "portfolio limits": (set(portfolio_rules.RULES), rows("portfolio")),
    "exit rules": ({type(rule) for rule in exit_rules.RULES}, kinds()),
    "trailing distances": ({(exit_rules.TrailingStop, r) for r in (*Regime, None)}, rows("exit")),
    "time limits": ({(exit_rules.TimeLimit, r) for r in (*Regime, None)}, rows("exit")),
    "names of a stop": (set(exit_rules.MOVED.values()), rows("stop's name")),
    "moves of a stop": (set(StopKind) - {StopKind.LOSS}, rows("stop move")),
    "tripwires": (tripping(), rows("tripwire")),
    "tripwires that may be unknown": (set(Tripwire), rows("unknown")),
    "evidence that stands still": (set(STAND_STILL), rows("standing still")),
    "cool-downs": (set(Level) - {Level.CLOSED}, rows("cool-down")),
    "transitions": ({(a, b) for a, to in TRANSITIONS.items() for b in to}, rows("transition")),
    "resets": ({level for level, to in RESETS.items() if to}, rows("reset")),
    "levels that stop entries": (
        {level for level in Level if effects(level, BreakerPolicy()).min_confidence},
        rows("entries"),
    ),
    "levels that shrink entries": (
        {level for level in Level if effects(level, BreakerPolicy()).size_factor != 1},
        rows("breaker in size"),
    ),
    "metrics of health": ({(m, f) for m in Metric for f in (Finding.WARNING, Finding.CRITICAL)}, rows("metric")),
    "severities": (set(Severity), rows("severity")),
    "regimes": (set(Regime), rows("regime")),
    "regime multipliers": (set(Regime), rows("regime multiplier") & rows("multiplier in size")),
    "expectancy methods": (set(Method), rows("method")),
    "sizing methods": (set(SizingMethod) - {SizingMethod.EXPECTANCY}, rows("sizing method")),
    "sizing by expectancy": ({f"expectancy ({Method.EXPLORATION})"}, rows("sizing method")),
    "quorums": ({(q, sign) for q in Quorum for sign in (1, -1)}, rows("judge enters")),
    "ballots": (set(Standing), rows("ballot")),
}


@pytest.mark.parametrize("registry", REGISTRIES)
def test_everything_in_the_code_has_a_row(registry: str) -> None:
    there, in_the_table = REGISTRIES[registry]
    assert there, "an empty registry proves nothing"
    assert not {getattr(missing, "__name__", missing) for missing in there - in_the_table}


def test_every_other_step_of_the_breaker_raises() -> None:
    for before in Level:
        for after in set(Level) - TRANSITIONS[before]:
            with pytest.raises(IllegalTransition):
                BreakerState(level=before).to(after, at=NOW, until=None, breached=False)


# Settings that are no border: names, numbers that a border is made of by other means, and what is not risk.
NO_BORDER = {
    "name", "title", "quote", "universe", "phases", "schedule",
    "panel",  # of personas; the council's seat has its rows
    "sizing.method",  # one row for each of them: see "sizing methods"
    "judge.model", "judge.answer_within", "validation.model", "validation.answer_within",  # who is asked, how long
    "sizing.confidence",  # which of two: tests/unit/test_sizing.py
    "portfolio.measured_over",  # a window of returns: tests/unit/test_correlation.py
}  # fmt: skip


def settings(part: type[BaseModel], path: str = "") -> Iterator[str]:
    """Every key of a playbook, dotted; a part that is a list or a table of its own counts as one."""
    for name, field in part.model_fields.items():
        key = f"{path}.{name}" if path else name
        inner = next((t for t in _types(field.annotation) if issubclass(t, BaseModel)), None)
        if key in NO_BORDER:
            continue
        if inner is None or inner.__name__ in {"Trigger", "Line", "Step", "Damp", "PartialPolicy"}:
            yield key
        else:
            yield from settings(inner, key)


def _types(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _types(argument)


def test_every_setting_of_a_playbook_has_a_row() -> None:
    named = {key for _, row in TABLE for key in row.setting.split()}
    there = set(settings(Playbook))
    assert not there - named, "settings without a row"
    unknown = {key for key in named - there if not key.startswith("panel.council.")}
    assert not unknown, "rows of settings that do not exist"


@pytest.mark.parametrize("name", ["sigma", "desk"])
def test_the_tables_numbers_are_the_shipped_ones(name: str) -> None:
    playbook = load(name)
    assert playbook.breaker == BreakerPolicy()
    assert playbook.health == HealthPolicy()
    assert playbook.regime == RegimePolicy()
    assert playbook.expectancy == ExpectancyPolicy()
    assert playbook.portfolio is not None
    assert playbook.portfolio.model_copy(update={"budget": 1}) == PortfolioLimits()
