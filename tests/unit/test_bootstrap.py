"""What is wired: which personas a playbook gets, and what a market that lacks something switches off."""

from decimal import Decimal

import pytest

from bot.bootstrap import NOT_ARMED, PERSONAS, _off, _panel
from tests.builders import a_playbook
from trading.playbook import PERSONAS as KNOWN
from trading.playbook import Playbook
from trading.policies import Seat


@pytest.fixture
def everybody() -> Playbook:
    return a_playbook(panel={name: Seat(weight=Decimal(1)).model_dump() for name in KNOWN})


def test_every_persona_a_playbook_may_name_is_armed_or_says_why_not(everybody: Playbook) -> None:
    assert set(PERSONAS) | set(NOT_ARMED) == set(KNOWN)
    panel, off = _panel(everybody, {}), _off(everybody, {})
    assert set(panel) == set(PERSONAS)
    assert off == NOT_ARMED
    assert all(persona.name == name for name, persona in panel.items())


def test_a_market_that_can_never_show_something_switches_its_reader_off(everybody: Playbook) -> None:
    lacks = {"flow": "no taker volume"}
    assert "flow" not in _panel(everybody, lacks)
    assert _off(everybody, lacks)["flow"] == "no taker volume"


def test_what_the_playbook_switches_off_is_off() -> None:
    playbook = a_playbook(panel={"technical": {"weight": "1", "enabled": False}, "flow": {"weight": "1"}})
    assert set(_panel(playbook, {})) == {"flow"}
    assert _off(playbook, {}) == {"technical": "switched off in the playbook"}
