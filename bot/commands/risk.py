"""What holds the desk back: the circuit breaker, and what all positions together come to."""

from datetime import timedelta

from bot.arguments import Duration, OneOf
from bot.catalogue import Effect, command
from bot.commands.second import how_many, said_by, second_yes
from bot.reach import Context
from bot.render.market import exposure_card
from bot.render.pictures import exposure_picture
from bot.render.risk import MEANS, breaker_card, breaker_lines, override_words
from bot.render.words import card, clock, span
from bot.surface import Button, Card, Role
from trading.breaker import BreakerView, Level
from trading.errors import Misuse
from trading.messages import EndOverride, OverrideBreaker, ResetBreaker
from trading.playbook import span_text

_LONGEST = timedelta(hours=24)
_LEVELS = tuple(level.name.lower() for level in Level)
_SHOW = Button(label="Breaker", data="do:/breaker")


@command(
    "exposure",
    help="Each limit with its use, heat, and how alike the open assets move",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/exposure",
)
async def exposure(context: Context) -> Card:
    view = context.desk.exposure()
    return exposure_card(view, exposure_picture(view, context.desk.status().positions))


@command(
    "breaker",
    help="The circuit breaker: its level, why, what still works, the way down",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/breaker",
)
async def breaker(context: Context) -> Card:
    now = context.desk.status()
    return breaker_card(now.breaker, now.at, context.about.zone)


# --- reset ----------------------------------------------------------------------------------------------------------


@command(
    "breaker reset",
    help="Back to CLOSED; after SHUTDOWN two people say yes, where there are two admins",
    role=Role.OPERATOR,
    effect=Effect.ASKS,
    example="/breaker reset",
    args=(OneOf(name="level", help="The worst level that is meant; without it the one there is", known=_LEVELS[1:]),),
)
async def reset(context: Context, level: str = "") -> Card:
    view, at, zone = context.desk.status().breaker, context.desk.now(), context.about.zone
    override = override_words(view.override, at, zone) if view.override else ""
    if view.measured is Level.CLOSED:
        held = f"; the override stays: {override}" if override else ""
        raise Misuse(f"the breaker is CLOSED already: there is nothing to reset{held}")
    if level and Level[level.upper()] < view.measured:
        raise Misuse(f"the breaker has gone to {view.measured.name} meanwhile: /breaker reset shows it as it is now")
    line = f"/breaker reset {view.measured.name.lower()}"  # so that what is reset is what was shown
    if context.confirmed:
        return await _reset(context, view, line)
    return await context.ask(
        line,
        "reset the breaker?",
        f"Changes: {view.measured.name} -> CLOSED. {MEANS[Level.CLOSED]}",
        "It trips again where the reason still stands.",
        f"The override stays: {override}" if override else "",
        how_many(context, view),
        *breaker_lines(view, at, zone),
    )


async def _reset(context: Context, view: BreakerView, line: str) -> Card:
    asked = await second_yes(context, view, line, least=Role.OPERATOR, what="reset the breaker")
    if asked is not None:
        return asked
    was = breaker_lines(view, context.desk.now(), context.about.zone)
    done = await context.desk.obey(ResetBreaker(by=said_by(context)))
    return card("breaker reset", done, "At the tap:", *was, buttons=(_SHOW,))


# --- override -------------------------------------------------------------------------------------------------------


@command(
    "breaker override",
    help="Put a level in force for a while, whatever is measured",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/breaker override alert for 30m",
    args=(
        OneOf(name="level", help="The level to put in force", known=_LEVELS, required=True),
        Duration(name="lasts", help="For how long", required=True, most=_LONGEST),
    ),
)
async def override(context: Context, level: str, lasts: timedelta) -> Card:
    view, at, wanted = context.desk.status().breaker, context.desk.now(), Level[level.upper()]
    line, enters = f"/breaker override {level} for {span_text(lasts)}", wanted < Level.HALT
    if context.confirmed:
        what = f"override SHUTDOWN with {wanted.name}"
        if enters and (asked := await second_yes(context, view, line, least=Role.ADMIN, what=what)):
            return asked
        done = await context.desk.obey(OverrideBreaker(level=wanted, lasts=lasts, by=said_by(context)))
        return card(f"breaker overridden: {wanted.name}", done, MEANS[wanted], buttons=(_SHOW,))
    zone = context.about.zone
    until = clock(at + lasts, today=at, zone=zone)
    return await context.ask(
        line,
        f"override the breaker with {wanted.name}?",
        f"Changes: {view.level.name} -> {wanted.name}, for {span(lasts)}, until {until}",
        MEANS[wanted],
        f"It is looser than what is measured: {view.measured.name}." if wanted < view.measured else "",
        "It ends by itself. A new SHUTDOWN ends it at once, and it cannot hide a broken journal or broken books.",
        how_many(context, view) if enters else "",
        *breaker_lines(view, at, zone),
    )


@command(
    "breaker end",
    help="End the override: what is measured is in force again",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/breaker end",
)
async def end(context: Context) -> Card:
    view, at, zone = context.desk.status().breaker, context.desk.now(), context.about.zone
    if view.override is None:
        raise Misuse("no override is in force: what is measured is")
    if context.confirmed:
        return card("override ended", await context.desk.obey(EndOverride(by=context.by)), buttons=(_SHOW,))
    return await context.ask(
        "/breaker end",
        "end the override?",
        f"Changes: {view.level.name} -> {view.measured.name}. {MEANS[view.measured]}",
        *breaker_lines(view, at, zone),
    )
