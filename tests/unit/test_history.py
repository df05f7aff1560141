import gzip
import time
import zipfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.errors import BadHistory
from trading.market.series import FundingSeries, Series, from_ms, to_ms
from trading.model import Symbol
from trading.venues.candle_file import interval_in, pair_in
from trading.venues.history import History, load
from trading.venues.listing import listing

BTC, ETH = Symbol("BTC/USDT:USDT"), Symbol("ETH/USDT:USDT")
HOUR = timedelta(hours=1)
START = datetime(2025, 1, 1, tzinfo=UTC)
SIMPLE = "time,open,high,low,close,volume"
BINANCE = "open_time,open,high,low,close,volume,close_time,quote_volume,trades,taker_buy_base,taker_buy_quote,ignore"
ARCHIVE = BINANCE.replace("trades,taker_buy_base,taker_buy_quote", "count,taker_buy_volume,taker_buy_quote_volume")


def a_line(
    hour: int, *, open_: str = "100.10", high: str = "101.5", low: str = "99", close: str = "100.7", volume: str = "7"
) -> str:
    return f"{to_ms(START + hour * HOUR)},{open_},{high},{low},{close},{volume}"


def a_kline(hour: int, *, volume: str = "7.50000000", taker: str = "3.25000000", trades: str = "42") -> str:
    opened = to_ms(START + hour * HOUR)
    return f"{opened},100.10000000,101.5,99,100.7,{volume},{opened + 3_599_999},700,{trades},{taker},300,0"


def a_file(directory: Path, name: str, *lines: str, header: str | None = SIMPLE) -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = "".join(f"{line}\n" for line in ((header, *lines) if header is not None else lines)).encode()
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(raw))
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inside.csv", raw)
    else:
        path.write_bytes(raw)
    return path


def only(history: History) -> Series:
    (series,) = history.series.values()
    return series


def refused(directory: Path, **choice: timedelta) -> str:
    with pytest.raises(BadHistory) as caught:
        load(directory, **choice)  # type: ignore[arg-type]
    return str(caught.value)


# --- what is read


@pytest.mark.parametrize(
    ("name", "base", "interval"),
    [
        ("BTCUSDT.csv", "BTC", None),
        ("BTCUSDT_1h.csv.gz", "BTC", HOUR),
        ("BTC-USDT.feather", "BTC", None),
        ("BTC_USDT_USDT-5m-futures.feather", "BTC", timedelta(minutes=5)),
        ("spot-klines-BTCUSDT-1h-2024-10-28.zip", "BTC", HOUR),
        ("futures-um-klines-1000SHIBUSDT-15m-2024-10-28.zip", "1000SHIB", timedelta(minutes=15)),
        ("dogeusdt-1d.parquet", "DOGE", timedelta(days=1)),
        ("BTCUSDT-1M-2024.csv", "BTC", None),
        ("README.csv", None, None),
        ("USDT.csv", None, None),
        ("BTCEUR.csv", None, None),
    ],
)
def test_names_speak_of_pair_and_interval(name: str, base: str | None, interval: timedelta | None) -> None:
    assert pair_in(Path(name), "USDT") == base
    assert interval_in(Path(name)) == interval


@pytest.mark.parametrize("name", ["BTCUSDT.csv", "BTCUSDT_1h.csv.gz", "spot-klines-BTCUSDT-1h-2025-01-01.zip"])
@pytest.mark.parametrize("header", [BINANCE, ARCHIVE, ARCHIVE.replace("open_time", "timestamp"), None])
def test_binance_layouts(tmp_path: Path, name: str, header: str | None) -> None:
    a_file(tmp_path, name, *(a_kline(hour) for hour in range(3)), header=header)
    series = only(load(tmp_path))
    assert series.symbol == BTC
    assert series.every == HOUR
    candle = series.candle(2)
    assert candle.opened_at == START + 2 * HOUR
    prices = (candle.open, candle.high, candle.low, candle.close)
    assert prices == tuple(map(Decimal, ("100.1", "101.5", "99", "100.7")))
    assert (candle.volume, candle.taker_buy, candle.trades) == (Decimal("7.5"), Decimal("3.25"), 42)


