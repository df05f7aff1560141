"""The only module that sees all three rooms: it builds them and wires them to each other."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bot import commands  # noqa: F401 - fills the catalogue
from bot.building import SHADOWS, Builder, Memory, Yard
from bot.catalogue import Tools
from bot.chats.console import Console
from bot.commands.completion import complete, toolbar
from bot.delivery import Delivery
from bot.front import Front
from bot.gate import Surface, access_for
from bot.library import Library
from bot.markets import Market
from bot.player import Pace, Player
from bot.process import Chats, Gavel, add_telegram, teller
from bot.render import RenderContext, render_event
from bot.routing import Routing
from bot.settings import Settings
from bot.shadows import Shadows
from bot.version import VERSION
from storage.confirmations import Confirmations
from storage.database import Database
from storage.journal import Remembered, SqlJournal
from storage.outbox import Outbox
from storage.preferences import Preferences
from storage.queries import Queries
from trading.clock import SystemClock
from trading.desk import Desk
from trading.errors import BadPlaybook, BadRecord
from trading.model import base_of
from trading.playbook import Playbook
from trading.ports import Clock
from trading.viewing import Viewing

CONSOLE = "console:main"
DATABASE = "gavel.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    """What stands on the database."""

    database: Database
    preferences: Preferences
    routing: Routing
    journal: SqlJournal
    remembered: Remembered | None

    @classmethod
    async def open(cls, directory: Path, destinations: Sequence[str], wall: Clock, *, inline: bool) -> "_Memory":
        database = await Database.open(directory / DATABASE, inline=inline)
        preferences = Preferences(database)
        routing = Routing(destinations, await preferences.load())
        journal = SqlJournal(database, route=routing, wall=wall)
        return cls(
            database=database,
            preferences=preferences,
            routing=routing,
            journal=journal,
            remembered=await journal.load(),
        )


# --- before the market is opened -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """What a data directory tells of its desk."""

    playbook: str
    beside: tuple[str, ...]  # playbooks in shadow
    bases: frozenset[str]  # of open positions and unfinished orders


async def last_run(data_dir: Path) -> LastRun | None:
    """None: no desk has lived there yet."""
    if not (data_dir / DATABASE).is_file():
        return None
    database = await Database.open(data_dir / DATABASE)
    try:
        found = await SqlJournal(database, route=lambda _: [], wall=SystemClock()).load()
    finally:
        await database.close()
    if found is None:
        return None
    symbols = {p.symbol for p in found.positions} | {o.symbol for o in found.orders}
    state = found.state
    return LastRun(playbook=state.playbook, beside=state.beside, bases=frozenset(base_of(s) for s in symbols))


def goes_on_with(last: LastRun, library: Library) -> Playbook:
    """The playbook the desk ran last. Raises BadPlaybook with what to do when it cannot be found."""
    try:
        return library.load(last.playbook)
    except BadPlaybook as error:
        raise BadPlaybook(f"this desk ran {last.playbook!r} last; name its file with --playbook ({error})") from error


def bases_of(last: LastRun | None, library: Library) -> frozenset[str]:
    """What the market must have besides the playbook's own: what is open, and what the shadow desks look at."""
    if last is None:
        return frozenset()
    bases = set(last.bases)
    for name in last.beside:
        with contextlib.suppress(BadPlaybook):  # said when it is opened again
            bases |= set(library.load(name).universe)
    return frozenset(bases)


