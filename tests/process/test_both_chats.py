"""Acceptance 3 of the chat: the real `gavel run` on Telegram and Discord at once, fakes on loopback, venue on paper."""

import asyncio
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import pytest

from bot.heartbeat import read_signs
from tests.fakes.discord_api import DESK, DiscordApi, Interaction
from tests.fakes.discord_api import Message as Post
from tests.fakes.telegram_api import TOKEN, Message, TelegramApi
from tests.process import program, proofs
from tests.process.bots import LASTING, ONE, SECRETS, Bot
from tests.process.records import CONSOLE, read
from trading.events import OrderFilled, TradingHalted, TradingResumed

ANN, ANN_THERE = 11, 21  # one person, an account on each platform
PHONE, ROOM = f"telegram:{ANN}", f"discord:{DESK}"
SPEED = 300  # market seconds a second
# Exits where stop or target stand, so far away that the phones are at rest when the venue fills them.
QUICK = re.sub(r"(take_profit|stop_loss) = .*", r"\1 = 0.008", ONE).replace('"10m"', '"24h"').replace('"30m"', '"24h"')
SECOND = 1.0  # an alert may take that long
MANNERS = 1.0  # seconds between two messages to a person on Telegram: its limit, not ours
OLDER, LOOKS = 8, 5  # seconds: what the watch was told, and between two of its looks


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with TelegramApi() as telegram, DiscordApi() as discord:
        telegram.person(ANN, "Ann")
        discord.person(ANN_THERE, "Ann")
        yield Bot(tmp_path, telegram, discord)


# --- one desk, two phones -----------------------------------------------------------------------------------------


async def test_one_person_rules_one_desk_from_two_phones(bot: Bot) -> None:
    async with life(bot, QUICK):
        await bot.hear(bot.telegram.person(ANN), "protected")
        await they_are_made_one_person(bot)
        await commands_are_answered_alike(bot)
        await bot.until(lambda: min(waits(bot, PHONE)) <= SECOND and min(waits(bot, ROOM)) <= SECOND, "a quick fill")
        await a_halt_here_is_resumed_there(bot)
        await a_second_poller_is_told_there(bot)
    assert proofs.faults(read(bot.data), stopped=True) == []
    assert median(waits(bot, ROOM)) <= SECOND
    # Where other messages to the same phone came just before it, a fill waits its turn and no longer.
    assert median(waits(bot, PHONE, beside_manners=True)) <= SECOND
    assert told_alike(bot)
    assert "Traceback" not in bot.log()
    assert bot.holds_a_token() == []


async def they_are_made_one_person(bot: Bot) -> None:
    ann = bot.telegram.person(ANN)
    ann.type(f"/users link telegram-{ANN} discord:{ANN_THERE}")
    question = await bot.hear(ann, f"discord:{ANN_THERE} is telegram-{ANN} too\\?")
    ann.tap(question, "Confirm")
    await bot.until(lambda: "has one more account" in question.text, "the link")


async def commands_are_answered_alike(bot: Bot) -> None:
    """But for the numbers, which go on in between; where a trade ends in between, they are asked again."""
    for name in ("positions", "pnl", "status", "version"):
        for _ in range(5):
            here, there = await asyncio.gather(on_telegram(bot, f"/{name}"), on_discord(bot, name))
            if shape(here.text) == shape("\n".join(there.texts)):
                break
        assert shape(here.text) == shape("\n".join(there.texts)), name
    assert here.text == "\n".join(there.texts), "of the version no number changes"


async def a_halt_here_is_resumed_there(bot: Bot) -> None:
    """The question stands on Telegram; the same person finds and answers it on Discord."""
    ann, there = bot.telegram.person(ANN), discord(bot).person(ANN_THERE)
    ann.type("/halt lunch")
    for phone in (lambda: bot.said(ann, r"HALTED by Ann \(telegram:11\): lunch"), lambda: posts(bot, "HALTED by Ann")):
        await bot.until(phone, "the halt on both phones")
    question = await on_telegram(bot, "/resume")
    assert "resume entries?" in question.text
    listed = (await on_discord(bot, "questions")).original
    assert listed is not None
    assert listed.ephemeral_to == ANN_THERE
    there.tap(listed, "Confirm 1: resume entries?")
    await bot.until(lambda: read(bot.data).of(TradingResumed), "the resumption")
    await bot.until(lambda: "confirmed: resume entries?" in question.text, "the end of the question on Telegram")
    assert not question.keyboard
    [resumed], [halted] = read(bot.data).of(TradingResumed), read(bot.data).of(TradingHalted)
    assert (halted.by, resumed.by) == (f"Ann ({PHONE})", f"Ann (discord:{ANN_THERE})")


