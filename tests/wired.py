"""A whole decision of voices, with the bytes behind it: the real switchboard, budget and readers, over a wire that
answers from a script in the shapes of the providers. Every answer is synthetic; nothing leaves the process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from tests.briefings import a_snapshot
from tests.builders import ETH, NOW, an_opinion
from tests.fakes.ledger import MemoryLedger
from tests.surface_examples import a_decision as a_template
from trading.asking import Kept
from trading.bench import Bench
from trading.calibration import worth
from trading.chain import Flow, Reading, WalletClass, document
from trading.clock import ManualClock
from trading.decision import Abstention, Calibrated, Decision, Opinion, Seen, Stance
from trading.judge import bounded, judge
from trading.llm.budget import Governor
from trading.llm.catalogue import Models
from trading.llm.hearing import HEAR
from trading.llm.provider import Hear, Listed, Mode, Raw, Unanswered, Wire
from trading.llm.switchboard import Switchboard
from trading.market.snapshot import Snapshot
from trading.model import Symbol
from trading.personas.ballots import LiveBallots
from trading.personas.council import Council
from trading.personas.sentiment import Sentiment
from trading.personas.whale import Whale
from trading.playbook import Playbook, load
from trading.spending import Caps
from trading.voice import Body, Exchange, Lack

D = Decimal
WALL = NOW + timedelta(days=200)  # the market's time and the wall's are two
COUNCIL = ("x-ai/one", "qwen/two", "deep/three")
MODELS = """
[models.seer]
provider = "gemini"
search = "with_schema"
schema = "json_schema"
price = { input = 0.3, output = 2.5, search = 0.014, search_per = "query" }
[models.old-seer]
provider = "gemini"
search = "without_schema"
schema = "json_schema"
price = { input = 0.3, output = 2.5, search = 0.014, search_per = "query" }
""" + "".join(
    f'[models."{name}"]\nprovider = "openrouter"\nsearch = "none"\nschema = "json_schema"\n'
    "price = { input = 1, output = 2 }\n"
    for name in (*COUNCIL, "chief", "checker")
)
NAMED = ("alpha", "beta", "gamma")  # models that are asked under an id of their provider's
MODELS += "".join(
    f'[models.{name}]\nprovider = "openrouter"\nid = "maker/{name}-1"\nsearch = "none"\nschema = "json_schema"\n'
    "price = { input = 1, output = 2 }\n"
    for name in NAMED
)
SENTIMENT = {"reasoning": "Inflows go on; RSI is 55 [E2].", "confidence": 0.72, "stance": "LONG"}
JUDGE = {"reasoning": "The voices are of one mind.", "confidence": 0.66, "side": "LONG"}
VALIDATOR = {"reasoning": "It stands.", "verdict": "APPROVE"}
_CATEGORIES = ("regime", "setup", "on_chain", "macro", "reward", "timing", "institutions")
BALLOT: dict[str, Any] = {
    "thesis": "Up [E2].",
    **{key: value for c in _CATEGORIES for key, value in ((f"{c}_reason", "See [E1]."), (c, "BULLISH"))},
    "invalidation": 58000.5, "confidence": 0.8, "signal": "BUY",
}  # fmt: skip
PAGES = [{"web": {"uri": "https://example.org/news", "title": "example.org"}}]

Said = Mapping[str, Any] | str | Lack


@dataclass
class Wired:
    """A provider: its bytes are in its own shape, its answers from `script`, by the prompt's name or by the model."""

    name: str
    script: Mapping[str, Sequence[Said] | Said]
    asked: list[Wire] = field(default_factory=list)

    @property
    def hear(self) -> Hear:
        return HEAR[self.name]

    async def send(self, wire: Wire) -> Raw:
        self.asked.append(wire)
        line = self.script.get(wire.model, self.script.get(wire.prompt.name, Lack.UNREACHABLE))
        if isinstance(line, list):
            line = line.pop(0)
        request = _request(wire)
        if isinstance(line, Lack):
            raise Unanswered(line, "no connection", request=request)
        text = line if isinstance(line, str) else orjson.dumps(line).decode()
        shape = _gemini if self.name == "gemini" else _openrouter
        return Raw(request=request, status=200, body=orjson.dumps(shape(wire, text)))

    async def models(self) -> Sequence[Listed]:
        return ()

    async def close(self) -> None: ...


def _request(wire: Wire) -> bytes:
    said = [{"role": "system", "content": wire.prompt.system}, {"role": "user", "content": wire.prompt.user}]
    schema = None if wire.mode is Mode.FREE else wire.schema
    return orjson.dumps({"messages": said, "model": wire.model, "schema": schema}, option=orjson.OPT_SORT_KEYS)


def _gemini(wire: Wire, text: str) -> dict[str, Any]:
    leaned = {"webSearchQueries": ["btc"], "groundingChunks": PAGES} if wire.search else {}
    return {
        "candidates": [
            {
                "content": {"role": "model", "parts": [{"text": text}]},
                "finishReason": "STOP",
                "groundingMetadata": leaned,
            }
        ],
        "usageMetadata": {"promptTokenCount": 900, "candidatesTokenCount": 60, "thoughtsTokenCount": 40},
        "modelVersion": f"{wire.model}-001",
    }


def _openrouter(wire: Wire, text: str) -> dict[str, Any]:
    return {
        "id": "gen-1", "object": "chat.completion", "model": wire.model, "provider": "Somebody",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 800, "completion_tokens": 70, "cost": 0.00123},
    }  # fmt: skip


