"""The dialogues: what is said and tapped, what is answered, what the desk is after it. One table for every chat.

People: ann (admin), otto (operator), vera (viewer), bea (nobody yet), eve (a stranger). A step happens in somebody's
private chat, or with `room` in a place that others read too. Titles and parts are regular expressions.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.chat.house import IDS, House
from trading.breaker import Level
from trading.messages import OverrideBreaker
from trading.model import TradingState

ALL = ("telegram", "discord", "console")
Prepare = Callable[[House], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Step:
    who: str = "ann"
    says: str = ""
    taps: str = ""  # a button's label, on the last card he was shown, or that `of` was shown
    types: str = ""  # the word that the button asks for; "$code": the one that is wanted
    of: str = ""
    room: bool = False
    title: str = ".*"
    has: tuple[str, ...] = ()
    buttons: tuple[str, ...] | None = None
    silence: bool = False
    then: Prepare | None = None  # something happens, and nobody says a word


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    name: str
    steps: tuple[Step, ...]
    given: tuple[Prepare, ...] = ()
    after: tuple[tuple[Callable[[House], Any], Any], ...] = ()
    chats: tuple[str, ...] = ALL
    why: str = ""  # a chat is left out


# --- what was before --------------------------------------------------------------------------------------------------


async def a_position(house: House) -> None:
    await house.hold()


async def a_trade(house: House) -> None:
    """A position that was opened and closed again."""
    position = await house.bench.enter()
    await house.bench.desk.obey(_close(position.id))
    await house.bench.desk.settle()


def _close(position: Any) -> Any:
    from trading.messages import ClosePosition

    return ClosePosition(position_id=position, by="a test")


async def a_wait(house: House) -> None:
    await house.bench.decide()


async def halted(house: House) -> None:
    from trading.messages import Halt

    await house.bench.desk.obey(Halt(by="otto", reason="lunch"))


async def shut_down(house: House) -> None:
    await house.bench.desk.obey(OverrideBreaker(level=Level.SHUTDOWN, lasts=_hours(2), by="a test"))


def _hours(n: int) -> Any:
    from datetime import timedelta

    return timedelta(hours=n)


async def bea_operates(house: House) -> None:
    from bot.surface import Role

    bea = await house.directory.add(f"telegram:{IDS['bea']}", Role.OPERATOR, name="Bea", by="a test")
    for platform in ("discord", "console"):
        await house.directory.link(bea.id, f"{platform}:{IDS['bea']}")


def wait(seconds: float) -> Step:
    async def pass_by(house: House) -> None:
        house.later(seconds)

    return Step(then=pass_by)


# --- what is after it -------------------------------------------------------------------------------------------------


def trading(house: House) -> TradingState:
    return house.bench.desk.book.state.trading


def positions(house: House) -> int:
    return len(house.bench.desk.book.positions)


def locks(house: House) -> tuple[str, ...]:
    return tuple(f"{lock.symbol.partition('/')[0]} {lock.direction or 'both'}" for lock in house.desk.status().locks)


def phase(house: House) -> str:
    return house.desk.status().phase


def version(house: House) -> int:
    return house.desk.status().version


def setting(key: str) -> Callable[[House], str]:
    def value(house: House) -> str:
        return next(line.value for line in house.desk.settings() if line.key == key)

    value.__name__ = key
    return value


def role_of(name: str) -> Callable[[House], int | None]:
    def role(house: House) -> int | None:
        person = house.directory.named(name)
        return person.role if person else None

    role.__name__ = f"role of {name}"
    return role


def _one(name: str, says: str, title: str, *has: str, **more: Any) -> Dialogue:
    """One question, one answer."""
    of_it = {key: more.pop(key) for key in ("given", "after", "chats", "why") if key in more}
    return Dialogue(name=name, steps=(Step(says=says, title=title, has=has, **more),), **of_it)


NOT_OFFERED = {"chats": ("telegram", "console"), "why": "Discord offers what there is and what fits, and nothing else"}
ACTIVE, HALTED = TradingState.ACTIVE, TradingState.HALTED

READING = (
    _one("status of an idle desk", "/status", ".*equity 10,000.00.*", "Playbook"),
    _one("status with a position", "/status", ".*equity.*", "BTC long", given=(a_position,)),
    _one("no position", "/positions", "no open position", buttons=("Refresh",)),
    _one("positions", "/positions", "1 open, unrealised.*", "Stop", "Target", "Id btc-", given=(a_position,)),
    _one("one position by its pair", "/position BTC", "▲ BTC long.*", "Armed: ", given=(a_position,)),
    _one("a position that is not", "/position ETH", "refused", "no open position ETH"),
    _one(
        "which position",
        "/position",
        "/position: not understood",
        "which position",
        "Usage: /position POSITION",
        **NOT_OFFERED,
    ),
    _one("p&l of nothing", "/pnl", "P&L all 0.00.*", "No closed trade"),
    _one("p&l of a trade", "/pnl today", "P&L today .*1 trade", "Win rate|won", given=(a_trade,)),
    _one("p&l by pair", "/pnl all pair", "P&L .*", "BTC", given=(a_trade,)),
    _one("p&l of an unknown window", "/pnl yesterday", "/pnl: .*", "Usage: /pnl", **NOT_OFFERED),
    _one("balance", "/balance", "equity 10,000.00", "Wallet"),
    _one("no trade yet", "/trades", "no closed trade yet"),
    _one("trades", "/trades 5", ".*trade.*", "BTC", "long", given=(a_trade,)),
    _one("too many trades", "/trades 999999", "/trades: .*", "Usage: /trades", **NOT_OFFERED),
    _one("exposure", "/exposure", "exposure.*", given=(a_position,)),
    _one("no decision yet", "/decisions", "no such decision yet"),
    _one("decisions, waits included", "/decisions", "1 decision, newest first", "BTC", "wait", given=(a_wait,)),
    _one("why", "/why BTC", ".*BTC.*", "Tally", given=(a_position,)),
    _one("why of nothing", "/why", "refused", "no decision yet"),
    _one("ask about a size", "/ask why this size for BTC", ".*BTC.*", given=(a_position,)),
    _one("ask nothing", "/ask", "/ask: .*", "Usage: /ask", **NOT_OFFERED),
    _one("personas", "/personas", ".*", given=(a_trade,)),
    _one("regime", "/regime", "regimes.*"),
    _one("market of an unknown pair", "/market XYZ", "/market: .*", "Usage: /market PAIR"),
    _one("phases", "/phase", "phase .*", "calm", "final"),
    _one("playbook", "/playbook", "playbook .*running.*"),
    _one("shadows", "/shadow", "no playbook runs in shadow"),
    _one("replay a decision", "/replay BTC", ".*", "same|equal|bit for bit", given=(a_position,)),
    _one("what if", "/whatif BTC judge.min_confidence=0.99", ".*", given=(a_position,)),
    _one("breaker", "/breaker", "breaker CLOSED.*"),
    _one("budget", "/budget", ".*", "no model is asked"),
    _one("health", "/health", "health: .*", "journal", "venue"),
    _one("settings", "/settings judge", ".*setting.*", "judge.min_confidence"),
    _one("locks of none", "/locks", "no .*lock.*|no pair.*"),
    _one("help", "/help", "\\d+ commands for an admin", "/halt", "/positions"),
    _one("help for one", "/help close", "/close.*", "Usage: /close POSITION", "Example: /close"),
    _one("version", "/version", "Gavel .*"),
    _one(
        "an unknown command",
        "/positons",
        "no command /positons",
        "Did you mean /positions",
        buttons=("/positions",),
        **NOT_OFFERED,
    ),
    _one("alerts", "/alerts", "alerts here.*", "fill"),
    _one("undelivered", "/undelivered", ".*"),
    _one("questions of none", "/questions", "no .*question.*"),
)

CONTROL = (
    Dialogue(
        name="halt at once, resume after a yes",
        steps=(
            Step(says="/halt news at noon", title="halted", has=("No new entries",), buttons=("Resume",)),
            Step(says="/status", has=("news at noon",)),
            Step(says="/resume", title="resume entries\\?", buttons=("Confirm", "Cancel")),
            Step(taps="Confirm", title="resumed", has=("Entries are allowed again", "confirmed by")),
        ),
        after=((trading, ACTIVE),),
    ),
    Dialogue(
        name="halt twice",
        steps=(Step(says="/halt", title="halted"), Step(says="/halt", title="halted", has=("Already halted",))),
        after=((trading, HALTED),),
    ),
    Dialogue(
        name="resume is cancelled",
        given=(halted,),
        steps=(
            Step(says="/resume", title="resume entries\\?"),
            Step(taps="Cancel", title="cancelled", has=("nothing was done",), buttons=()),
        ),
        after=((trading, HALTED),),
    ),
    Dialogue(
        name="resume what is not halted",
        steps=(Step(says="/resume", title="refused", has=("not halted",)),),
    ),
    Dialogue(
        name="a yes that comes too late",
        given=(halted,),
        steps=(
            Step(says="/resume", title="resume entries\\?"),
            wait(121),
            Step(taps="Confirm", title="refused", has=("expired",)),
        ),
        after=((trading, HALTED),),
    ),
    Dialogue(
        name="close a position",
        given=(a_position,),
        steps=(
            Step(
                says="/close BTC",
                title="close BTC long\\?",
                has=("Mark 60,000", "reduce-only"),
                buttons=("Confirm", "Cancel"),
            ),
            Step(taps="Confirm", title="closing BTC long", has=("At the tap", "confirmed by")),
        ),
        after=((positions, 0),),
    ),
    Dialogue(
        name="close a part",
        given=(a_position,),
        steps=(
            Step(says="/close BTC 50%", title="close 50% of BTC long\\?"),
            Step(taps="Confirm", title="closing 50% of BTC long"),
        ),
        after=((positions, 1),),
    ),
    Dialogue(
        name="close nothing",
        steps=(Step(says="/close BTC", title="refused", has=("none is open|no open position",)),),
    ),
    Dialogue(
        name="flatten wants a code",
        given=(a_position,),
        steps=(
            Step(says="/flatten", title="flatten: close 1 position\\?", has=("Type \\d{4} to confirm", "BTC long")),
            Step(taps="Confirm", types="$code", title="flattening", has=("confirmed by",)),
        ),
        after=((positions, 0), (trading, HALTED)),
    ),
    Dialogue(
        name="flatten with a wrong code",
        given=(a_position,),
        steps=(
            Step(says="/flatten", title="flatten.*"),
            Step(taps="Confirm", types="$wrong", title="refused", has=("not the code",)),
        ),
        after=((positions, 1), (trading, ACTIVE)),
    ),
    Dialogue(
        name="enter by hand",
        steps=(
            Step(says="/enter BTC long", title="enter BTC long\\?"),
            Step(taps="Confirm", title="BTC long by hand"),
        ),
    ),
    Dialogue(
        name="enter an unknown side",
        steps=(Step(says="/enter BTC up", title="/enter: .*", has=("one of|known",)),),
        chats=("telegram", "console"),
        why="Discord offers the two sides and no other",
    ),
    Dialogue(
        name="pause a pair and let it go",
        steps=(
            Step(says="/pause BTC for 2h thin book", title="BTC both sides locked", has=("thin book",)),
            Step(says="/locks", has=("BTC",)),
            Step(says="/unlock BTC", title="unlock BTC\\?"),
            Step(taps="Confirm", title="BTC unlocked"),
        ),
        after=((locks, ()),),
    ),
    Dialogue(
        name="lock one side",
        steps=(Step(says="/lock ETH short", title="ETH short locked"),),
        after=((locks, ("ETH short",)),),
    ),
    Dialogue(
        name="change a setting and take it back",
        steps=(
            Step(says="/set judge.min_confidence 0.7", title=".*judge.*\\?|change.*", has=("0.7",)),
            Step(taps="Confirm", has=("0.7",)),
            Step(says="/undo", title="undo.*\\?"),
            Step(taps="Confirm"),
        ),
        after=((version, 2),),
    ),
    Dialogue(
        name="a setting out of its range",
        steps=(Step(says="/set judge.min_confidence 7", title="/set: .*|refused"),),
        after=((version, 0),),
    ),
    Dialogue(
        name="set a phase",
        steps=(
            Step(says="/phase calm", title="set phase calm\\?"),
            Step(taps="Confirm", title="phase calm"),
        ),
        after=((phase, "calm"),),
    ),
    Dialogue(
        name="change a phase",
        steps=(
            Step(says="/phase set calm max_positions=1", title="change phase calm\\?"),
            Step(taps="Confirm", title="phase calm changed"),
        ),
        after=((version, 1),),
    ),
    Dialogue(
        name="live is refused",
        steps=(Step(says="/mode live", title="refused", has=("GAVEL_VENUE",)),),
    ),
    Dialogue(
        name="a refreshed card stands where it stood",
        given=(a_position,),
        steps=(Step(says="/positions", title="1 open.*"), Step(taps="Refresh", title="1 open.*")),
    ),
    Dialogue(
        name="from the list to one position, to the question, and back",
        given=(a_position,),
        steps=(
            Step(says="/positions"),
            Step(taps="BTC", title="▲ BTC long.*"),
            Step(taps="Close", title="close BTC long\\?"),
            Step(taps="Cancel", title="cancelled"),
        ),
        after=((positions, 1),),
    ),
    Dialogue(
        name="reset a breaker that is closed",
        steps=(Step(says="/breaker reset", title="refused", has=("nothing to reset",)),),
    ),
    Dialogue(
        name="override the breaker, and end it",
        steps=(
            Step(says="/breaker override alert for 30m", title="override the breaker with ALERT\\?"),
            Step(taps="Confirm", title="breaker overridden: ALERT"),
            Step(says="/breaker end", title=".*"),
            Step(taps="Confirm"),
        ),
    ),
)

WHO = (
    Dialogue(
        name="a viewer may not halt",
        steps=(Step(who="vera", says="/halt", title="refused", has=("for operators, you are a viewer",)),),
        after=((trading, ACTIVE),),
    ),
    Dialogue(
        name="a viewer may look",
        steps=(Step(who="vera", says="/positions", title="no open position"),),
    ),
    Dialogue(
        name="an operator may halt, and may not change settings",
        steps=(
            Step(who="otto", says="/halt", title="halted"),
            Step(who="otto", says="/set judge.min_confidence 0.7", title="refused", has=("for admins",)),
        ),
        after=((trading, HALTED), (version, 0)),
    ),
    Dialogue(
        name="a stranger is told once, then nothing",
        steps=(
            Step(who="eve", says="/positions", title="This desk is private."),
            Step(who="eve", says="/halt", silence=True),
        ),
        after=((trading, ACTIVE),),
    ),
    Dialogue(
        name="somebody else's question",
        given=(halted,),
        steps=(
            Step(says="/resume", title="resume entries\\?", room=True),
            Step(who="otto", taps="Confirm", of="ann", room=True, title="refused", has=("can answer this question",)),
            Step(taps="Confirm", room=True, title="resumed"),
        ),
        after=((trading, ACTIVE),),
        chats=("telegram", "discord"),
        why="nobody else sees a terminal",
    ),
    Dialogue(
        name="a stranger's tap in a room",
        given=(halted,),
        steps=(
            Step(says="/resume", title="resume entries\\?", room=True),
            Step(who="eve", taps="Confirm", of="ann", room=True, title="This desk is private."),
            Step(taps="Confirm", room=True, title="resumed"),
        ),
        after=((trading, ACTIVE),),
        chats=("telegram", "discord"),
        why="nobody else sees a terminal",
    ),
    Dialogue(
        name="two taps, one deed",
        given=(halted,),
        steps=(
            Step(says="/resume"),
            Step(taps="Confirm", title="resumed"),
            Step(says="/halt again", title="halted"),
            Step(says="/questions", title="no .*question.*"),
        ),
        after=((trading, HALTED),),
    ),
    Dialogue(
        name="users are listed, added, promoted and removed",
        steps=(
            Step(says="/users", has=("otto", "vera")),
            Step(says=f"/users add telegram:{IDS['bea']} viewer Bea", title=".*Bea.*\\?"),
            Step(taps="Confirm", has=("Bea",)),
            Step(says="/users role bea operator", title=".*Bea.*\\?"),
            Step(taps="Confirm"),
            Step(says=f"/users link bea discord:{IDS['bea']}"),
            Step(taps="Confirm"),
            Step(says="/users remove vera"),
            Step(taps="Confirm"),
        ),
        after=((role_of("bea"), 2), (role_of("vera"), None)),
    ),
    Dialogue(
        name="an admin by the environment stays one",
        steps=(Step(says="/users role owner viewer", title="refused"),),
    ),
    Dialogue(
        name="the audit is for admins",
        steps=(
            Step(who="otto", says="/halt lunch", title="halted"),
            Step(who="otto", says="/audit", title="refused", has=("for admins",)),
            Step(says="/audit", has=("/halt lunch", "trading")),
        ),
    ),
    Dialogue(
        name="the reader's own time zone",
        steps=(
            Step(says="/timezone Asia/Kolkata", has=("Asia/Kolkata",)),
            Step(says="/timezone Atlantis/Deep", title="/timezone: .*|refused"),
        ),
    ),
    Dialogue(
        name="quiet hours",
        steps=(Step(says="/quiet 22-07", has=("22:00",)), Step(says="/quiet off", has=("off",))),
    ),
    Dialogue(
        name="alerts of a kind are silenced",
        steps=(Step(says="/alerts fill silent", has=("silent",)), Step(says="/alerts", has=("Silent: .*fill",))),
    ),
)

TEXT = (
    Dialogue(
        name="talk is not a command",
        steps=(Step(says="what is up", title="commands begin with /"),),
        chats=("telegram", "console"),
        why="on Discord the bot hears slash commands alone",
    ),
    Dialogue(
        name="a yes to nothing",
        steps=(Step(says="yes", title="no question is open here"),),
        chats=("telegram", "console"),
        why="on Discord the bot hears slash commands alone",
    ),
    Dialogue(
        name="markup in a reason stays what it is",
        steps=(
            Step(says="/halt <b>*_`~|[x](y) @everyone", title="halted"),
            Step(says="/status", has=("<b>\\*_`~\\|\\[x\\]\\(y\\) @everyone",)),
        ),
        after=((trading, HALTED),),
    ),
)

DIALOGUES: tuple[Dialogue, ...] = (*READING, *CONTROL, *WHO, *TEXT)