@pytest.mark.parametrize(
    "header", [SIMPLE, None, "Date, Open, High, Low, Close, Volume", "\ufefftimestamp,open,high,low,close,volume"]
)
def test_simple_layouts(tmp_path: Path, header: str | None) -> None:
    a_file(tmp_path, "BTCUSDT.csv", *(a_line(hour) for hour in range(3)), header=header)
    history = load(tmp_path)
    assert only(history).taker_buy is None
    assert "No taker volume: BTC." in history.notes
    assert len(only(history)) == 3


def test_columns_may_stand_in_any_order_among_others(tmp_path: Path) -> None:
    lines = [f"x,{hour},{to_ms(START + hour * HOUR)},1,2,0.5,1.5" for hour in range(3)]
    a_file(tmp_path, "BTCUSDT.csv", *lines, header="note,volume,time,open,high,low,close")
    assert only(load(tmp_path)).volume.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "written",
    [
        lambda at: str(to_ms(at) // 1000),
        lambda at: str(to_ms(at)),
        lambda at: str(to_ms(at) * 1000),
        lambda at: f"{to_ms(at)}.0",
        lambda at: f"{at:%Y-%m-%d %H:%M:%S}",
        lambda at: f"{at:%Y-%m-%dT%H:%M:%SZ}",
        lambda at: f"{at + 2 * HOUR:%Y-%m-%d %H:%M:%S}+02:00",
    ],
    ids=["s", "ms", "us", "float", "iso", "iso Z", "iso zone"],
)
def test_times_in_all_their_forms(tmp_path: Path, written) -> None:  # type: ignore[no-untyped-def]
    a_file(tmp_path, "BTCUSDT.csv", *(f"{written(START + hour * HOUR)},1,2,0.5,1.5,9" for hour in range(3)))
    assert [from_ms(at) for at in only(load(tmp_path)).opened] == [START + hour * HOUR for hour in range(3)]


@pytest.mark.parametrize("kind", ["parquet", "feather"])
@pytest.mark.parametrize("times", ["timestamp", "zoned", "integer", "text"])
def test_columnar_files(tmp_path: Path, kind: str, times: str) -> None:
    at = pd.date_range(START, periods=3, freq="1h")
    forms = {
        "timestamp": at.tz_localize(None),
        "zoned": at,
        "integer": [to_ms(each) for each in at],
        "text": at.astype(str),
    }
    frame = pd.DataFrame(
        {"date": forms[times], "open": 0.1, "high": 0.3, "low": 0.1, "close": 0.2, "volume": [1, 2, 3]}
    )
    getattr(frame, f"to_{kind}")(tmp_path / f"BTC_USDT_USDT-1h-futures.{kind}")
    candle = only(load(tmp_path)).candle(2)
    assert candle.opened_at == START + 2 * HOUR
    assert (candle.open, candle.high, candle.volume) == (Decimal("0.1"), Decimal("0.3"), 3)


def test_a_parquet_index_is_the_time_and_single_precision_keeps_its_digits(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"open": 0.1, "high": 0.3, "low": 0.1, "close": 0.2, "volume": 1.0},
        index=pd.date_range(START, periods=3, freq="1h"),
    )
    frame.astype("float32").to_parquet(tmp_path / "BTCUSDT.parquet")
    assert only(load(tmp_path)).candle(0).close == Decimal("0.2")


def test_days_of_one_pair_are_joined_in_time(tmp_path: Path) -> None:
    for day in (2, 0, 1):  # the names sort differently, too
        name = f"spot-klines-BTCUSDT-1h-{'cab'[day]}.zip"
        a_file(tmp_path, name, *(a_kline(24 * day + hour) for hour in range(24)), header=None)
    series = only(load(tmp_path))
    assert len(series) == 72
    assert series.gaps() == []


def test_pairs_are_sorted_and_chosen(tmp_path: Path) -> None:
    for pair in ("ETHUSDT", "BTCUSDT", "SOLUSDT"):
        a_file(tmp_path, f"{pair}.csv", *(a_line(hour) for hour in range(3)))
    a_file(tmp_path, "README.md", "words")
    assert [symbol[:3] for symbol in load(tmp_path).series] == ["BTC", "ETH", "SOL"]
    history = load(tmp_path, bases=["ETH", "LTC"])
    assert list(history.series) == [ETH]
    assert "No candles for LTC." in history.notes
    assert "Files not used: BTCUSDT.csv, README.md, SOLUSDT.csv." in history.notes
    assert history.name == tmp_path.name


