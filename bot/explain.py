"""/why and /ask: answers that say what a decision's record holds, and nothing else. Pure.

The parts of a record are worded in render/record.py; here is which of them a question is about.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo

from bot.render import record
from bot.render.record import Story
from bot.render.words import card, confidence, name_of
from bot.surface import ASK, Button, Card
from trading.decision import Decision
from trading.playbook import PERSONAS


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked about, and the time zone of whoever asks."""

    decision: Decision
    story: Story = ()
    zone: tzinfo = UTC


Lines = tuple[str, ...]
Part = Callable[[Case], Lines]  # empty: the record holds nothing of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A part of the record, and the words people ask for it with."""

    name: str
    words: frozenset[str]
    part: Part


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


def _topic(name: str, words: str, part: Part) -> Topic:
    return Topic(name=name, words=_words(words), part=part)


def _of(part: Callable[[Decision], Lines]) -> Part:
    return lambda case: part(case.decision)


def _dated(part: Callable[[Decision, tzinfo], Lines]) -> Part:
    return lambda case: part(case.decision, case.zone)


def _told(part: Callable[[Decision, Story, tzinfo], Lines]) -> Part:
    return lambda case: part(case.decision, case.story, case.zone)


_CHANGE = "change changed changes flip flipped differently otherwise missing lacking enough needed"
TOPICS = (
    _topic(
        "votes",
        "vote votes voted persona personas panel opinion opinions thesis theses abstain abstained",
        _of(record.votes),
    ),
    _topic("verdict", "verdict judge judged confidence confident sure conviction agree agreed", _of(record.verdict)),
    _topic("rulings", "ruling rulings judge validator validated calibrated calibration worth", _of(record.rulings)),
    _topic(
        "sources",
        "model models source sources page pages link links news headlines category categories wallets flows",
        _of(record.sources),
    ),
    _topic("exchanges", "cost costs paid tokens searches searched prompt prompts answered", _of(record.exchanges)),
    _topic("tally", "tally confidence confident sure weight weights quorum missing winning losing", _of(record.tally)),
    _topic(
        "evidence",
        "evidence facts fact indicator indicators proof rsi sma momentum macd adx sigma",
        _dated(record.evidence),
    ),
    _topic("market", "price prices market mark bid ask quote funding seen see saw spread", _dated(record.seen)),
    _topic(
        "regime", "regime regimes trend trending chop choppy range ranging volatility volatile atr", _of(record.outlook)
    ),
    _topic(
        "size",
        "size sized sizing big bigger small smaller much quantity margin notional method kelly expectancy exploration "
        "payoff odds shadow",
        _of(record.size),
    ),
    _topic("leverage", "leverage leveraged lever", _of(record.leverage)),
    _topic("breaker", "breaker breakers circuit throttle throttled tripped trip", _of(record.breaker)),
    _topic(
        "portfolio",
        "portfolio exposure correlation correlations correlated sector sectors asset group heat",
        _of(record.portfolio),
    ),
    _topic(
        "gate",
        "risk risks risky gate gates rule rules limit limits denied deny refused allowed daily",
        _of(record.gate),
    ),
    _topic(
        "protection", "stop stops target targets protection protected guard sl tp trailing even", _told(record.guards)
    ),
    _topic(
        "exit",
        "exit exits exited close closed closing sold profit loss pnl result won lost earned partial",
        _told(record.exits),
    ),
    _topic("story", "order orders fill fills filled fee fees happened happen then after executed", _told(record.story)),
    _topic("making", "when time made trigger playbook phase settings source", _dated(record.made)),
    _topic("change", _CHANGE, _of(record.change)),
)
# Words that ask for nothing by themselves: "why did you buy it" is about the whole.
_PLAIN = _words(
    "why whynot how what which who was were is are am do did does the a an it its this that these those you your we",
    "i me my desk gavel bot not no for of in on at to and or with by from about here there so trade traded trading",
    "enter entered entry open opened buy bought sell long short wait waited waiting decide decided decision go went",
    "take took taken position tell explain please show reason reasons because pair instead",
)
_AHEAD = _words("will tomorrow next future predict prediction forecast should going expect")
_MAYBE = _words("would could")  # "what would change it" is about the record, "would you buy it again" is not
_WHOLE = tuple(_of(part) for part in (record.verdict, record.votes, record.tally, record.gate))


