"""The self-check: each fault of a key, an account, a clock or a machine is one line that says how to mend it."""

import asyncio
import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.doctor import Doctor, Part
from bot.doctor_account import Account, Books, account_findings
from bot.doctor_looks import all_of, bounded, fine
from bot.doctor_market import Asked, Checkup
from bot.doctor_opening import doctor_beside
from bot.doctor_people import people_looks
from bot.people import Directory
from bot.redaction import Redactor
from bot.render.doctor import doctor_capabilities, doctor_json, doctor_lines, has_errors, verdict
from bot.settings import Settings
from bot.surface import Role
from storage.database import Database
from storage.people import Register
from tests.fakes.discord_api import GUILD, DiscordApi
from tests.fakes.discord_api import TOKEN as DISCORD_TOKEN
from tests.fakes.exchange_core import Refused
from tests.fakes.exchange_house import NAMES, House, a_house
from tests.fakes.telegram_api import TOKEN as TELEGRAM_TOKEN
from tests.fakes.telegram_api import TelegramApi
from trading import playbook as playbooks
from trading.clock import SystemClock
from trading.errors import RateLimited, VenueDown
from trading.model import ClientId, Direction, OrderKind, OrderStatus, Side, Symbol
from trading.status import Armed
from trading.venues.exchange.wire import Finding, Grade, Held, Margin, Seen, Terms

BTC = Symbol("BTC/USDT:USDT")
PLAYBOOK = playbooks.load("desk")
BASES = PLAYBOOK.universe
QTY = Decimal("0.01")


def said(found: tuple[Finding, ...]) -> dict[str, Finding]:
    assert len({finding.name for finding in found}) == len(found), "one line for each name"
    return {finding.name: finding for finding in found}


def checkup(house: House, books: Books | None = None) -> Checkup:
    async def known() -> Books | None:
        return books

    profile = house.profile
    asked = Asked(profile, bases=BASES, quote="USDT", every=PLAYBOOK.schedule.bar)
    return Checkup(
        profile=profile,
        data=house.data,
        trade=house.trade,
        market=asked,
        playbook=lambda: PLAYBOOK,
        books=known,
        clock=SystemClock(),
    )


async def look(house: House, books: Books | None = None) -> dict[str, Finding]:
    return said(await checkup(house, books).look())


def errors(found: Mapping[str, Finding]) -> list[str]:
    return [name for name, finding in found.items() if finding.grade is Grade.ERROR]


def open_one(house: House, quantity: str = "0.01") -> None:
    """Somebody opens a position in the exchange's own app."""
    native = house.native(BTC)
    with suppress(Refused):  # it is so already
        house.core.set_margin(native, "ISOLATED")
    house.core.place(
        native=native, side="BUY", direction="LONG", kind="MARKET", quantity=Decimal(quantity), client_id="app-1"
    )


@pytest.mark.parametrize("name", NAMES)
async def test_a_good_key_on_an_empty_account_has_no_error(name: str) -> None:
    async with a_house(name) as house:
        found = await look(house)
        assert errors(found) == [], found
        assert {"exchange", "clock", "instruments", "balance", "positions", "orders", "leverage"} <= found.keys()
        assert found["positions"].detail == "none open"
        assert found["clock"].grade is Grade.OK
        assert "10,000.00 USDT" in found["balance"].detail


@pytest.mark.parametrize("name", NAMES)
async def test_a_wrong_key_is_one_line_and_nothing_of_it_is_shown(name: str) -> None:
    async with a_house(name) as house:
        house.trade.exchange.apiKey = "wrong-key-of-somebody"
        found = await look(house)
        assert errors(found) == ["key"]
        assert "refused" in found["key"].detail
        assert found["key"].mend
        assert "wrong-key" not in str(found)


@pytest.mark.parametrize("name", NAMES)
async def test_an_address_that_is_not_on_the_keys_list_is_said(name: str) -> None:
    async with a_house(name) as house:
        house.front.ip_ok = False
        found = await look(house)
        assert errors(found) in (["key"], ["exchange"])  # WEEX shuts the address out of everything
        assert "key" in found or "401" in str(found) or "521" in str(found)


