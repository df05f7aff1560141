"""What Discord takes, read as strictly as Discord reads it: messages, buttons, forms, commands; and what a phone shows.

Beyond Discord it refuses fields it does not know, mentions that would ping, and markup that nobody meant: a character
that was not escaped must not pass.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

TEXT_LIMIT, LABEL_LIMIT, ID_LIMIT, ROWS, PER_ROW, NONCE_LIMIT = 2000, 80, 100, 5, 5, 25
EMBEDS, EMBED_TOTAL, EMBED_FIELDS = 10, 6000, 25
EMBED_LIMITS = {"title": 256, "description": 4096}
SUPPRESS_EMBEDS, EPHEMERAL, SILENT = 1 << 2, 1 << 6, 1 << 12
STYLES = {1: "primary", 2: "", 3: "success", 4: "danger"}

_WRITTEN = {"content", "tts", "embeds", "components", "allowed_mentions", "flags", "attachments"}
POSTED = _WRITTEN | {"nonce", "enforce_nonce", "message_reference"}
EDITED = FOLLOWED = _WRITTEN
_FLAGS = {"posted": SUPPRESS_EMBEDS | SILENT, "followed": SUPPRESS_EMBEDS | EPHEMERAL | SILENT}


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str, *, code: int = 0, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"message": message, "code": code} | more


def bad_form(what: str) -> Refusal:
    return Refusal(400, f"Invalid Form Body: {what}", code=50035)


def require(condition: object, what: str) -> None:
    if not condition:
        raise bad_form(what)


def require_known(shape: Mapping[str, Any], known: set[str], where: str) -> None:
    strange = shape.keys() - known
    require(not strange, f"unknown fields {sorted(strange)} in {where}")


# --- text -------------------------------------------------------------------------------------------------------------

_LINK = re.compile(r"<https?://[^\s<>]+>")
_BOLD = re.compile(r"\*\*((?:\\.|[^\\])+?)\*\*")
_BEGINS = re.compile(r"\s*(?:#{1,3}\s|-#\s|[-+]\s|>\s|>>>\s|\d+\.\s)")


def shown(content: str) -> str:
    """The words as a phone shows them."""
    return "\n".join(_line(line) for line in content.split("\n"))


def _line(line: str) -> str:
    if line.startswith("> "):
        return _plain(line[2:])
    if bold := _BOLD.fullmatch(line):
        return _plain(bold[1], bold=True)
    return _plain(line)


def _plain(text: str, *, bold: bool = False) -> str:
    require(bold or not _BEGINS.match(text), f"markup at the beginning of {text[:40]!r}")
    found, at = [], 0
    while at < len(text):
        c = text[at]
        if c == "\\" and at + 1 < len(text) and not text[at + 1].isalnum() and not text[at + 1].isspace():
            found.append(text[at + 1])
            at += 2
        elif (link := _LINK.match(text, at)) and not bold:
            found.append(link[0][1:-1])
            at = link.end()
        else:
            require(c not in "*_~`|<[\\", f"markup {c!r} at {text[max(0, at - 10) : at + 20]!r}")
            require(not re.match("@(everyone|here)", text[at:]), "everybody is mentioned")
            found.append(c)
            at += 1
    return "".join(found).replace("@\u200b", "@")


# --- messages ---------------------------------------------------------------------------------------------------------


def check_message(body: Json, known: set[str], *, kind: str = "posted", files: int = 0, fresh: bool = True) -> None:
    require_known(body, known, "the message")
    content = body.get("content") or ""
    require(len(content) <= TEXT_LIMIT, f"content: Must be {TEXT_LIMIT} or fewer in length.")
    _check_embeds(body.get("embeds") or [])
    check_components(body.get("components") or [])
    require(body.get("allowed_mentions", {}).get("parse") == [], "allowed_mentions: this could ping somebody")
    require(not (body.get("flags") or 0) & ~_FLAGS[kind], "flags")
    require(len(str(body.get("nonce", ""))) <= NONCE_LIMIT, "nonce: Must be 25 or fewer in length.")
    kept = [a for a in body.get("attachments") or [] if not re.fullmatch(r"\d{1,2}", str(a["id"]))]
    new = len(body.get("attachments") or []) - len(kept)
    require(new == files, "attachments and files do not fit together")
    if fresh and not content.strip() and not body.get("embeds") and not files:
        raise Refusal(400, "Cannot send an empty message", code=50006)
    shown(content)


def _check_embeds(embeds: Sequence[Json]) -> None:
    require(len(embeds) <= EMBEDS, "embeds: Must be 10 or fewer in length.")
    for embed in embeds:
        for name, limit in EMBED_LIMITS.items():
            require(len(embed.get(name, "")) <= limit, f"embeds.{name}: Must be {limit} or fewer in length.")
        require(len(embed.get("fields", [])) <= EMBED_FIELDS, "embeds.fields")
    total = sum(len(embed.get("title", "") + embed.get("description", "")) for embed in embeds)
    require(total <= EMBED_TOTAL, "embeds: Embed size exceeds maximum size of 6000")


def check_components(rows: Sequence[Json]) -> None:
    require(len(rows) <= ROWS, "components: Must be 5 or fewer in length.")
    ids: list[str] = []
    for row in rows:
        require_known(row, {"type", "components", "id"}, "a row")
        keys = row["components"]
        require(row["type"] == 1 and 1 <= len(keys) <= PER_ROW, "a row of 1 to 5 buttons")
        for key in keys:
            require_known(key, {"type", "style", "label", "custom_id", "disabled", "id"}, "a button")
            require(key["type"] == 2 and key["style"] in STYLES, "a button")
            require(1 <= len(key["label"]) <= LABEL_LIMIT, "label: Must be between 1 and 80 in length.")
            require(1 <= len(key["custom_id"]) <= ID_LIMIT, "custom_id: Must be between 1 and 100 in length.")
            ids.append(key["custom_id"])
    require(len(ids) == len(set(ids)), "Component custom id cannot be duplicated")


def check_form(form: Json) -> None:
    require_known(form, {"custom_id", "title", "components"}, "the form")
    require(1 <= len(form["custom_id"]) <= ID_LIMIT, "custom_id")
    require(1 <= len(form["title"]) <= 45, "title: Must be between 1 and 45 in length.")
    require(1 <= len(form["components"]) <= 5, "components")
    for part in form["components"]:
        require_known(part, {"type", "label", "component", "description", "id"}, "a label")
        require(part["type"] == 18 and 1 <= len(part["label"]) <= 45, "label: Must be between 1 and 45 in length.")
        field = part["component"]
        require(field["type"] == 4 and 1 <= len(field["custom_id"]) <= ID_LIMIT, "a field")


# --- commands ---------------------------------------------------------------------------------------------------------

_NAME = re.compile(r"[-_'a-z0-9]{1,32}")
_COMMAND = {"type", "name", "description", "options", "default_member_permissions"}
_OPTION = {"type", "name", "description", "options", "required", "choices", "autocomplete", "min_value", "max_value"}


def check_commands(commands: Sequence[Json], *, in_guild: bool) -> None:
    require(len(commands) <= 100, "Maximum number of application commands reached (100)")
    require(len({c["name"] for c in commands}) == len(commands), "Application command names must be unique")
    for command in commands:
        require_known(command, _COMMAND if in_guild else _COMMAND | {"contexts"}, "the command")
        _check_named(command)
        _check_options(command.get("options", []))


def _check_named(shape: Json) -> None:
    require(_NAME.fullmatch(shape["name"]), f"name: {shape['name']!r}")
    require(1 <= len(shape["description"]) <= 100, f"description of {shape['name']}: 1 to 100 in length.")


def _check_options(options: Sequence[Json]) -> None:
    require(len(options) <= 25, "options: Must be 25 or fewer in length.")
    require(len({o["type"] == 1 for o in options}) <= 1, "subcommands do not mix with options")
    asked = [bool(o.get("required")) for o in options]
    require(asked == sorted(asked, reverse=True), "Required options must be placed before non-required options")
    for option in options:
        require_known(option, _OPTION, f"option {option['name']}")
        _check_named(option)
        _check_options(option.get("options", []))
        choices = option.get("choices", [])
        require(len(choices) <= 25 and not (choices and option.get("autocomplete")), "choices")
        require(all(1 <= len(c["name"]) <= 100 and 1 <= len(str(c["value"])) <= 100 for c in choices), "choices")
