"""The one gate in front of every message AND every button: who, what role, which command, and an audit of each."""

import logging
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import bot.commands  # noqa: F401 - fills the catalogue
from bot.catalogue import COMMANDS, BadArguments, Context, Entry, Tools, nearest
from bot.render.words import card, clock, dressed
from bot.surface import Button, Card, Request, Role
from storage.confirmations import Refused, Why
from trading.errors import GavelError, Misuse
from trading.messages import AccessRefused, CommandRun, Event

log = logging.getLogger(__name__)

PRIVATE = card("This desk is private.")
_TITLE = 52  # characters of a fault that a title holds beside the desk's mode
_TEXT_KEPT = 200  # of a request, in the journal

Access = Mapping[str, Role]  # by Identity.key; who is not in it has no access


def access_for(telegram_users: Iterable[int] = ()) -> dict[str, Role]:
    """The owner of the terminal, and the people named in the settings."""
    return {"console:owner": Role.ADMIN, **{f"telegram:{user}": Role.ADMIN for user in telegram_users}}


@dataclass(slots=True)
class _Knock:
    since: datetime
    count: int = 0


@dataclass(slots=True)
class _Strangers:
    """How often each stranger has knocked within a minute, so that none can flood the chat or the journal."""

    window: timedelta = timedelta(minutes=1)
    written: int = 10  # knocks within a window that are journalled
    _seen: dict[str, _Knock] = field(default_factory=dict)

    def count(self, who: str, at: datetime) -> int:
        if len(self._seen) > 1000:
            self._seen = {k: v for k, v in self._seen.items() if at - v.since < self.window}
        knock = self._seen.get(who)
        if knock is None or at - knock.since >= self.window:
            knock = self._seen[who] = _Knock(since=at)
        knock.count += 1
        return knock.count


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    card: Card
    result: str


