"""Playbooks on paper beside the live desk: they see its market, touch nothing of it, and stand again after a crash."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from bot import markets
from bot.bootstrap import Wanted, assembled
from bot.library import Library
from bot.memory import bases_of, last_run
from bot.process import Gavel
from bot.settings import Settings
from bot.shadows import MOST, compared
from storage.database import Database
from storage.outbox import Outbox
from storage.queries import Queries
from tests.builders import BTC, ETH, NOW
from trading.clock import SystemClock
from trading.errors import BadPlaybook, Misuse
from trading.events import ShadowDeskChanged
from trading.market.moments import Step
from trading.market.snapshot import Snapshot
from trading.messages import AddShadow, AmendPhase, RemoveShadow, UsePlaybook
from trading.model import Trade
from trading.status import Difference

ME = "a test"
MINUTES = 150  # of market time until a cut
QUICK = """
name = "{name}"
title = "Often, and not for long"
universe = [{universe}]
[panel.flow]
weight = 1.5
min_trades = 0
[panel.technical]
weight = 1.0
[judge]
min_confidence = 0.2
min_agreeing = 1
dominance = 1
quorum = "renormalise"
[sizing]
leverage = 5
[limits]
max_daily_loss = 1
wash_guard = "1s"
[exits]
take_profit = {target}
stop_loss = 0.004
max_hold = "30m"
[schedule]
bar = "5m"
signals_every = "5m"
sweep_every = "1m"
digest_every = "4h"
[[phases]]
name = "final"
max_hold = "20m"
"""


def write(
    data: Path, name: str, *, confidence: str = "0.2", target: str = "0.005", universe: str = '"BTC", "ETH"'
) -> None:
    folder = data / "playbooks"
    folder.mkdir(parents=True, exist_ok=True)
    text = QUICK.format(name=name, target=target, universe=universe)
    (folder / f"{name}.toml").write_text(text)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with two playbooks of its own."""
    write(tmp_path / "data", "quick")
    write(tmp_path / "data", "patient", target="0.01")
    return tmp_path / "data"


@asynccontextmanager
async def a_process(data: Path, playbook: str = "quick", *, speed: float | None = None) -> AsyncIterator[Gavel]:
    """The whole process as the command line builds it, in the simulated market; by default at full speed."""
    library = Library(data)
    last = await last_run(data)
    running = library.load(last.playbook if last else playbook)
    market = markets.simulated(6, running, also=bases_of(last, library))
    settings = Settings(_env_file=None, data_dir=data)  # type: ignore[call-arg]
    wanted = Wanted(market=market, playbook=running, library=library, data_dir=data, speed=speed, quiet=True)
    async with assembled(settings, wanted) as process:
        yield process


async def play(process: Gavel, until: datetime) -> None:
    """From where the process stands."""
    steps = process.market.feed.steps(process.resumed_at or process.desk.now())
    await process.player.run(itertools.takewhile(lambda step: step.at <= until, steps))


def minute(process: Gavel, number: int) -> datetime:
    return process.market.begins + timedelta(minutes=number)


async def trades(process: Gavel, name: str = "") -> list[Trade]:
    """Of the live desk, or of a shadow."""
    if not name:
        return await process.queries.all_trades()
    records = process.shadows.running[name].records
    assert isinstance(records, Queries)
    return await records.all_trades()


async def add(process: Gavel, name: str) -> str:
    return await process.shadows.obey(AddShadow(name=name, by=ME))


async def remove(process: Gavel, name: str) -> str:
    return await process.shadows.obey(RemoveShadow(name=name, by=ME))


async def told(process: Gavel) -> list[ShadowDeskChanged]:
    recorded = await process.queries.events(0, 100_000)
    return [r.event for r in recorded if isinstance(r.event, ShadowDeskChanged)]


# --- a life beside the live desk --------------------------------------------------------------------------------------


async def test_a_shadow_of_the_same_playbook_does_what_the_live_desk_does(data: Path) -> None:
    async with a_process(data) as process:
        assert await add(process, "quick") == "quick runs on paper beside quick from now on."
        await play(process, minute(process, MINUTES))
        (view,) = await process.shadows.views()
        ours, theirs = await trades(process), await trades(process, "quick")
        assert len(ours) > 3
        assert [(t.symbol, t.closed_at, t.net) for t in ours] == [(t.symbol, t.closed_at, t.net) for t in theirs]
        assert (view.trades, view.net) == (view.ours_trades, view.ours_net) == (len(ours), sum(t.net for t in ours))
        assert (view.different, view.differences) == (0, ())
        assert view.same > 10
        assert view.equity == process.desk.status().equity


