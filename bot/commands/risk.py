"""What holds the desk back: the circuit breaker, and what all positions together come to."""

from datetime import timedelta

from bot.catalogue import BadArguments, Context, command
from bot.commands.lookup import duration_in, one_of
from bot.render.market import exposure_card
from bot.render.risk import MEANS, breaker_card, breaker_lines, override_words
from bot.render.words import card, clock, span
from bot.surface import Button, Card, Role
from trading.breaker import BreakerView, Level
from trading.errors import Misuse
from trading.messages import OverrideBreaker, ResetBreaker
from trading.playbook import span_text

_LONGEST = timedelta(hours=24)
_LEVELS = tuple(level.name.lower() for level in Level)
_SHOW = Button(label="Breaker", data="do:/breaker")


@command(
    "exposure",
    help="Each limit with its use, heat, and how alike the open assets move",
    usage="/exposure",
    role=Role.VIEWER,
    example="/exposure",
)
async def exposure(context: Context, _: str) -> Card:
    return exposure_card(context.desk.exposure())


@command(
    "breaker",
    help="The circuit breaker; reset (operators) and override (admins) ask first",
    usage="/breaker [reset | override LEVEL for DURATION]",
    role=Role.VIEWER,
    example="/breaker override alert for 30m",
)
async def breaker(context: Context, args: str) -> Card:
    now = context.desk.status()
    what, _, rest = args.strip().partition(" ")
    if not what:
        return breaker_card(now.breaker, now.at)
    match one_of(what, ("reset", "override"), "action"):
        case "reset":
            return await _reset(context, now.breaker)
        case _:
            return await _override(context, now.breaker, rest)


async def _reset(context: Context, view: BreakerView) -> Card:
    context.need(Role.OPERATOR, "/breaker reset")
    at = context.desk.now()
    if view.measured is Level.CLOSED:
        held = f"; the override stays: {override_words(view.override, at)}" if view.override else ""
        raise Misuse(f"the breaker is CLOSED already: there is nothing to reset{held}")
    was = breaker_lines(view, at)
    if context.confirmed:
        done = await context.desk.obey(ResetBreaker(by=context.by))
        return card("breaker reset", done, "At the tap:", *was, buttons=(_SHOW,))
    stays = f"The override stays: {override_words(view.override, at)}" if view.override else ""
    return await context.ask(
        "/breaker reset",
        "reset the breaker?",
        f"Changes: {view.measured.name} -> CLOSED. {MEANS[Level.CLOSED]}",
        "It trips again where the reason still stands.",
        stays,
        *was,
    )


def _level_and_time(text: str) -> tuple[Level, timedelta]:
    words = [w for w in text.split() if w.lower() not in ("for", "to")]
    if not words:
        raise BadArguments(f"which level? known: {', '.join(_LEVELS)}")
    level = Level[one_of(words[0], _LEVELS, "level").upper()]
    return level, duration_in(" ".join(words[1:]), most=_LONGEST)


async def _override(context: Context, view: BreakerView, text: str) -> Card:
    context.need(Role.ADMIN, "/breaker override")
    level, lasts = _level_and_time(text)
    at = context.desk.now()
    if context.confirmed:
        done = await context.desk.obey(OverrideBreaker(level=level, lasts=lasts, by=context.by))
        return card(f"breaker overridden: {level.name}", done, MEANS[level], buttons=(_SHOW,))
    looser = f"It is looser than what is measured: {view.measured.name}." if level < view.measured else ""
    return await context.ask(
        f"/breaker override {level.name.lower()} for {span_text(lasts)}",
        f"override the breaker with {level.name}?",
        f"Changes: {view.level.name} -> {level.name}, for {span(lasts)}, until {clock(at + lasts, today=at)}",
        MEANS[level],
        looser,
        "It ends by itself. A new SHUTDOWN ends it at once, and it cannot hide a broken journal or broken books.",
        *breaker_lines(view, at),
    )
