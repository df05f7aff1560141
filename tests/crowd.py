"""People of every role, and none, who try anything in every place over a real desk; and the judge of what came of it.

The judge knows nothing of the gate. It compares the desk, the people and their wishes before and after each request,
and allows a change only where the catalogue does: at once, in what is one's own, or after the yes of whoever was asked.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from bot.accounts import chat_of
from bot.audit import differences, stance
from bot.catalogue import COMMANDS, Argument, Effect, Entry, find
from bot.gate import PRIVATE, Surface
from bot.reach import Context, Grant, Tools
from bot.surface import AGAIN, ASK, CANCEL, CONFIRM, Button, Card, Identity, Request, Role
from tests.chat.house import IDS, House
from trading.events import CommandRun

WHO = ("ann", "otto", "vera", "bea", "eve")  # admin, operator, viewer; a second admin, or nobody yet; a stranger
PLACES = ("private", "room", "topic", "elsewhere")  # the room is listed: all who are in it may watch
PLATFORMS = ("telegram", "discord")
_PLACE = {
    ("telegram", "room"): "telegram:-1001",
    ("telegram", "topic"): "telegram:-1001/5",
    ("telegram", "elsewhere"): "telegram:-1002",
    ("discord", "room"): "discord:55",
    ("discord", "topic"): "discord:55/77",
    ("discord", "elsewhere"): "discord:56",
}
ROOMS = ("telegram:-1001", "discord:#55")
_LISTED = ("telegram:-1001", "discord:55")

# What each command may change of the world, by the beginnings of its keys. What is not here changes nothing.
_SETTINGS = ("settings version", "setting ", "phase", "playbook")
_MAY_CHANGE: dict[str, tuple[str, ...]] = {
    "halt": ("trading",),
    "pause": ("lock ",),
    "lock": ("lock ",),
    "unlock": ("lock ",),
    "resume": ("trading", "lock ", "breaker"),
    "close": ("position ",),
    "flatten": ("trading", "position ", "entry "),
    "enter": ("position ", "entry "),
    "users": ("person ",),
    "set": _SETTINGS,
    "undo": _SETTINGS,
    "reload": _SETTINGS,
    "phase": _SETTINGS,
    "playbook use": _SETTINGS,
    "playbook new": ("file ", "shadow "),
    "shadow": ("shadow ",),
    "breaker": ("breaker", "override"),
}
# What suits a kind of argument, beside what it suggests itself.
_WORDS: dict[str, tuple[str, ...]] = {
    "reason": ("news at noon", "for 1h 30m thin book"),
    "question": ("why this size for BTC", "last", "what would flip it"),
    "account": ("telegram:99", "discord:98", f"telegram:{IDS['vera']}", "telegram:-1003", "discord:#58"),
    "name": ("fresh", "calm.2", "Somebody New"),
    "settings": ("judge.min_confidence=0.95", "from desk judge.min_confidence=0.7", "flow=2"),
    "changes": ("max_positions=1", "max_hold=1h max_positions=3"),
    "value": ("0.7", "file", "6h", "2%", "3"),
    "n": ("1", "5", "30"),
    "version": ("0", "1"),
    "trade": ("last",),
    "playbook": ("desk", "sigma"),
    "by": ("pair", "by day page=1", "month csv"),
    "part": ("half", "0.01%"),
}
_TTL, _APPROVAL = timedelta(seconds=120), timedelta(minutes=10)
_CODE = re.compile(r"Type (\d+) to confirm")
State = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Move:
    """One thing that somebody does. Of `line`, `tap`, `answers` and `data` at most one is given; else `text` is sent as
    it is."""

    who: str = "ann"
    platform: str = "telegram"
    place: str = "private"
    line: str = ""  # a command's path, with a choice for each of its arguments: see Crowd.word
    choices: tuple[int | str | None, ...] = ()
    tap: int | None = None  # which of the buttons that anybody was ever shown
    answers: str = ""  # "own" or "others": yes to the newest question that he was asked, or somebody else
    cancels: bool = False  # no, and not yes
    data: str = ""  # of a button that nobody was shown
    text: str = ""  # typed; with a button into its form. "$code": what the question wants
    later: int = 0  # seconds that pass first


@dataclass(kw_only=True)
class _Question:
    asker: str
    entry: Entry
    code: str
    until: datetime
    by_another: bool  # somebody else has to answer
    over: bool = False


@dataclass
class Crowd:
    """`reached` and `confirmed`: how often each command was run, and run after a yes."""

    house: House
    reached: Counter[str] = field(default_factory=Counter)
    confirmed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.tools: Tools = self.house.service.surface._tools
        counted = {path: replace(entry, run=self._counting(entry)) for path, entry in COMMANDS.items()}
        self._surface = Surface(self.tools, counted)
        self._questions: dict[str, _Question] = {}
        self._buttons: list[tuple[Button, str]] = []  # with the code that its question wants
        self._answered = 0
        self.changed = False  # by the last request
        self._playbook: object = None
        self._settings: State = {}
        self._state: State = {}  # after the last request: nothing happens between two

    def _counting(self, entry: Entry) -> Callable[..., Any]:
        async def run(context: Context, **given: Any) -> Card:
            self.reached[entry.path] += 1
            card = await entry.run(context, **given)
            self.confirmed[entry.path] += context.confirmed
            return card

        return run

    # --- what is sent -----------------------------------------------------------------------------------------------

    def word(self, argument: Argument, choice: int | str | None) -> str:
        """A number chooses among what suits; a text stands as it is; nothing leaves the argument out."""
        if choice is None or isinstance(choice, str):
            return choice or ""
        suits = [*argument.choices, *islice(argument.suggest("", self.tools), 40), *_WORDS.get(argument.name, ())]
        return suits[choice % len(suits)] if suits else str(choice)

    def _request(self, move: Move) -> Request:
        id, private = IDS[move.who], move.place == "private"
        own = f"telegram:{id}" if move.platform == "telegram" else f"discord:@{id}"
        text, button = move.text, move.data
        if move.line:
            entry = COMMANDS[move.line]
            words = (self.word(a, c) for a, c in zip(entry.args, move.choices, strict=False))
            text = " ".join((f"/{move.line}", *filter(None, words)))
        if move.tap is not None and self._buttons:
            shown, code = self._buttons[move.tap % len(self._buttons)]
            text, button = code if text == "$code" else text, shown.data
        if move.answers:
            token = self._newest(move)
            text = text or (self._questions[token].code if token else "")
            button = f"{CANCEL if move.cancels else CONFIRM}{token}"
        return Request(
            who=Identity(platform=move.platform, id=id, name=move.who.capitalize()),
            place=own if private else _PLACE[move.platform, move.place],
            text=text,
            button=button,
            at=self.house.wall.now(),
            private=private,
        )

    def _newest(self, move: Move) -> str:
        person = self.tools.people.named(f"{move.platform}:{IDS[move.who]}")
        own = move.answers == "own"
        found = [t for t, q in self._questions.items() if (person is not None and q.asker == person.id) is own]
        return found[-1] if found else ""

    async def put(self, move: Move) -> Card | None:
        """Do it, and judge what came of it."""
        self.house.later(move.later)
        request = self._request(move)
        grant = self.tools.people.grant(request.who, request.place)
        before, allowed = self._state or self.state(), self._allowed(request, grant)
        card = await self._surface.handle(request)
        await self.house.bench.desk.settle()
        self._state = self.state()
        changes = differences(before, self._state)
        wrong = [change for change in changes if not any(change[0].startswith(key) for key in allowed)]
        assert wrong == [], f"{request}\nas {grant} has changed {wrong}\nand may change {allowed}"
        self._judge(request, grant, card)
        if card is not None and grant is not None:
            await self._remember(card, request, grant)
        self.changed = bool(changes)
        if self.changed and request.button.startswith(CONFIRM):
            self._questions[request.button.removeprefix(CONFIRM)].over = True
        return card

    async def settle(self) -> None:
        """Something was changed by somebody else."""
        await self.house.bench.desk.settle()
        self._state = self.state()

    def require_suggestions(self, move: Move, path: str, argument: str, typed: str) -> None:
        """Such as may be shown to him."""
        request = self._request(move)
        grant = self.tools.people.grant(request.who, request.place)
        found = self._surface.suggest(request, path, argument, typed)
        entry = COMMANDS.get(path)
        assert len(found) <= 25
        assert all(isinstance(word, str) for word in found)
        assert found == () or (entry is not None and grant is not None and grant.role >= entry.role)

    # --- the judge --------------------------------------------------------------------------------------------------

    def _judge(self, request: Request, grant: Grant | None, card: Card | None) -> None:
        if request.who.id == IDS["eve"]:
            watches = grant is not None and grant.role is Role.VIEWER and not request.private
            assert grant is None or (watches and chat_of(request.place) in _LISTED), grant
        if grant is None:
            assert card in (None, PRIVATE), f"{request}: {card}"
            return
        self._answered += 1
        assert card is not None, f"{request} is not answered"
        assert card.title.startswith("PAPER "), card.title
        assert not re.match("PAPER error [0-9a-f]{8}", card.title), f"{request}: {card.plain()}"
        assert len(card.title) <= 60, card.title
        assert all(len(button.data.encode()) <= 64 for button in card.buttons), card.buttons

    def _allowed(self, request: Request, grant: Grant | None) -> Sequence[str]:
        if grant is None:
            return ()
        answered = self._answers(request, grant)
        if answered is not None:
            return _may_change(answered)
        if request.button and not request.button.startswith((ASK, AGAIN)):
            return ()
        line = request.button.partition(":")[2] if request.button else request.text
        entry = find(re.sub(r"^(/\w+)(?:@\w+)?\s*", r"\1 ", line.strip()).strip())[0]
        if entry is None or not line.strip().startswith("/") or grant.role < entry.role:
            return ()
        if entry.effect is Effect.AT_ONCE:
            return _may_change(entry)
        return self._own(request, grant) if entry.effect is Effect.OWN else ()

    def _answers(self, request: Request, grant: Grant) -> Entry | None:
        """The command that is confirmed by this, where it is: by who was asked, in time, once, with the code."""
        mine = [(token, q) for token, q in self._questions.items() if self._is_open(q, grant)]
        if request.button.startswith(CONFIRM):
            wanted = request.button.removeprefix(CONFIRM)
            found = [q for token, q in mine if token == wanted and q.code in ("", request.text.strip())]
        else:
            found = [q for _, q in mine if q.code and not request.button and q.code == request.text.strip()]
        return found[0].entry if found else None

    def _is_open(self, question: _Question, grant: Grant) -> bool:
        mine = (question.asker != grant.person) is question.by_another
        in_time = self.house.wall.now() < question.until
        return mine and in_time and not question.over and grant.role >= question.entry.role

    def _own(self, request: Request, grant: Grant) -> Sequence[str]:
        """His own wishes, and what his own chat is told; where others read too, an operator chooses for all."""
        if not request.private and grant.role < Role.OPERATOR:
            return ()
        routing, chat = self.tools.routing, chat_of(request.place)
        homes = {request.place, routing.home(request.place)}
        homes |= {place for place in routing.destinations if chat_of(place) == chat}
        if not request.private:  # a channel may take a stream of the one that is told alerts
            homes |= {
                place for place in routing.destinations if re.match(r"discord:\d", place) and place[:7] == chat[:7]
            }
        owner = f"person:{grant.person}" if request.private else chat
        return (f"wish {owner} ", *(f"{what} {home} " for home in homes for what in ("alert", "stream", "told")))

    async def _remember(self, card: Card, request: Request, grant: Grant) -> None:
        code = _CODE.search(card.plain())
        self._buttons += [(button, code[1] if code else "") for button in card.buttons]
        if not card.token or card.token in self._questions:
            return
        by_another = request.button.startswith(CONFIRM)  # the second yes is asked for by the first
        asked = await self.house.confirmations.open_for("somebody else" if by_another else grant.person)
        line = next(q.command for q in asked if q.token == card.token)
        entry = find(line)[0]
        assert entry is not None, line
        self._questions[card.token] = _Question(
            asker=grant.person,
            entry=entry,
            code=code[1] if code else "",
            until=self.house.wall.now() + (_APPROVAL if by_another else _TTL),
            by_another=by_another,
        )

    # --- the world --------------------------------------------------------------------------------------------------

    def state(self) -> State:
        """All that anybody could have changed, in words."""
        tools, desk = self.tools, self.house.bench.desk
        status = tools.desk.status()
        routing, wishes = tools.routing, self.house.wishes
        said: State = dict(stance(status))
        said["override"] = repr(status.breaker.override)
        if tools.desk.playbook is not self._playbook:  # a frozen one
            self._playbook = tools.desk.playbook
            self._settings = {f"setting {line.key}": line.value for line in tools.desk.settings()}
        said |= self._settings
        said |= {f"shadow {name}": "on" for name in desk.book.state.beside}
        said |= {f"file {name}": "there" for name in tools.library.names()}
        said |= {f"person {person.id}": repr(person) for person in tools.people.all()}
        said |= {f"wish {owner} {wish}": value for (owner, wish), value in wishes._said.items()}
        said |= {f"alert {place} {kind}": mode for (place, kind), mode in routing._preferences.items()}
        said |= {f"stream {place} {stream}": to for (place, stream), to in routing._streams.items()}
        said |= {f"told {place} ": "on" for place in routing.destinations}
        return said

    async def audited(self) -> None:
        """Each request that was answered stands in the journal, once."""
        runs = [e for e in await self.house.queries.audit(10_000) if isinstance(e, CommandRun)]
        assert len(runs) == self._answered


def _may_change(entry: Entry) -> Sequence[str]:
    return _MAY_CHANGE.get(entry.path) or _MAY_CHANGE.get(entry.name, ())
