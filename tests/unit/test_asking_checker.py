"""Words pass only where each number, side, name, date and [E#] of them stands in the record, and in its place."""

import re

import pytest

from bot import explain
from bot.asking.checker import Facts, Refusal, checked, facts_of
from bot.render import record
from tests import surface_examples as examples
from tests.injections import ALL as HOSTILE
from tests.record_check import outside
from trading.playbook import PERSONAS

NAMES = (*PERSONAS, "BTC", "ETH", "SOL")


def facts(outcome: str = "long", question: str = "") -> Facts:
    decision, story = examples.a_decision(outcome), examples.story() if outcome == "long" else []
    lines = (*explain.said(question, decision, story), *record.evidence(decision))
    return facts_of(lines, names=NAMES, understood=("BTC",), kept_out=outcome != "long")


WHOLE = facts()
PASS = (
    "The desk went long with confidence 0.71.",
    "FLOW was long at 0.81, with weight 1.5.",
    "FLOW saw a taker buy share of 61.4% [E1]. It was long.",
    "The taker buy share was 61.43 percent [E1] and the book imbalance minus 0.01235 [E2].",
    "TECHNICAL was long at 0.65: RSI stood at 58.2 [E3].",
    "WHALE abstained, as it had no key.",
    "BTC was bought, 0.0124 of it at 64,210.5, with 10x leverage and a margin of 79.62.",
    "FLOW was sure at 81%.",
    "The price was 64210.5 at the entry.",
    "The trade closed by take profit.",
)


@pytest.mark.parametrize("text", PASS)
def test_what_the_record_holds_may_be_said(text: str) -> None:
    assert checked(text, WHOLE) == text


def _one_digit_changed(text: str) -> list[str]:
    digits = [m.start() for m in re.finditer(r"\d", text)]
    return [text[:at] + d + text[at + 1 :] for at in digits for d in "0123456789".replace(text[at], "")]


@pytest.mark.parametrize("text", PASS)
def test_one_digit_changed_is_not_said_unless_it_is_another_number_of_the_record(text: str) -> None:
    """By another reader of records, that knows nothing of this one."""
    for changed in _one_digit_changed(text):
        found = checked(changed, WHOLE)
        assert isinstance(found, Refusal) or said_outside(found) == [], changed


def said_outside(text: str) -> list[str]:
    """A confidence that is said in percent is held as a fraction."""
    plain = re.sub(r"\b81%", "0.81", text.replace(" percent", "%"))
    return outside(plain, examples.a_decision(), examples.story())


APART = ("BTC: 17.3 of it at 4,982.61", "FLOW long 0.81, weight 2.5", "[E1] FLOW: share 63.94%", "SOL short 0.46")


@pytest.mark.parametrize(
    "text",
    [
        "It was 17.3 at 4,982.61.",
        "FLOW was long at 0.81, with weight 2.5.",
        "FLOW saw 63.9% [E1].",
        "SOL was short: 0.46.",
    ],
)
def test_one_digit_changed_is_never_said_where_numbers_are_far_apart(text: str) -> None:
    apart = facts_of(APART, names=NAMES, understood=("BTC",))
    assert checked(text, apart) == text
    for changed in _one_digit_changed(text):
        assert isinstance(checked(changed, apart), Refusal), changed


@pytest.mark.parametrize("text", [t for t in PASS if re.search(r"\b(long|bought|buy|abstained)\b", t)])
def test_a_side_swapped_is_never_said(text: str) -> None:
    for found in re.finditer(r"\b(long|bought|buy|abstained)\b", text):
        for other in ("short", "SHORT", "bearish", "neutral", "denied", "Bullish", "s-h-o-r-t", "shorted"):
            changed = text[: found.start()] + other + text[found.end() :]
            assert isinstance(checked(changed, WHOLE), Refusal), changed


@pytest.mark.parametrize("text", [t for t in PASS if "[E" in t])
def test_an_evidence_number_raised_is_never_said(text: str) -> None:
    for found in re.finditer(r"\[E(\d)\]", text):
        for other in {1, 2, 3, 4, 9, 10, 11} - {int(found[1])}:
            changed = f"{text[: found.start()]}[E{other}]{text[found.end() :]}"
            assert isinstance(checked(changed, WHOLE), Refusal), changed


