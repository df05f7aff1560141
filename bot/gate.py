"""The one gate in front of every message, tap, form and suggestion: who, what role, which command, and an audit."""

import logging
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice

import bot.commands  # noqa: F401 - fills the catalogue
from bot.arguments import SUGGESTED
from bot.audit import Stance, differences, stance
from bot.catalogue import COMMANDS, BadArguments, Entry, actions, find, nearest, read
from bot.reach import Context, Tools
from bot.render.words import card, clock, dressed, with_line
from bot.surface import AGAIN, ASK, CANCEL, CONFIRM, STOP, Button, Card, Identity, MenuLine, Request, Role
from storage.confirmations import Refused, Why
from trading.errors import GavelError, Misuse
from trading.events import AccessRefused, CommandRun, Event

log = logging.getLogger(__name__)

PRIVATE = card("This desk is private.")
SAFE = frozenset({"halt"})  # obeyed even where other commands are refused: it is the safe direction
_TITLE = 52  # characters of a fault that a title holds beside the desk's mode
_TEXT_KEPT = 200  # of a request, in the journal
_CODE = re.compile(r"\d{4,6}")

Trouble = Callable[[str], str]  # platform -> why its commands are refused now; "" where they are not


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
    """Implements Service. `trouble`: platforms whose commands cannot be trusted to reach this process alone."""

    def __init__(
        self, tools: Tools, commands: Mapping[str, Entry] = COMMANDS, *, trouble: Trouble = lambda _: ""
    ) -> None:
        self._tools = tools
        self._commands = commands
        self._trouble = trouble
        self._strangers = _Strangers()

    # --- requests -----------------------------------------------------------------------------------------------

    async def handle(self, request: Request) -> Card | None:
        """The answer, or None where silence is the answer. Raises nothing of its own."""
        context = self._context(request)
        if context is None:
            return await self._turn_away(request)
        before = self._stance()
        answer = await self._guarded(context, request)
        written = await self._audit(context, request, answer.result, before)
        shown = (
            answer.card if written else with_line(answer.card, "The journal takes no entries: this was not audited.")
        )
        return dressed(shown, context.about)

    def _context(self, request: Request) -> Context | None:
        grant = self._tools.people.grant(request.who, request.place)
        if grant is None:
            return None
        return Context(
            tools=self._tools,
            who=request.who,
            person=grant.person,
            role=grant.role,
            place=request.place,
            private=request.private,
            at=request.at,
        )

    async def _turn_away(self, request: Request) -> Card | None:
        count = self._strangers.count(request.who.key, request.at)
        if count <= self._strangers.written:
            await self._tell(
                AccessRefused(
                    at=self._tools.desk.now(),
                    who=f"{request.who.name[:40]} ({request.who.key})" if request.who.name else request.who.key,
                    place=request.place,
                    text=_said(request),
                    reason="not on the list of users" + (" (tapped a button)" if request.button else ""),
                )
            )
        return PRIVATE if count == 1 else None

    async def _guarded(self, context: Context, request: Request) -> _Answer:
        try:
            return await self._answer(context, request)
        except Misuse as refusal:
            said = replace(card("refused", str(refusal)), refused=True)
            return _Answer(card=said, result=f"refused: {refusal}")
        except Exception:
            error = secrets.token_hex(4)
            log.exception("error %s in %r", error, _said(request))
            words = "Something went wrong inside. The log has the details under this id."
            return _Answer(card=card(f"error {error}", words), result=f"error {error}")

    async def _answer(self, context: Context, request: Request) -> _Answer:
        button, line = request.button, _line_of(request)
        self._require_trust(context, line)
        if button.startswith(CONFIRM):
            typed, tapped_in = request.text.strip(), request.place
            return await self._confirmed(context, button.removeprefix(CONFIRM), request.at, typed, tapped_in)
        if button.startswith(CANCEL):
            return await self._cancelled(context, button.removeprefix(CANCEL))
        if button.startswith(STOP):
            return self._stopped(context, button.removeprefix(STOP))
        if _CODE.fullmatch(line):
            return await self._coded(context, line, request.at)
        return await self._typed(context, line)

    def _require_trust(self, context: Context, line: str) -> None:
        why = self._trouble(context.who.platform)
        if why and find(line, self._commands)[0] not in [self._commands.get(name) for name in SAFE]:
            raise Misuse(f"Commands from here are refused: {why}. /halt is obeyed all the same.")

    # --- confirmations ------------------------------------------------------------------------------------------

    async def _coded(self, context: Context, code: str, at: datetime) -> _Answer:
        """A code that was typed as a message of its own answers the newest question of this person that wants it."""
        asked = [q for q in await self._tools.confirmations.open_for(context.person) if q.code]
        meant = next((q for q in asked if q.code == code), asked[0] if asked else None)
        if meant is None:
            nothing = card("no question is open here", "No code is being waited for from you.")
            return _Answer(card=nothing, result="refused: no open question")
        return await self._confirmed(context, meant.token, at, code)

    async def _confirmed(self, context: Context, token: str, at: datetime, typed: str, tapped_in: str = "") -> _Answer:
        await self._require_role(context, token)
        taken = await self._tools.confirmations.take(token, context.person, typed, tapped_in=tapped_in)
        if isinstance(taken, Refused):
            raise Misuse(self._refusal(taken, context))
        first = "" if taken.asked_by == context.person else taken.asked_by
        context = replace(context, confirmed=True, quoted=taken.quoted, asked_by=first)
        answer = await self._typed(context, taken.command)
        done = _first_line(taken.command)
        signed = f"{done}, confirmed by {context.by}, {clock(at, zone=context.about.zone)}"
        return _Answer(card=with_line(answer.card, signed), result=f"{answer.result}: {done}")

    async def _cancelled(self, context: Context, token: str) -> _Answer:
        await self._require_role(context, token)
        gone = await self._tools.confirmations.cancel(token, context.person, tapped_in=context.place)
        if isinstance(gone, Refused):
            raise Misuse(self._refusal(gone, context))
        left = _first_line(gone.command)
        return _Answer(card=card("cancelled", f"{left}: nothing was done"), result=f"cancelled: {left}")

    def _stopped(self, context: Context, token: str) -> _Answer:
        leads = context.role >= Role.OPERATOR
        left = self._tools.growths.stop(token, person=context.person, by=context.by, leads=leads)
        return _Answer(card=left, result="stopped")

    async def _require_role(self, context: Context, token: str) -> None:
        """Who may not run the command may not use its question up either: one that waits for a second person is open
        to whoever taps it."""
        asked = next((q for q in await self._tools.confirmations.open_for(context.person) if q.token == token), None)
        entry = find(asked.command, self._commands)[0] if asked else None
        if entry is not None:
            context.need(entry.role, f"/{entry.path}")

    def _refusal(self, refused: Refused, context: Context) -> str:
        at = "" if refused.at is None else clock(refused.at, zone=context.about.zone)
        match refused.reason:
            case Why.NOT_YOURS:
                return f"only {refused.by} can answer this question"
            case Why.YOURS:
                return "a second person has to answer this: you asked"
            case Why.EXPIRED:
                return f"this question expired at {at}; ask again"
            case Why.WRONG_CODE:
                return "that is not the code; the question is still open"
            case Why.CONFIRMED | Why.CANCELLED:
                return f"{refused.reason} by {refused.by} at {at}"
            case _:
                return "no such question is open"

    # --- commands -----------------------------------------------------------------------------------------------

    async def _typed(self, context: Context, text: str) -> _Answer:
        line = _tidy(text)
        if line.lower() in ("yes", "no"):
            nothing = card("no question is open here", "It may have been answered, or another command came between.")
            return _Answer(card=nothing, result="refused: no open question")
        if not line.startswith("/"):
            return _Answer(card=card("commands begin with /", "/help lists them"), result="refused: not a command")
        entry, words = find(line, self._commands)
        if entry is None:
            return self._unknown(line.removeprefix("/").split(maxsplit=1)[0] if line != "/" else "")
        context.need(entry.role, f"/{entry.path}")
        try:
            made = await entry.run(replace(context, typed=line), **read(entry, words, self._tools))
        except BadArguments as fault:
            hint = self._action_meant(entry, words)
            said = replace(_misunderstood(entry, str(fault), hint), private=not context.private)
            return _Answer(card=said, result=f"refused: {fault}")
        made = replace(made, private=entry.private and not context.private)
        return _Answer(card=made, result="confirmation asked" if made.token else "done")

    def _action_meant(self, entry: Entry, words: str) -> str:
        """For "/users ad telegram:7"."""
        known = [e.path.partition(" ")[2] for e in actions(entry.path, self._commands)]
        close = nearest(words.partition(" ")[0].lower(), known)
        return f"Did you mean /{entry.path} {close}?" if close else ""

    def _unknown(self, name: str) -> _Answer:
        close = nearest(name.lower(), [path for path in self._commands if " " not in path])
        hint = f"Did you mean /{close}?" if close else "/help lists the commands"
        buttons = (Button(label=f"/{close}", data=f"{ASK}/{close}"),) if close else ()
        return _Answer(card=card(f"no command /{name[:30]}", hint, buttons=buttons), result="refused: unknown command")

    async def _audit(self, context: Context, request: Request, result: str, before: Stance) -> bool:
        after = self._stance()
        changes = differences(before, after) if before and after else ()
        at = self._tools.desk.now()
        return await self._tell(
            CommandRun(at=at, who=context.by, place=context.place, text=_said(request), result=result, changes=changes)
        )

    def _stance(self) -> Stance:
        """Empty where the desk cannot say how it stands: that is no reason not to halt it."""
        try:
            return stance(self._tools.desk.status())
        except Exception:
            log.exception("how the desk stands is not known")
            return {}

    async def _tell(self, event: Event) -> bool:
        try:
            await self._tools.desk.tell(event)
        except GavelError:
            log.exception("not journalled: %s", type(event).__name__)
            return False
        return True

    # --- what a chat shows of the catalogue -----------------------------------------------------------------------

    async def shown(self, card: Card, destination: str, reference: str) -> None:
        """Remember where a question stands. A journal that does not take it costs only the greying out."""
        if card.token:
            try:
                await self._tools.confirmations.shown(card.token, destination, reference)
            except GavelError:
                log.exception("where a question stands was not written")

    def growing(self, card: Card, every: float) -> AsyncGenerator[Card, None]:
        return self._tools.growths.cards(card.grows, every)

    def suggest(self, request: Request, command: str, argument: str, typed: str) -> tuple[str, ...]:
        context, entry = self._context(request), self._commands.get(command)
        if context is None or entry is None or context.role < entry.role:
            return ()
        wanted = next((a for a in entry.args if a.name == argument), None)
        found = wanted.suggest(typed, self._tools) if wanted else ()
        return tuple(islice(dict.fromkeys(found), SUGGESTED))

    def menu(self, role: Role | None) -> tuple[MenuLine, ...]:
        mine = (e for e in self._commands.values() if role is not None and e.role <= role and " " not in e.path)
        return tuple(MenuLine(name=e.name, help=e.help) for e in mine)

    def members(self, platform: str) -> tuple[tuple[Identity, Role], ...]:
        return self._tools.people.members(platform)

    def dark(self, destination: str) -> bool:
        return self._tools.wishes.dark(self._tools.people.owner(destination))