# --- the whole process ----------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def assembled(
    settings: Settings,
    *,
    market: Market,
    playbook: Playbook,
    library: Library,
    data_dir: Path,
    speed: float | None,
    quiet: bool = False,
    mute: bool = False,
    progress: Callable[[datetime], None] = lambda _: None,
) -> AsyncIterator[Gavel]:
    """Build everything in order: memory, venue, desk, chats. Closes in the other order, the memory last.

    Raises BadRecord when the data directory belongs to another market, BadSettings for settings that cannot be used.
    """
    wall = SystemClock()
    users = settings.telegram_users if settings.telegram_token else ()
    destinations = (CONSOLE, *(f"telegram:{user}" for user in users))
    async with contextlib.AsyncExitStack() as opened:
        memory = await _Memory.open(data_dir, destinations, wall, inline=speed is None)
        opened.push_async_callback(memory.database.close)
        _same_market(memory, market, data_dir)
        builder = Builder(market, library)
        start = settings.start_equity
        built = await builder.build("gavel", data_dir, memory.journal, playbook=playbook, start=start, at=market.begins)
        opened.callback(built.venue.close)
        desk, records = built.desk, Queries(memory.database)
        shadows = _shadows(builder, desk, records, directory=data_dir / SHADOWS, wall=wall, hurried=speed is None)
        opened.push_async_callback(shadows.close)
        player = Player(
            desk=desk,
            feed=market.feed,
            venue=built.venue,
            clock=built.clock,
            due=built.schedule.due,
            pace=Pace(speed),
            progress=progress,
            beside=shadows.play,
        )
        chats = Chats()
        viewing = Viewing(market=built.view, book=desk.book, playbook=desk.playbook)
        desk.followers.append(viewing.use)
        front = Front(desk, chats=chats.states, shadows=shadows, viewing=viewing)
        about = RenderContext(mode=desk.mode, market=market.feed.source)
        surface = Surface(_tools(memory, front, library, about=about, wall=wall), access_for(users))
        console = Console(
            data_dir,
            stop=player.stopping.set,
            toolbar=lambda: toolbar(front, market.begins, market.ends),
            complete=lambda typed: complete(front, typed, library.names()),
            quiet=quiet,
            mute=mute,
        )
        opened.callback(console.close)
        add_telegram(chats, settings, surface, wall, tell=teller(desk))
        outbox = Outbox(memory.database, wall)
        delivery = _delivery(outbox, console, chats, about=about, wall=wall)
        if speed is not None:
            memory.journal.wake.append(delivery.wake)  # at full speed the wall job is enough, and delivers in batches
        await shadows.reopen()
        await shadows.catch_up(desk.now())
        market.feed.stand(desk.now())
        await desk.start()
        yield Gavel(
            desk=desk,
            player=player,
            delivery=delivery,
            console=console,
            chats=chats,
            surface=surface,
            queries=records,
            shadows=shadows,
            outbox=outbox,
            market=market,
            resumed_at=built.resumed_at,
        )


def _shadows(builder: Builder, live: Desk, records: Queries, *, directory: Path, wall: Clock, hurried: bool) -> Shadows:
    yard = Yard(
        builder=builder,
        directory=directory,
        remember=lambda place: _quiet(place, wall, inline=hurried),
        live=live,
        hurried=hurried,
    )
    return Shadows(live=live, records=records, feed=builder.market.feed, prepare=yard.prepare, anew=yard.put_aside)


def _delivery(outbox: Outbox, console: Console, chats: Chats, *, about: RenderContext, wall: Clock) -> Delivery:
    return Delivery(
        outbox=outbox,
        chats={"console": console, **({"telegram": chats.telegram} if chats.telegram else {})},
        render=lambda event: render_event(event, about),
        wall=wall,
        grace=timedelta(seconds=1),
    )


def _same_market(memory: _Memory, market: Market, data_dir: Path) -> None:
    found = memory.remembered.state.tags if memory.remembered else market.identity
    if found != market.identity:
        was = ", ".join(f"{k} {v}" for k, v in found.items())
        raise BadRecord(f"{data_dir} holds a desk of another market ({was}); give it a directory of its own")


async def _quiet(directory: Path, wall: Clock, *, inline: bool) -> Memory:
    """A shadow desk's memory: nobody is told of anything."""
    database = await Database.open(directory / DATABASE, inline=inline)
    journal = SqlJournal(database, route=lambda _: [], wall=wall)
    return Memory(journal=journal, records=Queries(database), close=database.close)


def _tools(memory: _Memory, front: Front, library: Library, *, about: RenderContext, wall: Clock) -> Tools:
    return Tools(
        desk=front,
        records=Queries(memory.database),
        confirmations=Confirmations(memory.database, wall),
        preferences=memory.preferences,
        routing=memory.routing,
        library=library,
        about=about,
        version=VERSION,
    )
