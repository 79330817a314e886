"""Downloads from a server on this machine that fails, truncates, stalls and lies."""

import gzip
import hashlib
import io
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from of_nautilus.ingest.download import Manners, download
from of_nautilus.ingest.errors import IngestError

FIRST, LAST = date(2024, 8, 8), date(2024, 8, 10)
QUICK = Manners(workers=2, requests_per_s=200.0, retries=3, timeout_s=0.4, backoff_s=0.01)


def zipped(seed: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("x.csv", np.random.default_rng(seed).bytes(600_000))
    return out.getvalue()


class Server(ThreadingHTTPServer):
    """Serves `files` by path, with at most one misbehavior a request, taken from `faults`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[str]] = {}
        self.seen: Counter[str] = Counter()
        self.ranges: list[str] = []
        self.times: list[float] = []
        self.busy = self.most_busy = 0
        self.lock = threading.Lock()
        self.released = threading.Event()
        self.silence = 5.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, path: str, content: bytes, checksum: bool = True) -> None:
        self.files[path] = content
        if checksum:
            line = f"{hashlib.sha256(content).hexdigest()}  {path.rsplit('/', 1)[-1]}\n"
            self.files[path + ".CHECKSUM"] = line.encode()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        with server.lock:
            server.seen[self.path] += 1
            server.times.append(time.monotonic())
            server.busy += 1
            server.most_busy = max(server.most_busy, server.busy)
            faults = server.faults.get(self.path, [])
            fault = faults.pop(0) if faults else ""
        try:
            self._answer(fault)
        finally:
            with server.lock:
                server.busy -= 1

    def _answer(self, fault: str) -> None:
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        if fault in ("500", "429"):
            self.send_response(int(fault))
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        wanted = self.headers.get("Range")
        if wanted and fault != "no range":
            self.server.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "spoil":
            body = body[:1_000] + bytes(100) + body[1_100:]
        if fault in ("truncate", "stall"):
            self.wfile.write(body[: len(body) // 3])
            if fault == "stall":
                self.server.released.wait(self.server.silence)
            return
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield http
        http.released.set()
        http.shutdown()
        thread.join()


def binance(day: int) -> str:
    name = f"BTCUSDT-aggTrades-2024-08-{day:02d}.zip"
    return f"/data/futures/um/daily/aggTrades/BTCUSDT/{name}"


def three_days(server: Server) -> None:
    for day in (8, 9, 10):
        server.add(binance(day), zipped(day))


def run(server: Server, folder: Path, **options: Any) -> Any:
    arguments = {"manners": QUICK} | options
    return download("binance", "BTCUSDT", FIRST, LAST, "aggTrades", folder, server.url, **arguments)


def assert_whole(server: Server, folder: Path) -> None:
    for day in (8, 9, 10):
        path = binance(day)
        assert (folder / path.rsplit("/", 1)[-1]).read_bytes() == server.files[path]
    assert not list(folder.glob("*.part"))


def test_every_day_is_fetched_and_verified(server: Server, tmp_path: Path) -> None:
    three_days(server)
    seen: list[tuple[int, int, int]] = []
    summary = run(server, tmp_path, progress=lambda *at: seen.append(at))
    assert_whole(server, tmp_path)
    assert (summary.fetched, summary.retries, summary.missing) == (3, 0, [])
    assert summary.bytes == sum(len(server.files[binance(d)]) for d in (8, 9, 10))
    assert seen[-1] == (3, 3, summary.bytes)
    assert [Path(f).name for f in summary.files] == [binance(d)[-32:] for d in (8, 9, 10)]


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    three_days(server)
    run(server, tmp_path)
    server.seen.clear()
    summary = run(server, tmp_path)
    assert (summary.fetched, summary.already_there, summary.bytes) == (0, 3, 0)
    assert not server.seen


@pytest.mark.parametrize("fault", ["500", "429", "truncate", "stall", "spoil"])
def test_failures_are_mended_by_another_try(fault: str, server: Server, tmp_path: Path) -> None:
    three_days(server)
    server.faults[binance(9)] = [fault]
    summary = run(server, tmp_path)
    assert_whole(server, tmp_path)
    assert summary.retries == 1
    if fault in ("truncate", "stall"):
        (went_on,) = server.ranges  # what had come is not fetched again
        assert int(went_on[6:-1]) == len(server.files[binance(9)]) // 3


def test_a_failing_checksum_file_is_tried_again(server: Server, tmp_path: Path) -> None:
    three_days(server)
    server.faults[binance(9) + ".CHECKSUM"] = ["500", "stall"]
    assert run(server, tmp_path).retries == 2
    assert_whole(server, tmp_path)
    assert server.seen[binance(9)] <= 3


def test_a_part_left_by_a_killed_run_is_continued(server: Server, tmp_path: Path) -> None:
    three_days(server)
    whole = server.files[binance(8)]
    part = tmp_path / (binance(8).rsplit("/", 1)[-1] + ".part")
    part.write_bytes(whole[:100_000])
    summary = run(server, tmp_path)
    assert_whole(server, tmp_path)
    assert server.ranges == ["bytes=100000-"]
    assert summary.bytes == sum(len(server.files[binance(d)]) for d in (8, 9, 10)) - 100_000


@pytest.mark.parametrize("left", ["whole", "longer", "other"])
def test_a_strange_part_does_no_harm(left: str, server: Server, tmp_path: Path) -> None:
    three_days(server)
    whole = server.files[binance(8)]
    content = {"whole": whole, "longer": whole + b"x", "other": bytes(1_000)}[left]
    (tmp_path / (binance(8).rsplit("/", 1)[-1] + ".part")).write_bytes(content)
    run(server, tmp_path)
    assert_whole(server, tmp_path)


def test_a_server_that_ignores_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    three_days(server)
    server.faults[binance(8)] = ["truncate", "no range"]
    run(server, tmp_path)
    assert_whole(server, tmp_path)


def test_after_all_tries_the_file_is_named_and_others_stay(server: Server, tmp_path: Path) -> None:
    three_days(server)
    server.faults[binance(10)] = ["500"] * 20
    with pytest.raises(IngestError, match=r"2024-08-10\.zip: cannot .* after 4 tries .*500"):
        run(server, tmp_path, manners=Manners(1, 200.0, 3, 0.4, 0.0))
    assert sorted(p.name for p in tmp_path.iterdir()) == [binance(d)[-32:] for d in (8, 9)]
    assert server.seen[binance(10)] == 4


def test_a_wrong_checksum_never_becomes_a_file(server: Server, tmp_path: Path) -> None:
    three_days(server)
    server.files[binance(9) + ".CHECKSUM"] = b"00ff  x.zip\n"
    with pytest.raises(IngestError, match=r"its checksum is .*, not 00ff"):
        run(server, tmp_path)
    assert not (tmp_path / binance(9).rsplit("/", 1)[-1]).exists()


def test_days_without_a_file_are_listed(server: Server, tmp_path: Path) -> None:
    server.add(binance(9), zipped(9))
    summary = run(server, tmp_path)
    assert summary.missing == ["2024-08-08", "2024-08-10"]
    assert summary.fetched == 1
    with pytest.raises(IngestError, match="no file of ETHUSDT aggTrades"):
        download(
            "binance", "ETHUSDT", FIRST, LAST, "aggTrades", tmp_path, server.url, manners=QUICK
        )


def test_requests_keep_to_the_rate_and_the_workers(server: Server, tmp_path: Path) -> None:
    three_days(server)
    run(server, tmp_path, manners=Manners(2, 20.0, 0, 2.0, 0.0))
    assert len(server.times) == 6
    assert server.times[-1] - server.times[0] >= 5 / 20 - 0.02
    assert server.most_busy <= 2


@pytest.mark.parametrize("spoil", [False, True])
def test_bybit_files_are_proved_by_unpacking(spoil: bool, server: Server, tmp_path: Path) -> None:
    content = gzip.compress(np.random.default_rng(0).bytes(200_000))
    path = "/trading/BTCUSDT/BTCUSDT2024-08-08.csv.gz"
    server.add(path, content, checksum=False)
    server.faults[path] = ["spoil"] * spoil
    arguments = ("bybit", "BTCUSDT", FIRST, FIRST, "trades", tmp_path, server.url)
    summary = download(*arguments, manners=QUICK)
    assert summary.retries == spoil
    assert (tmp_path / "BTCUSDT2024-08-08.csv.gz").read_bytes() == content
    book = "/orderbook/linear/XRPUSDT/2024-08-08_XRPUSDT_ob500.data.zip"
    server.add(book, zipped(1), checksum=False)
    arguments = ("bybit", "XRPUSDT", FIRST, FIRST, "book", tmp_path, server.url)
    assert download(*arguments, manners=QUICK).fetched == 1


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"cannot be fetched after 2 tries .*refused"):
        download(
            *("binance", "BTCUSDT", FIRST, FIRST, "trades", tmp_path, "http://127.0.0.1:9"),
            manners=Manners(1, 100.0, 1, 0.5, 0.0),
        )


def test_a_disk_that_takes_no_more_is_said(server: Server, tmp_path: Path) -> None:
    for day in (8, 9, 10):
        server.add(binance(day), b"small enough to be sent whole")
    (tmp_path / f"{binance(8).rsplit('/', 1)[-1]}.part").symlink_to("/dev/full")
    with pytest.raises(IngestError, match=r"cannot be written \(No space left.*make room"):
        run(server, tmp_path)
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(IngestError, match=r"file: cannot be written \(File exists\)"):
        run(server, tmp_path / "file")


def test_bad_parameters_are_named(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="unknown archive kraken trades; known are binance"):
        download("kraken", "X", FIRST, LAST, "trades", tmp_path)
    with pytest.raises(IngestError, match="before the first"):
        download("binance", "X", LAST, FIRST, "trades", tmp_path)
    for name, value in (
        ("workers", 0),
        ("requests_per_s", 0.0),
        ("retries", -1),
        ("timeout_s", 0.0),
        ("backoff_s", -0.1),
    ):
        with pytest.raises(ValueError, match=f"`{name}` must be .*, was {value}"):
            Manners(**{name: value})
