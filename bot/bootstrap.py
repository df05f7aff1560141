"""The only module that sees all three rooms: it builds them and wires them to each other."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from bot import commands  # noqa: F401 - fills the catalogue
from bot.catalogue import COMMANDS, Tools
from bot.chats.console import Console
from bot.commands.completion import complete, toolbar
from bot.delivery import Delivery
from bot.gate import Surface, access_for
from bot.markets import Market
from bot.player import Pace, Player
from bot.process import Chats, Gavel
from bot.render import RenderContext, render_event
from bot.routing import Routing
from bot.scheduler import MarketSchedule
from bot.settings import Settings
from bot.version import VERSION
from storage.confirmations import Confirmations
from storage.database import Database
from storage.journal import Remembered, SqlJournal
from storage.outbox import Outbox
from storage.preferences import Preferences
from storage.queries import Queries
from trading.clock import ManualClock, SystemClock
from trading.desk import Desk
from trading.errors import BadRecord, BadSettings
from trading.messages import ChatTroubled, Command, Event
from trading.personas.flow import Flow
from trading.personas.panel import Persona
from trading.personas.sigma import Sigma
from trading.personas.technical import Technical
from trading.playbook import Playbook, Seat
from trading.ports import Clock
from trading.status import Armed, Capability, DeskStatus
from trading.venues.paper import PaperVenue

log = logging.getLogger(__name__)

CONSOLE = "console:main"
DATABASE = "gavel.db"
ACCOUNT = "paper.db"

# A persona stands here when this version can arm it; the others of a playbook are off, and say so.
PERSONAS: dict[str, Callable[[Seat], Persona]] = {"flow": Flow, "technical": Technical, "sigma": Sigma}
NOT_ARMED = {
    "whale": "no on-chain reader in this version",
    "sentiment": "no language model in this version",
    "council": "no language model in this version",
}


class Front:
    """The desk as the surface sees it: with the state of the chats beside its own."""

    def __init__(self, desk: Desk, chats: Callable[[], tuple[Capability, ...]]) -> None:
        self._desk = desk
        self._chats = chats
        self.playbook = desk.playbook

    def status(self) -> DeskStatus:
        status = self._desk.status()
        return replace(status, capabilities=(*status.capabilities, *self._chats()))

    def now(self) -> datetime:
        return self._desk.now()

    async def obey(self, command: Command) -> str:
        return await self._desk.obey(command)

    async def tell(self, *events: Event) -> None:
        await self._desk.tell(*events)


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


@contextlib.asynccontextmanager
async def assembled(
    settings: Settings,
    *,
    market: Market,
    playbook: Playbook,
    data_dir: Path,
    speed: float | None,
    quiet: bool = False,
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
        clock = ManualClock(market.begins)
        venue = _venue(settings, market, clock, data_dir)
        opened.callback(venue.close)
        resumed_at = _lived_until(memory, venue)
        clock.set(max(market.begins, resumed_at or market.begins))
        desk = await _desk(memory, market, venue, clock, playbook)
        player = Player(
            desk=desk,
            feed=market.feed,
            venue=venue,
            clock=clock,
            due=MarketSchedule(playbook.schedule, sorted(market.feed.instruments())).due,
            pace=Pace(speed),
            progress=progress,
        )
        chats = Chats()
        front = Front(desk, chats.states)
        about = RenderContext(mode=desk.mode, market=market.feed.source)
        surface = Surface(_tools(memory, front, about, wall), access_for(users))
        console = Console(
            data_dir,
            stop=player.stopping.set,
            toolbar=lambda: toolbar(front),
            complete=lambda typed: complete(front, typed),
            quiet=quiet,
        )
        opened.callback(console.close)
        _add_telegram(chats, settings, surface, wall, tell=_teller(desk))
        outbox = Outbox(memory.database, wall)
        delivery = Delivery(
            outbox=outbox,
            chats={"console": console, **({"telegram": chats.telegram} if chats.telegram else {})},
            render=lambda event: render_event(event, about),
            wall=wall,
            grace=timedelta(seconds=1),
        )
        if speed is not None:
            memory.journal.wake.append(delivery.wake)  # at full speed the wall job is enough, and delivers in batches
        market.feed.stand(clock.now())
        await desk.start()
        yield Gavel(
            desk=desk,
            player=player,
            delivery=delivery,
            console=console,
            chats=chats,
            surface=surface,
            queries=Queries(memory.database),
            outbox=outbox,
            market=market,
            resumed_at=resumed_at,
        )


def _same_market(memory: _Memory, market: Market, data_dir: Path) -> None:
    found = memory.remembered.state.tags if memory.remembered else market.identity
    if found != market.identity:
        was = ", ".join(f"{k} {v}" for k, v in found.items())
        raise BadRecord(f"{data_dir} holds a desk of another market ({was}); give it a directory of its own")


def _venue(settings: Settings, market: Market, clock: Clock, data_dir: Path) -> PaperVenue:
    return PaperVenue(
        instruments=market.feed.instruments(),
        clock=clock,
        store=data_dir / ACCOUNT,
        start_balance=settings.start_equity,
    )


def _lived_until(memory: _Memory, venue: PaperVenue) -> datetime | None:
    """Whichever of desk and venue lived longer: what the venue has seen already is not played again."""
    desk = memory.remembered.state.market_at if memory.remembered else None
    return max((at for at in (desk, venue.lived_until) if at), default=None)


async def _desk(memory: _Memory, market: Market, venue: PaperVenue, clock: Clock, playbook: Playbook) -> Desk:
    return await Desk.open(
        name="gavel",
        journal=memory.journal,
        clock=clock,
        market=market.feed,
        venue=venue,
        playbook=playbook,
        panel=_panel(playbook, market.lacks),
        off=_off(playbook, market.lacks),
        tags=market.identity,
    )


def _tools(memory: _Memory, front: Front, about: RenderContext, wall: Clock) -> Tools:
    return Tools(
        desk=front,
        records=Queries(memory.database),
        confirmations=Confirmations(memory.database, wall),
        preferences=memory.preferences,
        routing=memory.routing,
        about=about,
        version=VERSION,
    )


def _panel(playbook: Playbook, lacks: Mapping[str, str]) -> dict[str, Persona]:
    off = _off(playbook, lacks)
    return {name: PERSONAS[name](seat) for name, seat in playbook.panel.items() if name not in off}


def _off(playbook: Playbook, lacks: Mapping[str, str]) -> dict[str, str]:
    """The playbook's personas that are switched off: they do not exist for the judge, and /health says why."""
    why = {name: NOT_ARMED[name] for name in playbook.panel if name not in PERSONAS}
    why |= {name: reason for name, reason in lacks.items() if name in playbook.panel}
    return why | {name: "switched off in the playbook" for name, seat in playbook.panel.items() if not seat.enabled}


