"""The `gavel` command as its user meets it: what it prints, what it refuses, how it stops and goes on."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.process import program, proofs
from tests.process.records import Chain, Records, read, transcript
from trading.events import DecisionMade, DeskStarted, DeskStopped, TradeClosed

BARS = 120


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with candles in it, and a desk that has played them: `text` printed, `json` and `again` in JSON."""
    place = tmp_path_factory.mktemp("cli")
    program.candles(place / "candles", BARS)
    (place / "busy.toml").write_text(program.BUSY)
    return place


def demo(place: Path, data: str, *more: str) -> subprocess.CompletedProcess[str]:
    args = ("demo", "--history", "candles", "--playbook", "busy.toml", "--data-dir", data)
    return program.run(*args, *more, cwd=place)


@pytest.fixture(scope="module")
def text(place: Path) -> subprocess.CompletedProcess[str]:
    return demo(place, "text")


@pytest.fixture(scope="module")
def figures(place: Path) -> dict[str, Any]:
    """The one object of --json."""
    done = demo(place, "json", "--json")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1, "one object on standard output, and nothing else"
    found: dict[str, Any] = json.loads(lines[0])
    return found


# --- what needs no desk -------------------------------------------------------------------------------------------


COMMANDS = ("run", "demo", "verify", "export", "playbook")


def test_help_and_version_name_every_command(tmp_path: Path) -> None:
    shown = program.run("--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert all(re.search(rf"^  {name} ", shown.stdout, re.MULTILINE) for name in COMMANDS)
    version = program.run("--version", cwd=tmp_path)
    assert re.fullmatch(r"gavel, version \d+\.\d+\.\d+\n", version.stdout)
    assert list(tmp_path.iterdir()) == [], "looking leaves nothing behind"


LOADED = """
import sys
from bot.__main__ import main
sys.argv = ["gavel", *sys.argv[1:]]
try:
    main()
except SystemExit:
    print("LOADED", *sys.modules, file=sys.stderr)
"""
SDKS = {"google.genai", "openai", "catboost", "httpx2"}
EXCHANGES = {"ccxt", "aiohttp", "trading.venues.exchange.client", "trading.venues.exchange.connection"}


def loaded_by(*args: str, cwd: Path, **env: str) -> set[str]:
    """The modules that a process had loaded when it ended."""
    command = [sys.executable, "-c", LOADED, *args]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=program.environment(**env))
    assert "LOADED" in done.stderr, done.stderr
    return set(done.stderr.rpartition("LOADED")[2].split())


def test_help_loads_no_heavy_library(tmp_path: Path) -> None:
    loaded = loaded_by("--help", cwd=tmp_path)
    assert "click" in loaded
    heavy = {"telegram", "pandas", "sqlalchemy", "sqlmodel", "pyarrow", "talib", "matplotlib", "discord", "scipy"}
    assert not loaded & (heavy | SDKS | EXCHANGES)


def test_a_paper_desk_loads_no_sdk_of_a_model_nor_a_data_frame(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOADED, "run", "--speed", "5000", "--data-dir", "data"]
    desk = subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=program.environment(),
    )  # fmt: skip
    assert desk.stdout is not None
    while "Filled" not in (line := desk.stdout.readline()):
        assert line, "it ended"
    desk.send_signal(signal.SIGTERM)
    _, said = desk.communicate(timeout=program.PATIENCE)
    loaded = set(said.rpartition("LOADED")[2].split())
    assert "talib" in loaded
    assert not loaded & (SDKS | {"pandas", "scipy", "plotly", "matplotlib", "telegram", "discord"})
    assert not loaded & EXCHANGES, "a market that is played needs no exchange"


def test_a_playbook_with_an_unknown_key_is_told_the_nearest(place: Path) -> None:
    (place / "typo.toml").write_text(program.BUSY.replace("max_positions", "max_position"))
    done = program.run("playbook", "check", "typo.toml", cwd=place)
    assert done.returncode == 1
    assert "limits.max_position: unknown key; did you mean 'max_positions'?" in done.stderr
    assert program.run("playbook", "check", "busy.toml", cwd=place).stdout.startswith("busy: fits the schema")


