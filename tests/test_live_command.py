"""`of-nautilus live`: what it looks at, what it refuses, and a run from Ctrl-C to its summary."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from of_nautilus.cli.frame import main
from of_nautilus.errors import UserError
from of_nautilus.ingest.columns import read_trades
from of_nautilus.live.preflight import Check, Verdict, preflight, refusals
from of_nautilus.live.settings import load_live_config
from tests.venues.binance import BinanceDouble
from tests.venues.bybit import BybitDouble
from tests.venues.double import VenueDouble
from tests.venues.redis import PASSWORD, RedisServer
from tests.venues.replay import QUICK, ROOT
from tests.venues.session import Recorded, Session

DOUBLES = {"binance": BinanceDouble, "bybit": BybitDouble}
KEYS = {
    f"{venue}_API_{what}": f"not-to-be-seen-{venue}-{what}"
    for venue in ("BINANCE", "BYBIT")
    for what in ("KEY", "SECRET")
}
TOKEN = "1234567890:not-to-be-seen-token-of-a-bot"
MS = 1_700_000_000_000


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("BINANCE", "BYBIT", "TELEGRAM")):
            monkeypatch.delenv(name)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def market(trades: int = 300) -> Session:
    """A quiet market: a book of four levels, then a trade every 20 ms."""
    book = {
        "lastUpdateId": 10,
        "E": MS,
        "T": MS,
        "bids": [["60000.00", "5.000"], ["59999.90", "5.000"]],
        "asks": [["60000.10", "5.000"], ["60000.20", "5.000"]],
    }
    prices = ("60000.10", "60000.00")
    prints = [
        {"t": i + 1, "p": prices[i % 2], "q": f"0.01{i % 2}", "T": MS + 20 * i, "E": MS + 20 * i}
        | {"s": "BTCUSDT", "m": bool(i % 2)}
        for i in range(trades)
    ]
    rest = [Recorded("trade", trade["T"], trade) for trade in prints]
    return Session("BTCUSDT", [Recorded("snapshot", MS, book), *rest])


@pytest.fixture(params=DOUBLES)
def venue(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def at(venue: str) -> Iterator[VenueDouble]:
    # The venues' recent trades are asked for by time.
    double = DOUBLES[venue](market().moved(int(time.time() * 1000) - MS), speed=1)
    double.begin_at(100)
    with double:
        yield double


def written(
    at: VenueDouble, file: str, folder: Path, change: Callable[[dict[str, Any]], None] | None = None
) -> Path:
    """A config of `configs/` for a double: without keys, with its files in a folder."""
    config = json.loads((ROOT / "configs" / file).read_text())
    for clients in ("data_clients", "exec_clients"):
        for client in config[clients].values():
            if "sandbox" not in client["path"]:
                at.point_here(clients, client)
                client["config"].pop("api_key", None)
                client["config"].pop("api_secret", None)
    for actor in config["actors"]:
        for name in ("catalog", "path"):
            if name in actor["config"]:
                actor["config"][name] = str(folder / actor["config"][name])
    config |= QUICK
    if change is not None:
        change(config)
    path = folder / file
    path.write_text(json.dumps(config))
    return path


def look(at: VenueDouble, venue: str, folder: Path, **options: Any) -> list[Check]:
    return list(preflight(load_live_config(written(at, f"live_{venue}.json", folder, **options))))


def found(checks: list[Check], name: str) -> Check:
    (check,) = [one for one in checks if one.name == name]
    return check


def test_all_is_well(at, venue, tmp_path) -> None:
    checks = look(at, venue, tmp_path)
    assert refusals(checks) == ""
    assert at.unhandled == []
    assert {one.name for one in checks} >= {
        *("venue", "clock", "instrument", "key", "account mode", "margin", "position", "size"),
        *("warm-up", "alerts", "state", "recording"),
    }
    assert "REAL MONEY" in found(checks, "venue").text
    assert "tick 0.10, lot 0.001" in found(checks, "instrument").text
    # 0.5% of 10,000 at a stop of 0.3% of 60,000
    assert found(checks, "size").text.endswith("is 0.277, 16620.03 in money")
    assert found(checks, "position").text == "flat, no open orders"
    assert not any(secret in str(checks) for secret in KEYS.values())


def test_a_database_is_asked_whether_it_answers(at, venue, tmp_path, monkeypatch) -> None:
    with RedisServer() as server:

        def database(config: dict[str, Any]) -> None:
            config["cache"] = {"database": server.database}

        refused = found(look(at, venue, tmp_path, change=database), "database")
        assert (refused.verdict, "NOAUTH" in refused.text) == (Verdict.REFUSED, True)
        monkeypatch.setenv("REDIS_PASSWORD", PASSWORD)
        checks = look(at, venue, tmp_path, change=database)
        assert found(checks, "database").verdict is Verdict.OK
        assert PASSWORD not in str(checks)
        config = load_live_config(tmp_path / f"live_{venue}.json")
        assert config.node.cache.database.password == PASSWORD
        assert PASSWORD not in repr(config)
        server.stop()
        gone = found(look(at, venue, tmp_path, change=database), "database")
        assert "cannot be reached" in gone.text


def poor(at: VenueDouble) -> None:
    at.exchange.wallet = Decimal(0)


def tiny(config: dict[str, Any]) -> None:
    risk = {"sizing": "risk", "risk_fraction": 0.00001}
    config["strategies"][0]["config"]["trade"] = {"risk": risk}


def unclaimed(config: dict[str, Any]) -> None:
    config["strategies"][0]["config"]["external_order_claims"] = []


def forecast(config: dict[str, Any]) -> None:
    """Let the model trade."""
    mine = json.loads((ROOT / "configs" / "model_paper_binance.json").read_text())["strategies"]
    old = config["strategies"][0]["config"]
    kept = {name: old[name] for name in ("instrument_id", "external_order_claims")}
    mine[0]["config"] |= kept
    config["strategies"] = mine


def forecast_and_unclaimed(config: dict[str, Any]) -> None:
    unclaimed(config)
    forecast(config)


def unknown(config: dict[str, Any]) -> None:
    for one in [*config["actors"], *config["strategies"]]:
        text = json.dumps(one).replace("BTCUSDT", "NOSUCH")
        one |= json.loads(text)


# What is wrong at the venue, what in the config, the check that refuses, and what it says.
HARM: list[Any] = [
    (lambda at: setattr(at.faults, "clock_skew_ms", 2_000), None, "clock", "set this machine's"),
    (lambda at: setattr(at.faults, "clock_skew_ms", -2_000), None, "clock", "behind"),
    (lambda at: setattr(at.rights, "may_trade", False), None, "key", "may not trade"),
    (lambda at: setattr(at.rights, "may_withdraw", True), None, "key", "may withdraw"),
    (lambda at: setattr(at.rights, "hedge_mode", True), None, "account mode", "one-way"),
    (poor, None, "margin", "nothing can be opened"),
    (None, tiny, "size", "min_qty"),
    (None, unclaimed, "restart", "external_order_claims"),
    (None, unknown, "instrument", "not known"),
    (lambda at: setattr(at.rights, "hedge_mode", True), forecast, "account mode", "one-way"),
    (None, forecast_and_unclaimed, "restart", "external_order_claims"),
]


@pytest.mark.parametrize(("wrong", "change", "name", "says"), HARM)
def test_what_would_hurt_is_refused(at, venue, tmp_path, wrong, change, name, says) -> None:
    if wrong is not None:
        wrong(at)
    checks = look(at, venue, tmp_path, change=change)
    refused = [one for one in checks if one.verdict is Verdict.REFUSED]
    assert says in next(one.text for one in refused if one.name == name)


def test_a_missing_key_is_named_and_a_wrong_one_is_not_shown(
    at, venue, tmp_path, monkeypatch
) -> None:
    monkeypatch.delenv(f"{venue.upper()}_API_SECRET")
    check = found(look(at, venue, tmp_path), "key")
    assert check.verdict is Verdict.REFUSED
    assert f"{venue.upper()}_API_SECRET" in check.text


def test_a_venue_that_is_not_there(at, venue, tmp_path) -> None:
    def elsewhere(config: dict[str, Any]) -> None:
        for client in config["data_clients"].values():
            client["config"]["base_url_http"] = "http://127.0.0.1:9"

    check = found(look(at, venue, tmp_path, change=elsewhere), "venue")
    assert check.verdict is Verdict.REFUSED
    assert "cannot be reached" in check.text


def test_a_broken_state_is_not_passed_over(at, venue, tmp_path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / f"live_{venue}.state").write_bytes(b"half a st")
    check = found(look(at, venue, tmp_path), "state")
    assert check.verdict is Verdict.REFUSED
    assert "move it away" in check.text


def test_keys_in_a_config_are_refused(at, venue, tmp_path) -> None:
    def with_key(config: dict[str, Any]) -> None:
        config["exec_clients"][venue.upper()]["config"]["api_secret"] = "oh no"

    path = written(at, f"live_{venue}.json", tmp_path, with_key)
    with pytest.raises(UserError, match="from the environment only") as error:
        load_live_config(path)
    assert "oh no" not in str(error.value)


def no_path(plain: dict[str, Any]) -> None:
    del plain["exec_clients"]["BINANCE"]["path"]


def no_config(plain: dict[str, Any]) -> None:
    del plain["data_clients"]["BINANCE"]["config"]


def strategy_of(plain: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = plain["strategies"][0]
    return config


CLIENT = {"BINANCE": {"path": "x:Y", "factory": {"path": "x:Y"}, "config": {"environment": "FOO"}}}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda plain: plain.update(trader_id="x"), ": `trader_id` must be two names and a hyphen"),
        (lambda plain: plain.update(data_clients=[1]), ": `data_clients` is no object of clients"),
        (lambda plain: plain.update(exec_clients=None), ": `exec_clients` is no object of clients"),
        (lambda plain: plain["exec_clients"].update(BINANCE=5), "`exec_clients.BINANCE` is no obj"),
        (no_path, ": `exec_clients.BINANCE` has no `path` of a class"),
        (no_config, ": `data_clients.BINANCE` has no `config` object"),
        (
            lambda plain: plain["data_clients"]["BINANCE"].pop("factory"),
            ": `data_clients.BINANCE` has no `factory`",
        ),
        (
            lambda plain: plain["exec_clients"]["BINANCE"]["config"].update(nokey=1),
            ", `exec_clients.BINANCE`: Object contains unknown field `nokey`",
        ),
        (
            lambda plain: plain["logging"].update(log_level="LOUD"),
            ": `logging.log_level` must be one of OFF, TRACE, DEBUG",
        ),
        (lambda plain: plain.update(cache={"database": 5}), ": `cache.database` is no object"),
        (lambda plain: plain["data_clients"].update(KRAKEN=CLIENT["BINANCE"]), "no venue 'KRAKEN'"),
        (
            lambda plain: plain["exec_clients"].update(CLIENT),
            "no environment 'FOO' of BINANCE; use",
        ),
        (
            lambda plain: strategy_of(plain)["config"].update(nokey=1),
            ", OrderFlowStrategy: Object contains unknown field `nokey`",
        ),
        (
            lambda plain: strategy_of(plain).update(strategy_path="nowhere:Mine"),
            ", Mine: No module named 'nowhere'",
        ),
        (
            lambda plain: strategy_of(plain)["config"].update(instrument_id="A.KRAKEN"),
            ", OrderFlowStrategy: no data client for A.KRAKEN; add one of KRAKEN",
        ),
        (
            lambda plain: plain["exec_clients"]["BINANCE"]["config"].update(oms_type="FOO"),
            ": `exec_clients.BINANCE.config.oms_type` must be one of UNSPECIFIED, NETTING",
        ),
    ],
)
def test_a_config_that_cannot_be_is_one_line_with_its_file(change, says, tmp_path, capsys) -> None:
    plain = json.loads((ROOT / "configs" / "paper_binance.json").read_text())
    change(plain)
    path = tmp_path / "node.json"
    path.write_text(json.dumps(plain))
    assert main(["live", str(path), "--check"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {path}")
    assert says in line


@pytest.mark.parametrize("named", ["exec_clients", "data_clients"])
def test_one_field_leads_to_the_testnet(venue, tmp_path, named) -> None:
    path = ROOT / "configs" / f"live_{venue}.json"
    plain = json.loads(path.read_text())
    assert load_live_config(path).real_money
    for clients in ("exec_clients", "data_clients"):
        plain[clients][venue.upper()]["config"].pop("environment", None)
    plain[named][venue.upper()]["config"]["environment"] = "TESTNET"
    (tmp_path / "testnet.json").write_text(json.dumps(plain))
    config = load_live_config(tmp_path / "testnet.json")
    assert not config.real_money
    (client,) = config.clients
    assert "TESTNET" in client.key_names[0]
    assert client.url in ("https://demo-fapi.binance.com", "https://api-testnet.bybit.com")
    for clients in (config.node.data_clients, config.node.exec_clients):
        # What the host makes of it, not what is said here.
        assert "TESTNET" in str(clients[venue.upper()].create().environment).upper()


def test_the_pair_of_clients_agrees(venue, tmp_path) -> None:
    plain = json.loads((ROOT / "configs" / f"live_{venue}.json").read_text())
    path = tmp_path / "live.json"
    plain["data_clients"][venue.upper()]["config"]["environment"] = "TESTNET"
    plain["exec_clients"][venue.upper()]["config"]["environment"] = "DEMO"
    path.write_text(json.dumps(plain))
    with pytest.raises(UserError, match="trades with another `environment` than its data"):
        load_live_config(path)
    del plain["data_clients"][venue.upper()]
    path.write_text(json.dumps(plain))
    with pytest.raises(UserError, match="without a data client"):
        load_live_config(path)


def until(condition: Callable[[], bool], timeout_s: float = 150.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


class Command:
    """The command in a process of its own, its output in files: it never waits for a reader."""

    def __init__(self, folder: Path, *words: Any) -> None:
        self._files = folder / "out.txt", folder / "errors.txt"
        with self._files[0].open("w") as out, self._files[1].open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "of_nautilus", "live", *map(str, words)],
                cwd=ROOT,
                stdout=out,
                stderr=errors,
            )

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def end(self, timeout_s: float = 120.0) -> tuple[int, str, str]:
        code = self.process.wait(timeout_s)
        return code, self.out, self.errors

    @property
    def out(self) -> str:
        return self._files[0].read_text()

    @property
    def errors(self) -> str:
        return self._files[1].read_text()


def test_real_money_asks_to_be_meant(at, venue, tmp_path) -> None:
    path = written(at, f"live_{venue}.json", tmp_path)
    with Command(tmp_path, path) as command:
        code, _, errors = command.end()
    assert code == 2
    assert "--yes-trade-real-money" in errors
    assert errors.count("\n") == 1
    assert not at.requests


def test_a_check_starts_nothing(at, venue, tmp_path) -> None:
    path = written(at, f"live_{venue}.json", tmp_path)
    with Command(tmp_path, path, "--check") as command:
        code, out, errors = command.end()
    assert (code, errors) == (0, "")
    assert out.count("\n") >= 12
    assert not at.market
    assert not (tmp_path / "state").exists()
    at.rights.hedge_mode = True
    with Command(tmp_path, path, "--check") as command:
        code, _, errors = command.end()
    assert code == 2
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert "one-way" in errors


@pytest.mark.slow
def test_from_start_to_ctrl_c(at, venue, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)

    def often(config: dict[str, Any]) -> None:
        for actor in config["actors"]:
            if actor["actor_path"].endswith(":Recorder"):
                actor["config"]["part_secs"] = 0.5
            elif actor["actor_path"].endswith(":Alerts"):
                # What cannot be sent is complained of.
                actor["config"] |= {"chats": [1], "base_url": "http://127.0.0.1:9/bot"}

    def recorded_trades() -> int:
        try:
            return len(read_trades(tmp_path / "catalog", at.instrument_id))
        except UserError:
            return 0

    at.needs.add("user")
    path = written(at, f"live_{venue}.json", tmp_path, often)
    words = path, "--yes-trade-real-money", "--json", tmp_path / "summary.json"
    with Command(tmp_path, *words) as command:
        until(lambda: recorded_trades() == 201)
        command.process.send_signal(signal.SIGINT)
        code, out, errors = command.end()
    assert code == 0, out + errors
    summary = json.loads((tmp_path / "summary.json").read_text())
    flow = summary[f"flow {at.instrument_id}"]
    assert flow["warm"] is True
    # The venue's past trades and those that came meanwhile.
    assert flow["past_trades"] >= 99
    recorded = summary[f"recorded {at.instrument_id}"]
    assert (recorded["trades"], recorded["lost"]) == (201, 0)
    assert summary[f"trading {at.instrument_id}"]["position"] == "0"
    assert (tmp_path / "state" / f"live_{venue}.state").is_file()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) >= 8
    for file in files:
        held = file.read_bytes()
        assert not any(secret.encode() in held for secret in [TOKEN, *KEYS.values()]), file


@pytest.mark.slow
@pytest.mark.parametrize("venue", ["binance"])
def test_a_node_that_cannot_agree_with_the_venue_does_not_stay(at, venue, tmp_path) -> None:
    def quick(config: dict[str, Any]) -> None:
        config |= {"timeout_connection": 2.0, "timeout_reconciliation": 1.0}
        config |= {"timeout_portfolio": 1.0}
        # Its private streams are nowhere.
        client = config["exec_clients"][venue.upper()]["config"]
        for name in [name for name in client if name.startswith("base_url_ws")]:
            client[name] = "ws://127.0.0.1:9"

    path = written(at, f"live_{venue}.json", tmp_path, quick)
    with Command(tmp_path, path, "--yes-trade-real-money", "--quiet") as command:
        code, out, errors = command.end(150)
    assert code == 2, out + errors
    assert "could not connect" in errors