def _asked_words(question: str) -> list[str]:
    return re.findall(r"[a-z0-9&]+", question.lower().replace("'", ""))


def _about_the_future(words: Sequence[str]) -> bool:
    guessing = not _MAYBE.isdisjoint(words) and _words(_CHANGE).isdisjoint(words)
    return guessing or not _AHEAD.isdisjoint(words)


def _matching(words: Sequence[str], case: Case) -> Lines:
    """The lines that answer, or nothing: when the record has none, or when the question is about something else."""
    if _about_the_future(words):
        return ()
    decision = case.decision
    lines = [line for name in PERSONAS if name in words for line in record.persona(decision, name, case.zone)]
    parts = [t.part for t in TOPICS if not t.words.isdisjoint(words)]
    if not parts and not lines and set(words) <= _PLAIN | {name_of(decision.symbol).lower()}:
        parts = list(_WHOLE)
    lines += [line for part in parts for line in part(case)]
    return tuple(dict.fromkeys(lines))


def _held(case: Case) -> str:
    names = ", ".join(t.name for t in TOPICS if t.part(case))
    voices = ", ".join(o.persona.upper() for o in case.decision.opinions)
    return f"It holds: {names}" + (f"; {voices}" if voices else "")


def _head(decision: Decision) -> str:
    return f"{decision.id}: {name_of(decision.symbol)} {decision.outcome}"


def answers(question: str, decision: Decision, story: Story = ()) -> bool:
    """Whether the record holds anything of what is asked."""
    return bool(_matching(_asked_words(question), Case(decision, story)))


def ask(question: str, decision: Decision, story: Story = (), *, zone: tzinfo = UTC) -> Card:
    """The part of the record that a question is about, by its topic words; or that the record does not hold it."""
    case = Case(decision, story, zone)
    lines = _matching(_asked_words(question), case)
    if not lines:
        waited = "It was a wait: no order was sent." if decision.gate is None else ""
        lines = (f"The record of decision {decision.id} does not hold that.", waited, _held(case))
    whole = Button(label="All of it", data=f"{ASK}/why {decision.id}")
    return card(_head(decision), *lines, buttons=(whole, *_further(decision)))


def said(question: str, decision: Decision, story: Story = (), *, zone: tzinfo = UTC) -> Lines:
    """The lines of an answer, whole: what words about it are held against. Without a question those of all topics."""
    case = Case(decision, story, zone)
    found = _matching(_asked_words(question), case) if question else _everything(case)
    return (_head(decision), *found)


def _everything(case: Case) -> Lines:
    return tuple(dict.fromkeys(line for topic in TOPICS for line in topic.part(case)))


def why(decision: Decision, story: Story = (), *, zone: tzinfo = UTC) -> Card:
    """The whole record: verdict, votes, size and what happened first; evidence, tally and gate behind it, in UTC."""
    return card(
        f"{_head(decision)}, confidence {confidence(decision.verdict.confidence)}",
        *record.verdict(decision),
        *record.votes(decision),
        *record.rulings(decision),
        *record.sized(decision),
        *record.outlook(decision),
        *record.story(decision, story, zone),
        detail=(
            *record.sources(decision),
            *record.evidence(decision),
            *record.tally(decision),
            *record.gate(decision),
            *record.guards(decision, ()),
            *record.seen(decision),
            *record.made(decision),
            *record.exchanges(decision),
        ),
        buttons=_further(decision),
    )


def _further(decision: Decision) -> tuple[Button, ...]:
    return (
        Button(label="What would flip it", data=f"{ASK}/whatif {decision.id}"),
        Button(label="Judge it again", data=f"{ASK}/replay {decision.id}"),
    )
