"""Whatever happens, its card keeps within the limits of a phone, and explanations stay with their record."""

import unicodedata

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot import explain
from bot.render import words
from bot.render.alerts import render_event
from bot.render.words import RenderContext
from bot.surface import Card
from tests.arrival import arrives
from tests.strategies import events
from trading.decision import Approved, Decision, Denied, Plan
from trading.events import (
    DecisionMade,
    Event,
    ExitTriggered,
    PartialTriggered,
    ProtectionConfirmed,
    ProtectionFailed,
    ShadowOpened,
)

slow = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def unsafe(character: str) -> bool:
    """Could steer a terminal, turn a line around or break it."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def within_limits(card: Card) -> None:
    assert 0 < len(card.title) <= words.TITLE_LIMIT
    assert all(0 < len(line) <= words.LINE_LIMIT for line in (*card.lines, *card.detail))
    assert not any(unsafe(c) for c in card.plain().replace("\n", ""))


def could_be(event: Event) -> bool:
    """Not something for nothing: a price of zero has no distance to anything."""
    match event:
        case ProtectionConfirmed(position=p) | ProtectionFailed(position=p) | ExitTriggered(position=p):
            return p.cost != 0
        case PartialTriggered(position=p) | ShadowOpened(position=p):
            return p.cost != 0
        case DecisionMade(decision=Decision(gate=Approved(plan=plan) | Denied(would=Plan() as plan))):
            return plan.price != 0
    return True


@slow
@given(events().filter(could_be))
def test_every_alert_keeps_within_the_limits_and_wears_mode_and_market(event: Event) -> None:
    card = render_event(event, RenderContext())
    if card is not None:
        within_limits(card)
        assert card.lines[-1].endswith("simulated market")
        assert "-0.00 " not in card.plain()
        arrives(card)


@slow
@given(events(), st.text(max_size=60))
def test_explanations_keep_within_the_limits(event: Event, question: str) -> None:
    if isinstance(event, DecisionMade):
        within_limits(explain.why(event.decision, [event]))
        within_limits(explain.ask(question, event.decision, [event]))


def seen(text: str) -> str:
    """Without what is shown as a space."""
    return "".join("".join(" " if unsafe(c) else c for c in text).split())


titles = st.one_of(st.text(max_size=300), st.text(" …ab", max_size=90))


@given(titles, st.lists(st.text(max_size=40), max_size=3), st.sampled_from(["PAPER", "LIVE", "GAVEL"]))
def test_no_word_of_a_title_is_lost_whatever_it_wears(title: str, lines: list[str], mode: str) -> None:
    made = words.card(title, *lines)
    worn = words.dressed(made, RenderContext(mode=mode))
    for shown in (made, worn):
        within_limits(shown)
        assert seen(title) in seen(shown.title) or seen(title) in seen("".join(shown.lines))
    assert worn.title.startswith(f"{mode} ")
    assert worn.lines[-1] == "simulated market"


@given(st.text(max_size=900))
def test_no_word_of_a_line_is_lost(text: str) -> None:
    shown = words.card("title", text).lines
    assert "".join("".join(shown).split()) == seen(text)
