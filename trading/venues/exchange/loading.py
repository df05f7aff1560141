"""ccxt's exchange classes, loading only those that are used: all of them together cost 50 MiB more.

ccxt's own packages import every exchange when they are imported. We put packages of our own in their place before that
happens: they find the same files, but load an exchange on first use. ccxt does not promise that this works. Where it
does not, or where somebody has imported ccxt before us, the plain import is used.

For others in this process: a later `import ccxt`, `ccxt.async_support` or `ccxt.pro` finds our packages. Errors,
`Exchange`, `__version__` and every exchange are there (loaded when asked for); the list `ccxt.exchanges` and the
helpers for rounding are not, they have to be imported from `ccxt.base`.
"""

import decimal
import functools
import importlib
import importlib.machinery
import importlib.util
import logging
import sys
import threading
from types import ModuleType
from typing import Any

_log = logging.getLogger(__name__)
_lock = threading.RLock()
_loaded: dict[str, type[Any]] = {}
_plain = False  # True once the lean way has failed


def exchange_class(ccxt_id: str) -> type[Any]:
    """The websocket class of an exchange (it serves REST too). The first call takes about a second: it imports.

    Safe from any thread. Raises ImportError where ccxt has no such exchange.
    """
    with _lock:
        if ccxt_id not in _loaded:
            _loaded[ccxt_id] = _load(ccxt_id)
            _keep_our_rounding()
        return _loaded[ccxt_id]


def is_lean() -> bool:
    """Whether only what is used has been loaded, for the health page."""
    return isinstance(sys.modules.get("ccxt"), _Package)


def _load(ccxt_id: str) -> type[Any]:
    global _plain
    # ccxt writes every request, with key and signature, to its log on level DEBUG.
    logging.getLogger("ccxt").setLevel(logging.WARNING)
    if not _plain and ("ccxt" not in sys.modules or is_lean()):
        try:
            return _lean(ccxt_id)
        except Exception as error:  # noqa: BLE001 - whatever has changed in ccxt, the plain way is the answer
            _log.warning("ccxt is not as we know it (%s): all of it is loaded, with 50 MiB more", type(error).__name__)
            _plain = True
            _forget()
    found = getattr(importlib.import_module("ccxt.pro"), ccxt_id, None)
    if not isinstance(found, type):
        raise ImportError(f"ccxt has no exchange {ccxt_id!r} with websockets")
    return found


def _keep_our_rounding() -> None:
    """One function of ccxt turns the rounding of the whole thread to half up, and leaves it so. Our money rounds half
    even: that function is given a context of its own."""
    name = "decimal_to_precision"
    try:
        theirs = getattr(importlib.import_module(f"ccxt.base.{name}"), name)
    except (ImportError, AttributeError):
        _log.warning("ccxt rounds in a place that we do not know: it may change how our own numbers are rounded")
        return
    if hasattr(theirs, "__wrapped__"):
        return

    @functools.wraps(theirs)
    def ours(*args: Any, **kwargs: Any) -> Any:
        with decimal.localcontext():
            return theirs(*args, **kwargs)

    for module in [m for path, m in sys.modules.items() if path.startswith("ccxt.")]:
        if vars(module).get(name) is theirs:
            setattr(module, name, ours)


def _lean(ccxt_id: str) -> type[Any]:
    if not is_lean():
        _put_in_place()
    found = getattr(importlib.import_module("ccxt.pro"), ccxt_id)
    base = importlib.import_module("ccxt.async_support.base.exchange").Exchange
    if not (isinstance(found, type) and issubclass(found, base) and hasattr(found, "handle_message")):
        raise TypeError(f"{ccxt_id} is no exchange class")
    return found


class _Package(ModuleType):
    """A package of ccxt whose own `__init__` never runs. As there, an exchange's name means its class, not its file."""

    def __setattr__(self, name: str, value: Any) -> None:
        # The import machinery ties each submodule to its package: `ccxt.pro.bybit`.
        inside = getattr(value, name, None) if isinstance(value, ModuleType) else None
        super().__setattr__(name, inside if isinstance(inside, type) else value)

    def __getattr__(self, name: str) -> Any:
        whole = f"{self.__name__}.{name}"
        if name.startswith("_") or importlib.util.find_spec(whole) is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        importlib.import_module(whole)
        return self.__dict__[name]


def _put_in_place() -> None:
    spec = importlib.util.find_spec("ccxt")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("ccxt is not installed")
    root = next(iter(spec.submodule_search_locations))
    top = _package("ccxt", root)
    errors = importlib.import_module("ccxt.base.errors")
    for name, value in vars(errors).items():
        if isinstance(value, type) or name == "error_hierarchy":
            setattr(top, name, value)
    top.Exchange = importlib.import_module("ccxt.base.exchange").Exchange
    top.async_support = _package("ccxt.async_support", f"{root}/async_support")
    top.pro = _package("ccxt.pro", f"{root}/pro")
    base = importlib.import_module("ccxt.async_support.base.exchange")
    top.__version__ = base.__version__
    top.async_support.Exchange = top.pro.Exchange = base.Exchange


def _package(name: str, path: str) -> Any:
    package = _Package(name)
    package.__path__ = [path]
    package.__package__ = name
    package.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
    package.__spec__.submodule_search_locations = [path]
    sys.modules[name] = package
    return package


def _forget() -> None:
    """Let the next import of ccxt begin anew."""
    for name in [name for name in sys.modules if name == "ccxt" or name.startswith("ccxt.")]:
        del sys.modules[name]
