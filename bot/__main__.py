"""`gavel`: run, demo, doctor, watch, verify, export, playbook; and the account from the shell."""

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from bot.cli.account import cleanup, close, orders, positions
from bot.cli.doctor import doctor
from bot.cli.journal import export, verify
from bot.cli.options import STOPPED, Span, Speed, guarded
from bot.cli.options import settings as read_settings
from bot.cli.playbooks import playbook
from bot.cli.replay import replay
from bot.cli.train import train_whales
from bot.cli.watch import watch
from bot.version import VERSION
from trading import playbook as playbooks

SIM_SPEED = 1200.0  # twenty minutes each second: trades, guards and every kind of exit are seen in the first minute
CHAT_SPEED = 60.0  # with a phone at the other end: an hour a minute
REAL_SPEED = 1.0  # with models on the panel: answers take seconds, and a verdict on a market of long ago is not traded


@click.group()
@click.version_option(VERSION, prog_name="gavel")
def gavel() -> None:
    """A crypto-futures trading desk that lives in a chat. Paper money, unless you arm more."""


@gavel.command()
@click.option("--speed", type=Speed(), help="Market seconds per second, or max.")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Database and records.")
def run(speed: float | str | None, data_dir: Path | None) -> None:
    """Start the desk: on a simulated market, or on that of GAVEL_VENUE; chat in this terminal and, with a token, on
    your phone."""
    _start(Wanted(speed=speed, data_dir=data_dir))


