"""Who may use the desk, what they have done, and what they are asked."""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.accounts import is_room, key_of
from bot.arguments import CSV, PAGE, Base, Count, OneOf, PersonName, Words
from bot.catalogue import BadArguments, Effect, command
from bot.people import require_loose
from bot.reach import Context, Tools
from bot.render.people import (
    MAY,
    audit_card,
    audit_file,
    person_card,
    person_line,
    questions_card,
    role_word,
    users_card,
)
from bot.surface import Card, Role
from storage.people import Person
from trading.errors import Misuse
from trading.events import PeopleChanged

_ROLES = tuple(role.name.lower() for role in Role)
_NAME_KEPT = 40
_AUDITED = 10  # entries to a page
_MOST_AUDITED = 30
_IN_FILE = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Base):
    """An account, or a group or channel: "telegram:7", "discord:9", "telegram:-1001", "discord:#55"."""

    @property
    def range(self) -> str:
        return "telegram:NUMBER or discord:NUMBER; a group telegram:-NUMBER, a channel discord:#NUMBER"

    def read(self, text: str, tools: Tools) -> str:  # noqa: ARG002
        try:
            return key_of(text)
        except Misuse as fault:
            raise BadArguments(str(fault)) from fault

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:
        return (key for person in tools.people.all() for key in person.accounts if typed.lower() in key)


_PERSON = PersonName(name="person", help="Who: the id, name or one of the accounts, see /users", required=True)


# --- users --------------------------------------------------------------------------------------------------------


@command(
    "users",
    help="Who may use the desk, and as what",
    role=Role.ADMIN,
    effect=Effect.READS,
    example="/users",
    args=(PAGE,),
    private=True,
)
async def users(context: Context, page: int = 1) -> Card:
    return users_card(context.tools.people.all(), page)


@command(
    "users add",
    help="Let somebody use the desk, or a whole group or channel watch it",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/users add telegram:4711 operator Ann",
    args=(
        Account(name="account", help="His account; a group's or channel's lets all in it watch", required=True),
        OneOf(name="role", help="What he may do; a group or channel is a viewer", known=_ROLES),
        Words(name="name", help="What to call him", most=_NAME_KEPT),
    ),
)
async def add(context: Context, account: str, role: str = "", name: str = "") -> Card:
    people = context.tools.people
    given = _role(account, role)
    name = name.strip("\"'“”")
    if context.confirmed:
        made = await people.add(account, given, name=name, by=context.by)
        await _tell(context, made, "added", "", f"{role_word(made.role)} {account}")
        return person_card(f"{made.name} may use the desk", made)
    if known := people.named(account):
        raise Misuse(f"{account} is {known.name} already; /users role {known.id} changes the role")
    return await context.ask(
        f"/users add {account} {role_word(given)} {name}".strip(),
        f"let {name or account} in as {role_word(given)}?",
        f"Account {account}" + (": everybody in it" if is_room(account) else ""),
        f"Changes: nothing -> {role_word(given)}, who {MAY[given]}",
        danger=given is Role.ADMIN,
    )


def _role(account: str, role: str) -> Role:
    if not role and not is_room(account):
        raise BadArguments(f"which role? one of {', '.join(_ROLES)}")
    given = Role[role.upper()] if role else Role.VIEWER
    if is_room(account) and given is not Role.VIEWER:
        raise BadArguments("a group or channel can be a viewer only; its members can have a role each")
    return given


@command(
    "users role",
    help="Give somebody another role",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/users role ann viewer",
    args=(_PERSON, OneOf(name="role", help="What he may do from now on", known=_ROLES, required=True)),
)
async def change_role(context: Context, person: str, role: str) -> Card:
    who, given = _other(context, person), Role[role.upper()]
    if is_room(who.accounts[0]):
        raise Misuse(f"{who.name} is a group or channel: it can be a viewer only")
    if who.role == given:
        raise Misuse(f"{who.name} is {role} already")
    if context.confirmed:
        made = await context.tools.people.change_role(who.id, given)
        await _tell(context, made, "role", role_word(who.role), role_word(made.role))
        return person_card(f"{made.name}: {role_word(who.role)} -> {role_word(made.role)}", made)
    return await context.ask(
        f"/users role {who.id} {role}",
        f"make {who.name} {role}?",
        person_line(who),
        f"Changes: {role_word(who.role)} -> {role}, who {MAY[given]}",
        danger=given is Role.ADMIN,
    )