async def a_second_poller_is_told_there(bot: Bot) -> None:
    """Nobody knows who hears a command on Telegram: all but /halt is refused there, and Discord is told why."""
    ann = bot.telegram.person(ANN)
    await poll_beside(bot)
    await bot.until(lambda: posts(bot, "TELEGRAM IN TROUBLE\nanother process reads this bot's messages"), "the alarm")
    assert "Commands from here are refused: another process" in (await on_telegram(bot, "/status")).text
    assert "equity" in (await on_discord(bot, "status")).texts[0]
    ann.type("/halt two of us")
    await bot.until(lambda: "two of us" in [h.reason for h in read(bot.data).of(TradingHalted)], "the halt")


async def poll_beside(bot: Bot) -> None:
    await bot.until(lambda: bot.telegram.polling, "an open poll")
    async with aiohttp.ClientSession() as other:
        await other.get(f"{bot.telegram.url}{TOKEN}/getUpdates", params={"timeout": "0"})
    await bot.until(lambda: [c for c in bot.telegram.made("getUpdates") if c.code == 409], "a conflict")


@pytest.mark.slow
async def test_when_the_second_poller_is_gone_commands_are_obeyed_again(bot: Bot) -> None:
    """It is, after a minute without a conflict."""
    async with life(bot, LASTING):
        await a_second_poller_is_told_there(bot)
        await bot.until(lambda: posts(bot, "telegram is well again\nno other process"), "the end of it")
        assert "equity" in (await on_telegram(bot, "/status")).text


# --- both in trouble, and a stop in the midst of it ---------------------------------------------------------------


# Of an outage the first seconds show as much as a minute, but for the marks of what is late.
@pytest.mark.parametrize(("seconds", "speed"), [(6, 400), pytest.param(60, 120, marks=pytest.mark.slow)])
async def test_both_in_trouble_nothing_is_lost_or_told_twice(bot: Bot, seconds: int, speed: int) -> None:
    ann, api = bot.telegram.person(ANN), discord(bot)
    async with life(bot, QUICK, speed=speed):
        await bot.hear(ann, "protected")
        await bot.until(lambda: all(any(m.pinned for m in cards) for cards in status_cards(bot)), "the status cards")
        heard, began = len(bot.telegram.inbox(ANN)), time.time()
        bot.telegram.down = True
        api.gateway.drop()
        filled = len(read(bot.data).of(OrderFilled))
        await bot.until(
            lambda: time.time() - began > seconds and len(read(bot.data).of(OrderFilled)) > filled, "trades meanwhile"
        )
        assert len(bot.telegram.inbox(ANN)) == heard
        await bot.until(lambda: posts(bot, "TELEGRAM IN TROUBLE"), "the other phone to know")
        ended = time.time()
        bot.telegram.down = False
        await bot.until(lambda: len(bot.telegram.inbox(ANN)) > heard, "Telegram again")
        await bot.until(lambda: api.gateway.resumed == 1, "Discord again")
        await mail_is_held_up(bot)
    assert 0.7 < pace(bot, since=began, until=ended) / speed < 1.4, "the desk minds no chat"
    left = bot.rows(f"SELECT id FROM outbox WHERE destination = '{PHONE}' AND state <> 'sent'")
    assert len(left) > 3
    assert bot.rows("SELECT count(*) FROM outbox WHERE state = 'sending'") == [(0,)], "a wait is no attempt"
    grow_old(bot)
    bot.telegram.held.clear()
    async with life(bot, QUICK, speed=speed):
        await bot.until(lambda: unsent(bot, PHONE) == 0, "what was to be said before the stop")
    assert proofs.faults(read(bot.data), stopped=True) == []
    assert bot.said(ann, "late: queued")
    assert bot.said(ann, r"\d+ alerts, last: (.*\n)+late: the first of them was queued")
    assert not bot.said(ann, "may be a repeat: the last process ended")
    everything_is_told_once_and_in_order(bot)
    the_status_card_is_kept(bot)
    assert "Traceback" not in bot.log()
    assert bot.holds_a_token() == []


async def mail_is_held_up(bot: Bot) -> None:
    """Telegram says 429 for longer than the desk lives; on Discord somebody changes a thing or two."""
    bot.telegram.hold(ANN, 3600)
    await on_discord(bot, "halt")
    for wish, value in (("theme", "dark"), ("timezone", "Europe/Berlin"), ("theme", "light"), ("quiet", "22-07")):
        await on_discord(bot, wish, value=value)
    await bot.until(lambda: [c for c in bot.telegram.made("sendMessage") if c.code == 429], "a 429")
    await bot.until(lambda: unsent(bot, ROOM) == 0, "Discord's pace")