def _line_of(request: Request) -> str:
    """The command that a request carries: typed, or on a button. An answer to a question carries none, and what nobody
    made a button of neither."""
    if request.button.startswith((ASK, AGAIN)):
        return _tidy(request.button.partition(":")[2])
    return "" if request.button else _tidy(request.text)


def _tidy(text: str) -> str:
    """Without the bot's name, "/halt@OurBot" in a group; and one space after the command, whatever was typed there."""
    return re.sub(r"^(/\w+)(?:@\w+)?\s*", r"\1 ", text.strip()).strip()


def _said(request: Request) -> str:
    """What the journal keeps of a request. A code that was typed is not worth keeping, its question is."""
    said = (request.button or request.text)[:_TEXT_KEPT]
    return said.encode(errors="replace").decode()  # half a surrogate pair cannot be written down


def _first_line(command: str) -> str:
    """What the card and the audit keep of a command: a playbook that was pasted behind it is not said again."""
    return command.partition("\n")[0][:_TEXT_KEPT]


def _misunderstood(entry: Entry, fault: str, hint: str) -> Card:
    """What is too long for a title stands under it whole, not twice."""
    title, said = f"/{entry.path}: {fault}", ""
    if len(title) > _TITLE:
        title, said = f"/{entry.path}: not understood", fault
    return card(title, said, hint, f"Usage: {entry.usage}", f"Example: {entry.example}")
