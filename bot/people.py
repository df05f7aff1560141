"""Who may use the desk: one person with one role on every platform. Nobody is let in by default."""

import asyncio
import logging
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from bot.accounts import TERMINAL, account_at, chat_of, is_room, key_of
from bot.reach import Grant
from bot.surface import Identity, Role
from storage.people import Person, Register
from trading.errors import Misuse

log = logging.getLogger(__name__)

CHAT, ENVIRONMENT, AT_TERMINAL = "chat", "environment", "terminal"
VARIABLE = {"telegram": "TELEGRAM_ALLOWED_USERS", "discord": "DISCORD_ALLOWED_USERS"}
_NAME_KEPT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What the environment has changed since the last start, in the words of PeopleChanged."""

    person: str
    what: str
    before: str
    after: str


class Directory:
    """Implements reach.People: kept in the database, read from memory. Made by `open`.

    `followers` are called after each change: somebody's menu may be another one now.
    """

    def __init__(self, register: Register, people: Iterable[Person], named: Iterable[str]) -> None:
        """`named`: the accounts that the environment makes admins."""
        self._register = register
        self._named = frozenset(named)
        self._kept = {person.id: person for person in people}
        self._changing = asyncio.Lock()
        self.followers: list[Callable[[], None]] = []
        self.news: tuple[Change, ...] = ()
        self._index()

    @classmethod
    async def open(
        cls, register: Register, *, telegram: Iterable[int] = (), discord: Iterable[int] = ()
    ) -> "Directory":
        """`telegram` and `discord`: the ids that the environment names. What it no longer names, it no longer grants:
        people whom nothing else lets in are gone, those who were added in the chat have the role they were given."""
        named = (*(f"telegram:{id}" for id in telegram), *(f"discord:{id}" for id in discord))
        directory = cls(register, await register.load(), named)
        await directory._follow_environment(named)
        return directory

    # --- looking up -----------------------------------------------------------------------------------------------

    def grant(self, who: Identity, place: str) -> Grant | None:
        """His own role; in a group or channel that is listed itself, everybody else may do what a viewer may."""
        person = self._of.get(who.key)
        if person is not None:
            return Grant(person=person.id, role=Role(person.role))
        room = account_at(place)
        return Grant(person=who.key, role=Role.VIEWER) if is_room(room) and room in self._of else None

    def members(self, platform: str) -> tuple[tuple[Identity, Role], ...]:
        return tuple(
            (Identity(platform=platform, id=key.partition(":")[2], name=person.name), Role(person.role))
            for person in self.all()
            for key in person.accounts
            if key.startswith(f"{platform}:")
        )

    def owner(self, destination: str) -> str:
        key = account_at(destination)
        person = None if is_room(key) else self._of.get(key)
        return f"person:{person.id}" if person else chat_of(destination)

    def all(self) -> tuple[Person, ...]:
        return tuple(sorted(map(self._as_is, self._kept.values()), key=lambda p: (p.name.casefold(), p.id)))

    def named(self, word: str) -> Person | None:
        wanted = word.strip().casefold()
        found = self._kept.get(wanted) or self._of.get(wanted)
        found = found or next((p for p in self._kept.values() if p.name.casefold() == wanted), None)
        return self._as_is(found) if found else None

    # --- changes --------------------------------------------------------------------------------------------------

    async def add(self, key: str, role: Role, *, name: str, by: str) -> Person:
        """Raises Misuse with the reason, as all of these do."""
        async with self._changing:
            key = key_of(key)
            if known := self._of.get(key):
                raise Misuse(f"{key} is {known.name} already; /users role {known.id} changes the role")
            _fits(key, role)
            name = " ".join("".join(c if c.isprintable() else " " for c in name).split())[:_NAME_KEPT]
            if namesake := self.named(name) if name else None:
                raise Misuse(f"there is {namesake.name} already; /users link {namesake.id} {key} for the same person")
            person = self._new(name or _slug(key), role, CHAT, key)
            await self._keep(person, by=by)
            return person

    async def change_role(self, person: str, role: Role) -> Person:
        async with self._changing:
            known = self._loose(person)
            _fits(known.accounts[0], role)
            await self._keep(replace(self._kept[known.id], role=int(role)))
            return self._as_is(self._kept[known.id])

    async def remove(self, person: str) -> Person:
        async with self._changing:
            known = self._loose(person)
            await self._keep(gone=known)
            return known

    async def link(self, person: str, key: str) -> Person:
        """One more account of the same person; one that stood alone becomes his."""
        async with self._changing:
            key, mine = key_of(key), self._known(person)
            if is_room(key) or is_room(mine.accounts[0]):
                raise Misuse("a group or channel stands for itself: it is nobody's account")
            other = self._of.get(key)
            if other is not None:
                _may_move(key, other, mine)
            await self._keep(replace(mine, accounts=tuple(sorted((*mine.accounts, key)))), gone=other)
            return self._as_is(self._kept[mine.id])

    async def unlink(self, key: str) -> Person:
        """Whose it was. An account that the environment names goes on as a person of its own."""
        async with self._changing:
            key = key_of(key)
            mine = self._known(key)
            self._may_leave(key, mine)
            left = replace(self._kept[mine.id], accounts=tuple(k for k in mine.accounts if k != key))
            alone = (self._new(_slug(key), Role.ADMIN, ENVIRONMENT, key),) if key in self._named else ()
            await self._keep(left, *alone)
            return self._as_is(left)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _as_is(self, person: Person) -> Person:
        """With what the terminal and the environment grant, whatever was given in the chat."""
        if TERMINAL in person.accounts:
            return replace(person, role=int(Role.ADMIN), source=AT_TERMINAL)
        if self._named.intersection(person.accounts):
            return replace(person, role=int(Role.ADMIN), source=ENVIRONMENT)
        return person

    def _index(self) -> None:
        self._of: Mapping[str, Person] = {
            key: known for known in map(self._as_is, self._kept.values()) for key in known.accounts
        }

    def _known(self, person: str) -> Person:
        """As it is kept, without what the environment adds."""
        found = self.named(person)
        if found is None:
            raise Misuse(f"nobody is called {person[:40]}; /users lists everybody")
        return self._kept[found.id]

    def _loose(self, person: str) -> Person:
        known = self._as_is(self._known(person))
        require_loose(known)
        return known

    def _may_leave(self, key: str, mine: Person) -> None:
        if key == TERMINAL:
            raise Misuse("the terminal is its owner's, always")
        if len(mine.accounts) == 1:
            raise Misuse(f"{key} is {mine.name}'s only account; /users remove {mine.id} removes both")
        others = self._named.intersection(mine.accounts) - {key}
        if mine.source == ENVIRONMENT and not others:
            raise Misuse(f"{key} is what makes {mine.name} an admin; unlink the other account instead")

    def _new(self, name: str, role: Role, source: str, key: str) -> Person:
        base = _slug(name) or _slug(key)
        tries = (base, *(f"{base}-{n}" for n in range(2, len(self._kept) + 3)))
        id = next(slug for slug in tries if slug not in self._kept)
        return Person(id=id, name=name, role=int(role), source=source, accounts=(key,))

    async def _keep(self, *people: Person, gone: Person | None = None, by: str = "") -> None:
        leaves = (gone.id,) if gone else ()
        await self._register.keep(*people, gone=leaves, by=by)
        for id in leaves:
            del self._kept[id]
        self._kept |= {person.id: person for person in people}
        self._index()
        for follow in self.followers:
            try:
                follow()
            except Exception:  # the change is made; whoever could not follow is not why it would not be
                log.exception("somebody did not follow a change of people")

    async def _follow_environment(self, named: tuple[str, ...]) -> None:
        news = []
        if not any(TERMINAL in person.accounts for person in self._kept.values()):
            await self._keep(self._new("Owner", Role.ADMIN, AT_TERMINAL, TERMINAL), by=AT_TERMINAL)
        for person in [p for p in self._kept.values() if p.source == ENVIRONMENT]:
            if not self._named.intersection(person.accounts):
                await self._keep(gone=person)
                news.append(Change(person=person.id, what="removed", before=" ".join(person.accounts), after=""))
        for key in dict.fromkeys(named):
            if key not in self._of:
                person = self._new(_slug(key), Role.ADMIN, ENVIRONMENT, key)
                await self._keep(person, by=ENVIRONMENT)
                news.append(Change(person=person.id, what="added", before="", after=f"admin {key}"))
        self.news = tuple(news)


def require_loose(person: Person) -> None:
    """Raises Misuse for somebody whom the chat may not demote or remove. So the last admin never is."""
    if person.source == AT_TERMINAL:
        raise Misuse(f"{person.name} sits at the terminal, and is always an admin")
    if person.source == ENVIRONMENT:
        named = (VARIABLE.get(key.partition(":")[0]) for key in person.accounts)
        variables = dict.fromkeys(variable for variable in named if variable)
        raise Misuse(
            f"{person.name} is an admin because {' or '.join(variables)} says so: take {' and '.join(person.accounts)} "
            "out of there, in the environment or in .env, and start again"
        )


def _fits(key: str, role: Role) -> None:
    if is_room(key) and role is not Role.VIEWER:
        raise Misuse("a group or channel can be a viewer only: what its members may do besides, they have a role for")


def _may_move(key: str, other: Person, mine: Person) -> None:
    if other.id == mine.id:
        raise Misuse(f"{key} is {mine.name}'s already")
    if key == TERMINAL:
        raise Misuse(f"the terminal stays {other.name}'s; the other way round it works: /users link {other.id} ACCOUNT")
    if len(other.accounts) > 1:
        raise Misuse(f"{key} is {other.name}'s, who has other accounts too; /users unlink {key} comes first")


def _slug(name: str) -> str:
    """ "Ann Lee" -> "ann-lee", "telegram:7" -> "telegram-7"."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_NAME_KEPT]
