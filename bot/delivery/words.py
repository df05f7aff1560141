"""The words and the picture of what is sent: an event's card, with what has to be said of its way here."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.delivery.ports import Illustrate, Render, Wishes
from bot.pictures import Picture
from bot.render.digest import (
    REPEAT,
    again_note,
    digest_note,
    late_note,
    stand_in_note,
    summed_note,
    together_card,
    unworded_card,
)
from bot.render.words import RenderContext, dressed, with_line
from bot.surface import Card
from storage.mail import Outgoing, Together
from trading.events import Event, PeriodSummed, TradeClosed

log = logging.getLogger(__name__)
_PICTURED = (TradeClosed, PeriodSummed)
_KEPT = 50  # pictures, for the destinations that come later


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """`about`: how cards are dressed at a destination. `owner`: whose wishes hold there."""

    render: Render
    about: Callable[[str], RenderContext]
    wishes: Wishes
    owner: Callable[[str], str]
    late_after: timedelta
    stand_in_after: timedelta

    def of(self, row: Outgoing, now: datetime, *, repeated: bool) -> Card | None:
        """None: not worth telling."""
        about = self.about(row.destination)
        made = self._worded(row.event, about)
        notes = [
            stand_in_note(row.instead_of.partition(":")[0], self.stand_in_after) if row.instead_of else "",
            late_note(row.queued_at, now, about) if now - row.queued_at > self.late_after else "",
            REPEAT if repeated else "",
        ]
        return with_line(made, *notes) if made is not None and any(notes) else made

    def of_crowd(self, them: Together, now: datetime, *, repeated: bool) -> Card | None:
        about = self._about(them)
        late = now - them.oldest > self.late_after
        return self._together(them, summed_note(them.oldest, now, about) if late else "", repeated)

    def of_digest(self, them: Together, now: datetime, *, repeated: bool) -> Card | None:
        return self._together(them, digest_note(them.oldest, now, self._about(them)), repeated)

    def of_repeats(self, them: Together, since: datetime | None, now: datetime, *, repeated: bool) -> Card | None:
        """The newest, and how often the same has happened since it was last told."""
        newest, about = them.newest[0], self._about(them)
        made = self._worded(newest.event, about)
        times = them.kinds[type(newest.event).__name__]
        note = again_note(times, since or them.oldest, now, about)
        return None if made is None else with_line(made, note, REPEAT if repeated else "")

    def silent(self, row: Outgoing, now: datetime) -> bool:
        """What somebody has silenced stays so, critical or not."""
        return row.silent or self.quiet(row, now)

    def quiet(self, row: Outgoing, now: datetime) -> bool:
        """Quiet hours hold for what is not critical."""
        return not row.critical and self.wishes.quiet(self.owner(row.destination), now)

    def pictured(self, row: Outgoing) -> bool:
        return isinstance(row.event, _PICTURED) and self.wishes.pictures(self.owner(row.destination))

    def _about(self, them: Together) -> RenderContext:
        return self.about(them.newest[0].destination)

    def _together(self, them: Together, note: str, repeated: bool) -> Card | None:
        about = self._about(them)
        cards = [made for row in them.newest if (made := self._worded(row.event, about)) is not None]
        if not cards:
            return None
        made = together_card(cards, len(them.ids), them.kinds, note=note, about=about)
        return with_line(made, REPEAT) if repeated else made

    def _worded(self, event: Event, about: RenderContext) -> Card | None:
        try:
            return self.render(event, about)
        except Exception as error:
            log.exception("%s could not be worded", type(event).__name__)
            return dressed(unworded_card(event, error), about, event.at)


class Pictures:
    """An event's picture, made once for all destinations. The words never wait long for it."""

    def __init__(self, illustrate: Illustrate | None, *, within: timedelta) -> None:
        self._illustrate = illustrate
        self._within = within.total_seconds()
        self._made: OrderedDict[int, Picture | None] = OrderedDict()  # by the event's seq

    async def of(self, row: Outgoing) -> Picture | None:
        if self._illustrate is None:
            return None
        if row.seq not in self._made:
            self._made[row.seq] = await self._make(self._illustrate, row.event)
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return self._made.get(row.seq)

    async def _make(self, illustrate: Illustrate, event: Event) -> Picture | None:
        try:
            async with asyncio.timeout(self._within):
                return await illustrate(event)
        except TimeoutError:
            log.info("the picture of %s took too long", type(event).__name__)
        except Exception:  # a picture is never why words are missing
            log.exception("no picture of %s", type(event).__name__)
        return None


def pictured(made: Card, picture: Picture | None) -> Card:
    return made if picture is None else replace(made, picture=picture)
