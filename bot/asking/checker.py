"""Whether words say only what a record holds. Pure and strict: what cannot be placed is refused.

The record is its plain answer and its evidence, line by line. Each number, side, name, date, id and [E#] of a text has
to stand there, and stand in the right place: a line that begins with FLOW is FLOW's, and a sentence that names FLOW may
take numbers and sides from FLOW's lines alone. A sentence that names nobody speaks of the decision, and takes them
from lines that name nobody.

Decided here, since words allow more than a record does:
- A number may lose digits at its end by rounding, but keeps two that count; a whole number under a thousand is exact.
  "0.62" may be said as "62%"; a sign may be left away and never turned; what is stuck to it ("x", "R") is its own.
- Number words are numbers; two in a row, or one beside a digit, are refused: nobody can tell what they come to.
- A side with a "not" anywhere in its sentence is refused unless a line has both: "not long" is true of too much.
- A desk that waited or was denied did not trade: there a side is said with "leads", "waited" or "denied".
- An [E#] stands behind a number of its own fact.
- Words that promise, advise or count in another unit are refused unless the record has them.
- Links, mentions, markup, and letters that are no plain ones (they look like others) are always refused.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from itertools import pairwise

from bot.asking.tokens import COINS, NEGATIONS, TRADED, Kind, Token, folded, one_of, sentences, tokens

MOST_SENTENCES = 6
MOST_CHARACTERS = 1200
_MARKUP = re.compile(r"[<>`*#|{}~\\^$@=_]|\]\(|://|www\.|(?<![\d.])\b[A-Za-z][\w-]*\.[A-Za-z]{2,}", re.IGNORECASE)
_REFERS = one_of("it its they their them this that these those he she his her both")
_WHOLE = 1000  # from here on a number may be rounded to a whole one
_KEPT_OUT = frozenset({"wait", "denied"})
_LEADS = one_of("lead leads leading led lean leans leaned leaning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a text is not shown. `what`: for the log, from the text; `why`: one of a few plain reasons."""

    why: str
    what: str = ""

    def __str__(self) -> str:
        return f"{self.why}: {self.what!r}" if self.what else self.why


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the record, taken apart."""

    about: str  # the name it begins with; "" where it names nobody
    names: frozenset[str]
    sides: frozenset[str]
    results: frozenset[str]
    numbers: tuple[Token, ...]
    negated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that may be said."""

    lines: tuple[Line, ...]
    known: Mapping[str, str]  # names in small letters -> the name; what is not in the record is known all the same
    others: frozenset[tuple[Kind, str]]  # names, dates, ids, barred words of the record
    evidence: Mapping[str, Line]
    kept_out: bool  # it is about a decision that traded nothing
    understood: frozenset[str]  # names that all of it is about anyhow


def facts_of(
    lines: Iterable[str], *, names: Iterable[str], understood: Iterable[str] = (), kept_out: bool = False
) -> Facts:
    """`names`: of personas and pairs, known whether or not they are in `lines`."""
    known = {name.lower(): name.upper() for name in names} | COINS
    meant = frozenset(name.upper() for name in understood)
    taken = [tuple(tokens(_bare(line), known)) for line in lines]
    read = tuple(_line(line, known, meant) for line in taken)
    return Facts(
        lines=read,
        known=known,
        others=frozenset((token.kind, token.root) for line in taken for token in (*line, *_within(line, known))),
        evidence={
            line[0].root: made for line, made in zip(taken, read, strict=True) if line and line[0].kind is Kind.FACT
        },
        kept_out=kept_out,
        understood=meant,
    )


def checked(text: str, facts: Facts) -> str | Refusal:
    """The text as it may be shown, one paragraph of plain ASCII; or why not."""
    plain = folded(text)
    parts = sentences(plain)
    refusal = _form(plain, parts)
    before: frozenset[str] = frozenset()
    for part in parts:
        if refusal is not None:
            break
        read = tuple(tokens(part, facts.known))
        before = _named(read, facts, before)
        refusal = _fault(part, read, before, facts)
    return refusal or plain


