"""Paper on live prices, as a user meets it: `gavel run` with GAVEL_VENUE and no key, on each of the exchanges."""

import asyncio
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.exchange_house import NAMES
from tests.fakes.gemini_api import KEY, GeminiApi
from tests.process import program, proofs
from tests.process.live_market import Live, live, to_close
from tests.process.records import Chain
from trading.clock import SystemClock
from trading.decision import Abstention
from trading.events import DecisionMade, DeskStarted, TradeClosed
from trading.messages import SCHEDULED

SECOND = timedelta(seconds=1)
STARTS_WITHIN = 16 * SECOND  # so long after the start a bar closes
HARDLY = Decimal("0.00001")  # a market that goes nowhere


def bare(said: str) -> str:
    """Without frames and folds."""
    return " ".join(re.sub(r"[│┌└]", " ", said).split())


async def a_position(desk: Live) -> None:
    await desk.until(lambda: "protected" in desk.said, "a protected position")


async def stopped(desk: Live) -> None:
    took = await desk.stop()
    assert took < program.STOPS_WITHIN
    records = desk.records()
    assert proofs.faults(records, stopped=True) == []
    assert Chain().faults(desk.data) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_it_decides_at_a_close_fills_on_paper_protects_exits_and_says_how_it_is(
    tmp_path: Path, name: str
) -> None:
    async with live(name, tmp_path, ahead=to_close(STARTS_WITHIN)) as desk:
        desk.start()
        await a_position(desk)
        await desk.until(lambda: re.search(r"PAPER \w+ (long|short) (won|lost)", desk.said), "an exit")
        desk.type("/health")
        await desk.until(lambda: "PAPER health" in desk.said, "/health")
        await stopped(desk)
        said = bare(desk.said)
        health = said[said.index("PAPER health") :]
        for line in ("quotes", "stream of the market", "instruments", "limits of market data: "):
            assert line in health
        assert "simulated" not in said
        assert {call.method for call in desk.front.requests} == {"GET"}, "nothing is ordered there"
        records = desk.records()
        entries = [d.decision for d in records.of(DecisionMade) if d.decision.trigger == SCHEDULED]
        first = min(d.at for d in entries)
        assert timedelta() < first - first.replace(second=0, microsecond=0) < 5 * SECOND, "soon after the close"
        assert records.of(TradeClosed)
        flow = [o for d in entries for o in d.opinions if o.persona == "flow" and isinstance(o, Abstention)]
        reasons = {o.reason for o in flow}
        unheard = "of the last 3m not all trades were heard: taker volume is not known"
        assert reasons == ({unheard} if name == "bybit" else set())
        assert desk.log == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_streams_that_fall_silent_and_an_exchange_that_is_down_are_said_once_and_come_back(
    tmp_path: Path, name: str
) -> None:
    async with live(name, tmp_path, ahead=to_close(STARTS_WITHIN), swing=HARDLY) as desk:
        desk.start()
        await a_position(desk)
        faults = desk.front.faults
        faults.stream = "reordered"
        await asyncio.sleep(1)
        faults.stream = "silent"
        await desk.until(lambda: "quotes are read over REST" in desk.log, "polling")
        await faults.drop_streams()
        await desk.until(lambda: "market: the stream is back" in desk.log, "the stream")
        for kind in ("drop before", "500 before"):
            faults.add(kind, times=None)
        await faults.drop_streams()
        await desk.until(lambda: "the exchange cannot be read" in desk.log, "that it is down")
        await asyncio.sleep(5)
        desk.type("/health")
        await desk.until(lambda: "cannot be read:" in bare(desk.said), "/health")
        faults.clear()
        await desk.until(lambda: "the exchange can be read again" in desk.log, "that it is back")
        await desk.until(lambda: "quotes come on the stream again" in desk.log, "quotes")
        decided = len(desk.records().of(DecisionMade))
        await desk.until(lambda: len(desk.records().of(DecisionMade)) > decided, "a decision")
        await stopped(desk)
        for words in ("quotes are read over REST", "quotes come on the", "cannot be read", "can be read again"):
            assert desk.log.count(words) == 1, desk.log
        assert desk.log.count("the stream is down") == desk.log.count("the stream is back") <= 2
        assert "Traceback" not in desk.log


