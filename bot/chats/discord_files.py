"""The picture and the file of a card, ready to be sent after its words."""

import io
import logging

import discord

from bot.surface import Artist, Card

log = logging.getLogger(__name__)
_ABOUT = 1000  # characters that describe a picture to who cannot see it


async def enclosed(card: Card, artist: Artist | None, *, dark: bool) -> list[discord.File]:
    """What cannot be drawn costs a line in the log."""
    files = []
    if card.picture is not None and artist is not None:
        try:
            drawn = await artist.draw(card.picture, dark=dark)
            files.append(discord.File(io.BytesIO(drawn), "picture.png", description=card.title[:_ABOUT] or None))
        except Exception:  # whatever it is, the words are there already
            log.exception("a picture was not drawn")
    if card.file is not None:
        files.append(discord.File(io.BytesIO(card.file.content), card.file.name))
    return files