def test_another_quote(tmp_path: Path) -> None:
    a_file(tmp_path, "BTCUSDC.csv", *(a_line(hour) for hour in range(3)))
    assert list(load(tmp_path, quote="USDC").series) == ["BTC/USDC:USDC"]


def test_blank_lines_and_carriage_returns_are_no_harm(tmp_path: Path) -> None:
    path = a_file(
        tmp_path, "BTCUSDT.csv", "", f"{SIMPLE}\r", "", *(f"{a_line(hour)}\r\n" for hour in range(3)), header=None
    )
    assert len(only(load(tmp_path))) == 3
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r"))
    assert len(only(load(tmp_path))) == 3


# --- what is refused: one error with file, line and reason


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([a_line(0), a_line(1, close="abc")], "line 3: close is not a number: 'abc'"),
        ([a_line(0), a_line(1, close="")], "line 3: close is not a number: ''"),
        ([a_line(0), a_line(1, volume="NaN")], "line 3: volume is not a number: 'NaN'"),
        ([a_line(0), a_line(1, high="inf")], "line 3: high is not a number: 'inf'"),
        ([a_line(0, low="0")], "line 2: low is 0.0: a price is positive"),
        ([a_line(0), a_line(1), a_line(2, open_="-5")], "line 4: open is -5.0: a price is positive"),
        ([a_line(0, high="98")], "line 2: high 98.0 is below low 99.0"),
        ([a_line(0, open_="102")], "line 2: open 102.0 is outside low 99.0 .. high 101.5"),
        ([a_line(0, close="98.5")], "line 2: close 98.5 is outside low 99.0 .. high 101.5"),
        ([a_line(0, volume="-1")], "line 2: volume -1.0 is negative"),
        (
            [a_line(2), a_line(1)],
            "line 3: time goes backwards: 2025-01-01 01:00:00+00:00 after 2025-01-01 02:00:00+00:00",
        ),
        (
            [a_line(0), a_line(1), a_line(1, close="101")],
            "line 4: a second, different bar for 2025-01-01 01:00:00+00:00",
        ),
        ([a_line(0), "yesterday,1,2,1,2,1"], "line 3: time is not a number: 'yesterday'"),
        (["2025-01-01,1,2,1,2,1", "yesterday,1,2,1,2,1"], "line 3: time is not a time: 'yesterday'"),
        ([f"{10**30},1,2,1,2,1"], f"line 2: time is not a time: '{10**30}'"),
        ([a_line(0), "1735693200000,1,2,3"], "line 3: 4 values where 6 are expected"),
        ([a_line(0), "", a_line(1, volume="-2")], "line 4: volume -2.0 is negative"),
        ([a_line(0), a_line(1, volume="-2"), a_line(2, high="1")], "line 3: volume -2.0 is negative"),
        (
            [*(a_line(hour) for hour in range(4)), f"{to_ms(START + 3.5 * HOUR)},1,2,1,2,1"],
            "line 6: mixed intervals: 30 min after the bar before, among bars of 1 h",
        ),
        (
            [*(a_line(hour) for hour in range(20)), *(a_line(hour) for hour in range(20, 60, 4))],
            "line 23: mixed intervals: 4 h after the bar before, among bars of 1 h",
        ),
    ],
)
def test_bad_lines(tmp_path: Path, lines: list[str], expected: str) -> None:
    a_file(tmp_path, "BTCUSDT_1h.csv", *lines)
    message = refused(tmp_path)
    assert message.startswith(f"{tmp_path.name}/BTCUSDT_1h.csv, {expected}")
    assert "\n" not in message


def test_lines_are_counted_without_a_header_too(tmp_path: Path) -> None:
    a_file(tmp_path, "BTCUSDT.csv", a_line(0), a_line(1, volume="-1"), header=None)
    assert "line 2: volume" in refused(tmp_path)


def test_rows_of_columnar_files_are_counted(tmp_path: Path) -> None:
    frame = pd.DataFrame({"time": [0, 3600], "open": 1.0, "high": 1.0, "low": 1.0, "close": [1.0, None], "volume": 1.0})
    frame.to_parquet(tmp_path / "BTCUSDT.parquet")
    assert "BTCUSDT.parquet, row 2: close " in refused(tmp_path)


