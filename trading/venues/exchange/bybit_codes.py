"""What Bybit's refusals mean. Its code 10001 covers everything from a wrong symbol to a level on the wrong side of the
market: there the text decides."""

from collections.abc import Mapping

from trading.errors import OrderRejected
from trading.venues.exchange.wire import Code

PARAMETER = "10001"


def _each(meaning: Code, *numbers: int) -> dict[str, Code]:
    return {str(number): meaning for number in numbers}


CODES: Mapping[str, Code] = {
    PARAMETER: Code.OTHER,  # see `refined`
    **_each(Code.AUTH, 10003, 10004, 10007, 33004, -2015),
    **_each(Code.PERMISSION, 10005, 10008, 10020, 10024, 10027, 10028, 100028, 110065, 110067, 110068, 110069),
    **_each(Code.IP, 10009, 10010),
    **_each(Code.DUPLICATE, 10014, 110030, 110072),
    **_each(Code.GONE, 110001, 110008, 110010),
    **_each(Code.MARGIN, 110004, 110006, 110007, 110011, 110012, 110014, 110039, 110040, 110044, 110045, 110046),
    **_each(Code.MARGIN, 110051, 110052, 110053),
    **_each(Code.SIZE, 110016, 110021, 110094),
    **_each(Code.STEP, 110049),
    **_each(Code.PRICE, 110003),
    **_each(Code.TRIGGERS, 110092, 110093),
    **_each(Code.REDUCE_ONLY, 110017, 110034),
    **_each(Code.LEVERAGE, 110013, 110047, 110048, 110090),
    **_each(Code.MODE, 110015, 110029, 110036, 110038),
    **_each(Code.UNCHANGED, 34040, 110025, 110026, 110027, 110043),
    **_each(Code.SYMBOL, 10029, 110023, 110042, 110070, 110074),
    **_each(Code.BUSY, 110024, 110028, 110054, 110055, 110056, 110073, 3400045),
    # too many stop orders, too many orders, a position that is being liquidated, and what only a mistake of ours makes
    **_each(Code.OTHER, 10017, 110005, 110009, 110018, 110019, 110020, 110022, 110032, 110057, 110058, 110059),
    **_each(Code.OTHER, 110060, 110061, 110064),
}
UNKNOWN = frozenset({"10000", "10016", "10019", "5004"})  # server timeout, system error, service restarting
NOT_DONE = frozenset({"429", "10006", "10018", "10429", "110063", "110066", "110079"})  # throttled, settling, busy
CLOCK = frozenset({"10002", "-1"})

_TEXTS: tuple[tuple[str, Code], ...] = (
    ("not modified", Code.UNCHANGED),
    ("zero position", Code.REDUCE_ONLY),
    ("base_price", Code.TRIGGERS),  # "StopLoss:60000 set for Buy position should lower than base_price:59000"
    ("trigger_price", Code.TRIGGERS),  # "expect Rising, but trigger_price[1] <= current[2]"
    ("idx not match", Code.MODE),
    ("position mode", Code.MODE),
    ("symbol invalid", Code.SYMBOL),
    ("symbol params err", Code.SYMBOL),
    ("invalid symbol", Code.SYMBOL),
    ("not supported symbol", Code.SYMBOL),
    ("exceeds maximum limit", Code.SIZE),
    ("exceeds minimum limit", Code.SIZE),
    ("too small", Code.SIZE),
    ("too large", Code.SIZE),
    ("qty invalid", Code.STEP),
    ("price invalid", Code.STEP),
    ("leverage", Code.LEVERAGE),
    ("duplicate", Code.DUPLICATE),
)


def refined(refusal: OrderRejected) -> OrderRejected:
    """The same refusal with a closer code, where the number alone did not say why."""
    if refusal.code != Code.OTHER:
        return refusal
    text = refusal.reason.lower()
    meaning = next((meaning for phrase, meaning in _TEXTS if phrase in text), Code.OTHER)
    return OrderRejected(refusal.reason, code=meaning)
