"""Thresholds from past sessions: by hand, without a look at the current one, and of presets."""

import json
from pathlib import Path

import numpy as np
import pytest

from of_nautilus.backtest import load_run_configs
from of_nautilus.calibrate import calibrate
from of_nautilus.cli.frame import main
from of_nautilus.core.sessions import HOUR, MINUTE
from of_nautilus.demo import DemoConfig, generate
from of_nautilus.demo.catalog import DEMO_ID, demo_instrument, write_catalog
from of_nautilus.engine import BarClosed, FlowConfig, FlowEngine
from of_nautilus.errors import UserError
from of_nautilus.instruments import flow_config, preset, presets
from of_nautilus.patterns.thresholds import Rules, Thresholds
from of_nautilus.scan import Market, scan_run
from tests.test_scan import run_file

SESSION = HOUR
FLOW = FlowConfig(session="1h", rules=Rules.SOURCE)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory):
    market = generate(DemoConfig(sessions=1))
    folder = tmp_path_factory.mktemp("demo")
    write_catalog(market, folder)
    return market.trades, Market(folder, demo_instrument())


def last_start(trades) -> int:
    return int(trades.ts[-1]) // SESSION * SESSION


def test_bar_delta_is_a_plain_quantile_of_the_past(demo) -> None:
    trades, market = demo
    current = last_start(trades)
    for sessions in (2, 5):
        deltas = {}
        for ts, size, side in zip(trades.ts, trades.size, trades.side, strict=True):
            if current - sessions * SESSION <= ts < current:
                minute = int(ts) // MINUTE
                deltas[minute] = deltas.get(minute, 0) + int(size) * int(side)
        d75 = np.quantile(np.abs(list(deltas.values())), 0.75)
        found = calibrate(market, FLOW, sessions)
        assert found.d75 == pytest.approx(d75)
        assert found.bars == len(deltas)
        assert len(found.sessions) == sessions
        assert found.current == current
        lots = int(np.ceil(d75 - 1e-9))
        assert found.flow.absorption.min_volume == pytest.approx(lots * 0.001)
        assert found.flow.initiative.min_delta == pytest.approx(lots * 0.001)


def test_parents_are_a_plain_quantile_of_the_past(demo) -> None:
    trades, market = demo
    past = trades.ts < last_start(trades)
    ts, side, size = trades.ts[past], trades.side[past], trades.size[past]
    starts = np.flatnonzero((np.diff(ts, prepend=-1) != 0) | (np.diff(side, prepend=9) != 0))
    parents = np.add.reduceat(size, starts)[:-1][-20_000:]
    found = calibrate(market, FLOW)
    assert found.units.b95 == pytest.approx(np.quantile(parents, 0.95), rel=0.01)
    assert found.flow.absorption.big_trade == pytest.approx(found.units.b95 * 0.001, abs=0.001)
    assert found.flow.thresholds is Thresholds.ABSOLUTE


def test_robust_rules_keep_their_floors(demo) -> None:
    _, market = demo
    plain = calibrate(market, FLOW)
    robust = calibrate(market, FlowConfig(session="1h"))
    units = robust.units
    assert units == plain.units
    flow = robust.flow
    assert flow.absorption.min_volume == pytest.approx(max(plain.d75, units.b95) * 0.001, abs=0.001)
    assert flow.absorption.level_min_volume == pytest.approx(
        max(units.rv95, 2.5 * units.b95) * 0.001, abs=0.001
    )
    assert plain.flow.absorption.level_min_volume == pytest.approx(units.rv95 * 0.001, abs=0.001)


def test_the_current_session_is_not_looked_at(demo) -> None:
    trades, market = demo
    early = Market(market.catalog, market.instrument, end=last_start(trades) + 20 * MINUTE)
    assert calibrate(early, FLOW) == calibrate(market, FLOW)
    before = Market(market.catalog, market.instrument, end=last_start(trades) - 1)
    assert calibrate(before, FLOW) != calibrate(market, FLOW)


def test_one_session_is_too_little(demo) -> None:
    _, market = demo
    with pytest.raises(UserError, match=r"no session .* is finished"):
        calibrate(market, FlowConfig())
    with pytest.raises(ValueError, match="`sessions` must be >= 1, was 0"):
        calibrate(market, FLOW, 0)


def test_command_writes_an_actors_config(demo, tmp_path, capsys) -> None:
    _, market = demo
    words = ["calibrate", "--catalog", str(market.catalog), "--instrument", DEMO_ID]
    words += ["--session", "1h", "--out", str(tmp_path / "actor.json")]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "bar_delta_q75" in said
    written = json.loads((tmp_path / "actor.json").read_text())
    assert written["instrument_id"] == DEMO_ID
    flow = calibrate(market, FlowConfig(session="1h")).flow
    assert written["flow"]["absorption"]["min_volume"] == flow.absorption.min_volume


