"""Only what is used of ccxt is loaded, and all of it where that does not work. Each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(code: str, *, first: Path | None = None) -> list[str]:
    """The lines that Python prints; with `first` on its path before everything else."""
    path = f"import sys; sys.path[:0] = {[str(each) for each in (first, ROOT) if each]!r}\n"
    done = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


DESCRIBE = """
import asyncio, hashlib, json
async def main():
    for name in ("weex", "binanceusdm", "bybit"):
        exchange = {get}
        told = exchange.describe()
        text = json.dumps(told, sort_keys=True, default=str)
        methods = sorted(name for name in dir(type(exchange)) if not name.startswith("__"))
        print(told["id"], told.get("version"), hashlib.sha256(text.encode()).hexdigest(),
              hashlib.sha256(" ".join(methods).encode()).hexdigest(), type(exchange).__module__)
        await exchange.close()
asyncio.run(main())
"""


def test_the_lean_classes_are_the_plain_ones() -> None:
    ours = DESCRIBE.format(get="exchange_class(name)()")
    lean = run(f"from trading.venues.exchange.loading import exchange_class, is_lean\n{ours}\nprint(is_lean())")
    plain = run("import ccxt.pro\n" + DESCRIBE.format(get="getattr(ccxt.pro, name)()") + "\nprint(True)")
    assert lean == plain
    assert [line.split()[0] for line in lean[:3]] == ["weex", "binanceusdm", "bybit"]


def test_nothing_else_is_loaded() -> None:
    code = """
from trading.venues.exchange.loading import exchange_class
exchange_class("bybit")
print(sorted(m for m in sys.modules if m.startswith(("ccxt.async_support.", "ccxt.pro.")) and m.count(".") == 2))
exchange_class("weex")
print("ccxt.pro.weex" in sys.modules, "ccxt.pro.binance" in sys.modules, "ccxt.async_support.kraken" in sys.modules)
print(exchange_class("bybit") is exchange_class("bybit"))
"""
    assert run(code) == [
        "['ccxt.async_support.base', 'ccxt.async_support.bybit', 'ccxt.pro.bybit']",
        "True False False",
        "True",
    ]


def test_threads_may_ask_at_once() -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
from trading.venues.exchange.loading import exchange_class, is_lean
with ThreadPoolExecutor(6) as pool:
    found = list(pool.map(exchange_class, ["bybit", "weex", "binanceusdm"] * 2))
print([each.__name__ for each in found], found[:3] == found[3:], is_lean())
"""
    assert run(code) == ["['bybit', 'weex', 'binanceusdm', 'bybit', 'weex', 'binanceusdm'] True True"]


def test_a_later_import_by_others_still_finds_what_it_needs() -> None:
    code = """
from trading.venues.exchange.loading import exchange_class
mine = exchange_class("binanceusdm")
import ccxt, ccxt.async_support, ccxt.pro
from ccxt.base.errors import NetworkError
print(ccxt.NetworkError is NetworkError, ccxt.pro.binanceusdm is mine, ccxt.__version__)
print(ccxt.async_support.kraken.__name__, ccxt.pro.okx.__mro__[1].__module__, ccxt.kraken.__module__)
print(hasattr(ccxt, "no_such_exchange"), issubclass(mine, ccxt.async_support.Exchange))
"""
    assert run(code) == ["True True 4.5.90", "kraken ccxt.async_support.okx ccxt.kraken", "False True"]


def test_where_ccxt_is_imported_already_that_one_is_used() -> None:
    code = """
import ccxt.pro
from trading.venues.exchange.loading import exchange_class, is_lean
print(exchange_class("bybit") is ccxt.pro.bybit, is_lean())
"""
    assert run(code) == ["True False"]


@pytest.fixture
def another_ccxt(tmp_path: Path) -> Path:
    """A ccxt of another shape: its exchanges do not lie in files of their own."""
    pro = tmp_path / "ccxt" / "pro"
    pro.mkdir(parents=True)
    (tmp_path / "ccxt" / "__init__.py").write_text("")
    (pro / "__init__.py").write_text(
        "class Exchange:\n    def handle_message(self, client, message): ...\nclass bybit(Exchange): ...\n"
    )
    return tmp_path


def test_when_ccxt_has_changed_shape_all_of_it_is_loaded_and_that_is_said_once(another_ccxt: Path) -> None:
    code = """
import logging
logging.basicConfig(stream=sys.stdout, format="%(message)s")
from trading.venues.exchange.loading import exchange_class, is_lean
first = exchange_class("bybit")
import ccxt.pro
print(first is ccxt.pro.bybit, exchange_class("bybit") is first, is_lean())
try:
    exchange_class("weex")
except ImportError as error:
    print(error)
"""
    assert run(code, first=another_ccxt) == [
        "ccxt is not as we know it (ModuleNotFoundError): all of it is loaded, with 50 MiB more",
        "ccxt rounds in a place that we do not know: it may change how our own numbers are rounded",
        "True True False",
        "ccxt has no exchange 'weex' with websockets",
    ]


def test_a_fall_back_in_the_middle_leaves_what_was_handed_out_working() -> None:
    """The real ccxt, of which one file has moved between the first exchange and the second."""
    code = """
import asyncio, importlib.abc
from trading.venues.exchange.loading import exchange_class, is_lean
first = exchange_class("bybit")
class Moved(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "ccxt.async_support.weex" and is_lean():
            raise ImportError("moved")
sys.meta_path.insert(0, Moved())
second = exchange_class("weex")
async def main():
    for each in (first, second):
        exchange = each()
        print(exchange.describe()["id"], hasattr(exchange, "privateGetV5Market") or exchange.id)
        await exchange.close()
asyncio.run(main())
print(is_lean(), exchange_class("bybit") is first)
"""
    assert run(code) == ["bybit bybit", "weex weex", "False True"]
