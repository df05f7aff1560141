"""/mode and /wallet: what is shown, what is missing, what has to be typed, and what is done then."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal as D
from pathlib import Path

import pytest

from bot.live_setup import Setup, setup_of
from bot.render.words import RenderContext
from bot.settings import Settings, read_settings
from bot.surface import Card
from tests.asking import BY, last_run, tap
from tests.risk_examples import AT
from tests.surfaces import ANA, OLA, OTTO, Stage, staged
from trading.messages import AcceptWallet, ArmLive, DisarmLive
from trading.model import Balance, Wallets
from trading.real_money import NOT_CONFIRMED
from trading.venues.exchange.wire import Finding, Grade

KEYS = ("BYBIT_API_KEY", "BYBIT_API_SECRET")
READY = Setup(venue="bybit", keys=tuple((name, "the environment") for name in KEYS), lacking=())
OFF = {"live_by": "", "live_at": None}


class Doctor:
    """Finds what a test wants."""

    def __init__(self, *found: Finding) -> None:
        self.found = found
        self.looks = 0

    async def look(self) -> tuple[Finding, ...]:
        self.looks += 1
        return self.found


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


def goes_live(stage: Stage, *, doctor: Doctor | None = None, setup: Setup = READY, **view: object) -> Stage:
    about = RenderContext(mode="LIVE", market="Bybit V5, live prices")
    stage.surface._tools = replace(stage.tools, about=about, setup=setup, doctor=doctor)
    stage.desk.view = replace(stage.desk.view, mode="LIVE", market="Bybit V5, live prices", **view)
    return stage


def code_of(asked: Card) -> str:
    form = next(b.form for b in asked.buttons if b.form)
    return form.removeprefix("Type ").removesuffix(" to confirm")


# --- on paper ---------------------------------------------------------------------------------------------------------


async def test_a_paper_desk_says_what_is_missing_for_live_and_asks_nothing(stage: Stage) -> None:
    for setup, missing in (
        (Setup(), "GAVEL_VENUE (weex, binance or bybit), the exchange's keys, GAVEL_MODE=live. Set it, restart"),
        (Setup(venue="bybit", lacking=("BYBIT_API_SECRET", "GAVEL_MODE=live")), "missing: BYBIT_API_SECRET, GAVEL"),
        (READY, "nothing is missing in the settings: restart"),
    ):
        stage.surface._tools = replace(stage.tools, setup=setup)
        said = await stage.card("/mode live", who=ANA)
        assert "refused" in said.title
        assert missing in said.plain()
        assert said.token == ""
        assert missing in (await stage.card("/mode", who=OLA)).plain()
    assert "on paper already" in (await stage.card("/mode paper", who=ANA)).plain()
    assert stage.desk.obeyed == []


# --- a live desk ------------------------------------------------------------------------------------------------------


async def test_mode_says_who_confirmed_it_and_names_keys_without_showing_them(stage: Stage) -> None:
    goes_live(stage, frozen=NOT_CONFIRMED)
    said = await stage.card("/mode", who=OLA)
    assert said.title == "LIVE mode live, not confirmed"
    assert "Keys: BYBIT_API_KEY, BYBIT_API_SECRET, from the environment" in said.lines
    assert "do:/mode live" in [b.data for b in said.buttons]
    goes_live(stage, live_by="Otto (telegram:9)", live_at=AT)
    said = await stage.card("/mode")
    assert said.title == "LIVE mode live, confirmed"
    assert "Confirmed by Otto (telegram:9)" in said.plain()
    assert "do:/mode paper" in [b.data for b in said.buttons]


async def test_live_is_confirmed_by_an_admin_who_types_the_code(stage: Stage) -> None:
    doctor = Doctor(Finding(name="clock", grade=Grade.OK, detail="12 ms"))
    goes_live(stage, doctor=doctor, frozen=NOT_CONFIRMED)
    assert "is for admins" in (await stage.card("/mode live", who=OTTO)).plain()
    asked = await stage.card("/mode live", who=ANA)
    code = code_of(asked)
    assert (len(code), code.isdigit()) == (4, True)
    wrong = f"{(int(code) + 1) % 10_000:04}"
    assert "not the code" in (await tap(stage, asked, wrong, who=ANA)).plain()
    assert "only ana" in (await tap(stage, asked, code)).plain()
    assert stage.desk.obeyed == []
    done = await stage.card(code, who=ANA)
    assert done.title == "LIVE live trading confirmed"
    assert stage.desk.obeyed == [ArmLive(by="Ana (telegram:7)")]
    assert doctor.looks == 2  # before it is asked, and before it is done


async def test_the_question_shows_what_is_at_stake_in_numbers(stage: Stage) -> None:
    goes_live(stage, unrealised=D("-50"), balance=Balance(wallet=D(2050), available=D(2000), as_of=AT))
    said = (await stage.card("/mode live", who=ANA)).plain()
    for part in (
        "trade on bybit with real money?",
        "REAL MONEY moves, and may be lost, all of it.",
        "practice: none",
        "Equity there 2,000.00",
        "Playbook desk",
        "2% of equity (40.00)",
        "5% of equity (100.00)",
        "Leverage at most 20x",
        "Positions at most 5",
    ):
        assert part in said, part


async def test_play_money_is_not_called_real(stage: Stage) -> None:
    goes_live(stage, setup=replace(READY, practice="testnet"))
    said = (await stage.card("/mode live", who=ANA)).plain()
    assert "trade on bybit testnet?" in said
    assert "PRACTICE: the exchange's play money." in said
    assert "REAL MONEY" not in said


async def test_an_error_of_the_self_check_refuses_it_a_warning_does_not(stage: Stage) -> None:
    bad = Finding(name="permissions of the key", grade=Grade.ERROR, detail="it may withdraw", mend="make another one")
    mild = Finding(name="clock", grade=Grade.WARNING, detail="0.4 s off")
    goes_live(stage, doctor=Doctor(mild, bad))
    said = await stage.card("/mode live", who=ANA)
    assert "found 1 error. permissions of the key: it may withdraw (make another one)" in said.plain()
    assert (said.token, "clock" in said.plain()) == ("", False)
    goes_live(stage, doctor=Doctor(mild))
    assert (await stage.card("/mode live", who=ANA)).token


async def test_what_has_gone_wrong_since_the_question_refuses_the_code(stage: Stage) -> None:
    doctor = Doctor()
    goes_live(stage, doctor=doctor)
    asked = await stage.card("/mode live", who=ANA)
    doctor.found = (Finding(name="clock", grade=Grade.ERROR, detail="3 s off"),)
    assert "clock: 3 s off" in (await tap(stage, asked, code_of(asked), who=ANA)).plain()
    assert stage.desk.obeyed == []


async def test_a_venue_that_cannot_be_read_refuses_it(stage: Stage) -> None:
    for missing in ({"balance": None}, {"balance": stage.desk.view.balance, "wallets": None}):
        goes_live(stage, **missing)
        assert "the venue cannot be read" in (await stage.card("/mode live", who=ANA)).plain()


async def test_what_else_keeps_entries_out_is_said(stage: Stage) -> None:
    goes_live(stage, frozen="the journal cannot be written")
    assert "All the same: entries are frozen: the journal" in (await stage.card("/mode live", who=ANA)).plain()
    goes_live(stage, frozen=NOT_CONFIRMED)
    assert "All the same" not in (await stage.card("/mode live", who=ANA)).plain()


async def test_live_is_confirmed_once(stage: Stage) -> None:
    goes_live(stage, live_by="Otto (telegram:9)", live_at=AT)
    said = (await stage.card("/mode live", who=ANA)).plain()
    assert "confirmed already, by Otto (telegram:9)" in said
    goes_live(stage, **OFF)
    assert "not confirmed, so nothing is entered" in (await stage.card("/mode paper", who=ANA)).plain()


async def test_mode_paper_stops_entries_and_says_how_to_leave(stage: Stage) -> None:
    goes_live(stage, live_by="Otto (telegram:9)", live_at=AT)
    asked = await stage.card("/mode paper")
    for part in ("/flatten closes everything", "GAVEL_MODE=paper, and restart", "1 position open"):
        assert part in asked.plain(), part
    done = await tap(stage, asked)
    assert stage.desk.obeyed == [DisarmLive(by=BY)]
    assert "GAVEL_MODE=paper" in done.plain()
    assert done.title == "LIVE live trading stopped"


# --- the wallet -------------------------------------------------------------------------------------------------------


async def test_the_wallet_is_accepted_as_it_was_shown(stage: Stage) -> None:
    stage.desk.view = replace(stage.desk.view, wallets=Wallets(venue=D(90), desk=D("100.5"), at=AT), unacceptable="")
    assert "wallet: the venue has 10.50 less" in (await stage.card("/wallet", who=OLA)).title
    assert "is for admins" in (await stage.card("/wallet accept", who=OTTO)).plain()
    asked = await stage.card("/wallet accept", who=ANA)
    for part in ("At the venue 90,", "In the desk's books 100.5", "Difference -10.5", "100.5 -> 90"):
        assert part in asked.plain(), part
    stage.desk.view = replace(stage.desk.view, wallets=Wallets(venue=D(80), desk=D("100.5"), at=AT))
    await tap(stage, asked, who=ANA)
    assert stage.desk.obeyed == [AcceptWallet(by="Ana (telegram:7)", difference=D("-10.5"))]
    assert (await last_run(stage)).result == "done: /wallet accept -10.5"


async def test_why_the_wallet_cannot_be_accepted_is_said(stage: Stage) -> None:
    apart = Wallets(venue=D(90), desk=D(100), at=AT)
    stage.desk.view = replace(stage.desk.view, wallets=apart, unacceptable="Positions differ, and come first: x.")
    assert "Positions differ, and come first" in (await stage.card("/wallet accept", who=ANA)).plain()
    said = await stage.card("/wallet")
    assert "Positions differ, and come first: x." in said.lines
    assert "do:/wallet accept" not in [b.data for b in said.buttons]


# --- where the settings are -------------------------------------------------------------------------------------------


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    return tmp_path / ".env"


def written(env: Path, *lines: str) -> Settings:
    env.write_text("\n".join(lines) + "\n")
    return read_settings(env)


def test_without_an_exchange_everything_is_missing(env: Path) -> None:
    assert setup_of(written(env, "BYBIT_API_KEY=abc"), connected=False) == Setup()
    assert Setup().lacking[-1] == "GAVEL_MODE=live"


def test_what_is_missing_is_named_by_its_variable(env: Path) -> None:
    found = setup_of(written(env, "GAVEL_VENUE=weex", "WEEX_API_KEY=abc", "GAVEL_PRACTICE=demo"), connected=True)
    assert (found.venue, found.practice, found.keys) == ("weex", "demo", (("WEEX_API_KEY", ".env"),))
    assert found.lacking == ("WEEX_API_SECRET", "WEEX_API_PASSPHRASE", "GAVEL_MODE=live")


def test_where_a_key_is_from_is_said_and_never_the_key(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("binance_api_key", "THE-KEY")
    monkeypatch.setenv("BINANCE_API_SECRET", "")
    lines = ("GAVEL_VENUE=binance", "GAVEL_MODE=live", "BINANCE_API_KEY=OTHER", "BINANCE_API_SECRET=THE-SECRET")
    found = setup_of(written(env, *lines), connected=True)
    assert found.keys == (("BINANCE_API_KEY", "the environment"), ("BINANCE_API_SECRET", ".env"))
    assert found.lacking == ()
    assert not {"THE-KEY", "THE-SECRET", "OTHER"} & set(repr(found).split("'"))


def test_what_is_played_is_on_paper_whatever_the_settings_say(env: Path) -> None:
    lines = ("GAVEL_VENUE=binance", "GAVEL_MODE=live", "BINANCE_API_KEY=a", "BINANCE_API_SECRET=b")
    assert setup_of(written(env, *lines), connected=False).lacking == (
        "`gavel run`: what is played is always on paper",
    )