# --- the record ---------------------------------------------------------------------------------------------------


def _bare(line: str) -> str:
    """The record's own ornaments have no plain form; they say nothing."""
    return folded(line).encode("ascii", "ignore").decode()


def _within(line: Sequence[Token], known: Mapping[str, str]) -> Iterable[Token]:
    """ "RSI" of "RSI(14)", and the parts of "BTC/USDT:USDT"."""
    for token in line:
        if token.kind is Kind.ID:
            for part in re.findall(r"[A-Za-z]{2,}", token.text):
                yield from tokens(f"- {part}", known)


def _about(line: Sequence[Token], known: Mapping[str, str], understood: frozenset[str]) -> str:
    subjects = set(known.values()) - understood
    return next((t.root for t in line if t.kind is Kind.NAME and t.root in subjects), "")


def _line(line: Sequence[Token], known: Mapping[str, str], understood: frozenset[str]) -> Line:
    numbers = tuple(t for t in line if t.kind is Kind.NUMBER)
    signs = {} if line and line[0].kind is Kind.FACT else {"-": "loss", "+": "gain"}
    return Line(
        about=_about(line, known, understood),
        names=frozenset(t.root for t in line if t.kind is Kind.NAME) - understood,
        sides=frozenset(t.root for t in line if t.kind is Kind.SIDE),
        results=frozenset(t.root for t in line if t.kind is Kind.RESULT)
        | {signs[n.sign] for n in numbers if n.sign in signs},
        numbers=numbers,
        negated=any(t.root in NEGATIONS for t in line),
    )


# --- a text -------------------------------------------------------------------------------------------------------


def _form(plain: str, parts: Sequence[str]) -> Refusal | None:
    if not plain:
        return Refusal(why="no words")
    if len(plain) > MOST_CHARACTERS or len(parts) > MOST_SENTENCES:
        return Refusal(why="too long")
    strange = next((c for c in plain if not c.isascii() or not c.isprintable()), "")
    if strange:
        return Refusal(why="a letter that is no plain one", what=strange)
    marked = _MARKUP.search(plain)
    return Refusal(why="a link, a mention or markup", what=marked[0]) if marked else None


def _named(read: Sequence[Token], facts: Facts, before: frozenset[str]) -> frozenset[str]:
    """Whom a sentence is about: who is named, whose evidence is cited, or with "it" whom the last one was about."""
    subjects = set(facts.known.values())
    named = {t.root for t in read if t.kind is Kind.NAME and t.root in subjects}
    cited = {facts.evidence[t.root].about for t in read if t.kind is Kind.FACT and t.root in facts.evidence}
    found = frozenset((named | cited) - facts.understood - {""})
    if not found and not named and read and read[0].root in _REFERS:
        return before
    return found


def _fault(part: str, read: Sequence[Token], named: frozenset[str], facts: Facts) -> Refusal | None:
    return (
        _counted(read)
        or next((f for t in read if (f := _outside(t, facts)) is not None), None)
        or next((f for t in read if (f := _misplaced(t, named, facts)) is not None), None)
        or _unfounded(read, facts)
        or _negated(part, read, named, facts)
        or _traded(part, read, named, facts)
    )


def _counted(read: Sequence[Token]) -> Refusal | None:
    """Number words side by side, or beside a number."""
    solid = [t for t in read if t.root not in ("and", "a", "of")]
    for one, two in pairwise(solid):
        if one.kind is two.kind is Kind.NUMBER and "word" in (one.unit, two.unit):
            return Refusal(why="a number in words", what=f"{one.text} {two.text}")
    return None


def _outside(token: Token, facts: Facts) -> Refusal | None:
    """What stands nowhere in the record."""
    match token.kind:
        case Kind.WORD | Kind.NUMBER | Kind.SIDE | Kind.RESULT:
            return None  # they have their places
        case Kind.FACT:
            held = token.root in facts.evidence
        case _:
            held = (token.kind, token.root) in facts.others
    return None if held else Refusal(why=f"a {token.kind.value} that the record does not hold", what=token.text)