def grow_old(bot: Bot) -> None:
    """What waits has waited for ten minutes more."""
    with closing(sqlite3.connect(bot.data / "gavel.db")) as database, database:
        for id, at in database.execute("SELECT id, queued_at FROM outbox WHERE state <> 'sent'").fetchall():
            before = (datetime.fromisoformat(at) - timedelta(minutes=10)).isoformat(timespec="microseconds")
            database.execute("UPDATE outbox SET queued_at = ? WHERE id = ?", (f"{before[:-6]}Z", id))


def unsent(bot: Bot, place: str) -> object:
    return bot.rows(f"SELECT count(*) FROM outbox WHERE destination = '{place}' AND state <> 'sent'")[0][0]


def everything_is_told_once_and_in_order(bot: Bot) -> None:
    """Within each lane, to the same phone; and no message there that nobody knows of."""
    for place, seen in ((PHONE, bot.telegram.inbox(ANN)), (ROOM, discord(bot).inbox())):
        rows = bot.rows(
            f"SELECT lane, bundle, reference FROM outbox WHERE destination = '{place}' AND reference <> '' ORDER BY id"
        )
        told = [(lane, bundle, [int(id) for id in str(ids).split(",")]) for lane, bundle, ids in rows]
        for lane in {lane for lane, _, _ in told}:
            order = [ids[0] for of, _, ids in told if of == lane]
            assert order == sorted(order), f"lane {lane} to {place}"
        alone = [id for _, bundle, ids in told for id in ids if not bundle]
        together = {id for _, bundle, ids in told for id in ids if bundle}
        assert len(set(alone)) == len(alone)
        assert together.isdisjoint(alone)
        answers = {m.id for m in seen if m.pinned} | answers_in(bot, place)
        unknown = [m.text for m in seen if m.id not in {*answers, *together, *alone}]
        assert unknown == []


def the_status_card_is_kept(bot: Bot) -> None:
    """One on each phone over both lives, pinned without a sound, and then changed in its place."""
    [here], [there] = status_cards(bot)
    assert (here.pinned, here.edited, here.silent) == (True, True, True)
    assert (there.pinned, there.edited, there.silent) == (True, True, True)
    [pinned] = bot.telegram.made("pinChatMessage")
    assert pinned.params["disable_notification"] == "true"


def status_cards(bot: Bot) -> tuple[list[Message], list[Post]]:
    return bot.said(bot.telegram.person(ANN), "\nAs of "), posts(bot, "\nAs of ")


def answers_in(bot: Bot, place: str) -> set[int]:
    if place == PHONE:
        return set()  # nobody has typed there
    done = discord(bot).interactions
    return {m.id for i in done for m in (i.original, *i.followups) if m is not None}


# --- the desk is killed -------------------------------------------------------------------------------------------


async def test_a_watch_beside_it_tells_both_phones_that_the_desk_is_gone(bot: Bot) -> None:
    ann = bot.telegram.person(ANN)
    async with life(bot, LASTING, speed=60) as desk:
        await bot.hear(ann, "protected")
        await bot.until(lambda: read_signs(bot.data / "heartbeat"), "a sign of life")
        assert await looked_once(bot) == 0
        with watching(bot) as watch:
            desk.kill()
            desk.wait()
            await it_is_gone(bot)
            async with life(bot, LASTING, speed=60):
                await bot.hear(ann, "the desk is back after")
                await bot.until(lambda: posts(bot, "the desk is back after"), "its return on Discord")
                watch.send_signal(signal.SIGTERM)
                await bot.until(lambda: watch.poll() is not None, "the watch's end")
            assert watch.returncode == 0
    for words in ("THE DESK IS GONE", "the desk is back"):
        assert len(bot.said(ann, words)) == len(posts(bot, words)) == 1
    assert proofs.faults(read(bot.data), stopped=True) == []
    assert bot.holds_a_token() == []


async def looked_once(bot: Bot) -> int:
    """While the desk lives there is nothing to say."""
    args = ("watch", "--once", "--data-dir", bot.data)
    done = await asyncio.to_thread(program.run, *args, cwd=bot.place, **bot.settings((ANN,), (ANN_THERE,)))
    assert done.stdout == ""
    assert not any(secret in done.stderr for secret in SECRETS)
    return done.returncode


