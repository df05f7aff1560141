"""What the tests of the commands that change the desk share: a stage with settings and locks, and a yes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.library import Library
from bot.surface import Card
from tests import surface_examples as examples
from tests.surfaces import Stage, staged
from trading import events as m
from trading.model import Symbol
from trading.state import PairLock
from trading.status import SettingLine

BTC, DOGE = examples.BTC, Symbol("DOGE/USDT:USDT")
BY = "console:owner"  # the owner of the terminal, in events
LOCK = PairLock(symbol=BTC, direction=None, until=None, by="Ana (telegram:7)", at=examples.AT, reason="thin book")
LINES = (
    SettingLine(
        key="judge.min_confidence",
        value="0.65",
        default="0.6",
        range="a number above 0 and up to 1",
        changed_by="Ana (telegram:7)",
        changed_at=examples.AT,
        version=4,
    ),
    *(SettingLine(key=f"limits.n{n}", value="1", default="1", range="") for n in range(11)),
    SettingLine(key="limits.max_risk", value="0.02", default="0.02", range="a number above 0 and up to 1"),
)


@asynccontextmanager
async def a_stage(directory: Path) -> AsyncIterator[Stage]:
    """With settings to look at, and a library that can be written to."""
    async with staged(directory, library=Library(directory)) as made:
        made.desk.lines = LINES
        yield made


async def tap(stage: Stage, asked: Card, text: str = "", **where: Any) -> Card:
    """Say yes. `text`: what is typed with it."""
    return await stage.card(text, button=f"cf:{asked.token}", **where)


async def last_run(stage: Stage) -> m.CommandRun:
    """The audit's newest command."""
    return next(e for e in await stage.audit() if isinstance(e, m.CommandRun))
