"""What the delivery needs of others."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from bot.pictures import Picture
from bot.render.words import RenderContext
from bot.surface import Card
from storage.mail import Bundle, Outgoing, Overdue, Together
from trading.events import Event

Render = Callable[[Event, RenderContext], Card | None]  # None: not worth telling
Illustrate = Callable[[Event], Awaitable[Picture | None]]
_HOUR = timedelta(hours=1)


class Outbox(Protocol):
    """What is to be told, and how far that is. Every call may raise JournalUnwritable or BadRecord; those that write
    IllegalTransition too. See storage/outbox.py."""

    async def pending(self, destination: str, limit: int) -> list[Outgoing]: ...

    async def sending(self, ids: Sequence[int]) -> None: ...

    async def sent_all(self, references: Mapping[int, str]) -> None: ...

    async def sent_together(self, ids: Sequence[int], reference: str, bundle: str) -> None: ...

    async def put_back(self, ids: Sequence[int], error: str) -> None: ...

    async def give_up(self, ids: Sequence[int], error: str) -> None: ...

    async def unfinished(self) -> list[int]: ...

    async def depth(self) -> dict[str, tuple[int, datetime]]: ...

    async def crowd(self, destination: str, limit: int, newest: int) -> Together | None: ...

    async def hold(self, ids: Sequence[int], bundle: str, until: datetime) -> None: ...

    async def held(self) -> list[Bundle]: ...

    async def bundle(self, destination: str, bundle: str, limit: int, newest: int) -> Together | None: ...

    async def thread(self, destination: str, thread: str) -> str: ...

    async def overdue(self, before: datetime) -> list[Overdue]: ...

    async def hand_over(self, row: Overdue, to: Sequence[str]) -> list[str]: ...


@runtime_checkable
class Paced(Protocol):
    """A chat with a speed limit. Waiting for it before a row is chosen lets an urgent one still go first, and leaves
    no row half sent when the process ends meanwhile."""

    async def await_turn(self, destination: str) -> None: ...


class Wishes(Protocol):
    """How an owner wants to be told. See bot/wishes.py."""

    def quiet(self, owner: str, at: datetime) -> bool: ...

    def digest_at(self, owner: str, after: datetime) -> datetime: ...

    def pictures(self, owner: str) -> bool: ...


class NoWishes:
    """Nobody has wished for anything."""

    def quiet(self, owner: str, at: datetime) -> bool:  # noqa: ARG002
        return False

    def digest_at(self, owner: str, after: datetime) -> datetime:  # noqa: ARG002
        return after.replace(minute=0, second=0, microsecond=0) + _HOUR

    def pictures(self, owner: str) -> bool:  # noqa: ARG002
        return True
