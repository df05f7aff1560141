"""One table of dialogues, every chat: what is said and tapped, what stands on the screen, what the desk is after it."""

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.chat.dialogues import DIALOGUES, Dialogue, Step
from tests.chat.drivers import Driver, Seen, on_console, on_discord, on_telegram, until
from tests.chat.house import House, a_house_of

Open = Callable[[House, Path], AbstractAsyncContextManager[Any]]
CHATS: dict[str, Open] = {"telegram": on_telegram, "discord": on_discord, "console": on_console}


def test_there_are_enough_of_them() -> None:
    assert len(DIALOGUES) >= 60
    assert len({d.name for d in DIALOGUES}) == len(DIALOGUES)


@pytest.mark.parametrize("chat", CHATS)
@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda d: d.name)
async def test_a_dialogue(dialogue: Dialogue, chat: str, tmp_path: Path) -> None:
    if chat not in dialogue.chats:
        pytest.skip(f"cannot be had on {chat}: {dialogue.why}")
    async with a_house_of(tmp_path) as house:
        for prepare in dialogue.given:
            await prepare(house)
        async with CHATS[chat](house, tmp_path) as driver:
            last: dict[str, Seen] = {}
            for number, step in enumerate(dialogue.steps, 1):
                await _live(house, driver, step, last, f"{dialogue.name}, step {number}")
        await house.bench.desk.settle()
        for what, expected in dialogue.after:
            found = what(house)
            assert found == expected, f"{dialogue.name}: {what.__name__}"


def _says(shown: list[Seen], wanted: list[str]) -> bool:
    """Every word in its order; a table's head may stand among them, and whatever marks its cells."""
    there = iter(" ".join(m.text for m in shown).split())
    return all(word in there for word in wanted)


def _code(types: str, shown: str) -> str:
    """ "$code" is the one that the card asks for, "$wrong" another one."""
    asked = re.search(r"Type (\d+) to confirm", shown)
    if not types.startswith("$") or asked is None:
        return types
    return asked[1] if types == "$code" else f"{(int(asked[1]) + 1) % 10_000:04}"


async def _live(house: House, driver: Driver, step: Step, last: dict[str, Seen], where: str) -> None:
    if step.then is not None:
        await step.then(house)
        return
    room, said = step.room, len(house.service.said)
    before = {m.id: m for m in driver.seen(step.who, room=room)}
    if step.taps:
        on = last[step.of or step.who]
        await driver.tap(step.who, on, step.taps, _code(step.types, on.text), room=room)
    else:
        await driver.type(step.who, step.says, room=room)
    await until(lambda: len(house.service.said) > said, f"an answer ({where})")
    card = house.service.said[-1][1]
    if step.silence:
        assert card is None, f"{where}: {card}"
        return
    assert card is not None, f"{where}: silence"
    wanted = [word for word in card.plain().split() if word != "·"]

    def fresh() -> list[Seen]:
        """What is new or another, and what was asked to be shown again."""
        now = driver.seen(step.who, room=room)
        again = last[step.of or step.who].id if step.taps else ""
        return [m for m in now if m.id not in before or m.text != before[m.id].text or m.id == again]

    await until(lambda: _says(fresh(), wanted), f"{' '.join(wanted)!r} on the screen ({where})")
    shown = next(m for m in reversed(fresh()) if _says([m], wanted[-2:]))
    last[step.who] = shown
    title = card.title.removeprefix("PAPER ")
    assert re.fullmatch(step.title, title), f"{where}: {title!r} is not {step.title!r}\n{card.plain()}"
    for part in step.has:
        assert re.search(part, card.plain()), f"{where}: {part!r} is not in\n{card.plain()}"
    if step.buttons is not None:
        assert shown.buttons == step.buttons, where
    assert shown.buttons == tuple(b.label for b in card.buttons), where
