"""Whatever stands in an event or a view, its card keeps each platform's limits, and all of it arrives as it is."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.arrival import arrives
from tests.cards import ALL
from tests.hostile import Mischief, mischiefs, spoilt

hostile = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", ALL)
def test_it_arrives_whole_everywhere(name: str) -> None:
    arrives(ALL[name].worn())


@pytest.mark.parametrize("name", ALL)
@hostile
@given(by=mischiefs)
def test_so_it_does_with_anything_in_it(name: str, by: Mischief) -> None:
    arrives(spoilt(ALL[name], by).worn())
