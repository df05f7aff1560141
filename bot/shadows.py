"""Shadow desks: other playbooks on paper beside the live desk, on the same market. Nothing of them is told in a chat.

Each is a whole desk with a journal, an account and a clock of its own. The live desk comes first at every moment, and
whatever goes wrong in a shadow ends that shadow alone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from bot.player import Track
from trading.desk import Desk
from trading.errors import Misuse, NoEvidence
from trading.events import ShadowDeskChanged
from trading.market.moments import MarketFeed, Step
from trading.messages import AddShadow, RemoveShadow
from trading.model import Symbol
from trading.status import Difference, ShadowDeskView

log = logging.getLogger(__name__)

MOST = 3
WITHIN = 60.0  # seconds a shadow may take for one moment: it must not hold up the live desk
SHOWN = 5  # differences
NOTHING = "nothing"  # it did not look, or was in a position

Outcomes = Mapping[tuple[datetime, Symbol], str]


class Totals(Protocol):
    """What closed trades add up to."""

    @property
    def count(self) -> int: ...

    @property
    def net(self) -> Decimal: ...


class Records(Protocol):
    """What the comparison reads of a journal."""

    async def outcomes(self, after: datetime) -> Outcomes: ...

    async def trade_totals(self, since: datetime | None = None) -> Totals: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """One of them. `name`: its playbook's."""

    name: str
    desk: Desk
    track: Track
    records: Records
    since: datetime  # market time at which it was added
    close: Callable[[], Awaitable[None]]  # its account and its database


Begin = Callable[[Callable[[], Decimal]], Awaitable[Shadow]]  # with this equity, at the live desk's moment
Prepare = Callable[[str], Awaitable[Begin]]  # what is slow about it: file, schema


