"""What WEEX's refusals mean (venues.md 2.12): negative numbers in V3, five digits where V2 still answers, and words."""

from trading.venues.exchange.wire import Code

CODES: dict[str, Code] = {
    # key, passphrase, signature, headers
    **dict.fromkeys(("-1040", "-1041", "-1042", "-1044", "-1045", "-1047", "-1049"), Code.AUTH),
    **dict.fromkeys(("40001", "40002", "40003", "40006", "40009", "40011", "40012"), Code.AUTH),
    **dict.fromkeys(("-1050", "-1051", "-1052", "-1053", "-1055", "-1057", "-1190", "-3236"), Code.PERMISSION),
    **dict.fromkeys(("40013", "40014", "40016", "40021", "40753"), Code.PERMISSION),
    **dict.fromkeys(("-1056", "40018", "521"), Code.IP),  # 521 is an HTTP status
    **dict.fromkeys(("-1058", "-1121", "-3235", "-3613"), Code.SYMBOL),
    # the order itself
    "-1160": Code.STEP,
    "40015": Code.STEP,  # V2 says it for a quantity off its step, and for a stop on the wrong side
    "-3007": Code.SIZE,
    "-3313": Code.LEVERAGE,
    **dict.fromkeys(("-3200", "-2200", "FAILED_ORDER_NOT_FOUND"), Code.GONE),
    **dict.fromkeys(("-1115", "-1116", "-1117", "-1128", "-1135", "-1140", "-1141", "-1142", "-1150"), Code.OTHER),
    **dict.fromkeys(("-1170", "-1171", "-1180", "-3006", "40017", "40020"), Code.OTHER),
}
UNKNOWN = frozenset({"-1000", "-1054"})  # "system error, please retry": it may have been carried out
NOT_DONE = frozenset({"429"})
CLOCK = frozenset({"-1043", "-1046", "40005", "40008"})

# Words in a message, where the number is a general one; the first that is found counts.
WORDS = (
    ("not enough", Code.MARGIN),
    ("insufficient", Code.MARGIN),
    ("no position", Code.REDUCE_ONLY),
    ("not_found", Code.GONE),
    ("not exist", Code.GONE),
    ("duplicate", Code.DUPLICATE),
    ("trigger price", Code.TRIGGERS),
    ("minordersize", Code.SIZE),
    ("price ratio", Code.PRICE),
    ("open orders", Code.BUSY),
)


def code_of(number: str, text: str = "") -> Code:
    """OTHER where neither number nor words are known."""
    found = CODES.get(number, Code.OTHER)
    if found is not Code.OTHER:
        return found
    said = text.lower()
    return next((code for word, code in WORDS if word in said), Code.OTHER)