def _misplaced(token: Token, named: frozenset[str], facts: Facts) -> Refusal | None:
    match token.kind:
        case Kind.SIDE:
            held = all(any(token.root in line.sides for line in group) for group in _groups(named, facts))
        case Kind.RESULT:
            held = all(any(token.root in line.results for line in group) for group in _groups(named, facts))
        case Kind.NUMBER:
            held = any(_fits(token, number) for line in _sources(named, facts) for number in line.numbers)
        case _:
            return None
    return None if held else Refusal(why=f"a {token.kind.value} that the record does not hold here", what=token.text)


def _groups(named: frozenset[str], facts: Facts) -> Iterable[Sequence[Line]]:
    """The lines of each who is named: a side is said of all of them."""
    return [[line for line in facts.lines if line.about == name] for name in (named or {""})]


def _sources(named: frozenset[str], facts: Facts) -> Iterable[Line]:
    """The lines that a number may come from. With two names in a sentence, one that has both: they could be swapped."""
    if len(named) > 1:
        return (line for line in facts.lines if named <= line.names)
    (name,) = named or {""}
    return (line for line in facts.lines if line.about == name)


def _unfounded(read: Sequence[Token], facts: Facts) -> Refusal | None:
    """An [E#] without a number of its own fact before it: since the one before, as "12 [E1] and 13 [E2]"."""
    numbers: list[Token] = []
    cited = False
    for token in read:
        if token.kind is Kind.NUMBER:
            numbers, cited = [*([] if cited else numbers), token], False
        elif token.kind is Kind.FACT:
            cited = True
            held = facts.evidence[token.root].numbers
            if not any(_fits(said, number) for said in numbers for number in held):
                return Refusal(why="a fact without its number", what=token.text)
    return None


def _negated(part: str, read: Sequence[Token], named: frozenset[str], facts: Facts) -> Refusal | None:
    sides = {t.root for t in read if t.kind is Kind.SIDE and t.root in TRADED}
    words = {w.lower().replace("'", "") for w in re.findall(r"[A-Za-z']+", part)}
    if not sides or not words & NEGATIONS:
        return None
    held = any(line.negated and sides <= line.sides for group in _groups(named, facts) for line in group)
    return None if held else Refusal(why="a side with a negation", what=part[:80])


def _traded(part: str, read: Sequence[Token], named: frozenset[str], facts: Facts) -> Refusal | None:
    """A side, said of a desk that did not trade."""
    roots = {t.root for t in read}
    if named or not facts.kept_out or roots.isdisjoint(TRADED) or roots & (_LEADS | _KEPT_OUT):
        return None
    return Refusal(why="a trade that was none", what=part[:80])


# --- numbers ------------------------------------------------------------------------------------------------------


def _fits(said: Token, held: Token) -> bool:
    """Whether `said` is the record's number, or that with fewer digits."""
    if said.value is None or held.value is None or (held.unit == "word" and said.unit != "word"):
        return False
    if said.unit == "word":
        return said.value == held.value and held.unit in ("", "word")
    if said.sign and said.sign != (held.sign or "+"):
        return False
    if said.unit == held.unit:
        return _rounds(said.value, held.value)
    if said.unit == "%" and not held.unit and _places(held.value) > 0 and held.value <= 1:
        return _rounds(said.value, held.value * 100)
    return False


def _rounds(said: Decimal, held: Decimal) -> bool:
    places = _places(said)
    if said == held:
        return places <= _places(held)  # "1.0" knows more than "1"
    if places >= _places(held) or (places == 0 and held < _WHOLE) or len(str(said).replace(".", "").lstrip("0")) < 2:
        return False
    unit = Decimal(1).scaleb(-places)
    return any(held.quantize(unit, way) == said for way in (ROUND_HALF_EVEN, ROUND_HALF_UP))


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
