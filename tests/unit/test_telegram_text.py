import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chats.telegram_rich import rich_html
from bot.chats.telegram_text import FORM, LIMIT, keyboard, messages, note, sendable, units
from bot.surface import Button, Card, Style, Table
from tests.fakes.telegram_api import Refusal, parse_html, parse_rich, utf16

nasty = st.text(st.one_of(st.sampled_from("<>&\"'_*[]() \n\t😀"), st.characters()), max_size=60)
cards = st.builds(
    Card, title=nasty, lines=st.lists(nasty, max_size=4).map(tuple), detail=st.lists(nasty, max_size=4).map(tuple)
)
_SHOWN_AS_REPLACEMENT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def sayable(text: str) -> str:
    return _SHOWN_AS_REPLACEMENT.sub("\ufffd", text)


@given(cards, st.integers(min_value=2, max_value=80))
def test_no_character_that_is_seen_gets_lost_no_message_is_too_long_and_all_markup_is_sound(
    card: Card, limit: int
) -> None:
    parts = messages(card, limit=limit)
    for part in parts:
        part.plain.encode()
        assert 1 <= utf16(part.plain) <= limit
        assert parse_html(part.html) == part.plain
    seen = "".join("".join(part.plain for part in parts).split())
    assert seen == "".join(sayable(card.plain()).split()) or (seen == "-" and not card.plain().strip())


@given(st.lists(st.text("abcdefgh<&", min_size=1, max_size=9), min_size=1, max_size=80))
def test_words_that_fit_stay_whole(words: list[str]) -> None:
    card = Card(title=" ".join(words[:3]), lines=(" ".join(words[3:]),))
    assert " ".join(part.plain for part in messages(card, limit=20)).split() == words


@given(st.text())
def test_length_is_counted_as_telegram_counts_it(text: str) -> None:
    assert units(sayable(text)) == utf16(sayable(text))


def test_a_card_is_one_message_with_a_bold_title_and_a_folded_detail() -> None:
    card = Card(title="BTC <long> & co", lines=("entry 64 210", "stop 62 000"), detail=("because", "of_this*"))
    (part,) = messages(card)
    assert part.html == (
        "<b>BTC &lt;long&gt; &amp; co</b>\nentry 64 210\nstop 62 000\n"
        "<blockquote expandable>because\nof_this*</blockquote>"
    )
    assert part.plain == "BTC <long> & co\nentry 64 210\nstop 62 000\nbecause\nof_this*"


@pytest.mark.parametrize(("length", "count"), [(LIMIT, 1), (LIMIT + 1, 2), (2 * LIMIT, 2), (2 * LIMIT + 1, 3)])
def test_a_word_longer_than_a_message_is_broken_at_the_limit(length: int, count: int) -> None:
    parts = messages(Card(title="x" * length))
    assert len(parts) == count
    assert "".join(part.plain for part in parts) == "x" * length


def test_a_message_breaks_at_a_line_where_it_can() -> None:
    lines = tuple(f"{n:03} " + "word " * 9 for n in range(200))
    parts = messages(Card(title="long", lines=lines))
    assert len(parts) == 3
    assert all(part.plain.split("\n")[0][:3].isdecimal() for part in parts[1:])


def test_a_detail_that_is_split_is_folded_in_each_of_its_messages() -> None:
    parts = messages(Card(title="t", detail=("word " * 1000,)))
    assert [part.html.count("<blockquote expandable>") for part in parts] == [1, 1]


def test_an_emoji_is_never_cut_in_two() -> None:
    parts = messages(Card(title="😀" * 3000))
    assert [utf16(part.plain) for part in parts] == [4096, 1904]


def test_a_table_is_said_in_lines_before_the_others() -> None:
    card = Card(title="t", lines=("foot",), table=Table(head=("a", "b"), rows=(("1", "2"), ("3", ""))))
    (part,) = messages(card)
    assert part.plain == "t\n1 · 2\n3\nfoot"


@given(cards)
def test_a_note_is_the_beginning_of_the_card_within_the_limit(card: Card) -> None:
    assert utf16(note(card)) <= 200
    assert sendable(card.plain()).startswith(note(card))


