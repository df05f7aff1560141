"""Orders by hand and locks: what is quoted, what is asked, what the desk is told; and what markets show."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path

import pytest

from bot.pictures import CandlesPicture, ExposurePicture
from tests import surface_examples as examples
from tests.asking import BTC, BY, DOGE, LOCK, a_stage, last_run, tap
from tests.desks import a_series
from tests.surfaces import OLA, OTTO, Stage
from trading import messages as m
from trading.errors import Misuse
from trading.model import Direction, PositionId
from trading.playbook import load


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_stage(tmp_path) as made:
        yield made


# --- orders by hand ---------------------------------------------------------------------------------------------------


async def test_close_quotes_size_mark_and_result_again_at_the_tap(stage: Stage) -> None:
    asked = await stage.card("/close BTC")
    for part in ("0.0124", "Mark 64,900.0", "unrealised +8.55"):
        assert part in asked.plain()
    view = stage.desk.view.positions[0]
    stage.desk.view = replace(stage.desk.view, positions=(replace(view, quote=examples.a_quote("63000.0")),))
    done = await tap(stage, asked)
    quoted = m.Quoted(mark=D("64900.0"), quantity=D("0.0124"))
    assert stage.desk.obeyed == [m.ClosePosition(position_id=PositionId(examples.ID), by=BY, quoted=quoted)]
    assert "Mark 63,000.0" in done.plain()
    assert "unrealised -15.01" in done.plain()
    assert (await last_run(stage)).changes == ((f"position {examples.ID}", "open 0.0124", "-"),)


PARTS = (("50%", "0.5"), ("half", "0.5"), ("0.25", "0.25"), ("33.3%", "0.333"), ("all", "1"), ("1", "1"))


async def test_a_part_is_closed_as_it_was_asked_for(stage: Stage) -> None:
    held = stage.desk.view
    for word, part in PARTS:
        stage.desk.view = held
        await tap(stage, await stage.card(f"/close BTC {word}"))
        closed = stage.desk.obeyed[-1]
        assert isinstance(closed, m.ClosePosition)
        assert closed.part == D(part), word


async def test_a_part_says_how_much_of_the_position_it_is(stage: Stage) -> None:
    asked = await stage.card("/close BTC 50%")
    assert "close 50% of BTC long?" in asked.title
    assert "50% of it, about 0.0062" in asked.plain()
    assert "+4.27 of it in this part" in asked.plain()


async def test_what_moved_too_far_is_refused_in_the_desks_words(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(command: m.Command) -> str:
        assert isinstance(command, m.ClosePosition)
        assert command.quoted is not None
        raise Misuse(f"the mark has moved from {command.quoted.mark}; look again")

    asked = await stage.card("/close BTC")
    monkeypatch.setattr(stage.desk, "obey", refuse)
    assert "the mark has moved from 64900.0; look again" in (await tap(stage, asked)).plain()
    assert (await last_run(stage)).result.startswith("refused: the mark has moved")


async def test_close_of_a_position_that_went_meanwhile_is_refused(stage: Stage) -> None:
    asked = await stage.card("/close BTC")
    stage.desk.view = replace(stage.desk.view, positions=())
    assert "none is open" in (await tap(stage, asked)).plain()
    assert stage.desk.obeyed == []


async def test_without_a_fresh_quote_a_close_says_so_and_quotes_nothing(stage: Stage) -> None:
    view = stage.desk.view.positions[0]
    stage.desk.view = replace(stage.desk.view, positions=(replace(view, quote=None),))
    asked = await stage.card("/close BTC")
    assert "the result cannot be said now" in asked.plain()
    await tap(stage, asked)
    assert stage.desk.obeyed == [m.ClosePosition(position_id=PositionId(examples.ID), by=BY)]


async def test_flatten_wants_its_code_typed(stage: Stage) -> None:
    asked = await stage.card("/flatten", who=OTTO)
    assert "+8.55, btc-k3f9x2pa" in asked.plain()
    assert "Together +8.55" in asked.plain()
    code = re.search(r"Type (\d{4}) to confirm", asked.plain())
    assert code is not None
    wrong = f"{(int(code[1]) + 1) % 10_000:04}"
    assert "not the code" in (await tap(stage, asked, who=OTTO)).plain()
    assert "not the code" in (await tap(stage, asked, text=wrong, who=OTTO)).plain()
    assert "not the code" in (await stage.card(wrong, who=OTTO)).plain()
    assert stage.desk.obeyed == []
    done = await stage.card(code[1], who=OTTO)
    assert stage.desk.obeyed == [m.Flatten(by="telegram:9")]
    assert "At that moment:" in done.plain()


async def test_the_code_of_a_flatten_can_be_filled_in_with_the_tap(stage: Stage) -> None:
    asked = await stage.card("/flatten")
    confirm = asked.buttons[0]
    code = confirm.form.split()[1]
    await stage.card(code, button=confirm.data)
    assert stage.desk.obeyed == [m.Flatten(by=BY)]


async def test_there_is_nothing_to_flatten_where_nothing_is_open(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, positions=())
    assert "nothing is open" in (await stage.card("/flatten")).plain()
    stage.desk.view = replace(stage.desk.view, pending=(examples.an_order(),))
    assert "Entries on their way, to be withdrawn: 1" in (await stage.card("/flatten")).plain()


async def test_an_unknown_mark_makes_no_sum(stage: Stage) -> None:
    view = stage.desk.view.positions[0]
    stage.desk.view = replace(stage.desk.view, positions=(view, replace(view, quote=None)))
    assert "Together not known" in (await stage.card("/flatten")).plain()


async def test_enter_shows_the_market_and_the_panels_last_word(stage: Stage) -> None:
    asked = await stage.card("/enter BTC long", who=OTTO)
    for part in ("Mark 64,210.4", "The panel's last word: long 0.71", "limits, breaker and locks decide as ever"):
        assert part in asked.plain()
    await tap(stage, asked, who=OTTO)
    quoted = m.Quoted(mark=D("64210.4"))
    wanted = m.EnterPair(symbol=BTC, direction=Direction.LONG, by="telegram:9", quoted=quoted)
    assert stage.desk.obeyed == [wanted]


async def test_enter_is_refused_where_the_playbook_does_not_allow_it(stage: Stage) -> None:
    book = load("desk")
    closed = book.model_copy(update={"limits": book.limits.model_copy(update={"manual_entry": False})})
    stage.desk.playbook = closed
    assert "playbook desk allows no entry by hand" in (await stage.card("/enter BTC long")).plain()


# --- locks ------------------------------------------------------------------------------------------------------------


HOUR = timedelta(hours=1)
LOCKING = (
    ("/pause DOGE", None, None, ""),
    ("/pause doge for 2h", None, 2 * HOUR, ""),
    ("/pause DOGE 2h thin book", None, 2 * HOUR, "thin book"),
    ("/pause DOGE for 90 minutes thin book", None, 1.5 * HOUR, "thin book"),
    ("/pause DOGE 1h 30m thin", None, 1.5 * HOUR, "thin"),
    ("/pause DOGE for the news at noon", None, None, "for the news at noon"),
    ("/lock DOGE", None, None, ""),
    ("/lock DOGE long", Direction.LONG, None, ""),
    ("/lock DOGE short for 1 day listing", Direction.SHORT, 24 * HOUR, "listing"),
    ("/lock DOGE for 2h short squeeze", None, 2 * HOUR, "short squeeze"),
)


async def test_a_pair_is_locked_at_once(stage: Stage) -> None:
    for typed, side, lasts, reason in LOCKING:
        card = await stage.card(typed, who=OTTO)
        wanted = m.LockPair(symbol=DOGE, direction=side, lasts=lasts, by="telegram:9", reason=reason)
        assert stage.desk.obeyed[-1] == wanted, typed
        assert f"DOGE {side or 'both sides'} locked" in card.title, typed
        assert card.buttons[0].data == "do:/unlock DOGE"


async def test_locks_are_listed_with_a_button_for_each_pair(stage: Stage) -> None:
    short = replace(LOCK, symbol=DOGE, direction=Direction.SHORT, until=stage.desk.view.at + HOUR, reason="")
    stage.desk.view = replace(stage.desk.view, locks=(LOCK, short))
    card = await stage.card("/locks", who=OLA)
    assert "DOGE short: until 18:00 UTC, by Ana (telegram:7)" in card.lines
    assert [b.data for b in card.buttons] == ["re:/locks", "do:/unlock BTC", "do:/unlock DOGE"]
    stage.desk.view = replace(stage.desk.view, locks=())
    assert "no pair is locked" in (await stage.card("/locks")).title


async def test_unlocking_says_what_it_takes_off(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, locks=(LOCK,))
    asked = await stage.card("/unlock BTC")
    assert "thin book" in asked.plain()
    await tap(stage, asked)
    assert stage.desk.obeyed == [m.UnlockPair(symbol=BTC, by=BY)]
    stage.desk.view = replace(stage.desk.view, locks=())
    assert "BTC is not locked; no pair is" in (await stage.card("/unlock BTC")).plain()


# --- markets ----------------------------------------------------------------------------------------------------------


async def test_a_fault_too_long_for_a_title_is_said_once(stage: Stage) -> None:
    card = await stage.card("/breaker override halted for 1h")
    assert card.title == "PAPER /breaker override: not understood"
    assert card.plain().count("did you mean halt?") == 1


async def test_a_market_is_drawn_where_there_are_candles(stage: Stage) -> None:
    assert (await stage.card("/market BTC")).picture is None
    stage.desk.series = a_series([60_000] * 300)
    assert isinstance((await stage.card("/market BTC")).picture, CandlesPicture)


async def test_exposure_is_drawn(stage: Stage) -> None:
    assert isinstance((await stage.card("/exposure")).picture, ExposurePicture)
