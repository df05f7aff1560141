"""The real `gavel run` as a Telegram bot, against a Bot API on loopback that is as strict as Telegram's."""

import asyncio
import re
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest

from bot.gate import COMMANDS  # from here it is filled
from tests.fakes.telegram_api import TOKEN, Message, Person, TelegramApi
from tests.process import program, proofs
from tests.process.records import read
from trading.messages import AccessRefused, CommandRun, OrderFilled, TradingResumed

USERS = (11, 12, 13, 14, 15, 16)  # several, so that the answers come in parallel
ANN = USERS[0]
STRANGER = 666
MINE = f"destination = 'telegram:{ANN}'"
LATE = 62  # seconds: what is told later than a minute is marked
# One instrument: a chat is written to only once a second, and a trade makes eight alerts.
ONE = re.sub(r"universe = .*", 'universe = ["BTC"]', program.BUSY)
# Nor the exits that have a card for every step: an answer must not wait behind them.
ONE = re.sub(r"(break_even|partials|trailing) = .*\n", "", ONE)
# And a position that stays while people ask for it.
LASTING = re.sub(r"(take_profit|stop_loss|early_loss) = .*", r"\1 = 0.05", ONE).replace('"30m"', '"24h"')

# What each command is answered with, at least. {id} is an open position.
ANSWERS = {
    "status": "equity",
    "positions": "open, unrealised",
    "position {id}": "at risk",
    "pnl": "P&L",
    "balance": "Wallet",
    "trades": "closed trade|newest first",
    "decisions": "newest first",
    "why {id}": "Tally",
    "ask {id} why": "Verdict",
    "phase": "phase base",
    "undo": "There is nothing to undo",
    "market BTC": "Features, ",
    "regime": "regimes: ",
    "exposure": "exposure ",
    "breaker": "breaker [A-Z]+",
    "shadow": "no playbook runs in shadow",
    "playbook": r"playbook busy \(running\)",
    "alerts": "alerts here",
    "health": "health: all well",
    "help": f"{len(COMMANDS)} commands",
    "version": "Gavel",
    "close {id}": "close BTC (long|short)\\?",
    "halt testing": "No new entries",
    "resume": "resume entries\\?",
}


class Bot:
    """One process, and where it lives."""

    def __init__(self, api: TelegramApi, place: Path) -> None:
        self.api = api
        self.place = place
        self.data = place / "data"

    @asynccontextmanager
    async def life(self, playbook: str, *, speed: int, users: tuple[int, ...] = USERS) -> AsyncIterator[None]:
        """From its start to SIGTERM; it connects in between."""
        (self.place / "busy.toml").write_text(playbook)
        polls = len(self.api.made("getUpdates"))
        process = program.start(
            "run", "--speed", str(speed), "--data-dir", self.data, cwd=self.place,
            GAVEL_PLAYBOOK="busy.toml",
            GAVEL_LOG_LEVEL="DEBUG",
            TELEGRAM_BOT_TOKEN=TOKEN,
            TELEGRAM_ALLOWED_USERS=",".join(map(str, users)),
            TELEGRAM_BASE_URL=self.api.url,
        )  # fmt: skip
        try:
            await self.until(lambda: self.api.polling or len(self.api.made("getUpdates")) > polls, "polling")
            yield
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            await self.until(lambda: process.poll() is not None, "its end")
            assert time.monotonic() - began < program.STOPS_WITHIN
            assert process.returncode == 0, self.log()
        finally:
            process.kill()
            process.wait()

    async def until(self, condition: Callable[[], object], what: str) -> None:
        try:
            async with asyncio.timeout(program.PATIENCE):
                while not condition():  # noqa: ASYNC110 - another process, and files: nothing to be woken by
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"waited in vain for {what}\n{self.api.transcript()[-3000:]}\n{self.log()[-2000:]}")

    async def hear(self, who: Person, words: str) -> Message:
        """The first message to somebody that says this, a regular expression."""
        await self.until(lambda: self.said(who, words), f"{words!r} to {who.id}")
        return self.said(who, words)[0]

    def said(self, who: Person, words: str) -> list[Message]:
        return [m for m in self.api.inbox(who.id) if re.search(words, m.text)]

    def log(self) -> str:
        return (self.place / "err.txt").read_text()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{self.data / 'gavel.db'}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()

    def holds_the_token(self) -> list[str]:
        files = [path for path in self.place.rglob("*") if path.is_file()]
        assert {"err.txt", "out.txt", "gavel.db", "paper.db", "console.jsonl"} <= {path.name for path in files}
        secret = TOKEN.partition(":")[2].encode()
        return [path.name for path in files if secret in path.read_bytes()]


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with TelegramApi() as api:
        for user in USERS:
            api.person(user, f"User{user}")
        yield Bot(api, tmp_path)


async def test_commands_strangers_pauses_and_a_restart(bot: Bot) -> None:
    people, stranger = [bot.api.person(user) for user in USERS], bot.api.person(STRANGER, "Mallory")
    ann, last = people[0], people[-1]
    async with bot.life(LASTING, speed=600):
        assert {command["command"] for command in bot.api.commands} == set(COMMANDS)
        opened = await bot.hear(ann, "protected")
        await every_command_is_answered(bot, people, opened)
        question = await bot.hear(last, "resume entries")
        data = question.data("Confirm")
        await a_stranger_is_refused(bot, stranger, question)
        await a_pause_is_kept(bot, ann)
    async with bot.life(LASTING, speed=600):
        await bot.hear(ann, "desk goes on")
        query = last.tap(question, "Confirm")  # asked in another life
        await bot.until(lambda: "Entries are allowed again" in question.text, "the answer in the question's place")
        assert bot.api.answered(query)
        assert not question.keyboard
        await a_second_poller_is_seen(bot, ann)
    records = read(bot.data)
    assert proofs.faults(records, stopped=True) == []
    assert [event.by for event in records.of(TradingResumed)] == [f"User{last.id} (telegram:{last.id})"]
    refused = [(event.who, event.text, event.reason) for event in records.of(AccessRefused)]
    mallory, why = f"Mallory (telegram:{STRANGER})", "not on the list of users"
    assert refused == [(mallory, "/halt now", why), (mallory, data, f"{why} (tapped a button)")]
    assert bot.holds_the_token() == []


