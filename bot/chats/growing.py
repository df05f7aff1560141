"""A card that grows after it was shown: each next one takes its place, or the last one follows where none can."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from bot.surface import Card


async def grow(
    cards: AsyncGenerator[Card, None],
    replace: Callable[[Card], Awaitable[bool]],
    say: Callable[[Card], Awaitable[object]],
) -> None:
    """`replace` says whether it could be done: after a no only the last card is said, as a message of its own."""
    standing, last = True, None
    async with aclosing(cards) as following:
        async for card in following:
            last = card
            standing = standing and await replace(card)
    if last is not None and not standing:
        await say(last)
