"""Binance USD-M's refusals, by its own numbers, and which of them leave a write open. Numbers of other Binance markets
that mean something else there are not in it."""

from collections.abc import Mapping
from types import MappingProxyType

from trading.venues.exchange.wire import Code

BY_CODE: dict[Code, tuple[int, ...]] = {
    Code.AUTH: (-1002, -1022, -1099, -2008, -2014, -2015, -2017, -4056, -4057),
    Code.PERMISSION: (-1109, -4087, -4088, -4109, -4192, -4400, -4401, -4402),
    Code.IP: (-1005, -1011),
    Code.DUPLICATE: (-4116,),
    Code.GONE: (-2011, -2013),
    Code.MARGIN: (-2018, -2019, -4050, -4051, -4118),
    # -2027: more than the leverage allows, whatever the leverage. -4164: notional.
    Code.SIZE: (-2027, -4003, -4004, -4005, -4164),
    Code.STEP: (-1111, -4014, -4023, -4029, -4030),
    Code.PRICE: (-4001, -4002, -4006, -4007, -4013, -4016, -4024, -4131, -4183, -4184, -4210, -4211),
    Code.TRIGGERS: (-2021, -4142),
    # -4509: an order that lives as long as the position does was asked for where no position is.
    Code.REDUCE_ONLY: (-2022, -2024, -4509),
    Code.EXISTS: (-4130,),
    Code.LEVERAGE: (-2028, -4028, -4202, -4203, -4205, -4206, -4208, -4209, -4403),
    Code.MODE: (-4060, -4061, -4062, -4167, -4168),
    Code.UNCHANGED: (-4046, -4059, -4171),
    Code.SYMBOL: (-1121, -1122, -4022, -4140, -4141, -4144),
    # Open orders or a position forbid it. -4161: less leverage, with an isolated position open.
    Code.BUSY: (-4047, -4048, -4067, -4068, -4161, -4169, -4170, -4531),
    # The order itself is impossible: a mistake of ours.
    Code.OTHER: (
        *(-1013, -1014, -1020, -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108, -1110, -1112, -1114, -1115),
        *(-1116, -1117, -1118, -1119, -1120, -1126, -1127, -1128, -1130, -1131, -1136),
        *(-2010, -2020, -2023, -2025, -2026, -4000, -4015, -4045, -4117, -4120, -4136, -4137, -4138, -4139),
        *(-5021, -5022, -5024, -5025, -5026, -5027, -5037, -5038, -5039, -5040, -5041),
    ),
}

CODES: Mapping[str, Code] = MappingProxyType({str(number): code for code, all in BY_CODE.items() for number in all})
# "Execution status unknown", in its own words or by what they describe.
UNKNOWN = frozenset({"-1000", "-1001", "-1006", "-1007"})
# Too fast (-1003, -1015), shed before it was looked at (-1008), shutting down (-1016).
NOT_DONE = frozenset({"-1003", "-1008", "-1015", "-1016"})
# -5028: the matching engine's own look at the time.
CLOCK = frozenset({"-1021", "-5028"})