class Silent:
    """A voice that never answers."""

    name = "technical"
    instant = False

    def __init__(self) -> None:
        self.asked = 0

    async def opine(self, snapshot: Snapshot) -> NoReturn:
        self.asked += 1
        await asyncio.Event().wait()
        raise AssertionError("nobody has set it")


async def test_a_model_that_a_shadow_asks_holds_nothing_up_where_time_goes_on_by_itself(data: Path) -> None:
    async with a_process(data, speed=1e6) as process:
        await add(process, "patient")
        shadow, voice = process.shadows.running["patient"].desk, Silent()
        panel = replace(shadow.panel, personas=dict.fromkeys(shadow.panel.personas, voice))
        shadow.running.panel = panel
        shadow.cycle.use(shadow.playbook, panel)
        async with asyncio.timeout(60):
            await play(process, minute(process, 30))
        assert voice.asked, "it was asked, and has not answered"
        assert await trades(process) or process.desk.book.positions, "the live desk has gone on"
        await shadow.thinking.stop()


async def test_a_shadow_begins_with_the_live_desks_equity_of_that_moment(data: Path) -> None:
    async with a_process(data) as process:
        await play(process, minute(process, MINUTES))
        worth = process.desk.status().equity
        assert worth is not None
        assert worth != process.desk.book.state.start_equity
        before = len(await trades(process))
        await add(process, "patient")
        (view,) = await process.shadows.views()
        assert (view.start_equity, view.equity, view.since) == (worth, worth, process.desk.now())
        assert (view.trades, view.ours_trades, view.same, view.different) == (0, 0, 0, 0)
        assert before


async def test_two_playbooks_are_compared_from_the_moment_the_shadow_began(data: Path) -> None:
    async with a_process(data) as process:
        await play(process, minute(process, 60))
        await add(process, "patient")
        began = process.desk.now()
        steps = process.market.feed.steps(began + timedelta(minutes=1))
        await process.player.run(itertools.takewhile(lambda s: s.at <= minute(process, 60 + MINUTES), steps))
        (view,) = await process.shadows.views()
        ours = [t for t in await trades(process) if t.closed_at > began]
        theirs = await trades(process, "patient")
        assert (view.trades, view.net) == (len(theirs), sum(t.net for t in theirs))
        assert (view.ours_trades, view.ours_net) == (len(ours), sum(t.net for t in ours))
        assert view.different >= len(view.differences) > 0
        assert view.same > 0
        assert all(d.at > began and d.ours != d.theirs for d in view.differences)
        assert [d.at for d in view.differences] == sorted((d.at for d in view.differences), reverse=True)


async def test_the_live_desk_is_the_same_with_shadows_and_without(data: Path, tmp_path: Path) -> None:
    async with a_process(shutil.copytree(data, tmp_path / "alone")) as alone:
        await play(alone, minute(alone, MINUTES))
        expected = await trades(alone)
    async with a_process(data) as process:
        await add(process, "patient")
        await add(process, "quick")
        await play(process, minute(process, MINUTES))
        assert await trades(process) == expected


async def test_nothing_of_a_shadow_is_told(data: Path) -> None:
    async with a_process(data) as process:
        await add(process, "quick")
        await play(process, minute(process, 60))
        assert await trades(process, "quick")
    database = await Database.open(data / "shadow" / "quick" / "gavel.db")
    try:
        assert not any((await Outbox(database, SystemClock()).depth()).values())
    finally:
        await database.close()


# --- coming and going -------------------------------------------------------------------------------------------------


async def test_what_stands_beside_is_told_and_kept_in_the_live_desks_state(data: Path) -> None:
    async with a_process(data) as process:
        await add(process, "patient")
        await add(process, "quick")
        assert process.desk.book.state.beside == ("patient", "quick")
        assert "stay in the data directory" in await remove(process, "patient")
        assert process.desk.book.state.beside == ("quick",)
        assert [v.playbook for v in await process.shadows.views()] == ["quick"]
        assert [(e.playbook, e.running, e.by) for e in await told(process)] == [
            ("patient", True, ME),
            ("quick", True, ME),
            ("patient", False, ME),
        ]