@contextmanager
def watching(bot: Bot) -> Iterator[subprocess.Popen[str]]:
    args = ("watch", "--older", f"{OLDER}s", "--data-dir", bot.data)
    watch = program.start(*args, cwd=bot.place, **bot.settings((ANN,), (ANN_THERE,)))
    try:
        yield watch
    finally:
        watch.kill()
        watch.wait()


async def it_is_gone(bot: Bot) -> None:
    """Told, and not in silence, once its last sign of life is older than the watch was asked to allow."""
    here = await bot.hear(bot.telegram.person(ANN), "THE DESK IS GONE, silent for")
    await bot.until(lambda: posts(bot, "THE DESK IS GONE, silent for"), "the alarm on Discord")
    [there], last = posts(bot, "THE DESK IS GONE, silent for"), read_signs(bot.data / "heartbeat")
    assert last is not None
    for at in (here.at, there.at):
        assert 0 <= by_the_wall(at) - last.at.timestamp() - OLDER <= LOOKS + program.STOPS_WITHIN
    assert not here.silent
    assert not there.silent


# --- what is done and seen ----------------------------------------------------------------------------------------


def life(bot: Bot, playbook: str, *, speed: int = SPEED) -> AbstractAsyncContextManager[subprocess.Popen[str]]:
    return bot.life(playbook, speed=speed, users=(ANN,), discord_users=(ANN_THERE,))


def discord(bot: Bot) -> DiscordApi:
    assert bot.discord is not None
    return bot.discord


def posts(bot: Bot, words: str) -> list[Post]:
    """What stands in Discord's channel and says this, a regular expression."""
    return [m for m in discord(bot).inbox() if re.search(words, m.text)]


async def on_telegram(bot: Bot, line: str) -> Message:
    """The answer to a command. Alerts hold the market's time, answers do not."""
    ann = bot.telegram.person(ANN)
    asked = ann.type(line)

    def answers() -> list[Message]:
        return [m for m in bot.said(ann, r"(?<! UTC · )simulated market") if m.id > asked.id]

    await bot.until(answers, f"an answer to {line}")
    return answers()[0]


async def on_discord(bot: Bot, name: str, **options: Any) -> Interaction:
    done = discord(bot).person(ANN_THERE).slash(name, **options)
    await bot.until(lambda: done.answered, f"an answer to /{name}")
    return done


def shape(text: str) -> list[str]:
    """Without numbers, and without the arrow that points their way."""
    return [re.sub(r"[▲▼]|[+-]?\d[\d,.:]*", "#", line) for line in text.splitlines()]


def by_the_wall(at: float) -> float:
    """A moment of the fakes' clock, in seconds of the epoch."""
    return at - asyncio.get_running_loop().time() + time.time()


def waits(bot: Bot, place: str, *, beside_manners: bool = False) -> list[float]:
    """Seconds from the commit of each fill until it stood on a phone. Never none. `beside_manners`: without those that
    Telegram itself demands between two messages."""
    rows = bot.rows(
        "SELECT queued_at, reference FROM outbox JOIN journal USING (seq) WHERE kind = 'OrderFilled' "
        f"AND destination = '{place}' AND state = 'sent' AND bundle = '' ORDER BY id"
    )
    found = []
    for queued_at, reference in rows:
        id, queued = int(str(reference)), datetime.fromisoformat(str(queued_at)).timestamp()
        at = bot.telegram.messages[ANN, id].at if place == PHONE else discord(bot).messages[id].at
        calls = (by_the_wall(c.at) for c in bot.telegram.calls if c.params.get("chat_id") == str(ANN))
        ahead = sum(queued - MANNERS < call < by_the_wall(at) for call in calls) if beside_manners else 0
        found.append(by_the_wall(at) - queued - ahead * MANNERS)
    return found or [float("inf")]


def told_alike(bot: Bot) -> bool:
    """Every alert on the one phone is on the other."""
    seqs = [bot.rows(f"SELECT seq FROM outbox WHERE destination = '{place}' ORDER BY seq") for place in (PHONE, ROOM)]
    return bool(seqs[0]) and seqs[0] == seqs[1]


def pace(bot: Bot, *, since: float, until: float) -> float:
    """Market seconds a second, by what was queued for the terminal: from the last before `since` to the last of all."""
    rows = bot.rows(
        f"SELECT queued_at, at FROM outbox JOIN journal USING (seq) WHERE destination = '{CONSOLE}' ORDER BY id"
    )
    moments = [tuple(datetime.fromisoformat(str(at)).timestamp() for at in row) for row in rows]
    first = [moment for moment in moments if moment[0] < since][-1]
    last = [moment for moment in moments if moment[0] <= until][-1]
    return (last[1] - first[1]) / (last[0] - first[0])
