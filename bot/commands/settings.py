"""What each chat wants to hear, and which playbook is on."""

from bot.catalogue import BadArguments, Context, command, nearest
from bot.render.views import playbook_card
from bot.render.words import card
from bot.routing import KINDS, MODES, REQUIRED
from bot.surface import Card, Role
from trading.errors import BadPlaybook, Misuse
from trading.messages import AlertsChanged
from trading.playbook import available, load


@command(
    "playbook",
    help="The running playbook, or another one's settings",
    usage="/playbook [NAME]",
    role=Role.VIEWER,
    example="/playbook smt-3.1",
)
async def playbook(context: Context, args: str) -> Card:
    running = context.desk.playbook
    names = available()
    name = args.lower() or running.name
    if name == running.name:
        return playbook_card(running, running=True, others=[n for n in names if n != name])
    if name not in names:
        close = nearest(name, names)
        raise Misuse(
            f"no playbook {args[:30]!r}; " + (f"did you mean {close}?" if close else f"known: {', '.join(names)}")
        )
    try:
        return playbook_card(load(name), running=False, others=[n for n in names if n != name])
    except BadPlaybook as fault:
        raise Misuse(str(fault)) from fault


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
    kind, mode = words
    if kind not in KINDS:
        close = nearest(kind, KINDS)
        raise BadArguments(f"no kind {kind[:20]!r}; " + (f"did you mean {close}?" if close else ", ".join(KINDS)))
    if mode not in MODES:
        raise BadArguments(f"{mode[:20]!r} is not one of {', '.join(MODES)}")
    return kind, mode