async def test_a_key_that_may_withdraw_is_an_error() -> None:
    async with a_house("binance") as house:
        house.front.permissions["enableWithdrawals"] = True
        assert errors(await look(house)) == ["permissions of the key"]
    async with a_house("bybit") as house:
        house.front.permissions["permissions"]["Wallet"] = ["Withdraw"]
        assert errors(await look(house)) == ["permissions of the key"]
    async with a_house("weex") as house:
        found = await look(house)
        assert found["withdrawals"].grade is Grade.WARNING, "WEEX does not tell"


@pytest.mark.parametrize(
    ("name", "skew", "grade"),
    [
        ("bybit", 700, Grade.WARNING),
        ("bybit", -1500, Grade.ERROR),
        ("bybit", 1500, Grade.ERROR),
        ("weex", 1500, Grade.WARNING),
        ("weex", 20_000, Grade.ERROR),
        ("binance", 700, Grade.WARNING),
        ("binance", -9_000, Grade.ERROR),
    ],
)
async def test_a_skewed_clock_is_measured_against_what_the_exchange_takes(name: str, skew: int, grade: Grade) -> None:
    async with a_house(name) as house:
        house.front.skew_ms = skew
        found = await look(house)
        assert found["clock"].grade is grade
        assert ("ahead of" if skew < 0 else "behind") in found["clock"].detail
        assert "time server" in found["clock"].mend


@pytest.mark.parametrize("name", NAMES)
async def test_a_position_that_is_not_the_desks_is_an_error_and_its_own_is_not(name: str) -> None:
    async with a_house(name) as house:
        open_one(house)
        found = await look(house)
        assert "positions" in errors(found)
        assert "BTC long 0.01" in found["positions"].detail
        assert "gavel close" in found["positions"].mend
        own = await look(house, Books(held={BTC: (Direction.LONG, QTY)}))
        assert own["positions"].grade is Grade.OK


@pytest.mark.parametrize("name", NAMES)
async def test_leftover_orders_of_ours_and_orders_of_others_are_warnings(name: str) -> None:
    async with a_house(name) as house:
        native = house.native(BTC)
        price = house.core.mark(native) * Decimal("0.9")
        price -= price % house.core.specs[native].tick

        def rest(client_id: str) -> None:
            house.core.place(
                native=native,
                side="BUY",
                direction="LONG",
                kind="LIMIT",
                quantity=QTY,
                client_id=client_id,
                price=price,
            )

        ours = "gv-" + "a" * 24 + "-e0"
        rest(ours)
        found = await look(house)
        assert found["orders"].grade is Grade.WARNING
        assert "gavel cleanup" in found["orders"].mend
        assert ours in found["orders"].detail
        rest("web-abc")
        found = await look(house)
        assert found["orders"].grade is Grade.WARNING
        assert "not the desk's" in found["orders"].detail


async def test_hedge_mode_is_a_warning_while_the_desk_can_change_it_and_an_error_when_something_stands() -> None:
    async with a_house("binance") as house:
        house.core.set_position_mode(True)
        found = await look(house)
        assert found["position mode"].grade is Grade.WARNING
        assert "the desk sets it" in found["position mode"].mend
        open_one(house)
        found = await look(house)
        assert found["position mode"].grade is Grade.ERROR
        assert "BTC" in found["position mode"].mend


@pytest.mark.parametrize("name", NAMES)
async def test_an_empty_wallet_is_an_error(name: str) -> None:
    async with a_house(name, wallet=Decimal(0)) as house:
        found = await look(house)
        assert errors(found) == ["balance"]


@pytest.mark.parametrize("name", NAMES)
async def test_an_exchange_that_fails_is_one_line(name: str) -> None:
    async with a_house(name) as house:
        house.front.faults.add("500 before", times=None)
        found = await look(house)
        assert list(found) == ["exchange"]
        assert found["exchange"].grade is Grade.ERROR


async def test_what_of_the_universe_is_missing_or_not_for_programs_is_named() -> None:
    async with a_house("weex") as house:
        playbook = PLAYBOOK.model_copy(update={"universe": ("BTC", "NOPE")})
        check = checkup(house)
        check.playbook = lambda: playbook
        found = said(await check.look())
        assert found["instruments"].grade is Grade.WARNING
        assert "NOPE: not listed" in found["instruments"].detail
        check.playbook = lambda: playbook.model_copy(update={"universe": ("NOPE",)})
        assert said(await check.look())["instruments"].grade is Grade.ERROR


