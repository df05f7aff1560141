"""What holds of WHALE for every set of flows: no order, no scale, no single odd wallet turns it round."""

import contextlib
from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.hostile import texts
from tests.whales import AT, a_flow, a_reading, an_address
from trading.chain import Flow, Reading, WalletClass, document
from trading.decision import MICRO, Opinion, Stance
from trading.errors import BadRecord
from trading.onchain.history import Action, BadRows, read_json, transfers
from trading.onchain.wallets import LABEL_LENGTH, cleaned
from trading.personas.whale import opinion_of, read_document, sided
from trading.playbook import Seat

SEAT = Seat(weight=Decimal(2))
eth = st.one_of(
    st.sampled_from([Decimal(0), Decimal(100), Decimal("99.999999999999999999"), Decimal("100.000000000000000001")]),
    st.decimals(min_value=0, max_value=200_000, places=18),
)
flows = st.builds(
    Flow,
    wallet=st.integers(0, 2**160 - 1).map(an_address),
    label=texts.filter(lambda text: text.isprintable()),
    kind=st.sampled_from(WalletClass),
    kind_confidence=st.integers(0, MICRO),
    into=eth,
    out=eth,
    transactions=st.integers(1, 9),
)
several = st.lists(flows, max_size=8)


def said(given_flows: list[Flow]) -> Opinion:
    made = opinion_of(a_reading(*given_flows), SEAT, at=AT, borrowed=False)
    assert isinstance(made, Opinion)
    return made


@given(several, st.data())
def test_the_order_of_wallets_changes_nothing(made: list[Flow], data: st.DataObject) -> None:
    assert said(made).conviction == said(data.draw(st.permutations(made))).conviction


@given(several)
def test_a_side_is_taken_only_with_a_net_of_the_least_and_its_sign(made: list[Flow]) -> None:
    opinion, net = said(made), sided(made).net
    if opinion.stance is not Stance.NEUTRAL:
        assert abs(net) >= 100
        assert (net > 0) == (opinion.stance is Stance.LONG)


@given(several)
def test_no_conviction_is_above_the_best_line_of_the_table(made: list[Flow]) -> None:
    assert said(made).confidence <= 850_000


@given(several, eth, st.sampled_from(WalletClass))
def test_more_coins_into_exchanges_never_make_a_long_that_was_none(
    made: list[Flow], more: Decimal, kind: WalletClass
) -> None:
    before = said(made).stance
    after = said([*made, a_flow(kind, str(more))]).stance
    assert after is not Stance.LONG or before is Stance.LONG


@given(several, eth, st.sampled_from(WalletClass))
def test_more_coins_out_of_exchanges_never_make_a_short_that_was_none(
    made: list[Flow], more: Decimal, kind: WalletClass
) -> None:
    before = said(made).stance
    after = said([*made, a_flow(kind, "0", str(more))]).stance
    assert after is not Stance.SHORT or before is Stance.SHORT


@given(several, st.integers(2, 1000))
def test_ten_times_as_much_of_all_is_as_sure_as_before(made: list[Flow], times: int) -> None:
    scaled = [replace(flow, into=flow.into * times, out=flow.out * times) for flow in made]
    before, after = said(made), said(scaled)
    if before.stance is not Stance.NEUTRAL:
        assert (after.stance, after.confidence) == (before.stance, before.confidence)


@given(several, texts)
def test_a_label_changes_nothing_but_its_own_note(made: list[Flow], label: str) -> None:
    plain, named = said(made), said([replace(flow, label=cleaned(label)) for flow in made])
    assert replace(plain, voice=None) == replace(named, voice=None)


@given(several)
def test_a_reading_comes_back_from_its_bytes(made: list[Flow]) -> None:
    reading = a_reading(*made)
    back = read_document(document(reading))
    assert replace(back, record="", exchange=None) == replace(reading, record="", exchange=None)


@given(several, st.data())
def test_one_changed_byte_is_another_hash_or_no_reading(made: list[Flow], data: st.DataObject) -> None:
    whole = document(a_reading(*made))
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    try:
        back: Reading | None = read_document(changed)
    except BadRecord:
        back = None
    assert back is None or back.record != read_document(whole).record


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_said_to_be_none(body: bytes) -> None:
    with contextlib.suppress(BadRows):
        transfers(read_json(body), Action.NORMAL)


@given(texts)
def test_labels_are_one_short_printable_line(text: str) -> None:
    made = cleaned(text)
    assert made.isprintable()
    assert len(made) <= LABEL_LENGTH
