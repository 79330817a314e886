"""Reports: what charts, pages, pictures and files hold is what the catalog holds."""

import io
import json
import re
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from nautilus_trader.analysis import (
    TearsheetConfig,
    TearsheetCustomChart,
    TearsheetEquityChart,
    tearsheet,
)
from nautilus_trader.model.objects import Quantity
from PIL import Image

from of_nautilus.backtest import load_run_configs
from of_nautilus.cli.demo import SHIPPED
from of_nautilus.cli.frame import main
from of_nautilus.cli.report import report_runs
from of_nautilus.core.imbalance import ImbalanceRule, imbalance_flags, imbalance_stacks
from of_nautilus.core.value_area import key_prices, low_volume_nodes, profile_shape
from of_nautilus.data import (
    ClosedTrade,
    ExecutionTrouble,
    FeedStatus,
    FootprintBar,
    JournalNote,
    OperatorCommand,
    PatternSignal,
    SessionRoll,
)
from of_nautilus.decision.levels import LevelConfig
from of_nautilus.engine import FlowConfig, FlowEngine, SessionStarted
from of_nautilus.engine.events import BarClosed
from of_nautilus.errors import UserError
from of_nautilus.journal import Parts, read_journal
from of_nautilus.midprice import read_path
from of_nautilus.outcomes import report_card
from of_nautilus.patterns.signal import Signal
from of_nautilus.report import (
    Bars,
    book_heatmap,
    export,
    footprint_chart,
    footprint_png,
    profile_chart,
    read_bars,
    read_cells,
    read_profile,
    register_charts,
    style,
    write_report,
)
from of_nautilus.report.bars import BUY_FLAG, BUY_STACK, SELL_FLAG, SELL_STACK
from of_nautilus.report.card import journal_signals
from of_nautilus.report.exports import profile_table
from of_nautilus.report.measures import read_book, read_vpin
from of_nautilus.report.notes import read_notes
from of_nautilus.report.pack import levels_of, pack
from of_nautilus.report.page import _Report
from of_nautilus.report.results import pnl_chart
from of_nautilus.report.stops import stop_paths
from of_nautilus.report.tearsheet import account_returns, host_charts, starting_balance
from of_nautilus.scan import Market, scan
from tests.colors import BLIND, distance
from tests.report_catalog import (
    INSTRUMENT,
    MINUTE,
    NAME,
    SCALE,
    START,
    books,
    trade,
    walk,
    write_flow,
    write_journal,
    write_market,
)

TRADES = walk(6_000, 60)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hour with a journal, two trades and a book."""
    folder = write_market(tmp_path_factory.mktemp("run") / "catalog", TRADES, books(60))
    closed = [
        trade(1, START + 5 * MINUTE, START + 9 * MINUTE, 600_000, 600_080),
        trade(2, START + 20 * MINUTE, START + 22 * MINUTE, 600_010, 599_970),
    ]
    write_journal(folder, TRADES, closed)
    return folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same trades without a journal."""
    return write_market(tmp_path_factory.mktemp("bare") / "catalog", TRADES)


