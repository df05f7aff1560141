"""Which playbook trades, which ones run on paper beside it, and making a new one."""

import asyncio
from collections.abc import Iterable

from bot.arguments import PAGE, NewPlaybookName, PlaybookName, ShadowName, Words, one_of
from bot.catalogue import BadArguments, Effect, command
from bot.playbook_file import amended_from, as_toml, pairs_in, pasted, remarks
from bot.reach import Context, Shelf
from bot.render.changes import (
    change_lines,
    kept_line,
    playbook_card,
    playbooks_card,
    shadow_lines,
    shadows_card,
    written_lines,
)
from bot.render.words import card
from bot.surface import Button, Card, Role
from trading.errors import BadPlaybook, Misuse
from trading.messages import AddShadow, PlaybookWritten, RemoveShadow, UsePlaybook
from trading.playbook import Playbook
from trading.settings import differences

SHOWN = 12  # differences on the card itself; the others are folded
_SHADOW = Button(label="Shadow", data="do:/shadow")


@command(
    "playbook",
    help="What a playbook says; without a name the running one",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/playbook",
    args=(PlaybookName(name="playbook", help="Its name; without it the running one"),),
)
async def playbook(context: Context, playbook: str = "") -> Card:
    return await _show(context, playbook or context.desk.playbook.name)


@command(
    "playbook list",
    help="All playbooks there are, and those whose file has a fault",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/playbook list",
    args=(PAGE,),
)
async def list_(context: Context, page: int = 1) -> Card:
    running = context.desk.playbook
    titles = await asyncio.to_thread(_titles, context.library)
    return playbooks_card(sorted((titles | {running.name: running.title}).items()), running.name, page)


def _titles(library: Shelf) -> dict[str, str]:
    return {name: _title(library, name) for name in library.names()}


def _title(library: Shelf, name: str) -> str:
    try:
        return library.load(name).title
    except BadPlaybook as fault:
        return f"faulty: {' '.join(str(fault).split())}"


@command(
    "playbook show",
    help="What a playbook says",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/playbook show smt-3.1",
    args=(PlaybookName(name="playbook", help="Its name; without it the running one"),),
)
async def show(context: Context, playbook: str = "") -> Card:
    return await _show(context, playbook or context.desk.playbook.name)


async def _show(context: Context, name: str) -> Card:
    running = context.desk.playbook
    others = [n for n in context.library.names() if n != name]
    mine = name == running.name
    book = running if mine else await _load(context, name)
    return playbook_card(book, running=mine, others=others)


async def _load(context: Context, name: str) -> Playbook:
    """Off the loop: reading a file anew takes its time. Whoever asks for it next finds it read."""
    return await asyncio.to_thread(context.library.load, name)


@command(
    "playbook use",
    help="Trade by another playbook from now on; open positions keep their exits",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/playbook use smt-3.1",
    args=(PlaybookName(name="playbook", help="The playbook to trade by", required=True),),
)
async def use(context: Context, playbook: str) -> Card:
    name, now = playbook, context.desk.status()
    wanted = UsePlaybook(name=name, by=context.by)
    await _load(context, name)
    lines = change_lines([row for row in context.desk.changes(wanted) if row[0] != "playbook"])
    if context.confirmed:
        done = await context.desk.obey(wanted)
        return card(f"playbook {now.playbook} -> {name}", done, detail=lines)
    return await context.ask(
        f"/playbook use {name}",
        f"trade by {name}?",
        f"Changes: playbook {now.playbook} -> {name}" if name != now.playbook else "As its file is now",
        kept_line(p.position.id for p in now.positions),
        *shortened(lines),
        detail=lines[SHOWN:],
    )


