"""What people have complained of in the chats of other bots, most often first: each complaint, and what is so here.

The numbers and the names are those of the list that this desk was made by. Everything is real but the platforms, which
stand on loopback, and the market.
"""

import asyncio
import io
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from bot import redaction
from bot.bootstrap import Wanted, assembled
from bot.catalogue import COMMANDS, Effect
from bot.charts.studio import Studio
from bot.chats import telegram_watch
from bot.chats.discord_text import contents
from bot.chats.pace import Limit, Limits
from bot.chats.telegram_text import messages
from bot.cli.watch import watch
from bot.delivery import REPEAT
from bot.expiry import Expiry
from bot.gate import Surface
from bot.heartbeat import Heartbeat, Signs, read_signs, write_signs
from bot.library import Library
from bot.markets import simulated
from bot.people import Directory
from bot.render.alerts import render_event
from bot.render.standing import pinned_card, unpinned_card
from bot.render.words import RenderContext
from bot.settings import Settings
from bot.status_card import StatusCards
from bot.surface import CONFIRM, Button, Card, Identity, Request, Role
from bot.talking import Chats, armed, teller
from storage.outbox import Outbox
from storage.people import Register
from storage.pins import Pins
from storage.pulse import Pulse
from tests import surface_examples
from tests.builders import BTC, ETH
from tests.chat import house as chat_house
from tests.chat.drivers import FAST, GROUP, QUICK, until
from tests.chat.house import IDS, House, a_house_of
from tests.chat.phones import ANN, CHANNEL, PHONE, Phones, about, phones, tools
from tests.desks import a_series, two_markets
from tests.fakes import discord_api
from tests.fakes.discord_store import GUILD
from tests.fakes.telegram_api import TOKEN, Flood
from tests.risk_examples import AT
from tests.surface_examples import a_fill, a_trade, an_order, events, story
from tests.surfaces import staged
from trading.clock import SystemClock
from trading.events import OrderFilled, VenueLost
from trading.messages import ClosePosition, Halt, SetPhase, SumPeriod
from trading.model import TradingState

HALTED, ACTIVE = TradingState.HALTED, TradingState.ACTIVE


def trading(house: House) -> TradingState:
    return house.bench.desk.book.state.trading


# --- 1 ----------------------------------------------------------------------------------------------------------------


