"""A decision judged again, in words: as it was, otherwise, and by the change that would have turned it. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from bot.flips import Flip
from bot.rejudging import NOT_KNOWN, Answered, Basis, Outcome, plain
from bot.render.decisions import why_button
from bot.render.paging import carried
from bot.render.words import amount, card, confidence, counted, name_of, share
from bot.surface import ASK, Button, Card
from trading.decision import Decision, Denied, Verdict
from trading.rereading import Reread

_SHOWN = 6  # flips; the others are folded away
_SCALED = {  # what the record holds as whole numbers, so that it is the same to the last bit
    "confidence": 1_000_000,
    "tally confidence": 1_000_000,
    "tally neutral_weight": 1000,
    "tally directional_weight": 1000,
    "tally missing_weight": 1000,
    "tally long": 1_000_000_000,
    "tally short": 1_000_000_000,
    "tally missing": 1_000_000_000,
}


def _head(decision: Decision) -> str:
    return f"{decision.id}: {name_of(decision.symbol)} {decision.outcome}"


def _settings(decision: Decision, found: Basis) -> str:
    then, now = decision.playbook_hash, found.playbook.hash
    if found.same:
        return f"By the settings of then: {then}, playbook {found.playbook.name}"
    return (
        f"Not the settings of then: those were {then} ({decision.playbook}), and only {now} ({found.playbook.name}) is "
        "at hand. What follows is by these."
    )


def _verdict(said: Verdict) -> str:
    return f"{said.action}, confidence {confidence(said.confidence)}. {said.reason}"


# --- as it was ----------------------------------------------------------------------------------------------------


def replay_card(
    decision: Decision,
    found: Basis,
    again: Verdict,
    different: Sequence[tuple[str, str, str]],
    reread: Reread | None = None,
) -> Card:
    """`different`: what the verdict worked out anew has otherwise than the record; `reread`: how it was."""
    turned = decision.verdict.action is not again.action
    same = not different and (reread is None or reread.same)
    word = "the same, bit for bit" if same else "another verdict" if turned else "the same side, not the same"
    voices = sum(1 for o in decision.opinions if o.persona in decision.weights)
    unlike = "Other settings judge otherwise; that is no fault of the record." if not found.same else ""
    return card(
        f"{decision.id}: {word}",
        f"Then: {_verdict(decision.verdict)}",
        f"Again: {_verdict(again)}" if different else "",
        "Judged again from the record alone: nothing is different." if same else "",
        *(_read(reread) if reread else ()),
        *(f"{name}: {_exact(name, then)} -> {_exact(name, now)}" for name, then, now in different if name != "reason"),
        unlike if not same else "",
        _settings(decision, found),
        f"From {counted(voices, 'opinion')}, {counted(len(decision.weights), 'weight')}",
        buttons=(why_button(decision.id), Button(label="What would flip it", data=f"{ASK}/whatif {decision.id}")),
    )


def _read(reread: Reread) -> Iterator[str]:
    """What was read again from raw bytes, and what is not as it was."""
    yield from (f"{_capital(spoilt)}." for spoilt in reread.spoilt)
    if reread.difference and not reread.difference.field.startswith("verdict "):
        yield f"First difference: {reread.difference.field}, {reread.difference.then} -> {reread.difference.now}"
    if reread.read:
        yield f"Read again from raw answers: {_names(reread.read)}."
    if reread.gone:
        yield f"Judged from the parsed votes; the raw answer of {_names(reread.gone)} is no longer kept."


def _names(names: Iterable[str]) -> str:
    return ", ".join(name.upper() for name in names)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _exact(name: str, value: str) -> str:
    """As people read it elsewhere, with every digit."""
    return plain(Decimal(value) / _SCALED[name]) if name in _SCALED else value


# --- under other settings -----------------------------------------------------------------------------------------


def whatif_card(decision: Decision, found: Basis, outcome: Outcome) -> Card:
    return card(
        f"{decision.id}: {_outcome(decision, outcome)}",
        *(f"{key}: {before} -> {after}" for key, before, after in outcome.changes),
        f"Verdict then: {_verdict(decision.verdict)}",
        _now(decision, outcome),
        *(_answer(answered) for answered in outcome.gate),
        f"Gate: {outcome.why}" if outcome.verdict_known else f"Not known: {outcome.why}.",
        *(_anew(who, change) for who, change in outcome.anew),
        "The size follows the confidence and is not made again: answers about it stand as they were."
        if outcome.resized
        else "",
        "What is sized by the stop is not made again: answers about it stand as they were."
        if outcome.restopped
        else "",
        _settings(decision, found),
        buttons=(why_button(decision.id), Button(label="What would flip it", data=f"{ASK}/whatif {decision.id}")),
    )


def _now(decision: Decision, outcome: Outcome) -> str:
    known = "Verdict now" if outcome.verdict_known else "Were it answered all the same"
    if outcome.verdict != decision.verdict:
        return f"{known}: {_verdict(outcome.verdict)}"
    return "The verdict stays." if outcome.verdict_known else f"{known}, the verdict would stay."


def _anew(who: str, change: str) -> str:
    return f"{change} changes what {who.upper()} is asked: that answer cannot be known without asking again."


def _outcome(decision: Decision, outcome: Outcome) -> str:
    if not outcome.verdict_known:
        return f"{decision.outcome} -> not known without asking again"
    if outcome.said == NOT_KNOWN:
        return f"{decision.outcome} -> {outcome.verdict.action}, gate not known"
    same = outcome.said == decision.outcome
    return f"{outcome.said} all the same" if same else f"{decision.outcome} -> {outcome.said}"


def _answer(answered: Answered) -> str:
    of, word = answered.of, "passed" if answered.passed else "refused"
    allowed, strict = ("at most", "below") if of.rule.at_most else ("at least", "above")
    bound = allowed if of.rule.border else strict
    return f"{of.answer.rule} {word}: {_number(of.value)}, has to be {bound} {_number(answered.limit)}"


def _number(value: Decimal) -> str:
    return amount(value) if value == value.quantize(Decimal("0.01")) and value % 1 else plain(value)


def flips_card(decision: Decision, found: Basis, flips: Sequence[Flip], *, judged: Verdict) -> Card:
    """`judged`: the verdict by the settings at hand."""
    smallest = next((f for f in flips if f.size is not None), None)
    lead = f"{_head(decision)}; {_short(smallest)}" if smallest else _head(decision)
    otherwise = judged.action is not decision.verdict.action
    shown, rest = flips[:_SHOWN], flips[_SHOWN:]
    return card(
        lead,
        f"By these settings it is {_verdict(judged)}" if otherwise else "",
        *(_flip(flip) for flip in shown),
        "" if flips else "No single setting or missing vote that the record knows of would have turned it.",
        _asked(decision),
        f"The side was chosen by {decision.by}: no vote bears on it." if decision.by else "",
        f"Each alone, the rest as it was. Another value: /whatif {decision.id} {_example(flips)}",
        detail=(*(_flip(flip) for flip in rest), _settings(decision, found)),
        buttons=(why_button(decision.id), *_tries(decision, shown)),
    )


def _short(flip: Flip) -> str:
    """ "long at whale.weight 0.23", "passes at max_positions 6"."""
    part, _, key = flip.what.partition(".")
    name = key if part in ("judge", "panel", "limits") else flip.what
    return f"{flip.leads_to.split()[-1]} at {name} {flip.after}"


def _flip(flip: Flip) -> str:
    if flip.what.startswith("without "):
        name = flip.what.removeprefix("without ").upper()
        return f"without {name} ({flip.before}): {flip.leads_to}"
    if flip.before == "missing":
        return f"{flip.what.upper()} had not spoken: {flip.after} would have made it {flip.leads_to}"
    far = "" if flip.size is None else f" ({share(flip.size)} away)"
    return f"{flip.what} {flip.before} -> {flip.after}{far}: {flip.leads_to}"


def _asked(decision: Decision) -> str:
    match decision.gate:
        case None:
            return "The gate was not asked: a trade would still have had to pass it."
        case Denied(rule=rule):
            return f"Rules behind {rule} were not asked: they might have refused too."
    return ""


def _example(flips: Iterable[Flip]) -> str:
    return next((tried for f in flips if (tried := _try(f))), "judge.min_confidence=0.5")


def _try(flip: Flip) -> str:
    """What is typed to see it done; "" where that cannot be asked for."""
    if flip.what.startswith("without "):
        return flip.what.replace(" ", "=") if flip.after == "did not exist" else ""
    return "" if flip.before == "missing" else f"{flip.what}={flip.after}"


def _tries(decision: Decision, flips: Iterable[Flip]) -> tuple[Button, ...]:
    """To see the first of them done, where a button can hold it."""
    made = (Button(label=f.what, data=f"{ASK}/whatif {decision.id} {_try(f)}") for f in flips
            if _try(f) and not f.what.endswith("wash_guard"))  # fmt: skip
    return tuple(b for b in made if carried(b.data))[:2]
