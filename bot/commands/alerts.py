"""What a place is told, how loudly, and where its streams go."""

from bot.accounts import TERMINAL, account_at, chat_of
from bot.arguments import OneOf
from bot.catalogue import BadArguments, Effect, command
from bot.reach import Context
from bot.render.wishes import Told, alerts_card, kind_card, place_card, stream_card
from bot.routing import DIGEST, KINDS, MODES, OFF, REQUIRED, STREAMS
from bot.surface import Card, Role
from bot.wishes import WISHES
from trading.errors import GavelError, Misuse
from trading.events import AlertsChanged

_HERE, _HOME = "here", "home"
_RISK = "they say when your money is at risk"


def require_own(context: Context) -> None:
    """In his own chat everybody chooses for himself; where others read too, an operator chooses for all."""
    if not context.private:
        context.need(Role.OPERATOR, "choosing what a shared place is told")


def destination(context: Context) -> str:
    """The destination that is meant where a command was typed: this place, the one whose stream is told here, or the
    chat that this is a topic or thread of."""
    routing = context.tools.routing
    home = routing.home(context.place)
    if home in routing.destinations:
        return home
    same_chat = (d for d in routing.destinations if chat_of(d) == chat_of(context.place))
    return next(same_chat, context.place)


def _told_elsewhere(context: Context, here: str, kind: str) -> bool:
    """Whether the same person hears of it at once in another place too; of a shared place, anybody but the terminal."""
    routing, owner = context.tools.routing, context.tools.people.owner
    mine = owner(here) if owner(here).startswith("person:") else ""
    others = (d for d in routing.destinations if d != here)
    return any(
        routing.mode(d, kind) not in (OFF, DIGEST)
        for d in others
        if (owner(d) == mine if mine else account_at(d) != TERMINAL)
    )


async def _tell(context: Context, here: str, kind: str, before: str, after: str) -> None:
    at = context.desk.now()
    await context.desk.tell(
        AlertsChanged(at=at, by=context.by, destination=here, kind=kind, before=before, after=after)
    )


@command(
    "alerts",
    help="What this chat is told, and how loudly",
    role=Role.VIEWER,
    effect=Effect.OWN,
    example="/alerts fill silent",
    args=(
        OneOf(name="kind", help="Which alerts", known=tuple(KINDS)),
        OneOf(name="mode", help="How they are told here", known=MODES),
    ),
)
async def alerts(context: Context, kind: str = "", mode: str = "") -> Card:
    if mode and not kind:
        raise BadArguments(f"which kind? one of {', '.join(KINDS)}")
    here = destination(context)
    if not kind:
        return _overview(context, here)
    routing = context.tools.routing
    if not mode:
        return kind_card(kind, routing.mode(here, kind), KINDS[kind], modes=MODES)
    return await set_mode(context, here, kind, mode)


async def set_mode(context: Context, here: str, kind: str, mode: str) -> Card:
    require_own(context)
    if kind in REQUIRED and mode in (OFF, DIGEST) and not _told_elsewhere(context, here, kind):
        raise Misuse(f"{kind} alerts cannot be {mode} in the only place where you hear of them: {_RISK}. They can be "
                     "silent.")  # fmt: skip
    routing = context.tools.routing
    try:
        before = routing.change(here, kind, mode)
    except ValueError:
        raise Misuse(f"{kind} alerts cannot be {mode}: {_RISK}. They can be silent.") from None
    try:
        await context.tools.preferences.put(here, kind, mode)
    except GavelError:
        routing.change(here, kind, before)  # what is not kept does not hold
        raise
    await _tell(context, here, kind, before, mode)
    return kind_card(kind, mode, KINDS[kind], modes=MODES, before=before)


def _overview(context: Context, here: str) -> Card:
    routing, wishes, owner = context.tools.routing, context.tools.wishes, context.owner
    elsewhere = {stream: goes_to for stream, goes_to in routing.streams(here).items() if goes_to != here}
    wanted = {name: wishes.get(owner, name) or wish.default for name, wish in WISHES.items()}
    told = Told(
        place=here,
        active=here in routing.destinations,
        modes=routing.modes(here),
        streams=elsewhere,
        wishes=wanted,
    )
    return alerts_card(told, KINDS)


# --- where it is told -----------------------------------------------------------------------------------------------


@command(
    "alerts here",
    help="Make this place one that is told alerts, or no longer",
    role=Role.VIEWER,
    effect=Effect.OWN,
    example="/alerts here on",
    args=(OneOf(name="switch", help="Whether it is told any", known=("on", "off"), required=True),),
)
async def here(context: Context, switch: str) -> Card:
    require_own(context)
    routing, on = context.tools.routing, switch == "on"
    place = context.place if on else destination(context)
    if on == (place in routing.destinations):
        return place_card(place, told=on, news=False)
    if not on:
        _require_told_elsewhere(context, place)
    await context.tools.preferences.put_destination(place, active=on, by=context.by)
    _ = routing.add(place) if on else routing.remove(place)
    await _tell(context, place, "all", "off" if on else "on", switch)
    return place_card(place, told=on, news=True)


def _require_told_elsewhere(context: Context, place: str) -> None:
    for kind in sorted(REQUIRED):
        if not _told_elsewhere(context, place, kind):
            raise Misuse(
                f"this is the only place where {kind} alerts are heard, and {_RISK}: switch another one on first, "
                "or make the others here silent or off, kind by kind"
            )


@command(
    "alerts stream",
    help="Tell one stream of this chat's alerts in this topic or thread, or back at home",
    role=Role.OPERATOR,
    effect=Effect.OWN,
    example="/alerts stream risk home",
    args=(
        OneOf(name="stream", help="Which alerts", known=STREAMS, required=True),
        OneOf(name="where", help="In this topic or thread, or in the chat itself", known=(_HERE, _HOME), required=True),
    ),
)
async def stream(context: Context, stream: str, where: str) -> Card:
    routing, home = context.tools.routing, _home_of_stream(context)
    if where == _HERE and home == context.place:
        raise Misuse("this is no topic, thread or channel beside the one that is told alerts: type it in one")
    goes_to = context.place if where == _HERE else ""
    await context.tools.preferences.put_stream(home, stream, goes_to, by=context.by)
    before, after = routing.set_stream(home, stream, goes_to), goes_to or home
    if before != after:
        await _tell(context, home, f"stream {stream}", before, after)
    return stream_card(stream, home, before, after)


def _home_of_stream(context: Context) -> str:
    """The destination that this place belongs to. A Discord server has one channel for alerts, and others beside it."""
    home = destination(context)
    known = context.tools.routing.destinations
    if home in known or not context.place.startswith("discord:"):
        return home
    channels = [d for d in known if d.startswith("discord:") and not d.startswith("discord:@")]
    return channels[0] if len(channels) == 1 and not context.private else home