async def test_01_two_processes_one_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command landed in a random one of two processes. Here it is told on the other platform, and until it is over
    only /halt is obeyed."""
    later, now = [0.0], telegram_watch._now
    monkeypatch.setattr(telegram_watch, "_now", lambda: now() + later[0])
    patient = {"timing": replace(QUICK, settle=timedelta(seconds=60))}
    async with a_house_of(tmp_path) as house, phones(house, discord=True, telegram=patient) as out:
        async with aiohttp.ClientSession() as second:
            await second.post(f"{out.telegram_api.url}{TOKEN}/getUpdates", data={"timeout": 0})
        await until(lambda: "PAPER TELEGRAM IN TROUBLE" in out.channel(), "a word on Discord")
        assert any("another process reads this bot's messages" in text for text in out.discord_api.texts())
        refused = await out.say("/resume")
        assert "Commands from here are refused: another process reads" in refused.text
        assert (await out.say("/halt somebody else has the token")).text.startswith("PAPER halted")
        assert trading(house) is HALTED
        assert (await out.slash("version")).text.startswith("PAPER Gavel")
        later[0] = 61.0
        await until(lambda: "PAPER telegram is well again" in out.channel(), "its end on Discord")
        assert (await out.say("/resume")).keyboard


# --- 2 ----------------------------------------------------------------------------------------------------------------


async def test_02_more_than_one_person_roles_group_safety(tmp_path: Path) -> None:
    """Anybody in the group could force a sale. Here a group reads, and who may act there has a role of his own; a tap
    passes the same gate as a word."""
    async with a_house_of(tmp_path) as house, phones(house) as out:
        await house.directory.add(f"telegram:{GROUP}", Role.VIEWER, name="the room", by="a test")
        assert (await out.say("/positions", "eve", chat=GROUP)).text.startswith("PAPER no open position")
        for who, role in (("eve", "viewer"), ("vera", "viewer"), ("otto", "operator")):
            refused = await out.say("/set judge.min_confidence 0.9", who, chat=GROUP)
            assert f"for admins, you are a{'n' if role == 'operator' else ''} {role}" in refused.text
        assert "for operators" in (await out.say("/halt", "vera", chat=GROUP)).text
        assert (await out.say("/halt lunch", "otto", chat=GROUP)).text.startswith("PAPER halted")
        question = await out.say("/resume", "otto", chat=GROUP)
        for who in ("eve", "vera", "ann"):
            out.telegram_api.person(int(IDS[who])).tap(question, "Confirm")
            await until(lambda who=who: out.telegram_api.person(int(IDS[who])).notes, "a note for who tapped")  # type: ignore[misc]
        assert (trading(house), house.desk.status().version, len(question.keyboard)) == (HALTED, 0, 1)
        await out.tap(question, "Confirm", "otto")
        assert trading(house) is ACTIVE


async def test_02_in_a_group_nobody_has_listed_a_stranger_gets_nothing(tmp_path: Path) -> None:
    """Telegram hands on taps in any group the bot is in. Here a stranger there is told once that the desk is private,
    and then nothing, whatever he taps."""
    async with a_house_of(tmp_path) as house, phones(house) as out:
        await out.say("/halt", "otto", chat=GROUP)
        question = await out.say("/resume", "otto", chat=GROUP)
        assert (await out.say("/positions", "eve", chat=GROUP)).text == "This desk is private."
        said = len(house.service.said)
        for data in (question.data("Confirm"), "do:/halt", "re:/balance", "cf:", "x" * 64):
            out.telegram_api.person(int(IDS["eve"])).forge(question, data)
        await until(lambda: len(house.service.said) == said + 5, "the gate")
        assert [card for _, card in house.service.said[said:]] == [None] * 5
        assert trading(house) is HALTED


@pytest.mark.parametrize("platform", ["telegram", "discord"])
async def test_02_an_empty_list_of_users_is_nobody(tmp_path: Path, platform: str) -> None:
    """An empty list meant everybody. Here it means nobody: the chat is not started, and /health says why."""
    tokens: dict[str, Any] = {"TELEGRAM_BOT_TOKEN": TOKEN} if platform == "telegram" else {"DISCORD_BOT_TOKEN": "a.b.c"}
    settings = Settings(_env_file=None, DISCORD_GUILD_ID=1, **tokens)
    async with a_house_of(tmp_path) as house:
        people = await Directory.open(Register(house.database, house.wall))  # the environment names nobody
        for person in people.all():
            for key in [k for k in person.accounts if k.startswith(f"{platform}:") and len(person.accounts) > 1]:
                await people.unlink(key)
        nobody = Surface(replace(tools(house), people=people))
        chats, artist = Chats(), Studio(tmp_path)
        armed(chats, settings, nobody, house.wall, artist=artist, tell=teller(house.bench.desk))
        assert chats.running == []
        (why,) = [c.why for c in chats.refused if c.name == platform]
        assert why == f"{platform.upper()}_ALLOWED_USERS is empty: nobody may use the bot, so it is not started"


# --- 3 ----------------------------------------------------------------------------------------------------------------


async def test_03_telegram_outage_or_flaky_network(tmp_path: Path) -> None:
    """The bot would not start, or never spoke again, or the message was given up. Here the desk trades as if nothing
    were, and everything comes later, in order, and says that it is late."""
    async with a_house_of(tmp_path) as house, phones(house, down=True) as out:
        await until(lambda: out.telegram.state.why not in ("", "connecting"), "the outage")
        position = await house.bench.enter()
        await house.bench.desk.obey(ClosePosition(position_id=position.id, by="a test"))
        await house.bench.desk.settle()
        assert len(house.bench.desk.book.trades) == 1, "a chat that is down changes no trade"
        house.later(14 * 60)
        out.telegram_api.down = False
        await out.delivered()
        told = [m for m in out.alerts() if "telegram" not in m.text.lower()]
        order = (
            "buy order sent",
            "long 0.133 @ 60,000.0",
            "protected",
            "by hand, closing",
            "sell order sent",
            "BTC sold 0.133",
            "BTC long lost -7.98",
            "desk started",
            "BTC long, confidence 0.90",
        )
        assert all(said in m.text for m, said in zip(told, order, strict=True)), [m.text for m in told]
        assert all("late: queued 09:30 UTC, 14 min ago" in m.text for m in told)


async def test_03_the_other_platform_says_what_is_critical(tmp_path: Path) -> None:
    """Asked for: a second channel as fallback. Here what says that money is at risk, and was not taken within 30 s,
    goes to the other platform too."""
    async with (
        a_house_of(tmp_path) as house,
        phones(house, discord=True, down=True, stand_ins=lambda _: (CHANNEL,)) as out,
    ):
        house.routing.remove(CHANNEL)  # it is told nothing of its own
        await out.delivery.tick()
        await house.bench.desk.obey(Halt(by="otto", reason="news"))
        house.later(31)
        await out.delivery.tick()
        await until(lambda: "PAPER HALTED by otto: news" in out.channel(), "the stand-in")
        assert "telegram has not taken this for 30 s" in out.discord_api.texts()[-1]


# --- 4 ----------------------------------------------------------------------------------------------------------------


async def test_04_not_told_that_it_died(tmp_path: Path) -> None:
    """ "Found out only hours later." Here a second process, `gavel watch`, tells it to the phones, once and loudly,
    with what is open; and once that it is back."""
    async with a_house_of(tmp_path) as house, phones(house) as out:
        await house.bench.enter()
        await out.delivered()
        heart = a_heartbeat(house, tmp_path)
        await heart.beat()
        assert await gavel_watch(tmp_path, out) == 0
        write_signs(tmp_path / "heartbeat", replace(signs(tmp_path), at=datetime.now(UTC) - timedelta(hours=2)))
        told = len(out.alerts())
        assert [await gavel_watch(tmp_path, out) for _ in range(3)] == [1, 1, 1]
        (gone,) = out.alerts()[told:]
        assert gone.text.startswith("PAPER THE DESK IS GONE, silent for 120 min")
        assert "BTC long 0.133 @ 60,000.0, stop 58,500.0" in gone.text
        assert not gone.silent
        write_signs(tmp_path / "heartbeat", replace(signs(tmp_path), at=datetime.now(UTC)))
        assert [await gavel_watch(tmp_path, out) for _ in range(2)] == [0, 0]
        assert [title[:26] for title in out.titles()[told + 1 :]] == ["PAPER the desk is back aft"]


def a_heartbeat(house: House, directory: Path) -> Heartbeat:
    return Heartbeat(
        directory,
        wall=SystemClock(),
        status=house.desk.status,
        destinations=lambda: house.routing.destinations,
        writable=Pulse(house.database, house.wall).beat,
    )


def signs(directory: Path) -> Signs:
    found = read_signs(directory / "heartbeat")
    assert found is not None
    return found


async def gavel_watch(directory: Path, out: Phones) -> int:
    """Its exit code; the shell's own command."""
    url = out.telegram_api.url
    environment = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_BASE_URL": url, "TELEGRAM_ALLOWED_USERS": str(ANN)}
    arguments = ["--data-dir", str(directory), "--once"]
    done = await asyncio.to_thread(CliRunner(env=environment).invoke, watch, arguments)
    return done.exit_code


