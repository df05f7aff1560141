"""Pages of long lists, and the whole of them as a file that no spreadsheet runs."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal as D
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.arguments import CSV, PAGE, Count, Pair
from bot.catalogue import BadArguments, Effect, Entry, read
from bot.render.paging import csv_file, page_buttons, page_of, page_words
from bot.surface import Card, Role
from trading.playbook import load


@given(st.lists(st.integers(), max_size=60), st.integers(-5, 99), st.integers(1, 12))
def test_the_pages_together_are_the_list_and_any_number_is_a_page(rows: list[int], page: int, per: int) -> None:
    shown, number, pages = page_of(rows, page, per)
    assert 1 <= number <= pages
    assert len(shown) <= per
    assert [row for n in range(1, pages + 1) for row in page_of(rows, n, per)[0]] == rows


@pytest.mark.parametrize(
    ("page", "pages", "labels"),
    [(1, 1, ["CSV"]), (1, 3, ["Next", "CSV"]), (2, 3, ["Back", "Next", "CSV"]), (3, 3, ["Back", "CSV"])],
)
def test_there_is_a_button_to_each_side_that_has_something(page: int, pages: int, labels: list[str]) -> None:
    buttons = page_buttons("/trades BTC", page, pages)
    assert [b.label for b in buttons] == labels
    by_label = {b.label: b.data for b in buttons}
    assert by_label.get("Next", f"re:/trades BTC page={page + 1}") == f"re:/trades BTC page={page + 1}"
    assert by_label["CSV"] == "do:/trades BTC csv"


@given(st.text(st.characters(codec="utf-8"), max_size=80), st.integers(1, 9999))
def test_no_button_is_too_long_for_a_chat(words: str, page: int) -> None:
    assert all(len(b.data.encode()) <= 64 for b in page_buttons(f"/settings {words}", page, page + 1))


def test_one_page_needs_no_words() -> None:
    assert (page_words(1, 1), page_words(2, 5)) == ("", "Page 2 of 5")


async def _nothing(*_: Any, **__: Any) -> Card:
    return Card(title="")


TRADES = Entry(
    path="trades",
    help="",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="",
    run=_nothing,
    args=(Count(name="n", help="", most=50), Pair(name="pair", help=""), PAGE, CSV),
)
TOOLS: Any = SimpleNamespace(desk=SimpleNamespace(playbook=load("desk")))


def test_a_tapped_page_is_the_line_that_can_be_typed() -> None:
    tapped = page_buttons("/trades 5 BTC", 1, 2)[0].data.removeprefix("re:/trades")
    assert read(TRADES, tapped, TOOLS) == {"n": 5, "pair": "BTC/USDT:USDT", "page": 2}
    assert read(TRADES, "page=2 BTC 5 CSV", TOOLS) == {"n": 5, "pair": "BTC/USDT:USDT", "page": 2, "csv": "csv"}


@pytest.mark.parametrize("word", ["page=0", "page=-1", "page=", "page=²", "page=99999", "page2", "pages=2"])
def test_what_is_no_page_is_said_so(word: str) -> None:
    with pytest.raises(BadArguments):
        PAGE.read(word, TOOLS)


def cells(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def test_a_file_keeps_numbers_and_times_and_marks_what_looks_like_a_formula() -> None:
    at = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
    row = (
        D("-3.10"),
        5,
        "-3.10",
        "+12",
        "=1+1",
        "@SUM(A1)",
        "-cmd|' /C calc'!A0",
        "\tx",
        "plain, with a comma",
        at,
        None,
    )
    file = csv_file("trades.csv", ("a",) * len(row), [row])
    assert file.name == "trades.csv"
    assert cells(file.content)[1] == [
        "-3.10", "5", "-3.10", "+12", "'=1+1", "'@SUM(A1)", "'-cmd|' /C calc'!A0", "'\tx", "plain, with a comma",
        "2026-01-05T09:30:00Z", "",
    ]  # fmt: skip


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00")), min_size=1, max_size=5))
def test_no_text_becomes_a_formula_and_none_is_lost(row: list[str]) -> None:
    (found,) = cells(csv_file("x.csv", (), [row]).content)[1:]
    for said, kept in zip(row, found, strict=True):
        assert kept.removeprefix("'") == said.removeprefix("'")
        if kept[:1] in ("=", "+", "-", "@", "\t", "\r"):
            assert D(kept.strip()).is_finite()