@pytest.mark.slow
async def test_killed_and_started_again_nothing_is_lost_and_stops_that_fired_have_fired(tmp_path: Path) -> None:
    async with live("binance", tmp_path, ahead=to_close(STARTS_WITHIN), swing=HARDLY) as desk:
        desk.start()
        await a_position(desk)
        await asyncio.sleep(1)
        await desk.kill()
        held = {p.id: p for p in desk.records().positions}
        assert held
        desk.still.set()
        for native, price in {n: desk.core.last(n) for n in desk.core.specs}.items():
            for factor in ("0.98", "1.02", "1"):
                desk.core.move(native, price * Decimal(factor))
        began = SystemClock().now() + timedelta(milliseconds=desk.ahead)
        desk.still.clear()
        desk.start()
        await desk.until(lambda: "desk goes on" in desk.said, "the desk to go on")
        await desk.until(lambda: len(desk.records().of(TradeClosed)) >= len(held), "what has happened meanwhile")
        await stopped(desk)
        records = desk.records()
        closed = {e.trade.id for e in records.of(TradeClosed)}
        assert held.keys() <= closed
        guards = {p.protection.stop_id for p in held.values()} | {p.protection.target_id for p in held.values()}
        fired = [f for f in records.account.fills if f.client_id in guards]
        assert {f.client_id for f in fired} <= {p.protection.stop_id for p in held.values()}, "the stop comes first"
        assert len(fired) == len(held)
        assert all(f.at < began + 60 * SECOND for f in fired)
        assert len({f.id for f in records.account.fills}) == len(records.account.fills)


async def test_models_speak_about_a_market_that_is_real(tmp_path: Path) -> None:
    async with GeminiApi() as gemini, live("bybit", tmp_path, ahead=to_close(40 * SECOND)) as desk:
        desk.start(GAVEL_PLAYBOOK="desk", GEMINI_API_KEY=KEY, GEMINI_BASE_URL=gemini.url)
        await desk.until(lambda: "desk started" in desk.said, "a start")
        await stopped(desk)
        [started] = desk.records().of(DeskStarted)
        assert not [off for off in started.personas_off if off.startswith(("sentiment", "flow"))]
        assert (started.mode, started.market) == ("PAPER", "Bybit V5, live prices")


async def test_what_cannot_be_traded_is_said_and_left_out(tmp_path: Path) -> None:
    async with live("binance", tmp_path, ahead=to_close(40 * SECOND)) as desk:
        desk.front.faults.add("unknown code", "/fapi/v1/fundingRate", times=1)
        desk.start(GAVEL_PLAYBOOK="desk")
        await desk.until(lambda: "desk started" in desk.said, "a start")
        desk.type("/health")
        await desk.until(lambda: re.search(r"PAPER health: \d degraded", desk.said), "/health")
        await stopped(desk)
        [note] = [line for line in desk.log.splitlines() if line.startswith("note: ")]
        assert re.match(r"note: \w+ is not traded: ", note)
        assert note.removeprefix("note: ")[:20] in bare(desk.said)


async def test_an_exchange_that_is_not_there_at_the_start_is_one_line(tmp_path: Path) -> None:
    async with live("weex", tmp_path, ahead=0) as desk:
        desk.front.faults.add("500 before", times=None)
        desk.start()
        await desk.until_over()
        assert desk.process is not None
        assert desk.process.returncode == 1
        assert re.fullmatch(r"gavel: .+\n", desk.log), desk.log
        assert not desk.data.exists()


@pytest.mark.parametrize("args", [("demo", "--speed", "3000"), ("demo", "--history", "candles", "--json")])
def test_a_demo_is_played_whatever_exchange_is_set(tmp_path: Path, args: Any) -> None:
    program.candles(tmp_path / "candles", 80)
    (tmp_path / "busy.toml").write_text(program.BUSY)
    nowhere: dict[str, str] = {"GAVEL_VENUE": "binance", "GAVEL_VENUE_LOOPBACK": "127.0.0.1:1"}
    if "--history" in args:
        done = program.run(*args, "--playbook", "busy.toml", cwd=tmp_path, **nowhere)
        assert done.returncode == 0, done.stderr
        return
    process = program.start(*args, "--playbook", "busy.toml", cwd=tmp_path, **nowhere)
    try:
        while "simulated market" not in (tmp_path / "out.txt").read_text():
            assert process.poll() is None, (tmp_path / "err.txt").read_text()
    finally:
        process.kill()
        process.wait()
