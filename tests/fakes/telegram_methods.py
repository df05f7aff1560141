"""The methods of the fake Bot API. Each takes its parameters as they came and is as strict as Telegram."""

import re
import struct
from typing import Any

from tests.fakes.telegram_markup import Keyboard, Params, Refusal, keyboard, parse_html, parse_rich, utf16
from tests.fakes.telegram_people import BOT, Group, Message, Note, Upload
from tests.fakes.telegram_store import Scope, Store

TEXT_LIMIT, CAPTION_LIMIT, NOTE_LIMIT, COMMANDS = 4096, 1024, 200, 100
PHOTO_BYTES, FILE_BYTES, PHOTO_SIDES, PHOTO_RATIO = 10 * 2**20, 50 * 2**20, 10_000, 20
GENERAL = 1  # the topic that is none: it must not be named

_SHOWN = {"parse_mode", "link_preview_options", "reply_markup"}
_SENT = {"disable_notification", "reply_parameters", "message_thread_id"}
KNOWN: dict[str, tuple[set[str], set[str]]] = {  # method -> (required, optional)
    "getMe": (set(), set()),
    "getUpdates": (set(), {"offset", "limit", "timeout", "allowed_updates"}),
    "deleteWebhook": (set(), {"drop_pending_updates"}),
    "setMyCommands": ({"commands"}, {"scope", "language_code"}),
    "deleteMyCommands": (set(), {"scope", "language_code"}),
    "sendMessage": ({"chat_id", "text"}, _SHOWN | _SENT),
    "sendRichMessage": ({"chat_id", "rich_message"}, {"reply_markup"} | _SENT),
    "sendPhoto": ({"chat_id", "photo"}, {"caption", "reply_markup"} | _SENT),
    "sendDocument": ({"chat_id", "document"}, {"caption", "reply_markup", "disable_content_type_detection"} | _SENT),
    "editMessageText": ({"chat_id", "message_id"}, {"text", "rich_message"} | _SHOWN),
    "editMessageMedia": ({"chat_id", "message_id", "media"}, {"reply_markup"}),
    "editMessageReplyMarkup": ({"chat_id", "message_id"}, {"reply_markup"}),
    "answerCallbackQuery": ({"callback_query_id"}, {"text", "show_alert"}),
    "pinChatMessage": ({"chat_id", "message_id"}, {"disable_notification"}),
}
_SCOPES = {  # type -> the ids it takes
    "default": (),
    "all_private_chats": (),
    "all_group_chats": (),
    "all_chat_administrators": (),
    "chat": ("chat_id",),
    "chat_member": ("chat_id", "user_id"),
}
_NOT_MODIFIED = "Bad Request: message is not modified"


