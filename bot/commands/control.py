"""What changes the desk. The safe direction acts at once; the other one asks."""

from bot.catalogue import BadArguments, Context, command, nearest
from bot.commands.lookup import position_named
from bot.render.views import close_lines, phase_card, state_line
from bot.render.words import card, name_of
from bot.surface import Button, Card, Role
from trading.errors import Misuse
from trading.messages import ClosePosition, Halt, Resume, SetPhase
from trading.model import TradingState

_REASON_KEPT = 120


@command(
    "halt",
    help="No new entries, at once; exits and protection go on",
    usage="/halt [reason]",
    role=Role.OPERATOR,
    example="/halt news at noon",
)
async def halt(context: Context, args: str) -> Card:
    done = await context.desk.obey(Halt(by=context.by, reason=args[:_REASON_KEPT]))
    resume = Button(label="Resume", data="do:/resume")
    return card("halted", done, "/resume starts entries again; it asks first.", buttons=(resume,))


@command(
    "resume",
    help="Allow entries again (asks)",
    usage="/resume",
    role=Role.OPERATOR,
    example="/resume",
)
async def resume(context: Context, _: str) -> Card:
    now = context.desk.status()
    if now.trading is not TradingState.HALTED:
        raise Misuse("the desk is not halted" + (f", but entries are frozen: {now.frozen}" if now.frozen else ""))
    if context.confirmed:
        return card("resumed", await context.desk.obey(Resume(by=context.by)), f"It was: {state_line(now)}")
    frozen = f"Entries stay frozen all the same: {now.frozen}" if now.frozen else ""
    changes = "Changes: no new entries -> new entries allowed"
    held = f"{len(now.positions)} open, playbook {now.playbook}, phase {now.phase}"
    return await context.ask("/resume", "resume entries?", state_line(now), changes, frozen, held)


@command(
    "close",
    help="Close a position at the market (asks)",
    usage="/close ID or PAIR",
    role=Role.OPERATOR,
    example="/close BTC",
)
async def close(context: Context, args: str) -> Card:
    view = position_named(context.desk.status(), context.desk.playbook, args)
    held = view.position
    if held.closing is not None:
        raise Misuse(f"{held.id} is being closed already: {held.closing}")
    if context.confirmed:
        done = await context.desk.obey(ClosePosition(position_id=held.id, by=context.by))
        return card(f"closing {name_of(held.symbol)} {held.direction}", done, "At the tap:", *close_lines(view))
    title = f"close {name_of(held.symbol)} {held.direction}?"
    return await context.ask(f"/close {held.id}", title, *close_lines(view), f"Id {held.id}")


@command(
    "phase",
    help="Show the phase, or choose one (asks)",
    usage="/phase [NAME | auto]",
    role=Role.VIEWER,
    example="/phase final",
)
async def phase(context: Context, args: str) -> Card:
    now, book = context.desk.status(), context.desk.playbook
    if not args:
        return phase_card(book, now.phase)
    if context.role < Role.OPERATOR:
        raise Misuse("choosing a phase is for operators")
    name = args.lower()
    names = [p.name for p in book.phases]
    if name not in (*names, "auto"):
        close_to = nearest(name, [*names, "auto"])
        hint = f"did you mean {close_to}?" if close_to else f"known: {', '.join([*names, 'auto'])}"
        raise BadArguments(f"no phase {args[:20]!r}; {hint}")
    if context.confirmed:
        done = await context.desk.obey(SetPhase(phase=None if name == "auto" else name, by=context.by))
        return card(f"phase {name}", done)
    chosen = book.phase_named(name)
    lines = (f"Changes: {now.phase} -> {name}", chosen.note if chosen else "By the playbook's own dates")
    return await context.ask(f"/phase {name}", f"set phase {name}?", *lines, "Open positions keep their exits.")