def test_a_button_with_a_form_says_so_in_its_data_where_there_is_room() -> None:
    short, long = Button(label="a", data="cf:1", form="Type it"), Button(label="b", data="x" * 62, form="Type it")
    keys = keyboard((short, long, Button(label="c", data="no:1", style=Style.DANGER)))
    assert keys is not None
    assert [key.callback_data for row in keys.inline_keyboard for key in row] == [f"{FORM}cf:1", "x" * 62, "no:1"]
    assert [key.style for row in keys.inline_keyboard for key in row] == [None, None, "danger"]
    assert keyboard(()) is None


# --- rich messages -------------------------------------------------------------------------------------------------

cells = st.one_of(nasty, st.sampled_from(["", "+1.2", "-", "1,000.50", "3R"]))
tables = st.integers(1, 4).flatmap(
    lambda width: st.builds(
        Table,
        head=st.tuples(*[cells] * width),
        rows=st.lists(st.tuples(*[cells] * width), min_size=1, max_size=5).map(tuple),
    )
)


@given(cards, tables, st.sampled_from(["", "\nmay be a repeat"]))
def test_a_rich_message_is_sound_and_holds_every_word(card: Card, table: Table, note: str) -> None:
    rich = rich_html(replace(card, table=table), note=note)
    assert rich is not None
    folded = ["Details"] if sayable("".join(card.detail)).strip() else []
    cells = [*table.head, *(cell for row in table.rows for cell in row)]
    words = bare("\n".join((card.title, *cells, *card.lines, *folded, *card.detail, note)))
    if not words:
        with pytest.raises(Refusal, match="text is empty"):
            parse_rich(rich)
        return
    read = parse_rich(rich)
    assert bare(read.text) == words
    assert [len(row) for row in read.tables[0]] == [len(table.head)] * (1 + len(table.rows))


def bare(text: str) -> str:
    """Without white space, and without what the fake parts cells with."""
    return "".join(sayable(text).split()).replace("|", "")


def test_figures_stand_to_the_right_and_words_to_the_left() -> None:
    table = Table(head=("n", "what"), rows=(("+1.5", "+1.5 and more"), ("-", "x"), ("", ""), ("12%", "1R")))
    rich = rich_html(Card(title="t", table=table))
    assert rich is not None
    assert rich.count('<td align="right">') == 4
    assert '<th align="right">n</th><th>what</th>' in rich


@pytest.mark.parametrize(
    "table",
    [
        Table(head=(), rows=((),)),
        Table(head=("a",), rows=()),
        Table(head=("a",), rows=(("1", "2"),)),
        Table(head=("a",) * 21, rows=(("1",) * 21,)),
        Table(head=("a",), rows=(("1",),) * 500),
        Table(head=("a",), rows=(("x" * 32768,),)),
    ],
)
def test_what_no_rich_message_holds_is_none(table: Table) -> None:
    assert rich_html(Card(title="t", table=table)) is None


def test_a_card_without_a_table_is_no_rich_message() -> None:
    assert rich_html(Card(title="t", lines=("x",))) is None


@pytest.mark.parametrize(
    "broken",
    [
        "<table><td>x</td></table>",
        "<table><tr><td>x</td></tr>",
        "<table><tr><td>x</td></tr><tr><td>x</td><td>y</td></tr></table>",
        "<table><tr>x</tr></table>",
        "<table><tr></tr></table>",
        "<table><tr><td><p>x</p></td></tr></table>",
        '<table style="x"><tr><td>x</td></tr></table>',
        '<td align="middle">x</td>',
        "<p>x</b></p>",
        "<p>x",
        "<script>x</script>",
        "a < b",
        "a & b",
        "a &copy; b",
        "<p> </p>",
        "<blockquote expandable>x</blockquote>",
        "<b>" * 17 + "x" + "</b>" * 17,
        "<p>x</p>" * 501,
        "<p>" + "x" * 32769 + "</p>",
    ],
)
def test_the_fake_refuses_broken_rich_messages(broken: str) -> None:
    with pytest.raises(Refusal):
        parse_rich(broken)
