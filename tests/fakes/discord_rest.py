"""The REST half of the fake Discord: each route the bot may call, as a function of what is known and what is asked."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.discord_markup import (
    EDITED,
    EPHEMERAL,
    FOLLOWED,
    POSTED,
    SILENT,
    Json,
    Refusal,
    bad_form,
    check_commands,
    check_form,
    check_message,
    require,
)
from tests.fakes.discord_people import APPLICATION, BOT, Interaction, Message, Upload, message_json, now
from tests.fakes.discord_store import GUILD, Store, unknown


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, taken apart."""

    body: Any
    files: list[Upload]
    ids: dict[str, str] = field(default_factory=dict)  # what stands in the path
    headers: dict[str, str] = field(default_factory=dict)  # of the answer


_Handler = Callable[[Store, Asked], Any]
_ROUTES: list[tuple[str, re.Pattern[str], _Handler]] = []


def answered(store: Store, method: str, path: str, asked: Asked) -> Any:
    """Raises Refusal."""
    for known, pattern, handler in _ROUTES:
        if known == method and (found := pattern.fullmatch(path)):
            asked.ids.update(found.groupdict())
            return handler(store, asked)
    raise Refusal(404, "404: Not Found")


def _route(method: str, path: str) -> Callable[[_Handler], _Handler]:
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))

    def keep(handler: _Handler) -> _Handler:
        _ROUTES.append((method, pattern, handler))
        return handler

    return keep


# --- the bot itself ---------------------------------------------------------------------------------------------------


@_route("GET", "/users/@me")
def _me(store: Store, asked: Asked) -> Json:
    return BOT


@_route("GET", "/oauth2/applications/@me")
def _application(store: Store, asked: Asked) -> Json:
    shape = {"id": str(APPLICATION), "name": "Gavel", "icon": None, "description": "", "bot_public": False}
    return shape | {"bot_require_code_grant": False, "verify_key": "", "owner": BOT, "team": None, "flags": 0}


@_route("PUT", "/applications/{application}/commands")
def _put_commands(store: Store, asked: Asked) -> list[Json]:
    return _register(store, None, asked.body)


@_route("PUT", "/applications/{application}/guilds/{guild}/commands")
def _put_guild_commands(store: Store, asked: Asked) -> list[Json]:
    if int(asked.ids["guild"]) != GUILD:
        raise Refusal(403, "Missing Access", code=50001)
    return _register(store, GUILD, asked.body)


def _register(store: Store, guild: int | None, commands: list[Json]) -> list[Json]:
    check_commands(commands, in_guild=guild is not None)
    told = {"application_id": str(APPLICATION), "version": "1"}
    store.commands[guild] = [{"options": []} | c | {"id": str(store.number())} | told for c in commands]
    return store.commands[guild]


@_route("POST", "/users/@me/channels")
def _open_private(store: Store, asked: Asked) -> Json:
    return store.channel_json(store.private(int(asked.body["recipient_id"])))


# --- messages ---------------------------------------------------------------------------------------------------------


@_route("POST", "/channels/{channel}/messages")
def _post(store: Store, asked: Asked) -> Json:
    channel, body = store.open_channel(int(asked.ids["channel"])), asked.body
    _pace(store, channel.id, asked)
    check_message(body, POSTED, files=len(asked.files))
    if body.get("enforce_nonce") and (known := store.known(channel.id, str(body["nonce"]))):
        return message_json(known)
    message = store.keep(
        channel.id,
        body.get("content") or "",
        components=body.get("components") or [],
        flags=body.get("flags") or 0,
        silent=bool((body.get("flags") or 0) & SILENT),
        nonce=str(body.get("nonce", "")),
        files=asked.files,
        reply_to=_referenced(store, body.get("message_reference")),
    )
    return message_json(message)


@_route("PATCH", "/channels/{channel}/messages/{message}")
def _edit(store: Store, asked: Asked) -> Json:
    message = store.mine(int(asked.ids["channel"]), int(asked.ids["message"]))
    return _changed(message, asked)


@_route("PUT", "/channels/{channel}/messages/pins/{message}")
def _pin(store: Store, asked: Asked) -> None:
    store.mine(int(asked.ids["channel"]), int(asked.ids["message"])).pinned = True


def _pace(store: Store, channel: int, asked: Asked) -> None:
    at = now()
    left, over = store.rates.take(channel, at)
    asked.headers["X-RateLimit-Limit"] = str(store.rates.count)
    asked.headers["X-RateLimit-Remaining"] = str(max(0, left))
    asked.headers["X-RateLimit-Reset-After"] = f"{over:.3f}"
    asked.headers["X-RateLimit-Bucket"] = "messages"
    over = max(over if left < 0 else 0.0, store.held.get(channel, 0.0) - at)
    if over > 0:
        raise Refusal(429, "You are being rate limited.", retry_after=round(over, 3), **{"global": False})


