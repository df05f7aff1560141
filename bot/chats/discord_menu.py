"""The catalogue as Discord's slash commands, and a slash command that came in as the line that would be typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import discord

from bot.catalogue import Argument, Entry, actions, line
from bot.surface import Role

# The command itself, where it has actions: Discord cannot call a command that has subcommands.
SHOW, NOW = "show", "now"  # the second where it has an action of the first name

_COMMANDS, _ACTIONS, _OPTIONS, _CHOICES, _TEXT = 100, 25, 25, 25, 100  # Discord's limits; _TEXT in characters
_SUBCOMMAND, _STRING, _INTEGER = 1, 3, 4  # types of options
_IN_GUILD, _IN_PRIVATE = 0, 1  # contexts
# Who sees a command in the list, until a server's admins say otherwise. The gate checks the desk's own roles.
_SEEN_WITH = {
    Role.OPERATOR: discord.Permissions(manage_messages=True),
    Role.ADMIN: discord.Permissions(manage_guild=True),
}

Payload = dict[str, Any]


def in_guild(commands: Mapping[str, Entry], *, urgent: frozenset[str]) -> list[Payload]:
    """For the server. `urgent` ones are hidden from nobody: whoever may not use them is told so."""
    return [_command(entry, commands, urgent) for entry in _bases(commands)]


def in_private(commands: Mapping[str, Entry]) -> list[Payload]:
    """The same for private chats with the bot, where a server's commands do not exist."""
    return [_command(entry, commands, frozenset(commands)) | {"contexts": [_IN_PRIVATE]} for entry in _bases(commands)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A slash command that came in, or one that is being typed."""

    path: str  # "breaker reset"
    entry: Entry | None  # None: not in the catalogue
    values: Mapping[str, str] = field(default_factory=dict)
    typing: str = ""  # the argument that is being typed

    @property
    def text(self) -> str:
        """What would be typed for it."""
        return line(self.entry, self.values) if self.entry else f"/{self.path}"


def called(data: Mapping[str, Any], commands: Mapping[str, Entry]) -> Called:
    """From the data of an interaction, whatever it is: what does not fit, the gate will refuse."""
    name, options = _text(data.get("name")), _options(data)
    inner = next((o for o in options if o.get("type") == _SUBCOMMAND), None)
    path = name
    if inner is not None:
        action, options = _text(inner.get("name")), _options(inner)
        path = name if action == _base_action(name, commands) else f"{name} {action}"
    return Called(
        path=path,
        entry=commands.get(path),
        values={_text(o.get("name")): _text(o.get("value")) for o in options},
        typing=next((_text(o.get("name")) for o in options if o.get("focused")), ""),
    )


def _text(value: object) -> str:
    return " ".join(str(value).split()) if isinstance(value, str | int | float) else ""


def _options(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = data.get("options")
    return [option for option in found if isinstance(option, Mapping)] if isinstance(found, list) else []


def _bases(commands: Mapping[str, Entry]) -> list[Entry]:
    return [entry for path, entry in commands.items() if " " not in path][:_COMMANDS]


def _base_action(name: str, commands: Mapping[str, Entry]) -> str:
    """The name under which the command itself stands among its actions."""
    return SHOW if f"{name} {SHOW}" not in commands else NOW


def _command(base: Entry, commands: Mapping[str, Entry], open_to_all: frozenset[str]) -> Payload:
    inner = actions(base.name, commands)
    options = [_option(argument) for argument in _required_first(base)]
    if inner:
        itself = _subcommand(_base_action(base.name, commands), base)
        options = [itself, *(_subcommand(e.path.partition(" ")[2], e) for e in inner)][:_ACTIONS]
    seen_with = None if base.name in open_to_all else _SEEN_WITH.get(min(e.role for e in (base, *inner)))
    return {
        "type": 1,
        "name": base.name,
        "description": base.help[:_TEXT],
        "options": options,
        "default_member_permissions": str(seen_with.value) if seen_with else None,
    }


def _subcommand(name: str, entry: Entry) -> Payload:
    options = [_option(argument) for argument in _required_first(entry)]
    return {"type": _SUBCOMMAND, "name": name, "description": entry.help[:_TEXT], "options": options}


def _required_first(entry: Entry) -> list[Argument]:
    """Discord wants them in this order; `line` puts them back into their own."""
    return sorted(entry.args, key=lambda argument: not argument.required)[:_OPTIONS]


def _option(argument: Argument) -> Payload:
    about = ". ".join(words for words in (argument.help.rstrip("."), argument.range) if words)
    shape: Payload = {"type": _STRING, "name": argument.name, "description": (about or argument.name)[:_TEXT]}
    shape["required"] = argument.required
    if argument.bounds is not None:
        least, most = argument.bounds
        return shape | {"type": _INTEGER, "min_value": least, "max_value": most}
    if argument.choices:
        return shape | {"choices": [{"name": c[:_TEXT], "value": c[:_TEXT]} for c in argument.choices[:_CHOICES]]}
    free = argument.rest and not argument.range  # words of one's own: there is nothing to suggest
    return shape if free else shape | {"autocomplete": True}