async def test_04_and_a_sign_of_life_that_does_not_ring(tmp_path: Path) -> None:
    """ "A ding every five minutes will get old quickly." Here one pinned card is edited: its age is the heartbeat."""
    async with a_house_of(tmp_path) as house, phones(house) as out:
        await out.delivered()
        cards = StatusCards(
            chats=out.chats.by_platform(),
            destinations=lambda: house.routing.destinations,
            wanted=lambda _: True,
            card=lambda there: pinned_card(house.desk.status(), house.wall.now(), about(house)(there)),
            farewell=lambda there: unpinned_card(house.wall.now(), about(house)(there)),
            pins=Pins(house.database),
            wall=house.wall,
        )
        before = len(out.alerts())
        for minute in range(10):
            house.later(60)
            await cards.refresh()
            (card,) = out.alerts()[before:]
            assert f"As of 2026-01-05 09:{31 + minute} UTC" in card.text
        assert (card.silent, card.pinned, card.edited) == (True, True, True)
        assert [call.code for call in out.telegram_api.made("editMessageText")] == [200] * 9
        await cards.close()


# --- 5 ----------------------------------------------------------------------------------------------------------------


async def test_05_noise_each_kind_on_silent_off_or_in_the_digest(tmp_path: Path) -> None:
    """A fill and a signal and an exit for each trade: "so many that I miss the buy". Here each kind is on, silent, off
    or in the digest, for each chat, and small results need no message of their own."""
    async with a_house_of(tmp_path) as house, phones(house) as out:
        await out.delivered()
        for line in ("fill silent", "order off", "protection off", "exit off", "decision digest", "min 1000"):
            assert not (await out.say(f"/alerts {line}")).text.startswith("PAPER refused")
        before = len(out.alerts())
        position = await house.bench.enter()
        await house.bench.desk.obey(ClosePosition(position_id=position.id, by="a test"))
        await house.bench.desk.settle()
        await out.delivered()
        told = [m for m in out.alerts()[before:] if "alerts" not in m.text]
        assert [(m.text.partition("@")[0], m.silent) for m in told] == [
            ("PAPER ▲ BTC long 0.133 ", True),
            ("PAPER BTC sold 0.133 ", True),
        ]
        house.later(3600)
        await out.tick()
        digest = out.alerts()[-1]
        assert digest.text.startswith("PAPER 2 alerts, last: BTC long lost -7.98")
        assert digest.silent


async def test_05_noise_the_same_error_is_told_less_and_less_often(tmp_path: Path) -> None:
    """The same error every minute. Here it is told at once, then after 1, 5, 15 and 60 minutes, with how often it
    was."""
    async with a_house_of(tmp_path) as house, phones(house) as out:
        await out.delivered()
        before, at = len(out.alerts()), []
        for minute in range(25):
            told = len(out.alerts())
            await house.bench.desk.tell(VenueLost(at=house.bench.desk.now(), detail="no answer"))
            await out.tick()
            house.later(60)
            at += [minute] * (len(out.alerts()) - told)
        texts = [m.text for m in out.alerts()[before:]]
        assert at == [0, 1, 6, 21]
        assert [text.partition(" more times since")[0].rpartition("\n")[2] for text in texts[2:]] == ["5", "15"]


# --- 6, 7, 8 ----------------------------------------------------------------------------------------------------------


async def test_06_wide_tables_on_phones(tmp_path: Path) -> None:
    """ "Really hard to read, I don't read it." Here no card has a monospaced block, its first line is within 60
    characters, and a table's row is a line of words that are not padded into columns."""
    async with a_house_of(tmp_path) as house, phones(house) as out:
        position = await house.bench.enter()
        await house.bench.desk.obey(ClosePosition(position_id=position.id, by="a test"))
        await house.bench.desk.settle()
        await house.bench.enter(ETH)
        for entry in [e for e in COMMANDS.values() if e.effect is Effect.READS]:
            await out.say(entry.example)
        await out.say("/pnl all by pair")
        cards = [card for _, card in house.service.said if card is not None]
        cards += [card for event in events().values() if (card := render_event(event, RenderContext()))]
        assert len(cards) > 80
        assert any(card.table for card in cards)
        for card in cards:
            assert len(card.title) <= 60, card.title
            marked = "".join(m.html for m in messages(card)) + "".join(contents(card))
            assert not re.search("<pre|<code|(?<!\\\\)`", marked), card.title
            for line in card.table.lines() if card.table else ():
                assert len(line) <= 120, line
                assert "  " not in line, "columns are not padded out"


