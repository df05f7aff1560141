"""One running process: the player, the chats beside it, and an orderly end."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.charts.studio import Studio
from bot.chats.console import Console
from bot.gate import Surface
from bot.housekeeping import Housekeeping
from bot.live_player import LivePlayer
from bot.markets import Market
from bot.player import Player
from bot.scheduler import wall_jobs
from bot.shadows import Shadows
from bot.talking import Chats
from storage.queries import Queries
from trading.desk import Desk

log = logging.getLogger(__name__)

SAY_GOODBYE = timedelta(seconds=1.5)  # for what is still to be told when the desk stops


@dataclass(frozen=True, slots=True, kw_only=True)
class Gavel:
    """One process: a desk, its market, its chats."""

    desk: Desk
    player: Player | LivePlayer
    console: Console
    chats: Chats
    surface: Surface
    queries: Queries
    shadows: Shadows
    studio: Studio
    market: Market
    housekeeping: Housekeeping
    resumed_at: datetime | None

    async def run(self) -> bool:
        """Play until the market ends (True) or somebody stops it (False); chats come and go beside it."""
        delivery = self.housekeeping.delivery
        beside = [asyncio.create_task(delivery.run(), name="delivery")]
        beside.append(asyncio.create_task(self.console.run(self.surface), name="console"))
        beside += [asyncio.create_task(chat.run(), name=chat.platform) for chat in self.chats.running]
        beside.append(asyncio.create_task(self.housekeeping.heartbeat.beat(), name="first sign of life"))
        beside.append(asyncio.create_task(self.housekeeping.models(), name="first look at the models"))
        for task in beside:
            task.add_done_callback(_report)
        jobs = wall_jobs(self.housekeeping.jobs)
        reason = "a fault"
        try:
            ended = await self._play()
            reason = "the market's data has ended" if ended else "asked to stop"
            await self.desk.stop(reason)
            return ended
        finally:
            jobs.shutdown(wait=False)
            for task in beside[1:]:
                task.cancel()
            beside[0].cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await delivery.drain(SAY_GOODBYE)
            await self.housekeeping.close(reason)
            await self.studio.close()
            await asyncio.gather(*(chat.close() for chat in self.chats.running), return_exceptions=True)

    async def _play(self) -> bool:
        if isinstance(self.player, LivePlayer):
            return await self.player.run()
        return await self.player.run(self.market.played(self.resumed_at))


def _report(task: "asyncio.Task[None]") -> None:
    """A chat that dies takes nothing with it, but never in silence."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s ended: %s", task.get_name(), error, exc_info=error)
