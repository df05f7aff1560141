"""A record judged again without a persona, in another phase, or where a model would have been asked something else."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.asking_anew import asked, possible
from bot.flips import flips
from bot.gate import Surface
from bot.rejudging import NOT_KNOWN, Basis, basis, judged, keys
from tests import surface_examples as examples
from tests import wired
from tests.surfaces import NoVoices, Stage, staged
from tests.unit.test_rejudging import BOOK, SAME, a_record, approved, policies, records
from tests.wired import a_book, a_world, decided
from trading import events as m
from trading.decision import MICRO, Abstention, Action, Approved, Decision, Denied, GateAnswer, Opinion, Stance
from trading.errors import BadPlaybook
from trading.judge import judge
from trading.playbook import hash_of, load, recalled

# --- without a persona ------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(records, policies, st.sampled_from(["whale", "sentiment", "flow", "technical"]))
def test_without_a_persona_it_is_what_the_others_come_to(record: Any, policy: Any, name: str) -> None:
    decision = a_record(*record, policy)
    book = BOOK.model_copy(update={"judge": policy})
    outcome = judged(decision, Basis(playbook=book, same=True), {}, without=[name])
    others = {other: weight for other, weight in decision.weights.items() if other != name}
    said = [o for o in decision.opinions if o.persona != name]
    assert outcome.verdict == judge(said, others, policy)
    assert outcome.verdict_known
    turned = outcome.verdict.action is not decision.verdict.action
    assert (f"without {name}" in [f.what for f in flips(decision, Basis(playbook=book, same=True))]) is turned


def test_nothing_changed_is_the_original() -> None:
    decision = approved(*examples.PASSED)
    outcome = judged(decision, SAME, {}, phase=decision.phase)
    assert (outcome.verdict, outcome.said, outcome.changes, outcome.anew) == (decision.verdict, "long", (), ())


# --- another phase ----------------------------------------------------------------------------------------------------


def of_a_phase(count: int, *, stop: str = "0.025", passed: bool = True) -> Decision:
    answer = GateAnswer(rule="position count", passed=passed, limit="under 5", value=str(count))
    plan = replace(examples.plan(), stop_loss=D(stop), price=D(100))
    gate = Approved(plan=plan, answers=(answer,)) if passed else Denied(rule=answer.rule, reason="", answers=(answer,))
    decision = approved()
    return replace(decision, gate=gate, seen=replace(decision.seen, atr=D(5)))


CALM = load("desk").amended({"phases.final.max_positions": "2", "exits.stop_atr": "1"})
WIDE = load("desk").amended({"phases.mid.max_positions": "9"})


def test_a_phase_has_limits_and_exits_of_its_own() -> None:
    outcome = judged(of_a_phase(3), Basis(playbook=CALM, same=True), {}, phase="final")
    assert (outcome.said, outcome.why) == ("denied", "denied by position count")
    assert outcome.changes == (
        ("phase", "base", "final"),
        ("exits.take_profit", "0.05", "0.02"),
        ("exits.stop_loss", "0.025", "0.01"),
        ("exits.max_hold", "1d", "6h"),
        ("stop at", "2.50% of price", "1.00%"),
    )
    assert outcome.restopped
    free = judged(of_a_phase(1), Basis(playbook=CALM, same=True), {}, phase="final")
    assert (free.said, free.verdict) == ("long", of_a_phase(1).verdict)


def test_a_stop_that_the_atr_had_set_stays_where_it_is() -> None:
    decision = replace(of_a_phase(1, stop="0.005"), seen=replace(of_a_phase(1).seen, atr=D("0.5")))
    outcome = judged(decision, Basis(playbook=CALM, same=True), {}, phase="final")
    assert not outcome.restopped
    assert "stop at" not in [name for name, _, _ in outcome.changes]


def test_a_stop_that_the_record_does_not_come_to_is_not_guessed() -> None:
    outcome = judged(of_a_phase(1, stop="0.017"), Basis(playbook=CALM, same=True), {}, phase="final")
    assert "stop at" not in [name for name, _, _ in outcome.changes]


def test_the_phase_that_would_have_turned_an_answer_is_named() -> None:
    found = {f.after: f.leads_to for f in flips(of_a_phase(3), Basis(playbook=CALM, same=True)) if f.what == "phase"}
    assert found == {"final": "position count refuses"}
    denied = of_a_phase(5, passed=False)
    turned = [f for f in flips(denied, Basis(playbook=WIDE, same=True)) if f.what == "phase"]
    assert [(f.before, f.after, f.leads_to) for f in turned] == [("base", "mid", "position count passes")]


def test_the_way_back_to_the_base_is_a_phase_too() -> None:
    decision = replace(of_a_phase(3), phase="final")
    outcome = judged(decision, Basis(playbook=CALM, same=True), {}, phase="base")
    assert outcome.changes[0] == ("phase", "final", "base")


# --- models -----------------------------------------------------------------------------------------------------------


async def made(tmp_path: Path, overrides: dict[str, str] | None = None, **script: Any) -> tuple[Decision, Basis]:
    book = a_book().amended(overrides or {})
    decision = await decided(await a_world(tmp_path, book, **script))
    return decision, Basis(playbook=book, same=True)


async def test_what_bears_on_arithmetic_alone_is_exact(tmp_path: Path) -> None:
    decision, found = await made(tmp_path)
    assert asked(decision) == ("sentiment", "council", "judge", "validator")
    outcome = judged(decision, found, {"judge.min_confidence": "0.57"})
    assert (outcome.verdict_known, outcome.said, outcome.anew) == (True, "wait", ())
    lower = judged(decision, found, {"judge.min_confidence": "0.3"})
    assert (lower.verdict_known, lower.verdict.action, lower.anew) == (True, Action.LONG, ())


ANEW = {
    "panel.sentiment.model": "old-seer", "panel.sentiment.scope": "market", "panel.sentiment.fresh": "1h",
    "panel.sentiment.max_age": "1m", "panel.council.models": "x-ai/one, qwen/two", "judge.model": "checker",
    "validation.model": "chief", "limits.max_risk": "0.01", "exits.stop_loss": "0.01",
}  # fmt: skip


@pytest.mark.parametrize("key", ANEW)
async def test_what_changes_a_prompt_cannot_be_known_and_that_is_said(tmp_path: Path, key: str) -> None:
    decision, found = await made(tmp_path)
    assert key in keys(decision, found.playbook)
    outcome = judged(decision, found, {key: ANEW[key]})
    assert (outcome.said, outcome.verdict_known) == (NOT_KNOWN, False)
    assert "cannot be known" in outcome.why
    assert key in [change for _, change in outcome.anew]


async def test_another_phase_is_another_prompt_for_everybody(tmp_path: Path) -> None:
    decision, found = await made(tmp_path)
    outcome = judged(decision, found, {}, phase="final")
    assert not outcome.verdict_known
    assert dict(outcome.anew) == dict.fromkeys(("sentiment", "council", "judge", "validator"), "phase")
    assert [f for f in flips(decision, found) if f.what == "phase"] == []


async def test_where_no_answer_could_have_turned_it_it_is_known_all_the_same(tmp_path: Path) -> None:
    """SENTIMENT is asked of another model; but whatever it says, nobody else is for an entry."""
    overrides = {"panel.council.enabled": "no", "panel.whale.enabled": "no", "judge.min_agreeing": "3"}
    decision, found = await made(tmp_path, overrides)
    lone = replace(
        decision,
        opinions=tuple(o for o in decision.opinions if o.persona in ("technical", "sentiment")),
        weights={"technical": 1000, "sentiment": 1500},
        rulings=(),
    )
    outcome = judged(lone, found, {"panel.sentiment.model": "old-seer"})
    assert (outcome.said, outcome.verdict_known) == ("wait", True)
    assert outcome.anew == (("sentiment", "panel.sentiment.model"),)


async def test_without_a_voice_the_judges_model_would_have_seen_another_panel(tmp_path: Path) -> None:
    decision, found = await made(tmp_path)
    outcome = judged(decision, found, {}, without=["sentiment"])
    assert not outcome.verdict_known
    assert dict(outcome.anew)["judge"] == "without sentiment"
    assert "JUDGE would have been asked something else, and the answer cannot be known: long at most" in outcome.why


async def test_without_a_model_to_judge_the_votes_decide_exactly(tmp_path: Path) -> None:
    decision, found = await made(tmp_path, {"judge.unavailable": "wait"}, judge={**wired.JUDGE, "side": "WAIT"})
    assert decision.verdict.action is Action.WAIT
    named = {f.what: (f.before, f.leads_to) for f in flips(decision, found)}
    assert named["without judge"] == ("wait", "long, if VALIDATOR agrees")
    assert all(f.leads_to != "wait" for f in flips(decision, found)), "it waits as it is"


async def test_a_lowered_confidence_has_its_own_border(tmp_path: Path) -> None:
    decision, found = await made(tmp_path, None, judge={**wired.JUDGE, "confidence": 0.55})
    assert (decision.verdict.action, decision.verdict.confidence) == (Action.LONG, 550_000)
    (border,) = (f for f in flips(decision, found) if f.what == "judge.min_confidence")
    assert (border.after, border.leads_to) == ("0.550001", "wait")
    assert judged(decision, found, {border.what: border.after}).said == "wait"
    low, base = await made(tmp_path, None, judge={**wired.JUDGE, "confidence": 0.42})
    (turned,) = (f for f in flips(low, base) if f.what == "judge.min_confidence")
    assert (turned.after, turned.leads_to) == ("0.42", "long, if VALIDATOR agrees")


async def test_an_entry_that_nobody_has_ruled_on_hangs_on_who_would_have(tmp_path: Path) -> None:
    decision, found = await made(tmp_path, {"judge.min_confidence": "0.9"})
    assert decision.rulings == ()
    outcome = judged(decision, found, {"judge.min_confidence": "0.3"})
    assert outcome.why == ("JUDGE would have been asked and was not then, and the answer cannot be known: long at most")
    (border,) = (f for f in flips(decision, found) if f.what == "judge.min_confidence")
    assert border.leads_to == "long, if JUDGE and VALIDATOR agrees"


@settings(max_examples=40, deadline=None)
@given(records, policies, st.integers(-MICRO, MICRO) | st.none())
def test_no_answer_leads_anywhere_that_was_not_thought_of(record: Any, policy: Any, answer: int | None) -> None:
    decision = a_record(*record, policy)
    said: Opinion | Abstention = Abstention(persona="flow", reason="")
    if answer is not None:
        stance = Stance.LONG if answer > 0 else Stance.SHORT if answer < 0 else Stance.NEUTRAL
        said = Opinion(persona="flow", stance=stance, confidence=abs(answer), thesis="", evidence=())
    opinions = tuple(said if o.persona == "flow" else o for o in decision.opinions)
    actions = possible(decision, policy, ["flow"])
    assert judge(opinions, decision.weights, policy).action in {*actions, *_between(actions)}


def _between(actions: frozenset[Action]) -> set[Action]:
    """From one side to the other the way leads over waiting."""
    return {Action.WAIT} if {Action.LONG, Action.SHORT} <= actions else set()


# --- the settings of then ---------------------------------------------------------------------------------------------


def test_settings_are_read_back_from_the_journal_to_the_last_digit() -> None:
    dated = {"phases.final.starts": "2026-01-05T00:00:00Z", "phases.final.ends": "2026-01-06T12:00:00Z"}
    for book in (*map(load, ("desk", "sigma", "smt-3.0", "smt-3.1", "council")), load("desk").amended(dated), a_book()):
        assert recalled(book.text) == book
        assert recalled(book.text).hash == book.hash == hash_of(book.text)
    for torn in ("", "{", "[]", '{"name": 1}', '{"panel": {"flow": 3}}'):
        with pytest.raises(BadPlaybook):
            recalled(torn)


def test_settings_of_the_journal_go_before_every_file() -> None:
    mine = BOOK.amended({"judge.min_confidence": "0.55"})
    decision = replace(approved(), playbook_hash=mine.hash)
    assert basis(decision, [BOOK], mine.text) == Basis(playbook=mine, same=True)
    assert basis(decision, [BOOK], "{}") == Basis(playbook=BOOK, same=False)


# --- in the chat ------------------------------------------------------------------------------------------------------


class Keeping(NoVoices):
    def __init__(self, kept: dict[str, bytes]) -> None:
        super().__init__()
        self.kept = kept

    async def bodies(self, shas: Any) -> dict[str, bytes]:
        return {key: self.kept[key] for key in shas if key in self.kept}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


async def recorded(stage: Stage, tmp_path: Path) -> tuple[Decision, dict[str, bytes]]:
    """A decision of voices in the journal, by settings that stand nowhere but there."""
    world = await a_world(tmp_path, a_book())
    decision = replace(await decided(world), id="eth-aaaaaaaa")
    started = next(e for e in examples.story() if isinstance(e, m.DecisionMade)).at
    changed = m.SettingsChanged(at=started, by="a test", version=1, changes=(), settings=world.playbook.text)
    other = replace(changed, settings=load("sigma").text)
    await stage.desk.tell(changed, m.DecisionMade(at=decision.at, decision=decision), other)
    stage.tools = replace(stage.tools, voices=Keeping(world.ledger.kept))
    stage.surface = Surface(stage.tools)
    return decision, world.ledger.kept


async def test_a_decision_of_voices_is_replayed_from_raw_answers_by_the_settings_of_then(
    stage: Stage, tmp_path: Path
) -> None:
    decision, kept = await recorded(stage, tmp_path)
    card = await stage.card(f"/replay {decision.id}")
    assert card.title == "PAPER eth-aaaaaaaa: the same, bit for bit"
    assert f"By the settings of then: {decision.playbook_hash}" in card.plain()
    assert "Read again from raw answers: SENTIMENT, COUNCIL, WHALE, JUDGE, VALIDATOR." in card.lines
    spoilt = next(e.response for e in decision.rulings[0].voice.exchanges)  # type: ignore[union-attr]
    kept[spoilt] = kept[spoilt].replace(b"0.66", b"0.65")
    card = await stage.card(f"/replay {decision.id}")
    assert card.title == "PAPER eth-aaaaaaaa: the same side, not the same"
    assert f"Judge response {spoilt[:8]}: its bytes are not those of then." in card.lines
    kept.clear()
    card = await stage.card(f"/replay {decision.id}")
    assert "the same, bit for bit" in card.title
    assert (
        "Judged from the parsed votes; the raw answer of SENTIMENT, COUNCIL, WHALE, JUDGE, VALIDATOR is no longer kept."
    ) in card.lines


async def test_the_chat_says_what_would_have_to_be_asked_again(stage: Stage, tmp_path: Path) -> None:
    await recorded(stage, tmp_path)
    card = await stage.card("/whatif eth-aaaaaaaa phase=final")
    assert card.title == "PAPER eth-aaaaaaaa: wait -> not known without asking again"
    assert "phase changes what SENTIMENT is asked: that answer cannot be known without asking again." in card.lines
    card = await stage.card("/whatif eth-aaaaaaaa without=SENTIMENT min_confidence=0.95")
    assert card.title == "PAPER eth-aaaaaaaa: wait all the same"
    assert "SENTIMENT: long 0.72 -> did not exist" in card.lines
    card = await stage.card("/whatif eth-aaaaaaaa sentiment.model=old-seer")
    assert "panel.sentiment.model: seer -> old-seer" in card.lines


async def test_a_flip_without_a_persona_can_be_tapped(stage: Stage) -> None:
    weights = {"flow": 1500, "technical": 1000, "whale": 2000}
    base = replace(examples.a_decision("wait"), id="btc-zzzzzzzz", weights=weights, playbook_hash=BOOK.hash)
    await stage.desk.tell(
        m.DecisionMade(at=base.at, decision=replace(base, verdict=judge(base.opinions, weights, BOOK.judge)))
    )
    assert "without WHALE (did not speak): long" in (await stage.card("/whatif btc-zzzzzzzz")).lines
    card = await stage.card("/whatif btc-zzzzzzzz without=whale")
    assert card.title == "PAPER btc-zzzzzzzz: wait -> long, gate not known"


@pytest.mark.parametrize(
    ("text", "part"),
    [("phase=fnal", "did you mean final?"), ("without=whal", "did you mean whale?"), ("without=oracle", "no persona")],
)
async def test_what_is_not_there_is_named_with_what_is(stage: Stage, text: str, part: str) -> None:
    decision = replace(examples.a_decision("wait"), id="btc-zzzzzzzz", weights={"whale": 1000, "flow": 1000})
    await stage.desk.tell(m.DecisionMade(at=decision.at, decision=decision))
    assert part in (await stage.card(f"/whatif btc-zzzzzzzz {text}")).plain()
