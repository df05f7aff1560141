"""Subscriptions that are kept awake: what is said of a gap, and when somebody reads what it may have hidden."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from trading.clock import SystemClock
from trading.venues.exchange import listening
from trading.venues.exchange.listening import Listening
from trading.venues.exchange.wire import Channel

SOON = 0.05  # seconds after which a channel stands


class Socket:
    """A channel that brings a message where it is told to, and fails where it is told to."""

    def __init__(self, name: str) -> None:
        self.channel = Channel(name=name, watch=self._watch)
        self.opened = 0
        self.faults: asyncio.Queue[Exception | None] = asyncio.Queue()

    async def _watch(self) -> None:
        self.opened += 1
        fault = await self.faults.get()
        if fault is not None:
            raise fault

    def bring(self) -> None:
        self.faults.put_nowait(None)

    def fail(self) -> None:
        self.faults.put_nowait(ConnectionError("gone"))


class Ears:
    def __init__(self, *names: str) -> None:
        self.sockets = [Socket(name) for name in names]
        self.backs = 0
        channels = [socket.channel for socket in self.sockets]
        self.listening = Listening("account", channels, SystemClock(), back=self._back, stands_after=SOON)

    def _back(self) -> None:
        self.backs += 1

    async def until(self, backs: int) -> None:
        async with asyncio.timeout(5):
            while self.backs < backs:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.005)


@asynccontextmanager
async def heard(*names: str) -> AsyncIterator[Ears]:
    ears = Ears(*names)
    ears.listening.start()
    try:
        yield ears
    finally:
        await ears.listening.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(listening, "LONGEST_PAUSE", 0.02)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.message for r in caplog.records if "stream" in r.message]


async def test_a_channel_on_which_nothing_happens_stands_after_a_while() -> None:
    async with heard("orders") as ears:
        assert not ears.listening.stands
        await ears.until(1)
        assert (ears.listening.stands, ears.sockets[0].opened) == (True, 1)


async def test_it_is_called_back_when_the_last_of_all_channels_stands_and_not_for_each() -> None:
    async with heard("orders", "positions") as ears:
        ears.sockets[0].bring()
        await asyncio.sleep(SOON / 5)
        assert ears.backs == 0
        await ears.until(1)
        for socket in ears.sockets:
            socket.bring()
        await asyncio.sleep(2 * SOON)
        assert ears.backs == 1


async def test_after_a_drop_a_quiet_channel_is_back_without_any_message(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with heard("orders", "positions") as ears:
        await ears.until(1)
        for socket in ears.sockets:
            socket.fail()
        await asyncio.sleep(SOON / 5)
        assert ears.listening.why == "ConnectionError"
        assert ears.listening.down_since is not None
        await ears.until(2)
        assert (ears.listening.why, ears.listening.down_since) == ("", None)
    assert said(caplog) == [
        "account: the stream is down (ConnectionError); read over REST meanwhile",
        "account: the stream is back",
    ]


async def test_a_channel_that_fails_again_and_again_is_said_once_and_never_called_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with heard("orders") as ears:
        for _ in range(200):
            ears.sockets[0].fail()
        await asyncio.sleep(3 * SOON)
        assert ears.sockets[0].opened > 2
        assert ears.backs == 0
    assert len(said(caplog)) == 1


async def test_other_channels_are_listened_to_from_then_on() -> None:
    async with heard("orders") as ears:
        await ears.until(1)
        new = Socket("fills")
        await ears.listening.renew([new.channel])
        await ears.until(2)
        assert (ears.sockets[0].opened, new.opened) == (1, 1)
