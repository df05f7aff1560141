"""The commands that change the desk: who may, what is asked, what is done after a yes; halt, resume, the breaker."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path

import pytest

from bot.gate import Surface
from bot.reach import People
from bot.surface import Role
from tests import risk_examples as risk
from tests import surface_examples as examples
from tests.asking import BTC, BY, LOCK, a_stage, last_run, tap
from tests.surfaces import ANA, OLA, OTTO, Stage
from trading import events as m
from trading.breaker import Level
from trading.messages import Command, EndOverride, Halt, OverrideBreaker, ResetBreaker, Resume, UnlockPair
from trading.model import TradingState


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_stage(tmp_path) as made:
        yield made


@pytest.fixture
def people(stage: Stage) -> People:
    return stage.surface._tools.people


# --- what every one of them has ---------------------------------------------------------------------------------------


FOR_OPERATORS = (
    "/halt", "/pause DOGE", "/lock DOGE long", "/unlock BTC", "/resume", "/close BTC", "/flatten", "/enter BTC long",
    "/phase use final", "/breaker reset",
)  # fmt: skip
FOR_ADMINS = (
    "/set judge.min_confidence 0.7", "/undo", "/reload", "/phase set final max_hold=6h", "/playbook use smt-3.1",
    "/playbook new calm from desk", "/shadow add sigma", "/shadow remove smt-3.1", "/breaker override alert for 1h",
    "/breaker end", "/mode live", "/mode paper", "/wallet accept",
)  # fmt: skip


async def test_a_viewer_cannot_change_the_desk(stage: Stage) -> None:
    for text in FOR_OPERATORS:
        for asks in ({"text": text}, {"button": f"do:{text}"}):
            assert "is for operators, you are a viewer" in (await stage.card(**asks, who=OLA)).plain(), text
    assert stage.desk.obeyed == []


async def test_an_operator_cannot_change_what_is_for_admins(stage: Stage) -> None:
    for text in FOR_ADMINS:
        for asks in ({"text": text}, {"button": f"re:{text}"}):
            assert "is for admins, you are an operator" in (await stage.card(**asks, who=OTTO)).plain(), text
    assert stage.desk.obeyed == []


REFUSALS = (
    ("/resume", "the desk is not halted"),
    ("/resume ETH", "ETH is not locked; locked: BTC"),
    ("/resume everything", "no pair"),
    ("/unlock ETH", "ETH is not locked; locked: BTC"),
    ("/unlock", "which pair?"),
    ("/pause", "which pair?"),
    ("/lock DOG", "did you mean DOGE?"),
    ("/locks page=0", "not a page like page=2"),
    ("/close nothing", "no open position nothing; open: btc-k3f9x2pa"),
    ("/close", "which position?"),
    ("/close BTC 0%", "not more than 0 and at most 100 %"),
    ("/close BTC 150%", "not more than 0 and at most 100 %"),
    ("/close BTC some", "not a part like 50% or half"),
    ("/enter BTC", "which side?"),
    ("/enter BTC sideways", "known: long, short"),
    ("/enter ETH long", "no fresh bar for ETH"),
    ("/market", "which pair?"),
    ("/market eth", "no fresh bar for ETH"),
    ("/breaker rest", "did you mean reset?"),
    ("/breaker reset", "nothing to reset"),
    ("/breaker override", "which level?"),
    ("/breaker override halted for 1h", "did you mean halt?"),
    ("/breaker override halt", "which lasts?"),
    ("/breaker override halt for ever", "not a time like 30m or 2h"),
    ("/breaker override halt for 25h", "not within 1d"),
    ("/breaker override halt for 0m", "not within 1d"),
    ("/breaker end", "no override is in force"),
    ("/shadow ad sigma", "did you mean add?"),
    ("/shadow add", "which playbook?"),
    ("/shadow add smt-3.1", "runs in shadow already"),
    ("/shadow remove desk", "no playbook in shadow 'desk'; known: smt-3.1"),
    ("/playbook use", "which playbook?"),
    ("/playbook use dsk", "did you mean desk?"),
    ("/playbook desc", "did you mean desk?"),
    ("/playbook ../../etc/passwd.toml", "no playbook"),
    ("/phase finale", "did you mean final?"),
    ("/phase set", "which phase?"),
    ("/phase set final", "which changes?"),
    ("/phase set finale max_hold=6h", "did you mean final?"),
    ("/phase set final max_hold", "a setting and its value are needed"),
    ("/phase set final max_hlod=6h", "did you mean max_hold?"),
    ("/phase set final max_hold=6h max_hold=7h", "stands twice"),
    ("/phase set final max_hold=0h", "should be greater than 0 (found 0h)"),
    ("/phase set final =6h", "a setting and its value are needed"),
    ("/set", "which key?"),
    ("/set judge.min_confidnce 0.7", "did you mean judge.min_confidence?"),
    ("/set judge.min_confidence", "which value?"),
    ("/set zzz 1", "no setting 'zzz'; /settings lists them"),
    ("/settings jugde", "did you mean judge?"),
    ("/undo 3", "the settings have changed meanwhile, to version 4"),
    ("/mode live", "For live trading is missing: GAVEL_VENUE"),
    ("/mode live", "no code is asked for"),
    ("/wallet accept", "Nothing differs"),
    ("/wallet accept some", "not an amount like 250"),
    ("/wallet accept NaN", "not an amount like 250"),
    ("/wallet acept", "did you mean accept?"),
    ("/mode paper", "on paper already"),
    ("/mode lve", "did you mean live?"),
)


async def test_what_cannot_be_done_is_said_plainly(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, locks=(LOCK,))
    said = {text: (await stage.card(text)).plain() for text, _ in REFUSALS}
    assert {(text, said[text]) for text, part in REFUSALS if part not in said[text]} == set()
    assert stage.desk.obeyed == []


ANSWERS = (
    ("/locks", "BTC both sides: until it is unlocked, by Ana (telegram:7): thin book"),
    ("/mode", "mode paper"),
    ("/wallet", "wallet: venue and desk agree"),
    ("/breaker", "breaker CLOSED"),
    ("/market BTC", "MACD agrees: long"),
    ("/market btc/usdt", "momentum +0.62 x 0.25"),
    ("/market  BtcUsdt", "V2 long 0.60, valid"),
    ("/market btc-usdt", "Regime trend up, risk x1.3"),
    ("/regime", "ETH: regime chop, risk x0.4"),
    ("/exposure", "BTC with ETH: +0.87, measured on 700 hours"),
    ("/phase", "final: protect what is there"),
    ("/phase", "/phase set NAME key=value"),
    ("/phase FINAL", "protect what is there"),
    ("/phase auto", "phase base"),
    ("/playbook", "running"),
    ("/playbook smt-3.1", "Leverage 20x"),
    ("/playbook SMT3.1", "playbook smt-3.1"),
    ("/playbook LIST", "desk (running)"),
    ("/playbook show desk", "running"),
    ("/playbook show", "running"),
    ("/shadow", "240 the same, 12 different"),
    ("/settings", "judge.min_confidence: 0.65 (file 0.6; a number above 0 and up to 1), by Ana (telegram:7)"),
    ("/settings", "Page 1 of 2"),
    ("/settings max_risk", "limits.max_risk: 2%"),
    ("/settings changed", "1 setting of desk: changed"),
    ("/settings page=2", "limits.max_risk"),
    ("/settings limits page=2", "Page 2 of 2"),
)


async def test_reading_commands_answer_a_viewer(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, locks=(LOCK,))
    said = {text: (await stage.card(text, who=OLA)).plain() for text, _ in ANSWERS}
    assert {(text, said[text]) for text, part in ANSWERS if part not in said[text]} == set()


ASKING = (
    "/close BTC", "/enter BTC long", "/unlock BTC", "/resume BTC", "/set judge.min_confidence 0.7", "/undo", "/reload",
    "/phase use final", "/phase set final max_hold=6h", "/playbook use smt-3.1", "/playbook new calm from desk",
    "/shadow add sigma", "/shadow remove smt-3.1", "/breaker override halt for 1h",
)  # fmt: skip


async def test_a_question_is_good_for_one_yes_of_the_one_who_asked(stage: Stage) -> None:
    held = replace(stage.desk.view, locks=(LOCK,))
    for text in ASKING:
        stage.desk.view, stage.desk.beside = held, (risk.a_shadow_desk(),)
        stage.desk.obeyed.clear()
        asked = await stage.card(text)
        assert [b.label for b in asked.buttons] == ["Confirm", "Cancel"], text
        assert "only owner can answer this question" in (await tap(stage, asked, who=ANA)).plain(), text
        assert stage.desk.obeyed == [], text
        done = await tap(stage, asked)
        assert len(stage.desk.obeyed) == 1, text
        assert f"confirmed by {BY}, 2026-01-05 09:30 UTC" in done.plain(), text
        assert (await last_run(stage)).result.startswith("done: /"), text
        assert "already confirmed by owner" in (await tap(stage, asked)).plain(), text
        assert len(stage.desk.obeyed) == 1, text


async def test_a_question_that_is_late_or_cancelled_does_nothing(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, locks=(LOCK,))
    for text in ASKING:
        late, gone = await stage.card(text), await stage.card(text)
        assert "nothing was done" in (await stage.card(button=f"no:{gone.token}")).plain(), text
        assert "already cancelled" in (await tap(stage, gone)).plain(), text
        stage.wall.advance(timedelta(seconds=121))
        assert "this question expired" in (await tap(stage, late)).plain(), text
    assert stage.desk.obeyed == []


async def test_who_has_lost_his_role_meanwhile_confirms_nothing(stage: Stage, people: People) -> None:
    asked = await stage.card("/close BTC", who=OTTO)
    await people.change_role("otto", Role.VIEWER)
    assert "is for operators" in (await tap(stage, asked, who=OTTO)).plain()
    await people.change_role("otto", Role.OPERATOR)
    await tap(stage, asked, who=OTTO)
    assert len(stage.desk.obeyed) == 1


async def test_a_question_works_across_a_restart(stage: Stage) -> None:
    asked = await stage.card("/close BTC")
    stage.surface = Surface(stage.surface._tools)
    await tap(stage, asked)
    assert len(stage.desk.obeyed) == 1


# --- halt and resume --------------------------------------------------------------------------------------------------


async def test_halt_acts_at_once(stage: Stage) -> None:
    card = await stage.card("/halt news", who=ANA)
    assert stage.desk.obeyed == [Halt(by="Ana (telegram:7)", reason="news")]
    assert "halted" in card.title
    assert (await last_run(stage)).changes == (("trading", "active", "halted: news"),)


async def test_resume_shows_what_changes_and_acts_on_the_tap(stage: Stage) -> None:
    await stage.say("/halt news", who=ANA)
    stage.desk.view = replace(stage.desk.view, locks=(LOCK,))
    asked = await stage.card("/resume", who=ANA)
    for part in ("news", "no new entries -> new entries allowed", "Locked all the same: BTC"):
        assert part in asked.plain()
    await tap(stage, asked, who=ANA)
    assert stage.desk.obeyed[1:] == [Resume(by="Ana (telegram:7)")]
    assert (await last_run(stage)).changes == (("trading", "halted: news", "active"),)


async def test_resume_says_what_holds_entries_back_all_the_same(stage: Stage) -> None:
    halting = risk.view(risk.tripped(day_loss=D("0.052")))
    stage.desk.view = replace(stage.desk.view, at=examples.AT, breaker=halting)
    held = "No new entries: the breaker is at HALT"
    assert f"the desk is not halted, but: {held}" in (await stage.card("/resume")).plain()
    stage.desk.view = replace(stage.desk.view, trading=TradingState.HALTED, halted_by="x")
    assert f"All the same: {held}" in (await stage.card("/resume")).plain()


async def test_resume_with_a_pair_takes_its_locks_off(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, locks=(LOCK,))
    asked = await stage.card("/resume btc")
    assert "thin book" in asked.plain()
    await tap(stage, asked)
    assert stage.desk.obeyed == [UnlockPair(symbol=BTC, by=BY)]


# --- after SHUTDOWN ---------------------------------------------------------------------------------------------------


@pytest.fixture
def shut(stage: Stage) -> Stage:
    """Halted, and the breaker at SHUTDOWN."""
    stage.desk.view = replace(
        stage.desk.view,
        at=examples.AT,
        breaker=risk.view(risk.shut_down()),
        trading=TradingState.HALTED,
        halted_by="x",
        halt_reason="too hot",
    )
    return stage


BOTH_DONE = [ResetBreaker, Resume]
AFTER_SHUTDOWN = (("/resume", BOTH_DONE), ("/breaker reset", [ResetBreaker]))


@pytest.mark.parametrize(("text", "done"), AFTER_SHUTDOWN)
async def test_after_shutdown_one_admin_is_enough_and_that_is_said(
    shut: Stage, text: str, done: list[type[Command]]
) -> None:
    asked = await shut.card(text)
    assert "One yes is enough: there is only one admin in the chats." in asked.plain()
    assert "SHUTDOWN -> CLOSED" in asked.plain()
    assert "order failures 10" in asked.plain()
    await tap(shut, asked)
    assert [type(c) for c in shut.desk.obeyed] == done


@pytest.fixture
async def two_admins(people: People) -> None:
    await people.add("discord:77", Role.ADMIN, name="Bea", by="a test")


@pytest.mark.usefixtures("two_admins")
@pytest.mark.parametrize(("text", "done"), AFTER_SHUTDOWN)
async def test_after_shutdown_the_first_yes_asks_a_second_person(
    shut: Stage, text: str, done: list[type[Command]]
) -> None:
    asked = await shut.card(text, who=ANA)
    assert "two people have to say yes" in asked.plain()
    waits = await tap(shut, asked, who=ANA)
    assert "Nothing has been done yet." in waits.plain()
    assert [b.label for b in waits.buttons] == ["Approve", "Decline", "Breaker"]
    assert shut.desk.obeyed == []
    assert (await last_run(shut)).result.startswith("confirmation asked: /")
    told = await shut.queries.last_event("ApprovalAsked")
    assert isinstance(told, m.ApprovalAsked)
    assert (told.by, told.token, told.until) == (
        "Ana (telegram:7)",
        waits.token,
        shut.wall.now() + timedelta(minutes=10),
    )
    assert "a second person has to answer this: you asked" in (await tap(shut, waits, who=ANA)).plain()
    assert "is for operators, you are a viewer" in (await tap(shut, waits, who=OLA)).plain()
    assert "is for operators" in (await shut.card(button=f"no:{waits.token}", who=OLA)).plain()
    assert shut.desk.obeyed == []
    await tap(shut, waits, who=OTTO)
    assert [type(c) for c in shut.desk.obeyed] == done
    assert {getattr(c, "by", "") for c in shut.desk.obeyed} == {"ana and telegram:9"}
    assert "already confirmed by otto" in (await tap(shut, waits, who=OTTO)).plain()
    assert len(shut.desk.obeyed) == len(done)


@pytest.mark.usefixtures("two_admins")
async def test_a_second_person_can_decline_or_come_too_late(shut: Stage) -> None:
    waits = await tap(shut, await shut.card("/resume", who=ANA), who=ANA)
    assert "nothing was done" in (await shut.card(button=f"no:{waits.token}", who=OTTO)).plain()
    assert "already cancelled" in (await tap(shut, waits, who=OTTO)).plain()
    waits = await tap(shut, await shut.card("/resume", who=ANA), who=ANA)
    shut.wall.advance(timedelta(minutes=10))
    assert "expired" in (await tap(shut, waits, who=OTTO)).plain()
    assert shut.desk.obeyed == []


@pytest.mark.usefixtures("two_admins")
async def test_the_first_yes_counts_no_more_when_its_role_is_gone(shut: Stage, people: People) -> None:
    waits = await tap(shut, await shut.card("/resume", who=OTTO), who=OTTO)
    await people.change_role("otto", Role.VIEWER)
    assert "otto, who asked, may not do this any more" in (await tap(shut, waits, who=ANA)).plain()
    assert shut.desk.obeyed == []


@pytest.mark.usefixtures("two_admins")
async def test_two_people_also_loosen_shutdown_by_an_override(shut: Stage) -> None:
    tight = await shut.card("/breaker override halt for 1h", who=ANA)
    assert "two people" not in tight.plain()
    waits = await tap(shut, await shut.card("/breaker override alert for 1h", who=ANA), who=ANA)
    assert "is for admins" in (await tap(shut, waits, who=OTTO)).plain()
    await tap(shut, waits)
    both = "ana and console:owner"
    assert shut.desk.obeyed == [OverrideBreaker(level=Level.ALERT, lasts=timedelta(hours=1), by=both)]


@pytest.mark.parametrize("text", ["/resume", "/breaker reset"])
async def test_a_breaker_that_has_shut_down_meanwhile_is_not_reset_unseen(stage: Stage, text: str) -> None:
    throttled = risk.view(risk.throttled())
    stage.desk.view = replace(stage.desk.view, at=examples.AT, breaker=throttled, trading=TradingState.HALTED)
    asked = await stage.card(text)
    stage.desk.view = replace(stage.desk.view, breaker=risk.view(risk.shut_down()))
    assert "has gone to SHUTDOWN meanwhile" in (await tap(stage, asked)).plain()
    assert stage.desk.obeyed == []


async def test_what_was_reset_by_somebody_else_meanwhile_is_only_resumed(shut: Stage) -> None:
    asked = await shut.card("/resume")
    shut.desk.view = replace(shut.desk.view, breaker=risk.view())
    await tap(shut, asked)
    assert shut.desk.obeyed == [Resume(by=BY)]


async def test_a_shutdown_without_a_halt_is_resumed_by_a_reset_alone(shut: Stage) -> None:
    shut.desk.view = replace(shut.desk.view, trading=TradingState.ACTIVE)
    await tap(shut, await shut.card("/resume"))
    assert shut.desk.obeyed == [ResetBreaker(by=BY)]


# --- the breaker ------------------------------------------------------------------------------------------------------


async def test_an_operator_resets_the_breaker_after_a_confirmation(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, at=examples.AT, breaker=risk.view(risk.throttled()))
    asked = await stage.card("/breaker  RESET", who=OTTO)
    assert "day loss 3.61%, THROTTLE from 3.5%" in asked.plain()
    assert "Changes: THROTTLE -> CLOSED" in asked.plain()
    assert "yes is enough" not in asked.plain()
    done = await tap(stage, asked, who=OTTO)
    assert stage.desk.obeyed == [ResetBreaker(by="telegram:9")]
    assert "At the tap:" in done.plain()


async def test_a_reset_says_that_an_override_stays(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, at=examples.AT, breaker=risk.view(risk.overridden()))
    asked = await stage.card("/breaker reset")
    assert "The override stays: ALERT by Ana (telegram:7) until 16:05 UTC" in asked.plain()


OVERRIDES = (
    ("/breaker override ALERT for 30m", Level.ALERT, timedelta(minutes=30)),
    ("/Breaker OVERRIDE halt 2H", Level.HALT, timedelta(hours=2)),
    ("/breaker override closed for 1 h 30 min", Level.CLOSED, timedelta(minutes=90)),
    ("/breaker override Throttle for 1 day", Level.THROTTLE, timedelta(hours=24)),
    ("/breaker override shutdown for 24h", Level.SHUTDOWN, timedelta(hours=24)),
)


@pytest.mark.parametrize(("typed", "level", "lasts"), OVERRIDES)
async def test_an_override_is_confirmed_and_audited(stage: Stage, typed: str, level: Level, lasts: timedelta) -> None:
    asked = await stage.card(typed)
    assert f"CLOSED -> {level.name}" in asked.plain()
    await tap(stage, asked)
    assert stage.desk.obeyed == [OverrideBreaker(level=level, lasts=lasts, by=BY)]
    assert (await last_run(stage)).result.startswith("done: /breaker override")


async def test_a_looser_override_says_so(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, at=examples.AT, breaker=risk.view(risk.shut_down()))
    assert "looser than what is measured: SHUTDOWN" in (await stage.card("/breaker override alert for 1h")).plain()
    stage.desk.view = replace(stage.desk.view, breaker=risk.view())
    assert "looser" not in (await stage.card("/breaker override alert for 1h")).plain()


async def test_an_override_is_ended_after_a_confirmation(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, at=examples.AT, breaker=risk.view(risk.overridden()))
    assert "End override" in [b.label for b in (await stage.card("/breaker")).buttons]
    asked = await stage.card("/breaker end")
    assert "Changes: ALERT -> HALT" in asked.plain()
    await tap(stage, asked)
    assert stage.desk.obeyed == [EndOverride(by=BY)]