def _teller(desk: Desk) -> Callable[[str, bool], None]:
    """Journal what a chat's own thread of events has to say, without making it wait."""
    telling: set[asyncio.Task[None]] = set()

    def tell(detail: str, over: bool) -> None:
        event = ChatTroubled(at=desk.now(), chat="telegram", detail=detail, over=over)
        task = asyncio.create_task(desk.tell(event))
        telling.add(task)
        task.add_done_callback(telling.discard)

    return tell


def _add_telegram(
    chats: Chats, settings: Settings, surface: Surface, wall: Clock, *, tell: Callable[[str, bool], None]
) -> None:
    """The bot, where there is a token; else, or when nobody may use it, the reason in one line."""
    if settings.telegram_token is None:
        chats.refused = (Capability(name="telegram", state=Armed.OFF, why="no TELEGRAM_BOT_TOKEN"),)
        return
    from bot.chats.telegram import DEFAULT_BASE_URL, Telegram
    from bot.chats.telegram_watch import Trouble

    try:
        chats.telegram = Telegram(
            token=settings.telegram_token,
            allowed=frozenset(settings.telegram_users),
            handle=surface.handle,
            clock=wall,
            menu=[(entry.name, entry.help) for entry in COMMANDS.values()],
            url=settings.telegram_base_url or DEFAULT_BASE_URL,
            on_trouble=lambda kind, detail: tell(detail, kind in (Trouble.BACK, Trouble.CONFLICT_OVER)),
        )
    except BadSettings as error:
        log.error("%s", error)
        chats.refused = (Capability(name="telegram", state=Armed.OFF, why=str(error)),)
