"""Cards that grow after they were shown: a plain answer that is being put into words, sentence by sentence.

Nothing waits for them. The chat that has shown such a card asks for what follows and puts it in its place, at its own
pace; a process that ends leaves the plain answer standing.
"""

import asyncio
import logging
import secrets
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal

from bot.render.asking import growing_card, stopped_card, unworded_card, worded_card
from bot.render.words import RenderContext, dressed
from bot.surface import Card
from trading.errors import Misuse

log = logging.getLogger(__name__)

AT_ONCE = 2  # phrasings in all
_REMEMBERED = 100  # cards that may still grow; older ones were never shown
BUSY = "Not put into words: your last question still is."


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Words that have passed the checker."""

    sentences: tuple[str, ...]
    model: str
    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsaid:
    """`why`: a line for people. `unfit`: there were words, and they did not pass."""

    why: str
    unfit: bool = False


Phrase = Callable[[], Awaitable[Said | Unsaid]]


@dataclass(slots=True, kw_only=True)
class _Growth:
    token: str
    person: str
    plain: Card
    about: RenderContext
    phrase: Phrase
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    last: Card | None = None  # what stands there after a stop


class Growths:
    """Everything that is being put into words in this process."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()  # "said", "unfit", "unsaid", "stopped", "busy"
        self._known: OrderedDict[str, _Growth] = OrderedDict()
        self._busy: set[str] = set()
        self._room = asyncio.Semaphore(AT_ONCE)

    def begin(self, plain: Card, phrase: Phrase, *, person: str, about: RenderContext) -> Card:
        """The plain answer as it is shown first. `phrase` runs when a chat has shown it, and not before."""
        token = secrets.token_hex(4)
        self._known[token] = _Growth(token=token, person=person, plain=plain, about=about, phrase=phrase)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return growing_card(plain, (), token=token)

    def stop(self, token: str, *, person: str, by: str, leads: bool) -> Card:
        """The plain answer alone, at once. `leads`: may stop what others have asked. Raises Misuse."""
        one = self._known.get(token)
        if one is None:
            raise Misuse("nothing is being put into words here any more")
        if person != one.person and not leads:
            raise Misuse("only who asked, or an operator, can stop this")
        if one.last is None:
            one.last = stopped_card(one.plain, by)
            one.stopped.set()
            self.counts["stopped"] += 1
        return one.last

    async def cards(self, token: str, every: float) -> AsyncGenerator[Card, None]:
        """What takes the place of a card that grows, one after the other, at least `every` seconds apart. After a stop
        only what sets right a card that was on its way when it came."""
        one = self._known.get(token)
        if one is None:
            return
        if one.person in self._busy:
            self.counts["busy"] += 1
            del self._known[token]
            yield dressed(unworded_card(one.plain, BUSY), one.about)
            return
        self._busy.add(one.person)
        try:
            async for card in self._grown(one, every):
                yield dressed(card, one.about)
                if one.last is not None:
                    yield dressed(one.last, one.about)
                    return
        finally:
            self._busy.discard(one.person)
            self._known.pop(token, None)

    async def _grown(self, one: _Growth, every: float) -> AsyncGenerator[Card, None]:
        found = await self._phrased(one)
        if found is None:
            return
        if isinstance(found, Unsaid):
            self.counts["unfit" if found.unfit else "unsaid"] += 1
            yield unworded_card(one.plain, found.why)
            return
        self.counts["said"] += 1
        for n in range(1, len(found.sentences)):
            yield growing_card(one.plain, found.sentences[:n], token=one.token)
            if await _set_within(one.stopped, every):
                return
        yield worded_card(one.plain, found.sentences, model=found.model, cost=found.cost)

    async def _phrased(self, one: _Growth) -> Said | Unsaid | None:
        """None: it was stopped. The request is then let go; what it has cost so far is the governor's to know."""
        phrasing = asyncio.create_task(self._in_turn(one.phrase), name="phrasing")
        stop = asyncio.create_task(one.stopped.wait())
        try:
            await asyncio.wait((phrasing, stop), return_when=asyncio.FIRST_COMPLETED)
            return None if one.stopped.is_set() else phrasing.result()
        finally:
            phrasing.cancel()
            stop.cancel()
            await asyncio.gather(phrasing, stop, return_exceptions=True)

    async def _in_turn(self, phrase: Phrase) -> Said | Unsaid:
        async with self._room:
            try:
                return await phrase()
            except Exception:
                log.exception("an answer was not put into words")
                return Unsaid(why="Not put into words: something went wrong inside.")


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
