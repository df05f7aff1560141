"""A real ccxt instance that sends nothing: its requests are kept and answered from a table.

URLs, parameters and signatures stay ccxt's own; only its `fetch` is replaced. Beside it: the requests that ccxt itself
was recorded to send (tests/fixtures), and the answers it keeps as comments (../shared, skipped where missing).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from trading.venues.exchange.loading import exchange_class
from trading.venues.exchange.wire import Lane

HERE = Path(__file__).resolve().parent
RECORDED = HERE / "fixtures" / "recorded_requests_ccxt_4.5.90.json"
SAMPLES = HERE.parents[1] / "shared" / "fixtures" / "source_samples"
VOLATILE = frozenset({"timestamp", "signature", "recvWindow"})  # they differ from one second to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request. `params`: of the query and of the body together, as text."""

    method: str
    host: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    lane: Lane = Lane.READ
    cost: int = 0
    orders: int = 0

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def meant(self) -> dict[str, str]:
        """The parameters without those of the signature."""
        return {name: value for name, value in self.params.items() if name not in VOLATILE}


class InTurn(list[Any]):
    """Answers of one line, one after the other; the last one again and again."""


Answers = Mapping[str, Any]  # "GET /fapi/v1/time" or "/fapi/v1/time" -> an answer, InTurn, an exception, a function


class RecordingCaller:
    """Stands for client.py: the same three members, without limits, retries or a network."""

    def __init__(self, exchange: Any, answers: Answers) -> None:
        self.exchange = exchange
        self.requests: list[Request] = []
        self._answers = answers
        self._now: tuple[Lane, int, int] = (Lane.READ, 0, 0)
        exchange.fetch = self._fetch

    async def read(self, method: str, params: Mapping[str, Any], *, cost: int = 1, lane: Lane = Lane.READ) -> Any:
        return await self._call(method, params, (lane, cost, 0))

    async def write(self, method: str, params: Mapping[str, Any], *, lane: Lane, cost: int = 1, orders: int = 0) -> Any:
        return await self._call(method, params, (lane, cost, orders))

    async def _call(self, method: str, params: Mapping[str, Any], now: tuple[Lane, int, int]) -> Any:
        self._now = now
        return await getattr(self.exchange, method)(dict(params))

    async def _fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        lane, cost, orders = self._now
        parts = urlsplit(url)
        request = Request(
            method=method,
            host=parts.netloc,
            path=parts.path,
            params=_params(parts.query) | _params(body or ""),
            headers=dict(headers or {}),
            lane=lane,
            cost=cost,
            orders=orders,
        )
        self.requests.append(request)
        return self._answer(request)

    def _answer(self, request: Request) -> Any:
        table = self._answers
        if request.line not in table and request.path not in table:
            raise AssertionError(f"no answer for {request.line} {request.meant}")
        answer = table[request.line] if request.line in table else table[request.path]
        if isinstance(answer, InTurn):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer) and not isinstance(answer, type):
            answer = answer(request)
        if isinstance(answer, BaseException):
            raise answer
        return json.loads(json.dumps(answer), parse_float=str)  # as client.py reads the wire


def recorder(
    dialect: Any, answers: Answers, *, practice: str = "", key: bool = True
) -> tuple[RecordingCaller, list[Request]]:
    """A caller for `dialect.profile`, and the list that its requests go to."""
    plain = exchange_class(dialect.ccxt_id)
    secrets = {name: f"a-{name}" for name in dialect.secrets} if key else {}
    exchange = dialect.classes(plain)({**secrets, "options": dict(dialect.options), "enableRateLimit": False})
    if practice:
        dialect.practise(exchange, practice)
    caller = RecordingCaller(exchange, answers)
    return caller, caller.requests


def recorded(exchange: str, call: str) -> list[Request]:
    """What ccxt 4.5.90 sends for one of its unified calls: ("binanceusdm", "fetch_ohlcv")."""
    [entry] = [each for each in json.loads(RECORDED.read_text())[exchange] if each["call"] == call]
    return [
        Request(
            method=each["method"],
            host=each["host"],
            path=each["path"],
            params=_params(each["query"]) | _params(each["body"]),
            headers=each["headers"],
        )
        for each in entry["requests"]
    ]


def compare(ours: Request, theirs: Request, *, differs: Mapping[str, str] | None = None) -> None:
    """Method, host, path and every parameter. `differs`: parameter -> why it is meant to differ; a reason for a
    parameter that does not differ is a mistake too."""
    assert (ours.method, ours.host, ours.path) == (theirs.method, theirs.host, theirs.path)
    names = ours.meant.keys() | theirs.meant.keys()
    found = {name for name in names if ours.meant.get(name) != theirs.meant.get(name)}
    assert found == set(differs or {}), f"{ours.line}: ours {ours.meant}, ccxt's {theirs.meant}"


def sample(exchange: str, name: str) -> list[Any]:
    """Answers that ccxt keeps as comments for one of its methods: JSON as values, all else as text."""
    path = SAMPLES / f"{exchange}.json"
    if not path.is_file():
        pytest.skip(f"{path} is not here: answers as ccxt's source shows them")
    return [each["json"] if "json" in each else each["raw"] for each in json.loads(path.read_text())[name]]


def _params(text: str) -> dict[str, str]:
    """Of a query, a form or a JSON object."""
    if not text.startswith("{"):
        return dict(parse_qsl(text, keep_blank_values=True))
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in json.loads(text).items()}
