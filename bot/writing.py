"""A playbook from a wish in words: a model may change values of a known one, and code decides what stands.

What it says is held against the schema, and against the parent's own limits: they may become tighter, never looser.
Every fault goes back to the model once, then to the person. Nothing here writes a file.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from bot.limits import setting
from bot.playbook_file import amended_from
from bot.reach import Shelf
from trading.asking import NoAnswer, Prompt, Question, Strict
from trading.envelope import clean, enveloped
from trading.errors import BadPlaybook
from trading.playbook import Playbook, available
from trading.ports import LanguageModel
from trading.prompting import prompt
from trading.setting_lines import setting_lines
from trading.settings import words_of
from trading.state import DeskState

HOUSE = "desk"
WRITTEN_BY = "written by"
WITHIN = timedelta(seconds=30)
MOST_TOKENS = 2_048
_WISH, _VALUE, _IMPOSSIBLE, _FAULTS = 1_000, 400, 240, 2_000  # characters
_LINES = 60  # settings that one wish may change
_NAMES = re.compile(r"name|title|phases\.[^.]+\.name")
_MODELS = re.compile(r"panel\.[^.]+\.models?|judge\.model|validation\.model")

# What bounds a loss. Of the first a smaller value is tighter, of the others a larger one.
_CAPS = (
    "limits.max_leverage",
    "limits.max_risk",
    "limits.max_daily_loss",
    "limits.max_margin",
    "limits.max_trade",
    "limits.max_positions",
    "limits.stop_within",
    "sizing.leverage",
    "sizing.otherwise",
    "sizing.floor",
    "sizing.ceiling",
    "sizing.margin",
    "sizing.tier1.high",
    "sizing.tier2.high",
    "expectancy.max_risk",
    "expectancy.exploration",
    "expectancy.kelly",
    "portfolio.budget",
    "portfolio.asset",
    "portfolio.group",
    "portfolio.sector",
    *(f"breaker.day_loss.{level}" for level in ("alert", "throttle", "halt", "shutdown")),
)
_FLOORS = ("limits.wash_guard", "expectancy.enough", "breaker.throttle_confidence")

_EXAMPLE = """reasoning: Slower and more careful: it asks for more confidence and holds fewer positions.
changes:
judge.min_confidence = 0.7
limits.max_positions = 3
exits.max_hold = 12h
universe = BTC, ETH
impossible: no trades on Mondays
parent: desk
name: careful-two"""


class PlaybookAnswer(Strict):
    reasoning: str
    changes: str  # lines "dotted.key = value"
    impossible: str  # what no setting can express; "none"
    parent: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A playbook as a model would have it; it fits, and it is no looser than its parent."""

    book: Playbook
    parent: Playbook
    changes: dict[str, str]
    impossible: str  # "" where everything could be said
    model: str  # that wrote it, as it names itself: one word

    @property
    def command(self) -> str:
        """What is typed to have it made just so; values hold no "=", so that nothing in one becomes a setting."""
        pairs = " ".join(f"{key}={value}" for key, value in self.changes.items())
        return f"/playbook new {self.book.name} from {self.parent.name} {WRITTEN_BY} {self.model}: {pairs}"


class Undrafted(BadPlaybook):
    """What a model wrote does not fit, at the second attempt either; or none wrote anything."""


async def drafted(
    model: LanguageModel, words: str, wish: str, *, library: Shelf, who: str, name: str = "", parent: str = ""
) -> Draft:
    """`words`: the model's name; `name`, `parent`: where the person has said them. Raises Undrafted."""
    asked = _asked(wish, library.load(parent or HOUSE), given=bool(parent))
    fault = ""
    for attempt in (asked, None):
        told = attempt or _again(asked, fault)
        question = Question(
            purpose="playbook",
            about=f"playbook {who}",
            model=words,
            prompt=told,
            schema=PlaybookAnswer,
            within=WITHIN,
            most_tokens=MOST_TOKENS,
        )
        said = await model.ask(question)
        if isinstance(said, NoAnswer):
            raise Undrafted(f"{words} wrote nothing: {clean(said.reason)}")
        try:
            return read(said.value, library, name=name, parent=parent, model=said.voice.model or words)
        except BadPlaybook as misfit:
            fault = str(misfit)
    raise Undrafted(f"what {words} wrote does not fit:\n{fault}")


def read(answer: PlaybookAnswer, library: Shelf, *, name: str, parent: str, model: str) -> Draft:
    """What an answer comes to. Raises BadPlaybook that names each fault."""
    origin = parent or answer.parent.strip()
    if not parent and origin not in available():
        raise BadPlaybook(f"parent: there is no such playbook; known: {', '.join(available())}")
    old = library.load(origin)
    changes = changes_in(answer.changes, old)
    book = amended_from(old, name or _free(answer.name, library.names()), changes)
    if found := tuple(looser(book, old)):
        raise BadPlaybook("\n".join(found))
    if book.model_copy(update={"name": old.name, "title": old.title}) == old:
        raise BadPlaybook("changes: nothing is changed")
    impossible = clean(answer.impossible, _IMPOSSIBLE).rstrip(".")
    nothing = impossible.lower() in ("", "none", "nothing", "-")
    return Draft(
        book=book, parent=old, changes=changes, impossible="" if nothing else impossible, model=_one_word(model)
    )