@dataclass
class World:
    """What a test asks in, and what it has kept."""

    playbook: Playbook
    gemini: Wired
    openrouter: Wired
    ledger: MemoryLedger
    model: Switchboard


async def a_world(place: Path, playbook: Playbook, **script: Sequence[Said] | Said) -> World:
    """`script`: by the prompt's name ("sentiment"), the rest as the examples here."""
    usual: dict[str, Any] = {
        "sentiment": SENTIMENT, "judge": JUDGE, "validator": VALIDATOR, "council": BALLOT,
        "extract": SENTIMENT, **script,
    }  # fmt: skip
    (place / "models.toml").write_text(MODELS)
    ledger, wall = MemoryLedger(), ManualClock(WALL)
    caps = Caps(decision=D(100), hour=D(100), day=D(100), month=D(100), words=D(100))
    governor = Governor(caps, ledger, wall)
    await governor.open()
    gemini, openrouter = Wired("gemini", usual), Wired("openrouter", usual)
    model = Switchboard(
        models=Models.load(place / "models.toml"),
        providers={"gemini": gemini, "openrouter": openrouter},
        off={},
        governor=governor,
        wall=wall,
        at_once=4,
    )
    return World(playbook, gemini, openrouter, ledger, model)


@dataclass
class _Chain:
    ledger: MemoryLedger

    async def reading(self) -> Reading:
        flows = (
            Flow(wallet="0x" + "a" * 40, label="", kind=WalletClass.HOLDER, kind_confidence=600_000,
                 into=D(0), out=D("1400.25"), transactions=3),
            Flow(wallet="0x" + "b" * 40, label="Some fund", kind=WalletClass.CEX, kind_confidence=700_000,
                 into=D("250.5"), out=D(0), transactions=1),
        )  # fmt: skip
        made = Reading(
            at=WALL, as_of=WALL - timedelta(minutes=2), window=timedelta(hours=6), least=D(100), exchanges=5,
            flows=flows, classifier="rules 1", record="",
        )  # fmt: skip
        body = Body(data=document(made))
        exchange = Exchange(
            purpose="whale", provider="etherscan", requested="rules 1", returned="rules 1", at=WALL, status=200,
            request="f" * 64, response=body.sha,
        )  # fmt: skip
        id = await self.ledger.keep(Kept(exchange=exchange, bodies=(body,)))
        return replace(made, record=body.sha, exchange=replace(exchange, id=id))

    def view(self) -> Any: ...


async def decided(
    world: World, *, symbol: Symbol = ETH, at: datetime = NOW, personas: Mapping[str, Any] | None = None
) -> Decision:
    """One decision as the desk makes it, up to the gate; TECHNICAL is arithmetic and long."""
    book, snapshot = world.playbook, a_snapshot(symbol, at=at)
    asked = voices(world) if personas is None else personas
    opinions: list[Opinion | Abstention] = [an_opinion("technical", Stance.LONG, 0.7)]
    opinions += [await persona.opine(snapshot) for persona in asked.values()]
    weights = {name: seat.milli for name, seat in book.panel.items() if name in (*asked, "technical")}
    heard = judge(opinions, weights, book.judge)
    rulings = await Bench(book.judge, book.validation, world.model).rule(snapshot, heard, opinions, weights=weights)
    verdict = bounded(heard, rulings, book.judge, book.validation)
    calibrated = Calibrated(value=0, version="direction-1 platt", n=120, right=70, slope=D("0.8"), intercept=D("-0.1"))
    return replace(
        a_template("wait"),
        symbol=symbol,
        at=at,
        playbook=book.name,
        playbook_hash=book.hash,
        seen=replace(_seen(snapshot)),
        opinions=tuple(opinions),
        weights=weights,
        verdict=verdict,
        gate=None,
        rulings=rulings,
        calibrated=replace(calibrated, value=worth(verdict.confidence, calibrated)),
    )


def _seen(snapshot: Snapshot) -> Seen:
    quote = snapshot.quote
    return replace(a_template().seen, bid=quote.bid, ask=quote.ask, mark=quote.mark, quote_at=quote.at)


def voices(world: World) -> dict[str, Any]:
    panel, wall = world.playbook.panel, ManualClock(WALL)
    made: dict[str, Any] = {}
    if seat := panel.get("sentiment"):
        model = seat.model or "seer"
        universe = world.playbook.universe
        made["sentiment"] = Sentiment(seat, world.model, name_of_model=model, wall=wall, universe=universe)
    if seat := panel.get("council"):
        made["council"] = Council(seat, LiveBallots(world.model, seat))
    if seat := panel.get("whale"):
        made["whale"] = Whale(seat, _Chain(world.ledger), wall=wall)
    return made


def a_book(**overrides: str) -> Playbook:
    """Everybody with a voice: SENTIMENT, COUNCIL, WHALE, the judge's model and a validator. Dots are double
    underscores."""
    house = load("desk").model_dump()
    council = {"weight": D(1), "models": COUNCIL, "bullish": 3}
    panel = {name: house["panel"][name] for name in ("whale", "sentiment", "technical")} | {"council": council}
    judged = {**house["judge"], "model": "chief", "min_confidence": D("0.5")}
    made = Playbook.model_validate({**house, "panel": panel, "judge": judged, "validation": {"model": "checker"}})
    usual = {"panel.sentiment.scope": "pair", "panel.sentiment.model": "seer"}
    return made.amended({**usual, **{key.replace("__", "."): value for key, value in overrides.items()}})
