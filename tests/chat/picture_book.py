"""The pictures of the documents: `python -m tests.chat.picture_book [--chromium PATH]`.

Two transcripts, of Telegram and of Discord, as the fakes of both platforms recorded them while a real desk traded in the
simulated market and people talked to it; and two pictures that the desk draws, of its equity and of a position. Nothing
in them is invented, and what is left out of a transcript is marked.
"""

import argparse
import asyncio
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from PIL import Image, ImageChops

from bot.chats.console import DESTINATION, OWNER
from bot.markets import SIM_STARTS
from bot.process import Gavel
from bot.surface import Request
from tests.chat.drivers import until
from tests.chat.page import DISCORD, TELEGRAM, WIDTH, Head, Theme, page
from tests.chat.reel import Reel, title_of
from tests.fakes.discord_people import Line as DiscordLine
from tests.chat.stage import ANN, OTTO, Stage, a_process, a_stage
from trading.status import DeskStatus

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
SEED = 2  # the market that `gavel run` plays
DAYS = 14
TALLEST = 1600  # CSS pixels
_ROOM = 5000  # CSS pixels: more than a page needs
_COLOURS = 64


# --- the scene --------------------------------------------------------------------------------------------------------


async def transcripts(directory: Path) -> dict[str, tuple[str, Theme]]:
    """By the name of the picture: the page."""
    async with a_stage(directory, seed=SEED) as stage:
        await _before(stage)
        telegram = await _telegram(stage)
        discord = await _discord(stage)
    return {"telegram": (telegram, TELEGRAM), "discord": (discord, DISCORD)}


async def _before(stage: Stage) -> None:
    """What people have settled before: who Otto is, what they are told, and dark pictures."""
    await stage.told()
    for words in (f"/users add discord:{OTTO} operator Otto", f"/users link telegram-{ANN} discord:{ANN}"):
        await stage.say(words)
        await stage.tap("Confirm")
    for words in ("/theme dark", "/alerts order off", "/alerts desk off"):
        await stage.say(words)
    await stage.slash(ANN, "theme", value="dark")
    for kind in ("order", "desk"):
        await stage.slash(ANN, "alerts", kind=kind, mode="off")


async def _telegram(stage: Stage) -> str:
    """An entry with its reason, a halt, an exit that goes on all the same, and the way back."""
    api, reel = stage.telegram, Reel()
    reel.skip(api.conversation(ANN))
    await stage.play(_holds)
    for words in ("/positions", "/why"):
        await stage.say(words)
    await stage.say("/halt lunch")
    reel.take(api.conversation(ANN), but=("HALTED by",))
    await stage.play(lambda now: not now.positions)
    await until(lambda: api.enclosed(ANN), "the picture of the trade")
    reel.take(api.conversation(ANN), but=("bought",))
    await stage.say("/resume")
    reel.take(api.conversation(ANN))
    await stage.tap("Confirm")
    reel.tapped(api.conversation(ANN), "Ann", "Confirm")
    await stage.process.housekeeping.cards.refresh()
    pinned = next(title_of(line) for line in api.conversation(ANN) if line.pinned)
    return page(Head(title="Gavel", under="bot", pinned=pinned), reel.entries, TELEGRAM)


async def _discord(stage: Stage) -> str:
    """A fill in the channel, a question about it, what only one person sees, and the status card."""
    api, reel = stage.discord, Reel()

    def channel() -> list[DiscordLine]:
        return api.conversation(reader=OTTO)

    reel.skip(channel())
    await stage.play(_holds)
    await stage.slash(OTTO, "close", position="DOGE", part="50%")
    reel.take(channel(), but=("confidence",))
    await stage.press(OTTO, "Confirm")
    reel.tapped(channel(), "Otto", "Confirm")
    await stage.told()
    await stage.slash(OTTO, "settings")
    reel.take(channel())
    return page(Head(title="# desk", under="slash commands, buttons, threads"), reel.entries, DISCORD)


def _holds(now: DeskStatus) -> bool:
    return bool(now.positions)


# --- what the desk draws ----------------------------------------------------------------------------------------------


async def drawings(directory: Path) -> dict[str, bytes]:
    """By the name of the picture: the equity of some days, and of all its positions in them the one that went the way of
    most steps."""
    found: dict[str, bytes] = {}
    async with a_process(directory, seed=SEED) as process:
        process.desk.book.patience = 32
        for step in process.market.feed.steps(process.resumed_at):
            await process.player.play(step)
            if step.at >= SIM_STARTS + timedelta(days=DAYS):
                break
        found["equity"] = await _drawn(process, "/pnl all", dark=False)
    return found


async def _drawn(process: Gavel, words: str, *, dark: bool) -> bytes:
    asked = Request(who=OWNER, place=DESTINATION, text=words, at=process.desk.now())
    card = await process.surface.handle(asked)
    assert card is not None, words
    assert card.picture is not None, card.plain()
    return await process.studio.draw(card.picture, dark=dark)


# --- from a page to a picture -----------------------------------------------------------------------------------------


def photographed(chromium: str, html: str, theme: Theme) -> Image.Image:
    """At twice the size, as tall as it has to be."""
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch, "page.html"), Path(scratch, "page.png")
        source.write_text(html)
        command = [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-lcd-text",
            "--force-device-scale-factor=2",
            f"--user-data-dir={scratch}/profile",
            f"--window-size={WIDTH},{_ROOM}",
            f"--screenshot={target}",
            source.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return _cropped(Image.open(io.BytesIO(target.read_bytes())).convert("RGB"), theme.back)


def _cropped(image: Image.Image, back: str) -> Image.Image:
    """Without the empty room under the last message."""
    found = ImageChops.difference(image, Image.new("RGB", image.size, back)).getbbox()
    assert found is not None, "an empty page"
    return image.crop((0, 0, 2 * WIDTH, found[3] + 24))


def saved(image: Image.Image, path: Path) -> None:
    image.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)


async def main(chromium: str, to: Path) -> None:
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        pages = await transcripts(Path(scratch, "scene"))
    for name, (html, theme) in pages.items():
        Path(f"/tmp/w4/{name}.html").write_text(html)
        image = photographed(chromium, html, theme)
        saved(image, to / f"{name}.png")
        print(name, image.size, (to / f"{name}.png").stat().st_size)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
    parser.add_argument("--to", type=Path, default=PICTURES)
    wanted = parser.parse_args()
    asyncio.run(main(wanted.chromium, wanted.to))