def changes_in(text: str, parent: Playbook) -> dict[str, str]:
    """Lines "dotted.key = value", each of a setting that the parent has. Raises BadPlaybook that names every fault."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > _LINES:
        raise BadPlaybook(f"changes: {len(lines)} lines, {_LINES} are the most")
    pairs = [tuple(part.strip() for part in line.partition("=")[::2]) for line in lines]
    keys = [key for key, _ in pairs]
    known = words_of(parent)
    faults = [
        fault
        for (key, value), line in zip(pairs, lines, strict=True)
        if (fault := _fault(key, value, line, parent, known, twice=keys.count(key) > 1))
    ]
    if faults:
        raise BadPlaybook("\n".join(dict.fromkeys(faults)))
    return {key: clean(value, _VALUE) for key, value in pairs}


def _fault(key: str, value: str, line: str, parent: Playbook, known: Mapping[str, str], *, twice: bool) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.~-]{1,80}", key) or not value or "=" in value:
        return f"changes: {clean(line, 60)!r} is no line key = value"
    if _NAMES.fullmatch(key):
        return f"{key}: a name is no setting"
    if _MODELS.fullmatch(key):
        return f"{key}: who is asked, and paid, is chosen by people"
    if twice:
        return f"{key}: stands twice"
    if key in known:
        return ""
    try:
        parent.require(key)
    except BadPlaybook as unknown:
        return str(unknown)
    return f"{key}: {parent.name} has no such setting"


def looser(book: Playbook, parent: Playbook) -> Iterator[str]:
    """Each limit that would let through more than the parent's does. What is left out bounds nothing."""
    if book.sizing.method is not parent.sizing.method:
        yield f"sizing.method: {book.sizing.method} cannot be held against {parent.sizing.method} of {parent.name}"
    for keys, tighter in ((_CAPS, -1), (_FLOORS, 1)):
        for key in keys:
            now, then = setting(book, key), setting(parent, key)
            if then is not None and (now is None or (now - then) * tighter < 0):
                yield f"{key}: {_plain(now)} is looser than {_plain(then)} of {parent.name}"
    most, allowed = (max((step.margin for step in p.sizing.steps), default=Decimal(0)) for p in (book, parent))
    if most > max(allowed, parent.sizing.otherwise):
        yield f"sizing.steps: a margin of {_plain(most)} is looser than {_plain(allowed)} of {parent.name}"
    if parent.regime.highest < book.regime.highest:
        yield f"regime.highest: {_plain(book.regime.highest)} is looser than {_plain(parent.regime.highest)}"
    yield from _looser_phases(book, parent)


def _looser_phases(book: Playbook, parent: Playbook) -> Iterator[str]:
    for phase in book.phases:
        now, then = book.max_positions_in(phase), parent.max_positions_in(parent.phase_named(phase.name))
        if now > then and phase.max_positions is not None:
            yield f"phases.{phase.name}.max_positions: {now} is looser than {then} of {parent.name}"


def _plain(value: Decimal | None) -> str:
    return "none" if value is None else f"{value.normalize():f}"


def _one_word(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9./_-]+", "-", model)[:60] or "a-model"


def _free(wanted: str, taken: Collection[str]) -> str:
    """A name that no playbook has, near to the one that was wanted."""
    bare = re.sub(r"[^a-z0-9.-]+", "-", wanted.lower()).strip("-.")[:26] or "written"
    numbered = (bare, *(f"{bare}-{n}" for n in range(2, 100)))
    return next((name for name in numbered if name not in taken), bare)


# --- what is asked ----------------------------------------------------------------------------------------------------


def _asked(wish: str, parent: Playbook, *, given: bool) -> Prompt:
    told = enveloped("wish", [wish], most=_WISH)
    return prompt("playbook", wish=told, schema=_schema(parent, given=given), example=_EXAMPLE)


def _again(asked: Prompt, fault: str) -> Prompt:
    told = enveloped("faults", fault[:_FAULTS].splitlines())
    user = f"{asked.user}\n\nYour last answer could not be used, for these reasons. Answer again, all of it.\n{told}"
    return Prompt(name=asked.name, version=asked.version, system=asked.system, user=user)


def _schema(parent: Playbook, *, given: bool) -> str:
    """Every setting of a playbook with its value and what may stand there."""
    state = DeskState(desk="writing", playbook=parent.name, start_equity=Decimal(1))
    lines = setting_lines(file=parent, playbook=parent, state=state)
    known = (parent.name,) if given else available()
    head = f"Known strategies: {', '.join(known)}. These are the settings of {parent.name}: key = value (range)"
    return "\n".join((head, *(f"{line.key} = {line.value or 'none'} ({line.range})" for line in lines)))
