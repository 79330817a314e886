"""The dashboard's server: REST against the catalog, the websockets' protocol, and rough clients."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from of_nautilus.cli.frame import main
from of_nautilus.dashboard import sockets
from of_nautilus.dashboard.app import make_app
from of_nautilus.dashboard.hub import TICK_S
from of_nautilus.dashboard.recorded import RecordedMarket, catalog_markets
from of_nautilus.dashboard.replay import ReplaySource
from of_nautilus.ingest.columns import TradeColumns
from of_nautilus.report import read_bars
from tests.report_catalog import (
    MINUTE,
    NAME,
    START,
    books,
    trade,
    walk,
    write_journal,
    write_market,
)

MINUTES, MS = 90, 10**6
TOKEN = "a-token-that-is-long-enough"
AT = START + 61 * MINUTE + MINUTE // 3


@pytest.fixture(scope="module")
def market() -> TradeColumns:
    return walk(9_000, MINUTES)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, market: TradeColumns) -> Path:
    folder = write_market(tmp_path_factory.mktemp("server") / "catalog", market, books(MINUTES))
    closed = [
        trade(k, START + (9 * k + 2) * MINUTE, START + (9 * k + 6) * MINUTE, price, price + move)
        for k in range(6)
        for price, move in [(int(market.price[900 * k + 300]), 60 if k % 3 else -40)]
    ]
    write_journal(folder, market, closed)
    return folder


def source_of(catalog: Path) -> ReplaySource:
    recorded = [RecordedMarket(one) for one in catalog_markets(catalog, None, None)]
    source = ReplaySource(recorded, "catalog", at=AT)
    source.act("pause", None, None)
    return source


class Served:
    """The server in a thread of this process."""

    def __init__(self, source: Any, **guarded: Any) -> None:
        bound = socket.socket()
        # Small, so that a client which reads nothing is soon noticed.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        bound.bind(("127.0.0.1", 0))
        self.port = bound.getsockname()[1]
        self.source = source
        config = uvicorn.Config(
            make_app(source, **guarded),
            log_level="error",
            ws="websockets-sansio",
            ws_max_size=sockets.MOST_MESSAGE,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([bound],), daemon=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.01)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(self.url + path, headers=headers, timeout=20, trust_env=False)

    def post(self, path: str, said: Any, **headers: str) -> httpx.Response:
        return httpx.post(self.url + path, json=said, headers=headers, timeout=20, trust_env=False)

    def act(self, action: str, **more: Any) -> Any:
        answer = self.post("/api/replay", {"action": action, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def socket(self, path: str = "/ws", **options: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}{path}", proxy=None, **options)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture(scope="module")
def server(catalog: Path) -> Iterator[Served]:
    own = Served(source_of(catalog))
    yield own
    own.stop()


@pytest.fixture
def still(server: Served) -> Served:
    """The server, its replay standing at AT."""
    server.act("pause")
    server.act("seek", time=AT // MS)
    server.act("speed", speed=10)
    return server


def talk(do: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(do(), 60))


async def say(client: ClientConnection, op: str, channel: str, tf: int | None = None) -> None:
    symbol = "*" if channel in ("stats", "replay") else NAME
    await client.send(json.dumps({"op": op, "channel": channel, "symbol": symbol, "tf": tf}))


async def hear(client: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(client.recv(), 20))


# -- REST -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tf", [60, 300])
def test_candles_are_a_recount_of_the_catalogs_trades(
    still: Served, market: TradeColumns, tf: int
) -> None:
    told = still.get(f"/api/candles/{NAME}?tf={tf}&count=3000").json()["candles"]
    past = market.ts_event <= AT
    of_bar = market.ts_event[past] // (tf * 10**9) * tf * 1000
    assert [bar["time"] for bar in told] == np.unique(of_bar).tolist()
    for bar in told:
        mine = np.flatnonzero(of_bar == bar["time"])
        price, size, side = market.price[mine], market.size[mine], market.side[mine]
        shown = [round(bar[k] * 10) for k in ("open", "high", "low", "close")]
        assert shown == [price[0], price.max(), price.min(), price[-1]]
        shown = [round(bar[k] * 1000) for k in ("volume", "buy", "sell", "delta")]
        bought, sold = size[side > 0].sum(), size[side < 0].sum()
        assert shown == [size.sum(), bought, sold, bought - sold]
        assert bar["trades"] == len(mine)
    deltas = still.get(f"/api/delta/{NAME}?tf={tf}&count=3000").json()["points"]
    assert deltas == [{k: bar[k] for k in ("time", "delta", "cvd")} for bar in told]


@pytest.mark.parametrize("rows", [1, 5])
def test_footprints_are_the_catalogs(still: Served, catalog: Path, rows: int) -> None:
    told = still.get(f"/api/footprint/{NAME}?count=40&rows={rows}").json()["bars"][:-1]
    bars = read_bars(catalog).coarser(rows)
    opened = {int(ts) // MS: k for k, ts in enumerate(bars.open_ts)}
    assert len(told) == 39
    for bar in told:
        k = opened[bar["time"]]
        cells = bars.cells[bars.starts[k] : bars.starts[k + 1]][::-1]
        for column, name in enumerate(("bid", "ask")):
            lots = [round(cell[name] * 1000) for cell in bar["levels"]]
            assert lots == cells[:, column].tolist()
        assert [cell["n"] for cell in bar["levels"]] == cells[:, 3:].sum(axis=1).tolist()
        high = bars.high_row[k] * rows + (rows - 1) / 2
        assert bar["levels"][0]["p"] == pytest.approx(high / 10)


def test_profile_tape_and_results_are_the_catalogs(still: Served, market: TradeColumns) -> None:
    past = market.ts_event <= AT
    (profile,) = still.get(f"/api/volume-profile/{NAME}?days=5&rows=10").json()["profiles"]
    rows = {round(row["price"] * 10 - 4.5) // 10: row for row in profile["rows"]}
    want = np.bincount(market.price[past] // 10, market.size[past])
    assert {r: round(row["volume"] * 1000) for r, row in rows.items() if row["volume"]} == {
        int(r): int(want[r]) for r in np.flatnonzero(want)
    }
    assert profile["val"] <= profile["poc"] <= profile["vah"]
    prints = still.get(f"/api/tape/{NAME}?count=300").json()["trades"]
    newest = np.flatnonzero(past)[::-1][:300]
    assert [p["ts"] for p in prints] == market.ts_event[newest].astype(str).tolist()
    assert [round(p["price"] * 10) for p in prints] == market.price[newest].tolist()
    large = still.get(f"/api/tape/{NAME}?least=0.5").json()["trades"]
    assert large
    assert all(p["size"] >= 0.5 for p in large)
    told = still.get(f"/api/trade/{NAME}").json()
    assert len(told["closed"]) == sum(START + (9 * k + 6) * MINUTE <= AT for k in range(6))
    net = sum(each["money"] for each in told["closed"])
    assert told["performance"]["net"] == pytest.approx(net)
    assert told["performance"]["equity"][-1]["net"] == pytest.approx(net)


ENDPOINTS = [
    "/api/instruments", "/api/scanner", f"/api/candles/{NAME}?count=3000",
    f"/api/footprint/{NAME}?count=500&rows=2&tf=300", f"/api/volume-profile/{NAME}?days=9",
    f"/api/markers/{NAME}", f"/api/signals/{NAME}?limit=900", f"/api/bias/{NAME}",
    f"/api/trade/{NAME}", f"/api/strategy-status/{NAME}", f"/api/orderbook/{NAME}",
    f"/api/tape/{NAME}", f"/api/microstructure/{NAME}",
]  # fmt: skip


def test_a_seek_shows_what_playing_shows(catalog: Path) -> None:
    played, sought = source_of(catalog), source_of(catalog)
    played.act("seek", START // MS, None)
    to = START + 80 * MINUTE
    played.act("speed", None, 200)
    played.act("play", None, None)
    while played.now_ns < to:
        played.advance(min(0.05, (to - played.now_ns) / 200e9))
    played.act("pause", None, None)
    sought.act("seek", played.now_ns // MS, None)
    one, other = Served(played), Served(sought)
    try:
        for path in ENDPOINTS:
            assert one.get(path).json() == other.get(path).json(), path
    finally:
        one.stop()
        other.stop()


def test_a_profile_of_a_range_is_of_its_bars_alone(still: Served) -> None:
    candles = still.get(f"/api/candles/{NAME}?range=600").json()["candles"]
    (profile,) = still.get(f"/api/volume-profile/{NAME}?range=600").json()["profiles"]
    own = [bar for bar in candles if bar["time"] >= profile["start"]]
    assert len(own) == 10
    assert profile["volume"] == pytest.approx(sum(bar["volume"] for bar in own))


def test_steps_go_bar_by_bar_and_the_end_is_said(still: Served) -> None:
    at = still.act("step")["time"]
    assert at % 60_000 == 0
    assert still.act("step")["time"] == at + 60_000
    assert still.act("seek", time=9_000_000_000_000)["state"] == "ended"
    assert still.act("seek", time=AT // MS)["state"] == "paused"
    assert still.act("play")["state"] == "playing"


@pytest.mark.parametrize(
    ("path", "code", "named"),
    [
        ("/api/candles/NOBODY", 404, "NOBODY"),
        (f"/api/candles/{NAME}?tf=90", 422, "tf"),
        (f"/api/candles/{NAME}?count=0", 422, "count"),
        (f"/api/candles/{NAME}?count=many", 422, "count"),
        (f"/api/footprint/{NAME}?rows=-1", 422, "rows"),
        (f"/api/footprint/{NAME}?ratio=nan", 422, "ratio"),
        (f"/api/volume-profile/{NAME}?days=1000", 422, "days"),
        (f"/api/orderbook/{NAME}?levels=x", 422, "levels"),
        ("/api/nothing", 404, "Not Found"),
        ("/web/..%2fapp.py", 404, ""),
    ],
)
def test_what_is_asked_wrongly_is_answered_clearly(
    server: Served, path: str, code: int, named: str
) -> None:
    answer = server.get(path)
    assert answer.status_code == code
    assert named in answer.json()["detail"]


def test_the_api_describes_itself(server: Served) -> None:
    paths = server.get("/api/openapi.json").json()["paths"]
    assert len([path for path, methods in paths.items() if "get" in methods]) >= 15
    page = server.get("/api/docs")
    assert all(path.partition("{")[0] in page.text for path in paths)
    assert "<script" not in page.text
    charts = server.get("/lightweight-charts.js").text
    assert "@license" in charts[:200]


def test_no_fuzzed_request_is_a_servers_error(server: Served) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    described = schemathesis.openapi.from_url(f"{server.url}/api/openapi.json")
    for found in described.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def fuzz(case: Any) -> None:
            assert case.call(timeout=20).status_code < 500, case

        fuzz()


# -- the websockets -------------------------------------------------------------------------------

CHANNELS = {
    "tick": 0.2, "candle": 0, "delta": 0.2, "signal": 0, "trade_state": 0, "volume_profile": 1.0,
    "bias": 0, "orderbook": 0.5, "stats": 5.0,
}  # fmt: skip


def test_each_channel_begins_with_a_snapshot_and_goes_on_without_holes(still: Served) -> None:
    async def do() -> None:
        seqs: dict[str, int] = {}
        times: dict[str, list[float]] = {name: [] for name in CHANNELS}
        candles: dict[int, Any] = {}
        prints: list[str] = []
        async with still.socket() as client:
            for channel in CHANNELS:
                await say(client, "subscribe", channel, 60)
            await asyncio.to_thread(still.act, "play")
            end = time.monotonic() + 3
            while time.monotonic() < end:
                said = await hear(client)
                channel = said["channel"]
                if said["type"] == "delta":
                    assert said["seq"] == seqs[channel] + 1, channel
                    times[channel].append(time.monotonic())
                else:
                    assert channel not in seqs
                seqs[channel] = said["seq"]
                if channel == "candle":
                    candles |= {each["time"]: each for each in said["data"]["candles"]}
                if channel == "tick":
                    prints = [p["id"] for p in said["data"]["prints"]] + prints
            await asyncio.to_thread(still.act, "pause")
            while True:
                try:
                    said = json.loads(await asyncio.wait_for(client.recv(), 1.0))
                except TimeoutError:
                    break
                if said["channel"] == "candle":
                    candles |= {each["time"]: each for each in said["data"]["candles"]}
                if said["channel"] == "tick":
                    prints = [p["id"] for p in said["data"]["prints"]] + prints
        assert set(seqs) == set(CHANNELS)
        for channel, throttle in CHANNELS.items():
            most = 3 / max(throttle, TICK_S) + 2
            assert len(times[channel]) <= most, channel
        assert min(len(times[name]) for name in ("tick", "candle", "delta")) >= 8
        told = await asyncio.to_thread(still.get, f"/api/candles/{NAME}?count=500")
        assert [candles[key] for key in sorted(candles)] == told.json()["candles"]
        # Every print once, the newest first.
        numbers = [int(name) for name in prints]
        assert numbers == list(range(numbers[0], numbers[-1] - 1, -1))

    talk(do)


def test_a_resync_and_a_seek_bring_snapshots(still: Served) -> None:
    async def do() -> None:
        async with still.socket() as client:
            await say(client, "subscribe", "candle", 300)
            first = await hear(client)
            await say(client, "resync", "candle", 300)
            again = await hear(client)
            assert (again["type"], again["data"]) == ("snapshot", first["data"])
            assert again["seq"] >= first["seq"]
            await asyncio.to_thread(still.act, "seek", time=(START + 20 * MINUTE) // MS)
            while (said := await hear(client))["type"] != "snapshot":
                pass
            assert said["data"]["candles"][-1]["time"] <= (START + 20 * MINUTE) // MS
            await say(client, "unsubscribe", "candle", 300)
            await client.send(json.dumps({"op": "ping"}))
            assert (await hear(client))["type"] == "pong"

    talk(do)


def test_orderflow_speaks_in_footprint_bars(still: Served) -> None:
    async def do() -> None:
        path = f"/ws/orderflow?symbol={NAME}&tf=5m&rows=5&lookback=6&emit_ms=100"
        async with still.socket(path) as client:
            whole = await hear(client)
            assert (whole["type"], whole["tf_ms"], whole["step"]) == ("snapshot", 300_000, 0.5)
            assert len(whole["candles"]) == 6
            bar = whole["candles"][-1]
            assert bar["bid"] == pytest.approx(sum(cell["bid"] for cell in bar["levels"]))
            assert bar["delta"] == pytest.approx(bar["ask"] - bar["bid"])
            await asyncio.to_thread(still.act, "play")
            for number in range(2, 8):
                said = await hear(client)
                assert (said["type"], said["seq"]) == ("delta", number)
                assert said["candle"]["open_ts"] >= bar["open_ts"]
        # As others ask for it: a venue, its own name of the symbol, a step in price.
        path = "/ws/orderflow?exchange=sim&symbol=DEMO&tf=1m&step=0.5&lookback=30&emit_ms=300"
        async with still.socket(path) as client:
            whole = await hear(client)
            told = [whole[name] for name in ("exchange", "symbol", "tf_ms", "step")]
            assert told == ["sim", NAME, 60_000, 0.5]
            assert {"open_ts", "bid", "ask", "delta", "cvd", "levels"} <= set(whole["candles"][0])
            assert {"p", "bid", "ask", "n"} <= set(whole["candles"][0]["levels"][0])
        wrong = ["rows=nine", "step=0.07", "step=0", "step=nan", "exchange=moon&symbol=DEMO"]
        numbers = ("tf", "rows", "step", "ratio", "least", "lookback", "emit_ms")
        for each in (*wrong, *(f"{name}={'9' * 400}" for name in numbers)):
            async with still.socket(f"/ws/orderflow?symbol={NAME}&{each}") as client:
                said = await hear(client)
                named = each.partition("=")[0] if "moon" not in each else "DEMO"
                assert (said["type"], named in said["detail"]) == ("error", True), said
                assert len(said["detail"]) < 200, said

    talk(do)


@pytest.mark.parametrize(
    "said",
    [
        "", "{", "[]", "null", "\x00", '{"op": "fly"}', '{"op": "subscribe"}', '{"op": 1}',
        '{"op": "subscribe", "channel": "candle", "symbol": "X"}',
        json.dumps({"op": "subscribe", "channel": "candle", "symbol": NAME, "tf": 7}),
        json.dumps({"op": "subscribe", "channel": "candle", "symbol": NAME, "tf": 1e99}),
        b"\xff\xfe", "[" * 2_000, '{"x": ' + "[" * 4_000,
    ],
)  # fmt: skip
def test_malformed_messages_are_answered_and_survived(server: Served, said: str | bytes) -> None:
    async def do() -> None:
        async with server.socket() as client:
            await client.send(said)
            assert (await hear(client))["type"] == "error"
            await client.send(json.dumps({"op": "ping"}))
            assert (await hear(client))["type"] == "pong"

    talk(do)


def test_too_much_ends_a_connection_and_nothing_else(server: Served) -> None:
    async def do() -> None:
        async with server.socket() as client:
            with pytest.raises(ConnectionClosed) as large:
                await client.send("x" * 2**20)
                await client.recv()
            assert large.value.rcvd is not None
            assert large.value.rcvd.code == sockets.TOO_LARGE
        async with server.socket() as client:
            with pytest.raises(ConnectionClosed) as often:
                for _ in range(400):
                    await client.send('{"op": "ping"}')
                while True:
                    await client.recv()
            assert often.value.rcvd is not None
            assert often.value.rcvd.code == sockets.POLICY
        async with server.socket() as client:
            await say(client, "subscribe", "stats")
            assert (await hear(client))["data"]["clients"] == 1

    talk(do)
    long = httpx.post(f"{server.url}/api/login", content=b"x" * 2**20, timeout=20, trust_env=False)
    assert long.status_code == 413


@pytest.mark.parametrize("path", ["/api/login", "/api/command", "/api/replay"])
def test_a_body_of_untold_length_is_refused_where_it_gets_too_long(
    server: Served, path: str
) -> None:
    parts = (b"x" * 1024 for _ in range(20))
    headers = {"content-type": "application/json"}
    long = httpx.post(
        server.url + path, content=parts, headers=headers, timeout=20, trust_env=False
    )
    assert long.status_code == 413
    assert "16384 bytes" in long.json()["detail"]
    assert long.headers["connection"] == "close"
    assert long.headers["x-content-type-options"] == "nosniff"


def test_slow_readers_cost_bounded_memory_and_are_let_go(
    still: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "PATIENCE_S", 1.0)
    still.act("speed", speed=200)
    still.act("seek", time=(START + 2 * MINUTE) // MS)
    before = psutil.Process().memory_info().rss

    async def do() -> None:
        slow = []
        for _ in range(10):
            # A window so small that the server must wait at once.
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            raw.connect(("127.0.0.1", still.port))
            client = await connect(
                f"ws://127.0.0.1:{still.port}/ws", sock=raw, proxy=None, max_queue=1
            )
            client.transport.pause_reading()  # type: ignore[attr-defined]
            for channel in CHANNELS:
                await say(client, "subscribe", channel, 60)
            slow.append(client)
        left, end = 99, time.monotonic() + 30
        while left and time.monotonic() < end:
            for minute in (30, 60, 90):
                to = (START + minute * MINUTE) // MS
                await asyncio.to_thread(still.act, "seek", time=to)
                await asyncio.sleep(0.15)
            left = (await asyncio.to_thread(still.get, "/api/stats")).json()["clients"]
        assert left == 0
        for client in slow:
            client.transport.abort()
            await client.wait_closed()

    talk(do)
    assert psutil.Process().memory_info().rss - before < 100 * 2**20


def test_five_hundred_connections_are_survived(
    still: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "MOST_CLIENTS", 490)

    async def do() -> None:
        opened: list[ClientConnection] = []
        codes: list[int | None] = []

        async def one() -> None:
            client = await still.socket(open_timeout=30)
            opened.append(client)
            try:
                await say(client, "subscribe", "tick")
                await hear(client)
            except ConnectionClosed as error:
                codes.append(error.rcvd and error.rcvd.code)

        await asyncio.gather(*(one() for _ in range(500)))
        assert len(opened) == 500
        assert codes == [sockets.LATER] * (500 - sockets.MOST_CLIENTS)
        assert (await asyncio.to_thread(still.get, "/api/stats")).json()["clients"] == 490
        await asyncio.gather(*(client.close() for client in opened))

    talk(do)
    deadline = time.monotonic() + 10
    while still.get("/api/stats").json()["clients"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


# -- who may ask ----------------------------------------------------------------------------------


def test_other_hosts_and_origins_are_refused(server: Served) -> None:
    assert server.get("/api/stats", Host="evil.example").status_code == 421
    assert server.get("/api/stats", Host="localhost:1").status_code == 200
    assert (
        server.post("/api/replay", {"action": "pause"}, Origin="http://evil.example").status_code
        == 403
    )
    ours = server.post("/api/replay", {"action": "pause"}, Origin=server.url)
    assert ours.status_code == 200

    async def do() -> None:
        with pytest.raises(InvalidStatus):
            async with server.socket(origin="http://evil.example"):
                pass
        with pytest.raises(InvalidStatus):
            async with server.socket(additional_headers={"Host": "evil.example"}):
                pass
        async with server.socket(origin=server.url) as client:
            await client.send('{"op": "ping"}')
            assert (await hear(client))["type"] == "pong"

    talk(do)


def test_every_answer_is_guarded(server: Served) -> None:
    for path in ("/", "/web/app.js", "/api/stats", "/api/nothing"):
        headers = server.get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_without_the_token_a_closed_server_answers_nothing(catalog: Path) -> None:
    served = Served(source_of(catalog), token=TOKEN, closed=True)
    try:
        described = make_app(served.source)._app.openapi()  # type: ignore[attr-defined]
        paths = [path.replace("{symbol}", NAME) for path in described["paths"]]
        for path in ("/", "/web/app.js", "/lightweight-charts.js", "/api/openapi.json", *paths):
            if path != "/api/login":
                assert served.get(path).status_code == 401, path
        assert "token" in served.get("/").text

        async def shut() -> None:
            for path in ("/ws", f"/ws/orderflow?symbol={NAME}"):
                with pytest.raises(InvalidStatus):
                    async with served.socket(path):
                        pass

        talk(shut)
        assert served.post("/api/login", {"token": "another"}).status_code == 401
        assert served.post("/api/login", {}).status_code == 422
        shown = served.post("/api/login", {"token": TOKEN})
        cookie = shown.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert served.get("/api/stats", Cookie=cookie.partition(";")[0]).status_code == 200
        assert served.get("/api/stats", Authorization=f"Bearer {TOKEN}").status_code == 200
        assert served.get("/api/stats", Authorization="Bearer no").status_code == 401
        assert served.get(f"/api/stats?token={TOKEN}").status_code == 401
        for _ in range(30):
            served.post("/api/login", {"token": "another"})
        assert served.post("/api/login", {"token": TOKEN}).status_code == 429
        assert served.get("/api/stats", Authorization=f"Bearer {TOKEN}").status_code == 401
        assert served.get("/api/stats", Cookie=cookie.partition(";")[0]).status_code == 200
    finally:
        served.stop()


class Commanded(ReplaySource):
    """A source that has a node to ask."""

    commands = True

    def ask(self, action: str, symbols: tuple[str, ...]) -> None:
        self.asked = [*getattr(self, "asked", ()), (action, symbols)]


def test_commands_need_the_token_and_a_confirmation(catalog: Path) -> None:
    recorded = [RecordedMarket(one) for one in catalog_markets(catalog, None, None)]
    source = Commanded(recorded, "node", at=AT)
    served = Served(source, token=TOKEN)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    try:
        flatten = {"action": "flatten", "symbol": NAME, "confirm": True}
        assert served.get("/api/session").json() == {"authorized": False, "commands": True}
        assert served.post("/api/command", flatten).status_code == 401
        assert (
            served.post("/api/command", flatten | {"confirm": False}, **bearer).status_code == 422
        )
        assert served.post("/api/command", flatten | {"action": "buy"}, **bearer).status_code == 422
        assert served.post("/api/command", flatten | {"symbol": "X"}, **bearer).status_code == 404
        assert not hasattr(source, "asked")
        assert served.post("/api/command", flatten, **bearer).status_code == 200
        pause = {"action": "pause", "symbol": "*", "confirm": True}
        assert served.post("/api/command", pause, **bearer).status_code == 200
        assert source.asked == [("FLATTEN", (NAME,)), ("PAUSE", (NAME,))]
    finally:
        served.stop()


# -- the command ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "no catalog there"),
        (["CATALOG", "--at", "noon"], "is no time"),
        (["CATALOG", "--instrument", "X.Y"], NAME),
        (["CATALOG", "--start", "2030-01-01"], "no trades there"),
        (["CATALOG", "--speed", "1000"], "--speed"),
        (["CATALOG", "--host", "0.0.0.0"], "OF_NAUTILUS_DASHBOARD_TOKEN"),
        (["CATALOG", "--port", "99999"], "--port"),
    ],
)
def test_what_replay_cannot_do_is_said(
    catalog: Path,
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OF_NAUTILUS_DASHBOARD_TOKEN", raising=False)
    assert main(["replay", *(word.replace("CATALOG", str(catalog)) for word in words)]) == 2
    assert said in capsys.readouterr().err


def test_a_dashboard_without_a_node_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dashboard", __file__]) == 2
    assert "is a file; name the folder" in capsys.readouterr().err
    assert main(["dashboard", str(tmp_path)]) == 2
    assert "is a node running" in capsys.readouterr().err