REFUSED = (
    ("FLOW was sure at 0.71.", "number"),  # the verdict's
    ("The desk went long at 0.81.", "number"),  # FLOW's
    ("FLOW was long at 0.81 and TECHNICAL at 0.65.", "number"),  # they could be swapped
    ("WHALE was long.", "side"),
    ("SENTIMENT was long.", "name"),
    ("The desk bought ETH.", "name"),
    ("It bought ether.", "name"),
    ("It bought Avalanche.", "name"),
    ("It bought some Pepecoin.", "name"),
    ("It went long on 2026-01-05.", "date"),
    ("It went long at 23:59.", "date"),
    ("It went long on Monday.", "date"),
    ("It will go long again.", "promise"),
    ("You should buy more.", "promise"),
    ("The verdict is not long.", "negation"),
    ("FLOW wasn't long.", "negation"),
    ("It went long, never mind what.", "negation"),
    ("Nobody was long; three were.", "number"),
    ("It risked half of it.", "number"),
    ("It risked ½ of it.", "letter"),
    ("It risked ⅔.", "letter"),
    ("It made twenty-five hundred.", "number"),
    ("It is worth 5 million.", "number"),
    ("It went long at ０.９９.", "number"),
    ("It went long at ٣.", "number"),
    ("It was 10² long.", "number"),
    ("It was 10x² long.", "letter|code"),
    ("It was lоng.", "letter"),  # a Cyrillic o
    ("It was ＳＨＯＲＴ.", "side"),
    ("It was s.h.o.r.t.", "side"),
    ("It was lo\u200bng.", "letter"),
    ("It was \u202elong.", "letter"),
    ("FLOW was long [E1].", "fact"),
    ("FLOW was long [E9].", "fact"),
    ("[E1] 61.43% was the taker buy share.", "fact"),
    ("FLOW was long [E01].", "fact"),
    ("FLOW was long [E1-E3].", "code"),
    ("See https://example.com for more.", "link"),
    ("See example.com for more.", "link"),
    ("Ask @everyone.", "link"),
    ("It went **long**.", "link"),
    ("It went [long](x).", "link"),
    ("<b>It went long.</b>", "link"),
    ("It was 0.711.", "number"),
    ("It was -0.71.", "number"),
    ("FLOW was sure at 0.8.", "number"),  # one digit is too few to say what it was
    ("It was 1.0 of 5.", "number"),  # more digits than the record has
    ("It was 64,000.", "number"),
    ("It was 10R.", "number"),
    ("It was 10 of them.", "number"),  # 10x
    ("It was 10%.", "number"),
    ("It was 1e5.", "code"),
    ("It was 0x1F.", "code"),
    ("It was 5bps.", "number|code"),
    ("It was btc-k3f9x2pb.", "code"),
    ("It lost money.", "gain or loss"),
    ("", "no words"),
    ("a. B. c. D. e. F. g. H.", "long|code"),
    ("word " * 400, "long"),
)


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_what_the_record_does_not_hold_is_refused(text: str, why: str) -> None:
    found = checked(text, facts(question="why"))
    assert isinstance(found, Refusal), found
    assert re.search(why, found.why), found


@pytest.mark.parametrize("item", HOSTILE)
def test_hostile_words_do_not_get_through(item: str) -> None:
    found = checked(item, WHOLE)
    if not isinstance(found, Refusal):
        assert found.isascii()
        assert not re.search(r"[<>@]|://", found), found
        assert outside(found, examples.a_decision(), examples.story()) == []


def test_a_desk_that_waited_did_not_trade() -> None:
    waited = facts("wait", "why")
    assert isinstance(checked("The desk went long.", waited), Refusal)
    assert checked("The desk waited.", waited) == "The desk waited."


def test_a_trade_that_was_denied_was_none() -> None:
    denied = facts("denied", "why")
    assert isinstance(checked("The desk went long.", denied), Refusal)
    assert checked("It was denied: the verdict was long.", denied) == "It was denied: the verdict was long."


def test_what_is_shown_is_what_was_read() -> None:
    assert checked("The  desk\nwent “long” — with confidence ０.７１.", WHOLE) == (
        'The desk went "long" - with confidence 0.71.'
    )


def test_it_refers_to_who_was_named_before() -> None:
    assert isinstance(checked("WHALE abstained. It was long.", WHOLE), Refusal)
    assert isinstance(checked("FLOW was long. It was sure at 0.71.", WHOLE), Refusal)


def test_words_about_results_go_by_the_sign() -> None:
    lost = facts_of(["SOL last week: net -12.40, 3 trades, 1 won"], names=NAMES, understood=("SOL",))
    assert checked("SOL came to a loss of 12.40 in 3 trades.", lost) == "SOL came to a loss of 12.40 in 3 trades."
    assert isinstance(checked("SOL came to +12.40.", lost), Refusal)
    only = facts_of(["SOL: net -12.40"], names=NAMES, understood=("SOL",))
    assert isinstance(checked("SOL came to a profit of 12.40.", only), Refusal)


def test_each_pair_keeps_its_own_numbers() -> None:
    pairs = facts_of(
        ["last week: net -7.40, 4 trades", "SOL: net -12.40, 3 trades", "BTC: net +5.00, 1 trade"], names=NAMES
    )
    assert checked("SOL came to -12.40. BTC gained 5.00.", pairs) == "SOL came to -12.40. BTC gained 5.00."
    for swapped in ("BTC came to -12.40.", "SOL came to +5.00.", "SOL gained 12.40.", "Altogether it was 5.00."):
        assert isinstance(checked(swapped, pairs), Refusal), swapped