def test_a_missing_column_is_named_with_what_was_found(tmp_path: Path) -> None:
    a_file(tmp_path, "BTCUSDT.csv", "1735689600,1,2,1,1", header="date,open,high,low,shut")
    assert "line 1: missing column close, volume; found date, open, high, low, shut" in refused(tmp_path)


def test_a_headerless_file_of_unknown_width(tmp_path: Path) -> None:
    a_file(tmp_path, "BTCUSDT.csv", "1735689600,1,2,1,1", header=None)
    assert "line 1: no header; without one, 12 or 6 columns are read, found 5 columns" in refused(tmp_path)


def test_a_column_that_is_there_twice(tmp_path: Path) -> None:
    a_file(tmp_path, "BTCUSDT.csv", f"{a_line(0)},1", header=f"{SIMPLE},close")
    assert "column close is there 2 times" in refused(tmp_path)


@pytest.mark.parametrize("name", ["BTCUSDT.csv", "BTCUSDT.csv.gz", "BTCUSDT.zip"])
def test_empty_files(tmp_path: Path, name: str) -> None:
    a_file(tmp_path, name, header=None)
    assert "the file is empty" in refused(tmp_path)
    a_file(tmp_path, name, header=SIMPLE)
    assert "a header and no rows" in refused(tmp_path)


@pytest.mark.parametrize("name", ["BTCUSDT.csv.gz", "BTCUSDT.zip", "BTCUSDT.parquet", "BTCUSDT.feather"])
def test_files_that_are_not_what_they_say(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"words and no table, of some length at least")
    assert f"{name}: cannot be read: " in refused(tmp_path)


def test_a_gzip_that_was_cut_off(tmp_path: Path) -> None:
    path = a_file(tmp_path, "BTCUSDT.csv.gz", *(a_line(hour) for hour in range(100)))
    path.write_bytes(path.read_bytes()[:-20])
    assert "cannot be read: " in refused(tmp_path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "BTCUSDT.csv").write_bytes(f"{SIMPLE}\n1,1,2,1,\xff\xfe,1\n".encode("latin-1"))
    assert "cannot be read: " in refused(tmp_path)


def test_a_zip_with_two_tables(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "BTCUSDT.zip", "w") as archive:
        archive.writestr("a.csv", "")
        archive.writestr("b.csv", "")
    assert "one csv is expected in a zip, 2 are there" in refused(tmp_path)


def test_no_usable_file(tmp_path: Path) -> None:
    (tmp_path / "spot").mkdir()
    (tmp_path / "notes.txt").write_text("words")
    message = refused(tmp_path)
    assert "no candle file to use" in message
    assert "its folders are spot" in message
    assert "not a directory" in refused(tmp_path / "nowhere")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage_is_one_clear_error_or_none(data: st.DataObject) -> None:
    raw = "\n".join([BINANCE, *(a_kline(hour) for hour in range(12)), ""]).encode()
    place = data.draw(st.integers(0, len(raw)))
    junk = data.draw(
        st.binary(max_size=3) | st.sampled_from([b",", b"\n", b"\r", b'"', b"nan", b"e400", b"-", b"_", b"\0"])
    )
    damaged = raw[:place] + junk + raw[place + data.draw(st.integers(0, 40)) :]
    with TemporaryDirectory() as directory:
        (Path(directory) / "BTCUSDT.csv").write_bytes(damaged)
        message = ""
        try:
            series = only(load(Path(directory)))
            assert all(series.candle(row).volume >= 0 for row in range(len(series)))
        except BadHistory as error:
            message = str(error)
    assert not message or "BTCUSDT.csv" in message
    assert "\n" not in message


# --- intervals


def test_two_intervals_need_a_choice(tmp_path: Path) -> None:
    a_file(tmp_path, "BTCUSDT_1h.csv", *(a_line(hour) for hour in range(4)))
    a_file(tmp_path, "BTCUSDT_2h.csv", *(a_line(hour) for hour in range(0, 8, 2)))
    assert "more than one interval: 1 h (BTCUSDT_1h.csv), 2 h (BTCUSDT_2h.csv); choose one" in refused(tmp_path)
    history = load(tmp_path, every=2 * HOUR)
    assert history.every == only(history).every == 2 * HOUR
    assert "Files not used: BTCUSDT_1h.csv." in history.notes