async def every_command_is_answered(bot: Bot, people: list[Person], opened: Message) -> None:
    """Shared out among the people, who type at the same time; each waits for his own answers."""
    assert {words.partition(" ")[0] for words in ANSWERS} == set(COMMANDS)
    id = opened.keyboard[0][0]["callback_data"].rpartition(" ")[2]

    async def ask(person: Person, words: str) -> None:
        before = len(bot.api.inbox(person.id))
        person.type(f"/{words.format(id=id)}")
        answered = lambda: any(re.search(ANSWERS[words], m.text) for m in bot.api.inbox(person.id)[before:])  # noqa: E731
        await bot.until(answered, f"an answer to /{words}")

    async def ask_all(person: Person, share: list[str]) -> None:
        for words in share:
            await ask(person, words)

    *first, halt, resume = ANSWERS
    await asyncio.gather(*(ask_all(person, first[n :: len(people)]) for n, person in enumerate(people)))
    await ask_all(people[-1], [halt, resume])
    results = {event.text.partition(" ")[0]: event.result for event in read(bot.data).of(CommandRun)}
    asked = {name: "confirmation asked" if name in ("/close", "/resume") else "done" for name in results}
    asked["/undo"] = "refused: There is nothing to undo."
    assert results == asked
    assert len(results) == len(COMMANDS)


async def a_stranger_is_refused(bot: Bot, stranger: Person, question: Message) -> None:
    stranger.type("/halt now")
    await bot.hear(stranger, "This desk is private")
    query = stranger.tap(question, "Confirm")
    await bot.until(lambda: bot.api.answered(query), "an end of the stranger's tap")
    await bot.until(lambda: len(read(bot.data).of(AccessRefused)) == 2, "the audit of it")
    assert len(bot.api.inbox(STRANGER)) == 1
    assert question.keyboard, "the question still waits for its owner"
    assert read(bot.data).of(TradingResumed) == []


async def a_pause_is_kept(bot: Bot, person: Person) -> None:
    """Telegram says 429, retry_after: nothing goes to that chat before it is over, and then it does."""
    bot.api.hold(person.id, 3)
    began, before = time.monotonic(), len(bot.said(person, "^PAPER.*Gavel"))
    person.type("/version")
    await bot.until(lambda: len(bot.said(person, "^PAPER.*Gavel")) > before, "an answer after the pause")
    assert time.monotonic() - began >= 3
    assert [call for call in bot.api.made("sendMessage") if call.code == 429]
    assert bot.api.too_early == 0


async def a_second_poller_is_seen(bot: Bot, person: Person) -> None:
    """Whoever polls last wins, and the other hears 409: logged, and in /health."""
    await bot.until(lambda: bot.api.polling, "an open poll")
    async with aiohttp.ClientSession() as other:
        await other.get(f"{bot.api.url}{TOKEN}/getUpdates", params={"timeout": "0"})
    await bot.until(lambda: [c for c in bot.api.made("getUpdates") if c.code == 409], "a conflict")
    person.type("/health")
    await bot.hear(person, "telegram: degraded.* another process reads this bot's messages")
    assert "another process reads this bot's messages" in bot.log()


@pytest.mark.parametrize("seconds", [5, pytest.param(LATE, marks=pytest.mark.slow)])
async def test_an_outage_stops_no_trade_and_swallows_no_word(bot: Bot, seconds: int) -> None:
    ann = bot.api.person(ANN)
    async with bot.life(ONE, speed=60 if seconds >= LATE else 240, users=(ANN,)):
        await bot.hear(ann, "protected")
        before, heard, began = fills(bot), len(bot.api.inbox(ANN)), time.monotonic()
        bot.api.down = True
        await bot.until(lambda: time.monotonic() - began > seconds and fills(bot) > before, "trades meanwhile")
        assert len(bot.api.inbox(ANN)) == heard
        [(last,)] = bot.rows(f"SELECT max(id) FROM outbox WHERE {MINE}")
        bot.api.down = False
        ann.type("/halt")  # so that the chat, written to once a second, can catch up
        left = f"SELECT count(*) FROM outbox WHERE {MINE} AND id <= {last} AND state <> 'sent'"
        await bot.until(lambda: bot.rows(left) == [(0,)], "what was to be said meanwhile")
        assert len(bot.api.inbox(ANN)) > heard
        bot.api.down = True  # and it stops while nobody answers
    assert proofs.faults(read(bot.data), stopped=True) == []
    told = bot.rows(f"SELECT lane, reference FROM outbox WHERE {MINE} AND reference <> '' ORDER BY id")
    for lane in {lane for lane, _ in told}:
        order = [int(str(reference).partition(",")[0]) for of, reference in told if of == lane]
        assert order == sorted(order), f"lane {lane}"
        assert len(set(order)) == len(order)
    assert seconds < LATE or bot.said(ann, "late: queued")
    assert "Traceback" not in bot.log()
    assert bot.holds_the_token() == []


def fills(bot: Bot) -> int:
    return len(read(bot.data).of(OrderFilled))
