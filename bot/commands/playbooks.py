"""Which playbook trades, and which ones run on paper beside it."""

from bot.catalogue import BadArguments, Context, command
from bot.commands.lookup import one_of
from bot.render.changes import (
    change_lines,
    kept_line,
    playbook_card,
    playbooks_card,
    shadow_lines,
    shadows_card,
)
from bot.render.words import card
from bot.surface import Card, Role
from trading.errors import BadPlaybook, Misuse
from trading.messages import AddShadow, RemoveShadow, UsePlaybook

_SHOWN = 12  # differences on the card itself; the others are folded


@command(
    "playbook",
    help="The running playbook and the others; use NAME (admins) asks first",
    usage="/playbook [list | show NAME | use NAME]",
    role=Role.VIEWER,
    example="/playbook show smt-3.1",
)
async def playbook(context: Context, args: str) -> Card:
    first, _, rest = args.strip().partition(" ")
    match first.lower():
        case "list":
            return _list(context)
        case "show":
            return _show(context, rest or context.desk.playbook.name)
        case "use":
            return await _use(context, rest)
        case _:
            return _show(context, args or context.desk.playbook.name)


def _known(context: Context, word: str) -> str:
    return one_of(word, dict.fromkeys((context.desk.playbook.name, *context.library.names())), "playbook")


def _title(context: Context, name: str) -> str:
    try:
        return context.library.load(name).title
    except BadPlaybook as fault:
        return f"faulty: {' '.join(str(fault).split())}"


def _list(context: Context) -> Card:
    running = context.desk.playbook
    titles = {name: _title(context, name) for name in context.library.names()} | {running.name: running.title}
    return playbooks_card(sorted(titles.items()), running.name)


def _show(context: Context, word: str) -> Card:
    running, name = context.desk.playbook, _known(context, word)
    others = [n for n in context.library.names() if n != name]
    mine = name == running.name
    return playbook_card(running if mine else context.library.load(name), running=mine, others=others)


async def _use(context: Context, word: str) -> Card:
    context.need(Role.ADMIN, "/playbook use")
    name, now = _known(context, word), context.desk.status()
    wanted = UsePlaybook(name=name, by=context.by)
    lines = change_lines([row for row in context.desk.changes(wanted) if row[0] != "playbook"])
    kept = kept_line(p.position.id for p in now.positions)
    if context.confirmed:
        done = await context.desk.obey(wanted)
        return card(f"playbook {now.playbook} -> {name}", done, detail=lines)
    return await context.ask(
        f"/playbook use {name}",
        f"trade by {name}?",
        f"Changes: playbook {now.playbook} -> {name}" if name != now.playbook else "As its file is now",
        kept,
        *lines[:_SHOWN],
        f"And {len(lines) - _SHOWN} more settings, below" if len(lines) > _SHOWN else "",
        detail=lines[_SHOWN:],
    )


@command(
    "shadow",
    help="Playbooks on paper beside the live one, compared; add and remove (admins) ask first",
    usage="/shadow [add NAME | remove NAME]",
    role=Role.VIEWER,
    example="/shadow",
)
async def shadow(context: Context, args: str) -> Card:
    what, _, rest = args.strip().partition(" ")
    views = await context.desk.shadows()
    if not what:
        return shadows_card(views)
    chosen = one_of(what, ("add", "remove"), "action")
    context.need(Role.ADMIN, f"/shadow {chosen}")
    running = {view.playbook: view for view in views}
    if chosen == "add":
        return await _add(context, rest, tuple(running))
    if not running:
        raise Misuse("no playbook runs in shadow")
    name = one_of(rest, running, "playbook in shadow")
    if context.confirmed:
        done = await context.desk.obey(RemoveShadow(name=name, by=context.by))
        return card(f"{name} runs in shadow no more", done)
    return await context.ask(f"/shadow remove {name}", f"end the shadow of {name}?", *shadow_lines(running[name]))


async def _add(context: Context, word: str, running: tuple[str, ...]) -> Card:
    if not word:
        raise BadArguments(f"which playbook? known: {', '.join(context.library.names())}")
    name = one_of(word, context.library.names(), "playbook")
    if name in running:
        raise Misuse(f"{name} runs in shadow already")
    title = context.library.load(name).title
    if context.confirmed:
        return card(f"{name} runs in shadow", await context.desk.obey(AddShadow(name=name, by=context.by)))
    return await context.ask(
        f"/shadow add {name}",
        f"run {name} in shadow?",
        title,
        "On paper, on the same market data, with an account of its own.",
        "No order is sent, and only /shadow tells of it.",
    )