def recount(height: int) -> dict[int, dict[int, list[int]]]:
    """Sold and bought lots by minute and row, straight from the trades."""
    cells: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    rows = zip(TRADES.ts_event, TRADES.price, TRADES.size, TRADES.side, strict=True)
    for ts, price, size, side in rows:
        cells[int(ts) // MINUTE * MINUTE][int(price) // height][int(side > 0)] += int(size)
    return cells


def found(bars: Bars) -> dict[int, dict[int, list[int]]]:
    cells: dict[int, dict[int, list[int]]] = defaultdict(dict)
    starts, rows = bars.starts, bars.row_index
    for i in range(len(bars)):
        for k in range(starts[i], starts[i + 1]):
            if bars.cells[k].any():
                cells[int(bars.open_ts[i])][int(rows[k])] = bars.cells[k, :2].tolist()
    return cells


@pytest.mark.parametrize("factor", [1, 2, 5, 20])
def test_cells_on_higher_rows_equal_a_recount_of_the_trades(bare: Path, factor: int) -> None:
    assert found(read_bars(bare).coarser(factor)) == recount(factor)


def test_bars_of_the_journal_and_of_the_trades_are_the_same(catalog: Path, bare: Path) -> None:
    journal, made = read_bars(catalog), read_bars(bare)
    # The journal ends with the last bar that the run saw closing.
    assert len(made) - len(journal) == 1
    assert found(journal) == found(made.part(0, len(journal)))
    assert journal.cvd.tolist() == made.cvd[: len(journal)].tolist()


def test_a_range_holds_the_bars_that_overlap_it(catalog: Path) -> None:
    part = read_bars(catalog, NAME, START + 10 * MINUTE, START + 13 * MINUTE)
    assert ((part.open_ts - START) // MINUTE).tolist() == [10, 11, 12]
    assert found(part) == {
        ts: rows for ts, rows in recount(1).items() if START + 10 * MINUTE <= ts < part.close_ts[-1]
    }


def test_readings_equal_the_rules_bar_by_bar(catalog: Path) -> None:
    bars = read_bars(catalog).coarser(2)
    rule = ImbalanceRule(min_volume=200)
    reading = read_cells(bars, rule)
    seen: Counter[str] = Counter()
    for i in range(len(bars)):
        own = slice(bars.starts[i], bars.starts[i + 1])
        cells, flags = np.ascontiguousarray(bars.cells[own]), reading.flags[own]
        assert (flags & (BUY_FLAG | SELL_FLAG)).tolist() == imbalance_flags(rule, cells).tolist()
        marked = {(k, 1) for k in np.flatnonzero(flags & BUY_STACK)}
        marked |= {(k, -1) for k in np.flatnonzero(flags & SELL_STACK)}
        stacks = imbalance_stacks(rule, cells)
        assert marked == {(k, side) for a, b, side in stacks for k in range(a, b + 1)}
        volume = cells[:, :3].sum(axis=1)
        assert volume[reading.poc[i]] == volume.max()
        assert reading.unfinished_high[i] == bool(cells[-1, 0] and cells[-1, 1])
        seen["stacks"] += len(stacks)
    assert seen["stacks"] > 0


def test_the_figures_cells_are_the_catalogs(catalog: Path) -> None:
    figure = footprint_chart(
        catalog, start="2024-01-08 00:05", end="2024-01-08 00:15", ticks_per_row=5
    )
    heat = next(trace for trace in figure.data if trace.type == "heatmap")
    expected = recount(5)
    shown = {}
    for j, _ in enumerate(heat.x):
        ts = START + (5 + j) * MINUTE
        shown[ts] = {
            round((price / 0.1 - 2) / 5): list(map(int, heat.customdata[i][j]))
            for i, price in enumerate(heat.y)
            if np.nansum(heat.customdata[i][j]) > 0
        }
    assert shown == {ts: expected[ts] for ts in shown}
    assert len(shown) == 10
    price = [t for t in figure.data if t.name and t.name.startswith("trade ")]
    assert [t.name for t in price] == ["trade 1"]
    assert price[0].y == (60_000.0, 60_008.0)
    assert {"absorption"} <= {trace.name for trace in figure.data}


def test_zoom_switches_between_candles_and_cells(catalog: Path) -> None:
    bars = read_bars(catalog)
    wide = footprint_chart(bars, mode="candles")
    assert [t.type for t in wide.data].count("candlestick") == 1
    assert wide.data[0].close[-1] == pytest.approx(bars.close[-1] * bars.tick)
    assert "heatmap" in [t.type for t in footprint_chart(bars).data]
    for count, template in ((18, "%{text}"), (19, "")):
        figure = footprint_chart(bars.part(0, count))
        (heat,) = (t for t in figure.data if t.type == "heatmap")
        assert heat.texttemplate == template
        low, high = figure.layout.yaxis.range
        assert low < bars.low[:count].min() * bars.tick < bars.high[:count].max() * bars.tick < high
    with pytest.raises(ValueError, match="`mode` must be auto, cells or candles, was 'x'"):
        footprint_chart(bars, mode="x")
    with pytest.raises(ValueError, match="`ticks_per_row` must be a multiple of 1, was 0"):
        footprint_chart(bars, ticks_per_row=0)


def test_the_profile_sums_up_the_cells(catalog: Path) -> None:
    bars = read_bars(catalog).coarser(4)
    profile = read_profile(bars)
    assert profile.bought.sum() == bars.buy.sum()
    assert profile.sold.sum() == bars.sell.sum()
    volume = profile.bought + profile.sold
    at = int(np.argmax(volume))
    assert profile.poc == pytest.approx(profile.price[at])
    inside = (profile.price >= profile.val) & (profile.price <= profile.vah)
    assert volume[inside].sum() >= 0.7 * volume.sum()
    bars_drawn = [t for t in profile_chart(bars).data if t.type == "bar"]
    assert sum(float(np.sum(t.x)) for t in bars_drawn) == pytest.approx(volume.sum() * bars.lot)


def test_what_no_aggressor_is_known_of_is_part_of_the_profile() -> None:
    """Such as the cross that ends a session, which the node's own profile holds."""
    side, size = TRADES.side.copy(), TRADES.size.copy()
    side[3_000], size[3_000] = 0, size.sum() // 2
    engine = FlowEngine(SCALE, FlowConfig.bars_only(profile=True))
    events = engine.run_trades(TRADES.ts_event, TRADES.price, size, side)
    events += engine.advance(START + 60 * MINUTE)
    bars = Bars.of([event.bar for event in events if isinstance(event, BarClosed)], NAME, 0.1, 1.0)
    own = engine.session_profile()
    assert own is not None
    read = read_profile(bars)
    np.testing.assert_array_equal(read.volume, own.hist)
    keys = key_prices(own.hist, own.low_row, 1)
    assert [round(price * 10) for price in (read.poc, read.val, read.vah)] == list(keys)
    assert keys[0] == TRADES.price[3_000]
    table = profile_table(bars)
    assert table[["bought", "sold", "unclassified"]].sum(axis=1).tolist() == own.hist.tolist()
    drawn = [trace for trace in profile_chart(bars).data if trace.type == "bar"]
    assert sum(float(np.sum(trace.x)) for trace in drawn) == pytest.approx(size.sum())


def test_a_sessions_profile_is_read_on_the_rows_of_its_frame(tmp_path: Path) -> None:
    """However it is drawn: the table of the frames stands on the same page."""
    trades = walk(15_000, 150)
    rolls = write_flow(write_market(tmp_path, trades), trades)
    marks = _Report(tmp_path, NAME, "", ())._session_marks()
    finished = [roll for roll in rolls if roll.finished_end]
    assert len(marks) == len(finished) + 1
    for mark, roll in zip(marks, finished, strict=False):
        rows, height = roll.rows(), roll.ticks_per_row
        assert mark["height"] != pytest.approx(height * 0.1)
        keys = key_prices(rows, roll.low_row, height)
        assert [round(mark[name] * 10) for name in ("poc", "val", "vah")] == list(keys)
        assert mark["shape"] == str(profile_shape(rows).shape)
        nodes = low_volume_nodes(rows, LevelConfig().lvn_bins)
        assert nodes, "a walk without thin rows proves nothing"
        middles = [(roll.low_row + row) * height + (height - 1) // 2 for row in nodes]
        assert [round(price * 10) for price in mark["low_nodes"]] == middles


def test_the_book_picture_equals_a_plain_replay(catalog: Path) -> None:
    bars = read_bars(catalog)
    picture = read_book(catalog, bars)
    assert picture is not None
    deltas = books(60)
    book: dict[tuple[int, int], int] = {}
    k = 0
    for column, moment in enumerate(picture.ts.tolist()):
        while k < len(deltas) and deltas.ts_event[k] <= moment:
            key = (int(deltas.side[k]), int(deltas.price[k]))
            if key[0]:
                book[key] = int(deltas.size[k])
            k += 1
        rows: Counter[int] = Counter()
        for (_, price), size in book.items():
            rows[price // picture.height - picture.low_row] += size
        drawn = {r: int(v) for r, v in enumerate(picture.lots[:, column]) if v}
        assert drawn == {r: v for r, v in rows.items() if 0 <= r < len(picture.lots)}
    # Only the best levels' changes count, and each changes its own side's queue.
    best: dict[int, int] = {1: 100, -1: 100}
    flow: Counter[int] = Counter()
    for i in range(41, len(deltas)):
        side, price = int(deltas.side[i]), int(deltas.price[i])
        if price in (599_999, 600_001):
            minute = (int(deltas.ts_event[i]) - START) // MINUTE
            flow[minute] += side * (int(deltas.size[i]) - best[side])
            best[side] = int(deltas.size[i])
    assert [flow[i] for i in range(len(bars))] == picture.ofi.tolist()
    heat = next(t for t in book_heatmap(catalog).data if t.type == "heatmap")
    assert np.nansum(np.asarray(heat.z)) == pytest.approx(picture.lots.sum() * 0.001)


def test_vpin_is_the_mean_imbalance_of_the_last_buckets(bare: Path) -> None:
    bars = read_bars(bare)
    vpin = read_vpin(bare, bars, buckets=10)
    assert vpin is not None
    parts: list[int] = []
    delta = filled = 0
    for size, side in zip(TRADES.size.tolist(), TRADES.side.tolist(), strict=True):
        while size:
            part = min(size, vpin.bucket - filled)
            delta, filled, size = delta + side * part, filled + part, size - part
            if filled == vpin.bucket:
                parts.append(abs(delta))
                delta = filled = 0
    assert vpin.value[-1] == pytest.approx(sum(parts[-10:]) / (10 * vpin.bucket))
    assert np.isnan(vpin.value[0])


def test_exports_hold_every_cell_and_trade(catalog: Path, tmp_path: Path) -> None:
    for form, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        paths = export(catalog, tmp_path / form, form=form)
        assert [p.stem for p in paths] == ["footprint", "profile", "signals", "trades"]
        cells = read(paths[0])
        bars = read_bars(catalog)
        assert cells.ask.sum() == bars.buy.sum()
        assert cells.bid.sum() == bars.sell.sum()
        first = cells[(cells.open_ts == START) & (cells.bid + cells.ask > 0)]
        assert {r.row_ticks: [r.bid, r.ask] for r in first.itertuples()} == recount(1)[START]
        profile = read(paths[1])
        assert profile.bought.sum() == bars.buy.sum()
        assert profile.unclassified.sum() == bars.unclassified.sum()
        assert len(read(paths[2])) == 5
        assert read(paths[3]).entry.tolist() == [600_000.0, 600_010.0]
    with pytest.raises(ValueError, match="`form` must be csv or parquet, was 'xls'"):
        export(catalog, tmp_path, form="xls")


def test_a_picture_for_alerts_is_made_without_a_browser(catalog: Path) -> None:
    bars = read_bars(catalog)
    plain = footprint_png(bars, last=8, width=640, height=400)
    image = Image.open(io.BytesIO(plain))
    assert (image.format, image.size) == ("PNG", (640, 400))
    assert plain == footprint_png(bars, last=8, width=640, height=400)
    marked = footprint_png(bars, last=8, width=640, height=400, mark=(59_990.0, "sweep"))
    assert marked != plain
    items = read_journal(catalog, FootprintBar)
    given = [
        FootprintBar(**{k: v for k, v in row.items() if k not in ("type", "instrument_id")})
        for row in items.tail(3).to_dict("records")
    ]
    assert footprint_png(given, last=3, title="x") == footprint_png(bars, last=3, title="x")
    with pytest.raises(ValueError, match="`last` must be >= 1, was 0"):
        footprint_png(bars, last=0)
    with pytest.raises(ValueError, match="`bars` must hold at least one bar, was empty"):
        footprint_png([])


def content(path: Path) -> tuple[str, dict]:
    text = path.read_text()
    found = re.search(r'<script id="report-data"[^>]*>(.*?)</script>', text, re.S)
    assert found
    return text, json.loads(found[1])


def test_the_page_holds_all_trades_and_asks_for_nothing(catalog: Path, tmp_path: Path) -> None:
    path = write_report(catalog, tmp_path)
    assert path == tmp_path / "report.html"
    text, data = content(path)
    trades = read_journal(catalog, ClosedTrade)
    assert [t["number"] for t in data["trades"]] == [1, 2]
    assert [t["entry"] for t in data["trades"]] == trades.entry.tolist()
    assert len(data["signals"]) == 5
    assert "+3.00 USDT" in text  # 8.0 - 4.0, less two fees of 0.5
    assert "1 of 2 (50%)" in text
    head = text[: text.index("<script")]
    assert not re.search(r'(src|href)="(?!#|data:)', head)
    assert "default-src 'none'" in head
    assert "&lt;b&gt;" in text
    assert "<b>: 1" not in text


def test_a_run_without_trades_one_bar_or_nothing_gives_a_page_that_says_so(
    tmp_path: Path, bare: Path
) -> None:
    text, data = content(write_report(bare, tmp_path / "bare.html"))
    assert "The system closed no trade." in text
    assert "No pattern was seen." in text
    assert "OFI is not shown" in text
    assert data["trades"] == []
    one = write_market(tmp_path / "one", walk(20, 1))
    text, data = content(write_report(one, tmp_path / "one.html"))
    assert "UTC · 1 bar<" in text
    silent = tmp_path / "silent"
    write_market(silent, walk(1, 1))
    write_journal(silent, walk(6_000, 60), [])
    for file in (silent / "data" / "custom_footprint_bar").rglob("*.parquet"):
        file.unlink()
    for file in (silent / "data" / "trade_tick").rglob("*.parquet"):
        file.unlink()
    text, data = content(write_report(silent, tmp_path / "silent.html", NAME))
    assert "There are no bars to draw" in text
    assert data["bars"] is None


def test_a_day_without_data_is_named(tmp_path: Path) -> None:
    day = 24 * 60 * MINUTE
    for k in (0, 2):
        part = walk(200, 10)
        late = replace(part, ts_event=part.ts_event + k * day, ts_init=part.ts_init + k * day)
        write_market(tmp_path / "catalog", late)
    text, data = content(write_report(tmp_path / "catalog", tmp_path))
    assert "Nothing traded on 2024-01-09." in text
    assert len(data["sessions"]) == 2


def test_the_stops_path_is_what_the_journal_tells(catalog: Path, tmp_path: Path) -> None:
    trades, bars = read_journal(catalog, ClosedTrade), read_bars(catalog)
    _, data = content(write_report(catalog, tmp_path))
    for row, mark in zip(trades.itertuples(), data["trades"], strict=True):
        half, most = (row.opened + (row.closed - row.opened) * k // 4 for k in (2, 3))
        moves = [(row.opened, row.first_stop), (half, row.first_stop + 15), (most, row.last_stop)]
        assert [price for _, price in mark["stops"]] == [price for _, price in moves]
        places = bars.place([ts for ts, _ in moves])
        assert [x for x, _ in mark["stops"]] == pytest.approx(places.tolist(), abs=1e-3)
    (first,) = trades.head(1).itertuples()
    figure = footprint_chart(catalog, start=first.opened - MINUTE, end=first.closed + MINUTE)
    (drawn,) = (trace for trace in figure.data if trace.name == "stop")
    assert drawn.line.shape == "hv"
    ticks = np.round(np.array(drawn.y) / 0.1).astype(int)
    assert ticks.tolist() == [599_960, 599_975, 599_990, 599_990]
    # Without the notes of its moves, a stop is known at the first and at the last.
    ends = stop_paths(trades, read_journal(tmp_path, JournalNote))
    assert ends[0] == [(first.opened, first.first_stop), (first.closed, first.last_stop)]


def test_what_is_noted_stands_in_the_page_and_moves_of_stops_do_not(tmp_path: Path) -> None:
    folder = write_market(tmp_path / "catalog", TRADES)
    about = {"ts_init": START, "instrument_id": INSTRUMENT.id}
    parts = Parts(folder)
    parts.add(
        JournalNote(ts_event=START + 1, what="halted", reason="max_loss", alarm=True, **about)
    )
    parts.add(JournalNote(ts_event=START + 2, what="stop_rests", numbers='{"price": 1}', **about))
    parts.add(ExecutionTrouble(ts_event=START + 3, kind="stop_lost", text="margin", **about))
    parts.add(
        ExecutionTrouble(ts_event=START + 4, kind="flat", text="stop_lost", protected=True, **about)
    )
    parts.add(FeedStatus(ts_event=START + 5, state="SUSPENDED", reason="gap", **about))
    parts.add(OperatorCommand(ts_event=START + 6, action="FLATTEN", **about))
    parts.write(START + 10)
    notes = read_notes(folder, NAME)
    assert list(zip(notes.alarm, notes.text, strict=True)) == [
        (True, "halted max_loss"),
        (True, "stop_lost margin, without a stop"),
        (False, "flat stop_lost"),
        (True, "feed suspended gap"),
        (False, "operator: flatten"),
    ]
    text, _ = content(write_report(folder, tmp_path))
    assert '<span class="bad">! alarm</span> stop lost margin, without a stop' in text
    assert "stop rests" not in text


def test_a_catalog_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no catalog there"):
        write_report(tmp_path / "none", tmp_path)


def test_the_finest_rows_are_left_out_where_cells_are_too_many(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = read_bars(bare)
    assert levels_of(bars)[:3] == [1, 2, 5]
    monkeypatch.setattr("of_nautilus.report.pack.MOST_CELLS", len(bars.cells))
    assert levels_of(bars)[0] == 2
    with pytest.raises(ValueError, match="must be within 2\\*\\*53"):
        pack({"a": np.array([2**60])})


def test_the_command_writes_page_and_files(
    catalog: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, files = tmp_path / "r.html", tmp_path / "files"
    words = ["report", "--catalog", str(catalog), "--out", str(page), "--export", str(files)]
    assert main([*words, "--format", "parquet"]) == 0
    assert page.stat().st_size < 15e6
    assert len(list(files.iterdir())) == 4
    assert str(page) in capsys.readouterr().out
    assert main(["report", "--catalog", str(catalog), "--balance", "much"]) == 2
    assert "--balance: 'much' is no amount" in capsys.readouterr().err
    assert main(["report", "--catalog", str(catalog), "--balance", "5 XYZW"]) == 2
    assert "--balance: no currency 'XYZW' is known" in capsys.readouterr().err
    there = str(files / "trades.parquet")
    for option in ("--export", "--out"):
        assert main(["report", "--catalog", str(catalog), option, there]) == 2
        assert f"error: {option} {there}: " in capsys.readouterr().err


def test_the_report_card_judges_the_signals_that_a_scan_finds(tmp_path: Path) -> None:
    market = walk(30_000, 300)
    folder = write_market(tmp_path / "card", market)
    flow = FlowConfig(session="6h")
    events = FlowEngine(SCALE, flow).run_trades(
        market.ts_event, market.price, market.size, market.side
    )
    parts = Parts(folder)
    for event in events:
        if isinstance(event, BarClosed):
            for signal in event.signals:
                parts.add(PatternSignal.of(signal, INSTRUMENT.id, SCALE, signal.ts, at_close=True))
            parts.add(FootprintBar.of(event, INSTRUMENT.id, SCALE, event.bar.close_ts))
        elif isinstance(event, Signal):
            parts.add(PatternSignal.of(event, INSTRUMENT.id, SCALE, event.ts, at_close=False))
        elif isinstance(event, SessionStarted):
            parts.add(SessionRoll.of(event, None, INSTRUMENT.id, SCALE, event.ts))
    parts.write(10**19 // 2)
    scanned = scan(Market(folder, INSTRUMENT), flow)
    journal = journal_signals(folder, NAME, read_journal(folder, PatternSignal, NAME))
    order = sorted(scanned.found, key=lambda f: (f.signal.ts, str(f.signal.pattern)))
    mine = sorted(journal, key=lambda f: (f.signal.ts, str(f.signal.pattern)))
    assert [f.signal.ts for f in mine] == [f.signal.ts for f in order]
    assert [repr(f.r1) for f in mine] == [repr(f.r1) for f in order]
    assert len(mine) > 5
    text, _ = content(write_report(folder, tmp_path))
    path = read_path(Market(folder, INSTRUMENT), scanned.sessions)
    for cell in report_card(scanned.found, path, fee_rate=2 * float(INSTRUMENT.taker_fee)):
        name = cell.pattern.replace("_", " ")
        row = (
            rf"<td class=text>{name}</td><td class=text>{cell.verdict}</td><td>{cell.minutes}</td>"
        )
        assert re.search(rf"{row}<td>{cell.signals}</td><td>{cell.clusters}</td>", text)


def test_a_run_config_leads_to_the_pages_of_what_its_journal_kept(
    catalog: Path, tmp_path: Path
) -> None:
    runs = json.loads(SHIPPED.read_text())
    for actor in runs[0]["engine"]["actors"]:
        if "catalog" in actor["config"]:
            actor["config"]["catalog"] = str(catalog)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(runs))
    (config,) = load_run_configs(path)
    assert report_runs([config], tmp_path) == [str(tmp_path / "report.html")]
    text, data = content(tmp_path / "report.html")
    assert "trade-2" in text
    assert "which began with 100,000.00 USDT and came to +0.0030%" in text
    assert {"host-drawdown", "host-distribution"} <= set(data["figures"])
    runs[0]["engine"]["actors"] = []
    path.write_text(json.dumps(runs))
    with pytest.raises(UserError, match="no journal among the actors"):
        report_runs(load_run_configs(path), tmp_path)


def test_slippage_is_money_of_the_contract(bare: Path) -> None:
    """A contract of 50 that was bought four quarters of a point worse than planned."""
    worse = replace(trade(1, START, START + MINUTE, 100, 90), tick=0.25, lot=1.0, slippage=4)
    report = _Report(bare, NAME, "", ())
    report.trades = pd.DataFrame([worse.to_dict()])
    report.instrument = SimpleNamespace(multiplier=Quantity.from_int(50))
    assert "<dt>Slippage</dt><dd>50 USDT" in report._headline()


def test_returns_compound_to_the_account(catalog: Path) -> None:
    trades = read_journal(catalog, ClosedTrade)
    returns = account_returns(trades, 1_000.0)
    assert returns.tolist() == pytest.approx([7.5 / 1_000, -4.5 / 1_007.5])
    assert float((1 + returns).prod()) == pytest.approx(1.003)
    charts = host_charts(returns)
    assert list(charts) == ["drawdown", "distribution"]
    assert np.min(charts["drawdown"].data[0].y) == pytest.approx(-100 * 4.5 / 1_007.5)
    years = pd.Series(0.01, index=pd.date_range("2023-11-01", "2024-03-01", freq="D"))
    assert list(host_charts(years)) == [
        "drawdown", "distribution", "monthly_returns", "yearly_returns", "rolling_sharpe",
    ]  # fmt: skip
    assert starting_balance(["1 BTC", "5_000 USDT"], "USDT") == 5_000.0
    assert starting_balance(["1 BTC"], "USDT") is None


def test_charts_stand_in_the_hosts_tearsheet(catalog: Path) -> None:
    names = register_charts()
    assert set(names) <= set(tearsheet.list_charts())
    args = {"catalog": str(catalog), "instrument_id": NAME, "start": START, "end": START + MINUTE}
    made = tearsheet.get_chart("order_flow_footprint")(pd.Series(dtype=float), **args)
    assert made.data[0].type == footprint_chart(catalog, NAME, START, START + MINUTE).data[0].type
    config = TearsheetConfig(
        charts=[
            TearsheetEquityChart(),
            *(TearsheetCustomChart(chart=name, args=args) for name in names),
        ]
    )
    page = tearsheet.create_tearsheet_from_stats(
        stats_pnls={}, stats_returns={}, stats_general={}, config=config, output_path=None,
        returns=pd.Series([0.0, 0.1], index=pd.date_range("2024-01-08", periods=2)),
    )  # fmt: skip
    for word in ("Equity Curve", "Footprint", "Volume profile", "Order book", "heatmap"):
        assert word in page


def test_the_distribution_counts_every_trade_won_apart_from_lost() -> None:
    money = ["0.02", "-0.48", "0.45", "-0.42", "1.49", "-0.01", "0"]
    figure = pnl_chart(pd.DataFrame({"money": money}), "USDT")
    middle, counts = np.asarray(figure.data[0].x), np.asarray(figure.data[0].y)
    assert counts[middle < 0].sum() == 3
    assert counts[middle > 0].sum() == 4
    assert len(pnl_chart(pd.DataFrame({"money": ["1.5"]}), "USDT").data[0].y) >= 1


@pytest.mark.parametrize("blindness", [None, *BLIND])
def test_the_color_blind_tell_colors_apart(blindness: str | None) -> None:
    assert distance(style.BUY, style.SELL, blindness) > 40
    for theme in (style.LIGHT, style.DARK):
        assert distance(theme.buy_cell, theme.sell_cell, blindness) > 40
    patterns = style.PATTERN_COLORS
    for one, other in combinations(patterns, 2):
        assert distance(patterns[one], patterns[other], blindness) > 15
        assert style.PATTERN_SHAPES[one] != style.PATTERN_SHAPES[other]
