"""The only module that sees all three rooms: it builds them, in order, and wires them to each other."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from bot import commands  # noqa: F401 - fills the catalogue
from bot.ai_log_keeping import ai_log_of
from bot.building import SHADOWS, Builder, Built, Yard
from bot.charts.studio import Studio
from bot.chats.console import DESTINATION, Console
from bot.commands.completion import complete, toolbar
from bot.doctor import CHECKED_EVERY, Doctor
from bot.front import Front
from bot.gate import Surface
from bot.housekeeping import Housekeeping, Telling
from bot.library import Library
from bot.live_lines import live_lines
from bot.live_player import LivePlayer
from bot.live_setup import Setup, setup_of
from bot.log_tail import LogTail
from bot.markets import Market
from bot.memory import Memory, quiet_memory
from bot.people import Directory
from bot.player import Pace, Player
from bot.process import Gavel
from bot.reach import Tools
from bot.render.words import RenderContext
from bot.scheduler import Job
from bot.settings import Settings
from bot.shadows import Shadows
from bot.talking import Chats, armed, teller
from bot.version import VERSION
from bot.voices import Voices
from trading.clock import SystemClock
from trading.desk import Desk
from trading.errors import BadRecord
from trading.events import PeopleChanged
from trading.playbook import Playbook
from trading.ports import Clock
from trading.viewing import Viewing


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a process is to be. `speed` None: as fast as it can. `quiet`, `mute`: of the terminal, see Console."""

    market: Market
    playbook: Playbook
    library: Library
    data_dir: Path
    speed: float | None
    quiet: bool = False
    mute: bool = False
    progress: Callable[[datetime], None] = lambda _: None
    log: LogTail = field(default_factory=LogTail)
    doctor: Doctor | None = None


@contextlib.asynccontextmanager
async def assembled(settings: Settings, wanted: Wanted) -> AsyncIterator[Gavel]:
    """Build everything in order: memory, venue, desk, chats. Closes in the other order, the memory last.

    Raises BadRecord when the data directory belongs to another market, BadSettings for settings that cannot be used.
    """
    wall, market, directory = SystemClock(), wanted.market, wanted.data_dir
    hurried = wanted.speed is None
    async with contextlib.AsyncExitStack() as opened:
        memory = await Memory.open(directory, settings, wall, inline=hurried)
        opened.push_async_callback(memory.database.close)
        _same_market(memory, market, directory)
        voices = await Voices.open(settings, ledger=memory.ledger, cache=memory.chain, real=market.real, wall=wall)
        opened.push_async_callback(voices.close)
        builder = Builder(market, wanted.library, voices)
        built = await builder.build(
            "gavel",
            directory,
            memory.journal,
            playbook=wanted.playbook,
            start=settings.start_equity,
            at=market.begins,
            live=True,
        )
        if built.paper is not None:
            opened.callback(built.paper.close)
        desk = built.desk
        shadows = _shadows(builder, desk, memory, directory=directory / SHADOWS, wall=wall, hurried=hurried)
        opened.push_async_callback(shadows.close)
        steps = _Steps([wanted.progress])
        player = _player(built, market, shadows, speed=wanted.speed, progress=steps)
        chats, studio = Chats(), Studio(directory / "fonts")
        voices.follow(desk)
        chats.others.append(lambda: voices.state)
        if market.connection is not None:
            chats.lines.append(lambda: live_lines(market, wanted.doctor.found if wanted.doctor else ()))
        setup = setup_of(settings, connected=market.connection is not None)
        ai_log = ai_log_of(settings, market, memory, desk, wall)
        if ai_log is not None:
            opened.push_async_callback(ai_log.close)
            chats.others.append(lambda: ai_log.state)
        tools = _tools(memory, _front(built, shadows, chats), wanted, voices, setup)
        surface = Surface(tools, trouble=chats.distrust)
        armed(chats, settings, surface, wall, artist=studio, tell=teller(desk))
        memory.people.followers.append(chats.refresh_menus)
        console = _console(memory, tools, wanted, player, studio)
        opened.callback(console.close)
        telling = Telling(
            memory=memory,
            desk=tools.desk,
            chats=chats,
            seats={console.platform: console, **chats.by_platform()},
            about=tools.about,
            wall=wall,
        )
        url = settings.heartbeat_url.get_secret_value() if settings.heartbeat_url else ""
        bar = wanted.playbook.schedule.bar / wanted.speed if wanted.speed else timedelta()
        checks = _checks(wanted, desk)
        house = Housekeeping.of(telling, directory, url=url, bar=bar, models=voices.watch.check, also=checks)
        steps.followers.append(lambda _: house.heartbeat.stepped())
        if not hurried:  # at full speed the wall job is enough, and delivers in batches
            memory.journal.mail.append(house.delivery.hear)
            memory.journal.claim = house.delivery.claims
        await shadows.reopen()
        if market.connection is None:
            await shadows.catch_up(desk.now())
        market.feed.stand(desk.now())
        if ai_log is not None:
            ai_log.start()
        await desk.start()
        await _tell_of_people(memory.people, desk)
        yield Gavel(
            desk=desk,
            player=player,
            console=console,
            chats=chats,
            surface=surface,
            queries=memory.records,
            shadows=shadows,
            studio=studio,
            market=market,
            housekeeping=house,
            resumed_at=built.resumed_at,
        )