async def test_07_message_too_long_and_nothing_sent(tmp_path: Path) -> None:
    """What was too long was refused, and nothing arrived. Here it comes in as many messages as it takes, and no word of
    it is lost; its buttons stand under the last."""
    said = [f"{n} {'y' * (n % 37)} <{n}>_" for n in range(900)]
    long = Card(
        title="PAPER a long one",
        lines=(*said, "z" * 9000),
        detail=tuple(reversed(said)),
        buttons=(Button(label="Status", data="do:/status"),),
    )
    async with a_house_of(tmp_path) as house, phones(house, discord=True) as out:
        ids = (await out.telegram.send(PHONE, long, key="k", silent=False)).split(",")
        shown = [m for m in out.telegram_api.inbox(ANN) if str(m.id) in ids]
        assert len(ids) == len(shown) > 5
        assert "".join("".join(m.text for m in shown).split()) == "".join(long.plain().split())
        assert [bool(m.keyboard) for m in shown] == [False] * (len(ids) - 1) + [True]
        ids = (await out.discord.send(CHANNEL, long, key="k", silent=False)).split(",")
        there = [m for m in out.discord_api.inbox() if str(m.id) in ids]
        assert "".join("".join(m.text for m in there).split()) == "".join(long.plain().split())
        assert [bool(m.labels) for m in there] == [False] * (len(ids) - 1) + [True]


NASTY = " a_b *c* `d` ~~e~~ ||f|| <b>g</b> &amp; [h](https://x.y/z_) {0} {x} %s \\ # > @everyone <@11> $j$ </tg> "


def nasty(value: Any, names: frozenset[str] = frozenset()) -> Any:
    """The same with something in every text that some platform would take for markup, but for ids, whose alphabet is
    our own; with `names`: in these fields alone."""
    if is_dataclass(value) and not isinstance(value, type):
        made = {f.name: _nasty_field(f.name, getattr(value, f.name), names) for f in fields(value) if f.init}
        return replace(value, **made)
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(nasty(item, names) for item in value)
    if type(value) is dict:
        return {key: nasty(item, names) for key, item in value.items()}
    return value + NASTY if type(value) is str and value and "-" not in value and not names else value


def _nasty_field(name: str, value: Any, names: frozenset[str]) -> Any:
    return value + NASTY if name in names and type(value) is str else nasty(value, names)


async def arrives_whole(out: Phones, card: Card, key: str) -> None:
    """On both platforms, word for word."""
    meant = card.plain().split()
    ids = (await out.telegram.send(PHONE, card, key=key, silent=True)).split(",")
    assert " ".join(out.telegram_api.messages[ANN, int(id)].text for id in ids).split() == meant
    ids = (await out.discord.send(CHANNEL, card, key=key, silent=True)).split(",")
    shown = " ".join(out.discord_api.messages[int(id)].text for id in ids)
    assert shown.replace("\u200b", "").split() == meant


async def test_08_parse_errors_eat_messages(tmp_path: Path) -> None:
    """An underscore in a name, and the message was refused: once it was the refusal itself. Here every value of every
    alert may hold anything, and arrives as it is."""
    async with a_house_of(tmp_path) as house, phones(house, discord=True) as out:
        await out.delivered()
        shown = 0
        for name, event in events().items():
            card = render_event(nasty(event), RenderContext(market=f"market{NASTY}"))
            assert card is not None, name
            await arrives_whole(out, card, name)
            shown += "<b>g</b> &amp; [h](https://x.y/z_) {0} {x} %s" in " ".join(card.plain().split())
        assert shown == len(events())
        assert [c for c in out.telegram_api.calls if c.code == 400] == []
        assert [c for c in out.discord_api.calls if c.status == 400] == []


TEXTS = frozenset(
    ("note", "reason", "thesis", "label", "source", "detail", "why", "by", "halt_reason", "halted_by", "size_note")
)


async def test_08_and_so_may_every_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same of what people ask for: each command's answer, over a desk in which each text holds markup."""
    told, closed = nasty(story(), TEXTS), nasty(a_trade(), TEXTS)
    monkeypatch.setattr(surface_examples, "story", lambda: told)
    monkeypatch.setattr(surface_examples, "a_trade", lambda: closed)
    cards: dict[str, Card] = {}
    async with staged(tmp_path) as stage:
        stage.desk.view = nasty(surface_examples.a_held_back_status(halt_reason="news", halted_by="otto"), TEXTS)
        await stage.tools.people.add("telegram:99", Role.VIEWER, name=NASTY, by="a test")
        for entry in COMMANDS.values():
            line = entry.example if entry.effect is Effect.READS else f"/{entry.path}{NASTY}"
            cards[entry.path] = await stage.card(line)
    async with a_house_of(tmp_path / "house") as house, phones(house, discord=True) as out:
        await out.delivered()
        for path, card in cards.items():
            assert not card.title.startswith("PAPER error"), (path, card.plain())
            await arrives_whole(out, card, path)
        assert [c for c in out.telegram_api.calls if c.code == 400] == []
        assert [c for c in out.discord_api.calls if c.status == 400] == []
    assert sum("<b>" in card.plain() for card in cards.values()) > 12


