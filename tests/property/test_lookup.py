"""What is typed is understood as it was shown: a confirmed command is read a second time."""

import contextlib
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.arguments import duration_in, one_of
from bot.catalogue import BadArguments
from bot.commands.phases import SETTINGS, settings_in
from trading.playbook import available, span_text

DAY = timedelta(hours=24)
spans = st.integers(1, 24 * 3600).map(lambda seconds: timedelta(seconds=seconds))
fractions = st.decimals(Decimal("0.0001"), Decimal(1), places=4)
values = st.one_of(spans.map(span_text), st.integers(0, 99).map(str), fractions.map(str), st.just(""))
settings = st.dictionaries(st.sampled_from(SETTINGS), values, min_size=1)


@given(spans)
def test_a_duration_reads_back_as_it_is_written(length: timedelta) -> None:
    assert duration_in(span_text(length), most=DAY) == length
    spaced = f" {length // timedelta(seconds=1)}  Seconds"
    assert duration_in(spaced, most=DAY) == length


@given(spans)
def test_a_duration_over_the_limit_is_refused(length: timedelta) -> None:
    with pytest.raises(BadArguments):
        duration_in(span_text(DAY + length), most=DAY)


@given(st.text(max_size=30))
def test_any_text_is_a_duration_within_the_limit_or_refused(text: str) -> None:
    with contextlib.suppress(BadArguments):
        assert timedelta(0) < duration_in(text, most=DAY) <= DAY


@given(settings)
def test_settings_read_back_as_they_are_written(wanted: dict[str, str]) -> None:
    typed = " ".join(f"{key}={value}" for key, value in wanted.items())
    assert dict(settings_in(typed)) == wanted
    shouted = "  ".join(f"{key.upper().replace('_', ' ')} = {value}" for key, value in wanted.items())
    assert dict(settings_in(shouted)) == wanted


@given(st.text(max_size=60))
def test_any_text_is_settings_or_refused(text: str) -> None:
    with contextlib.suppress(BadArguments):
        assert {key for key, _ in settings_in(text)} <= set(SETTINGS)


@given(st.sampled_from(available()), st.randoms(use_true_random=False))
def test_a_name_is_found_whatever_its_case_and_dashes(name: str, random: object) -> None:
    typed = "".join(random.choice((c.upper(), c)) for c in name).replace("-", random.choice(("", " ", "_", "-")))  # type: ignore[attr-defined]
    assert one_of(typed, available(), "playbook") == name
