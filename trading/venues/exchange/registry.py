"""Which exchanges there are. One line each; what is one exchange's own is in the files named after it."""

from trading.venues.exchange.binance import DIALECT as BINANCE
from trading.venues.exchange.bybit import DIALECT as BYBIT
from trading.venues.exchange.profile import Dialect
from trading.venues.exchange.weex import DIALECT as WEEX

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (WEEX, BINANCE, BYBIT)}