class Shadows:
    """At most MOST of them. `prepare` finds the playbook and opens its files; an old one goes on where it stood."""

    def __init__(
        self,
        *,
        live: Desk,
        records: Records,
        feed: MarketFeed,
        played: Callable[[datetime], Iterator[Step]],
        prepare: Prepare,
        anew: Callable[[str], None],
    ) -> None:
        self.live = live
        self.running: dict[str, Shadow] = {}
        self._records = records
        self._feed = feed
        self._played = played
        self._prepare = prepare
        self._anew = anew  # puts what an earlier shadow of that name has left aside
        self._door = asyncio.Lock()  # one comes or goes at a time
        self._moment = asyncio.Lock()  # and nobody in the middle of one

    # --- coming and going ---------------------------------------------------------------------------------------

    async def obey(self, command: AddShadow | RemoveShadow) -> str:
        """Raises Misuse with the reason."""
        async with self._door:
            return await (self._add(command) if isinstance(command, AddShadow) else self._remove(command))

    async def _add(self, command: AddShadow) -> str:
        name = command.name
        if name in self.running:
            raise Misuse(f"{name} runs in shadow already.")
        if len(self.running) >= MOST:
            raise Misuse(f"{MOST} playbooks in shadow are the most; remove one first: {', '.join(self.running)}.")
        self._anew(name)
        begin = await self._prepare(name)
        async with self._moment:
            shadow = await begin(self._equity)
            self.running[name] = shadow
            await self._tell(name, by=command.by, running=True)
        universe = shadow.desk.playbook.universe
        missing = sorted(set(universe) - {i.base for i in self._feed.instruments().values()})
        lacks = f" This market has no {', '.join(missing)}." if missing else ""
        return f"{name} runs on paper beside {self.live.playbook.name} from now on.{lacks}"

    def _equity(self) -> Decimal:
        try:
            return self.live.book.equity(self.live.market.quote)
        except NoEvidence as error:
            raise Misuse(f"The live desk's equity is not known now: {error}. Try again.") from error

    async def _remove(self, command: RemoveShadow) -> str:
        async with self._moment:
            shadow = self.running.pop(command.name, None)
            if shadow is None:
                raise Misuse(f"{command.name} does not run in shadow; {', '.join(self.running) or 'none'} does.")
            await self._tell(command.name, by=command.by, running=False)
            await self._end(shadow, f"removed by {command.by}")
        return f"{command.name} runs in shadow no more. Its records stay in the data directory."

    async def reopen(self) -> None:
        """Those that ran when the last process ended, each as it stood then."""
        for name in self.live.book.state.beside:
            try:
                begin = await self._prepare(name)
                self.running[name] = await begin(lambda: self.live.book.booked)
            except Exception as error:
                log.exception("the shadow desk %s is not opened again", name)
                await self._fault(name, error)

    async def close(self) -> None:
        async with self._moment:
            for shadow in self.running.values():
                await self._end(shadow, "the live desk has stopped")
            self.running.clear()

    async def _end(self, shadow: Shadow, reason: str) -> None:
        try:
            await shadow.desk.stop(reason)
        except Exception:
            log.exception("stopping the shadow desk %s", shadow.name)
        await shadow.close()

    async def _tell(self, name: str, *, by: str, running: bool) -> None:
        """The live desk remembers who stands beside it."""
        event = ShadowDeskChanged(at=self.live.now(), by=by, playbook=name, running=running)
        await self.live.book.commit([event], desk={"beside": tuple(self.running)}, exit=True)

    async def _fault(self, name: str, error: Exception) -> None:
        """It is out, and that is said once."""
        shadow = self.running.pop(name, None)
        await self._tell(name, by=f"an inner error: {type(error).__name__}: {error}", running=False)
        if shadow is not None:
            await self._end(shadow, "an inner error")

    # --- living -------------------------------------------------------------------------------------------------

    async def play(self, step: Step) -> None:
        """One moment for each of them; the live desk has lived it."""
        if not self.running:
            return
        async with self._moment:
            for name, shadow in tuple(self.running.items()):
                try:
                    async with asyncio.timeout(WITHIN):
                        await shadow.track.play(step)
                    if shadow.desk.faults:
                        raise RuntimeError(shadow.desk.frozen)
                except Exception as error:
                    log.exception("the shadow desk %s is stopped", name)
                    await self._fault(name, error)

    async def catch_up(self, until: datetime) -> None:
        """Play what a shadow has not lived yet and the live desk has: the last process may have ended in between."""
        begins = min((s.track.since for s in self.running.values() if s.track.since), default=until)
        if begins >= until:
            return
        for step in self._played(begins):
            if step.at >= until:
                return
            await self.play(step)
            await asyncio.sleep(0)

    # --- comparing ----------------------------------------------------------------------------------------------

    async def views(self) -> tuple[ShadowDeskView, ...]:
        return tuple([await self._view(shadow) for shadow in tuple(self.running.values())])

    async def _view(self, shadow: Shadow) -> ShadowDeskView:
        status = shadow.desk.status()
        trades, ours = await shadow.records.trade_totals(), await self._records.trade_totals(shadow.since)
        same, differences = compared(
            await self._records.outcomes(shadow.since), await shadow.records.outcomes(shadow.since)
        )
        return ShadowDeskView(
            playbook=shadow.name,
            since=shadow.since,
            start_equity=status.start_equity,
            equity=status.equity,
            trades=trades.count,
            net=trades.net,
            open=len(status.positions),
            ours_trades=ours.count,
            ours_net=ours.net,
            same=same,
            different=len(differences),
            differences=tuple(differences[:SHOWN]),
        )


def compared(ours: Outcomes, theirs: Outcomes) -> tuple[int, list[Difference]]:
    """How often both did the same, and where not, newest first. Not to look and not to trade is no difference."""
    same, differences = 0, []
    for at, symbol in sorted({*ours, *theirs}, reverse=True):
        a, b = ours.get((at, symbol), NOTHING), theirs.get((at, symbol), NOTHING)
        if a == b:
            same += 1
        elif NOTHING not in (a, b) or _trades((a, b)):
            differences.append(Difference(at=at, symbol=symbol, ours=a, theirs=b))
    return same, differences


def _trades(outcomes: Iterable[str]) -> bool:
    return any(outcome in ("long", "short") for outcome in outcomes)
