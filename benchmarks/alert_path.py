"""How long an alert takes from the desk's commit to the chat's server, beside a bare call of the chat's library.

    python -m benchmarks.alert_path [--repeats 200]

A fill is committed to a journal on disk; its request leaves through outbox, delivery and the Telegram adapter, as in a
running desk, to the tests' Bot API, a process of its own on this machine. "Commit" is the moment in which SQLite is
told to commit, on the writer's thread; "seen" is when the server has read the request. In the same run, one by one in
turn, python-telegram-bot's own `send_message` sends the same words from the same loop.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, event
from telegram import Bot
from telegram.request import HTTPXRequest

from bot.chats.pace import Limit, Limits
from bot.chats.telegram import Telegram
from bot.delivery import Delivery
from bot.render.alerts import render_event
from bot.render.words import RenderContext
from bot.routing import Routing
from bot.surface import Identity, Role
from storage.database import Database
from storage.journal import SqlJournal
from storage.outbox import Outbox
from tests.fakes.telegram_api import TOKEN, Flood, TelegramApi
from tests.surface_examples import AT, a_fill, an_order
from trading.clock import SystemClock
from trading.events import OrderFilled, OrderSent
from trading.model import OrderStatus

CHAT = 7
_FREE = (Limit(count=1_000_000, seconds=1.0),)  # the pace of a chat is a matter of seconds, not of this
_APART = 0.02  # seconds between two: what the one leaves behind is not paid by the other


# --- the server, a process of its own --------------------------------------------------------------------------------


async def _serve() -> None:
    """Answer until a line comes in; then say when each message was seen, by this machine's monotonic clock."""
    async with TelegramApi(flood=Flood(every=1e-9, burst=1_000_000)) as api:
        api.person(CHAT)
        print(api.url, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(json.dumps([call.at for call in api.made("sendMessage")]), flush=True)


class Server:
    async def __aenter__(self) -> "Server":
        command = (sys.executable, "-m", "benchmarks.alert_path", "--serve")
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=2**24)
        self.url = (await self._line()).decode().strip()
        return self

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        return await self._process.stdout.readline()

    async def seen(self) -> list[float]:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        return [float(at) for at in json.loads(await self._line())]

    async def __aexit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()


# --- the desk's side ------------------------------------------------------------------------------------------------


class Nobody:
    """A surface that is asked one thing: this measures the way out."""

    def members(self, platform: str) -> tuple[tuple[Identity, Role], ...]:
        return ((Identity(platform=platform, id=str(CHAT)), Role.ADMIN),)

    def dark(self, _: str) -> bool:
        return False


class Commits:
    """When the writer's thread has last told SQLite to commit."""

    at = 0.0

    def __call__(self, _: Connection) -> None:
        if threading.current_thread().name.startswith("journal"):
            self.at = time.monotonic()


def a_trade(number: int) -> tuple[OrderSent, OrderFilled]:
    """The two alerts of an entry: the second answers the first."""
    order = replace(an_order(status=OrderStatus.OPEN), decision_id=f"btc-{number}", client_id=f"gv-{number}")
    filled = replace(order, status=OrderStatus.FILLED)
    fill = replace(a_fill(), id=str(number), client_id=order.client_id)
    return OrderSent(at=AT, order=order), OrderFilled(at=AT, order=filled, fill=fill)


async def all_told(outbox: Outbox) -> None:
    await asyncio.sleep(_APART)
    for _ in range(500):
        if not await outbox.depth():
            return
        await asyncio.sleep(_APART)
    raise SystemExit("an alert was not delivered within 10 s")


async def measure(directory: Path, repeats: int) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds from the commit to the server, from asking for the commit, and of the bare call."""
    async with Server() as server:
        database = await Database.open(directory / "gavel.db")
        commits = Commits()
        event.listen(Engine, "commit", commits)
        wall = SystemClock()
        limits = Limits(private=_FREE, group=_FREE, overall=_FREE)
        telegram = Telegram(token=TOKEN, service=Nobody(), clock=wall, url=server.url, limits=limits)
        outbox = Outbox(database, wall)
        delivery = Delivery(outbox=outbox, chats={"telegram": telegram}, wall=wall, calm=timedelta())
        journal = SqlJournal(database, route=Routing([f"telegram:{CHAT}"]), wall=wall)
        journal.mail.append(delivery.hear)
        journal.claim = delivery.claims
        working = asyncio.create_task(delivery.run())
        bare = Bot(TOKEN, base_url=server.url, request=HTTPXRequest(httpx_kwargs={"trust_env": False}))
        card = render_event(a_trade(0)[1], RenderContext())
        assert card is not None
        asked, committed, called = [], [], []
        for number in range(repeats):
            sent, filled = a_trade(number)
            await journal.commit([sent])
            await all_told(outbox)
            asked.append(time.monotonic())
            await journal.commit([filled])
            committed.append(commits.at)
            await all_told(outbox)
            called.append(time.monotonic())
            await bare.send_message(CHAT, card.plain(), disable_notification=True)
            await asyncio.sleep(_APART)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        seen = await server.seen()
        await telegram.close()
        await bare.shutdown()
        await database.close()
        event.remove(Engine, "commit", commits)
    ours, theirs = seen[1::3], seen[2::3]
    assert len(ours) == len(theirs) == repeats
    return _apart(committed, ours), _apart(asked, ours), _apart(called, theirs)


def _apart(begins: list[float], ends: list[float]) -> list[float]:
    warm = len(begins) // 10  # connections are opened, statements compiled
    return [(end - begin) * 1e3 for begin, end in zip(begins, ends, strict=True)][warm:]


def line(name: str, times: list[float]) -> str:
    ninth = statistics.quantiles(times, n=10)[-1]
    return f"{name:32} median {statistics.median(times):5.2f} ms, p90 {ninth:5.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.serve:
        asyncio.run(_serve())
        return
    with tempfile.TemporaryDirectory() as scratch:
        committed, asked, bare = asyncio.run(measure(Path(scratch), wanted.repeats))
    print(line("commit -> request seen", committed))
    print(line("event told -> request seen", asked))
    print(line("bare Bot.send_message -> seen", bare))
    print(f"ratio {statistics.median(committed) / statistics.median(bare):.2f}")


if __name__ == "__main__":
    main()
