"""Whether a card arrives: within the limits of a phone and of each platform, its markup sound, no character lost."""

import unicodedata
from typing import Any

from bot.chats import discord_buttons
from bot.chats.console_text import WIDTH, layout
from bot.chats.discord_text import contents
from bot.chats.telegram_rich import rich_html
from bot.chats.telegram_text import keyboard, messages
from bot.render.words import LABEL_LIMIT, LINE_LIMIT, LINK, TITLE_LIMIT
from bot.surface import Button, Card
from tests.fakes import discord_markup, telegram_markup
from tests.fakes.telegram_markup import parse_html, parse_rich, utf16

MODES = ("PAPER ", "LIVE ")


def bare(text: str) -> str:
    """The characters that are seen."""
    return "".join(text.split())


def unsafe(text: str) -> list[str]:
    """What could steer a terminal, turn a line around or break it."""
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def keeps_to_a_phone(card: Card) -> None:
    assert card.title.startswith(MODES)
    assert len("PAPER ") < len(card.title) <= TITLE_LIMIT
    lines = (*card.body(), *card.detail)
    assert all(0 < len(line) <= LINE_LIMIT or LINK.fullmatch(line) for line in lines), max(lines, key=len)
    assert unsafe(card.plain().replace("\n", "")) == []
    for button in card.buttons:
        assert 0 < len(button.label) <= LABEL_LIMIT
        assert unsafe(button.label + button.form) == []
        assert 0 < len(button.data.encode()) <= telegram_markup.DATA_LIMIT


# --- each platform ----------------------------------------------------------------------------------------------------


def arrives_on_telegram(card: Card) -> None:
    parts = messages(card)
    for part in parts:
        assert 0 < utf16(part.plain) <= 4096
        assert parse_html(part.html) == part.plain
        assert "<pre" not in part.html.replace("&lt;", "")
        assert "<code" not in part.html
    assert bare("".join(part.plain for part in parts)) == bare(card.plain())
    assert parts[0].plain.startswith(card.title)
    keys = keyboard(card.buttons)
    assert not card.buttons or telegram_markup.keyboard({"reply_markup": keys.to_dict() if keys else {}})
    if card.table is not None and card.table.rows:
        arrives_as_a_table(card)


def arrives_as_a_table(card: Card) -> None:
    rich = rich_html(card)
    assert rich is not None
    read = parse_rich(rich)
    table = card.table
    assert table is not None
    assert len(read.text) <= telegram_markup.RICH_LIMIT
    assert [[bare(cell) for cell in row] for row in read.tables[0]] == [
        [bare(cell) for cell in row] for row in (table.head, *table.rows)
    ]
    assert bare("".join(card.lines)) in bare(read.text)


def arrives_on_discord(card: Card) -> None:
    parts = contents(card)
    view = discord_buttons.keyboard(card.buttons)
    rows: Any = view.to_components() if view else []
    assert all(0 < len(part) <= discord_markup.TEXT_LIMIT for part in parts)
    assert bare("".join(map(discord_markup.shown, parts))) == bare(card.plain())
    discord_markup.check_components(rows)
    assert parts[0].startswith(tuple(f"**{mode}" for mode in MODES))
    for row in rows:
        for key in row["components"]:
            comes_back(card.buttons, key["custom_id"])


def comes_back(buttons: tuple[Button, ...], custom_id: str) -> None:
    """A tap carries the button's own data, and asks for its word."""
    pressed = discord_buttons.pressed(custom_id)
    (found, *_) = [b for b in buttons if b.data == pressed.data]
    if found.form:
        discord_markup.check_form(discord_buttons.form(found.label, pressed).to_dict())


def arrives_on_the_console(card: Card) -> None:
    title, lines = layout(card, folded=False)
    assert all(len(line) <= WIDTH for line in (title, *lines))
    said = bare("".join(line[2:] for line in (title, *lines)))
    if card.table is None:
        assert said.startswith(bare("".join((card.title, *card.lines, *card.detail))))
    else:
        assert said.startswith(bare(card.title))
        assert bare("".join((*card.lines, *card.detail))) in said


def arrives(card: Card) -> None:
    keeps_to_a_phone(card)
    arrives_on_telegram(card)
    arrives_on_discord(card)
    arrives_on_the_console(card)