def test_intervals_that_no_name_tells(tmp_path: Path) -> None:
    a_file(tmp_path, "BTCUSDT.csv", *(a_line(hour) for hour in range(4)))
    a_file(tmp_path, "ETHUSDT.csv", *(a_line(hour) for hour in range(0, 8, 2)))
    assert "more than one interval: 1 h (BTCUSDT.csv), 2 h (ETHUSDT.csv)" in refused(tmp_path)
    history = load(tmp_path, every=HOUR)
    assert list(history.series) == [BTC]
    assert "Files of another interval, not used: ETHUSDT.csv." in history.notes
    assert "no bars of 5 min; found 1 h (BTCUSDT.csv), 2 h (ETHUSDT.csv)" in refused(tmp_path, every=HOUR / 12)


def test_a_name_that_says_another_interval(tmp_path: Path) -> None:
    a_file(tmp_path, "BTCUSDT_4h.csv", *(a_line(hour) for hour in range(4)))
    assert "mixed intervals: the name says 4 h, most steps are 1 h" in refused(tmp_path)


def test_one_bar_needs_a_word_about_its_interval(tmp_path: Path) -> None:
    a_file(tmp_path, "BTCUSDT.csv", a_line(0))
    assert "one bar, and no interval in the file's name" in refused(tmp_path)
    assert only(load(tmp_path, every=HOUR)).every == HOUR


# --- what is noted


def test_gaps_are_reported_and_stay(tmp_path: Path) -> None:
    a_file(tmp_path, "BTCUSDT.csv", *(a_line(hour) for hour in (0, 1, 2, 5, 6, 8)))
    history = load(tmp_path)
    assert len(only(history)) == 6
    expected = "BTC: 2 gaps, 3 bars missing, not bridged: 2025-01-01 03:00 to 2025-01-01 05:00, 2025-01-01 07:00 to"
    assert any(note.startswith(expected) for note in history.notes)


def test_identical_duplicates_are_dropped(tmp_path: Path) -> None:
    a_file(tmp_path, "BTCUSDT_1h_a.csv", *(a_line(hour) for hour in (0, 1, 1, 2)))
    a_file(tmp_path, "BTCUSDT_1h_b.csv", *(a_line(hour) for hour in (2, 3)))
    history = load(tmp_path)
    assert [from_ms(at).hour for at in only(history).opened] == [0, 1, 2, 3]
    assert "BTC: 2 identical duplicate bars dropped." in history.notes


def test_different_bars_of_two_files_name_both(tmp_path: Path) -> None:
    a_file(tmp_path, "futures-BTCUSDT-1h.csv", *(a_line(hour, close="100") for hour in (0, 1)))
    a_file(tmp_path, "spot-BTCUSDT-1h.csv", *(a_line(hour) for hour in (1, 2)))
    message = refused(tmp_path)
    assert "spot-BTCUSDT-1h.csv, line 2: a second, different bar for 2025-01-01 01:00:00+00:00" in message
    assert message.endswith("futures-BTCUSDT-1h.csv, line 3")


@pytest.mark.parametrize(
    ("kline", "reason"),
    [
        (a_kline(1, taker="8"), "line 3: taker_buy 8 is more than the volume"),
        (a_kline(1, taker="-1"), "line 3: taker_buy -1 is negative"),
        (a_kline(1, taker=""), "line 3: taker_buy is not a number: ''"),
    ],
)
def test_a_wrong_taker_volume_costs_only_itself(tmp_path: Path, kline: str, reason: str) -> None:
    a_file(tmp_path, "BTCUSDT.csv", a_kline(0), kline, header=BINANCE)
    history = load(tmp_path)
    assert only(history).taker_buy is None
    assert only(history).trades is not None
    assert f"{tmp_path.name}/BTCUSDT.csv, {reason}; the column is not used." in history.notes
    assert "No taker volume: BTC." in history.notes