async def test_without_a_key_the_market_is_looked_at_and_nothing_else() -> None:
    async with a_house("bybit") as house:
        check = checkup(house)
        check.trade = None
        assert list(said(await check.look())) == ["exchange", "clock", "instruments"]


# --- judging, without an exchange -----------------------------------------------------------------------------------


def terms(leverage: int | None = 10, *, margin: Margin = Margin.ISOLATED, one_way: bool = True) -> Terms:
    return Terms(leverage=leverage, margin=margin, one_way=one_way)


ETH = Symbol("ETH/USDT:USDT")


def an_account(*held: Held, working: tuple[Seen, ...] = (), **of: Terms) -> Account:
    each = {BTC: of.get("btc", terms()), ETH: of.get("eth", terms())}
    return Account(held=held, working=working, terms=each, leverage={BTC: 10, ETH: 10})


def a_held(symbol: Symbol = BTC) -> Held:
    return Held(symbol=symbol, direction=Direction.LONG, quantity=QTY, entry=Decimal(60_000))


def a_guard(symbol: Symbol = BTC, side: Side = Side.SELL, client_id: str = "") -> Seen:
    return Seen(
        symbol=symbol,
        id="77",
        client_id=client_id,
        kind=OrderKind.STOP,
        side=side,
        quantity=QTY,
        filled=Decimal(0),
        status=OrderStatus.OPEN,
        at=SystemClock().now(),
        reduce_only=True,
        trigger=Decimal(59_000),
        conditional=True,
    )


def judged(account: Account, books: Books | None = None) -> dict[str, Finding]:
    return said(account_findings(account, books or Books()))


def test_a_leverage_that_is_not_the_desks_is_set_by_it_and_one_of_an_open_position_is_left_alone() -> None:
    found = judged(an_account(btc=terms(20)))["leverage"]
    assert (found.grade, found.detail) == (Grade.WARNING, "BTC 20x, not 10x")
    assert "the desk sets it" in found.mend
    assert judged(an_account(a_held(), btc=terms(20)))["leverage"].grade is Grade.OK
    assert "both sides" in judged(an_account(btc=terms(None)))["leverage"].detail


def test_cross_margin_is_an_error_where_what_stands_there_keeps_it_so() -> None:
    cross = terms(margin=Margin.CROSS)
    assert judged(an_account(btc=cross))["margin mode"].grade is Grade.WARNING
    assert judged(an_account(a_held(ETH), btc=cross))["margin mode"].grade is Grade.WARNING, "another instrument's"
    assert judged(an_account(a_held(), btc=cross))["margin mode"].grade is Grade.ERROR
    assert judged(an_account(a_held(ETH), btc=cross, eth=cross))["margin mode"].grade is Grade.ERROR


def test_guards_that_the_exchange_has_named_are_the_positions_own() -> None:
    books = Books(held={BTC: (Direction.LONG, QTY)})
    assert judged(an_account(a_held(), working=(a_guard(),)), books)["orders"].grade is Grade.OK
    left = judged(an_account(working=(a_guard(),)), books)["orders"]
    assert (left.grade, left.mend) == (Grade.WARNING, "gavel cleanup cancels them")
    other = judged(an_account(a_held(), working=(a_guard(side=Side.BUY),)), books)["orders"]
    assert "not the desk's" in other.detail


def test_whose_a_position_is_goes_by_the_desks_books() -> None:
    held = an_account(a_held())

    def grade(books: Books) -> Grade:
        return judged(held, books)["positions"].grade

    assert grade(Books(held={BTC: (Direction.LONG, QTY)})) is Grade.OK
    assert grade(Books(entering=frozenset({BTC}))) is Grade.OK, "its entry is not booked yet"
    assert grade(Books(held={BTC: (Direction.LONG, QTY * 2)})) is Grade.WARNING
    assert grade(Books(held={BTC: (Direction.SHORT, QTY)})) is Grade.ERROR
    assert grade(Books(held={ETH: (Direction.LONG, QTY)})) is Grade.ERROR


