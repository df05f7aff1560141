"""A second person's yes, where one is not enough: after SHUTDOWN, as long as there are two admins to look at it."""

from datetime import timedelta

from bot.reach import Context
from bot.render.orders import approval_card
from bot.surface import Card, Role
from trading.breaker import BreakerView, Level
from trading.errors import Misuse
from trading.events import ApprovalAsked

_TERMINAL = "console:"
APPROVE_FOR = timedelta(minutes=10)  # longer than one's own question stands: the other one has to be reached


def admins(context: Context) -> int:
    """Those who can be reached in a chat. Whoever sits at the terminal is an admin too, but may well be one of them,
    and nobody may sit there: he can say the second yes, and none waits for him."""
    everybody = context.tools.people.all()
    reached = (p for p in everybody if any(not key.startswith(_TERMINAL) for key in p.accounts))
    return sum(person.role >= Role.ADMIN for person in reached)


def two_needed(context: Context, breaker: BreakerView) -> bool:
    return breaker.measured is Level.SHUTDOWN and admins(context) >= 2


def how_many(context: Context, breaker: BreakerView) -> str:
    """What the question says about it; nothing where the breaker is not at SHUTDOWN."""
    if breaker.measured is not Level.SHUTDOWN:
        return ""
    if two_needed(context, breaker):
        return "After SHUTDOWN two people have to say yes: your yes asks somebody else for his."
    return "One yes is enough: there is only one admin in the chats."


async def second_yes(context: Context, breaker: BreakerView, command: str, *, least: Role, what: str) -> Card | None:
    """The question for somebody else, where it has to be asked now; None: every yes that is needed has been said.

    `what`: what he is asked to approve, "reset the breaker".
    """
    if context.asked_by or not two_needed(context, breaker):
        _require_first(context, least)
        return None
    token = await context.tools.confirmations.ask(
        owner=context.person,
        place=context.place,
        command=command,
        summary=what,
        ttl=APPROVE_FOR,
        others=True,
    )
    until = (context.at or context.desk.now()) + APPROVE_FOR
    asked = ApprovalAsked(at=context.desk.now(), by=context.by, what=what, token=token, until=until)
    await context.desk.tell(asked)
    return approval_card(asked, context.about)


def said_by(context: Context) -> str:
    """Who is behind what is done now: both, where there are two."""
    return f"{context.asked_by} and {context.by}" if context.asked_by else context.by


def _require_first(context: Context, least: Role) -> None:
    """Who asked may have lost his role before the second one answered."""
    if context.asked_by:
        first = context.tools.people.named(context.asked_by)
        if first is None or first.role < least:
            raise Misuse(f"{context.asked_by}, who asked, may not do this any more; ask again yourself")
