"""The fake Bot API itself: it must refuse what Telegram refuses, or the other tests prove nothing."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.chat.telegram_world import ANN, BOB, GROUP, png
from tests.fakes.telegram_api import TOKEN, Flood, Line, Refusal, TelegramApi, parse_html

FORUM, FILLS, CLOSED = -1002, 5, 6
KEYS = {"inline_keyboard": [[{"text": "Why", "callback_data": "do:/why", "style": "primary"}]]}
FILES = ("photo", "document", "file0")


@dataclass
class Client:
    """A bot that is no library: it sends what it is told to."""

    api: TelegramApi
    session: aiohttp.ClientSession

    async def call(self, method: str, **params: Any) -> tuple[int, Any]:
        """The code, and the result or the description."""
        form = aiohttp.FormData()
        for name, value in params.items():
            if isinstance(value, bytes):
                form.add_field(name, value, filename=f"{name}.png")
            else:
                form.add_field(name, value if isinstance(value, str) else json.dumps(value))
        async with self.session.post(f"{self.api.url}{TOKEN}/{method}", data=form) as answer:
            body = await answer.json()
            return answer.status, body.get("result", body.get("description"))

    async def refusal(self, method: str, **params: Any) -> str:
        code, description = await self.call(method, **params)
        assert code != 200, description
        return str(description)

    async def done(self, method: str, **params: Any) -> Any:
        code, result = await self.call(method, **params)
        assert code == 200, result
        return result


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TelegramApi(flood=Flood(every=0.001, burst=500), rich=True) as api, aiohttp.ClientSession() as session:
        api.person(ANN, "Ann")
        api.group(GROUP)
        api.group(FORUM, topics={FILLS: "fills", CLOSED: "old"}, closed={CLOSED})
        yield Client(api, session)


async def test_it_knows_its_methods_and_their_parameters(client: Client) -> None:
    assert await client.refusal("sendMessage", chat_id=ANN, text="x", txet="y") == (
        "Bad Request: unknown parameters ['txet']"
    )
    assert "missing" in await client.refusal("sendMessage", chat_id=ANN)
    assert (await client.call("sendMassage", chat_id=ANN, text="x"))[0] == 404
    client.api.rich = False
    assert (await client.call("sendRichMessage", chat_id=ANN, rich_message={"html": "x"}))[0] == 404


async def test_it_counts_what_is_seen(client: Client) -> None:
    await client.done("sendMessage", chat_id=ANN, text="<b>" + "x" * 4096 + "</b>", parse_mode="HTML")
    assert "too long" in await client.refusal("sendMessage", chat_id=ANN, text="😀" * 2049)
    assert "empty" in await client.refusal("sendMessage", chat_id=ANN, text="<b> </b>", parse_mode="HTML")


async def test_it_lets_a_chat_be_flooded_only_so_far() -> None:
    async with TelegramApi(flood=Flood(every=60, burst=2)) as api, aiohttp.ClientSession() as session:
        client = Client(api, session)
        api.person(ANN), api.person(BOB)
        message = await client.done("sendMessage", chat_id=ANN, text="x")
        await client.done("editMessageText", chat_id=ANN, message_id=message["message_id"], text="y")
        for method in ("sendMessage", "sendMessage"):
            assert "Too Many Requests: retry after 60" in await client.refusal(method, chat_id=ANN, text="x")
        assert api.too_early == 1
        await client.done("sendMessage", chat_id=BOB, text="x")


async def test_it_knows_no_chat_it_has_not_met(client: Client) -> None:
    for chat in (BOB, -5):
        assert "chat not found" in await client.refusal("sendMessage", chat_id=chat, text="x")
    client.api.person(ANN).block()
    assert (await client.call("sendMessage", chat_id=ANN, text="x"))[0] == 403
    client.api.person(ANN).unblock()
    await client.done("sendMessage", chat_id=ANN, text="x")


@pytest.mark.parametrize("broken", ["<b>x", "x</b>", "<b><i>x</b></i>", "a < b", "<table>x</table>", "<b x", "<b/>"])
def test_it_refuses_broken_entities(broken: str) -> None:
    with pytest.raises(Refusal, match="can't parse entities"):
        parse_html(broken)


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ({"callback_data": "x" * 65}, "BUTTON_DATA_INVALID"),
        ({"callback_data": ""}, "BUTTON_DATA_INVALID"),
        ({"style": "loud"}, "BUTTON_STYLE_INVALID"),
        ({"text": " "}, "BUTTON_TEXT_INVALID"),
        ({"colour": "red"}, "unknown field"),
    ],
)
async def test_it_refuses_broken_buttons(client: Client, key: dict[str, str], fault: str) -> None:
    keyboard = {"inline_keyboard": [[KEYS["inline_keyboard"][0][0] | key]]}
    assert fault in await client.refusal("sendMessage", chat_id=ANN, text="x", reply_markup=keyboard)
    wide = {"inline_keyboard": [KEYS["inline_keyboard"][0] * 9]}
    assert "too many" in await client.refusal("sendMessage", chat_id=ANN, text="x", reply_markup=wide)


async def test_topics_have_to_exist_and_to_be_open(client: Client) -> None:
    for chat, topic in ((FORUM, 99), (FORUM, 1), (GROUP, FILLS), (ANN, FILLS)):
        said = await client.refusal("sendMessage", chat_id=chat, text="x", message_thread_id=topic)
        assert said == "Bad Request: message thread not found"
    assert "TOPIC_CLOSED" in await client.refusal("sendMessage", chat_id=FORUM, text="x", message_thread_id=CLOSED)
    result = await client.done("sendMessage", chat_id=FORUM, text="x", message_thread_id=FILLS)
    assert (result["message_thread_id"], result["is_topic_message"]) == (FILLS, True)


async def test_a_reply_is_to_something(client: Client) -> None:
    first = await client.done("sendMessage", chat_id=FORUM, text="x", message_thread_id=FILLS)
    to = {"message_id": first["message_id"]}
    answer = await client.done("sendMessage", chat_id=FORUM, text="y", reply_parameters=to)
    assert answer["message_thread_id"] == FILLS, "an answer stays in the topic"
    assert answer["reply_to_message"]["message_id"] == first["message_id"]
    nested = await client.done(
        "sendMessage", chat_id=FORUM, text="z", reply_parameters={"message_id": answer["message_id"]}
    )
    assert "reply_to_message" not in nested["reply_to_message"]
    client.api.delete(client.api.messages[FORUM, first["message_id"]])
    assert "not found" in await client.refusal("sendMessage", chat_id=FORUM, text="y", reply_parameters=to)
    await client.done(
        "sendMessage", chat_id=FORUM, text="y", reply_parameters=to | {"allow_sending_without_reply": True}
    )


async def test_in_a_group_a_reply_has_a_thread_that_is_no_topic(client: Client) -> None:
    first = await client.done("sendMessage", chat_id=GROUP, text="x")
    reply = await client.done(
        "sendMessage", chat_id=GROUP, text="y", reply_parameters={"message_id": first["message_id"]}
    )
    assert reply["message_thread_id"] == first["message_id"]
    assert "is_topic_message" not in reply


async def test_rights_in_a_group(client: Client) -> None:
    group = client.api.group(GROUP)
    sent = await client.done("sendMessage", chat_id=GROUP, text="x")
    pin = {"chat_id": GROUP, "message_id": sent["message_id"]}
    assert "not enough rights to manage pinned" in await client.refusal("pinChatMessage", **pin)
    group.may_pin = True
    await client.done("pinChatMessage", **pin)
    group.may_write = False
    assert "not enough rights to send" in await client.refusal("sendMessage", chat_id=GROUP, text="x")
    await client.done("editMessageText", **pin, text="y")
    group.kicked = True
    assert (await client.call("editMessageText", **pin, text="z"))[0] == 403


@pytest.mark.parametrize(
    ("photo", "fault"),
    [
        (b"GIF89a" + b"x" * 30, "IMAGE_PROCESS_FAILED"),
        (b"", "IMAGE_PROCESS_FAILED"),
        (png(width=9000, height=1001), "PHOTO_INVALID_DIMENSIONS"),
        (png(width=210, height=10), "PHOTO_INVALID_DIMENSIONS"),
        ("not a file", "IMAGE_PROCESS_FAILED"),
    ],
)
async def test_a_photo_is_a_picture(client: Client, photo: object, fault: str) -> None:
    assert fault in await client.refusal("sendPhoto", chat_id=ANN, photo=photo)


async def test_files(client: Client) -> None:
    sent = await client.done("sendPhoto", chat_id=ANN, photo=png("a"), caption="c")
    at = {"chat_id": ANN, "message_id": sent["message_id"]}
    assert "no text in the message" in await client.refusal("editMessageText", **at, text="x")
    media = {"type": "photo", "media": "attach://file0"}
    await client.done("editMessageMedia", **at, media=media, file0=png("b"))
    assert "IMAGE_PROCESS" in await client.refusal("editMessageMedia", **at, media=media, file0=b"x")
    assert "unknown parameters" in await client.refusal("editMessageMedia", **at, media=media, file1=png("b"))
    assert "too long" in await client.refusal("sendPhoto", chat_id=ANN, photo=png(), caption="x" * 1025)
    assert "non-empty" in await client.refusal("sendDocument", chat_id=ANN, document=b"")
    await client.done("sendDocument", chat_id=ANN, document=b"a,b")
    photo, document = client.api.enclosed(ANN)
    assert photo.photo is not None
    assert document.document is not None
    assert (photo.photo.content, document.document.content) == (png("b"), b"a,b")


async def test_edits(client: Client) -> None:
    sent = await client.done("sendMessage", chat_id=ANN, text="x", reply_markup=KEYS)
    at = {"chat_id": ANN, "message_id": sent["message_id"]}
    assert "not modified" in await client.refusal("editMessageText", **at, text="x", reply_markup=KEYS)
    assert "empty" in await client.refusal("editMessageText", **at)
    await client.done("editMessageReplyMarkup", **at)
    assert "not modified" in await client.refusal("editMessageReplyMarkup", **at)
    await client.done("editMessageText", **at, rich_message={"html": "<p>y</p>"})
    client.api.rich = False
    assert "empty" in await client.refusal("editMessageText", **at, rich_message={"html": "<p>z</p>"})
    message = client.api.messages[ANN, sent["message_id"]]
    message.too_old = True
    assert "can't be edited" in await client.refusal("editMessageText", **at, text="z")
    client.api.delete(message)
    assert "not found" in await client.refusal("editMessageText", **at, text="z")
    mine = client.api.person(ANN).type("hello")
    assert "can't be edited" in await client.refusal("editMessageText", chat_id=ANN, message_id=mine.id, text="z")


@pytest.mark.parametrize("rich", [{"html": "<td>x</td>"}, {"markdown": "x"}, {"html": "x", "media": []}])
async def test_a_rich_message_is_well_formed(client: Client, rich: dict[str, object]) -> None:
    assert "rich message" in await client.refusal("sendRichMessage", chat_id=ANN, rich_message=rich)


async def test_menus_are_kept_by_scope_and_the_narrowest_counts(client: Client) -> None:
    async def put(name: str, **scope: object) -> None:
        await client.done("setMyCommands", commands=[{"command": name, "description": "d"}], scope=scope)

    await put("everybody", type="default")
    await put("groups", type="all_group_chats")
    await put("ann", type="chat", chat_id=ANN)
    await put("here", type="chat", chat_id=GROUP)
    assert client.api.menu(ANN) == ["ann"]
    assert client.api.menu(BOB) == ["everybody"]
    assert (client.api.menu(ANN, GROUP), client.api.menu(ANN, FORUM)) == (["here"], ["groups"])
    await client.done("deleteMyCommands", scope={"type": "chat", "chat_id": ANN})
    await client.done("deleteMyCommands", scope={"type": "default"})
    assert client.api.menu(ANN) == []
    unmet = {"type": "chat", "chat_id": BOB}
    assert "chat not found" in await client.refusal("deleteMyCommands", scope=unmet)
    for scope in ({"type": "some"}, {"type": "chat"}, {"type": "default", "chat_id": 1}):
        assert "invalid scope" in await client.refusal("setMyCommands", commands=[], scope=scope)
    for odd in ("Upper", "two words", "x" * 33, ""):
        line = {"command": odd, "description": "d"}
        assert "BOT_COMMAND_INVALID" in await client.refusal("setMyCommands", commands=[line])


async def test_updates_are_those_that_are_wanted_and_meant_for_the_bot(client: Client) -> None:
    ann = client.api.person(ANN)
    said = ann.type("hello")
    ann.edit(said, "hello!")
    question = await client.done("sendMessage", chat_id=GROUP, text="code?")
    asked = client.api.messages[GROUP, question["message_id"]]
    for text in ("good morning", "/halt", "/halt@GavelTestBot", "/halt@OtherBot", ""):
        ann.type(text, chat=GROUP)
    ann.type("4821", chat=GROUP, reply_to=asked)
    wanted = await client.done("getUpdates", timeout=0, allowed_updates=["message"])
    assert [u["message"]["text"] for u in wanted] == ["hello", "/halt", "/halt@GavelTestBot", "4821"]
    everything = await client.done("getUpdates", timeout=0)
    assert [u["edited_message"]["text"] for u in everything if "edited_message" in u] == ["hello!"]
    client.api.group(GROUP).privacy = False
    ann.type("good morning", chat=GROUP)
    last = await client.done("getUpdates", timeout=0, offset=everything[-1]["update_id"] + 1)
    assert [u["message"]["text"] for u in last] == ["good morning"]


async def test_a_tap_is_answered_once_with_a_short_note(client: Client) -> None:
    sent = await client.done("sendMessage", chat_id=ANN, text="x", reply_markup=KEYS)
    message = client.api.messages[ANN, sent["message_id"]]
    ann = client.api.person(ANN)
    query = ann.tap(message, "Why")
    assert "MESSAGE_TOO_LONG" in await client.refusal("answerCallbackQuery", callback_query_id=query, text="x" * 201)
    await client.done("answerCallbackQuery", callback_query_id=query, text="no")
    assert "too old" in await client.refusal("answerCallbackQuery", callback_query_id=query)
    assert ann.notes == ["no"]
    with pytest.raises(AssertionError, match="no button 'Buy'"):
        ann.tap(message, "Buy")
    client.api.delete(message)
    ann.forge(message, "anything")
    *_, last = await client.done("getUpdates", timeout=0)
    assert last["callback_query"]["message"] == {
        "message_id": message.id,
        "date": 0,
        "chat": last["callback_query"]["message"]["chat"],
    }


async def test_the_transcript_of_a_chat_is_plain_data(client: Client) -> None:
    ann = client.api.person(ANN)
    asked = ann.type("/trades", chat=FORUM, topic=FILLS)
    rich = {"html": "<p><b>1 trade</b></p><table><tr><th>a</th></tr><tr><td>1</td></tr></table>"}
    here = {"chat_id": FORUM, "message_thread_id": FILLS}
    to = {"message_id": asked.id}
    await client.done("sendRichMessage", **here, rich_message=rich, reply_markup=KEYS, reply_parameters=to)
    await client.done("sendPhoto", **here, photo=png("p"), disable_notification="true")
    await client.done("sendMessage", chat_id=FORUM, text="elsewhere")
    question, answer, photo = client.api.conversation(FORUM, topic=FILLS)
    assert (question.sender, question.by_bot, question.text, question.reply_to) == ("Ann", False, "/trades", None)
    assert answer == Line(
        id=answer.id,
        sender="Gavel",
        by_bot=True,
        text="1 trade\na\n1",
        html=rich["html"],
        tables=((("a",), ("1",)),),
        buttons=(("Why",),),
        styles=(("primary",),),
        reply_to=asked.id,
        topic=FILLS,
        photo="",
        picture=b"",
        document="",
        edited=False,
        pinned=False,
        silent=False,
    )
    assert (photo.photo, photo.picture, photo.silent) == ("photo.png", png("p"), True)
    assert len(client.api.conversation(FORUM)) == 4