def test_command_fits_a_run_config_that_then_runs(demo, tmp_path) -> None:
    _, market = demo
    path = run_file(market.catalog, tmp_path, [{"session": "1h"}])
    out = tmp_path / "fitted.json"
    assert main(["calibrate", str(path), "--out", str(out), "--quiet"]) == 0
    (config,) = load_run_configs(out)
    (scanned,) = scan_run(config)
    assert scanned.flow.thresholds is Thresholds.ABSOLUTE
    assert scanned.signals


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["run.json", "--preset", "NAS100"],
        ["--catalog", "catalog"],
        ["--preset", "NAS1000"],
        ["--catalog", "nowhere", "--instrument", DEMO_ID],
    ],
)
def test_what_cannot_be_calibrated(words, capsys) -> None:
    assert main(["calibrate", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_what_is_wrong_is_named_by_its_option(demo, tmp_path, capsys) -> None:
    _, market = demo
    words = ["--catalog", str(market.catalog), "--instrument", DEMO_ID]
    for more, said in (
        (["--preset", "NAS1000"], "--preset must be one of NAS100, "),
        ([*words, "--session", "NOON"], "--session must be one of NY_CASH, "),
        ([*words, "--bar-seconds", "0"], "--bar-seconds must be > 0"),
        (["--preset", "NAS100", "--out", str(tmp_path)], f"--out {tmp_path}: is a folder"),
    ):
        assert main(["calibrate", *more]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("symbol", list(presets()))
def test_a_preset_is_a_flow_config(symbol) -> None:
    flow, numbers = flow_config(symbol), preset(symbol)
    assert flow.thresholds is Thresholds.ABSOLUTE
    assert (flow.session, flow.ticks_per_row) == (numbers.session, numbers.ticks_per_row)
    assert flow.absorption.min_volume == numbers.absorption_min_vol
    assert flow.absorption.max_displacement_ticks == numbers.absorption_max_disp_ticks
    assert flow.initiative.min_delta == numbers.initiative_min_delta
    assert flow.initiative.acceleration == numbers.initiative_vol_accel
    assert flow.sweep.max_time_s == numbers.sweep_max_ms / 1000
    assert flow.exhaustion.min_decline == numbers.exhaustion_vol_decline
    assert flow.divergence.max_ratio == numbers.divergence_fail


def test_a_preset_is_printed_as_it_is(capsys) -> None:
    assert main(["calibrate", "--preset", "BTCUSDT"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["absorption"]["min_volume"] == 20.0
    assert flow_config("BTCUSDT", rules="source", bar_size=300.0).bar_size == 300.0
    with pytest.raises(ValueError, match="`bars` must be a field"):
        flow_config("BTCUSDT", bars=1)


def test_volume_at_a_row_has_a_threshold_of_its_own(demo) -> None:
    trades, market = demo

    def by_method(**sizes: float) -> list[int]:
        flow = flow_config("BTCUSDT", rules=Rules.SOURCE, session="1h")
        absorption = {**{n: getattr(flow.absorption, n) for n in flow.absorption.__struct_fields__}}
        absorption |= {"big_trade": 0.3, "min_volume": 2.0, **sizes}
        config = FlowConfig(
            session="1h",
            rules=Rules.SOURCE,
            thresholds=Thresholds.ABSOLUTE,
            absorption=type(flow.absorption)(**absorption),
        )
        engine = FlowEngine(market.scale, config)
        columns = trades.ts, trades.price, trades.size, trades.side.astype(np.int8)
        counts = [0, 0]
        for event in engine.run_trades(*columns):
            signals = event.signals if isinstance(event, BarClosed) else (event,)
            for signal in signals:
                method = getattr(signal, "reasons", {}).get("method")
                if method:
                    counts[int(method) - 1] += 1
        return counts

    same = by_method(level_min_volume=2.0)
    assert by_method() == same
    more = by_method(level_min_volume=0.8)
    assert more[1] > same[1]
    with pytest.raises(ValueError, match="`level_min_volume` must be > 0, was 0"):
        by_method(level_min_volume=0.0)


def test_the_catalog_is_left_as_it_was(demo) -> None:
    _, market = demo
    files = {p: p.stat().st_mtime_ns for p in Path(market.catalog).rglob("*.parquet")}
    calibrate(market, FLOW)
    assert files == {p: p.stat().st_mtime_ns for p in Path(market.catalog).rglob("*.parquet")}
