"""The pictures of the documents: `python -m tests.chat.picture_book [--chromium PATH]`.

Transcripts of Telegram and of Discord, as the fakes of both platforms recorded them while a real desk traded in the
simulated market and people talked to it; and two pictures that the desk draws, of its equity and of a position. Nothing
in them is invented, and what is left out of a transcript is marked.
"""

import argparse
import asyncio
import io
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image, ImageChops

from bot.chats.console import DESTINATION, OWNER
from bot.markets import SIM_STARTS
from bot.process import Gavel
from bot.surface import Request
from tests.chat.drivers import until
from tests.chat.page import DISCORD, TELEGRAM, WIDTH, Head, Theme, page
from tests.chat.reel import Entry, Reel, title_of
from tests.chat.stage import ANN, OTTO, Stage, a_process, a_stage
from tests.fakes.discord_people import Line as DiscordLine
from trading.status import DeskStatus

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
SEED = 2  # the market that `gavel run` plays
DAYS = 3  # of the equity
LONG = timedelta(minutes=20)  # that a stop has stood where it stands
_ROOM = 5000  # CSS pixels: more than a page needs
_COLOURS = 240
_REST = ("passed:",)  # begins the second message of what is too long for one


# --- the scene --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Shot:
    name: str
    head: Head
    entries: Sequence[Entry]
    theme: Theme


async def transcripts(directory: Path) -> list[Shot]:
    async with a_stage(directory, seed=SEED) as stage:
        await _before(stage)
        return [await _entry(stage), await _halt(stage), await _channel(stage)]


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
        await stage.slash(ANN, "alerts show", kind=kind, mode="off")
    await stage.process.housekeeping.cards.refresh()
    await stage.told()


async def _entry(stage: Stage) -> Shot:
    """On Telegram: a decision with its reason, what becomes of it in its thread, and two questions about it."""
    api, reel = stage.telegram, Reel()
    reel.skip(api.conversation(ANN))
    await stage.play(_holds)
    await stage.pass_by(minutes=3)
    await stage.say("/positions")
    await stage.say("/why ETH")
    reel.take(api.conversation(ANN), but=_REST)
    return Shot(name="telegram", head=await _head(stage), entries=reel.entries, theme=TELEGRAM)


async def _halt(stage: Stage) -> Shot:
    """On Telegram: a halt at once, an exit that goes on all the same, and the way back, which asks."""
    api, reel = stage.telegram, Reel()
    reel.skip(api.conversation(ANN))
    await stage.pass_by(minutes=7)
    await stage.say("/halt lunch")
    reel.take(api.conversation(ANN))
    await stage.play(lambda now: not now.positions)
    await until(lambda: api.enclosed(ANN), "the picture of the trade")
    await stage.say("/resume")
    reel.take(api.conversation(ANN))
    await stage.tap("Confirm")
    reel.tapped(api.conversation(ANN), "Ann", "Confirm")
    return Shot(name="telegram-halt", head=await _head(stage), entries=reel.entries, theme=TELEGRAM)


async def _head(stage: Stage) -> Head:
    await stage.process.housekeeping.cards.refresh()
    pinned = next(title_of(line) for line in stage.telegram.conversation(ANN) if line.pinned)
    return Head(title="Gavel", under="bot", pinned=pinned)


async def _channel(stage: Stage) -> Shot:
    """On Discord: the status card, a fill in the channel, half of it closed, and a no that one person sees."""
    api, reel = stage.discord, Reel()

    def seen() -> list[DiscordLine]:
        return api.conversation(reader=OTTO)

    reel.skip(seen())
    await stage.play(_holds)
    await stage.pass_by(minutes=3)
    await stage.slash(OTTO, "close", position="DOGE", part="50%")
    reel.take(seen(), but=("confidence", *_REST))
    await stage.press(OTTO, "Confirm")
    reel.tapped(seen(), "Otto", "Confirm")
    await stage.slash(OTTO, "set", key="judge.min_confidence", value="0.55")
    reel.take(seen())
    await stage.process.housekeeping.cards.refresh()
    pinned = reel.pinned(seen())
    return Shot(name="discord", head=Head(title="# desk"), entries=(*pinned, *reel.entries), theme=DISCORD)


def _holds(now: DeskStatus) -> bool:
    return bool(now.positions)


# --- what the desk draws ----------------------------------------------------------------------------------------------


async def drawings(directory: Path) -> dict[str, bytes]:
    """By their names: the first position whose stop has stood beyond its entry for a while, and the equity of the first
    days."""
    async with a_process(directory, seed=SEED) as process:
        steps = process.market.feed.steps(process.resumed_at)
        safe: dict[str, datetime] = {}
        while not (held := _long_safe(process.desk.status(), safe)):
            await process.player.play(next(steps))
        position = await _drawn(process, f"/position {held}", dark=True)
        while process.desk.now() < SIM_STARTS + timedelta(days=DAYS):
            await process.player.play(next(steps))
        return {"position": position, "equity": await _drawn(process, "/pnl all", dark=False)}


def _long_safe(now: DeskStatus, safe: dict[str, datetime]) -> str:
    """Its id; "" where there is none. `safe`: since when each was."""
    held = [view.position for view in now.positions]
    beyond = [p.id for p in held if (p.protection.stop - p.entry) * p.direction.sign > 0]
    return next((id for id in beyond if now.at - safe.setdefault(id, now.at) >= LONG), "")


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


async def main(chromium: str, to: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for shot in await transcripts(Path(scratch, "scene")):
            html = page(shot.head, shot.entries, shot.theme)
            _keep(photographed(chromium, html, shot.theme), to / f"{shot.name}.png")
        for name, png in (await drawings(Path(scratch, "desk"))).items():
            _keep(Image.open(io.BytesIO(png)).convert("RGB"), to / f"{name}.png")


def _keep(image: Image.Image, path: Path) -> None:
    """In few colours: letters need no more."""
    image.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {image.width} x {image.height}, {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
    parser.add_argument("--to", type=Path, default=PICTURES)
    wanted = parser.parse_args()
    wanted.to.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(wanted.chromium, wanted.to))
