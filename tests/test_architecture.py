"""Imports point one way: storage -> trading, bot -> both, and inside the desk only up the way of a trade."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# The way of a trade: a file imports only from files that stand before it.
JOURNEY = [
    "errors",
    "exit_plan",
    "model",
    "identity",
    "clock",
    "voice",
    "asking",
    "strict",
    "spending",
    "decision",
    "ballot",
    "chain",
    "performance",
    "calibration",
    "calls",
    "experts",
    "policies",
    "risk_policies",
    "schema",
    "faults",
    "playbook",
    "health",
    "tripwires",
    "breaker",
    "risk.expectancy",
    "messages",
    "events",
    "state",
    "locks",
    "periods",
    "settings",
    "ports",
    "ailog_words",
    "ailog",
    "market.series",
    "market.ta",
    "market.features",
    "market.snapshot",
    "envelope",
    "prompting",
    "market.regime",
    "market.outlook",
    "market.correlation",
    "market.moments",
    "market.feed",
    "market.view",
    "personas.panel",
    "personas.flow",
    "personas.technical",
    "personas.sigma_score",
    "personas.sigma",
    "personas.council_count",
    "personas.council",
    "personas.ballots",
    "personas.sentiment",
    "personas.whale",
    "judge",
    "bench",
    "rereading",
    "risk.portfolio",
    "risk.facts",
    "risk.levels",
    "risk.sizing",
    "risk.safety",
    "risk.gate",
    "ledger",
    "exits",
    "steps",
    "shadow",
    "lessons",
    "book",
    "scoring",
    "running",
    "stopwatch",
    "lanes",
    "sending",
    "leaving",
    "guarding",
    "execution",
    "reconcile",
    "watch",
    "shadowing",
    "sentry",
    "situation",
    "summing",
    "briefing",
    "cycle",
    "digest",
    "status",
    "setting_lines",
    "showing",
    "viewing",
    "thinking",
    "by_hand",
    "real_money",
    "control",
    "desk",
]
ADAPTERS = {"venues", "llm", "onchain"}
ADAPTERS_MAY = {
    "errors",
    "exit_plan",
    "model",
    "identity",
    "clock",
    "voice",
    "asking",
    "strict",
    "spending",
    "decision",
    "ballot",
    "chain",
    "envelope",
    "messages",
    "events",
    "ports",
    "market.series",
    "market.moments",
}
PURE = [
    "ailog_words",
    "ailog",
    "voice",
    "asking",
    "strict",
    "spending",
    "chain",
    "calibration",
    "calls",
    "experts",
    "envelope",
    "rereading",
    "ballot",
    "personas.council_count",
    "judge",
    "health",
    "tripwires",
    "breaker",
    "risk.expectancy",
    "risk.portfolio",
    "market.regime",
    "exit_plan",
    "state",
    "locks",
    "periods",
    "setting_lines",
    "lessons",
    "shadow",
    "settings",
    "risk.facts",
    "risk.levels",
    "risk.sizing",
    "risk.safety",
    "risk.gate",
    "exits",
    "steps",
    "ledger",
    "performance",
    "decision",
    "model",
]
IMPURE = {"asyncio", "logging", "random", "time", "os", "socket", "pathlib", "sqlite3", "httpx"}
SURFACE_LIBRARIES = {"telegram", "discord", "prompt_toolkit", "sqlmodel", "sqlalchemy", "alembic", "apscheduler"}


def modules(room: str) -> dict[str, Path]:
    """Dotted name below the room -> file."""
    base = ROOT / room
    return {
        ".".join(path.relative_to(base).with_suffix("").parts): path
        for path in sorted(base.rglob("*.py"))
        if path.name != "__init__.py"
    }


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: a relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def inside(room: str, path: Path) -> set[str]:
    """What a file imports of a room, as names below it."""
    known = modules(room)
    return {name.removeprefix(f"{room}.") for name in imports(path) if name.removeprefix(f"{room}.") in known}


@pytest.mark.parametrize(("room", "never"), [("trading", ("bot", "storage")), ("storage", ("bot",))])
def test_rooms_import_one_way(room: str, never: tuple[str, ...]) -> None:
    for path in (ROOT / room).rglob("*.py"):
        assert not {i for i in imports(path) if i.split(".")[0] in never}, path


def test_every_file_of_the_desk_has_a_place_on_the_way() -> None:
    files = {name for name in modules("trading") if name.split(".")[0] not in ADAPTERS}
    assert files == set(JOURNEY)


@pytest.mark.parametrize("name", JOURNEY)
def test_the_desk_imports_only_what_comes_before(name: str) -> None:
    before = set(JOURNEY[: JOURNEY.index(name)])
    found = inside("trading", modules("trading")[name])
    assert found <= before, f"trading/{name} imports {sorted(found - before)}"


def test_adapters_import_only_the_desks_nouns() -> None:
    for name, path in modules("trading").items():
        if name.split(".")[0] in ADAPTERS:
            own = {n for n in inside("trading", path) if n.split(".")[0] == name.split(".")[0]}
            found = inside("trading", path) - own
            assert found <= ADAPTERS_MAY, f"trading/{name} imports {sorted(found - ADAPTERS_MAY)}"


def test_the_desk_knows_no_chat_and_no_database() -> None:
    for path in (ROOT / "trading").rglob("*.py"):
        assert not {i.split(".")[0] for i in imports(path)} & SURFACE_LIBRARIES, path


@pytest.mark.parametrize("name", PURE)
def test_the_pure_core_is_pure(name: str) -> None:
    assert not {i.split(".")[0] for i in imports(modules("trading")[name])} & IMPURE


def test_only_the_clock_reads_the_time() -> None:
    for name, path in modules("trading").items():
        if name != "clock":
            text = path.read_text()
            assert "datetime.now(" not in text, name
            assert "time.time(" not in text, name


def test_only_bootstrap_sees_all_three_rooms() -> None:
    """Chats and commands reach storage through ports; who builds the pieces is one file."""
    builders = {"storage.database", "storage.journal"}
    for name, path in modules("bot").items():
        if name not in {"memory", "__main__", "cli.journal", "cli.replay"}:
            assert not imports(path) & builders, f"bot/{name} builds storage"


def test_there_are_no_import_cycles() -> None:
    for room in ("trading", "storage", "bot"):
        files = modules(room)
        graph = {name: inside(room, path) for name, path in files.items()}
        done: set[str] = set()

        def visit(name: str, way: tuple[str, ...], graph: dict[str, set[str]] = graph, done: set[str] = done) -> None:
            assert name not in way, f"cycle: {' -> '.join((*way, name))}"
            if name not in done:
                for other in graph[name] - {name}:
                    visit(other, (*way, name))
                done.add(name)

        for name in graph:
            visit(name, ())