# --- 9 ----------------------------------------------------------------------------------------------------------------


async def test_09_flood_limits(tmp_path: Path) -> None:
    """Forty messages into a group, and twenty arrived. Here they come at the group's own pace: all of them, in order,
    none refused, and nobody else waits for that."""
    group = (Limit(count=1, seconds=0.01), Limit(count=10, seconds=0.3))
    paced = {"limits": Limits(private=FAST.private, group=group, overall=FAST.overall)}
    flood = Flood(every=0.03, burst=10)
    async with a_house_of(tmp_path) as house, phones(house, flood=flood, telegram=paced) as out:
        await out.delivered()
        out.telegram_api.group(GROUP)
        house.routing.add(f"telegram:{GROUP}")
        house.routing.remove(PHONE)
        fills = [OrderFilled(at=AT, order=an_order(), fill=a_fill(id=f"f{n}", price=D(60_000 + n))) for n in range(40)]
        await house.bench.desk.tell(*fills)
        began = len(out.telegram_api.inbox(GROUP))
        await out.say("/version")
        assert began <= len(out.telegram_api.inbox(GROUP)) < 40, "a private chat does not wait for a group"
        await out.delivered()
        assert [t.rpartition(" ")[2] for t in out.titles(GROUP)] == [f"{60_000 + n:,}" for n in range(40)]
        sent = [c for c in out.telegram_api.made("sendMessage") if int(c.params["chat_id"]) == GROUP]
        assert {c.code for c in sent} == {200}
        assert all(later.at - sooner.at >= 0.3 for sooner, later in zip(sent, sent[10:], strict=False))


# --- 10 ---------------------------------------------------------------------------------------------------------------


async def test_10_daily_weekly_digest_and_heartbeat_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for again and again: what did it make today? Here the day and the week are told when they are over, with
    the result and a picture."""
    sunday = datetime(2026, 1, 4, 23, 59, 50, tzinfo=UTC)
    monkeypatch.setattr(
        chat_house, "two_markets", lambda _: tuple(a_series([60000] * 60, symbol=s, begins=sunday) for s in (BTC, ETH))
    )
    artist = Studio(tmp_path / "fonts")
    async with a_house_of(tmp_path) as house, phones(house, telegram={"artist": artist}) as out:
        for evening in (True, False):
            for weekly in (False, True):
                await house.bench.desk.obey(SumPeriod(weekly=weekly))  # as the schedule does
            if evening:
                position = await house.bench.enter()
                await house.bench.desk.obey(ClosePosition(position_id=position.id, by="a test"))
                await house.bench.step(12)
        await house.bench.desk.settle()
        await out.delivered()
        told = [m for m in out.alerts() if m.text.startswith(("PAPER day", "PAPER week"))]
        titles = [m.text.partition("\n")[0] for m in told]
        assert titles == ["PAPER day -7.98, 1 trade, 0 won", "PAPER week -7.98, 1 trade, 0 won"]
        assert all("Fees -7.98" in m.text and "Equity 9,992.02" in m.text and m.silent for m in told)

        def pictures() -> list[Any]:
            return [m for m in out.telegram_api.enclosed(ANN) if m.photo and m.reply_to in told]

        await until(lambda: len(pictures()) == 2, "the pictures")
        assert all(m.photo.content.startswith(b"\x89PNG") for m in pictures())
    await artist.close()


# --- 11 ---------------------------------------------------------------------------------------------------------------


async def test_11_change_settings_from_chat_and_keep_them(tmp_path: Path) -> None:
    """The configuration file could not be written, or a change was gone after a restart. Here it is in the database,
    the next process goes on with it, and it can be taken back there."""
    library = Library(tmp_path)
    playbook = library.load("desk")

    @asynccontextmanager
    async def process() -> AsyncIterator[Callable[..., Awaitable[Card]]]:
        wanted = Wanted(
            market=simulated(2, playbook),
            playbook=playbook,
            library=library,
            data_dir=tmp_path,
            speed=None,
            quiet=True,
            mute=True,
        )
        async with assembled(Settings(_env_file=None), wanted) as gavel:

            async def say(text: str = "", *, button: str = "") -> Card:
                who, now = Identity(platform="console", id="owner"), datetime.now(UTC)
                request = Request(who=who, place="console:main", text=text, button=button, at=now)
                card = await gavel.surface.handle(request)
                assert card is not None
                return card

            yield say

    async with process() as say:
        question = await say("/set judge.min_confidence 0.7")
        assert "judge.min_confidence: 0.6 -> 0.7" in question.lines
        assert (await say(button=f"{CONFIRM}{question.token}")).title == "PAPER judge.min_confidence changed"
        await say("/timezone Asia/Kolkata")
        await say("/alerts fill silent")
    async with process() as say:
        (line,) = [x for x in (await say("/settings judge.min_conf")).lines if x.startswith("judge.min_confidence")]
        assert line.startswith("judge.min_confidence: 0.7 (file 0.6")
        assert (await say("/timezone")).title == "PAPER time zone: Asia/Kolkata"
        assert (await say("/alerts fill")).title == "PAPER alerts here: fill silent"
        back = await say("/undo")
        assert (await say(button=f"{CONFIRM}{back.token}")).title == "PAPER undone"
    async with process() as say:
        assert "judge.min_confidence: 0.6 " in (await say("/settings judge.min_conf")).plain()


# --- 12 ---------------------------------------------------------------------------------------------------------------


async def test_12_accidents_with_exit_buttons(tmp_path: Path) -> None:
    """One tap sold everything without further warning. Here a close asks, with size and mark; two taps do it once; and
    everything at once wants a code typed."""
    async with a_house_of(tmp_path) as house, phones(house) as out:
        await house.bench.enter()
        await house.bench.enter(ETH)
        question = await out.tap(await out.say("/position BTC"), "Close")
        assert re.search(r"close BTC long\?\n.*0.133.*\n.*Mark 60,000.0", question.text)
        assert len(house.bench.desk.book.positions) == 2, "a tap on Close only asks"
        said = len(house.service.said)
        ann = out.telegram_api.person(ANN)
        for _ in range(2):
            ann.tap(question, "Confirm")
        await until(lambda: len(house.service.said) == said + 2, "both taps")
        first, second = (card.plain() for _, card in house.service.said[said:] if card)
        assert first.startswith("PAPER closing BTC long")
        assert "already confirmed by owner" in second
        await house.bench.desk.settle()
        assert [p.symbol for p in house.bench.desk.book.positions.values()] == [ETH]
        asked = await out.say("/flatten")
        code = re.search(r"Type (\d{4}) to confirm", asked.text)
        assert code is not None
        ann.tap(asked, "Confirm")
        await until(lambda: any("that is not the code" in note for note in ann.notes), "a tap is not enough")
        assert len(house.bench.desk.book.positions) == 1
        await out.say(code[1])
        await house.bench.desk.settle()
        assert (len(house.bench.desk.book.positions), trading(house)) == (0, HALTED)


async def test_12_and_a_price_that_has_moved_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A yes is to what was shown. Here it is refused when the price has gone elsewhere meanwhile."""
    monkeypatch.setattr(chat_house, "two_markets", lambda bars: two_markets(bars, btc=[60000] * 3 + [61200] * 30))
    async with a_house_of(tmp_path) as house, phones(house) as out:
        await house.bench.enter()
        question = await out.say("/close BTC")
        await house.bench.step(5)
        refused = await out.tap(question, "Confirm")
        assert refused.text.startswith("PAPER refused")
        assert "is at 61,200 now: 2.000%, more than 0.500%" in refused.text
        assert len(house.bench.desk.book.positions) == 1


