"""Whatever a model says: what passes says only what the record holds, by a reader of records that knows nothing of the
checker."""

import re
from collections.abc import Sequence

from hypothesis import assume, example, given
from hypothesis import strategies as st

from bot import explain
from bot.asking.checker import Facts, Refusal, checked, facts_of
from bot.asking.tokens import one_of
from bot.render import record
from tests import surface_examples as examples
from tests.record_check import outside
from trading.decision import Decision
from trading.events import Event
from trading.playbook import PERSONAS

NAMES = (*PERSONAS, "BTC", "ETH", "SOL", "DOGE")
CASES: dict[str, tuple[Decision, Sequence[Event]]] = {
    "long": (examples.a_decision(), examples.story()),
    "moving": (examples.a_decision(), examples.moving_story()),
    "denied": (examples.a_decision("denied"), ()),
    "wait": (examples.a_decision("wait"), ()),
}
QUESTIONS = ("", "why", "why this size", "how did it exit", "what did flow say", "which evidence")
WORDS = one_of(
    "the desk went long short with confidence FLOW TECHNICAL WHALE SIGMA was were it bought sold buy sell bullish",
    "bearish not never [E1] [E2] [E3] [E4] E1 at of and 0.71 0.81 0.812 0.65 61.43% 61.4 58.2 64,210.5 10x 0.0124 1.5",
    "two three half million twice percent minus BTC ETH bitcoin ether 2026-01-05 14:05 today btc-k3f9x2pa . , : ( ) -",
    "waited denied leads profit loss +39.08 39.08 R RSI(14) 14 1h 100 1 0 [E1]. long. 0.71. FLOW's abstained ½ ٣ ４",
    "lоng @all x.com",
)


def _facts(case: str, question: str) -> Facts:
    decision, story = CASES[case]
    lines = (*explain.said(question, decision, story), *record.evidence(decision))
    out = decision.outcome in ("wait", "denied")
    return facts_of(lines, names=NAMES, understood=("BTC",), kept_out=out)


FACTS = {(case, question): _facts(case, question) for case in CASES for question in QUESTIONS}
KEYS = st.sampled_from(sorted(FACTS))
_SHARE = re.compile(r"(?<![\d.,])(\d{1,3}(?:\.\d+)?)%")


def said_outside(text: str, case: str) -> list[str]:
    """What the record does not hold. A fraction may be said in percent, a time without its zone."""
    decision, story = CASES[case]
    text = re.sub(r"\b(\d{2}:\d{2})(?! [A-Z]{3})", r"\1 UTC", text)
    found = outside(text, decision, story)
    if found:
        fractions = _SHARE.sub(lambda m: str(float(m[1]) / 100), text)
        return [one for one in outside(fractions, decision, story) if one in found or not _SHARE.search(text)]
    return found


def lines_of(key: tuple[str, str]) -> list[str]:
    decision, story = CASES[key[0]]
    return [*explain.said(key[1], decision, story), *record.evidence(decision)]


@st.composite
def phrases(draw: st.DrawFn) -> tuple[tuple[str, str], str]:
    """Pieces of the record, other words, and anything at all, mixed."""
    key = draw(KEYS)
    own = [word for line in lines_of(key) for word in line.split()]
    word = st.one_of(st.sampled_from(own), st.sampled_from(sorted(WORDS)), st.text(max_size=6))
    return key, " ".join(draw(st.lists(word, min_size=1, max_size=12)))


@given(phrases())
@example((("long", ""), "FLOW was long at 0.81."))
@example((("long", ""), "The share was 61.43% [E1]."))
def test_what_passes_stands_in_the_record(said: tuple[tuple[str, str], str]) -> None:
    key, text = said
    found = checked(text, FACTS[key])
    if not isinstance(found, Refusal):
        assert found.isascii()
        assert "\n" not in found
        assert said_outside(found, key[0]) == []


@given(KEYS, st.data())
def test_the_records_own_lines_changed_in_one_place_pass_only_where_the_record_holds_that_too(
    key: tuple[str, str], data: st.DataObject
) -> None:
    line = data.draw(st.sampled_from(lines_of(key)))
    places = [m.start() for m in re.finditer(r"\d", line)]
    assume(places)
    at = data.draw(st.sampled_from(places))
    digit = data.draw(st.sampled_from("0123456789".replace(line[at], "")))
    found = checked(line[:at] + digit + line[at + 1 :], FACTS[key])
    if not isinstance(found, Refusal):
        assert said_outside(found, key[0]) == []


@given(KEYS, st.sampled_from(["long", "short"]), st.sampled_from([n.upper() for n in PERSONAS]))
def test_a_voice_never_gets_a_side_that_it_did_not_take(key: tuple[str, str], side: str, who: str) -> None:
    decision, _ = CASES[key[0]]
    took = {o.persona.upper(): getattr(o, "stance", "abstained") for o in decision.opinions}
    if not isinstance(checked(f"{who} was {side}.", FACTS[key]), Refusal):
        assert took[who] == side


@given(KEYS, st.text())
def test_any_text_at_all_is_read(key: tuple[str, str], text: str) -> None:
    found = checked(text, FACTS[key])
    if not isinstance(found, Refusal):
        assert checked(found, FACTS[key]) == found