async def test_what_cannot_be_is_refused_and_leaves_nothing_behind(data: Path) -> None:
    write(data, "elsewhere", universe='"XYZ"')
    async with a_process(data) as process:
        with pytest.raises(BadPlaybook, match="no playbook 'pateint'"):
            await add(process, "pateint")
        with pytest.raises(Misuse, match="no instrument of elsewhere"):
            await add(process, "elsewhere")
        with pytest.raises(Misuse, match="patient does not run in shadow"):
            await remove(process, "patient")
        await add(process, "patient")
        with pytest.raises(Misuse, match="runs in shadow already"):
            await add(process, "patient")
        for name in ("quick", "desk"):
            await add(process, name)
        assert len(process.shadows.running) == MOST
        with pytest.raises(Misuse, match="3 playbooks in shadow are the most"):
            await add(process, "smt-3.1")
        assert sorted(p.name for p in (data / "shadow").iterdir()) == ["desk", "patient", "quick"]


async def test_two_that_are_added_at_once_come_one_after_the_other(data: Path) -> None:
    async with a_process(data) as process:
        found = await asyncio.gather(*(add(process, "quick") for _ in range(2)), return_exceptions=True)
        assert [isinstance(f, Misuse) for f in found] == [False, True]
        assert sorted(p.name for p in (data / "shadow").iterdir()) == ["quick"]


async def test_instruments_the_market_does_not_have_are_named_and_there_after_a_restart(data: Path) -> None:
    write(data, "wide", universe='"BTC", "SOL"')
    async with a_process(data) as process:
        assert await add(process, "wide") == "wide runs on paper beside quick from now on. This market has no SOL."
        await play(process, minute(process, 10))
    async with a_process(data) as process:
        assert {i.base for i in process.market.feed.instruments().values()} == {"BTC", "ETH", "SOL"}
        assert list(process.shadows.running) == ["wide"]


async def test_who_comes_back_begins_anew_and_the_old_records_stay(data: Path) -> None:
    async with a_process(data) as process:
        await add(process, "quick")
        await play(process, minute(process, 60))
        assert await trades(process, "quick")
        await remove(process, "quick")
        await add(process, "quick")
        assert not await trades(process, "quick")
        (view,) = await process.shadows.views()
        assert view.since == process.desk.now()
    assert (data / "shadow" / "quick~1" / "gavel.db").is_file()


# --- faults -----------------------------------------------------------------------------------------------------------


async def test_a_fault_ends_the_shadow_alone_and_is_said_once(data: Path, tmp_path: Path) -> None:
    async with a_process(shutil.copytree(data, tmp_path / "alone")) as alone:
        await play(alone, minute(alone, 60))
        expected = await trades(alone)

    def broken(_: datetime) -> list[object]:
        raise RuntimeError("it broke")

    async with a_process(data) as process:
        await add(process, "patient")
        await add(process, "quick")
        process.shadows.running["patient"].track.due = broken  # type: ignore[assignment]
        await play(process, minute(process, 60))
        assert await trades(process) == expected
        assert process.desk.frozen == ""
        assert list(process.shadows.running) == ["quick"]
        assert [t.net for t in await trades(process, "quick")] == [t.net for t in expected]
        assert process.desk.book.state.beside == ("quick",)
        last = (await told(process))[-1]
        assert (last.playbook, last.running, last.by) == ("patient", False, "an inner error: RuntimeError: it broke")
        assert len(await told(process)) == 3


async def test_an_error_in_a_shadows_own_lane_ends_it_too(data: Path) -> None:
    async with a_process(data) as process:
        await add(process, "quick")
        process.shadows.running["quick"].desk._on_fault(BTC, RuntimeError("books do not add up"))
        await play(process, minute(process, 10))
        assert not process.shadows.running
        assert "books do not add up" in (await told(process))[-1].by


async def test_a_shadow_that_cannot_be_opened_again_does_not_keep_the_desk_from_starting(data: Path) -> None:
    async with a_process(data) as process:
        await add(process, "patient")
        await play(process, minute(process, 10))
    (data / "playbooks" / "patient.toml").write_text("nonsense")
    async with a_process(data) as process:
        assert not process.shadows.running
        last = (await told(process))[-1]
        assert (last.playbook, last.running) == ("patient", False)
        assert process.desk.book.state.beside == ()


# --- a crash ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def crashed(data: Path, *cuts: int) -> AsyncIterator[list[Path]]:
    """Play with a shadow, and keep what the disk holds at these minutes: what a process that dies there leaves."""
    images = []
    async with a_process(data) as process:
        await add(process, "patient")
        for cut in cuts:
            steps = process.market.feed.steps(process.desk.now())
            await process.player.run(itertools.takewhile(lambda s, c=cut: s.at <= minute(process, c), steps))
            images.append(shutil.copytree(data, data.with_name(f"at-{cut}")))
    yield images


Both = tuple[list[Trade], list[Trade]]
_WHOLE: list[Both] = []  # always the same, so played once