@dataclass(slots=True)
class _Steps:
    """Who follows the market's time: the progress bar, and the heartbeat."""

    followers: list[Callable[[datetime], None]]

    def __call__(self, at: datetime) -> None:
        for follow in self.followers:
            follow(at)


def _same_market(memory: Memory, market: Market, data_dir: Path) -> None:
    found = memory.remembered.state.tags if memory.remembered else market.identity
    if found != market.identity:
        was = ", ".join(f"{k} {v}" for k, v in found.items())
        raise BadRecord(f"{data_dir} holds a desk of another market ({was}); give it a directory of its own")


def _shadows(builder: Builder, live: Desk, memory: Memory, *, directory: Path, wall: Clock, hurried: bool) -> Shadows:
    yard = Yard(
        builder=builder,
        directory=directory,
        remember=lambda place: quiet_memory(place, wall, inline=hurried),
        live=live,
        hurried=hurried,
    )
    feed = builder.market.feed
    return Shadows(
        live=live,
        records=memory.records,
        feed=feed,
        played=builder.market.played,
        prepare=yard.prepare,
        anew=yard.put_aside,
    )


def _player(
    built: Built, market: Market, shadows: Shadows, *, speed: float | None, progress: Callable[[datetime], None]
) -> Player | LivePlayer:
    if market.connection is not None:
        return LivePlayer(
            desk=built.desk,
            feed=market.connection.feed,
            venue=built.paper,
            due=built.schedule.due,
            keep=market.connection.run,
            progress=progress,
            beside=shadows.play,
        )
    assert built.paper is not None, "a market that is played has a paper account"
    return Player(
        desk=built.desk,
        feed=market.feed,
        venue=built.paper,
        clock=built.clock,
        due=built.schedule.due,
        pace=Pace(speed),
        progress=progress,
        beside=shadows.play,
    )


def _front(built: Built, shadows: Shadows, chats: Chats) -> Front:
    desk = built.desk
    viewing = Viewing(market=built.view, book=desk.book, playbook=desk.playbook)
    desk.followers.append(viewing.use)
    return Front(desk, chats=chats.states, shadows=shadows, viewing=viewing)


def _checks(wanted: Wanted, desk: Desk) -> tuple[Job, ...]:
    """The self-check knows the desk from now on, and is kept current where money is at stake."""
    if wanted.doctor is None:
        return ()
    wanted.doctor.follow(desk)
    return (("self-check", CHECKED_EVERY, wanted.doctor.refresh),) if wanted.market.live else ()


def _tools(memory: Memory, front: Front, wanted: Wanted, voices: Voices, setup: Setup) -> Tools:
    return Tools(
        desk=front,
        records=memory.records,
        figures=memory.figures,
        confirmations=memory.confirmations,
        people=memory.people,
        preferences=memory.preferences,
        wishes=memory.wishes,
        mail=memory.outbox,
        routing=memory.routing,
        library=wanted.library,
        log=wanted.log,
        voices=voices,
        about=RenderContext(mode=front.mode, market=wanted.market.feed.source),
        version=VERSION,
        doctor=wanted.doctor,
        setup=setup,
    )


def _console(memory: Memory, tools: Tools, wanted: Wanted, player: Player | LivePlayer, studio: Studio) -> Console:
    market = wanted.market
    return Console(
        wanted.data_dir,
        stop=player.stopping.set,
        toolbar=lambda: toolbar(tools.desk, market.begins, market.ends),
        complete=lambda typed: complete(tools, typed),
        quiet=wanted.quiet,
        mute=wanted.mute,
        artist=studio,
        pictured=lambda: memory.wishes.get(memory.people.owner(DESTINATION), "pictures") == "on",
    )


async def _tell_of_people(people: Directory, desk: Desk) -> None:
    """Whom the environment lets in, or no longer lets in, since the last start."""
    news = [
        PeopleChanged(at=desk.now(), by="the environment", person=n.person, what=n.what, before=n.before, after=n.after)
        for n in people.news
    ]
    if news:
        await desk.tell(*news)
