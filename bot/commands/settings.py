"""What each chat wants to hear."""

from bot.catalogue import BadArguments, Context, command
from bot.commands.lookup import one_of
from bot.render.words import card
from bot.routing import KINDS, MODES, REQUIRED
from bot.surface import Card, Role
from trading.errors import Misuse
from trading.messages import AlertsChanged


def _overview(context: Context) -> Card:
    modes = context.tools.routing.modes(context.place)
    lines = (f"{kind}: {modes[kind]}. {what}" for kind, what in KINDS.items())
    return card("alerts here", *lines, "Change one with /alerts KIND on, silent or off")


@command(
    "alerts",
    help="What this chat is told, and how loudly",
    usage="/alerts [KIND on | silent | off]",
    role=Role.VIEWER,
    example="/alerts fill silent",
)
async def alerts(context: Context, args: str) -> Card:
    words = args.lower().split()
    if not words:
        return _overview(context)
    kind, mode = _kind_and_mode(words)
    if kind in REQUIRED and mode == "off":
        raise Misuse(f"{kind} alerts cannot be switched off: they say when your money is at risk. They can be silent.")
    routing = context.tools.routing
    await context.tools.preferences.put(context.place, kind, mode)
    before = routing.change(context.place, kind, mode)
    at = context.desk.now()
    await context.desk.tell(
        AlertsChanged(at=at, by=context.by, destination=context.place, kind=kind, before=before, after=mode)
    )
    return card(f"alerts here: {kind} {before} -> {mode}", KINDS[kind])


def _kind_and_mode(words: list[str]) -> tuple[str, str]:
    if len(words) != 2:
        raise BadArguments("a kind and a mode are needed")
    return one_of(words[0], KINDS, "kind"), one_of(words[1], MODES, "mode")