def test_every_fault_of_a_playbook_is_named_in_one_go(tmp_path: Path) -> None:
    bad = program.BUSY.replace("min_confidence = 0.2", "min_confidence = 20").replace('"30m"', '"half an hour"')
    (tmp_path / "bad.toml").write_text(bad.replace("leverage = 5", "leverage = 500"))
    done = program.run("playbook", "check", "bad.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "gavel: bad.toml:",
        "  judge.min_confidence: expected a number above 0 and up to 1, found 20; fractions, not percent: 20 % is 0.2",
        "  sizing.leverage: 500 is above limits.max_leverage (20)",
        '  exits.max_hold: expected a length of time above 0, like "90s", "15m", "4h" or "30d", found "half an hour"',
    ]


def test_playbooks_are_listed_and_shown_as_files_that_can_be_checked(tmp_path: Path) -> None:
    (tmp_path / "data" / "playbooks").mkdir(parents=True)
    (tmp_path / "data" / "playbooks" / "busy.toml").write_text(program.BUSY)
    (tmp_path / "data" / "playbooks" / "odd.toml").write_text("name = 7")
    listed = program.run("playbook", "list", "--data-dir", "data", cwd=tmp_path)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [
        "busy", "council", "desk", "odd", "sigma", "smt-3.0", "smt-3.1",
    ]  # fmt: skip
    assert "odd        faulty: odd.toml: name: expected a name" in listed.stdout
    for name in ("sigma", "busy"):
        shown = program.run("playbook", "show", name, "--data-dir", "data", cwd=tmp_path)
        assert shown.returncode == 0
        assert "\x1b" not in shown.stdout, "plain in a pipe"
        (tmp_path / "mine.toml").write_text(shown.stdout)
        checked = program.run("playbook", "check", "mine.toml", cwd=tmp_path)
        assert checked.stdout.startswith(f"{name}: fits the schema (settings ")
        assert checked.stdout.split()[-1].rstrip(")") in shown.stdout.splitlines()[0], "the very same settings"
    unknown = program.run("playbook", "show", "sgima", cwd=tmp_path)
    assert (unknown.returncode, unknown.stderr) == (1, "gavel: no playbook 'sgima'; did you mean 'sigma'?\n")


