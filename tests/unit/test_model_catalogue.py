"""The file of models: what it holds, what it refuses, what a call may cost by it."""

from datetime import UTC, datetime
from decimal import Decimal as D
from pathlib import Path

import pytest

from trading.asking import Heard
from trading.errors import BadModels
from trading.llm.catalogue import (
    MOST_SEARCHES,
    SEARCHED,
    Models,
    ModelSpec,
    Price,
    SearchAbility,
    SearchPer,
    same_model,
)
from trading.llm.provider import Listed, Mode
from trading.playbook import available, load

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LITE, GROK = "gemini-3.5-flash-lite", "x-ai/grok-4.3"
DESCRIBED = ("gemini-2.5-flash", "gemini-2.5-pro", "x-ai/grok-4-fast", "qwen/qwen3-max", "deepseek/deepseek-chat-v3.1")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def faults(own: Path, text: str) -> list[str]:
    own.write_text(text)
    with pytest.raises(BadModels) as refused:
        Models.load(own)
    head, *rest = str(refused.value).splitlines()
    assert head == "mine.toml:"
    return [line.strip() for line in rest]


# --- what is shipped --------------------------------------------------------------------------------------------------


def test_the_models_that_were_described_can_still_be_named_and_say_what_became_of_them() -> None:
    models = Models.load()
    for name in DESCRIBED:
        spec = models.named(name)
        assert spec.expires is not None, name
        successor = models.named(spec.instead)
        assert successor.expires is None, f"{name} is followed by one that ends too"


def test_the_shipped_defaults_are_alive_and_cost_what_is_known_or_listed() -> None:
    models = Models.load()
    defaults = [*map(models.default, ("sentiment", "judge", "validator", "ask", "playbook", "words")), *models.council]
    for name in defaults:
        spec = models.named(name)
        assert spec.expires is None, name
        assert spec.price is not None or spec.provider == "openrouter", f"nobody would say what {name} costs"
    assert models.named(models.default("sentiment")).search is SearchAbility.WITH_SCHEMA
    assert len(set(models.council)) == 3
    assert models.default("council") == models.council[0]


def test_every_model_that_a_shipped_playbook_names_is_there() -> None:
    models = Models.load()
    for name in available():
        book = load(name)
        for seat in book.panel.values():
            for model in filter(None, (seat.model, *seat.models)):
                models.named(model)


def test_a_model_of_no_known_price_has_no_worst_case() -> None:
    spec = Models.load().named("gemini-3.8-flash")
    assert spec.worst_case(1000, 1000, search=False) is None
    assert spec.cost(Heard(text="x", returned="x", tokens_in=1)) is None


def test_a_name_that_nobody_knows_comes_with_the_nearest() -> None:
    with pytest.raises(BadModels, match=r"no model 'gemini-3.5-flash-light'; did you mean 'gemini-3.5-flash-lite'\?"):
        Models.load().named("gemini-3.5-flash-light")
    with pytest.raises(BadModels, match=r"known: gemini-3\.5-flash-lite, "):
        Models.load().named("?")


# --- one's own file ---------------------------------------------------------------------------------------------------


def test_a_file_of_ones_own_is_laid_over_the_shipped_one(own: Path) -> None:
    own.write_text("""
[defaults]
words = "local"
[models.local]
provider = "own"
id = "llama3.1:8b"
schema = "none"
price = { input = 0, output = 0 }
options = { temperature = 0.2 }
[models."gemini-3.5-flash-lite"]
provider = "gemini"
schema = "json_object"
price = { input = 0.4, output = 3 }
""")
    models = Models.load(own)
    assert models.named("local") == ModelSpec(
        name="local",
        id="llama3.1:8b",
        provider="own",
        mode=Mode.TEXT,
        price=Price(input=D(0), output=D(0)),
        options={"temperature": D("0.2")},
    )
    assert models.named("local").worst_case(10_000, 10_000, search=False) == 0
    assert (models.default("ask"), models.default("judge")) == ("local", LITE)
    changed = models.named(LITE)
    assert (changed.mode, changed.search, changed.price) == (
        Mode.OBJECT,
        SearchAbility.NONE,
        Price(input=D("0.4"), output=D(3)),
    )
    assert models.named(GROK) == Models.load().named(GROK)
    assert models.known_as("own", "llama3.1:8b") is models.named("local")
    assert models.known_as("gemini", "llama3.1:8b") is None


def test_every_fault_is_named_at_once(own: Path) -> None:
    found = faults(
        own,
        """
[default]
judge = "x"
[models.a]
provider = "openai"
schema = "json_schema"
[models.b]
provider = "own"
shema = "none"
price = { input = "0.3", output = true, serch = 1 }
expires = "soon"
[models."two words"]
provider = "own"
schema = "none"
""",
    )
    assert [line.partition(":")[0] for line in found] == [
        "models.a.provider",
        "models.b.schema",
        "models.b.price.input",
        "models.b.price.output",
        "models.b.price.serch",
        "models.b.expires",
        "models.b.shema",
        "models.two words",
        "default",
    ]
    assert "default: unknown; did you mean 'defaults'?" in found
    assert "models.b.shema: unknown; did you mean 'schema'?" in found
    assert "models.b.price.serch: unknown; did you mean 'search'?" in found
    assert "models.b.price.input: a number is expected" in found


