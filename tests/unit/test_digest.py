"""The digest of waits: what it counts a wait as, and what it calls close to a trade."""

from dataclasses import replace

from tests import surface_examples as examples
from tests.builders import NOW, an_abstention
from trading.digest import Waits


def test_a_silent_panel_is_no_contest() -> None:
    wait = examples.a_decision("wait")
    silent = replace(
        wait,
        opinions=(an_abstention("flow"), an_abstention("technical")),
        verdict=replace(wait.verdict, confidence=0),
    )
    waits = Waits(NOW)
    waits.add(silent)
    digest = waits.take(NOW)
    assert digest is not None
    assert digest.reasons == (("BTC", "nobody spoke", 1),)
    assert digest.closest is None


def test_the_closest_is_the_one_with_the_most_confidence_and_with_any() -> None:
    wait = examples.a_decision("wait")
    waits = Waits(NOW)
    for number, confidence in enumerate((0, 300_000, 580_000, 580_000)):
        waits.add(replace(wait, id=f"btc-{number}", verdict=replace(wait.verdict, confidence=confidence)))
    digest = waits.take(NOW)
    assert digest is not None
    assert digest.closest == ("btc-2", wait.symbol, 580_000)
