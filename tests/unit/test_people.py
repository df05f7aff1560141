"""One person is one identity on every platform; nobody is let in by default; an admin is always left."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.accounts import TERMINAL, account_at, chat_of, is_room, key_of
from bot.people import Change, Directory
from bot.reach import Grant
from bot.surface import Identity, Role
from storage.database import Database
from storage.people import Person, Register
from tests.storage_builders import AT, a_database
from trading.clock import ManualClock
from trading.errors import Misuse

TERMINAL_OWNER = Identity(platform="console", id="owner")


def telegram(id: int) -> Identity:
    return Identity(platform="telegram", id=str(id))


def discord(id: int) -> Identity:
    return Identity(platform="discord", id=str(id))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await a_database(tmp_path / "gavel.db")
    yield opened
    await opened.close()


@pytest.fixture
def register(database: Database) -> Register:
    return Register(database, ManualClock(AT))


@pytest.fixture
async def people(register: Register) -> Directory:
    return await Directory.open(register)


async def test_the_terminal_is_an_admins_and_nobody_else_is_let_in(people: Directory) -> None:
    assert people.grant(TERMINAL_OWNER, "console:main") == Grant(person="owner", role=Role.ADMIN)
    assert people.grant(telegram(7), "telegram:7") is None
    assert people.members("telegram") == ()


async def test_whom_the_environment_names_is_an_admin_as_long_as_it_does(register: Register) -> None:
    people = await Directory.open(register, telegram=[7], discord=[9])
    assert people.grant(telegram(7), "telegram:7") == Grant(person="telegram-7", role=Role.ADMIN)
    assert people.grant(discord(9), "discord:@9") == Grant(person="discord-9", role=Role.ADMIN)
    assert people.news[0] == Change(person="telegram-7", what="added", before="", after="admin telegram:7")

    later = await Directory.open(register, telegram=[8])
    assert later.grant(telegram(7), "telegram:7") is None
    assert later.grant(discord(9), "discord:@9") is None
    assert later.grant(telegram(8), "telegram:8") == Grant(person="telegram-8", role=Role.ADMIN)
    assert [(c.person, c.what) for c in later.news] == [
        ("discord-9", "removed"),
        ("telegram-7", "removed"),
        ("telegram-8", "added"),
    ]
    assert (await Directory.open(register, telegram=[8])).news == ()


async def test_whom_the_chat_added_keeps_his_own_role_beneath_the_environments(register: Register) -> None:
    people = await Directory.open(register)
    await people.add("telegram:7", Role.OPERATOR, name="Ann", by="test")
    named = await Directory.open(register, telegram=[7])
    assert named.grant(telegram(7), "telegram:7") == Grant(person="ann", role=Role.ADMIN)
    assert [p.source for p in named.all() if p.id == "ann"] == ["environment"]
    unnamed = await Directory.open(register)
    assert unnamed.grant(telegram(7), "telegram:7") == Grant(person="ann", role=Role.OPERATOR)


async def test_an_account_that_is_linked_makes_its_person_the_environments_admin(register: Register) -> None:
    people = await Directory.open(register)
    await people.add("telegram:7", Role.VIEWER, name="Ann", by="test")
    await people.link("ann", "discord:9")
    named = await Directory.open(register, discord=[9])
    assert named.grant(telegram(7), "telegram:7") == Grant(person="ann", role=Role.ADMIN)
    assert "discord-9" not in {p.id for p in named.all()}


async def test_one_person_on_both_platforms(register: Register, people: Directory) -> None:
    await people.add("telegram:7", Role.OPERATOR, name="Ann Lee", by="test")
    await people.link("ann-lee", "discord:<@9>")
    for directory in (people, await Directory.open(register)):
        assert directory.grant(discord(9), "discord:@9") == Grant(person="ann-lee", role=Role.OPERATOR)
        assert directory.owner("telegram:7") == directory.owner("discord:@9") == "person:ann-lee"
        assert {p.id: p.accounts for p in directory.all()}["ann-lee"] == ("discord:9", "telegram:7")


async def test_one_that_stood_alone_becomes_his(people: Directory) -> None:
    await people.add("telegram:7", Role.OPERATOR, name="Ann", by="test")
    await people.add("discord:9", Role.ADMIN, name="Ann on the other", by="test")
    linked = await people.link("ann", "discord:9")
    assert linked.accounts == ("discord:9", "telegram:7")
    assert people.named("ann-on-the-other") is None
    assert people.grant(discord(9), "discord:@9") == Grant(person="ann", role=Role.OPERATOR)


async def test_an_account_of_somebody_with_others_is_not_taken(people: Directory) -> None:
    await people.add("telegram:7", Role.OPERATOR, name="Ann", by="test")
    await people.add("telegram:8", Role.OPERATOR, name="Bea", by="test")
    await people.link("bea", "discord:9")
    with pytest.raises(Misuse, match="/users unlink discord:9 comes first"):
        await people.link("ann", "discord:9")
    with pytest.raises(Misuse, match="is Bea's already"):
        await people.link("bea", "discord:9")
    left = await people.unlink("discord:9")
    assert left.accounts == ("telegram:8",)
    assert people.grant(discord(9), "discord:@9") is None
    assert (await people.link("ann", "discord:9")).accounts == ("discord:9", "telegram:7")


async def test_an_unlinked_account_that_the_environment_names_stands_alone_again(register: Register) -> None:
    people = await Directory.open(register, discord=[9])
    await people.add("telegram:7", Role.VIEWER, name="Ann", by="test")
    await people.link("ann", "discord:9")
    assert people.grant(telegram(7), "telegram:7") == Grant(person="ann", role=Role.ADMIN)
    await people.unlink("discord:9")
    for directory in (people, await Directory.open(register, discord=[9])):
        assert directory.grant(discord(9), "discord:@9") == Grant(person="discord-9", role=Role.ADMIN)
        assert directory.grant(telegram(7), "telegram:7") == Grant(person="ann", role=Role.VIEWER)


async def test_an_only_account_is_not_unlinked_nor_the_one_that_grants_all(register: Register) -> None:
    people = await Directory.open(register, telegram=[7])
    with pytest.raises(Misuse, match="only account"):
        await people.unlink("telegram:7")
    await people.link("telegram-7", "discord:9")
    with pytest.raises(Misuse, match="is what makes telegram-7 an admin"):
        await people.unlink("telegram:7")
    with pytest.raises(Misuse, match="nobody is called"):
        await people.unlink("telegram:8")


async def test_an_admin_is_always_left(register: Register) -> None:
    people = await Directory.open(register, telegram=[7])
    for refused in (people.remove("owner"), people.change_role("owner", Role.VIEWER)):
        with pytest.raises(Misuse, match="at the terminal, and is always an admin"):
            await refused
    for refused in (people.remove("telegram-7"), people.change_role("telegram:7", Role.VIEWER)):
        with pytest.raises(Misuse, match="TELEGRAM_ALLOWED_USERS says so: take telegram:7 out"):
            await refused
    with pytest.raises(Misuse, match="stays Owner's"):
        await people.link("telegram-7", TERMINAL)
    with pytest.raises(Misuse, match="the terminal"):
        await people.unlink(TERMINAL)
    await people.link("owner", "telegram:8")
    assert people.grant(telegram(8), "telegram:8") == Grant(person="owner", role=Role.ADMIN)


async def test_a_role_is_changed_and_a_person_removed(register: Register, people: Directory) -> None:
    await people.add("telegram:7", Role.ADMIN, name="Ann", by="test")
    assert (await people.change_role("ANN", Role.VIEWER)).role == Role.VIEWER
    assert people.grant(telegram(7), "telegram:7") == Grant(person="ann", role=Role.VIEWER)
    await people.link("ann", "discord:9")
    await people.remove("discord:9")
    for directory in (people, await Directory.open(register)):
        assert directory.grant(telegram(7), "telegram:7") is None
        assert directory.grant(discord(9), "discord:@9") is None


async def test_an_id_is_made_from_the_name_once_and_for_all(people: Directory) -> None:
    added = [
        await people.add("telegram:1", Role.VIEWER, name="  Žofia\tNovák\u202e ", by="test"),
        await people.add("telegram:2", Role.VIEWER, name="zofia novak", by="test"),
        await people.add("telegram:3", Role.VIEWER, name="李", by="test"),
        await people.add("telegram:4", Role.VIEWER, name="", by="test"),
        await people.add("telegram:5", Role.VIEWER, name="Owner!", by="test"),
    ]
    assert [(p.id, p.name) for p in added] == [
        ("zofia-novak", "Žofia Novák"),
        ("zofia-novak-2", "zofia novak"),
        ("telegram-3", "李"),
        ("telegram-4", "telegram-4"),
        ("owner-2", "Owner!"),
    ]


async def test_somebody_there_already_is_not_added_again(people: Directory) -> None:
    await people.add("telegram:7", Role.VIEWER, name="Ann", by="test")
    with pytest.raises(Misuse, match="telegram:7 is Ann already"):
        await people.add("telegram:7", Role.ADMIN, name="Bea", by="test")
    with pytest.raises(Misuse, match="/users link ann telegram:8 for the same person"):
        await people.add("telegram:8", Role.ADMIN, name="ANN", by="test")


# --- groups and channels ------------------------------------------------------------------------------------------


async def test_everybody_in_a_listed_group_watches_there_and_nowhere_else(people: Directory) -> None:
    await people.add("telegram:-1001", Role.VIEWER, name="Trading room", by="test")
    await people.add("telegram:7", Role.OPERATOR, name="Ann", by="test")
    guest = Grant(person="telegram:55", role=Role.VIEWER)
    assert people.grant(telegram(55), "telegram:-1001") == guest
    assert people.grant(telegram(55), "telegram:-1001/15") == guest
    assert people.grant(telegram(55), "telegram:-1002") is None
    assert people.grant(telegram(55), "telegram:55") is None
    assert people.grant(telegram(7), "telegram:-1001/15") == Grant(person="ann", role=Role.OPERATOR)
    assert people.owner("telegram:-1001/15") == "telegram:-1001"


async def test_everybody_in_a_listed_channel_and_its_threads_watches_there(people: Directory) -> None:
    await people.add("discord:<#55>", Role.VIEWER, name="", by="test")
    guest = Grant(person="discord:9", role=Role.VIEWER)
    assert people.grant(discord(9), "discord:55") == guest
    assert people.grant(discord(9), "discord:55/77") == guest
    assert people.grant(discord(9), "discord:77") is None
    assert people.grant(discord(55), "discord:@55") is None  # somebody whose number is the channel's
    assert people.members("discord") == ((Identity(platform="discord", id="#55", name="discord-55"), Role.VIEWER),)


async def test_a_group_is_a_viewer_and_nobodys_account(people: Directory) -> None:
    with pytest.raises(Misuse, match="viewer only"):
        await people.add("telegram:-1001", Role.OPERATOR, name="Room", by="test")
    await people.add("telegram:-1001", Role.VIEWER, name="Room", by="test")
    with pytest.raises(Misuse, match="viewer only"):
        await people.change_role("room", Role.ADMIN)
    for person, key in (("owner", "telegram:-1001"), ("room", "telegram:7"), ("owner", "discord:#5")):
        with pytest.raises(Misuse, match="nobody's account"):
            await people.link(person, key)
    await people.remove("room")
    assert people.grant(telegram(55), "telegram:-1001") is None


# --- followers, and what is kept ------------------------------------------------------------------------------------


async def test_each_change_is_followed_and_a_follower_that_fails_undoes_none(people: Directory) -> None:
    seen: list[int] = []

    def fails() -> None:
        raise RuntimeError("no menu today")

    people.followers += [fails, lambda: seen.append(len(people.members("telegram")))]
    await people.add("telegram:7", Role.VIEWER, name="Ann", by="test")
    await people.change_role("ann", Role.OPERATOR)
    await people.link("ann", "telegram:8")
    await people.unlink("telegram:8")
    await people.remove("ann")
    assert seen == [1, 1, 2, 1, 0]


async def test_what_is_refused_changes_nothing(people: Directory) -> None:
    await people.add("telegram:7", Role.VIEWER, name="Ann", by="test")
    before, seen = people.all(), list[int]()
    people.followers.append(lambda: seen.append(1))
    for refused in (
        people.add("@ann", Role.ADMIN, name="x", by="test"),
        people.link("nobody", "telegram:8"),
        people.remove("nobody"),
        people.unlink("telegram:7"),
    ):
        with pytest.raises(Misuse):
            await refused
    assert people.all() == before
    assert seen == []


def test_accounts_as_people_write_them() -> None:
    same = {"telegram:7": "telegram:7", " Telegram:7 ": "telegram:7", "discord:<@!9>": "discord:9"}
    same |= {"discord:<#55>": "discord:#55", "telegram:-1001": "telegram:-1001"}
    assert {text: key_of(text) for text in same} == same
    assert [is_room(key) for key in ("telegram:7", "telegram:-1001", "discord:55", "discord:#55")] == [0, 1, 0, 1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "@ann",
        "telegram:ann",
        "telegram:0",
        "telegram:07",
        "discord:-5",
        "discord:<@ann>",
        "irc:7",
        "telegram:٧",
    ],
)
def test_what_is_no_account_is_refused(text: str) -> None:
    with pytest.raises(Misuse, match="is no account"):
        key_of(text)


@pytest.mark.parametrize(
    ("place", "account"),
    [
        ("telegram:7", "telegram:7"),
        ("telegram:7/3", "telegram:7"),
        ("telegram:-1001/15", "telegram:-1001"),
        ("discord:@9", "discord:9"),
        ("discord:55/77", "discord:#55"),
        ("console:main", TERMINAL),
    ],
)
def test_whose_place_it_is(place: str, account: str) -> None:
    assert account_at(place) == account


# --- whatever happens -----------------------------------------------------------------------------------------------

_KEYS = st.sampled_from(
    ["telegram:1", "telegram:2", "telegram:3", "discord:1", "discord:2", "telegram:-5", "discord:#6"]
)
_WHO = st.sampled_from(["ann", "bea", "owner", "room", "telegram-1", "discord-1", "telegram:2"])
_ROLE = st.sampled_from(Role)
_STEP = st.one_of(
    st.tuples(st.just("add"), _KEYS, _ROLE, st.sampled_from(["Ann", "Bea", "Room", ""])),
    st.tuples(st.just("role"), _WHO, _ROLE),
    st.tuples(st.just("remove"), _WHO),
    st.tuples(st.just("link"), _WHO, _KEYS),
    st.tuples(st.just("unlink"), _KEYS),
)


class Kept:
    """A register in memory, which holds what it is given to the rules of the tables."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}

    async def load(self) -> list[Person]:
        return list(self.people.values())

    async def keep(self, *people: Person, gone: tuple[str, ...] = (), by: str = "") -> None:
        for id in gone:
            del self.people[id]
        self.people |= {person.id: person for person in people}
        keys = [key for person in self.people.values() for key in person.accounts]
        assert len(keys) == len(set(keys)), "an account of two people"


