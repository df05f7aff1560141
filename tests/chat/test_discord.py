"""The real discord.py against a Discord on loopback that is as strict as the real one: what people do, and hear."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.pictures import EquityPicture
from bot.surface import Button, Card, File, Identity, Role, Style
from tests.chat.discord_stage import ANN, CODED, EVE, OTTO, QUESTION, QUICK, REFUSED, VERA, World, a_world
from tests.fakes.discord_api import DESK, DiscordApi, Message, until

PICTURE = EquityPicture(title="Equity", at=(), equity=())
FILLS = 77_001


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with DiscordApi() as api:
        api.thread(FILLS)
        async with a_world(api) as world:
            yield world
            strange = [c for c in api.calls if c.status in (400, 404) and "Unknown" not in c.note]
            assert strange == [], api.transcript()


async def asked(world: World, who: int = ANN, *, answer: Card = QUESTION) -> Message:
    """A question that stands in the channel."""
    world.desk.answers["/flatten"] = answer
    done = world.api.person(who).slash("flatten")
    await done.over()
    return world.api.inbox()[-1]


# --- commands ---------------------------------------------------------------------------------------------------------


async def test_a_command_reaches_the_desk_with_who_and_where_and_is_answered(world: World) -> None:
    await world.up()
    done = world.api.person(ANN).slash("trades", by="day", n=5)
    await done.over()
    (request,) = world.desk.requests
    assert request.who == Identity(platform="discord", id="11", name="Ann")
    assert (request.text, request.place, request.private) == ("/trades 5 day", f"discord:{DESK}", False)
    assert world.api.texts() == ["PAPER answer to /trades 5 day"]


async def test_a_command_and_its_actions_are_told_apart(world: World) -> None:
    await world.up()
    otto = world.api.person(OTTO)
    calls = [otto.slash("breaker show"), otto.slash("breaker reset", reason="all  is\nfine")]
    await until(lambda: all(call.answered for call in calls))
    assert world.desk.heard == ["/breaker", "/breaker reset all is fine"]


async def test_a_private_chat_and_a_thread_are_places_of_their_own(world: World) -> None:
    await world.up()
    ann = world.api.person(ANN)
    calls = [ann.slash("balance", where=ann.private), ann.slash("balance", where=FILLS)]
    await until(lambda: all(call.answered for call in calls))
    places = {(r.place, r.private) for r in world.desk.requests}
    assert places == {("discord:@11", True), (f"discord:{DESK}/{FILLS}", False)}
    assert world.api.inbox(ann.private)[0].ephemeral_to is None, "there is nobody to hide it from"


@pytest.mark.parametrize(
    ("who", "command", "seen_by_all"),
    [
        (VERA, "positions", True),
        (ANN, "balance", False),  # a private answer
        (VERA, "flatten", False),  # will be refused
        (EVE, "positions", False),  # nobody the desk knows
    ],
)
async def test_who_sees_an_answer_in_the_channel(world: World, who: int, command: str, seen_by_all: bool) -> None:
    await world.up()
    done = world.api.person(who).slash(command)
    await done.over()
    others = world.api.texts(reader=OTTO)
    assert (len(others), len(world.api.texts(reader=who))) == (int(seen_by_all), 1)


async def test_a_refusal_that_nobody_saw_coming_is_for_who_asked_alone(world: World) -> None:
    await world.up()
    world.desk.answers["/close BTC"] = Card(title="PAPER refused", lines=("nothing is open in BTC",), refused=True)
    done = world.api.person(OTTO).slash("close", position="BTC")
    await until(lambda: done.followups and done.original and done.original.deleted)
    assert world.api.texts(reader=ANN) == []
    assert world.api.texts(reader=OTTO) == ["PAPER refused\nnothing is open in BTC"]


async def test_a_channel_that_is_listed_makes_viewers_of_all_who_are_in_it(world: World) -> None:
    await world.up()
    world.desk.roles = {**world.desk.roles, f"#{DESK}": Role.VIEWER}
    done = world.api.person(EVE).slash("positions")
    await done.over()
    assert len(world.api.texts(reader=OTTO)) == 1


async def test_silence_leaves_nothing_behind(world: World) -> None:
    await world.up()
    world.desk.answers["/positions"] = None
    done = world.api.person(ANN).slash("positions")
    await until(lambda: done.original and done.original.deleted)
    assert world.api.texts() == []


async def test_a_handler_that_takes_longer_than_discord_waits_is_answered_all_the_same() -> None:
    async with DiscordApi(acknowledge_within=0.2) as api, a_world(api) as world:
        await world.up()
        slow = world.desk.slow["/positions"] = asyncio.Event()
        done = api.person(ANN).slash("positions")
        await until(lambda: done.response)
        asyncio.get_running_loop().call_later(0.5, slow.set)
        await done.over()
        assert api.texts() == ["PAPER answer to /positions"]


async def test_an_answer_that_comes_when_the_interaction_is_over_is_a_message_of_its_own() -> None:
    async with DiscordApi(token_life=0.3) as api, a_world(api) as world:
        await world.up()
        picture = Card(title="PAPER late", picture=PICTURE)
        world.desk.answers |= {"/positions": picture, "/balance": Card(title="PAPER 10,000", private=True)}
        slow = world.desk.slow["/positions"] = asyncio.Event()
        ann = api.person(ANN)
        ann.slash("positions"), ann.slash("balance", where=DESK)
        await until(lambda: all(i.response for i in api.interactions))
        asyncio.get_running_loop().call_later(0.5, slow.set)
        await until(lambda: len(api.enclosed()) == 1 and api.texts(ann.private))
        assert (api.texts(), api.texts(ann.private)) == (["PAPER late"], ["PAPER 10,000"])


async def test_halt_passes_a_slow_command_and_the_others_keep_their_order(world: World) -> None:
    await world.up()
    ann = world.api.person(ANN)
    slow = world.desk.slow["/ask why"] = asyncio.Event()
    ann.slash("ask", question="why"), ann.slash("positions")
    await until(lambda: world.desk.requests)
    halted = ann.slash("halt", reason="too hot")
    await until(lambda: halted.answered)
    assert world.desk.done == ["/halt too hot"]
    slow.set()
    await until(lambda: all(i.answered for i in world.api.interactions))
    assert world.desk.done[1:3] == ["/ask why", "/positions"]
    assert world.api.texts().count("PAPER answer to /halt too hot") == 1


async def test_one_channels_slow_command_does_not_hold_up_another(world: World) -> None:
    await world.up()
    world.desk.slow["/ask why"] = asyncio.Event()
    world.api.person(ANN).slash("ask", question="why")
    await until(lambda: world.desk.requests)
    done = world.api.person(VERA).slash("positions", where=FILLS)
    await done.over()
    world.desk.slow["/ask why"].set()


async def test_what_discord_does_not_know_to_be_heard_is_not_done_but_for_a_halt(world: World) -> None:
    await world.up()
    for _ in range(2):
        world.api.fail("POST", "/callback", 404, "Unknown interaction", code=10062)
    ann = world.api.person(ANN)
    lost, halted = ann.slash("flatten"), ann.slash("halt", reason="now")
    await until(lambda: "/halt now" in world.desk.done and world.api.texts())
    assert (lost.response, halted.response) == (None, None), "both have failed for who asked"
    assert world.desk.done == ["/halt now"]
    assert world.api.texts() == ["PAPER answer to /halt now"], "it comes as a message of its own"


async def test_suggestions_come_from_the_desk_and_never_too_many_or_too_long(world: World) -> None:
    await world.up()
    world.desk.suggestions = ("BTC", "", "x" * 101, *(f"P{n}" for n in range(30)))
    found = await world.api.person(OTTO).complete("close", "position", "b")
    assert found == ["BTC", *(f"P{n}" for n in range(24))]
    assert await world.api.person(EVE).complete("close", "position", "") == []
    await world.api.person(OTTO).complete("why", "decision", "ab c", where=world.api.person(OTTO).private)
    assert world.desk.typing == [("close", "position", "b"), ("close", "position", ""), ("why", "decision", "ab c")]


# --- buttons ----------------------------------------------------------------------------------------------------------


async def test_a_question_gives_way_to_its_answer_and_the_desk_knows_where_it_stood(world: World) -> None:
    await world.up()
    question = await asked(world)
    await until(lambda: world.desk.asked_at == [("1a2b", f"discord:{DESK}", str(question.id))])
    world.desk.answers["cf:1a2b"] = Card(title="PAPER closed by Ann")
    done = world.api.person(ANN).tap(question, "Yes")
    await until(lambda: question.edited)
    assert (question.text, question.labels) == ("PAPER closed by Ann", [])
    assert done.followups == []
    assert len(world.api.inbox()) == 1


async def test_another_persons_tap_is_refused_to_him_alone_and_takes_nothing_away(world: World) -> None:
    await world.up()
    question = await asked(world)
    world.desk.answers["cf:1a2b"] = REFUSED
    taps = [world.api.person(who).tap(question, "Yes") for who in (OTTO, EVE)]
    await until(lambda: all(tap.followups for tap in taps))
    assert [tap.texts for tap in taps] == [
        ["PAPER refused\nonly ann can answer this question"],
        ["This desk is private."],
    ]
    assert [m.ephemeral_to for tap in taps for m in tap.followups] == [OTTO, EVE]
    assert (question.text, question.labels) == ("PAPER close BTC?", ["Yes", "No"])


async def test_buttons_live_across_restarts(world: World) -> None:
    await world.up()
    question, coded = await asked(world), await asked(world, answer=CODED)
    await world.restart()
    world.api.person(ANN).tap(question, "No")
    await world.api.person(ANN).submit(coded, "Flatten", "4821")
    await until(lambda: question.edited and coded.edited)
    assert world.desk.heard[2:] == ["no:1a2b", "cf:9f9f"]


async def test_a_word_that_has_to_be_typed_is_asked_for_and_goes_with_the_tap(world: World) -> None:
    await world.up()
    question = await asked(world, answer=CODED)
    world.desk.answers["cf:9f9f"] = Card(title="PAPER flat")
    done = await world.api.person(ANN).submit(question, "Flatten", " 4821 ")
    await until(lambda: question.edited)
    assert (world.desk.requests[-1].button, world.desk.requests[-1].text) == ("cf:9f9f", "4821")
    assert question.text == "PAPER flat"
    assert done.followups == []


async def test_a_wrong_code_leaves_the_question_where_it_is(world: World) -> None:
    await world.up()
    ann = world.api.person(ANN)
    world.desk.answers |= {"/flatten": CODED, "cf:9f9f": REFUSED}
    asked_privately = ann.slash("flatten", where=ann.private)
    await asked_privately.over()
    questions = [await asked(world, answer=CODED), world.api.inbox(ann.private)[0]]
    taps = [await ann.submit(question, "Flatten", "0000") for question in questions]
    await until(lambda: all(tap.followups for tap in taps))
    assert [tap.texts for tap in taps] == [["PAPER refused\nonly ann can answer this question"]] * 2
    assert [(q.text, q.labels) for q in questions] == [("PAPER flatten?", ["Flatten"])] * 2


async def test_a_form_that_was_opened_before_a_restart_is_heard_after_it(world: World) -> None:
    await world.up()
    question = await asked(world, answer=CODED)
    tapped = world.api.person(ANN).tap(question, "Flatten")
    await until(lambda: tapped.form)
    await world.restart()
    world.api.person(ANN).fill_in(tapped, "4821")
    await until(lambda: question.edited)
    assert world.desk.requests[-1].text == "4821"


async def test_again_changes_the_message_and_ask_says_something_new(world: World) -> None:
    await world.up()
    buttons = (Button(label="Refresh", data="re:/positions"), Button(label="Why", data="do:/why last"))
    world.desk.answers["/positions"] = Card(title="PAPER one", buttons=buttons)
    ann = world.api.person(ANN)
    first = ann.slash("positions")
    await until(lambda: first.answered)
    (message,) = world.api.inbox()
    world.desk.answers["re:/positions"] = Card(title="PAPER two", buttons=buttons)
    ann.tap(message, "Refresh")
    await until(lambda: message.edited)
    assert (message.text, message.labels) == ("PAPER two", ["Refresh", "Why"])
    ann.tap(message, "Why")
    await until(lambda: len(world.api.inbox()) == 2)
    assert world.api.texts() == ["PAPER two", "PAPER answer to do:/why last"]


async def test_what_comes_of_a_message_that_one_person_sees_is_his_alone_too(world: World) -> None:
    await world.up()
    words = tuple(" ".join(f"w{n:04}" for n in range(30)) for _ in range(20))
    buttons = (Button(label="Refresh", data="re:/balance"), Button(label="Positions", data="do:/positions"))
    long = Card(title="PAPER long", lines=words, picture=PICTURE, private=True)
    world.desk.answers |= {"/balance": Card(title="PAPER 10,000", buttons=buttons, private=True), "re:/balance": long}
    ann = world.api.person(ANN)
    first = ann.slash("balance")
    await first.over()
    assert first.original is not None
    await ann.tap(first.original, "Positions").over()
    again = ann.tap(first.original, "Refresh")
    await until(lambda: any(m.files for m in again.followups))
    assert first.original.text.startswith("PAPER long")
    assert len(again.followups) >= 2
    assert world.api.conversation(reader=OTTO) == []


async def test_what_is_hidden_stays_so_when_the_interaction_is_over() -> None:
    async with DiscordApi(token_life=0.3) as api, a_world(api) as world:
        await world.up()
        buttons = (Button(label="Positions", data="do:/positions"),)
        world.desk.answers["/balance"] = Card(title="PAPER 10,000", buttons=buttons, private=True)
        ann = api.person(ANN)
        first = ann.slash("balance")
        await first.over()
        slow = world.desk.slow["do:/positions"] = asyncio.Event()
        assert first.original is not None
        tap = ann.tap(first.original, "Positions")
        await until(lambda: tap.response)
        asyncio.get_running_loop().call_later(0.5, slow.set)
        await until(lambda: api.texts(ann.private))
        assert api.texts(reader=OTTO) == []


async def test_a_question_that_only_one_person_sees_can_be_greyed_out(world: World) -> None:
    await world.up()
    world.desk.answers["/balance"] = replace(QUESTION, private=True)
    done = world.api.person(ANN).slash("balance")
    await until(lambda: world.desk.asked_at)
    ((_, destination, reference),) = world.desk.asked_at
    assert await world.discord.edit(destination, reference, Card(title="PAPER expired"))
    assert done.original is not None
    assert (done.original.text, done.original.labels, done.original.ephemeral_to) == ("PAPER expired", [], ANN)


async def test_a_used_question_without_a_word_only_loses_its_buttons(world: World) -> None:
    await world.up()
    question = await asked(world)
    world.desk.answers["no:1a2b"] = None
    world.api.person(ANN).tap(question, "No")
    await until(lambda: question.edited)
    assert (question.text, question.labels) == ("PAPER close BTC?", [])


async def test_an_answer_too_long_for_one_message_goes_on_below(world: World) -> None:
    await world.up()
    question = await asked(world)
    words = tuple(" ".join(f"w{n:04}" for n in range(start, start + 30)) for start in range(0, 900, 30))
    button = Button(label="Refresh", data="re:/x")
    world.desk.answers["cf:1a2b"] = Card(title="PAPER done", lines=words, buttons=(button,))
    done = world.api.person(ANN).tap(question, "Yes")
    await until(lambda: any(m.labels for m in done.followups))
    said = [question, *done.followups]
    assert " ".join(m.text for m in said).split() == ["PAPER", "done", *" ".join(words).split()]
    assert [m.labels for m in said] == [*[[]] * (len(said) - 1), ["Refresh"]]


async def test_a_message_that_was_deleted_meanwhile_is_answered_by_a_new_one(world: World) -> None:
    await world.up()
    question = await asked(world)
    slow = world.desk.slow["cf:1a2b"] = asyncio.Event()
    tap = world.api.person(ANN).tap(question, "Yes")
    await until(lambda: tap.response)
    question.deleted = True
    slow.set()
    await until(lambda: world.api.texts() == ["PAPER answer to cf:1a2b"])


async def test_styles_and_labels_arrive_and_no_two_buttons_are_the_same(world: World) -> None:
    await world.up()
    buttons = (
        Button(label="Go", data="re:/x", style=Style.SUCCESS),
        Button(label="Again", data="re:/x", style=Style.PRIMARY),
        Button(label="Stop", data="do:/halt", style=Style.DANGER),
        Button(label="x" * 90, data="do:/help"),
        *(Button(label=f"{n}", data=f"re:/trades page={n}") for n in range(30)),
    )
    message = await asked(world, answer=Card(title="PAPER many", buttons=buttons))
    (line,) = [line for line in world.api.conversation() if line.by_bot]
    assert [len(row) for row in line.buttons] == [5, 5, 5, 5, 5]
    assert line.styles[0] == ("success", "primary", "danger", "", "")
    world.api.person(ANN).tap(message, "Again")
    await until(lambda: world.desk.heard[-1] == "re:/x")


async def test_a_button_that_is_no_button_of_ours_is_left_to_the_gate(world: World) -> None:
    await world.up()
    question = await asked(world)
    done = world.api.person(ANN).forge(question, "x" * 100)
    await done.over()
    assert world.desk.requests[-1].button == "x" * 100
    assert [m.ephemeral_to for m in (done.original,) if m] == [ANN]
    assert question.labels == ["Yes", "No"]


# --- what goes with the words -----------------------------------------------------------------------------------------


async def test_a_picture_and_a_file_follow_the_words(world: World) -> None:
    await world.up()
    file = File(name="trades.csv", content=b"a,b\n")
    world.desk.answers["/positions"] = Card(title="PAPER pnl", picture=PICTURE, file=file)
    done = world.api.person(ANN).slash("positions")
    await until(lambda: done.followups)
    (words, enclosed) = [line for line in world.api.conversation() if line.by_bot]
    assert (words.text, words.photo, words.document) == ("PAPER pnl", "", "")
    assert (enclosed.photo, enclosed.picture, enclosed.document) == ("picture.png", b"\x89PNG", "trades.csv")
    assert enclosed.reply_to == words.id
    assert world.painter.drawn == [(PICTURE, False)]


async def test_a_picture_that_fails_costs_nobody_the_words(world: World) -> None:
    await world.up()
    world.painter.failing = True
    world.desk.answers["/positions"] = Card(title="PAPER pnl", picture=PICTURE)
    done = world.api.person(ANN).slash("positions")
    await until(lambda: done.answered and world.painter.drawn)
    assert world.api.texts() == ["PAPER pnl"]
    assert world.api.enclosed() == []


async def test_the_picture_of_a_private_answer_is_private(world: World) -> None:
    await world.up()
    world.desk.answers["/balance"] = Card(title="PAPER 10,000", picture=PICTURE, private=True)
    done = world.api.person(ANN).slash("balance")
    await until(lambda: done.followups)
    assert [line.ephemeral_to for line in world.api.conversation()] == [ANN, ANN, ANN]


async def test_an_answer_is_tried_again_while_discord_stumbles(world: World) -> None:
    await world.up()
    world.api.fail("PATCH", "@original", 503, "upstream")
    done = world.api.person(ANN).slash("positions")
    await done.over()
    assert world.api.texts() == ["PAPER answer to /positions"]


async def test_an_answer_that_stumbles_for_too_long_goes_another_way() -> None:
    impatient = replace(QUICK, call=timedelta(seconds=0.2), token=timedelta(seconds=0.1))
    async with DiscordApi() as api, a_world(api, timing=impatient) as world:
        await world.up()
        api.fail("PATCH", "@original", 503, "upstream", times=99)
        api.person(ANN).slash("positions")
        await until(lambda: api.texts() == ["PAPER answer to /positions"])
        assert api.made("POST", f"/channels/{DESK}/messages")


async def test_a_fault_in_a_button_does_not_cost_the_words(world: World) -> None:
    await world.up()
    world.api.fail("PATCH", "@original", 400, "Invalid Form Body", code=50035)
    done = world.api.person(ANN).slash("flatten")
    world.desk.answers["/flatten"] = QUESTION
    await done.over()
    assert (world.api.texts(), world.api.inbox()[0].labels) == (["PAPER close BTC?"], [])
    world.api.calls.clear()
