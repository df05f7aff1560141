"""The real `gavel run` as a Telegram bot, against a Bot API on loopback that is as strict as Telegram's."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.gate import COMMANDS  # from here it is filled
from bot.surface import Role
from tests.fakes.telegram_api import TOKEN, Message, Person, TelegramApi
from tests.process import proofs
from tests.process.bots import LASTING, ONE, Bot
from tests.process.records import read
from trading.events import AccessRefused, CommandRun, OrderFilled, TradingHalted, TradingResumed

USERS = (11, 12, 13, 14, 15, 16)  # several, so that the answers come in parallel
ANN = USERS[0]
STRANGER = 666
MINE = f"destination = 'telegram:{ANN}'"
LATE = 62  # seconds: what is told later than a minute is marked
SLOWLY = 300  # market seconds a second: a position stays for as long as the questions about it take
TOP = {path for path in COMMANDS if " " not in path}  # what a menu shows; actions like "breaker reset" are typed

# What each command is answered with, at least. {id} is an open position.
ANSWERS = {
    "status": r"active, equity [\d,.]+, day",
    "positions": "1 open, unrealised",
    "position {id}": "at risk",
    "pnl": "P&L all",
    "balance": "Wallet",
    "trades": "no closed trade yet|newest first",
    "trade": "no trade has closed yet|held|Exit: ",
    "decisions": "newest first",
    "why {id}": "Tally",
    "ask {id} why": "Verdict",
    "personas": "personas, all: ",
    "whatif {id} judge.min_confidence=0.3": "judge.min_confidence: 0.2 -> 0.3",
    "replay {id}": "the same, bit for bit",
    "market BTC": "Features, ",
    "regime": "regimes: ",
    "exposure": "exposure ",
    "breaker": "breaker [A-Z]+",
    "mode": "mode paper",
    "phase": "phase base",
    "playbook": r"playbook busy \(running\)",
    "shadow": "no playbook runs in shadow",
    "settings judge": "8 settings of busy: judge",
    "set judge.min_agreeing 2": "judge.min_agreeing: 1 -> 2",
    "undo": "There is nothing to undo",
    "reload": "busy is as its file says",
    "alerts": r"alerts here: \d+ on",
    "timezone Europe/Berlin": "time zone: UTC -> Europe/Berlin",
    "quiet 22-07": "quiet hours: off -> 22:00-07:00",
    "theme dark": "theme of pictures: light -> dark",
    "users": f"{len(USERS) + 1} users",
    "audit": "audit, newest first",
    "questions": "question",
    "logs": "log: the last|the log is empty",
    "undelivered": "every message was delivered",
    "budget": "nothing is spent",
    "models": r"models can be named|no model can be asked",
    "wallet": "wallet",
    "whales": "whales: no reading",
    "health": "health: all well",
    "help": f"{len(TOP)} commands for an admin",
    "version": "Gavel",
    "close {id}": "close BTC (long|short)\\?",
    "flatten": "Type \\d{4} to confirm",
    "enter BTC long": "enter BTC long\\?",
}
# One after the other, as each meets what the last has left.
IN_TURN = {
    "pause BTC": "BTC both sides locked",
    "lock BTC short": "BTC short locked",
    "locks": r"\d locks?: BTC",
    "unlock BTC": "unlock BTC\\?",
    "halt testing": "No new entries",
    "resume": "resume entries\\?",
}
REFUSED = {"/undo": "refused: There is nothing to undo.", "/trade": "refused: no trade has closed yet"}
QUESTIONS = {"/set", "/close", "/flatten", "/enter", "/unlock", "/resume"}


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with TelegramApi() as api:
        for user in USERS:
            api.person(user, f"User{user}")
        yield Bot(tmp_path, api)


async def test_commands_strangers_pauses_and_a_restart(bot: Bot) -> None:
    people, stranger = [bot.telegram.person(user) for user in USERS], bot.telegram.person(STRANGER, "Mallory")
    ann, last = people[0], people[-1]
    async with bot.life(LASTING, speed=SLOWLY, users=USERS):
        opened = await bot.hear(ann, "protected")
        await everybody_has_his_menu(bot, stranger)
        await every_command_is_answered(bot, people, opened)
        question = await bot.hear(last, "resume entries")
        data = question.data("Confirm")
        await a_stranger_is_refused(bot, stranger, question)
        await a_pause_is_kept(bot, ann)
    async with bot.life(LASTING, speed=SLOWLY, users=USERS):
        await bot.hear(ann, "desk goes on")
        query = last.tap(question, "Confirm")  # asked in another life
        await bot.until(lambda: "Entries are allowed again" in question.text, "the answer in the question's place")
        assert bot.telegram.answered(query)
        assert not question.keyboard
        await a_second_poller_is_seen(bot, ann)
    records = read(bot.data)
    assert proofs.faults(records, stopped=True) == []
    assert [event.by for event in records.of(TradingResumed)] == [f"User{last.id} (telegram:{last.id})"]
    refused = [(event.who, event.text, event.reason) for event in records.of(AccessRefused)]
    mallory, why = f"Mallory (telegram:{STRANGER})", "not on the list of users"
    assert refused == [(mallory, "/halt now", why), (mallory, data, f"{why} (tapped a button)")]
    assert bot.holds_a_token() == []


async def everybody_has_his_menu(bot: Bot, stranger: Person) -> None:
    """By scope: an admin's in his own chat, a viewer's in a group, none for strangers."""
    api, group = bot.telegram, -1001
    await bot.until(lambda: all(api.menu(user) for user in USERS), "everybody's menu")
    assert all(set(api.menu(user)) == TOP for user in USERS)
    assert set(api.menu(ANN, group)) == {path for path in TOP if COMMANDS[path].role is Role.VIEWER} != TOP
    assert api.menu(stranger.id) == []


async def every_command_is_answered(bot: Bot, people: list[Person], opened: Message) -> None:
    """Shared out among the people, who type at the same time; each waits for his own answers."""
    answers = ANSWERS | IN_TURN
    assert {words.partition(" ")[0] for words in answers} == TOP
    assert len(answers) == len(TOP)
    id = opened.keyboard[0][0]["callback_data"].rpartition(" ")[2]

    async def ask(person: Person, words: str) -> None:
        before = len(bot.telegram.inbox(person.id))
        person.type(f"/{words.format(id=id)}")
        heard = lambda: bot.telegram.inbox(person.id)[before:]  # noqa: E731
        await bot.until(lambda: any(re.search(answers[words], m.text) for m in heard()), f"an answer to /{words}")

    async def ask_all(person: Person, share: list[str]) -> None:
        for words in share:
            await ask(person, words)

    shared = list(ANSWERS)
    await asyncio.gather(*(ask_all(person, shared[n :: len(people)]) for n, person in enumerate(people)))
    await ask_all(people[-1], list(IN_TURN))
    results = {event.text.partition(" ")[0]: event.result for event in read(bot.data).of(CommandRun)}
    assert len(results) == len(TOP)
    for name, result in results.items():
        assert result == ("confirmation asked" if name in QUESTIONS else "done") or result in REFUSED.get(name, ""), (
            name
        )


async def a_stranger_is_refused(bot: Bot, stranger: Person, question: Message) -> None:
    stranger.type("/halt now")
    await bot.hear(stranger, "This desk is private")
    query = stranger.tap(question, "Confirm")
    await bot.until(lambda: bot.telegram.answered(query), "an end of the stranger's tap")
    await bot.until(lambda: len(read(bot.data).of(AccessRefused)) == 2, "the audit of it")
    assert len(bot.telegram.inbox(STRANGER)) == 1
    assert question.keyboard, "the question still waits for its owner"
    assert read(bot.data).of(TradingResumed) == []


async def a_pause_is_kept(bot: Bot, person: Person) -> None:
    """Telegram says 429, retry_after: nothing goes to that chat before it is over, and then it does."""
    bot.telegram.hold(person.id, 3)
    began, before = time.monotonic(), len(bot.said(person, "^PAPER.*Gavel"))
    person.type("/version")
    await bot.until(lambda: len(bot.said(person, "^PAPER.*Gavel")) > before, "an answer after the pause")
    assert time.monotonic() - began >= 3
    assert [call for call in bot.telegram.made("sendMessage") if call.code == 429]
    assert bot.telegram.too_early == 0


async def a_second_poller_is_seen(bot: Bot, person: Person) -> None:
    """Whoever polls last wins, and the other hears 409: logged, told, and no command is trusted any more but /halt."""
    await bot.until(lambda: bot.telegram.polling, "an open poll")
    async with aiohttp.ClientSession() as other:
        await other.get(f"{bot.telegram.url}{TOKEN}/getUpdates", params={"timeout": "0"})
    await bot.until(lambda: [c for c in bot.telegram.made("getUpdates") if c.code == 409], "a conflict")
    person.type("/health")
    await bot.hear(person, "Commands from here are refused: another process reads this bot's messages")
    await bot.hear(person, "TELEGRAM IN TROUBLE\nanother process reads this bot's messages")
    assert "another process reads this bot's messages" in bot.log()
    person.type("/halt two of us")
    await bot.until(lambda: "two of us" in [h.reason for h in read(bot.data).of(TradingHalted)], "the halt")


@pytest.mark.parametrize("seconds", [5, pytest.param(LATE, marks=pytest.mark.slow)])
async def test_an_outage_stops_no_trade_and_swallows_no_word(bot: Bot, seconds: int) -> None:
    ann = bot.telegram.person(ANN)
    async with bot.life(ONE, speed=60 if seconds >= LATE else 240, users=(ANN,)):
        await bot.hear(ann, "protected")
        before, heard, began = fills(bot), len(bot.telegram.inbox(ANN)), time.monotonic()
        bot.telegram.down = True
        await bot.until(lambda: time.monotonic() - began > seconds and fills(bot) > before, "trades meanwhile")
        assert len(bot.telegram.inbox(ANN)) == heard
        [(last,)] = bot.rows(f"SELECT max(id) FROM outbox WHERE {MINE}")
        bot.telegram.down = False
        ann.type("/halt")  # so that the chat, written to once a second, can catch up
        left = f"SELECT count(*) FROM outbox WHERE {MINE} AND id <= {last} AND state <> 'sent'"
        await bot.until(lambda: bot.rows(left) == [(0,)], "what was to be said meanwhile")
        assert len(bot.telegram.inbox(ANN)) > heard
        bot.telegram.down = True  # and it stops while nobody answers
    assert proofs.faults(read(bot.data), stopped=True) == []
    order_is_kept(bot)
    assert seconds < LATE or bot.said(ann, "late: ")
    assert "Traceback" not in bot.log()
    assert bot.holds_a_token() == []


def order_is_kept(bot: Bot) -> None:
    """Within each lane, and each alert in a message of its own, but for those that were told together as one."""
    told = bot.rows(f"SELECT lane, bundle, reference FROM outbox WHERE {MINE} AND reference <> '' ORDER BY id")
    numbers = [(lane, bundle, int(str(reference).partition(",")[0])) for lane, bundle, reference in told]
    for lane in {lane for lane, _, _ in numbers}:
        order = [number for of, _, number in numbers if of == lane]
        assert order == sorted(order), f"lane {lane}"
    alone = [number for _, bundle, number in numbers if not bundle]
    together = {number for _, bundle, number in numbers if bundle}
    assert len(set(alone)) == len(alone)
    assert together.isdisjoint(alone)


def fills(bot: Bot) -> int:
    return len(read(bot.data).of(OrderFilled))