# --- 13 ---------------------------------------------------------------------------------------------------------------


async def test_13_discord_both_ways(tmp_path: Path) -> None:
    """ "Alerts in Discord and control in Telegram is frustrating." Here Discord has all of it: slash commands with what
    may be meant, alerts, buttons, forms; and one person is one person on both."""
    async with a_house_of(tmp_path) as house, phones(house, discord=True) as out:
        offered = {command["name"] for command in out.discord_api.commands[GUILD]}
        assert offered == {entry.name for entry in COMMANDS.values()}
        otto = out.discord_api.person(int(IDS["otto"]))
        await house.bench.enter()
        await out.delivered()
        assert "PAPER ▲ BTC long 0.133 @ 60,000.0" in out.channel()
        assert "BTC" in await otto.complete("close", "position", "b")
        question = await out.slash("close", "otto", position="BTC", part="50%")
        done = await out.press(question, "Confirm", "otto")
        assert done.text.startswith("PAPER closing 50% of BTC long")
        await house.bench.desk.settle()
        asked = await out.slash("flatten", "ann")
        await out.submit(asked, "Confirm", re.findall(r"Type (\d{4}) to confirm", asked.text)[0])
        await house.bench.desk.settle()
        assert (len(house.bench.desk.book.positions), trading(house)) == (0, HALTED)
        question = await out.slash("resume", "ann")
        assert (await out.say("/questions")).text.count("/resume") == 1, "the same question, on his phone"
        await out.press(question, "Confirm", "ann")
        assert trading(house) is ACTIVE


# --- 14 ---------------------------------------------------------------------------------------------------------------


async def test_14_why_did_it_trade(tmp_path: Path) -> None:
    """Open for years: why was this bought? Here each decision is a record, and /why says what was seen, who voted how,
    the tally, and each limit of the gate with its number; also for what was not done."""
    async with a_house_of(tmp_path) as house, phones(house) as out:
        await house.bench.enter()
        await out.delivered()
        fill = next(m for m in reversed(out.alerts()) if "0.133 @ 60,000.0\n" in m.text)
        for why in (await out.tap(fill, "Why"), await out.say("/why BTC")):
            for said in (
                "FLOW long 0.90",
                "TECHNICAL long 0.90, weight 1",
                "because",
                "[E1] FLOW: RSI(14) 55",
                "Tally: winning 2.25, losing 0.00",
                "confidence 0.90 reaches 0.60",
                "risk passed: 199.50, limit 200.00",
                "daily loss passed: 0.00, limit under 500.00",
                "60,000.0",
            ):
                assert said in why.text, why.text
        assert "199.50" in (await out.say("/ask why this size for BTC")).text
        await house.bench.decide(ETH)
        assert "ETH" in (await out.say("/why ETH")).text
        flip = await out.say("/whatif BTC judge.min_confidence=0.95")
        assert "wait" in flip.text.lower()


