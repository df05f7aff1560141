"""The only module that sees all three rooms: it builds them and wires them to each other."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot import commands  # noqa: F401 - fills the catalogue
from bot.catalogue import COMMANDS, Tools
from bot.chats.console import Console
from bot.delivery import Delivery, DestinationHealth
from bot.gate import Surface, access_for
from bot.markets import Market
from bot.player import Pace, Player
from bot.render import RenderContext, render_event
from bot.routing import Routing
from bot.scheduler import MarketSchedule, wall_jobs
from bot.settings import Settings
from bot.version import VERSION
from storage.confirmations import Confirmations
from storage.database import Database
from storage.journal import SqlJournal
from storage.outbox import Outbox
from storage.preferences import Preferences
from storage.queries import Queries
from trading.clock import ManualClock, SystemClock
from trading.desk import Desk
from trading.errors import BadRecord, BadSettings
from trading.messages import ChatTroubled, Command, Event
from trading.model import Symbol
from trading.personas.flow import Flow
from trading.personas.panel import Persona
from trading.personas.technical import Technical
from trading.playbook import Playbook, Seat
from trading.status import Armed, Capability, DeskStatus
from trading.venues.paper import PaperVenue

log = logging.getLogger(__name__)

CONSOLE = "console:main"
DATABASE = "gavel.db"
ACCOUNT = "paper.db"
SAY_GOODBYE = timedelta(seconds=1.5)  # for what is still to be told when the desk stops

# A persona stands here when this version can arm it; the others of a playbook are off, and say so.
PERSONAS: dict[str, Callable[[Seat], Persona]] = {"flow": Flow, "technical": Technical}
NOT_ARMED = {
    "whale": "no on-chain reader in this version",
    "sentiment": "no language model in this version",
    "sigma": "not in this version",
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
class Gavel:
    """One process: a desk, its market, its chats."""

    desk: Desk
    player: Player
    delivery: Delivery
    console: Console
    telegram: Any  # Telegram | None; its library loads only where a token is
    mail: list[DestinationHealth]  # how the deliveries stand, for /health
    surface: Surface
    queries: Queries
    outbox: Outbox
    market: Market
    resumed_at: datetime | None

    async def run(self) -> bool:
        """Play until the market ends (True) or somebody stops it (False); chats come and go beside it."""
        beside = [asyncio.create_task(self.delivery.run(), name="delivery")]
        beside.append(asyncio.create_task(self.console.run(self.surface.handle), name="console"))
        if self.telegram is not None:
            beside.append(asyncio.create_task(self.telegram.run(), name="telegram"))
        for task in beside:
            task.add_done_callback(_report)
        jobs = wall_jobs([("outbox", timedelta(seconds=2), self._wake)])
        try:
            ended = await self.player.run(self.market.feed.steps(self.resumed_at))
            await self.desk.stop("the market's data has ended" if ended else "asked to stop")
            return ended
        finally:
            jobs.shutdown(wait=False)
            for task in beside[1:]:
                task.cancel()
            beside[0].cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self.delivery.drain(SAY_GOODBYE)
            if self.telegram is not None:
                await self.telegram.close()

    async def _wake(self) -> None:
        """Rows whose time for another try has come; and how the deliveries stand."""
        self.delivery.wake(await self.outbox.depth())
        self.mail[:] = await self.delivery.health()


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
    """Build everything in order: memory, market, desk, chats. Closes the memory last.

    Raises BadRecord when the data directory belongs to another market, BadSettings for settings that cannot be used.
    """
    wall = SystemClock()
    database = await Database.open(data_dir / DATABASE, inline=speed is None)
    venue: PaperVenue | None = None
    console: Console | None = None
    try:
        preferences = Preferences(database)
        users = settings.telegram_users if settings.telegram_token else ()
        destinations = (CONSOLE, *(f"telegram:{user}" for user in users))
        routing = Routing(destinations, await preferences.load())
        journal = SqlJournal(database, route=routing, wall=wall)
        remembered = await journal.load()
        if remembered:
            _same_market(remembered.state.tags, market.identity, data_dir)
        clock = ManualClock(market.begins)
        venue = PaperVenue(
            instruments=market.feed.instruments(),
            clock=clock,
            store=data_dir / ACCOUNT,
            start_balance=settings.start_equity,
        )
        # Whichever of the two lived longer: what the venue has seen already is not played again.
        lived = [at for at in (remembered.state.market_at if remembered else None, venue.lived_until) if at]
        resumed_at = max(lived, default=None)
        clock.set(max(market.begins, resumed_at or market.begins))
        desk = await Desk.open(
            name="gavel",
            journal=journal,
            clock=clock,
            market=market.feed,
            venue=venue,
            playbook=playbook,
            panel=_panel(playbook, market.lacks),
            off=_off(playbook, market.lacks),
            tags=market.identity,
        )
        about = RenderContext(mode=desk.mode, market=market.feed.source)
        outbox, queries = Outbox(database, wall), Queries(database)
        player = Player(
            desk=desk,
            feed=market.feed,
            venue=venue,
            clock=clock,
            due=MarketSchedule(playbook.schedule, _symbols(market)).due,
            pace=Pace(speed),
            progress=progress,
        )
        front = Front(desk, lambda: chats())
        tools = Tools(
            desk=front,
            records=queries,
            confirmations=Confirmations(database, wall),
            preferences=preferences,
            routing=routing,
            about=about,
            version=VERSION,
        )
        surface = Surface(tools, access_for(users))
        console = Console(
            data_dir,
            stop=player.stopping.set,
            toolbar=lambda: _toolbar(front.status()),
            complete=lambda text: _complete(text, front.status()),
            quiet=quiet,
        )
        telegram, refused = _telegram(settings, surface, wall, tell=_teller(desk))
        mail: list[DestinationHealth] = []

        def chats() -> tuple[Capability, ...]:
            return (telegram.state if telegram else refused, *(_mail_state(m) for m in mail))

        delivery = Delivery(
            outbox=outbox,
            chats={"console": console, **({"telegram": telegram} if telegram else {})},
            render=lambda event: render_event(event, about),
            wall=wall,
            grace=timedelta(seconds=1),
        )
        if speed is not None:
            journal.wake.append(delivery.wake)  # at full speed the wall job is enough, and delivers in batches
        market.feed.stand(clock.now())
        await desk.start()
        yield Gavel(
            desk=desk,
            player=player,
            delivery=delivery,
            console=console,
            telegram=telegram,
            mail=mail,
            surface=surface,
            queries=queries,
            outbox=outbox,
            market=market,
            resumed_at=resumed_at,
        )
    finally:
        if console is not None:
            console.close()
        if venue is not None:
            venue.close()
        await database.close()


def _panel(playbook: Playbook, lacks: Mapping[str, str]) -> dict[str, Persona]:
    off = _off(playbook, lacks)
    return {name: PERSONAS[name](seat) for name, seat in playbook.panel.items() if name not in off}


def _off(playbook: Playbook, lacks: Mapping[str, str]) -> dict[str, str]:
    """The playbook's personas that are switched off: they do not exist for the judge, and /health says why."""
    why = {name: NOT_ARMED[name] for name in playbook.panel if name not in PERSONAS}
    why |= {name: reason for name, reason in lacks.items() if name in playbook.panel}
    return why | {name: "switched off in the playbook" for name, seat in playbook.panel.items() if not seat.enabled}


