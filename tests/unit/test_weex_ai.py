"""WEEX's AI log: cut at a sentence, signed, sent once, and told apart from a refusal."""

import json
import string
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recorded import recorder
from tests.weex_bench import a_bench
from trading.errors import OrderRejected, UnknownOutcome
from trading.venues.exchange.weex import DIALECT
from trading.venues.exchange.weex_ai import cut, upload
from trading.venues.exchange.wire import Code

words = st.text(alphabet=string.ascii_letters + " .!?\n😀é", max_size=300)


@given(text=words, limit=st.integers(min_value=1, max_value=120))
def test_a_cut_explanation_fits_and_is_a_beginning_of_what_was_said(text: str, limit: int) -> None:
    found = cut(text, limit)
    assert len(found.encode("utf-16-le")) <= 2 * limit
    assert text.strip().startswith(found)
    if len(text.strip().encode("utf-16-le")) <= 2 * limit:
        assert found == text.strip()


@given(st.lists(st.text(alphabet="abcdef ", min_size=1, max_size=30).filter(str.strip), min_size=2, max_size=20))
def test_a_cut_explanation_ends_with_a_sentence_where_one_fits(sentences: list[str]) -> None:
    text = " ".join(f"{sentence.strip()}." for sentence in sentences)
    for limit in (len(sentences[0].strip()) + 1, len(text) - 1):
        assert cut(text, limit).endswith(".")


def test_a_number_with_a_point_is_no_end_of_a_sentence() -> None:
    assert cut("Sell. At 0.5 it was over and done with", 20) == "Sell."
    assert cut("no sentence ends here at all", 16) == "no sentence ends"
    assert cut("abcdefghij", 4) == "abcd"


LOG: dict[str, Any] = {
    "order_id": "737191855984214376",
    "stage": "Decision Making",
    "model": "gpt-5-mini-2025-08-07",
    "input": {"prompt": "BTC?"},
    "output": {"symbol": "BTCUSDT", "side": "BUY", "quantity": D("0.0100")},
    "explanation": "The trend is up.",
}
UPLOAD = "/capi/v3/order/uploadAiLog"


async def test_an_ai_log_goes_out_signed_with_every_digit_of_the_order() -> None:
    caller, requests = recorder(DIALECT, {UPLOAD: {"code": "00000", "msg": "success", "data": "upload success"}})
    await upload(caller, **LOG)
    [request] = requests
    assert request.line == f"POST {UPLOAD}"
    assert request.params["orderId"] == "737191855984214376"
    assert json.loads(request.params["output"])["quantity"] == "0.0100"
    assert {"ACCESS-KEY", "ACCESS-SIGN", "ACCESS-PASSPHRASE", "ACCESS-TIMESTAMP"} <= request.headers.keys()
    assert request.orders == 0


async def test_an_ai_log_that_is_refused_or_lost_says_so() -> None:
    for code in ("00000", "0", 0):
        await upload(recorder(DIALECT, {UPLOAD: {"code": code}})[0], **LOG)
    with pytest.raises(OrderRejected):
        await upload(recorder(DIALECT, {UPLOAD: {"code": "40014", "msg": "no permission"}})[0], **LOG)
    with pytest.raises(UnknownOutcome):
        await upload(recorder(DIALECT, {UPLOAD: {}})[0], **LOG)
    caller, requests = recorder(DIALECT, {})
    for missing in ("stage", "model", "explanation"):
        with pytest.raises(ValueError, match="needs"):
            await upload(caller, **{**LOG, missing: " "})
    assert requests == []


async def test_an_ai_log_reaches_the_exchange_once_its_account_is_on_the_list() -> None:
    async with a_bench() as bench:
        with pytest.raises(OrderRejected) as refused:
            await upload(bench.trade, **LOG)
        assert refused.value.code == Code.PERMISSION
        bench.front.permissions["ai_log"] = True
        await upload(bench.trade, **{**LOG, "order_id": None})
        [log] = bench.front.ai_logs
        assert log["orderId"] is None
        assert log["model"] == LOG["model"]