# --- 15 ---------------------------------------------------------------------------------------------------------------


async def test_15_pause_semantics(tmp_path: Path) -> None:
    """A pause that no status showed, with no way back, and positions that grew all the same. Here it is a state like
    any other: seen, with who and why; nothing is entered or added to; exits go on; and it has a counterpart."""
    async with a_house_of(tmp_path) as house, phones(house) as out:
        await out.say("/pause BTC for 2h thin book", "otto")
        assert "thin book" in (await out.say("/locks")).text
        assert "BTC" in (await out.say("/status")).text
        house.bench.script.long(BTC, ETH)
        await house.bench.decide(BTC, ETH)
        held = {p.symbol for p in house.bench.desk.book.positions.values()}
        assert held == {ETH}, "the other pairs go on"
        assert "locked" in (await out.say("/why BTC")).text
        for line in ("/enter BTC long", "/enter ETH long"):
            await out.tap(await out.say(line), "Confirm")
            await house.bench.desk.settle()
        assert len(house.bench.desk.book.positions) == 1
        await out.say("/pause ETH")
        await out.tap(await out.say("/close ETH"), "Confirm")
        await house.bench.desk.settle()
        assert len(house.bench.desk.book.positions) == 0, "an exit is never paused"
        for pair in ("BTC", "ETH"):
            await out.tap(await out.say(f"/unlock {pair}"), "Confirm")
        assert house.desk.status().locks == ()
        await house.bench.step()
        await house.bench.decide(BTC)
        assert len(house.bench.desk.book.positions) == 1


# --- 16 ---------------------------------------------------------------------------------------------------------------


class Dying(Outbox):
    """Of a process that ends when the fill was sent, and before it could say so. `shown`: the chat's messages."""

    def __init__(self, house: House) -> None:
        super().__init__(house.database, house.wall)
        self.shown: Callable[[], list[str]] = list
        self.over = False

    async def sent_all(self, references: Mapping[int, str]) -> None:
        if not self.over and any("Filled" in text for text in self.shown()):
            self.over = True
            await asyncio.Event().wait()
        await super().sent_all(references)


@pytest.mark.parametrize("platform", ["telegram", "discord"])
async def test_16_duplicates_and_order(tmp_path: Path, platform: str) -> None:
    """A fill was told twice, and before its order. Here each is told once and in its order, also when the process dies
    between the request and its answer: Discord knows the message again, on Telegram the second one says what it is."""
    on_discord = platform == "discord"
    async with a_house_of(tmp_path) as house:
        dying = Dying(house)
        async with phones(house, discord=on_discord, outbox=dying) as first:
            house.routing.remove(PHONE if on_discord else CHANNEL)

            def texts() -> list[str]:
                return first.discord_api.texts() if on_discord else first.telegram_api.texts(ANN)

            dying.shown = texts
            await house.bench.enter()
            await until(lambda: dying.over, "the end")
            await first.die()
            async with phones(house, discord=on_discord, on=first) as second:
                await second.delivered()
                await house.bench.restart()
                await house.bench.sweep()
                await second.delivered()
            told = [text for text in texts() if text.startswith(("PAPER BTC buy order sent", "PAPER ▲ BTC long 0.133"))]
        order, *fills, protected = told
        assert order.startswith("PAPER BTC buy order sent")
        assert "protected" in protected
        assert all("Filled 0.133 of 0.133" in fill for fill in fills)
        assert [REPEAT in fill for fill in fills] == ([False] if on_discord else [False, True])


# --- 17 ---------------------------------------------------------------------------------------------------------------


