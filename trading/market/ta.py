"""TA-Lib without the data frames that it would wrap.

Its package imports pandas and polars wherever they are installed (CatBoost brings pandas), and looks through every
call for them: 75 MB and a little time that no indicator here has any use for.
"""

import importlib
import sys
from types import ModuleType

_FRAMES = ("pandas", "polars")


def _alone() -> ModuleType:
    hidden = [name for name in _FRAMES if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # None there is "not found" to an import
    try:
        return importlib.import_module("talib")
    finally:
        for name in hidden:
            del sys.modules[name]


talib = _alone()
