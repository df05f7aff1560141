"""What stands on the desk's database: its journal, and all that the surface remembers. Here it is opened."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from bot import building
from bot.library import Library
from bot.people import Directory
from bot.places import Places
from bot.routing import Routing
from bot.settings import Settings
from bot.wishes import Wishes
from storage.chain_cache import SqlChainCache
from storage.confirmations import Confirmations
from storage.database import HEAD, Database, revision
from storage.journal import Remembered, SqlJournal
from storage.outbox import Outbox
from storage.people import Register
from storage.pins import Pins
from storage.preferences import Preferences
from storage.pulse import Pulse
from storage.queries import Queries
from storage.spending import SqlLedger
from storage.tallies import Tallies
from storage.wishes import WishList
from trading.clock import SystemClock
from trading.errors import BadPlaybook
from trading.model import base_of
from trading.playbook import Playbook
from trading.ports import Clock

DATABASE = "gavel.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Of the live desk."""

    database: Database
    journal: SqlJournal
    remembered: Remembered | None  # of the desk's last life
    records: Queries
    figures: Tallies
    people: Directory
    wishes: Wishes
    preferences: Preferences
    places: Places
    routing: Routing
    confirmations: Confirmations
    outbox: Outbox
    pins: Pins
    pulse: Pulse
    ledger: SqlLedger
    chain: SqlChainCache

    @classmethod
    async def open(cls, directory: Path, settings: Settings, wall: Clock, *, inline: bool) -> "Memory":
        durable = settings.mode == "live"
        database = await Database.open(directory / DATABASE, inline=inline, durable=durable)
        try:
            return await cls._on(database, settings, wall)
        except BaseException:
            await database.close()
            raise

    @classmethod
    async def _on(cls, database: Database, settings: Settings, wall: Clock) -> "Memory":
        telegram, discord = _named(settings)
        people = await Directory.open(Register(database, wall), telegram=telegram, discord=discord)
        wishes = await Wishes.open(WishList(database, wall))
        preferences = Preferences(database, wall)
        places = Places(settings, people, await preferences.destinations())
        routing = Routing(
            places.destinations,
            await preferences.load(),
            streams=await preferences.streams(),
            wishes=wishes,
            owner=people.owner,
        )
        people.followers.append(lambda: places.follow(routing))
        journal = SqlJournal(database, route=routing, wall=wall)
        return cls(
            database=database,
            journal=journal,
            remembered=await journal.load(),
            records=Queries(database),
            figures=Tallies(database),
            people=people,
            wishes=wishes,
            preferences=preferences,
            places=places,
            routing=routing,
            confirmations=Confirmations(database, wall),
            outbox=Outbox(database, wall),
            pins=Pins(database),
            pulse=Pulse(database, wall),
            ledger=SqlLedger(database),
            chain=SqlChainCache(database),
        )


def _named(settings: Settings) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The accounts that the environment makes admins: nobody on a platform that is not armed."""
    telegram = settings.telegram_users if settings.telegram_token else ()
    return telegram, settings.discord_users if settings.discord_token else ()


async def quiet_memory(directory: Path, wall: Clock, *, inline: bool) -> building.Memory:
    """A shadow desk's: nobody is told of anything."""
    database = await Database.open(directory / DATABASE, inline=inline)
    journal = SqlJournal(database, route=lambda _: [], wall=wall)
    return building.Memory(journal=journal, records=Queries(database), close=database.close)


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


# --- looked at beside a desk that may be running: nothing is written, no schema changed ------------------------------


async def books_in(directory: Path) -> Remembered | None:
    """What the desk of a data directory holds; None: no desk has lived there yet. Raises BadRecord."""
    if not (directory / DATABASE).is_file():
        return None
    database = await Database.look(directory / DATABASE)
    try:
        return await SqlJournal(database, route=lambda _: [], wall=SystemClock()).load()
    finally:
        await database.close()


async def members_of(directory: Path, platform: str, wall: Clock) -> tuple[str, ...]:
    """Accounts that were let in otherwise than by the environment, as "telegram:7"."""
    if not (directory / DATABASE).is_file():
        return ()
    database = await Database.look(directory / DATABASE)
    try:
        people = await Register(database, wall).load()
    finally:
        await database.close()
    others = (person for person in people if person.source != "environment")
    return tuple(key for person in others for key in person.accounts if key.startswith(f"{platform}:"))


async def schema_of(path: Path) -> tuple[str, str]:
    """A database's revision, and the newest there is. Raises BadRecord."""
    database = await Database.look(path)
    try:
        return await database.read(revision) or "", HEAD
    finally:
        await database.close()