def shortened(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The first of them, and how many more are below."""
    more = len(lines) - SHOWN
    return (*lines[:SHOWN], f"And {more} more settings, below" if more > 0 else "")


# --- a new one ------------------------------------------------------------------------------------------------------


@command(
    "playbook new",
    help="Make a playbook: another one with some settings changed, or a pasted text; it starts in shadow",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/playbook new calm from desk judge.min_confidence=0.7 sizing.leverage=5",
    args=(
        NewPlaybookName(name="name", help="Its name", required=True),
        PlaybookName(name="parent", help="The playbook it is made from; without it the running one"),
        Words(name="settings", help="key=value ..., or the text of a playbook file on the lines below", most=4000),
    ),
)
async def new(context: Context, name: str, parent: str = "", settings: str = "") -> Card:
    origin, settings, text = _recipe(context, parent, settings)
    book, old = await asyncio.to_thread(_made, context.library, name, origin, settings=settings, text=text)
    changes = differences(old, book) if old else ()
    lines = written_lines(book, old, changes, remarks(book))
    if context.confirmed:
        return await _write(context, book, origin, lines)
    source = f" from {origin}" if origin else ""
    return await context.ask(
        f"/playbook new {name}{source}\n{text}" if text else f"/playbook new {name}{source} {settings}".rstrip(),
        f"make playbook {name}{source}?",
        f"Title: {book.title}",
        *shortened(lines),
        "It starts in shadow, on paper. It trades only when somebody chooses it with /playbook use.",
        detail=lines[SHOWN:],
    )


def _recipe(context: Context, parent: str, settings: str) -> tuple[str, str, str]:
    """The parent ("" for none), settings and pasted text that are meant by "NAME from PARENT key=value ..." or by
    "NAME [from PARENT]" with a text below. Raises BadArguments."""
    head, _, text = context.typed.partition("\n")
    if text.strip():
        words = [word for word in head.split()[3:] if word.lower() != "from"]
        if len(words) > 1:
            raise BadArguments("with a pasted text, only NAME from PARENT stands on the first line")
        return _known(context, words[0]) if words else "", "", text.strip()
    first, _, rest = settings.partition(" ")
    if first.lower() == "from" and not parent:
        word, _, settings = rest.strip().partition(" ")
        parent = _known(context, word)
    return parent or context.desk.playbook.name, settings.strip(), ""


def _known(context: Context, word: str) -> str:
    return one_of(word, context.library.names(), "playbook")


def _made(library: Shelf, name: str, parent: str, *, settings: str, text: str) -> tuple[Playbook, Playbook | None]:
    """The new playbook and its parent as their files say. Raises BadPlaybook."""
    old = library.load(parent) if parent else None
    if text or old is None:
        return pasted(text, name, old), old
    return amended_from(old, name, pairs_in(settings)), old


async def _write(context: Context, book: Playbook, parent: str, lines: Iterable[str]) -> Card:
    """The file first: only what is written can be chosen, or run in shadow."""
    await asyncio.to_thread(context.library.write, book.name, "\n".join((*as_toml(book), "")))
    at = context.desk.now()
    await context.desk.tell(PlaybookWritten(at=at, by=context.by, playbook=book.name, parent=parent))
    try:
        done = await context.desk.obey(AddShadow(name=book.name, by=context.by))
    except Misuse as refusal:
        done = f"It is written, but does not run in shadow: {refusal}"
    use_it = Button(label="Use it", data=f"do:/playbook use {book.name}")
    return card(f"playbook {book.name} made", done, detail=lines, buttons=(_SHADOW, use_it))


# --- in shadow ------------------------------------------------------------------------------------------------------


@command(
    "shadow",
    help="Playbooks on paper beside the live one, compared",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/shadow",
)
async def shadow(context: Context) -> Card:
    return shadows_card(await context.desk.shadows(), context.about.zone)


@command(
    "shadow add",
    help="Run a playbook on paper beside the live one",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/shadow add sigma",
    args=(PlaybookName(name="playbook", help="The playbook to run on paper", required=True),),
)
async def add(context: Context, playbook: str) -> Card:
    name = playbook
    if name in [view.playbook for view in await context.desk.shadows()]:
        raise Misuse(f"{name} runs in shadow already")
    title = (await _load(context, name)).title
    if context.confirmed:
        done = await context.desk.obey(AddShadow(name=name, by=context.by))
        return card(f"{name} runs in shadow", done, buttons=(_SHADOW,))
    return await context.ask(
        f"/shadow add {name}",
        f"run {name} in shadow?",
        title,
        "On paper, on the same market data, with an account of its own.",
        "No order is sent, and only /shadow tells of it.",
    )


@command(
    "shadow remove",
    help="End the shadow of a playbook; its records stay",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/shadow remove smt-3.1",
    args=(ShadowName(name="playbook", help="A playbook that runs in shadow", required=True),),
)
async def remove(context: Context, playbook: str) -> Card:
    running = {view.playbook: view for view in await context.desk.shadows()}
    if not running:
        raise Misuse("no playbook runs in shadow")
    name = one_of(playbook, running, "playbook in shadow")
    if context.confirmed:
        done = await context.desk.obey(RemoveShadow(name=name, by=context.by))
        return card(f"{name} runs in shadow no more", done)
    lines = shadow_lines(running[name], context.about.zone)
    return await context.ask(f"/shadow remove {name}", f"end the shadow of {name}?", *lines)