async def whole(data: Path) -> Both:
    """Trades of both desks without any crash."""
    if not _WHOLE:
        async with a_process(shutil.copytree(data, data.with_name("whole"))) as process:
            await add(process, "patient")
            await play(process, minute(process, MINUTES))
            _WHOLE.append((await trades(process), await trades(process, "patient")))
    return _WHOLE[0]


async def gone_on(data: Path) -> Both:
    async with a_process(data) as process:
        assert list(process.shadows.running) == ["patient"]
        await play(process, minute(process, MINUTES))
        return await trades(process), await trades(process, "patient")


async def test_a_desk_with_a_shadow_that_is_killed_goes_on_as_if_nothing_had_happened(data: Path) -> None:
    expected = await whole(data)
    assert all(expected)
    async with crashed(data, 47, 80) as images:
        pass
    for image in images:
        assert await gone_on(image) == expected


@pytest.mark.parametrize(("live", "shadow"), [(1, 0), (0, 1)])
async def test_live_desk_and_shadow_may_have_come_to_different_moments(data: Path, live: int, shadow: int) -> None:
    """Each is written by itself: a crash can lie in between, however little or long that is."""
    expected = await whole(data)
    async with crashed(data, 47, 80) as images:
        pass
    mixed = data.with_name("mixed")
    shutil.copytree(images[live], mixed)
    shutil.rmtree(mixed / "shadow")
    shutil.copytree(images[shadow] / "shadow", mixed / "shadow")
    assert await gone_on(mixed) == expected


async def test_after_an_orderly_end_both_go_on_too(data: Path) -> None:
    expected = await whole(data)
    async with a_process(data) as process:
        await add(process, "patient")
        await play(process, minute(process, 60))
        await process.desk.stop("asked to stop")
    assert await gone_on(data) == expected


async def test_a_moment_that_a_desk_has_lived_passes_it_by(data: Path) -> None:
    async with a_process(data) as process:
        await add(process, "quick")
        await play(process, minute(process, 60))
        track = process.shadows.running["quick"].track
        track.since = process.desk.now()
        before, moment = track.clock.now(), minute(process, 30)
        assert not await track.play(Step(at=moment, candles=(), funding=(), gaps=(), ended=()))
        assert track.clock.now() == before


# --- another playbook for the live desk -------------------------------------------------------------------------------


async def test_the_running_process_uses_another_playbook_and_goes_on_with_it_after_a_restart(data: Path) -> None:
    async with a_process(data) as process:
        await process.desk.obey(AmendPhase(phase="final", values=(("max_hold", "10m"),), by=ME))
        await process.desk.obey(UsePlaybook(name="patient", by=ME))
        await play(process, minute(process, 60))
        made = await process.queries.decisions(1)
        decision = await process.queries.decision(made[0].id)
        assert decision
        assert (decision.playbook, decision.playbook_hash) == ("patient", process.desk.playbook.hash)
    found = await last_run(data)
    assert found
    assert found.playbook == "patient"
    async with a_process(data) as process:
        assert process.desk.playbook.name == "patient"
        await process.desk.obey(UsePlaybook(name="quick", by=ME))
        phase = process.desk.playbook.phase_named("final")
        assert phase
        assert phase.max_hold == timedelta(minutes=10)


# --- comparing --------------------------------------------------------------------------------------------------------


def at(second: int) -> datetime:
    return NOW + timedelta(seconds=second)


@pytest.mark.parametrize(
    ("ours", "theirs", "same", "different"),
    [
        ("long", "long", 1, 0),
        ("wait", "wait", 1, 0),
        ("long", "short", 0, 1),
        ("long", "wait", 0, 1),
        ("wait", "denied", 0, 1),
        ("long", None, 0, 1),
        (None, "short", 0, 1),
        ("wait", None, 0, 0),
        (None, "denied", 0, 0),
    ],
)
def test_agreement_and_difference(ours: str | None, theirs: str | None, same: int, different: int) -> None:
    """Whoever did not look has not disagreed with one who looked and did nothing."""
    key = (at(1), BTC)
    found = compared({key: ours} if ours else {}, {key: theirs} if theirs else {})
    assert (found[0], len(found[1])) == (same, different)


def test_differences_are_told_newest_first() -> None:
    ours = {(at(1), BTC): "long", (at(2), BTC): "wait", (at(2), ETH): "short"}
    theirs = {(at(1), BTC): "short", (at(2), ETH): "wait"}
    same, found = compared(ours, theirs)
    assert same == 0
    assert found == [
        Difference(at=at(2), symbol=ETH, ours="short", theirs="wait"),
        Difference(at=at(1), symbol=BTC, ours="long", theirs="short"),
    ]
