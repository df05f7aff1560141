"""Everybody chooses for himself, in a shared place an operator for all; nobody switches off where his money is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.routing import KINDS, REQUIRED, Routing
from bot.surface import Identity
from storage.preferences import Preferences
from tests.surfaces import ANA, OLA, OTTO, OWNER, Stage, staged
from trading import events as m
from trading.errors import JournalUnwritable

ROOM = "telegram:-1001"
THERE = Identity(platform="discord", id="70")  # Ana on Discord


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        await made.tools.people.link("ana", THERE.key)
        for destination in ("telegram:7", "telegram:9", ROOM):
            made.routing.add(destination)
        yield made


async def told(stage: Stage) -> list[tuple[str, str, str]]:
    """What was changed, newest first."""
    audit = await stage.audit()
    return [(e.kind, e.before, e.after) for e in audit if isinstance(e, m.AlertsChanged)] + [
        (e.wish, e.before, e.after) for e in audit if isinstance(e, m.WishChanged)
    ]


# --- kinds ----------------------------------------------------------------------------------------------------------


async def test_the_overview_has_every_kind_and_every_wish(stage: Stage) -> None:
    said = await stage.card("/alerts", who=ANA)
    by_mode = {line.partition(": ")[0].lower(): line.partition(": ")[2].split(", ") for line in said.lines}
    for kind, what in KINDS.items():
        assert kind in by_mode[stage.routing.mode("telegram:7", kind)]
        assert f"{kind}: {what}" in said.detail
    for line in ("Time zone: UTC (/timezone)", "Quiet hours: off (/quiet)", "Digest: hourly (/alerts digest)"):
        assert line in said.lines


async def test_a_kind_is_changed_kept_and_journalled(stage: Stage) -> None:
    said = await stage.card("/alerts fill silent", who=ANA)
    assert "alerts here: fill on -> silent" in said.title
    assert stage.routing.mode("telegram:7", "fill") == "silent"
    assert stage.routing.mode("telegram:9", "fill") == "on"
    assert await Preferences(stage.database).load() == {("telegram:7", "fill"): "silent"}
    assert await told(stage) == [("fill", "on", "silent")]


async def test_a_kind_alone_is_shown_with_its_buttons_which_work_in_place(stage: Stage) -> None:
    said = await stage.card("/alerts wait", who=ANA)
    assert "alerts here: wait off" in said.title
    assert [b.data for b in said.buttons[:3]] == [f"re:/alerts wait {mode}" for mode in ("on", "silent", "digest")]
    await stage.card(button=said.buttons[2].data, who=ANA)
    assert stage.routing.mode("telegram:7", "wait") == "digest"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/alerts fil off", "did you mean fill?"),
        ("/alerts silent", "which kind?"),
        ("/alerts fill loud", "no mode 'loud'; known: on, silent, off, digest"),
        ("/alerts her on", "Did you mean /alerts here?"),
    ],
)
async def test_what_was_not_understood_is_said(text: str, said: str, stage: Stage) -> None:
    assert said.lower() in (await stage.card(text, who=ANA)).plain().lower()
    assert await told(stage) == []


@pytest.mark.parametrize("mode", ["off", "digest"])
@pytest.mark.parametrize("kind", sorted(REQUIRED))
async def test_where_money_is_at_risk_it_is_heard_at_once(kind: str, mode: str, stage: Stage) -> None:
    for who, place in ((OTTO, ""), (OWNER, "")):
        said = (await stage.card(f"/alerts {kind} {mode}", who=who, place=place)).plain()
        assert f"{kind} alerts cannot be {mode}" in said
        assert "They can be silent." in said
    await stage.card(f"/alerts {kind} silent", who=OTTO)
    assert stage.routing.mode("telegram:9", kind) == "silent"


async def test_the_kind_that_is_called_digest_is_changed_beside_its_times(stage: Stage) -> None:
    await stage.card("/alerts digest off", who=ANA)
    assert stage.routing.mode("telegram:7", "digest") == "off"
    await stage.card("/alerts digest daily 8", who=ANA)
    assert stage.tools.wishes.get("person:ana", "digest") == "daily 08:00"
    assert await told(stage) == [("digest", "silent", "off"), ("digest", "hourly", "daily 08:00")]


async def test_what_the_database_does_not_take_does_not_hold(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object, **__: object) -> None:
        raise JournalUnwritable("disk full")

    monkeypatch.setattr(stage.tools.preferences, "put", full)
    assert "error" in (await stage.card("/alerts fill off", who=ANA)).title
    assert stage.routing.mode("telegram:7", "fill") == "on"


# --- whose choice it is ---------------------------------------------------------------------------------------------


async def test_in_a_shared_place_an_operator_chooses_for_all(stage: Stage) -> None:
    for text in ("/alerts fill off", "/alerts here off", "/quiet 22-07", "/alerts min 5"):
        said = (await stage.card(text, who=OLA, place=ROOM, private=False)).plain()
        assert "choosing what a shared place is told is for operators, you are a viewer" in said
    assert "alerts here" in (await stage.card("/alerts", who=OLA, place=ROOM, private=False)).title
    await stage.card("/alerts fill off", who=OTTO, place=f"{ROOM}/15", private=False)
    await stage.card("/theme dark", who=OTTO, place=f"{ROOM}/15", private=False)
    assert stage.routing.mode(ROOM, "fill") == "off"
    assert stage.routing.mode("telegram:9", "fill") == "on"
    assert stage.surface.dark(ROOM)
    assert not stage.surface.dark("telegram:9")


async def test_one_persons_wishes_hold_on_every_platform(stage: Stage) -> None:
    await stage.card("/timezone Europe/Berlin", who=ANA)
    said = await stage.card("/timezone", who=THERE, place="discord:@70")
    assert "time zone: Europe/Berlin" in said.title
    assert "for you, everywhere" in said.plain()


# --- wishes -----------------------------------------------------------------------------------------------------------

WISHED = (
    ("/timezone berlin", "time zone: UTC -> Europe/Berlin", ("zone", "UTC", "Europe/Berlin")),
    ("/quiet 22-07", "quiet hours: off -> 22:00-07:00", ("quiet", "off", "22:00-07:00")),
    ("/theme dark", "theme of pictures: light -> dark", ("theme", "light", "dark")),
    ("/alerts min 25", "least result told alone: 0 -> 25", ("min_pnl", "0", "25")),
    ("/alerts pin off", "pinned status card: on -> off", ("pin", "on", "off")),
    ("/alerts pictures off", "pictures with closes and digests: on -> off", ("pictures", "on", "off")),
    ("/alerts digest daily 20:00", "digest: hourly -> daily 20:00", ("digest", "hourly", "daily 20:00")),
)


@pytest.mark.parametrize(("text", "title", "event"), WISHED)
async def test_a_wish_is_changed_told_and_shown(
    text: str, title: str, event: tuple[str, str, str], stage: Stage
) -> None:
    said = await stage.card(text, who=OLA)
    assert title in said.title
    assert await told(stage) == [event]
    shown = await stage.card(text.rpartition(" ")[0] if "daily" not in text else "/alerts digest", who=OLA)
    assert event[2] in shown.title
    again = await stage.card(text, who=OLA)
    assert "already" in again.title
    assert await told(stage) == [event]


async def test_a_zone_says_what_time_it_is_there_and_holds_for_every_card(stage: Stage) -> None:
    assert "It is 2026-01-05 18:30 JST there." in (await stage.card("/timezone Asia/Tokyo", who=OLA)).plain()
    assert "JST" in (await stage.card("/health", who=OLA)).plain()
    assert "JST" not in (await stage.card("/health", who=OTTO)).plain()


@pytest.mark.parametrize("text", ["/timezone Mars/Base", "/quiet always", "/theme black", "/alerts min much"])
async def test_what_cannot_be_wished_is_refused_with_its_usage(text: str, stage: Stage) -> None:
    said = await stage.card(text, who=OLA)
    assert await told(stage) == []
    assert f"Usage: {text.rpartition(' ')[0]} [VALUE]" in said.plain()


# --- where it is told -----------------------------------------------------------------------------------------------


async def test_a_place_becomes_a_destination_and_is_none_again(stage: Stage) -> None:
    await stage.card("/alerts here on", who=OLA)
    assert "telegram:8" in stage.routing.destinations
    assert "already" in (await stage.card("/alerts here on", who=OLA)).title
    await stage.card("/alerts here on", who=THERE, place="discord:@70")
    await stage.card("/alerts here off", who=THERE, place="discord:@70")
    assert "discord:@70" not in stage.routing.destinations
    kept = await Preferences(stage.database).destinations()
    assert kept == {"telegram:8": True, "discord:@70": False}
    assert await told(stage) == [("all", "on", "off"), ("all", "off", "on"), ("all", "off", "on")]


async def test_the_only_place_where_somebody_hears_of_risk_is_not_switched_off(stage: Stage) -> None:
    for who in (OTTO, OWNER, ANA):
        said = (await stage.card("/alerts here off", who=who)).plain()
        assert "the only place where risk alerts are heard" in said
    await stage.card("/alerts here on", who=THERE, place="discord:@70")
    await stage.card("/alerts here off", who=ANA)
    assert "telegram:7" not in stage.routing.destinations
    assert "only place" in (await stage.card("/alerts here off", who=THERE, place="discord:@70")).plain()


async def test_a_room_is_switched_off_while_somebody_else_hears_of_risk(stage: Stage) -> None:
    await stage.card("/alerts here off", who=OTTO, place=ROOM, private=False)
    assert ROOM not in stage.routing.destinations
    stage.routing.add(ROOM)
    stage.routing.remove("telegram:7")
    stage.routing.remove("telegram:9")
    assert "only place" in (await stage.card("/alerts here off", who=OTTO, place=ROOM, private=False)).plain()


# --- streams ----------------------------------------------------------------------------------------------------------


async def test_a_stream_goes_to_a_topic_and_home_again(stage: Stage) -> None:
    where = {"who": OTTO, "place": f"{ROOM}/15", "private": False}
    await stage.card("/alerts stream risk here", **where)
    assert stage.routing.streams(ROOM)["risk"] == f"{ROOM}/15"
    assert await Preferences(stage.database).streams() == {(ROOM, "risk"): f"{ROOM}/15"}
    assert f"The stream risk goes to {ROOM}/15" in (await stage.card("/alerts", **where)).plain()
    await stage.card("/alerts stream risk home", who=OTTO, place=ROOM, private=False)
    assert stage.routing.streams(ROOM)["risk"] == ROOM
    assert await Preferences(stage.database).streams() == {}
    assert await told(stage) == [("stream risk", f"{ROOM}/15", ROOM), ("stream risk", ROOM, f"{ROOM}/15")]


async def test_a_stream_goes_to_another_channel_of_the_server(stage: Stage) -> None:
    stage.routing.add("discord:55")
    await stage.tools.people.link("otto", "discord:90")
    otto = Identity(platform="discord", id="90")
    await stage.card("/alerts stream fills here", who=otto, place="discord:66", private=False)
    await stage.card("/alerts stream risk here", who=otto, place="discord:55/77", private=False)
    streams = stage.routing.streams("discord:55")
    assert (streams["fills"], streams["risk"]) == ("discord:66", "discord:55/77")


async def test_a_stream_needs_a_place_beside_its_home_and_an_operator(stage: Stage) -> None:
    said = (await stage.card("/alerts stream risk here", who=OTTO, place=ROOM, private=False)).plain()
    assert "this is no topic, thread or channel beside the one that is told alerts" in said
    said = (await stage.card("/alerts stream risk here", who=OLA, place=f"{ROOM}/15", private=False)).plain()
    assert "is for operators" in said
    assert stage.routing.streams(ROOM)["risk"] == ROOM


def test_the_modes_that_are_offered_are_routings() -> None:
    routing = Routing(["telegram:7"])
    for kind in set(KINDS) - REQUIRED:
        for mode in ("on", "silent", "off", "digest"):
            routing.change("telegram:7", kind, mode)
            assert routing.mode("telegram:7", kind) == mode