def _referenced(store: Store, reference: Json | None) -> int | None:
    if reference is None:
        return None
    message = store.messages.get(int(reference["message_id"]))
    if message is None or message.deleted or message.ephemeral_to is not None:
        require(not reference.get("fail_if_not_exists", True), "message_reference: Unknown message")
        return None
    return message.id


def _changed(message: Message, asked: Asked) -> Json:
    check_message(asked.body, EDITED, kind="followed", files=len(asked.files), fresh=message.loading)
    message.content = asked.body.get("content", message.content) or ""
    message.components = asked.body.get("components", message.components) or []
    message.files += asked.files
    message.edited, message.loading = not message.loading, False
    return message_json(message)


# --- interactions -----------------------------------------------------------------------------------------------------


@_route("POST", "/interactions/{number}/{token}/callback")
def _callback(store: Store, asked: Asked) -> Json:
    done = store.interaction(asked.ids["token"])
    if done is None or str(done.id) != asked.ids["number"] or now() - done.at > store.acknowledge_within:
        raise unknown("interaction")
    if done.response is not None:
        raise Refusal(400, "Interaction has already been acknowledged.", code=40060)
    kind, data = asked.body["type"], asked.body.get("data") or {}
    require(kind in _RESPONSES, "type: Value must be one of 4, 5, 6, 8, 9.")
    _RESPONSES[kind](store, done, data)
    done.response = kind
    return {"interaction": {"id": str(done.id), "type": done.type}}


def _say(store: Store, done: Interaction, data: Json) -> None:
    check_message(data | {"allowed_mentions": {"parse": []}}, FOLLOWED, kind="followed")
    _think(store, done, data)
    if done.original is not None:
        done.original.content, done.original.loading = data.get("content", ""), False


def _think(store: Store, done: Interaction, data: Json) -> None:
    require(done.type in (2, 3, 5), "nothing to think about")
    hidden = done.who if (data.get("flags") or 0) & EPHEMERAL else None
    done.original = store.keep(done.channel, "", loading=True, ephemeral_to=hidden)
    if done.said is not None:
        done.said.ephemeral_to = hidden


def _update(store: Store, done: Interaction, data: Json) -> None:
    require(done.message is not None, "there is no message to update")
    done.original = done.message


def _suggest(store: Store, done: Interaction, data: Json) -> None:
    require(done.type == 4, "nothing is being typed")
    require(len(data["choices"]) <= 25, "choices: Must be 25 or fewer in length.")
    require(all(1 <= len(c["name"]) <= 100 and 1 <= len(c["value"]) <= 100 for c in data["choices"]), "choices")
    done.choices = [c["value"] for c in data["choices"]]


def _open_form(store: Store, done: Interaction, data: Json) -> None:
    require(done.type in (2, 3), "a form opens no form")
    check_form(data)
    done.form = data


_RESPONSES: dict[int, Callable[[Store, Interaction, Json], None]] = {
    4: _say,
    5: _think,
    6: _update,
    8: _suggest,
    9: _open_form,
}


@_route("POST", "/webhooks/{application}/{token}")
def _follow(store: Store, asked: Asked) -> Json:
    """The first message after "thinking" takes its place; whether it is hidden was decided then."""
    done, body = _alive(store, asked), asked.body
    if done.original is not None and done.original.loading:
        if done.original.deleted:
            raise unknown("message")
        return _changed(done.original, asked)
    check_message(body, FOLLOWED, kind="followed", files=len(asked.files))
    message = store.keep(
        done.channel,
        body.get("content") or "",
        components=body.get("components") or [],
        files=asked.files,
        ephemeral_to=done.who if (body.get("flags") or 0) & EPHEMERAL else None,
        reply_to=done.original.id if done.original else None,
    )
    done.followups.append(message)
    return message_json(message)


@_route("PATCH", "/webhooks/{application}/{token}/messages/{message}")
def _edit_response(store: Store, asked: Asked) -> Json:
    return _changed(_answer_of(store, asked), asked)


@_route("DELETE", "/webhooks/{application}/{token}/messages/{message}")
def _delete_response(store: Store, asked: Asked) -> None:
    _answer_of(store, asked).deleted = True


def _answer_of(store: Store, asked: Asked) -> Message:
    done, wanted = _alive(store, asked), asked.ids["message"]
    said = [m for m in (done.original, *done.followups) if m is not None]
    found = done.original if wanted == "@original" else next((m for m in said if str(m.id) == wanted), None)
    if found is None or found.deleted:
        raise unknown("message")
    return found


def _alive(store: Store, asked: Asked) -> Interaction:
    done = store.interaction(asked.ids["token"])
    if done is None or done.response is None:
        raise unknown("webhook")
    if now() - done.at > store.token_life:
        raise Refusal(401, "Invalid Webhook Token", code=50027)
    return done


def failed(status: int, message: str, code: int, retry_after: float | None) -> Refusal:
    more = {} if retry_after is None else {"retry_after": retry_after, "global": False}
    return bad_form(message) if status == 400 and not code else Refusal(status, message, code=code, **more)
