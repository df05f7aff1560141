"""docs/commands.md from the catalogue: `python -m bot.commands.document > docs/commands.md`."""

import sys
from collections.abc import Iterator, Mapping

from bot.catalogue import COMMANDS, Argument, Entry, actions

_HEAD = """# Commands

What can be typed, on Telegram, on Discord and at the terminal alike. This file is made from the catalogue by
`python -m bot.commands.document`; a test keeps it equal.

- Words in capitals are arguments, those in brackets may be left out. They are told apart by what they are: `/trades BTC
  5` and `/trades 5 BTC` are the same.
- **viewer**, **operator** and **admin** are roles. Each may do what the ones before it may; see `/users`.
- What *asks first* shows what it would do, and is done by one tap of whoever asked, within two minutes. What *asks for
  a typed code* wants the digits that it shows.
"""


def document(commands: Mapping[str, Entry] = COMMANDS) -> str:
    heads = sorted(path for path in commands if " " not in path)
    return "\n".join((_HEAD, *_index(commands, heads), *(line for name in heads for line in _section(name, commands))))


def _index(commands: Mapping[str, Entry], heads: list[str]) -> Iterator[str]:
    yield "| command | what it does | for |"
    yield "|---|---|---|"
    for name in heads:
        entry = commands[name]
        yield f"| [`/{name}`](#{name}) | {_cell(entry.help)} | {entry.role.name.lower()} |"
    yield ""


def _section(name: str, commands: Mapping[str, Entry]) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    for entry in (commands[name], *actions(name, commands)):
        if entry.path != name:
            yield f"### {entry.path}"
            yield ""
        yield from _entry(entry)


def _entry(entry: Entry) -> Iterator[str]:
    private = "; the answer is for who asked alone" if entry.private else ""
    yield f"{entry.help}."
    yield ""
    yield f"`{entry.usage}` · {entry.role.name.lower()} · {entry.effect}{private}"
    yield ""
    if entry.args:
        yield "| argument | what | what fits |"
        yield "|---|---|---|"
        yield from map(_argument, entry.args)
        yield ""
    yield f"Example: `{entry.example}`"
    yield ""


def _argument(argument: Argument) -> str:
    name = argument.name.upper() if argument.required else f"[{argument.name.upper()}]"
    return f"| {name} | {_cell(argument.help)} | {_cell(argument.range or 'any text')} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(document())