def test_what_fits_and_can_never_trade_is_a_note_and_no_fault(tmp_path: Path) -> None:
    (tmp_path / "busy.toml").write_text(program.BUSY.replace("min_agreeing = 1", "min_agreeing = 3"))
    done = program.run("playbook", "check", "busy.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout.split()[0]) == (0, "busy:")
    assert done.stderr.startswith("note: judge.min_agreeing is 3, and fewer personas exist for BTC, ETH, SOL")


def test_bad_settings_are_all_named_at_once_and_no_value_is_shown(tmp_path: Path) -> None:
    wrong = {
        "GAVEL_MODE": "live",
        "GAVEL_START_EQUITY": "plenty",
        "GAVEL_SPED": "9",
        "TELEGRAM_ALLOWED_USERS": "bob",
        "TELEGRAM_BOT_TOKEN": "hush-hush",
    }
    done = program.run("run", "--data-dir", "data", cwd=tmp_path, **wrong)
    assert (done.returncode, done.stdout) == (1, "")
    assert all(name in done.stderr for name in wrong)
    assert "did you mean GAVEL_SPEED?" in done.stderr
    assert "hush" not in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


# --- a desk over candle files -------------------------------------------------------------------------------------


def test_a_demo_over_candles_ends_with_a_summary(text: subprocess.CompletedProcess[str], place: Path) -> None:
    assert text.returncode == 0, text.stderr
    for part in ("PAPER P&L all", "Win rate", "Expectancy", "profit factor", "fees", "funding", "drawdown", "Equity"):
        assert part in text.stdout
    assert "history: candles" in text.stdout
    assert text.stderr.splitlines() == [
        "note: No candles for DOGE, XRP, ADA, BNB, LTC.",
        "note: No funding rates: no funding is paid.",
    ]
    records = read(place / "text")
    assert len(records.of(TradeClosed)) > 5
    assert proofs.faults(records, stopped=True) == []


def test_json_has_the_figures_of_the_text(figures: dict[str, Any], text: subprocess.CompletedProcess[str]) -> None:
    def plain(key: str, form: str = ",.2f") -> str:
        return format(Decimal(figures[key]), form)

    assert f"P&L all {plain('net', '+,.2f')}" in text.stdout
    assert f"{figures['trades']} trades" in text.stdout
    assert f"{figures['wins']} won, {figures['losses']} lost" in text.stdout
    assert f"Expectancy {plain('expectancy', '+,.2f')} a trade" in text.stdout
    assert f"profit factor {plain('profit_factor')}" in text.stdout
    assert f"Gross {plain('gross', '+,.2f')}, fees -{plain('fees')}, funding {plain('funding')}" in text.stdout
    assert f"Maximum drawdown {plain('max_drawdown', '.2%')}" in text.stdout
    assert f"Equity {plain('equity')} by the closed trades, from {plain('start_equity')}" in text.stdout
    for reason, of in figures["exits"].items():
        assert f"{reason}: {of['trades']}, {Decimal(of['net']):+,.2f}" in text.stdout
    assert Decimal(figures["start_equity"]) + Decimal(figures["net"]) == Decimal(figures["equity"])


def rows(place: Path, data: str, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(place / data / "gavel.db")) as database:
        return database.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


def test_two_runs_write_the_same_journal_byte_for_byte(
    place: Path, text: subprocess.CompletedProcess[str], figures: dict[str, Any]
) -> None:
    assert len(rows(place, "text", "journal")) > BARS
    for table in ("journal", "chain", "decisions", "orders", "fills", "trades", "desk"):
        assert rows(place, "text", table) == rows(place, "json", table)
    told = [transcript(place / data / "console.jsonl") for data in ("text", "json")]
    assert sorted(told[0]) == sorted(told[1])  # which lane goes first when depends on the wall


def test_a_finished_history_says_so_and_is_not_traded_again(place: Path, figures: dict[str, Any]) -> None:
    before = len(rows(place, "json", "fills"))
    again = demo(place, "json", "--json")
    assert json.loads(again.stdout) == figures
    assert "note: json has played this to its end; --fresh begins anew." in again.stderr
    assert len(rows(place, "json", "fills")) == before
    fresh = demo(place, "json", "--json", "--fresh")
    assert (json.loads(fresh.stdout), "has played this" in fresh.stderr) == (figures, False)


def test_a_directory_of_another_market_is_refused(place: Path, text: subprocess.CompletedProcess[str]) -> None:
    before = rows(place, "text", "journal")
    done = program.run("demo", "--seed", "3", "--playbook", "busy.toml", "--data-dir", "text", cwd=place)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "gavel: text holds a desk of another market (market history: candles); give it a directory of its own"
    ]
    assert rows(place, "text", "journal") == before


def test_the_simple_layout_is_read_and_flow_says_what_it_lacks(place: Path) -> None:
    program.candles(place / "simple", 100, simple=True)
    args = ("--history", "simple", "--playbook", "busy.toml", "--json", "--data-dir", "data-simple")
    done = program.run("demo", *args, cwd=place)
    assert "note: No taker volume: BTC, ETH, SOL." in done.stderr
    assert json.loads(done.stdout)["trades"] > 5
    events = read(place / "data-simple")
    (started,) = events.of(DeskStarted)
    assert any(off.startswith("flow: no taker volume") for off in started.personas_off)
    assert not [o for e in events.of(DecisionMade) for o in e.decision.opinions if o.persona == "flow"]


def _without_volume(lines: list[str]) -> list[str]:
    return ["time,open,high,low,close", *(",".join(line.split(",")[:5]) for line in lines)]