def test_names_that_lead_nowhere_and_a_search_without_a_price_are_faults(own: Path) -> None:
    assert faults(
        own,
        """
[defaults]
judge = "gemini-3.5-flash-lit"
[models.a]
provider = "gemini"
search = "with_schema"
schema = "json_schema"
price = { input = 1, output = 1 }
instead = "b"
""",
    ) == [
        "defaults.judge: no model 'gemini-3.5-flash-lit'; did you mean 'gemini-3.5-flash-lite'?",
        f"models.a.instead: no model 'b'; known: {', '.join(s.name for s in Models.load().all)}, a",
        "models.a.price.search: missing, and it searches",
    ]


@pytest.mark.parametrize("price", ["-1", "nan", "inf", "1e9"])
def test_a_price_that_cannot_be_is_refused(price: str, own: Path) -> None:
    text = f"[models.a]\nprovider = 'own'\nschema = 'none'\nprice = {{ input = {price}, output = 1 }}"
    (found,) = faults(own, text)
    assert found.startswith("models.a.price.input: ")


@pytest.mark.parametrize("text", ["[models", "models = 3", "defaults = []", "[models]\na = 1", "\x00"])
def test_any_other_file_is_refused_in_words(text: str, own: Path) -> None:
    own.write_text(text)
    with pytest.raises(BadModels, match=r"mine\.toml"):
        Models.load(own)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModels, match=r"none\.toml cannot be read"):
        Models.load(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadModels, match=r"bytes\.toml cannot be read"):
        Models.load(tmp_path / "bytes.toml")


# --- arithmetic -------------------------------------------------------------------------------------------------------


def test_a_call_costs_its_tokens_and_its_searches() -> None:
    spec = Models.load().named(LITE)
    heard = Heard(text="x", returned=LITE, tokens_in=1000, tokens_out=200, searches=3)
    assert spec.cost(heard) == D("0.0003") + D("0.0005") + D("0.042")


def test_a_search_billed_by_the_prompt_is_billed_once() -> None:
    price = Price(input=D(0), output=D(0), search=D("0.035"), search_per=SearchPer.PROMPT)
    assert [price.of(0, 0, n) for n in (0, 1, 5)] == [0, D("0.035"), D("0.035")]


def test_a_search_that_nobody_has_priced_has_no_price() -> None:
    price = Price(input=D(1), output=D(1))
    assert price.of(1_000_000, 0, 0) == 1
    assert price.of(1_000_000, 0, 1) is None


@pytest.mark.parametrize("chars", [0, 1, 2, 3, 4001])
def test_the_worst_case_covers_two_characters_a_token_and_all_that_may_be_said(chars: int) -> None:
    spec = Models.load().named(LITE)
    tokens = (chars + 1) // 2
    heard = Heard(text="x", returned=LITE, tokens_in=tokens, tokens_out=1024)
    assert spec.worst_case(1024, chars, search=False) == spec.cost(heard)
    found = Heard(text="x", returned=LITE, tokens_in=tokens + SEARCHED, tokens_out=1024, searches=MOST_SEARCHES)
    assert spec.worst_case(1024, chars, search=True) == spec.cost(found)


# --- what a provider lists --------------------------------------------------------------------------------------------


def test_listed_prices_are_taken_over_and_the_file_stays_as_it_was() -> None:
    models = Models.load()
    listed = [Listed(id=GROK, prompt=D("0.000002"), completion=D("0.00001")), Listed(id="other", prompt=D(1))]
    after = models.priced("openrouter", listed)
    assert after.named(GROK).price == Price(input=D(2), output=D(10))
    assert models.named(GROK).price is None
    assert [s.name for s in after.all] == [s.name for s in models.all]
    assert after.council == models.council


def test_a_listed_price_leaves_that_of_a_search() -> None:
    listed = [Listed(id=LITE, prompt=D("0.0000004"), completion=D("0.000003"))]
    price = Models.load().priced("gemini", listed).named(LITE).price
    assert price == Price(input=D("0.4"), output=D(3), search=D("0.014"))


@pytest.mark.parametrize(("prompt", "completion"), [(None, D(1)), (D(1), None), (D(-1), D(-1)), (D("NaN"), D(1))])
def test_what_is_no_price_is_not_taken_over(prompt: D | None, completion: D | None) -> None:
    models = Models.load().priced("openrouter", [Listed(id=GROK, prompt=prompt, completion=completion)])
    assert models.named(GROK).price is None


def test_the_list_of_one_provider_says_nothing_of_anothers_models() -> None:
    models = Models.load().priced("own", [Listed(id=GROK, prompt=D(0), completion=D(0))])
    assert models.named(GROK).price is None


# --- identities -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requested", "returned"),
    [
        (LITE, LITE),
        (LITE, f"{LITE}-001"),
        (LITE, f"models/{LITE}"),
        (GROK, f"{GROK}-20260401"),
        (GROK, "X-AI/Grok-4.3"),
        (GROK, f"{GROK}-2026-04-01"),
        ("qwen/qwen3-max:free", "qwen/qwen3-max"),
        ("qwen/qwen3-max:free", "qwen/qwen3-max:free"),
    ],
)
def test_a_dated_name_is_the_same_model(requested: str, returned: str) -> None:
    assert same_model(requested, returned)


@pytest.mark.parametrize(
    ("requested", "returned"),
    [
        ("gemini-2.5-flash", LITE),
        ("gemini-3.5-flash", LITE),
        (LITE, "gemini-3.5-flash"),
        (GROK, "x-ai/grok-4.3-mini"),
        (GROK, "x-ai/grok-4"),
        ("deepseek/deepseek-chat-v3", "deepseek/deepseek-chat-v3.1"),
        (f"{LITE}-001", f"{LITE}-002"),
        ("own", "own-12"),
    ],
)
def test_another_name_is_another_model(requested: str, returned: str) -> None:
    assert not same_model(requested, returned)
