"""The question that each command asks before it does anything, and what has to be so that it asks."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import bot.commands  # noqa: F401 - fills the catalogue
from bot.catalogue import COMMANDS, Effect
from bot.live_setup import Setup
from bot.render.words import RenderContext
from bot.surface import Card, Role
from tests import risk_examples as risk
from tests.risk_examples import AT
from tests.surfaces import ANA, Stage
from trading.model import Symbol, TradingState, Wallets
from trading.state import PairLock

Prepare = Callable[[Stage], Awaitable[None] | None]

_DRAWN = (
    (re.compile(r"\b(cf|no):[0-9a-f]{16}"), r"\1:8f3a8f3a8f3a8f3a"),
    (re.compile(r"Type \d+ to"), "Type 4711 to"),
    (re.compile(r"Read: \d+ playbooks"), "Read: 5 playbooks"),
)
ON_PAPER = frozenset({"mode live", "mode paper"})  # refused there: they are for a desk whose orders go to an exchange


def _halted(stage: Stage) -> None:
    stage.desk.view = replace(
        stage.desk.view, trading=TradingState.HALTED, halted_by="Otto (telegram:9)", halt_reason="news", halted_at=AT
    )


def _locked(stage: Stage) -> None:
    lock = PairLock(symbol=Symbol("DOGE/USDT:USDT"), direction=None, until=None, by="Otto (telegram:9)", at=AT)
    stage.desk.view = replace(stage.desk.view, locks=(lock,))


def _throttled(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, breaker=risk.view(risk.throttled()))


def _overridden(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, breaker=risk.view(risk.overridden()))


def _live(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, mode="LIVE", market="Bybit V5, live prices")
    keys = (("BYBIT_API_KEY", "the environment"), ("BYBIT_API_SECRET", "the environment"))
    about = RenderContext(mode="LIVE", market="Bybit V5, live prices")
    stage.surface._tools = replace(stage.tools, setup=Setup(venue="bybit", keys=keys, lacking=()), about=about)


def _confirmed(stage: Stage) -> None:
    _live(stage)
    stage.desk.view = replace(stage.desk.view, live_by="Otto (telegram:9)", live_at=AT)


def _richer(stage: Stage) -> None:
    wallets = Wallets(venue=Decimal("10250.00"), desk=Decimal("10000.00"), at=AT)
    stage.desk.view = replace(stage.desk.view, wallets=wallets, unacceptable="")


async def _ann(stage: Stage) -> None:
    await stage.tools.people.add("discord:815", Role.OPERATOR, name="Ann", by="a test")


async def _ann_twice(stage: Stage) -> None:
    await _ann(stage)
    await stage.tools.people.link("ann", "telegram:815")


_BEFORE: dict[str, Prepare] = {
    "resume": _halted,
    "unlock": _locked,
    "breaker reset": _throttled,
    "breaker end": _overridden,
    "mode live": _live,
    "mode paper": _confirmed,
    "wallet accept": _richer,
    "users role": _ann,
    "users remove": _ann,
    "users link": _ann,
    "users unlink": _ann_twice,
}
ASKING = tuple(path for path, entry in COMMANDS.items() if entry.effect in (Effect.ASKS, Effect.CODE))


async def question(stage: Stage, path: str) -> Card:
    """What an admin is asked for a command's example; token and code are the same each time."""
    done = _BEFORE.get(path, lambda _: None)(stage)
    if done is not None:
        await done
    line = "/users link ann discord:816" if path == "users link" else COMMANDS[path].example
    return await stage.card(line, who=ANA)


def settled(text: str) -> str:
    """Without what is drawn by lot, and how many files there are."""
    for drawn, instead in _DRAWN:
        text = drawn.sub(instead, text)
    return text


def golden(path: str) -> str:
    return f"question_{path.replace(' ', '_')}"