async def _step(people: Directory, step: tuple[object, ...]) -> None:
    match step:
        case ("add", str(key), Role() as role, str(name)):
            await people.add(key, role, name=name, by="test")
        case ("role", str(who), Role() as role):
            await people.change_role(who, role)
        case ("remove", str(who)):
            await people.remove(who)
        case ("link", str(who), str(key)):
            await people.link(who, key)
        case ("unlink", str(key)):
            await people.unlink(key)


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(_STEP, max_size=12), named=st.sets(st.sampled_from([1, 2]), max_size=2))
async def test_whatever_is_done_memory_and_register_agree_and_the_granted_stay(
    steps: list[tuple[object, ...]], named: set[int]
) -> None:
    kept = Kept()
    people = await Directory.open(kept, telegram=sorted(named))  # type: ignore[arg-type]
    for step in steps:
        try:
            await _step(people, step)
        except Misuse:
            continue
    assert people.grant(TERMINAL_OWNER, "console:main") is not None
    for id in named:
        grant = people.grant(telegram(id), f"telegram:{id}")
        assert grant is not None
        assert grant.role is Role.ADMIN
    for person in people.all():
        assert person.accounts
        assert not any(is_room(key) for key in person.accounts) or person.role == Role.VIEWER
        for key in person.accounts:
            assert people.named(key) == person
    again = await Directory.open(kept, telegram=sorted(named))  # type: ignore[arg-type]
    assert again.all() == people.all()
    assert again.news == ()


def test_a_chat_is_the_place_without_its_topic() -> None:
    assert chat_of("telegram:-1001/15") == "telegram:-1001"