@gavel.command()
@click.option("--history", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Candle files.")
@click.option("--funding", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Its funding rates.")
@click.option("--interval", type=Span(), help="Which bars, where a directory holds several: 5m, 1h.")
@click.option("--playbook", "playbook_name", help="A shipped playbook, or a TOML file.")
@click.option("--opinions", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Recorded ballots.")
@click.option("--speed", type=Speed(), help="Market seconds per second, or max (the default with --history).")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Database and records.")
@click.option("--fresh", is_flag=True, help="Forget what this data directory holds, and begin anew.")
@click.option("--seed", type=click.IntRange(0), help="Of the simulated market.")
@click.option("--json", "as_json", is_flag=True, help="One object on standard output at the end, nothing else.")
def demo(history: Path | None, playbook_name: str | None, **options: Any) -> None:
    """Run the desk over candle files, or over the simulated market."""
    _start(Wanted(history=history, playbook=playbook_name, demo=True, **options))


for each in (doctor, positions, orders, cleanup, close, verify, export, replay, playbook, watch, train_whales):
    gavel.add_command(each)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asked for; None is left to the settings."""

    history: Path | None = None
    funding: Path | None = None
    opinions: Path | None = None
    interval: timedelta | None = None
    playbook: str | None = None
    speed: float | str | None = None
    data_dir: Path | None = None
    fresh: bool = False
    seed: int | None = None
    as_json: bool = False
    demo: bool = False


def _start(wanted: Wanted) -> None:
    sys.exit(guarded(lambda: asyncio.run(_run(wanted))))


async def _run(wanted: Wanted) -> int:
    """Assemble and run one process; at the end of a history, the summary."""
    from bot import bootstrap, markets
    from bot.library import Library
    from bot.memory import bases_of, goes_on_with, last_run

    settings = read_settings()
    os.umask(0o077)  # what a desk writes is its owner's business
    tail = _log_to_stderr(settings)
    named = playbooks.load(wanted.playbook or settings.playbook)
    speed = _speed(wanted, settings)
    data_dir = _data_dir(wanted, settings, named)
    library = Library(data_dir, named, file=_file(wanted.playbook or settings.playbook))
    last = None if wanted.fresh else await last_run(data_dir)
    asked = wanted.playbook is not None or "playbook" in settings.model_fields_set
    playbook = named if asked or last is None else goes_on_with(last, library)
    also = bases_of(last, library)
    async with contextlib.AsyncExitStack() as opened:
        market = await _market(wanted, settings, playbook, set(also), opened)
        if wanted.opinions:
            market = markets.with_opinions(market, wanted.opinions, playbook)
        for note in market.notes:
            click.echo(f"note: {note}", err=True)
        if wanted.fresh:
            _forget(data_dir)
        doctor = await _doctor(settings, market, playbook, data_dir)
        process_wanted = bootstrap.Wanted(
            market=market,
            playbook=playbook,
            library=library,
            data_dir=data_dir,
            speed=speed,
            quiet=speed is None and market.ends is not None,  # of a whole history in a minute, the summary is read
            mute=wanted.as_json,
            log=tail,
            doctor=doctor,
        )
        await _play(wanted, settings, process_wanted)
    return STOPPED


async def _doctor(settings: Any, market: Any, playbook: playbooks.Playbook, data_dir: Path) -> Any:
    """The self-check of this process. Raises BadSettings where it finds an error and money is at stake."""
    from bot.doctor_opening import doctor_beside
    from bot.render.doctor import doctor_lines, has_errors
    from trading.clock import SystemClock
    from trading.errors import BadSettings

    doctor = doctor_beside(settings, market.connection, playbook, data_dir, SystemClock())
    if market.live and has_errors(await doctor.look()):
        click.echo("\n".join(doctor_lines(doctor.found)), err=True)
        raise BadSettings("the self-check above has an error: live does not start with it")
    return doctor


async def _market(
    wanted: Wanted, settings: Any, playbook: playbooks.Playbook, also: set[str], opened: contextlib.AsyncExitStack
) -> Any:
    """Candle files, the exchange that the settings name, or the simulated one."""
    from bot import markets

    if wanted.history:
        return markets.from_history(wanted.history, playbook, also=also, every=wanted.interval, funding=wanted.funding)
    if _real(wanted, settings):
        from bot import live_market
        from trading.clock import SystemClock

        connection = await live_market.connected(settings, playbook, also, SystemClock())
        opened.push_async_callback(connection.close)
        return live_market.market_of(connection, settings, SystemClock())
    return markets.simulated(settings.seed if wanted.seed is None else wanted.seed, playbook, also=also)


def _real(wanted: Wanted, settings: Any) -> bool:
    """Whether an exchange is what it runs on: `demo` never does."""
    return settings.venue is not None and not wanted.demo


async def _play(wanted: Wanted, settings: Any, prepared: Any) -> None:
    from bot import bootstrap

    market = prepared.market
    prompted = sys.stdin.isatty() and sys.stdout.isatty() and not wanted.as_json  # its toolbar says how far it is
    shown = prepared.speed is None and market.ends is not None and not prompted
    with _Progress(market.begins, market.ends, shown=shown) as progress:
        async with bootstrap.assembled(settings, replace(prepared, progress=progress)) as process:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, process.player.stopping.set)
            if market.ends and process.resumed_at and process.resumed_at >= market.ends:
                click.echo(f"note: {prepared.data_dir} has played this to its end; --fresh begins anew.", err=True)
            gc.collect()
            gc.freeze()  # what stands now stays: a full collection would look at all of it again, for 200 ms
            await process.run()
            if wanted.demo and (wanted.history or wanted.as_json):
                await _sum_up(process, as_json=wanted.as_json)


async def _sum_up(process: Any, *, as_json: bool) -> None:
    from bot.render.figures import performance_json, render_summary
    from bot.render.words import RenderContext, dressed
    from trading.performance import summarise

    desk = process.desk
    found = summarise(await process.queries.all_trades(), desk.book.state.start_equity)
    if as_json:
        click.echo(json.dumps(performance_json(found)))
    else:
        about = RenderContext(mode=desk.mode, market=desk.market.source)
        click.echo("\n" + dressed(render_summary(found), about).plain())


def _speed(wanted: Wanted, settings: Any) -> float | None:
    """None: as fast as it can."""
    if _real(wanted, settings):
        return 1.0  # a real market has its own
    chosen = wanted.speed or settings.speed
    if chosen is None:
        if wanted.history:
            return None
        if settings.voices == "on":
            return REAL_SPEED
        return CHAT_SPEED if settings.telegram_token or settings.discord_token else SIM_SPEED
    return None if chosen == "max" else float(chosen)


def _data_dir(wanted: Wanted, settings: Any, playbook: playbooks.Playbook) -> Path:
    if wanted.data_dir:
        return wanted.data_dir
    base: Path = settings.data_dir
    if _real(wanted, settings):
        folder: str = settings.account_folder
        return base / folder
    return base / "demo" / f"{wanted.history.resolve().name}-{playbook.name}" if wanted.history else base


def _file(name: str) -> Path | None:
    """Where a playbook that was named by its file stands, so that /reload reads it again."""
    return Path(name) if name.endswith(".toml") else None


def _forget(data_dir: Path) -> None:
    """Remove a desk's own files, and only those; its shadow desks go with it."""
    own = ("gavel.db*", "paper.db*", "console.jsonl", "heartbeat", "shadow/*/gavel.db*", "shadow/*/paper.db*")
    for pattern in (*own, "pictures/*", "files/*"):
        for path in data_dir.glob(pattern):
            path.unlink()


def _log_to_stderr(settings: Any) -> Any:
    """Returns the tail of the log, for /logs."""
    from bot import redaction
    from bot.log_tail import LogTail

    logging.basicConfig(level=settings.log_level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    for name in (
        "httpx",
        "httpcore",
        "httpx2",
        "httpcore2",
        "google_genai",
        "openai",
        "apscheduler",
        "alembic",
        "telegram",
        "discord",
    ):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
    tail = LogTail()
    logging.getLogger().addHandler(tail)
    redaction.install(settings.secrets)
    return tail


class _Progress:
    """A bar over the market's time, on standard error; silent where nobody would see it."""

    def __init__(self, begins: datetime, ends: datetime | None, *, shown: bool) -> None:
        self._begins = begins
        self._ends = ends or begins
        self._shown = shown and sys.stderr.isatty()
        self._bar: Any = None

    def __enter__(self) -> Callable[[datetime], None]:
        if not self._shown:
            return lambda _: None
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
        self._bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
        self._bar.start()
        task = self._bar.add_task("", total=(self._ends - self._begins).total_seconds())

        def show(at: datetime) -> None:
            done = (at - self._begins).total_seconds()
            self._bar.update(task, completed=done, description=f"{at:%Y-%m-%d}")

        return show

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def main() -> None:
    gavel()


if __name__ == "__main__":
    main()
