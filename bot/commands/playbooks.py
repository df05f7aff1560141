"""Which playbook trades, which ones run on paper beside it, and making a new one."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.arguments import PAGE, NewPlaybookName, PlaybookName, ShadowName, Words, one_of
from bot.catalogue import BadArguments, Effect, command
from bot.playbook_file import amended_from, as_toml, pairs_in, pasted, remarks
from bot.reach import Context, Shelf, Tools
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
from bot.writing import WRITTEN_BY, drafted, looser
from trading.errors import BadPlaybook, Misuse
from trading.events import PlaybookWritten, ShadowDeskChanged
from trading.messages import AddShadow, RemoveShadow, UsePlaybook
from trading.playbook import Playbook, span_text
from trading.settings import differences

IN_SHADOW_FIRST = timedelta(days=1)  # of desk time, for what a model wrote
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
    await _shadowed(context, name)
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


async def _shadowed(context: Context, name: str) -> None:
    """Raises Misuse for a playbook that a model wrote and that has not run on paper long enough."""
    life = await context.records.life_of(name)
    writer = next((e.model for e in life if isinstance(e, PlaybookWritten) and e.model), "")
    lived = in_shadow(life, context.desk.now())
    if writer and lived < IN_SHADOW_FIRST:
        raise Misuse(
            f"{name} was written by {writer}: it trades only after {span_text(IN_SHADOW_FIRST)} in shadow, and has "
            f"{int(lived.total_seconds() // 3600)}h; /shadow shows how it does"
        )


def in_shadow(life: Iterable[PlaybookWritten | ShadowDeskChanged], now: datetime) -> timedelta:
    """How long a playbook has run on paper, in the desk's own time."""
    total, since = timedelta(0), None
    for event in life:
        if isinstance(event, ShadowDeskChanged):
            total += event.at - since if since else timedelta(0)
            since = event.at if event.running else None
    return total + (now - since if since else timedelta(0))


def shortened(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The first of them, and how many more are below."""
    more = len(lines) - SHOWN
    return (*lines[:SHOWN], f"And {more} more settings, below" if more > 0 else "")


# --- a new one ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NameOrWish(NewPlaybookName):
    """A name that no playbook has; or, within quotes, the first word of what a playbook should be like."""

    @property
    def range(self) -> str:
        return 'a new name of small letters, digits, dots and -, 30 at most; or a wish, "in quotes"'

    def read(self, text: str, tools: Tools) -> str:
        return text if text[0] in _QUOTES else NewPlaybookName.read(self, text, tools)


@command(
    "playbook new",
    help="Make a playbook: changed settings, a pasted text, or a wish in words; it starts in shadow",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/playbook new calm from desk judge.min_confidence=0.7 sizing.leverage=5",
    args=(
        NameOrWish(name="name", help='Its name; or "what it should be like", in quotes', required=True),
        PlaybookName(name="parent", help="The playbook it is made from; without it the running one"),
        Words(name="settings", help='key=value ..., "a wish", or a playbook file on the lines below', most=4000),
    ),
)
async def new(context: Context, name: str, parent: str = "", settings: str = "") -> Card:
    if before := _BEFORE_A_WISH.match(context.typed):
        return await _from_words(context, context.typed[before.end() :], before[0].split()[2:])
    origin, settings, text = _recipe(context, parent, settings)
    writer, settings = _writer(settings)
    book, old = await asyncio.to_thread(_made, context.library, name, origin, settings=settings, text=text)
    if writer and old and (faults := tuple(looser(book, old))):
        raise BadPlaybook("\n".join(faults))
    changes = differences(old, book) if old else ()
    lines = written_lines(book, old, changes, remarks(book))
    if context.confirmed:
        return await _write(context, book, origin, lines, writer)
    source = f" from {origin}" if origin else ""
    told = f" {WRITTEN_BY} {writer}:" if writer else ""
    return await context.ask(
        f"/playbook new {name}{source}\n{text}" if text else f"/playbook new {name}{source}{told} {settings}".rstrip(),
        f"make playbook {name}{source}?",
        f"Title: {book.title}",
        *shortened(lines),
        "It starts in shadow, on paper. It trades only when somebody chooses it with /playbook use.",
        detail=lines[SHOWN:],
    )


# --- in words -------------------------------------------------------------------------------------------------------


_QUOTES = "\"'\u201c\u201d\u201e\u00ab\u2018"
_BEFORE_A_WISH = re.compile(rf"[^=\n]*?\s(?=[{_QUOTES}]\S)")
_WRITER = re.compile(rf"{WRITTEN_BY} (\S+):\s+(.*)", re.DOTALL)


async def _from_words(context: Context, wish: str, before: list[str]) -> Card:
    """`before`: NAME from PARENT, or nothing of it. What is confirmed is what stands on the card, and no new answer."""
    voices = context.tools.voices
    if voices.wordless:
        raise Misuse(
            f"a wish in words needs a model: {voices.wordless}; without one: /playbook new NAME from PARENT key=value"
        )
    named = [word for word in before if word.lower() != "from"]
    if len(named) > 2:
        raise BadArguments("before a wish only NAME from PARENT stands")
    name = named[0] if named else ""
    parent = _known(context, named[1]) if len(named) > 1 else ""
    who = context.who.key
    draft = await drafted(
        voices.model, voices.words, wish.strip(_QUOTES), library=context.library, who=who, name=name, parent=parent
    )
    lines = written_lines(draft.book, draft.parent, differences(draft.parent, draft.book), remarks(draft.book))
    return await context.ask(
        draft.command,
        f"make playbook {draft.book.name} from {draft.parent.name}?",
        f"Written by {draft.model}. Read what it changes:",
        *shortened(lines),
        f"Not possible: {draft.impossible}" if draft.impossible else "",
        f"It starts in shadow, on paper. It can be chosen after {span_text(IN_SHADOW_FIRST)} there.",
        detail=lines[SHOWN:],
    )


def _writer(settings: str) -> tuple[str, str]:
    """ "written by MODEL: key=value ..." -> the model, and the rest."""
    found = _WRITER.fullmatch(settings)
    return (found[1], found[2].strip()) if found else ("", settings)


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


async def _write(context: Context, book: Playbook, parent: str, lines: Iterable[str], writer: str) -> Card:
    """The file first: only what is written can be chosen, or run in shadow."""
    head = (f"# Written by {writer} from a wish in words.",) if writer else ()
    await asyncio.to_thread(context.library.write, book.name, "\n".join((*head, *as_toml(book), "")))
    at = context.desk.now()
    await context.desk.tell(PlaybookWritten(at=at, by=context.by, playbook=book.name, parent=parent, model=writer))
    try:
        done = await context.desk.obey(AddShadow(name=book.name, by=context.by))
    except Misuse as refusal:
        done = f"It is written, but does not run in shadow: {refusal}"
    use_it = () if writer else (Button(label="Use it", data=f"do:/playbook use {book.name}"),)
    return card(f"playbook {book.name} made", done, detail=lines, buttons=(_SHADOW, *use_it))


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