def test_wicks_and_still_bars_are_kept_and_told(tmp_path: Path) -> None:
    a_file(tmp_path, "BTCUSDT.csv", a_line(0), a_line(1, low="25"), a_line(2, volume="0"), a_line(3, high="126"))
    history = load(tmp_path)
    assert len(only(history)) == 4
    assert any(
        "BTC: 2 suspicious wicks beyond 25% of the price, kept; the first at 2025-01-01 01:00: low 25" in n
        for n in history.notes
    )
    assert "BTC: 1 bar without volume, kept." in history.notes


def test_an_instrument_that_ends_early(tmp_path: Path) -> None:
    a_file(tmp_path, "BTCUSDT.csv", *(a_line(hour) for hour in range(10)))
    a_file(tmp_path, "ETHUSDT.csv", *(a_line(hour) for hour in range(3, 6)))
    notes = load(tmp_path).notes
    assert "ETH ends early, at 2025-01-01 06:00; the last ends at 2025-01-01 10:00." in notes
    assert "ETH begins late, at 2025-01-01 03:00; the first begins at 2025-01-01 00:00." in notes


def test_numbers_beyond_a_float_are_told(tmp_path: Path) -> None:
    a_file(tmp_path, "BTCUSDT.csv", a_line(0, volume="12345678.12345678"), a_line(1, volume="46216.9300000000000"))
    history = load(tmp_path)
    assert f"{tmp_path.name}/BTCUSDT.csv: numbers of more than 15 digits, rounded: volume 1." in history.notes
    assert only(history).candle(1).volume == Decimal("46216.93")


# --- funding


def a_history_with_funding(directory: Path, place: Path) -> None:
    for pair in ("BTCUSDT", "ETHUSDT"):
        a_file(directory, f"{pair}.csv", *(a_line(hour) for hour in range(3)))
    lines = [f"{to_ms(START + hours * HOUR)},{rate}" for hours, rate in ((0, "0.0001"), (8, "-0.00025"))]
    a_file(place, "BTCUSDT.csv", *lines, header="funding_time,funding_rate")


@pytest.mark.parametrize("place", ["set/funding", "funding", "elsewhere"])
def test_funding_is_found_beside_or_inside_or_where_told(tmp_path: Path, place: str) -> None:
    a_history_with_funding(tmp_path / "set", tmp_path / place)
    history = load(tmp_path / "set", funding=tmp_path / place if place == "elsewhere" else None)
    funding = history.funding[BTC]
    assert isinstance(funding, FundingSeries)
    assert [from_ms(at) for at in funding.at] == [START, START + 8 * HOUR]
    assert funding.rate.tolist() == [0.0001, -0.00025]
    assert any(note.startswith("Funding from ") and note.endswith(f"{Path(place).name}.") for note in history.notes)
    assert "No funding rates: ETH." in history.notes


def test_no_funding_is_said(tmp_path: Path) -> None:
    a_file(tmp_path / "set", "BTCUSDT.csv", *(a_line(hour) for hour in range(3)))
    assert "No funding rates: no funding is paid." in load(tmp_path / "set").notes
    with pytest.raises(BadHistory, match="not a directory of funding files"):
        load(tmp_path / "set", funding=tmp_path / "nowhere")


def test_bad_funding_is_refused(tmp_path: Path) -> None:
    a_history_with_funding(tmp_path / "set", tmp_path / "funding")
    a_file(tmp_path / "funding", "ETHUSDT.csv", "28800000,0.1", "0,0.1", header="funding_time,funding_rate")
    assert "funding/ETHUSDT.csv, line 3: funding time does not rise" in refused(tmp_path / "set")
    a_file(tmp_path / "funding", "ETHUSDT.csv", "0,much", header="funding_time,funding_rate")
    assert "funding/ETHUSDT.csv, line 2: funding_rate is not a number: 'much'" in refused(tmp_path / "set")


# --- rules worked out from candles


def a_series(price: float, *, tick: float = 0.01) -> Series:
    column = np.array([price, price + tick, price + 5 * tick]).round(8)
    return Series(
        symbol=BTC,
        every=HOUR,
        opened=np.arange(3) * 3_600_000,
        open=column,
        high=column,
        low=column,
        close=column,
        volume=column,
    )