async def test_17_token_in_logs_and_pasted_configs(tmp_path: Path) -> None:
    """The token is in the URL, and a library logs URLs: it stood in logs and pasted issues. Here it is in no line, at
    the loudest level, whatever goes wrong; nor in what the settings say of themselves."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, before = logging.StreamHandler(stream), root.level
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    secrets = [SecretStr(TOKEN), SecretStr(discord_api.TOKEN)]
    undo = redaction.install(secrets)
    loud = [logging.getLogger(n) for n in ("httpx", "httpcore", "telegram", "discord", "discord.http", "aiohttp")]
    try:
        async with a_house_of(tmp_path) as house, phones(house, discord=True) as out:
            for logger in loud:  # louder than the adapters ever let them be
                logger.setLevel(logging.DEBUG)
            await out.say("/status")
            await out.slash("status")
            out.telegram_api.down = out.discord_api.down = True
            await house.bench.enter()
            await until(lambda: out.telegram.state.why, "the outage")
            out.telegram_api.down = out.discord_api.down = False
            out.telegram_api.fail("sendMessage", 401, "Unauthorized")
            out.discord_api.fail("POST", "/messages", 401, "401: Unauthorized")
            await out.delivered()
            logging.getLogger("anybody").warning("gave up on %s%s/sendMessage", out.telegram_api.url, TOKEN)
    finally:
        undo()
        root.removeHandler(handler)
        root.setLevel(before)
        for logger in loud:
            logger.setLevel(logging.NOTSET)
    logged = stream.getvalue()
    assert "/bot***/sendMessage" in logged
    assert "HTTP Request: POST" in logged
    assert "discord.http POST" in logged
    for secret in secrets:
        for part in (secret.get_secret_value(), *re.split("[:.]", secret.get_secret_value())[1:]):
            assert part not in logged
    settings = Settings(_env_file=None, TELEGRAM_BOT_TOKEN=TOKEN, DISCORD_BOT_TOKEN=discord_api.TOKEN)
    assert TOKEN not in f"{settings!r}{settings.model_dump()}"


# --- 18 ---------------------------------------------------------------------------------------------------------------


async def test_18_timezone(tmp_path: Path) -> None:
    """Times of a server that stands elsewhere. Here each reads his own, on answers and alerts, by its name; the details
    keep UTC, for whoever compares them."""
    async with a_house_of(tmp_path) as house, phones(house) as out:
        house.routing.add(f"telegram:{IDS['vera']}")
        await out.say("/timezone Asia/Kolkata")
        await out.say("/timezone America/New York", "vera")
        await house.bench.enter()
        await out.delivered()
        noon = {ANN: "17:30 IST", int(IDS["vera"]): "07:00 EST"}  # of the market's clock: 12:00 UTC
        for chat, local in noon.items():
            fill = next(m for m in reversed(out.alerts(chat)) if "Filled" in m.text)
            assert f"2026-01-05 {local}" in fill.text
            assert "UTC" not in fill.text
        assert "Opened 17:30 IST" in (await out.say("/position BTC")).text
        why = await out.say("/why BTC", "vera")
        assert "07:00 EST: bought 0.133 BTC" in why.text
        assert "Made 2026-01-05 12:00 UTC" in why.text


# --- 19 ---------------------------------------------------------------------------------------------------------------


async def test_19_discord_buttons_die(tmp_path: Path) -> None:
    """Three minutes or a restart, and a button was dead. Here it works after a restart; one that is over says so, and
    has no buttons left."""
    async with a_house_of(tmp_path) as house, phones(house, discord=True) as first:
        await house.bench.desk.obey(Halt(by="otto", reason="lunch"))
        question = await first.slash("resume")
        await first.die()
        async with phones(house, discord=True, on=first) as out:
            assert (await out.press(question, "Confirm")).text.startswith("PAPER resumed")
            assert (trading(house), question.labels) == (ACTIVE, [])
            await house.bench.desk.obey(Halt(by="otto", reason="dinner"))
            question = await out.slash("resume")
            house.later(121)
            expiry = Expiry(questions=house.confirmations, chats=out.chats.by_platform(), about=about(house))
            async with asyncio.timeout(5):
                while question.labels:  # it is a job of every few seconds
                    await expiry.sweep()
            assert question.text.startswith(
                "PAPER expired: resume entries?\nNobody answered until 2026-01-05 09:32 UTC"
            )
            assert trading(house) is HALTED


# --- 20 ---------------------------------------------------------------------------------------------------------------


async def test_20_one_bot_for_several_rooms(tmp_path: Path) -> None:
    """One stream for everything. Here a chat's decisions, fills, risk and the rest each go to the topic that was made
    for them, or to a thread on Discord; an answer stays where it was asked."""
    async with a_house_of(tmp_path) as house, phones(house, discord=True) as out:
        topics = {5: "decisions", 6: "fills", 7: "risk", 8: "ops"}
        out.telegram_api.group(GROUP, topics=topics)
        out.discord_api.thread(77)
        house.routing.set_stream(CHANNEL, "fills", f"{CHANNEL}/77")
        await out.say("/alerts here on", chat=GROUP)
        for topic, stream in topics.items():
            said = await out.say(f"/alerts stream {stream} here", "otto", chat=GROUP, topic=topic)
            assert said.topic == topic
        house.routing.remove(PHONE)
        await out.delivered()
        before = len(out.alerts(GROUP))
        await house.bench.enter()
        await house.bench.desk.obey(Halt(by="otto", reason="lunch"))
        await house.bench.desk.obey(SetPhase(phase="calm", by="otto"))
        await out.delivered()
        told = sorted((m.topic or 0, m.text[6:28]) for m in out.alerts(GROUP)[before:])
        assert told == [
            (5, "▲ BTC long, confidence"),
            (6, "BTC buy order sent: 0."),
            (6, "▲ BTC long 0.133 @ 60,"),
            (6, "▲ BTC long 0.133 @ 60,"),
            (7, "HALTED by otto: lunch\n"),
            (8, "phase base -> calm\nBy "),
        ]
        thread = [text[6:24] for text in out.discord_api.texts(77)]
        assert thread == ["BTC buy order sent", "▲ BTC long 0.133 @", "▲ BTC long 0.133 @"]
        assert not any("BTC buy order sent" in text for text in out.discord_api.texts())
