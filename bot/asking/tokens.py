"""Text taken apart into what can be checked: numbers, sides, names, dates, ids. Pure.

What is shown is what was read: the text is folded into plain ASCII first, and whatever does not fold is named.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import count


class Kind(StrEnum):
    NUMBER = "number"
    SIDE = "side"
    RESULT = "gain or loss"
    NAME = "name"
    DATE = "date or time"
    FACT = "fact"  # [E3]
    ID = "code"  # an id, and anything else with a digit or that is no plain word
    WORD = "word"  # plain English, which says nothing that can be looked up
    BARRED = "promise or unit"  # only where the record has the word


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    kind: Kind
    root: str  # what is compared: "long" of "Longs", "BTC" of "bitcoin"
    text: str  # as it was written
    value: Decimal | None = None  # of a number
    sign: str = ""
    unit: str = ""  # "%", "x", "R", stuck to the number


def one_of(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


def _counts(words: str, values: Iterable[int]) -> dict[str, Decimal]:
    return {word: Decimal(n) for word, n in zip(words.split(), values, strict=False)}


def _forms(*families: str) -> dict[str, str]:
    return {form: family.split()[0] for family in families for form in family.split()}


SIDES = _forms(
    "long longs longed longing",
    "short shorts shorted shorting",
    "buy buys buying bought buyer buyers",
    "sell sells selling sold seller sellers sale",
    "bullish bull bulls bullishness",
    "bearish bear bears bearishness",
    "neutral neutrally",
    "wait waits waited waiting",
    "abstain abstains abstained abstaining abstention abstentions",
    "denied deny denies denial refused refuses refusal rejected reject rejects",
    "approved approve approves approval accepted",
)
TRADED = frozenset({"long", "short", "buy", "sell", "bullish", "bearish"})
RESULTS = _forms(
    "gain gains gained gaining profit profits profited profitable earn earns earned win wins won",
    "loss losses lose loses lost",
    "winner winners winning",
    "loser losers losing",
)
COUNTS: Mapping[str, Decimal] = {
    **_counts("zero one two three four five six seven eight nine ten eleven twelve thirteen", count()),
    **_counts("fourteen fifteen sixteen seventeen eighteen nineteen twenty", count(14)),
    **_counts("thirty forty fifty sixty seventy eighty ninety", count(30, 10)),
    **dict.fromkeys(("hundred", "hundreds"), Decimal(100)),
    **dict.fromkeys(("thousand", "thousands"), Decimal(1000)),
    **dict.fromkeys(("million", "millions"), Decimal(10) ** 6),
    **dict.fromkeys(("billion", "billions"), Decimal(10) ** 9),
    **dict.fromkeys(("trillion", "trillions"), Decimal(10) ** 12),
    **dict.fromkeys(("half", "halves", "halved"), Decimal("0.5")),
    **dict.fromkeys(("quarter", "quarters"), Decimal("0.25")),
    **dict.fromkeys(("twice", "double", "doubled", "doubles", "both", "couple", "second"), Decimal(2)),
    **dict.fromkeys(("thrice", "triple", "tripled", "triples", "third", "thirds"), Decimal(3)),
    **dict.fromkeys(("once", "single", "first", "sole"), Decimal(1)),
    **dict.fromkeys(("dozen", "dozens"), Decimal(12)),
    **dict.fromkeys(("fourth", "fourths", "quadruple"), Decimal(4)),
    **dict.fromkeys(("fifth", "fifths"), Decimal(5)),
    **dict.fromkeys(("tenth", "tenths", "tenfold"), Decimal(10)),
    **dict.fromkeys(("nil", "nought", "naught"), Decimal(0)),
}  # fmt: skip
TIMES = one_of(
    "today yesterday tomorrow tonight noon midnight week weeks month months year years",
    "monday tuesday wednesday thursday friday saturday sunday",
    "january february march april june july august september october november december",
)
# They promise, advise, or turn a number into another one.
BARRED = one_of(
    "will shall should recommend recommends advise advises suggest suggests guarantee guaranteed guarantees",
    "predict predicts prediction forecast bps basis permille ppm dollar dollars euro euros usd eur cent cents pip pips",
)
NEGATIONS = one_of(
    "not no never none neither nor without cannot cant against instead rather hardly barely except unlike opposite",
    "contrary opposed refrain avoid avoided dont doesnt didnt isnt wasnt werent arent hasnt havent wont wouldnt",
)
COINS = _forms(
    "BTC btc bitcoin bitcoins xbt", "ETH eth ethereum ether", "SOL sol solana", "DOGE doge dogecoin", "XRP xrp ripple",
    "ADA ada cardano", "LTC ltc litecoin", "BNB bnb", "AVAX avax avalanche", "DOT polkadot", "LINK chainlink",
    "TRX trx tron", "SHIB shib", "PEPE pepe", "MATIC matic polygon", "BCH bch", "TON toncoin", "XMR xmr monero",
)  # fmt: skip

_DASHES = str.maketrans({
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": " - ", "―": " - ", "−": "-", "’": "'", "‘": "'",
    "“": '"', "”": '"', "…": "...", "·": ",", "×": "x", "→": " to ", "▲": " ", "▼": " ", "‰": " permille ", "•": " ",
    "\n": " ", "\r": " ", "\t": " ", "\u2028": " ", "\u2029": " ",
})  # fmt: skip
_NUMBER = re.compile(r"(?P<sign>[-+]?)(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?P<unit>%|[A-Za-z]{1,3})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLOCK = re.compile(r"\d{2}:\d{2}(?::\d{2})?")
_FACT = re.compile(r"E\d+")
_EDGES = "\"'()[]{},;:.!?"
_PERCENT = re.compile(r"(?<=\d)\s*(?:%|percent\b|per cent\b|pct\b)", re.IGNORECASE)
_MINUS = re.compile(r"\b(?:minus|negative)\s+(?=\d)", re.IGNORECASE)
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+")


def folded(text: str) -> str:
    """Plain ASCII where there is such a form: other digits are digits, a wide letter is a letter. What has none stays
    as it is, to be refused; a fraction keeps its slash."""
    wide = unicodedata.normalize("NFKC", text.translate(_DASHES)).translate(_DASHES)
    plain = "".join(str(unicodedata.decimal(c)) if not c.isascii() and c.isdecimal() else c for c in wide)
    return " ".join(plain.split())


def sentences(text: str) -> tuple[str, ...]:
    return tuple(part for part in _END.split(text) if part.strip())


def tokens(text: str, names: Mapping[str, str]) -> Iterator[Token]:
    """Of folded text. `names`: what a name is known by, in small letters -> the name."""
    first = True
    spaced = text.replace("[", " [").replace("]", "] ")
    for piece in _pieces(_MINUS.sub("-", _PERCENT.sub("%", spaced))):
        yield from _read(piece, names, first=first)
        first = False


def _pieces(text: str) -> Iterator[str]:
    for raw in text.split():
        if piece := raw.strip(_EDGES):
            yield piece


def _read(piece: str, names: Mapping[str, str], *, first: bool) -> Iterator[Token]:
    """One token, or those of the parts of "long/short" and "5-minute"."""
    whole = _number(piece) or _exact(piece)
    if whole is not None:
        yield whole
        return
    if not any(c.isdigit() for c in piece):
        joined = re.sub(r"[^A-Za-z]", "", piece).lower()
        if joined in SIDES or joined in COUNTS:  # "lo-ng", "l.o.n.g"
            yield _word(joined, names, first=True)
            return
        parts = [part for part in re.split(r"[-/]", piece) if part.strip(_EDGES)]
        for part in parts:
            yield _word(part.strip(_EDGES), names, first=first)
        return
    head, dash, tail = piece.partition("-")
    number = _number(head) if dash and tail.isalpha() else None
    if number is not None:
        yield number
        yield _word(tail, names, first=True)
        return
    yield Token(kind=Kind.ID, root=piece.lower(), text=piece)


def _number(piece: str) -> Token | None:
    found = _NUMBER.fullmatch(piece)
    if found is None:
        return None
    return Token(
        kind=Kind.NUMBER,
        root=found["digits"],
        text=piece,
        value=Decimal(found["digits"].replace(",", "")),
        sign=found["sign"],
        unit=found["unit"] or "",
    )


def _exact(piece: str) -> Token | None:
    if _DATE.fullmatch(piece) or _CLOCK.fullmatch(piece):
        return Token(kind=Kind.DATE, root=piece, text=piece)
    if _FACT.fullmatch(piece):
        return Token(kind=Kind.FACT, root=piece, text=piece)
    return None


def _word(word: str, names: Mapping[str, str], *, first: bool) -> Token:
    bare = word.replace("'", "")
    low = bare.lower()
    if low.endswith("s") and word.lower().endswith("'s"):
        bare, low = bare[:-1], low[:-1]
    if low in SIDES:
        return Token(kind=Kind.SIDE, root=SIDES[low], text=word)
    if low in RESULTS:
        return Token(kind=Kind.RESULT, root=RESULTS[low], text=word)
    if low in COUNTS and low not in names:
        return Token(kind=Kind.NUMBER, root=low, text=word, value=COUNTS[low], unit="word")
    if low in names:
        return Token(kind=Kind.NAME, root=names[low], text=word)
    if low in TIMES:
        return Token(kind=Kind.DATE, root=low, text=word)
    if low in BARRED:
        return Token(kind=Kind.BARRED, root=low, text=word)
    if not bare.isalpha() or (len(bare) == 1 and low not in ("a", "i", "s", "t")):
        return Token(kind=Kind.ID, root=low, text=word)
    strange = (bare[1:] != bare[1:].lower()) or (not first and bare[0].isupper() and bare != "I")
    return Token(kind=Kind.NAME if strange else Kind.WORD, root=bare.upper() if strange else low, text=word)