def _with(old: str, new: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [*lines[:6], lines[6].replace(old, new, 1), *lines[7:]]


@pytest.mark.parametrize(
    ("name", "spoil", "reason"),
    [
        (
            "short",
            lambda lines: [*lines[:6], "1714543200000,1,2", *lines[7:]],
            "line 7: 3 values where 12 are expected",
        ),
        ("price", _with(",6", ",-6"), "line 7: open is -6.*: a price is positive"),
        ("back", lambda lines: [*lines[:6], lines[2], *lines[7:]], "line 7: time goes backwards"),
        ("column", _without_volume, "line 1: .*volume"),
    ],
)
def test_a_bad_file_is_one_line_that_names_file_line_and_reason(
    place: Path, tmp_path: Path, name: str, spoil: Callable[[list[str]], list[str]], reason: str
) -> None:
    shutil.copytree(place / "candles", tmp_path / "candles")
    bad = tmp_path / "candles" / "BTCUSDT.csv"
    bad.write_text("\n".join(spoil(bad.read_text().splitlines())) + "\n")
    done = program.run("demo", "--history", "candles", "--data-dir", "data", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert re.fullmatch(rf"gavel: candles/BTCUSDT\.csv, {reason}.*\n", done.stderr), done.stderr
    assert not (tmp_path / "data").exists()


# --- verify -------------------------------------------------------------------------------------------------------


def test_verify_tells_a_whole_journal_from_a_changed_one(place: Path, text: subprocess.CompletedProcess[str]) -> None:
    good = program.run("verify", "--data-dir", "text", cwd=place)
    count, head = rows(place, "text", "chain")[0][1:]
    assert (good.returncode, good.stdout) == (0, f"{count} rows, unbroken; the last hash is {head}\n")
    for number, (spoil, found) in enumerate(
        (
            ("UPDATE journal SET body = replace(body, 'long', 'Long') WHERE seq = 20", "broken at row 20: changed"),
            ("DELETE FROM journal WHERE seq = 30", "broken at row 30: missing"),
            ("DELETE FROM journal WHERE seq > 40", "broken at row 41: missing"),
        )
    ):
        data = shutil.copytree(place / "text", place / f"spoilt-{number}")
        with closing(sqlite3.connect(data / "gavel.db", isolation_level=None)) as database:
            assert database.execute(spoil).rowcount > 0
        bad = program.run("verify", "--data-dir", data, cwd=place)
        assert (bad.returncode, bad.stdout) == (1, "")
        assert bad.stderr.startswith(found)
    assert program.run("verify", "--data-dir", "nowhere", cwd=place).returncode == 1
    assert not (place / "nowhere").exists()


# --- export -------------------------------------------------------------------------------------------------------


def exported(place: Path, kind: str, *more: str) -> list[dict[str, Any]]:
    done = program.run("export", kind, "--data-dir", "text", *more, cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_is_exported_is_what_the_journal_holds(place: Path, text: subprocess.CompletedProcess[str]) -> None:
    records = read(place / "text")
    trades = [e.trade for e in records.of(TradeClosed)]
    with closing(sqlite3.connect(place / "text" / "gavel.db")) as database:
        made = database.execute("SELECT id, outcome FROM decisions ORDER BY seq").fetchall()
    assert [(line["decision"], line["outcome"]) for line in exported(place, "decisions")] == made
    pnl = exported(place, "pnl")
    assert [(line["decision"], Decimal(line["net"])) for line in pnl] == [(t.id, t.net) for t in trades]
    assert [Decimal(line["equity"]) for line in pnl] == [e.equity for e in records.of(TradeClosed)]
    denied = [id for id, outcome in made if outcome == "denied"]
    violations = exported(place, "safety_violations")
    assert [line["decision"] for line in violations if line["kind"] == "denied"] == denied
    assert exported(place, "execution_failures") == []


def test_an_export_begins_at_a_time_or_a_span_before_the_newest_record(
    place: Path, text: subprocess.CompletedProcess[str]
) -> None:
    everything = exported(place, "decisions")
    at = everything[len(everything) // 2]["at"]
    later = [line for line in everything if line["at"] >= at]
    assert 0 < len(later) < len(everything)
    assert exported(place, "decisions", "--since", at) == later
    assert exported(place, "decisions", "--since", at.removesuffix("Z")) == later
    assert exported(place, "decisions", "--since", at.replace("Z", "+00:00")) == later
    last = exported(place, "decisions", "--since", "1h")
    assert 0 < len(last) < 30
    assert last == everything[-len(last) :]
    assert exported(place, "decisions", "--since", "2099-01-01") == []


def test_an_export_takes_nothing_from_a_desk_that_is_writing(
    place: Path, text: subprocess.CompletedProcess[str]
) -> None:
    data = shutil.copytree(place / "text", place / "writing")
    with closing(sqlite3.connect(data / "gavel.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("DELETE FROM journal WHERE seq > 100")
        done = program.run("export", "decisions", "--data-dir", data, cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == program.run("export", "decisions", "--data-dir", "text", cwd=place).stdout


def test_who_has_seen_enough_hears_no_complaint(place: Path, text: subprocess.CompletedProcess[str]) -> None:
    process = subprocess.Popen(
        [program.GAVEL, "export", "decisions", "--data-dir", "text"],
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=program.environment(),
    )  # fmt: skip
    assert process.stdout
    assert process.stderr
    assert json.loads(process.stdout.readline())["kind"] == "decision"
    process.stdout.close()
    assert process.wait(program.PATIENCE) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("decisions", "--data-dir", "nowhere"), 1, "no journal in nowhere"),
        (("decision",), 2, "'decision' is not one of"),
        (("pnl", "--since", "yesterday"), 2, "'yesterday' is neither a time like"),
    ],
)
def test_what_cannot_be_exported_is_said_in_words(place: Path, args: tuple[str, ...], code: int, said: str) -> None:
    done = program.run("export", *args, cwd=place)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in " ".join(done.stderr.split())
    assert not (place / "nowhere").exists()


# --- stopping and going on ----------------------------------------------------------------------------------------


def trade_until(process: subprocess.Popen[str], place: Path, words: str) -> None:
    """Let it run until the terminal has said this once more."""
    said, patience = place / "out.txt", time.monotonic() + program.PATIENCE
    before = said.read_text().count(words)
    while said.read_text().count(words) == before:
        with pytest.raises(subprocess.TimeoutExpired):  # it goes on by itself
            process.wait(0.05)
        assert time.monotonic() < patience, (place / "err.txt").read_text()


def stop(process: subprocess.Popen[str], number: signal.Signals) -> None:
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(program.PATIENCE) == 0
    assert time.monotonic() - began < program.STOPS_WITHIN


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_it_stops_in_order_and_goes_on_from_there(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "busy.toml").write_text(program.BUSY)
    chain = Chain()

    def live(until: str) -> Records:
        process = program.start("demo", "--playbook", "busy.toml", "--speed", "1500", "--data-dir", "d", cwd=tmp_path)
        try:
            trade_until(process, tmp_path, until)
            stop(process, number)
        finally:
            process.kill()
        assert chain.faults(tmp_path / "d") == []
        return read(tmp_path / "d")

    first = live("protected")
    assert proofs.faults(first, stopped=True) == []
    [stopped] = first.of(DeskStopped)
    assert stopped.left_open == tuple(first.positions) != ()
    out = (tmp_path / "out.txt").read_text()
    assert f"desk stopped, {len(first.positions)} left open" in out
    assert out.count("Left open: ") == len(first.positions)

    second = live("desk goes on")
    assert proofs.faults(second, stopped=True) == []
    started = second.of(DeskStarted)[1]
    assert (started.resumed, started.open_positions) == (True, len(first.positions))
    assert started.at >= stopped.at
    closed = {event.trade.id for event in second.of(TradeClosed)}
    assert {p.id for p in first.positions} <= {p.id for p in second.positions} | closed
    assert (tmp_path / "err.txt").read_text() == ""
    assert oct(os.stat(tmp_path / "d" / "console.jsonl").st_mode)[-3:] == "600"


@pytest.mark.slow
def test_the_first_minute_shows_a_trade_from_decision_to_exit(tmp_path: Path) -> None:
    """Acceptance 1: `make run` as it comes, without an option."""
    process = program.start("run", "--data-dir", "data", cwd=tmp_path)
    try:
        trade_until(process, tmp_path, "desk started")
        began = time.monotonic()
        for words in ("confidence", "Filled", "protected", "Gross"):  # the last stands on a closed trade's card
            if words not in (tmp_path / "out.txt").read_text():
                trade_until(process, tmp_path, words)
        assert time.monotonic() - began < 60
        stop(process, signal.SIGINT)
    finally:
        process.kill()
    assert proofs.faults(read(tmp_path / "data"), stopped=True) == []
