"""What is told of models, of what they cost, and of what the calls of personas came to: one of each."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal as D
from typing import Any

from tests.risk_examples import AT, BTC
from trading import events as m
from trading.decision import Abstention, Calibrated, Decision, Evidence, Opinion, Ruling, Stance
from trading.model import DecisionId, Direction
from trading.spending import SHARES, BudgetView, CapUse, ModelCost, ModelLine, Paid
from trading.voice import Basis, Exchange, Lack, Source, Voice

LITE, GROK = "gemini-3.5-flash-lite", "x-ai/grok-4.3"
OLD, DEEP = "gemini-2.5-flash", "deepseek/deepseek-v4-pro"
END = datetime(2024, 5, 12, tzinfo=AT.tzinfo)


def voice_events() -> dict[str, m.Event]:
    expiring = m.ModelExpiring(at=AT, model=OLD, expires=END, days=9, instead=LITE)
    scored = m.CallScored(
        at=AT,
        version="direction-1",
        persona="sentiment",
        model=f"{LITE}-001",
        symbol=BTC,
        decision_id=DecisionId("btc-k3f9x2pa"),
        direction=Direction.LONG,
        confidence=640_000,
        called_at=AT - timedelta(hours=4),
        horizon=timedelta(hours=4),
        price=D("64210.5"),
        then=D("64871.0"),
        costs=D("0.0012"),
        right=True,
    )
    return {
        "voice_lost": m.VoiceLost(
            at=AT, voice=LITE, lack=Lack.SERVER, reason="503 three times", serves=("sentiment", "judge")
        ),
        "voice_lost_for_a_price": m.VoiceLost(at=AT, voice=GROK, lack=Lack.NO_PRICE, reason="", serves=("council",)),
        "voice_back": m.VoiceBack(at=AT, voice=LITE, lost_at=AT - timedelta(minutes=14)),
        "model_substituted": m.ModelSubstituted(at=AT, requested=OLD, returned=LITE, provider="gemini"),
        "model_expiring": expiring,
        "model_ends_today": replace(expiring, days=0),
        "model_has_ended": replace(expiring, days=-3, instead=""),
        "budget_reached": m.BudgetReached(
            at=AT, cap="day", limit=D("1.5"), used=D("1.4873"), given_up="phrasing of /ask"
        ),
        "call_scored": scored,
        "call_scored_of_rules": replace(scored, persona="flow", model="", right=False, then=D("63990.5")),
        "weights_proposed": m.WeightsProposed(
            at=AT,
            playbook="desk",
            n=312,
            rows=(("whale", "2", "1.6"), ("flow", "1.5", "1.7")),
            gain=(D("0.004"), D("0.019")),
        ),
    }


def a_budget() -> BudgetView:
    return BudgetView(
        at=AT,
        caps=(
            CapUse(name="hour", limit=D("0.50"), settled=D("0.2131"), reserved=D("0.12026")),
            CapUse(name="day", limit=D(3), settled=D("1.4873"), reserved=D(0)),
            CapUse(name="month", limit=D(30), settled=D("11.0405"), reserved=D("0.12026")),
            CapUse(name="words", limit=D("0.25"), settled=D("0.25"), reserved=D(0)),
        ),
        per_decision=D("0.10"),
        costs=(
            ModelCost(model=LITE, purpose="sentiment", calls=1204, cost=D("10.8301")),
            ModelCost(model=GROK, purpose="council", calls=31, cost=D("0.33036")),
            ModelCost(model=LITE, purpose="ask", calls=1, cost=D("0.00043")),
        ),
        given_up=("ask", "playbook"),
        voices=((LITE, "armed"), (GROK, "no OPENROUTER_API_KEY")),
        models=models(),
        last=(
            Paid(at=AT, about="btc-k3f9x2pa", purpose="judge", model=LITE, cost=D("0.12026"), settled=False),
            Paid(at=AT, about="ask telegram:7", purpose="ask", model=LITE, cost=D("0.00043"), settled=True),
        ),
    )


def a_roomy_budget() -> BudgetView:
    return replace(a_budget(), given_up=(), costs=(), caps=tuple(
        replace(use, settled=D(0), reserved=D(0)) for use in a_budget().caps
    ))  # fmt: skip


def an_unspent_budget() -> BudgetView:
    return replace(a_roomy_budget(), voices=((LITE, "no GEMINI_API_KEY"),), last=())


def a_shut_budget() -> BudgetView:
    """Every cap is nothing: nobody may be asked, though one could be."""
    roomy = a_roomy_budget()
    shut = tuple(replace(use, limit=D(0)) for use in roomy.caps)
    return replace(roomy, caps=shut, given_up=tuple(SHARES))


def models() -> tuple[ModelLine, ...]:
    lite = ModelLine(
        name=LITE, provider="gemini", state="armed", asked=("sentiment", "judge"), input=D("0.30"), output=D("2.50"),
        search=D("0.014"), search_per="query",
    )  # fmt: skip
    return (
        lite,
        ModelLine(name=GROK, provider="openrouter", state="no OPENROUTER_API_KEY", asked=("council",)),
        replace(lite, name=OLD, asked=(), search=D("0.035"), expires=END, instead=LITE),
        ModelLine(name=DEEP, provider="openrouter", state="nobody has said what it costs", expires=END),
    )


# --- a decision that models have spoken on ----------------------------------------------------------------------------

PAGES = (
    Source(title="example.org: inflows go on", url="https://example.org/markets/inflows-go-on"),
    Source(title="example.net", url="https://example.net/" + "r" * 240),
)


def an_exchange(purpose: str, model: str, **changes: Any) -> Exchange:
    made = Exchange(
        id=41,
        purpose=purpose,
        provider="gemini",
        requested=model,
        returned=f"{model}-001",
        at=AT,
        prompt=f"{purpose} 1",
        status=200,
        latency_ms=1843,
        tokens_in=1064,
        tokens_out=212,
        cost=D("0.0288492"),
        basis=Basis.TABLE,
    )
    return replace(made, **changes)


def a_spoken_decision(template: Decision) -> Decision:
    """SENTIMENT has read pages, one of the council was late, the judge's model agreed with less, and 130 calls say what
    a stated confidence has been worth."""
    asked, late = an_exchange("sentiment", LITE, searches=2), an_exchange("council", GROK, id=42, provider="openrouter")
    sentiment = Opinion(
        persona="sentiment",
        stance=Stance.LONG,
        confidence=720_000,
        thesis="Inflows go on; RSI is 58 (RSI(14) 58.2).",
        evidence=(Evidence(label="sources", value=2.0, source="web search", as_of=AT),),
        voice=Voice(model=f"{LITE}-001", sources=PAGES, exchanges=(asked,)),
    )
    lost = replace(late, returned="", lack=Lack.LATE, reason="no answer within 15 s", tokens_in=0, tokens_out=0)
    council = Abstention(
        persona="council",
        reason="1 of 3 models has a ballot, 2 are needed",
        failed=True,
        voice=Voice(
            notes=(f"{GROK}: absent, no answer within 15 s",), exchanges=(replace(lost, basis=Basis.RESERVED),)
        ),
    )
    ruled = Voice(model=f"{LITE}-001", exchanges=(an_exchange("judge", LITE, id=43, cost=D("0.0008492")),))
    return replace(
        template,
        opinions=(*template.opinions, sentiment, council),
        weights={**template.weights, "sentiment": 1500, "council": 1000},
        rulings=(
            Ruling(who="judge", said="long", confidence=712_345, thesis="The voices are of one mind.", voice=ruled),
            Abstention(persona="validator", reason="over budget", failed=False),
        ),
        calibrated=Calibrated(value=562_114, version="direction-1 platt", n=130, right=73),
    )
