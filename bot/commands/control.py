"""What changes the desk. The safe direction acts at once; the other one asks."""

from bot.catalogue import Context, command
from bot.commands.lookup import position_named
from bot.render.positions import close_lines
from bot.render.views import held_back, state_line
from bot.render.words import card, name_of
from bot.surface import Button, Card, Role
from trading.errors import Misuse
from trading.messages import ClosePosition, Halt, Resume
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
    held = held_back(now)
    if now.trading is not TradingState.HALTED:
        raise Misuse("the desk is not halted" + (f", but: {held}" if held else ""))
    if context.confirmed:
        return card("resumed", await context.desk.obey(Resume(by=context.by)), f"It was: {state_line(now)}")
    still = f"All the same: {held}" if held else ""
    changes = "Changes: no new entries -> new entries allowed"
    open_now = f"{len(now.positions)} open, playbook {now.playbook}, phase {now.phase}"
    return await context.ask("/resume", "resume entries?", state_line(now), changes, still, open_now)


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
