"""Cards that grow: at their pace, two at a time, one for each person, and over at once when somebody stops them."""

import asyncio
import itertools
from contextlib import aclosing
from decimal import Decimal as D

import pytest

from bot.asking.growing import AT_ONCE, BUSY, Growths, Said, Unsaid
from bot.render.words import RenderContext, card
from bot.surface import Card
from trading.errors import Misuse

ABOUT = RenderContext(market="a test")
PLAIN = card("btc-1: BTC long", "Verdict: long", "Size: 0.1", detail=("[E1] FLOW: share 61%",))
SAID = Said(sentences=("It was long.", "It was 0.1.", "That is all."), model="small", cost=D("0.0004"))


async def _says(found: Said | Unsaid = SAID) -> Said | Unsaid:
    return found


def begun(growths: Growths, phrase: object = _says, person: str = "ann") -> Card:
    return growths.begin(PLAIN, phrase, person=person, about=ABOUT)  # type: ignore[arg-type]


async def all_of(growths: Growths, shown: Card, every: float = 0.0) -> list[Card]:
    return [grown async for grown in growths.cards(shown.grows, every)]


async def test_the_first_card_is_the_plain_answer_with_a_way_to_stop() -> None:
    shown = begun(Growths())
    assert shown.lines == (*PLAIN.lines, "Being put into words …")
    assert shown.detail == PLAIN.detail
    assert [b.label for b in shown.buttons] == ["Stop"]
    assert shown.buttons[0].data == f"st:{shown.grows}"


async def test_sentence_by_sentence_and_the_plain_answer_folded_at_the_end() -> None:
    growths = Growths()
    grown = await all_of(growths, begun(growths))
    assert [g.lines[2] for g in grown[:2]] == ["It was long.", "It was long. It was 0.1."]
    last = grown[-1]
    assert last.lines[0] == "It was long. It was 0.1. That is all."
    assert "small, $0.0004" in last.lines[1]
    assert last.detail == ("Verdict: long", "Size: 0.1", "[E1] FLOW: share 61%")
    assert not last.grows
    assert not last.buttons
    assert all(g.title == "PAPER btc-1: BTC long" and g.lines[-1] == "a test" for g in grown)


async def test_between_two_edits_is_the_pace_that_a_chat_asks_for() -> None:
    growths, loop = Growths(), asyncio.get_running_loop()
    at = [loop.time() async for _ in growths.cards(begun(growths).grows, 0.03)]
    assert all(later - sooner >= 0.029 for sooner, later in itertools.pairwise(at))


async def test_nothing_is_asked_before_the_card_stands() -> None:
    asked = []

    async def phrase() -> Said:
        asked.append(1)
        return SAID

    growths = Growths()
    shown = begun(growths, phrase)
    assert not asked
    await all_of(growths, shown)
    assert asked == [1]
    assert await all_of(growths, shown) == []  # once


async def test_stop_while_a_model_thinks_ends_it_and_lets_the_request_go() -> None:
    growths, let_go = Growths(), asyncio.Event()

    async def phrase() -> Said:
        try:
            await asyncio.Event().wait()
        finally:
            let_go.set()
        return SAID

    shown = begun(growths, phrase)
    growing = asyncio.create_task(all_of(growths, shown))
    await asyncio.sleep(0)
    left = growths.stop(shown.grows, person="ann", by="Ann", leads=False)
    assert left.lines == (*PLAIN.lines, "No words: stopped by Ann.")
    assert await growing == []  # the answer to Stop has taken its place
    assert let_go.is_set()


async def test_stop_ends_a_pause_at_once() -> None:
    growths = Growths()
    shown = begun(growths)
    async with aclosing(growths.cards(shown.grows, 600)) as grown:
        await anext(grown)
        following = asyncio.create_task(anext(grown, None))
        await asyncio.sleep(0.01)
        growths.stop(shown.grows, person="ann", by="Ann", leads=False)
        assert await asyncio.wait_for(following, 5) is None


async def test_an_edit_that_was_on_its_way_when_stop_came_is_set_right() -> None:
    growths = Growths()
    shown = begun(growths)
    async with aclosing(growths.cards(shown.grows, 0)) as grown:
        await anext(grown)  # the chat is busy with it
        growths.stop(shown.grows, person="ann", by="Ann", leads=False)
        assert (await anext(grown)).lines[-2] == "No words: stopped by Ann."
        assert await anext(grown, None) is None


async def test_who_may_stop() -> None:
    growths = Growths()
    shown = begun(growths)
    with pytest.raises(Misuse, match="only who asked"):
        growths.stop(shown.grows, person="vera", by="Vera", leads=False)
    assert growths.stop(shown.grows, person="otto", by="Otto", leads=True).lines[-1] == "No words: stopped by Otto."
    with pytest.raises(Misuse, match="any more"):
        growths.stop("0000", person="ann", by="Ann", leads=True)


async def test_one_for_each_person_and_two_in_all() -> None:
    growths, go, thinking = Growths(), asyncio.Event(), []

    async def phrase() -> Said:
        thinking.append(1)
        await go.wait()
        return SAID

    first = begun(growths, phrase)
    growing = [asyncio.create_task(all_of(growths, first))]
    await asyncio.sleep(0)
    again = await all_of(growths, begun(growths, phrase))
    assert [c.lines[-2] for c in again] == [BUSY]
    growing += [asyncio.create_task(all_of(growths, begun(growths, phrase, f"p{n}"))) for n in range(4)]
    await asyncio.sleep(0.01)
    assert len(thinking) == AT_ONCE
    go.set()
    done = await asyncio.gather(*growing)
    assert [len(cards) for cards in done] == [3] * 5
    assert (growths.counts["said"], growths.counts["busy"]) == (5, 1)


async def test_a_fault_leaves_the_plain_answer_and_the_next_question_free(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> Said:
        raise RuntimeError("secret inner detail")

    growths = Growths()
    (left,) = await all_of(growths, begun(growths, broken))
    assert left.lines[:2] == PLAIN.lines
    assert "secret" not in left.plain()
    assert len(await all_of(growths, begun(growths))) == 3


async def test_a_chat_that_goes_away_leaves_nobody_busy() -> None:
    growths = Growths()
    shown = begun(growths)
    async with aclosing(growths.cards(shown.grows, 0)) as grown:
        await anext(grown)
    assert len(await all_of(growths, begun(growths))) == 3


async def test_cards_that_were_never_shown_are_forgotten() -> None:
    growths = Growths()
    first = begun(growths)
    for _ in range(150):
        begun(growths)
    assert await all_of(growths, first) == []
    assert len(growths._known) == 100
