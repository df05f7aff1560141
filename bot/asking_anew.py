"""Which answers of a record came from a model that would have been asked something else under other settings. Pure.

Prompts carry the phase and the limits, those of the judge and the validator also the votes and their weights. An answer
to another question than was asked is not in the record: what hangs on it cannot be known without asking again.
"""

from collections.abc import Collection
from itertools import product

from trading.bench import proposed, seated
from trading.decision import MICRO, Abstention, Action, Decision, Opinion, Ruling, Stance
from trading.judge import JUDGE, VALIDATOR, bounded, judge
from trading.playbook import JudgePolicy, Playbook

_OF_SEATS = {  # what decides whom a persona asks, how, and when
    "sentiment": ("model", "scope", "fresh", "answer_within", "max_age"),
    "council": ("models", "answer_within", "max_age"),
}
_OF_RULINGS = {
    JUDGE: ("judge.model", "judge.answer_within"),
    VALIDATOR: ("validation.model", "validation.answer_within"),
}
_IN_PROMPTS = (
    "limits.max_positions",
    "limits.max_risk",
    "limits.max_daily_loss",
    "limits.max_leverage",
    "sizing.leverage",
    "exits.stop_loss",
    "exits.take_profit",
)
_PROMPTLESS = "etherscan"  # the chain is read, not asked in words

Said = Opinion | Abstention | Ruling


def asked(decision: Decision) -> tuple[str, ...]:
    """Personas, and those who ruled, that a model has answered for, or failed to."""
    return tuple(name_of(said) for said in (*decision.opinions, *decision.rulings) if _by_a_model(said))


def name_of(said: Said) -> str:
    return said.who if isinstance(said, Ruling) else said.persona


def _by_a_model(said: Said) -> bool:
    return said.voice is not None and any(e.provider != _PROMPTLESS for e in said.voice.exchanges)


def keys_of_prompts(decision: Decision, playbook: Playbook) -> tuple[str, ...]:
    """Settings that change what a model of this decision was asked, apart from the judge's own and the phases'."""
    seats = (key for _, keys in _seats(decision) for key in keys)
    validation = _OF_RULINGS[VALIDATOR] if playbook.validation else ()
    return (*seats, *validation, *(_IN_PROMPTS if asked(decision) else ()))


def _seats(decision: Decision) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(
        (name, tuple(f"panel.{name}.{key}" for key in keys))
        for name, keys in _OF_SEATS.items()
        if name in decision.weights
    )


def anew(decision: Decision, changes: Collection[str], *, without: Collection[str], phase: bool) -> dict[str, str]:
    """Who would have been asked otherwise -> by which change. `phase`: it is another one."""
    everybody = "phase" if phase else next((k for k in changes if k in _IN_PROMPTS or k.startswith("phases.")), "")
    found = dict.fromkeys(asked(decision), everybody) if everybody else {}
    for who, keys in (*_seats(decision), *_OF_RULINGS.items()):
        if own := next((key for key in keys if key in changes), ""):
            found[who] = own
    return {name: change for name, change in found.items() if name not in without}


def shown_otherwise(then: Decision, by: Playbook, now: Decision, otherwise: Playbook) -> tuple[str, ...]:
    """Those who ruled and would have been shown other votes, or another sum of them."""
    before, after = _shown(then, by), _shown(now, otherwise)
    return tuple(who for who in asked(then) if who in before and who in after and before[who] != after[who])


def _shown(decision: Decision, playbook: Playbook) -> dict[str, tuple[str, str]]:
    """The panel and the sum of its votes, of an entry: nobody is asked about a WAIT."""
    votes = judge(decision.opinions, decision.weights, playbook.judge)
    panel = seated(decision.opinions, decision.weights)
    ruled = bounded(votes, decision.rulings, playbook.judge, None)
    told = {JUDGE: votes, VALIDATOR: ruled}
    return {who: (panel, proposed(of)) for who, of in told.items() if of.action is not Action.WAIT}


def possible(decision: Decision, policy: JudgePolicy, unknown: Collection[str]) -> frozenset[Action]:
    """What the votes can come to, whatever those would have said who are not known.

    A stronger vote only ever leads nearer to its side, so the weakest and the strongest of each side, neutral and none
    at all stand for every answer that there is.
    """
    open_ = [name for name in decision.weights if name in unknown]
    told = [said for said in decision.opinions if said.persona not in open_]
    tried = product(*map(_every_answer, open_))
    return frozenset(judge((*told, *said), decision.weights, policy).action for said in tried)


def _every_answer(persona: str) -> tuple[Opinion | Abstention, ...]:
    def says(stance: Stance, confidence: int) -> Opinion:
        return Opinion(persona=persona, stance=stance, confidence=confidence, thesis="", evidence=())

    sides = (says(stance, confidence) for stance in (Stance.LONG, Stance.SHORT) for confidence in (1, MICRO))
    return (Abstention(persona=persona, reason=""), says(Stance.NEUTRAL, 0), *sides)