def test_a_resting_order_that_the_desk_knows_is_not_left_over() -> None:
    id = ClientId("gv-" + "a" * 24 + "-e0")
    resting = an_account(working=(a_guard(client_id=id),))
    assert judged(resting)["orders"].grade is Grade.WARNING
    assert judged(resting, Books(orders=frozenset({id})))["orders"].grade is Grade.OK


def test_without_books_nobody_says_whose_positions_these_are() -> None:
    found = said(account_findings(an_account(a_held()), None))
    assert "positions" not in found


# --- this machine ----------------------------------------------------------------------------------------------------


def a_doctor(directory: Path, **of: Any) -> Doctor:
    settings = Settings(_env_file=None, **of)  # type: ignore[call-arg]
    return doctor_beside(settings, None, PLAYBOOK, directory, SystemClock())


async def test_a_simulated_desk_is_told_of_chats_models_and_database_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith(("GAVEL_", "TELEGRAM_", "DISCORD_", "GEMINI_", "OPENROUTER_")):
            monkeypatch.delenv(name)
    (tmp_path / "data").mkdir(mode=0o700)
    found = said(await a_doctor(tmp_path / "data").look())
    assert list(found)[:4] == ["market", "database", "disk", "data directory"]
    assert all(finding.grade is not Grade.ERROR for finding in found.values())
    assert found["Telegram"].detail == "off: no TELEGRAM_BOT_TOKEN"
    assert found["models of gemini"].detail == "off: no GEMINI_API_KEY"


async def test_a_database_of_something_else_is_an_error_and_one_that_is_open_to_others_a_warning(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    (data / "gavel.db").write_text("this is no database, whatever its name says")
    found = said(await a_doctor(data).look())
    assert found["database"].grade is Grade.ERROR
    assert found["data directory"].grade is Grade.WARNING
    assert f"chmod 700 {data}" in found["data directory"].mend


async def test_a_database_that_somebody_holds_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.doctor_house.LOCKED_FOR", 0.05)
    holder = sqlite3.connect(tmp_path / "gavel.db", isolation_level=None)
    holder.execute("PRAGMA journal_mode=WAL")
    holder.execute("BEGIN IMMEDIATE")
    try:
        found = said(await a_doctor(tmp_path).look())
    finally:
        holder.close()
    assert found["database"].grade is Grade.ERROR
    assert "locked" in found["database"].detail


# --- chats and models ------------------------------------------------------------------------------------------------


async def people(directory: Path, **of: Any) -> dict[str, Finding]:
    return said(await people_looks(Settings(_env_file=None, **of), directory, SystemClock())())  # type: ignore[call-arg]


async def test_each_chat_is_asked_who_we_are_and_somebody_must_be_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TelegramApi() as telegram, DiscordApi() as discord:
        for name, value in {
            "TELEGRAM_BOT_TOKEN": TELEGRAM_TOKEN,
            "TELEGRAM_BASE_URL": telegram.url,
            "DISCORD_BOT_TOKEN": DISCORD_TOKEN,
            "DISCORD_API_BASE": discord.base,
            "DISCORD_GUILD_ID": str(GUILD),
            "DISCORD_ALLOWED_USERS": "7",
        }.items():
            monkeypatch.setenv(name, value)
        found = await people(tmp_path)
        assert found["Telegram"].detail.startswith("the token is good, the bot is ")
        assert found["Discord"].grade is Grade.OK
        assert found["people on Telegram"].grade is Grade.ERROR
        assert "TELEGRAM_ALLOWED_USERS" in found["people on Telegram"].mend
        assert "people on Discord" not in found
        monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "1:of-somebody-else")
        monkeypatch.setenv("DISCORD_BOT_TOKEN", "of.somebody.else")
        found = await people(tmp_path)
        assert [found[name].grade for name in ("Telegram", "Discord")] == [Grade.ERROR, Grade.ERROR]
        assert found["Discord"].mend == "check DISCORD_BOT_TOKEN"
        assert "somebody" not in str(found)