class Methods(Store):
    """`rich`: it knows rich messages."""

    rich = False

    def _get_me(self, _: Params) -> Any:
        return BOT

    def _delete_webhook(self, _: Params) -> Any:
        return True

    def _set_my_commands(self, params: Params) -> Any:
        commands = params["commands"]
        named = all(re.fullmatch("[a-z0-9_]{1,32}", c["command"]) for c in commands)
        if len(commands) > COMMANDS or not named or not all(1 <= len(c["description"]) <= 256 for c in commands):
            raise Refusal(400, "Bad Request: BOT_COMMAND_INVALID")
        self.menus[self._scope(params)] = commands
        return True

    def _delete_my_commands(self, params: Params) -> Any:
        self.menus.pop(self._scope(params), None)
        return True

    def _scope(self, params: Params) -> Scope:
        scope = params.get("scope", {"type": "default"})
        wanted = _SCOPES.get(scope["type"])
        if wanted is None or scope.keys() != {"type", *wanted}:
            raise Refusal(400, "Bad Request: invalid scope")
        ids = [int(scope[name]) for name in wanted]
        if ids and ids[0] not in self._people and ids[0] not in self.groups:
            raise Refusal(400, "Bad Request: chat not found")
        if ids and ids[0] in self.blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        return (scope["type"], *ids)

    def _send_message(self, params: Params) -> Any:
        text, keys = self._shown(params)
        return self._post(params, text, html=params["text"], mode=params.get("parse_mode"), keyboard=keys)

    def _send_rich_message(self, params: Params) -> Any:
        rich = _rich(params)
        return self._post(params, **rich, keyboard=keyboard(params))

    def _send_photo(self, params: Params) -> Any:
        _check_photo(params["photo"])
        return self._post(params, _caption(params), photo=params["photo"], keyboard=keyboard(params))

    def _send_document(self, params: Params) -> Any:
        file = params["document"]
        if not isinstance(file, Upload) or not file.name or not 0 < len(file.content) <= FILE_BYTES:
            raise Refusal(400, "Bad Request: file must be non-empty")
        return self._post(params, _caption(params), document=file, keyboard=keyboard(params))

    def _post(self, params: Params, text: str, **more: Any) -> Any:
        chat = int(params["chat_id"])
        topic = self._topic(chat, params.get("message_thread_id"))
        reply_to = self._replied(chat, topic, params.get("reply_parameters"))
        silent = params.get("disable_notification") == "true"
        if topic is None and reply_to is not None:  # an answer stays in the topic of what it answers
            topic = reply_to.topic
        return self._as_json(self._keep(chat, text, topic=topic, reply_to=reply_to, silent=silent, **more))

    def _topic(self, chat: int, given: str | None) -> int | None:
        if given is None:
            return None
        group, topic = self.groups.get(chat), int(given)
        if group is None or topic not in group.topics or topic == GENERAL:
            raise Refusal(400, "Bad Request: message thread not found")
        if topic in group.closed:
            raise Refusal(400, "Bad Request: TOPIC_CLOSED")
        return topic

    def _replied(self, chat: int, topic: int | None, asked: Params | None) -> Message | None:
        """A message that is gone is forgiven where that was asked for, but not in another topic."""
        if asked is None:
            return None
        found = self.messages.get((chat, int(asked["message_id"])))
        elsewhere = found is not None and topic not in (None, found.topic)
        if found is not None and not found.deleted:
            return found
        if asked.get("allow_sending_without_reply") and not elsewhere:
            return None
        raise Refusal(400, "Bad Request: message to be replied not found")

    def _edit_message_text(self, params: Params) -> Any:
        message = self._mine(params)
        if "rich_message" in params and self.rich:
            new = _rich(params) | {"keyboard": keyboard(params)}
        elif "text" in params:
            text, keys = self._shown(params)
            html, mode = params["text"], params.get("parse_mode")
            new = {"text": text, "html": html, "mode": mode, "tables": [], "keyboard": keys}
        else:
            raise Refusal(400, "Bad Request: message text is empty")
        if message.photo is not None or message.document is not None:
            raise Refusal(400, "Bad Request: there is no text in the message to edit")
        if (new["text"], new["keyboard"]) == (message.text, message.keyboard):
            raise Refusal(400, _NOT_MODIFIED)
        for name, value in new.items():
            setattr(message, name, value)
        message.edited = True
        return self._as_json(message)

    def _edit_message_media(self, params: Params) -> Any:
        message = self._mine(params)
        media = params["media"]
        photo = params.get(str(media["media"]).removeprefix("attach://"))
        if media["type"] != "photo" or message.photo is None:
            raise Refusal(400, "Bad Request: message can't be edited")
        _check_photo(photo)
        message.photo, message.edited = photo, True
        return self._as_json(message)

    def _edit_message_reply_markup(self, params: Params) -> Any:
        message = self._mine(params)
        keys = keyboard(params)
        if keys == message.keyboard:
            raise Refusal(400, _NOT_MODIFIED)
        message.keyboard = keys
        return self._as_json(message)

    def _answer_callback_query(self, params: Params) -> Any:
        query, text = params["callback_query_id"], params.get("text", "")
        if query not in self._queries:
            raise Refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        if len(text) > NOTE_LIMIT:
            raise Refusal(400, "Bad Request: MESSAGE_TOO_LONG")
        who = self._queries.pop(query)
        self.notes.append(Note(query=query, who=who, text=text, alert=params.get("show_alert") == "true"))
        return True

    def _pin_chat_message(self, params: Params) -> Any:
        message = self._find(params, "message to pin not found")
        message.pinned = True
        service = {"message_id": next(self._numbers), "date": 1_700_000_000, "from": BOT}
        shape = self._as_json(message)
        self._queue({"message": service | {"chat": shape["chat"], "pinned_message": shape}})
        return True

    # --- shared by several ------------------------------------------------------------------------------------------

    def _find(self, params: Params, otherwise: str) -> Message:
        message = self.messages.get((int(params["chat_id"]), int(params["message_id"])))
        if message is None or message.deleted:
            raise Refusal(400, f"Bad Request: {otherwise}")
        return message

    def _mine(self, params: Params) -> Message:
        message = self._find(params, "message to edit not found")
        if not message.by_bot or message.too_old:
            raise Refusal(400, "Bad Request: message can't be edited")
        return message

    def _shown(self, params: Params) -> tuple[str, Keyboard]:
        text = params["text"]
        if params.get("parse_mode") == "HTML":
            text = parse_html(text)
        if not text.strip():
            raise Refusal(400, "Bad Request: message text is empty")
        if utf16(text.strip()) > TEXT_LIMIT:
            raise Refusal(400, "Bad Request: message is too long")
        return text.strip(), keyboard(params)


def admit_to_group(group: Group, method: str) -> None:
    if group.moved_to is not None:
        moved = "Bad Request: group chat was upgraded to a supergroup chat"
        raise Refusal(400, moved, migrate_to_chat_id=group.moved_to)
    if group.kicked:
        raise Refusal(403, "Forbidden: bot was kicked from the supergroup chat")
    if method.startswith("send") and not group.may_write:
        raise Refusal(400, "Bad Request: not enough rights to send text messages to the chat")
    if method == "pinChatMessage" and not group.may_pin:
        raise Refusal(400, "Bad Request: not enough rights to manage pinned messages in the chat")


def _rich(params: Params) -> dict[str, Any]:
    given = params["rich_message"]
    if given.keys() - {"html", "is_rtl", "skip_entity_detection"} or "html" not in given:
        raise Refusal(400, "Bad Request: can't parse rich message")
    read = parse_rich(given["html"])
    return {"text": read.text, "html": given["html"], "mode": "rich", "tables": read.tables}


def _caption(params: Params) -> str:
    caption = str(params.get("caption", ""))
    if utf16(caption) > CAPTION_LIMIT:
        raise Refusal(400, "Bad Request: message caption is too long")
    return caption


def _check_photo(photo: object) -> None:
    """A PNG within Telegram's limits."""
    if not isinstance(photo, Upload) or not photo.content.startswith(b"\x89PNG\r\n\x1a\n") or len(photo.content) < 24:
        raise Refusal(400, "Bad Request: IMAGE_PROCESS_FAILED")
    if len(photo.content) > PHOTO_BYTES:
        raise Refusal(413, "Request Entity Too Large")
    width, height = struct.unpack(">II", photo.content[16:24])
    if not 0 < width + height <= PHOTO_SIDES or max(width, height) > PHOTO_RATIO * min(width, height):
        raise Refusal(400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