@pytest.mark.parametrize(
    ("price", "tick", "step"),
    [
        (60_672.01, "0.01", "0.00001"),
        (0.15, "0.00001", "1"),
        (0.0123, "0.0001", "10"),
        (1.0, "0.1", "1"),
        (99.5, "0.5", "0.01"),
        (100.0, "1", "0.01"),
        (0.00001234, "0.00000001", "10000"),
    ],
)
def test_the_tick_is_the_finest_step_and_a_step_costs_at_most_one(price: float, tick: str, step: str) -> None:
    rules = listing(a_series(price, tick=float(tick)))
    assert rules.tick == (Decimal(tick) if tick != "0.5" else Decimal("0.1"))
    assert rules.step == rules.min_quantity == Decimal(step)
    assert str(rules.step) == step
    assert (rules.min_notional, rules.max_leverage) == (5, 50)
    assert (rules.maker_fee, rules.taker_fee, rules.maintenance) == tuple(map(Decimal, ("0.0002", "0.0005", "0.01")))


@given(st.floats(1e-6, 1e6))
def test_a_step_is_worth_between_a_tenth_and_one(price: float) -> None:
    rules = listing(a_series(price))
    close = Decimal(repr(float(np.round(price, 8))))
    assert Decimal("0.1") < rules.step * close <= 1


def test_fees_are_a_choice_and_an_empty_series_has_no_rules() -> None:
    assert listing(a_series(5.0), taker_fee=Decimal("0.001"), max_leverage=20).taker_fee == Decimal("0.001")
    with pytest.raises(ValueError, match="no bars"):
        listing(a_series(5.0).rows(0, 0))


# --- real files


def test_the_hourly_set_is_read_quickly(shared: Path) -> None:
    directory = shared / "data/candles/spot-1h-12col-8pairs-2024-05"
    load(directory, bases=["BTC"])  # imports
    began = time.process_time()
    history = load(directory)
    assert time.process_time() - began < 1.5
    assert sum(map(len, history.series.values())) == 74_531
    assert len(history.funding) == 8
    assert any(note.startswith("ADA ends early, at 2025-04-13") for note in history.notes)
    assert "Funding from candles/funding." in history.notes
    assert all(series.taker_buy is not None for series in history.series.values())
    for series in history.series.values():
        series.candle(0)


def test_the_outage_of_2023_loads_as_a_gap_and_a_still_bar(shared: Path) -> None:
    history = load(shared / "data/candles/spot-1h-12col", bases=["ETH"])
    assert "ETH: 1 gap, 1 bar missing, not bridged: 2023-03-24 13:00 to 2023-03-24 14:00." in history.notes
    assert "ETH: 1 bar without volume, kept." in history.notes
    assert len(history.series[ETH]) == 30_647


@pytest.mark.parametrize(
    ("name", "every", "pairs"),
    [
        ("spot-15m-12col", timedelta(minutes=15), 7),
        ("spot-2h-12col-2020-03-crash", timedelta(hours=2), 6),
        ("usdm-5m-8pairs", timedelta(minutes=5), 8),
        ("usdm-1m-8pairs-2025-05", timedelta(minutes=1), 8),
    ],
)
def test_every_real_set_loads(shared: Path, name: str, every: timedelta, pairs: int) -> None:
    history = load(shared / "data/candles" / name)
    assert history.every == every
    assert len(history.series) == pairs
    assert not any("wick" in note for note in history.notes)
    for series in history.series.values():
        rules = listing(series)
        assert series.candle(len(series) - 1).close % rules.tick == 0


def test_absurd_wicks_of_a_test_network_are_told(shared: Path) -> None:
    history = load(shared / "data/formats/dirty_testnet")
    assert any(note.startswith("BTC: 140 suspicious wicks") and "low 29950" in note for note in history.notes)
    assert all(series.taker_buy is not None for series in history.series.values())


def test_the_exchange_s_own_archives(shared: Path, tmp_path: Path) -> None:
    archives = shared / "data/formats/binance_vision_zip"
    assert "a second, different bar" in refused(archives)  # spot and futures of one pair are two markets
    for path in archives.iterdir():
        copy = tmp_path / path.name.split("-")[0] / path.name
        copy.parent.mkdir()
        copy.write_bytes(path.read_bytes())
    for market in ("spot", "futures"):
        series = only(load(tmp_path / market))
        assert (len(series), series.every) == (24, HOUR)
        assert series.taker_buy is not None
