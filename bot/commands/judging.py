"""Decisions judged again, and how often each persona was right."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.arguments import Base, DecisionName, one_of
from bot.catalogue import BadArguments, Effect, command
from bot.commands.lookup import decision_named
from bot.commands.results import WINDOW
from bot.flips import flips
from bot.reach import Context, Tools
from bot.rejudging import Basis, basis, differences, judged, keys
from bot.render.insight import flips_card, replay_card, whatif_card
from bot.render.pictures import scores_picture
from bot.render.results import scores
from bot.render.scoreboard import scoreboard_card
from bot.results import scoreboard, since
from bot.surface import Card, Role
from storage.sums import UNKNOWN
from trading.decision import Decision
from trading.errors import BadPlaybook
from trading.judge import rejudged
from trading.llm.hearing import HEAR
from trading.playbook import Playbook
from trading.rereading import reread, shas_of

_PAIR = re.compile(r"([\w.-]+)\s*=\s*(\S+)")


@command(
    "personas",
    help="How often each persona stood with the winning side, and what came of it",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/personas 30d",
    args=(WINDOW,),
)
async def personas(context: Context, window: str = "all") -> Card:
    tallies = await context.tools.figures.totals("persona", since(window, context.desk.now()))
    records = scoreboard(tallies)
    unknown = sum(tally.trades for tally in tallies if tally.key == UNKNOWN)
    picture = scores_picture(scores(records), f"Personas, {window}: how often they were right")
    board, learned = await context.tools.figures.board(), await context.tools.figures.learned()
    return scoreboard_card(records, window, unknown=unknown, board=board, learned=learned, picture=picture)


# --- one decision ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Base):
    """ "judge.min_confidence=0.5 flow.weight=2": pairs of a key, or the end of one, and a value."""

    rest: bool = True

    @property
    def range(self) -> str:
        return "setting=value, one or more: judge.*, panel.NAME.weight, limits of the gate; phase=NAME, without=PERSONA"

    def read(self, text: str, tools: Tools) -> dict[str, str]:  # noqa: ARG002
        found = dict(_PAIR.findall(text))
        if not found or _PAIR.sub("", text).strip():
            raise BadArguments("a setting and its value are needed, like judge.min_confidence=0.5")
        return found

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:
        before, _, last = typed.rpartition(" ")
        lines = tools.desk.settings()
        known = (line for line in lines if line.key.startswith("judge.") or line.key.endswith(".weight"))
        return (f"{before} {line.key}={line.value}".strip() for line in known if last.partition("=")[0] in line.key)


@command(
    "whatif",
    help="A decision judged again with other settings; without any, the smallest change that flips it",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/whatif last judge.min_confidence=0.5",
    args=(
        DecisionName(name="decision", help="Which decision", required=True),
        Settings(name="settings", help="What is to be otherwise"),
    ),
)
async def whatif(context: Context, decision: str, settings: dict[str, str] | None = None) -> Card:
    found = await decision_named(context, decision)
    held = await _basis(context, found)
    if settings is None:
        turned = await asyncio.to_thread(flips, found, held)  # it may take a moment
        by_these = rejudged(found, held.playbook.judge, held.playbook.validation)
        return flips_card(found, held, turned, judged=by_these)
    without = _personas(settings.get("without", ""), found)
    phase = _phase(settings["phase"], held) if "phase" in settings else None
    changes = {_key(word, found, held): value for word, value in settings.items() if word not in _NOT_SETTINGS}
    return whatif_card(found, held, judged(found, held, changes, without=without, phase=phase))


_NOT_SETTINGS = ("without", "phase")


def _personas(words: str, decision: Decision) -> tuple[str, ...]:
    """ "SENTIMENT,flow" -> those of the decision that are meant. Raises BadArguments."""
    named = (word.strip().lower() for word in words.split(",") if word.strip())
    return tuple(dict.fromkeys(one_of(word, decision.weights, "persona") for word in named))


def _phase(word: str, held: Basis) -> str:
    return one_of(word.lower(), ("base", *(phase.name for phase in held.playbook.phases)), "phase")


def _key(word: str, decision: Decision, held: Basis) -> str:
    """The setting that is meant, by its key or the end of it; "flow" is its weight. Raises BadArguments."""
    known = tuple(dict.fromkeys(keys(decision, held.playbook)))
    lowered = word.lower()
    fits = [key for key in known if key in (lowered, f"panel.{lowered}.weight") or key.endswith(f".{lowered}")]
    if len(fits) == 1:
        return fits[0]
    if _is_setting(word, held.playbook):
        raise BadArguments(
            f"{word} is a setting, but the record does not hold what it bears on; known: {', '.join(known)}"
        )
    return one_of(lowered, known, "setting")


def _is_setting(key: str, playbook: Playbook) -> bool:
    try:
        playbook.require(key)
    except BadPlaybook:
        return False
    return True


async def _basis(context: Context, decision: Decision) -> Basis:
    """The settings of then from the journal. It has not always kept them: then those that run, and those of files."""
    recorded = await context.records.settings_of(decision)
    known = [context.desk.playbook]
    if recorded is not None:
        return basis(decision, known, recorded)
    for name in dict.fromkeys((decision.playbook, context.desk.playbook.name)):
        try:
            known.append(await asyncio.to_thread(context.library.load, name))
        except BadPlaybook:
            continue  # its file is gone, or was never one of ours
    return basis(decision, known)


@command(
    "replay",
    help="A decision worked out again from its record and raw answers: the same, or what differs",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/replay last",
    args=(DecisionName(name="decision", help="Which decision; without it the last"),),
)
async def replay(context: Context, decision: str = "last") -> Card:
    found = await decision_named(context, decision)
    held = await _basis(context, found)
    bodies = await context.tools.voices.bodies(shas) if (shas := shas_of(found)) else {}
    again = await asyncio.to_thread(reread, found, bodies, held.playbook, HEAR)
    return replay_card(found, held, again.verdict, differences(found.verdict, again.verdict), again)
