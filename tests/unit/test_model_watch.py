"""Models that go, come back, end soon or are answered for by another: each is told once."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path

import pytest

from trading.clock import ManualClock
from trading.errors import BadModels, JournalUnwritable
from trading.events import Event, ModelExpiring, ModelSubstituted, VoiceBack, VoiceLost
from trading.llm.catalogue import Models, Price
from trading.llm.openai_heard import hear_openai
from trading.llm.provider import Hear, Listed, Raw, Unanswered, Wire
from trading.llm.watch import ModelWatch
from trading.voice import Exchange, Lack

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DESK = datetime(2026, 1, 5, tzinfo=UTC)  # the desk lives in another time
DAY = timedelta(days=1)
LITE, GROK, OLD = "gemini-3.5-flash-lite", "x-ai/grok-4.3", "gemini-2.5-flash"


@dataclass
class Shop:
    """A provider that only lists."""

    name: str
    listed: Sequence[Listed] | Unanswered
    hear: Hear = field(default=hear_openai)

    async def models(self) -> Sequence[Listed]:
        if isinstance(self.listed, Unanswered):
            raise self.listed
        return self.listed

    async def send(self, wire: Wire) -> Raw:
        raise Unanswered(Lack.UNREACHABLE, "nobody is there")

    async def close(self) -> None: ...


@dataclass
class House:
    asked: Mapping[str, Sequence[str]] = field(default_factory=lambda: {LITE: ("sentiment", "judge")})
    listed: Sequence[Listed] = (Listed(id=LITE), Listed(id=OLD))
    open: Sequence[Listed] = (
        Listed(id=GROK, canonical="x-ai/grok-4.3-20260401", prompt=D("1e-6"), completion=D("5e-6")),
    )
    models: Models = field(default_factory=Models.load)
    told: list[Event] = field(default_factory=list)
    adopted: list[Models] = field(default_factory=list)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    full: bool = False

    def __post_init__(self) -> None:
        self.gemini, self.router = Shop("gemini", self.listed), Shop("openrouter", self.open)
        self.watch = ModelWatch(
            self.models,
            {"gemini": self.gemini, "openrouter": self.router},
            self.clock,
            self.tell,
            lambda: self.asked,
            off={"own": "no GAVEL_MODEL_URL"},
            adopt=self.adopted.append,
            now=lambda: DESK,
        )

    async def tell(self, *events: Event) -> None:
        await asyncio.sleep(0)
        if self.full:
            raise JournalUnwritable("the disk is full")
        self.told += events

    async def check(self) -> list[Event]:
        self.told.clear()
        await self.watch.check()
        return list(self.told)

    async def hear(self, lack: Lack | None = None, *, times: int = 1, **more: object) -> list[Event]:
        self.told.clear()
        for _ in range(times):
            self.watch.heard(an_exchange(lack, **more))
        await self.watch.close()
        return list(self.told)


def an_exchange(lack: Lack | None = None, **more: object) -> Exchange:
    usual: dict[str, object] = {
        "purpose": "sentiment extract",
        "provider": "gemini",
        "requested": LITE,
        "at": NOW,
        "lack": lack,
        "reason": "" if lack is None else "HTTP 503",
    }
    return Exchange(**{**usual, **more})  # type: ignore[arg-type]


# --- the daily look ---------------------------------------------------------------------------------------------------


async def test_models_that_are_listed_and_priced_are_not_spoken_of() -> None:
    house = House(asked={LITE: ("judge",), GROK: ("council",)})
    assert await house.check() == []
    assert house.watch.voices() == ((LITE, "armed"), (GROK, "armed"))
    assert house.watch.models.named(GROK).price == Price(input=D(1), output=D(5))
    assert house.adopted[-1] is house.watch.models


async def test_a_model_that_its_provider_does_not_list_is_lost_and_told_once_a_day_until_it_is_back() -> None:
    house = House(listed=(Listed(id=OLD),))
    lost = VoiceLost(
        at=DESK, voice=LITE, lack=Lack.RETIRED, reason="gemini does not list it", serves=("sentiment", "judge")
    )
    assert await house.check() == [lost]
    assert await house.check() == []
    house.clock.advance(DAY)
    assert await house.check() == [lost]
    assert house.watch.voices() == ((LITE, "no such model: gemini does not list it"),)
    house.gemini.listed = (Listed(id=LITE),)
    assert await house.check() == [VoiceBack(at=DESK, voice=LITE, lost_at=DESK)]
    assert house.watch.voices() == ((LITE, "armed"),)
    house.gemini.listed = (Listed(id=OLD),)
    assert await house.check() == [lost], "it is gone anew, on the same day"


async def test_a_server_that_lists_nothing_does_not_say_that_its_models_are_gone() -> None:
    assert await House(listed=()).check() == []


async def test_a_list_that_cannot_be_read_changes_nothing_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.gemini.listed = Unanswered(Lack.LATE, "no answer within 5 s")
    with caplog.at_level(logging.WARNING):
        assert await house.check() == []
    assert "the models of gemini could not be read: no answer within 5 s" in caplog.text


async def test_a_model_without_a_price_is_told_and_is_back_once_it_is_listed() -> None:
    house = House(asked={GROK: ("council",)}, open=(Listed(id=GROK),))
    (lost,) = await house.check()
    assert isinstance(lost, VoiceLost)
    assert (lost.lack, lost.reason, lost.serves) == (Lack.NO_PRICE, "nobody has said what it costs", ("council",))
    house.router.listed = (Listed(id=GROK, prompt=D(0), completion=D(0)),)
    assert await house.check() == [VoiceBack(at=DESK, voice=GROK, lost_at=DESK)]


@pytest.mark.parametrize(
    ("at", "days"),
    [(datetime(2026, 11, 16, 23, tzinfo=UTC), None), (datetime(2026, 11, 17, tzinfo=UTC), 14), (NOW, 11),
     (datetime(2026, 12, 1, tzinfo=UTC), 0), (datetime(2026, 12, 3, 8, tzinfo=UTC), -2)],
)  # fmt: skip
async def test_an_end_within_two_weeks_is_told_once_a_day(at: datetime, days: int | None) -> None:
    house = House(asked={OLD: ("sentiment",)}, clock=ManualClock(at))
    found = await house.check()
    ends = datetime(2026, 12, 1, tzinfo=UTC)
    if days is None:
        assert found == []
        return
    assert found == [ModelExpiring(at=DESK, model=OLD, expires=ends, days=days, instead=LITE)]
    assert await house.check() == []
    house.clock.advance(DAY)
    assert [type(e) for e in await house.check()] == [ModelExpiring]


async def test_the_earlier_end_of_list_and_file_counts() -> None:
    house = House(asked={GROK: ("council",)})
    house.router.listed = (replace(house.open[0], expires=NOW + 3 * DAY),)
    (found,) = await house.check()
    assert isinstance(found, ModelExpiring)
    assert (found.days, found.instead) == (3, "")
    house = House(asked={OLD: ("judge",)}, listed=(Listed(id=OLD, expires=NOW + 90 * DAY),))
    assert [type(e) for e in await house.check()] == [ModelExpiring]


async def test_nobody_is_told_of_models_whose_provider_has_no_key_nor_of_those_that_are_not_asked(
    tmp_path: Path,
) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[models.mine]\nprovider = "own"\nschema = "none"\n')
    house = House(asked={"mine": ("judge",)}, models=Models.load(file))
    assert await house.check() == []
    assert house.watch.voices() == (("mine", "no GAVEL_MODEL_URL"),)


async def test_a_playbook_that_asks_what_nobody_knows_is_told() -> None:
    house = House(asked={"gemini-9": ("judge",)})
    (lost,) = await house.check()
    assert isinstance(lost, VoiceLost)
    assert lost.reason.startswith("no model 'gemini-9'")
    ((name, state),) = house.watch.voices()
    assert (name, state.startswith("no model 'gemini-9'")) == ("gemini-9", True)
    with pytest.raises(BadModels):
        house.watch.why_not("gemini-9")


# --- every exchange ---------------------------------------------------------------------------------------------------


async def test_three_failures_in_a_row_are_a_loss_that_is_told_once_until_an_answer() -> None:
    house = House()
    assert await house.hear(Lack.SERVER, times=2) == []
    assert await house.hear(returned=LITE) == []
    assert await house.hear(Lack.LATE, times=2) == []
    assert await house.hear(Lack.SERVER) == [
        VoiceLost(at=DESK, voice=LITE, lack=Lack.SERVER, reason="HTTP 503", serves=("sentiment", "judge"))
    ]
    assert house.watch.voices() == ((LITE, "provider's fault: HTTP 503"),)
    assert await house.hear(Lack.SERVER, times=9) == []
    assert await house.check() == [], "it is listed, so the look at the list has nothing to say"
    assert await house.hear(returned=LITE) == [VoiceBack(at=DESK, voice=LITE, lost_at=DESK)]
    assert await house.hear(Lack.SERVER, times=2) == []


@pytest.mark.parametrize("lack", [Lack.OVER_BUDGET, Lack.NO_PRICE, Lack.NOT_RECORDED, Lack.OFF])
async def test_what_is_our_own_doing_is_no_loss(lack: Lack) -> None:
    assert await House().hear(lack, times=5) == []


async def test_a_voice_that_is_no_model_is_named_by_what_it_is() -> None:
    found = await House().hear(Lack.RATE_LIMITED, times=3, provider="etherscan", requested="", purpose="whale")
    assert [(e.voice, e.serves) for e in found if isinstance(e, VoiceLost)] == [("etherscan", ("whale",))]


async def test_a_model_is_named_as_playbooks_write_it(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[models.quick]\nid = "gemini-9-nano"\nprovider = "gemini"\nschema = "none"\n')
    house = House(asked={"quick": ("judge",)}, models=Models.load(file))
    (lost,) = await house.hear(Lack.LATE, times=3, requested="gemini-9-nano")
    assert isinstance(lost, VoiceLost)
    assert (lost.voice, lost.serves) == ("quick", ("judge",))


async def test_another_model_is_told_once_for_each_pair() -> None:
    house = House()
    said = ModelSubstituted(at=DESK, requested=OLD, returned=LITE, provider="gemini")
    assert await house.hear(requested=OLD, returned=LITE, times=3) == [said]
    assert await house.hear(requested=OLD, returned=f"{LITE}-001") == [replace(said, returned=f"{LITE}-001")]
    assert await house.hear(requested=OLD, returned=f"{OLD}-002") == []
    assert await house.hear(requested=OLD, returned="") == []


async def test_the_canonical_name_of_the_list_is_the_same_model() -> None:
    house = House(open=(Listed(id=GROK, canonical="x-ai/grok-4-3-spring"),))
    heard = {"provider": "openrouter", "requested": GROK, "returned": "x-ai/grok-4-3-spring"}
    await house.check()
    assert await house.hear(**heard) == []
    assert len(await House().hear(**heard)) == 1


async def test_a_journal_that_does_not_take_it_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    house = House(listed=(Listed(id=OLD),), full=True)
    with caplog.at_level(logging.ERROR):
        await house.watch.check()
        assert await house.hear(Lack.LATE, times=3) == []
    assert "the disk is full" in caplog.text


async def test_a_model_that_failed_and_then_is_gone_says_so() -> None:
    house = House()
    await house.hear(Lack.SERVER, times=3)
    house.gemini.listed = (Listed(id=OLD),)
    assert await house.check() == [], "that it is lost was told today"
    assert house.watch.voices() == ((LITE, "no such model: gemini does not list it"),)
    house.clock.advance(DAY)
    (lost,) = await house.check()
    assert isinstance(lost, VoiceLost)
    assert lost.lack is Lack.RETIRED


# --- the catalogue as it is shown -------------------------------------------------------------------------------------


async def test_each_model_is_a_line_with_what_it_serves_and_costs() -> None:
    house = House()
    await house.check()
    lines = {line.name: line for line in house.watch.lines()}
    assert list(lines) == [spec.name for spec in house.watch.models.all]
    lite = lines[LITE]
    assert (lite.state, lite.asked, lite.input, lite.search, lite.search_per) == (
        "armed", ("sentiment", "judge"), D("0.30"), D("0.014"), "query",
    )  # fmt: skip
    grok = lines[GROK]
    assert (grok.state, grok.asked, grok.output, grok.search, grok.search_per) == ("armed", (), D(5), None, "")
    assert lines["qwen/qwen3-max"].state == "openrouter does not list it"
    assert (lines[OLD].expires, lines[OLD].instead) == (datetime(2026, 12, 1, tzinfo=UTC), LITE)