@command(
    "users remove",
    help="Nobody of that name may use the desk any more, from any account",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/users remove ann",
    args=(_PERSON,),
)
async def remove(context: Context, person: str) -> Card:
    who = _other(context, person)
    if context.confirmed:
        gone = await context.tools.people.remove(who.id)
        await _tell(context, gone, "removed", f"{role_word(gone.role)} {' '.join(gone.accounts)}", "")
        return users_card(context.tools.people.all())
    return await context.ask(
        f"/users remove {who.id}",
        f"remove {who.name}?",
        person_line(who),
        "Changes: refused from now on, from every account. Questions still open can no longer be answered.",
        danger=True,
    )


@command(
    "users link",
    help="One more account of the same person: one identity on every platform",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/users link ann discord:815",
    args=(_PERSON, Account(name="account", help="The account that is his too", required=True)),
)
async def link(context: Context, person: str, account: str) -> Card:
    people = context.tools.people
    who, other = _known(context, person), people.named(account)
    if context.confirmed:
        made = await people.link(who.id, account)
        await _tell(context, made, "linked", " ".join(who.accounts), " ".join(made.accounts))
        return person_card(f"{made.name} has one more account", made)
    return await context.ask(
        f"/users link {who.id} {account}",
        f"{account} is {who.name} too?",
        person_line(who),
        f"{account} stood alone as {person_line(other)}" if other else "",
        f"Changes: whoever writes from {account} is {who.name}: {role_word(who.role)}, who {MAY[Role(who.role)]}",
        danger=who.role >= Role.ADMIN,
    )


@command(
    "users unlink",
    help="An account is no longer that person's",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/users unlink discord:815",
    args=(Account(name="account", help="The account that is to go", required=True),),
)
async def unlink(context: Context, account: str) -> Card:
    who = _known(context, account)
    if context.confirmed:
        made = await context.tools.people.unlink(account)
        await _tell(context, made, "unlinked", " ".join(who.accounts), " ".join(made.accounts))
        return person_card(f"{account} is no longer {made.name}", made)
    return await context.ask(
        f"/users unlink {account}",
        f"{account} is no longer {who.name}?",
        person_line(who),
        f"Changes: {account} is refused from now on, unless the environment names it",
        danger=True,
    )


def _known(context: Context, word: str) -> Person:
    found = context.tools.people.named(word)
    if found is None:
        raise Misuse(f"nobody is called {word[:40]}; /users lists everybody")
    return found


def _other(context: Context, word: str) -> Person:
    """Somebody else, whom the chat may demote or remove. As nobody can demote himself, an admin is always left."""
    who = _known(context, word)
    if who.id == context.person:
        raise Misuse("nobody changes his own role or removes himself: another admin can, or whoever is at the terminal")
    require_loose(who)
    return who


async def _tell(context: Context, person: Person, what: str, before: str, after: str) -> None:
    at = context.desk.now()
    await context.desk.tell(
        PeopleChanged(at=at, by=context.by, person=person.id, what=what, before=before, after=after)
    )


# --- audit and questions ------------------------------------------------------------------------------------------


@command(
    "audit",
    help="Who asked for what, where, what came of it, and what was different then",
    role=Role.ADMIN,
    effect=Effect.READS,
    example="/audit 20",
    args=(Count(name="n", help="How many on a page; without it 10", most=_MOST_AUDITED), PAGE, CSV),
    private=True,
)
async def audit(context: Context, n: int = _AUDITED, page: int = 1, csv: str = "") -> Card:
    if csv:
        return audit_file(await context.records.audit(_IN_FILE))
    found = await context.records.audit(n + 1, skip=n * (page - 1))
    zone = context.about.zone
    return audit_card(found[:n], context.desk.now(), zone, each=n, page=page, more=len(found) > n)


@command(
    "questions",
    help="The questions that wait for your answer, wherever they were asked",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/questions",
    private=True,
)
async def questions(context: Context) -> Card:
    return questions_card(await context.tools.confirmations.open_for(context.person), context.about.zone)
