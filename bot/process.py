"""One running process: the player, the chats beside it, and an orderly end."""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bot.chats.console import Console
from bot.delivery import Delivery, DestinationHealth
from bot.gate import Surface
from bot.markets import Market
from bot.player import Player
from bot.scheduler import wall_jobs
from storage.outbox import Outbox
from storage.queries import Queries
from trading.desk import Desk
from trading.status import Armed, Capability

log = logging.getLogger(__name__)

SAY_GOODBYE = timedelta(seconds=1.5)  # for what is still to be told when the desk stops


@dataclass(slots=True, kw_only=True)
class Chats:
    """How the chats and their deliveries stand, for /health."""

    telegram: Any = None  # Telegram | None; its library loads only where a token is
    refused: tuple[Capability, ...] = ()  # chats that are not started, and why
    mail: tuple[DestinationHealth, ...] = field(default=())

    def states(self) -> tuple[Capability, ...]:
        running = (self.telegram.state,) if self.telegram else ()
        return (*running, *self.refused, *(_mail_state(m) for m in self.mail))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gavel:
    """One process: a desk, its market, its chats."""

    desk: Desk
    player: Player
    delivery: Delivery
    console: Console
    chats: Chats
    surface: Surface
    queries: Queries
    outbox: Outbox
    market: Market
    resumed_at: datetime | None

    async def run(self) -> bool:
        """Play until the market ends (True) or somebody stops it (False); chats come and go beside it."""
        beside = [asyncio.create_task(self.delivery.run(), name="delivery")]
        beside.append(asyncio.create_task(self.console.run(self.surface.handle), name="console"))
        if self.chats.telegram is not None:
            beside.append(asyncio.create_task(self.chats.telegram.run(), name="telegram"))
        for task in beside:
            task.add_done_callback(_report)
        jobs = wall_jobs([("outbox", timedelta(seconds=2), self._wake)])
        try:
            ended = await self.player.run(self.market.feed.steps(self.resumed_at))
            await self.desk.stop("the market's data has ended" if ended else "asked to stop")
            return ended
        finally:
            jobs.shutdown(wait=False)
            for task in beside[1:]:
                task.cancel()
            beside[0].cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self.delivery.drain(SAY_GOODBYE)
            if self.chats.telegram is not None:
                await self.chats.telegram.close()

    async def _wake(self) -> None:
        """Rows whose time for another try has come; and how the deliveries stand."""
        self.delivery.wake(await self.outbox.depth())
        self.chats.mail = await self.delivery.health()


def _mail_state(mail: DestinationHealth) -> Capability:
    """One destination's deliveries as a line of /health."""
    faults = [mail.error] if mail.error else []
    if faults and mail.waiting:
        faults.append(f"{mail.waiting} waiting")
    if mail.dead:
        faults.append(f"{mail.dead} refused for good: {mail.refusal}")
    state = Armed.DEGRADED if faults else Armed.ARMED
    return Capability(name=f"messages to {mail.destination}", state=state, why="; ".join(faults), since=mail.since)


def _report(task: "asyncio.Task[None]") -> None:
    """A chat that dies takes nothing with it, but never in silence."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s ended: %s", task.get_name(), error, exc_info=error)