class Surface:
    """Every message and every tap of every chat goes through `handle`."""

    def __init__(self, tools: Tools, access: Access, commands: Mapping[str, Entry] = COMMANDS) -> None:
        self._tools = tools
        self._access = access
        self._commands = commands
        self._strangers = _Strangers()

    async def handle(self, request: Request) -> Card | None:
        """The answer, or None where silence is the answer. Raises nothing of its own."""
        role = self._access.get(request.who.key)
        if role is None:
            return await self._turn_away(request)
        context = Context(tools=self._tools, who=request.who, role=role, place=request.place)
        answer = await self._guarded(context, request)
        written = await self._audit(context, request, answer.result)
        shown = (
            answer.card if written else _with_line(answer.card, "The journal takes no entries: this was not audited.")
        )
        return dressed(shown, self._tools.about)

    async def _turn_away(self, request: Request) -> Card | None:
        count = self._strangers.count(request.who.key, request.at)
        if count <= self._strangers.written:
            await self._tell(
                AccessRefused(
                    at=self._tools.desk.now(),
                    who=f"{request.who.name[:40]} ({request.who.key})" if request.who.name else request.who.key,
                    place=request.place,
                    text=(request.text or request.button)[:_TEXT_KEPT],
                    reason="not on the list of users" + (" (tapped a button)" if request.button else ""),
                )
            )
        return PRIVATE if count == 1 else None

    async def _guarded(self, context: Context, request: Request) -> _Answer:
        try:
            return await self._answer(context, request)
        except Misuse as refusal:
            return _Answer(card=card("refused", str(refusal)), result=f"refused: {refusal}")
        except Exception:
            error = secrets.token_hex(4)
            log.exception("error %s in %r", error, (request.text or request.button)[:_TEXT_KEPT])
            words = "Something went wrong inside. The log has the details under this id."
            return _Answer(card=card(f"error {error}", words), result=f"error {error}")

    async def _answer(self, context: Context, request: Request) -> _Answer:
        kind, _, data = request.button.partition(":")
        if kind == "cf":
            return await self._confirmed(context, data, request.at)
        if kind == "no":
            return await self._cancelled(context, data)
        return await self._typed(context, data if kind == "do" else request.text)

    async def _confirmed(self, context: Context, token: str, at: datetime) -> _Answer:
        taken = await self._tools.confirmations.take(token, context.who.key)
        if isinstance(taken, Refused):
            raise Misuse(self._refusal(taken))
        answer = await self._typed(replace(context, confirmed=True), taken.command)
        signed = f"{taken.command}, confirmed by {context.by}, {clock(at, zone=self._tools.about.zone)}"
        return _Answer(card=_with_line(answer.card, signed), result=f"{answer.result}: {taken.command}")

    async def _cancelled(self, context: Context, token: str) -> _Answer:
        gone = await self._tools.confirmations.cancel(token, context.who.key)
        if isinstance(gone, Refused):
            raise Misuse(self._refusal(gone))
        return _Answer(card=card("cancelled", f"{gone.command}: nothing was done"), result=f"cancelled: {gone.command}")

    def _refusal(self, refused: Refused) -> str:
        when = "" if refused.at is None else f" at {clock(refused.at, zone=self._tools.about.zone)}"
        match refused.reason:
            case Why.NOT_YOURS:
                return "only the person who asked for it can answer this"
            case Why.EXPIRED:
                return f"this question ended{when}; ask again"
            case Why.CONFIRMED | Why.CANCELLED:
                return f"{refused.reason} by {refused.by}{when}"
            case Why.UNKNOWN:
                return "no such question is open"

    async def _typed(self, context: Context, text: str) -> _Answer:
        word, _, args = text.strip().partition(" ")
        name = word.removeprefix("/").partition("@")[0].lower()  # "/halt@OurBot" in a group
        if text.strip().lower() in ("yes", "no"):
            nothing = card("no question is open here", "It may have been answered, or another command came between.")
            return _Answer(card=nothing, result="refused: no open question")
        if not word.startswith("/"):
            return _Answer(card=card("commands begin with /", "/help lists them"), result="refused: not a command")
        entry = self._commands.get(name)
        if entry is None:
            return self._unknown(name)
        context.need(entry.role, f"/{name}")
        try:
            made = await entry.run(context, args.strip())
        except BadArguments as fault:
            shown = _misunderstood(entry, str(fault))
            return _Answer(card=shown, result=f"refused: {fault}")
        asked = any(button.data.startswith("cf:") for button in made.buttons)
        return _Answer(card=made, result="confirmation asked" if asked else "done")

    def _unknown(self, name: str) -> _Answer:
        close = nearest(name, self._commands)
        hint = f"Did you mean /{close}?" if close else "/help lists the commands"
        buttons = (Button(label=f"/{close}", data=f"do:/{close}"),) if close else ()
        return _Answer(card=card(f"no command /{name}", hint, buttons=buttons), result="refused: unknown command")

    async def _audit(self, context: Context, request: Request, result: str) -> bool:
        text = (request.text or request.button)[:_TEXT_KEPT]
        at = self._tools.desk.now()
        return await self._tell(CommandRun(at=at, who=context.by, place=context.place, text=text, result=result))

    async def _tell(self, event: Event) -> bool:
        try:
            await self._tools.desk.tell(event)
        except GavelError:
            log.exception("not journalled: %s", type(event).__name__)
            return False
        return True


def _misunderstood(entry: Entry, fault: str) -> Card:
    """What is too long for a title stands under it whole, not twice."""
    title, said = f"/{entry.name}: {fault}", ""
    if len(title) > _TITLE:
        title, said = f"/{entry.name}: not understood", fault
    return card(title, said, f"Usage: {entry.usage}", f"Example: {entry.example}")


def _with_line(given: Card, line: str) -> Card:
    return card(given.title, *given.lines, line, detail=given.detail, buttons=given.buttons)
