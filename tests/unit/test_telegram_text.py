import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chats.telegram_text import LIMIT, messages, units
from bot.surface import Card
from tests.fakes.telegram_api import parse_html, utf16

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