def _symbols(market: Market) -> list[Symbol]:
    return sorted(market.feed.instruments())


def _same_market(found: dict[str, str], expected: dict[str, str], data_dir: Path) -> None:
    if found != expected:
        was = ", ".join(f"{k} {v}" for k, v in found.items())
        raise BadRecord(f"{data_dir} holds a desk of another market ({was}); give it a directory of its own")


def _teller(desk: Desk) -> Callable[[str, bool], None]:
    """Journal what a chat's own thread of events has to say, without making it wait."""
    telling: set[asyncio.Task[None]] = set()

    def tell(detail: str, over: bool) -> None:
        event = ChatTroubled(at=desk.now(), chat="telegram", detail=detail, over=over)
        task = asyncio.create_task(desk.tell(event))
        telling.add(task)
        task.add_done_callback(telling.discard)

    return tell


def _mail_state(mail: DestinationHealth) -> Capability:
    """One destination's deliveries as a line of /health."""
    faults = [mail.error] if mail.error else []
    if faults and mail.waiting:
        faults.append(f"{mail.waiting} waiting")
    if mail.dead:
        faults.append(f"{mail.dead} refused for good: {mail.refusal}")
    state = Armed.DEGRADED if faults else Armed.ARMED
    return Capability(name=f"messages to {mail.destination}", state=state, why="; ".join(faults), since=mail.since)


def _telegram(
    settings: Settings, surface: Surface, wall: SystemClock, *, tell: Callable[[str, bool], None]
) -> tuple[Any, Capability]:
    """The bot, where there is a token; else, or when nobody may use it, the reason in one line."""
    if settings.telegram_token is None:
        return None, Capability(name="telegram", state=Armed.OFF, why="no TELEGRAM_BOT_TOKEN")
    from bot.chats.telegram import DEFAULT_BASE_URL, Telegram
    from bot.chats.telegram_watch import Trouble

    try:
        telegram = Telegram(
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
        return None, Capability(name="telegram", state=Armed.OFF, why=str(error))
    return telegram, telegram.state


def _toolbar(status: DeskStatus) -> str:
    equity = "?" if status.equity is None else f"{status.equity:,.2f}"
    return (
        f" {status.mode} · {status.market} · {status.at:%Y-%m-%d %H:%M} · equity {equity} · "
        f"{len(status.positions)} open · {status.frozen or status.trading.value} "
    )


def _complete(text: str, status: DeskStatus) -> list[str]:
    """Whole lines that may follow: commands, and ids of what is open for those that take one."""
    word, _, rest = text.partition(" ")
    if not rest and not text.endswith(" "):
        return [f"/{name}" for name in COMMANDS if f"/{name}".startswith(word)]
    if word in ("/close", "/position", "/why", "/ask"):
        return [f"{word} {p.position.id}" for p in status.positions if p.position.id.startswith(rest)]
    return []


def _report(task: "asyncio.Task[None]") -> None:
    """A chat that dies takes nothing with it, but never in silence."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s ended: %s", task.get_name(), error, exc_info=error)
