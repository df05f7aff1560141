"""Cards as Discord's markdown: everything escaped, no word lost, never too long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chats.discord_text import LIMIT, contents, escaped, units
from bot.surface import Card, Table
from tests.fakes.discord_markup import shown

_SPECIAL = st.text(alphabet="*_~`|<>[]()#-+\\@ \n.1/:hterypson", max_size=80)
_TEXTS = st.one_of(_SPECIAL, st.text(max_size=200), st.sampled_from(["@everyone", "https://a.b/c_d*e", "> x", "1. y"]))
_CARDS = st.builds(
    Card,
    title=_TEXTS,
    lines=st.lists(_TEXTS, max_size=6).map(tuple),
    detail=st.lists(_TEXTS, max_size=6).map(tuple),
)


@pytest.mark.parametrize(
    "text",
    [
        "**bold** __under__ *it* _al_ ~~struck~~ ||hidden|| `code` ```block```",
        "[masked](https://example.org) <@123> <@&1> <#55> <t:1> </halt:1> <:moon:1>",
        "# head",
        "### head",
        "-# small",
        "- item",
        "  - item",
        "+ item",
        "* item",
        "> quote",
        ">>> quote",
        "12. item",
        "a\\*b\\",
        "@everyone and @here, somebody@example.org",
        "-3.10 USDT",
        "#1 of 5",
        "https://example.org/a_b?c=*d* and http://x.y/[z]",
    ],
)
def test_what_is_written_is_what_is_read(text: str) -> None:
    assert shown(escaped(text)) == text
    assert shown("\n".join(contents(Card(title=text, lines=(text,), detail=(text,))))).split() == [*text.split()] * 3


def test_a_card_in_its_markup() -> None:
    table = Table(head=("pair", "P&L"), rows=(("BTC", "+1.20"), ("ETH", "-3_0")))
    card = Card(title="PAPER ▲ BTC", table=table, lines=("one", "", "two"), detail=("because", "", "of that"))
    assert contents(card) == ("**PAPER ▲ BTC**\nBTC · +1.20\nETH · -3\\_0\none\n\ntwo\n> because\n\n> of that",)


def test_the_first_line_is_the_title_and_nothing_else() -> None:
    (content,) = contents(Card(title="PAPER ▲ BTC +1.2% long 0.10 @ 64 210", lines=("x",)))
    assert shown(content).split("\n")[0] == "PAPER ▲ BTC +1.2% long 0.10 @ 64 210"


@pytest.mark.parametrize("card", [Card(title=""), Card(title=" \n ", lines=("",), detail=("  ",))])
def test_nothing_is_still_a_message(card: Card) -> None:
    assert contents(card) == ("-",)


def test_what_cannot_be_sent_is_replaced() -> None:
    assert contents(Card(title="bad \ud83d text\x00")) == ("**bad \ufffd text\ufffd**",)


@given(card=_CARDS, limit=st.integers(40, LIMIT))
def test_no_message_is_too_long_and_no_word_is_lost(card: Card, limit: int) -> None:
    parts = contents(card, limit=limit)
    assert all(0 < units(part) <= limit for part in parts)
    said = "".join("".join(shown(part).split()) for part in parts)
    meant = "".join("\ufffd" if (c < " " and c not in "\t\n") or c == "\x7f" else c for c in card.plain())
    assert said == ("".join(meant.split()) or "-")


@given(words=st.lists(st.text(alphabet="ab_*", min_size=1, max_size=20), min_size=1, max_size=400))
def test_words_are_broken_only_where_they_must_be(words: list[str]) -> None:
    parts = contents(Card(title="t", lines=(" ".join(words),)), limit=120)
    assert " ".join(shown(part) for part in parts).split() == ["t", *words]