async def test_whoever_was_let_in_from_the_chat_is_somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = await Database.open(tmp_path / "gavel.db")
    directory = await Directory.open(Register(database, SystemClock()))
    await directory.add("telegram:7", Role.VIEWER, name="Ann", by="test")
    await database.close()
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TELEGRAM_TOKEN)
    monkeypatch.setenv("TELEGRAM_BASE_URL", "http://127.0.0.1:9/bot")
    found = await people(tmp_path)
    assert "people on Telegram" not in found
    assert found["Telegram"].grade is Grade.WARNING, "not reached"
    assert TELEGRAM_TOKEN not in str(found)


# --- what every look keeps to ---------------------------------------------------------------------------------------


async def test_a_look_that_fails_or_hangs_is_a_line_of_its_own_and_the_others_go_on() -> None:
    async def hangs() -> tuple[Finding, ...]:
        await asyncio.sleep(60)
        return ()

    async def breaks() -> tuple[Finding, ...]:
        raise RuntimeError("https://example.invalid/?key=hush")

    async def down() -> tuple[Finding, ...]:
        raise VenueDown("not reached")

    async def works() -> tuple[Finding, ...]:
        return (fine("works", "well"),)

    (late,) = await bounded("slow", hangs, patience=0.05)
    assert (late.grade, late.detail) == (Grade.ERROR, "no answer within 0.05 s")
    found = await all_of({"broken": breaks, "down": down, "works": works})
    assert [finding.grade for finding in found] == [Grade.ERROR, Grade.ERROR, Grade.OK]
    assert "hush" not in str(found)
    assert found[0].mend
    assert "RuntimeError" in found[0].detail


def test_lines_say_the_grade_first_and_how_to_mend_it_last() -> None:
    found = (
        Finding(name="clock", grade=Grade.OK, detail="0.01 s behind"),
        Finding(name="balance", grade=Grade.ERROR, detail="0 USDT", mend="move some"),
    )
    assert doctor_lines(found) == ("ok       clock    0.01 s behind", "error    balance  0 USDT -> move some")
    assert verdict(found) == "1 error: live does not start"
    assert verdict(found[:1]) == "all well"
    assert has_errors(found)
    assert doctor_json(found)["findings"][1] == {
        "name": "balance", "grade": "error", "detail": "0 USDT", "mend": "move some",
    }  # fmt: skip


def test_in_health_what_is_well_is_one_line_and_the_rest_has_its_own() -> None:
    found = (
        Finding(name="clock", grade=Grade.OK, detail="well"),
        Finding(name="exchange", grade=Grade.OK, detail="well"),
        Finding(name="leverage", grade=Grade.WARNING, detail="20x", mend="nothing to do: the desk sets it"),
        Finding(name="disk", grade=Grade.WARNING, detail="little", mend="make room"),
        Finding(name="balance", grade=Grade.ERROR, detail="0 USDT", mend="move some"),
    )
    lines = doctor_capabilities(found)
    assert [(line.name, line.state) for line in lines] == [
        ("self-check", Armed.ARMED),
        ("self-check, disk", Armed.OFF),
        ("self-check, balance", Armed.DEGRADED),
    ]
    assert lines[2].why == "0 USDT; move some"
    assert doctor_capabilities(()) == ()


async def test_a_limit_of_our_own_is_told_with_the_time_to_wait() -> None:
    async def busy() -> tuple[Finding, ...]:
        raise RateLimited("our own limit is reached", retry_after=58.2)

    (found,) = await bounded("account", busy)
    assert found.mend.startswith("look again in 59 s")


async def test_while_the_desk_runs_the_look_is_repeated_without_the_chats(tmp_path: Path) -> None:
    asked: list[str] = []

    def part(name: str, *, often: bool) -> Part:
        async def look() -> tuple[Finding, ...]:
            asked.append(name)
            return (fine(name, f"{len(asked)}, with hush-hush in it"),)

        return Part(look=look, often=often)

    doctor = Doctor(
        {"market": part("market", often=True), "people": part("people", often=False)}, redactor=Redactor(["hush-hush"])
    )
    assert doctor.found == ()
    await doctor.look()
    await doctor.refresh()
    assert asked == ["market", "people", "market"]
    assert [finding.detail[:1] for finding in doctor.found] == ["3", "2"], "the newest of each"
    assert "hush" not in str(doctor.found)
