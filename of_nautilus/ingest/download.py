"""Files of the venues' public archives by day: verified, resumed, retried, several at a time.

Binance publishes a SHA-256 beside each file. Bybit publishes none, so its files are checked for
their length and by unpacking them. A file appears under its name only when it is whole; what was
cut off stays beside it as `.part` and is continued.
"""

import gzip
import hashlib
import queue
import threading
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any

from of_nautilus.ingest.errors import IngestError

_BINANCE = "https://data.binance.vision"
_BYBIT = "https://public.bybit.com"
_BYBIT_BOOKS = "https://quote-saver.bycsi.com"
_CHUNK = 1 << 18
_PATIENCE_S = 0.5  # given to transfers under way once one has failed or was interrupted


@dataclass(frozen=True, slots=True)
class Archive:
    """Where a venue keeps one kind of file; `path` is filled with the symbol and the day."""

    base_url: str
    path: str
    checksum: bool


ARCHIVES: dict[tuple[str, str], Archive] = {
    **{
        (venue, kind): Archive(
            _BINANCE,
            f"data/{folder}/daily/{kind}/{{symbol}}/{{symbol}}-{kind}-{{day}}.zip",
            True,
        )
        for venue, folder in (("binance", "futures/um"), ("binance-spot", "spot"))
        for kind in ("aggTrades", "trades", "bookTicker")
        if (venue, kind) != ("binance-spot", "bookTicker")
    },
    ("bybit", "trades"): Archive(_BYBIT, "trading/{symbol}/{symbol}{day}.csv.gz", False),
    ("bybit-spot", "trades"): Archive(_BYBIT, "spot/{symbol}/{symbol}_{day}.csv.gz", False),
    ("bybit", "book"): Archive(
        _BYBIT_BOOKS, "orderbook/linear/{symbol}/{day}_{symbol}_ob500.data.zip", False
    ),
    ("bybit-spot", "book"): Archive(
        _BYBIT_BOOKS, "orderbook/spot/{symbol}/{day}_{symbol}_ob200.data.zip", False
    ),
}
"""What can be downloaded: by venue and kind."""

Progress = Callable[[int, int, int], None]
"""Called now and then with the files finished, the files wanted and the bytes received."""


@dataclass(slots=True)
class DownloadSummary:
    """What a download did."""

    files: list[str] = field(default_factory=list)
    """Every file that is there now, in the order of the days."""
    fetched: int = 0
    already_there: int = 0
    missing: list[str] = field(default_factory=list)
    """Days of which the venue has no file."""
    retries: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Manners:
    """How to treat the server.

    Parameters
    ----------
    workers : int
        Files at a time; 1 to 16.
    requests_per_s : float
        Requests begun in a second, all workers together; > 0.
    retries : int
        Further tries of one file; >= 0.
    timeout_s : float
        Longest wait for the next bytes; > 0.
    backoff_s : float
        Wait before the first further try; doubled for each next, at most 60 s; >= 0.

    """

    workers: int = 4
    requests_per_s: float = 5.0
    retries: int = 5
    timeout_s: float = 30.0
    backoff_s: float = 1.0

    def __post_init__(self) -> None:
        for name, good, rule in (
            ("workers", 1 <= self.workers <= 16, "1 to 16"),
            ("requests_per_s", self.requests_per_s > 0, "> 0"),
            ("retries", self.retries >= 0, ">= 0"),
            ("timeout_s", self.timeout_s > 0, "> 0"),
            ("backoff_s", self.backoff_s >= 0, ">= 0"),
        ):
            if not good:
                raise ValueError(f"`{name}` must be {rule}, was {getattr(self, name)}")


def download(
    venue: str,
    symbol: str,
    start: date,
    end: date,
    kind: str,
    folder: str | Path,
    base_url: str | None = None,
    manners: Manners | None = None,
    progress: Progress | None = None,
) -> DownloadSummary:
    """Fetch one file a day from a public archive.

    Parameters
    ----------
    venue, kind : str
        A key of `ARCHIVES`, such as "binance" (USD-M futures) and "aggTrades".
    symbol : str
        The venue's own, such as "BTCUSDT".
    start, end : date
        First and last day, both included.
    folder : path
        Where the files go; made if absent.
    base_url : str, optional
        Another server with the same paths.
    manners : Manners, optional
        Parallel requests, rate, retries and waits.
    progress : callable, optional
        Gets files finished, files wanted and bytes received.

    Raises
    ------
    IngestError
        If the archive is unknown, no day has a file, a file fails after all tries, or the disk
        is full; files that are whole stay.

    """
    archive = ARCHIVES.get((venue, kind))
    if archive is None:
        known = ", ".join(f"{v} {k}" for v, k in ARCHIVES)
        raise IngestError(f"unknown archive {venue} {kind}", todo=f"known are {known}")
    if end < start:
        raise IngestError(f"the last day {end} is before the first {start}")
    started = time.perf_counter()
    base = (base_url or archive.base_url).rstrip("/")
    days = list(_days(start, end))
    session = _Session(manners or Manners(), progress, len(days))
    target = Path(folder)
    jobs = [
        (day, f"{base}/{archive.path.format(symbol=symbol, day=day.isoformat())}") for day in days
    ]
    try:
        target.mkdir(parents=True, exist_ok=True)
        paths = session.paths([url for _, url in jobs], target, archive.checksum)
    except OSError as problem:  # the disk's; a failure of the network is another try
        raise IngestError(
            f"cannot be written ({problem.strerror or problem})",
            target,
            todo="make room or choose another folder; the same command continues",
        ) from problem
    summary = session.summary
    for (day, _), path in zip(jobs, paths, strict=True):
        if path is None:
            summary.missing.append(day.isoformat())
        else:
            summary.files.append(str(path))
    if not summary.files:
        raise IngestError(
            f"no file of {symbol} {kind} from {start} to {end}",
            base,
            todo="check the symbol and the days",
        )
    summary.seconds = time.perf_counter() - started
    return summary


def _days(start: date, end: date) -> Iterator[date]:
    for number in range((end - start).days + 1):
        yield start + timedelta(number)


class _AbsentError(Exception):
    """The server has no such file."""


class _CompleteError(Exception):
    """The part file is as long as the server's, or longer."""


class _TryAgainError(Exception):
    """The transfer failed in a way that another try may mend."""

    def __init__(self, what: str, wait_s: float = 0.0) -> None:
        super().__init__(what)
        self.wait_s = wait_s


def _next[T](done: queue.SimpleQueue[T]) -> T:
    """Wait for the next result, looking up now and then: a signal may wake another thread only."""
    while True:
        with suppress(queue.Empty):
            return done.get(timeout=0.25)


class _Session:
    """What the workers share: the rate, the progress, and when to stop."""

    def __init__(self, manners: Manners, progress: Progress | None, wanted: int) -> None:
        self.manners = manners
        self.summary = DownloadSummary()
        self.stop = threading.Event()
        self._progress = progress
        self._wanted = wanted
        self._finished = 0
        self._lock = threading.Lock()
        self._next = 0.0

    def paths(self, urls: list[str], folder: Path, checksum: bool) -> list[Path | None]:
        """Fetch files, several at a time; the first failure or an interrupt ends it.

        Threads are daemons, and those in the midst of a silent server's answer are left behind:
        a pool of the standard library would be waited for until that answer times out.
        """
        todo: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[int, Path | BaseException | None]] = queue.SimpleQueue()
        for entry in enumerate(urls):
            todo.put(entry)

        def work() -> None:
            with suppress(queue.Empty):
                while not self.stop.is_set():
                    number, url = todo.get_nowait()
                    try:
                        done.put((number, self.fetch(url, folder, checksum)))
                    except BaseException as error:
                        done.put((number, error))

        count = min(self.manners.workers, len(urls))
        threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        found: list[Path | None] = [None] * len(urls)
        try:
            for thread in threads:
                thread.start()
            for _ in urls:
                number, result = _next(done)
                if isinstance(result, BaseException):
                    raise result
                found[number] = result
        finally:
            self.stop.set()
            patience = time.monotonic() + _PATIENCE_S
            for thread in threads:
                if thread.ident is not None:
                    thread.join(max(0.0, patience - time.monotonic()))
        return found

    def fetch(self, url: str, folder: Path, checksum: bool) -> Path | None:
        """One file, whole and verified; None where the server has none."""
        path = folder / url.rsplit("/", 1)[-1]
        if path.exists():
            self._count(already_there=1, finished=1)
            return path
        part = path.with_name(path.name + ".part")
        for attempt in range(self.manners.retries + 1):
            try:
                with suppress(_CompleteError):
                    self._transfer(url, part)
                self._verify(url, part, checksum)
            except _AbsentError:
                self._count(finished=1)
                return None
            except _TryAgainError as error:
                if self.stop.is_set():
                    return None
                if attempt == self.manners.retries:
                    raise IngestError(
                        f"cannot be fetched after {attempt + 1} tries ({error})",
                        url,
                        todo="run the same command again to continue",
                    ) from error
                self._count(retries=1)
                wait = min(60.0, max(error.wait_s, self.manners.backoff_s * 2**attempt))
                if self.stop.wait(wait):
                    return None
            else:
                part.replace(path)
                self._count(fetched=1, finished=1)
                return path
        return None

    def _transfer(self, url: str, part: Path) -> None:
        """Bring the part file to its full length, going on where it ends."""
        have = part.stat().st_size if part.exists() else 0
        with self._open(url, {"Range": f"bytes={have}-"} if have else {}) as answer:
            if have and answer.status != 206:
                have = 0  # the server begins anew
            length = answer.headers.get("Content-Length")
            with part.open("ab" if have else "wb") as out:
                got = self._copy(answer, out)
            if length is not None and got < int(length):
                raise _TryAgainError(f"ended after {got} of {length} bytes")

    def _copy(self, answer: Any, out: Any) -> int:
        got = 0
        while not self.stop.is_set():
            try:
                chunk = answer.read1(_CHUNK)
            except (OSError, HTTPException) as error:
                raise _TryAgainError(_said(error)) from error
            if not chunk:
                return got
            if self.stop.is_set():
                break  # the file may be another run's by now
            out.write(chunk)
            out.flush()
            got += len(chunk)
            self._count(size=len(chunk))
        raise _TryAgainError("interrupted")

    def _verify(self, url: str, part: Path, checksum: bool) -> None:
        if checksum:
            with self._open(url + ".CHECKSUM", {}) as answer:
                try:
                    text = answer.read(4096)
                except (OSError, HTTPException) as error:
                    raise _TryAgainError(_said(error)) from error
            wanted = text.split()[0].decode(errors="replace").lower() if text.split() else ""
            with part.open("rb") as handle:
                found = hashlib.file_digest(handle, "sha256").hexdigest()
            if found != wanted:
                part.unlink()
                raise _TryAgainError(f"its checksum is {found[:12]}, not {wanted[:12]}")
            return
        try:
            _unpack(part)
        except (EOFError, OSError, zlib.error, zipfile.BadZipFile) as error:
            part.unlink()
            raise _TryAgainError(f"is damaged ({error})") from error

    def _open(self, url: str, headers: dict[str, str]) -> Any:
        self._pace()
        request = urllib.request.Request(url, headers=headers | {"User-Agent": "of-nautilus"})
        try:
            return urllib.request.urlopen(request, timeout=self.manners.timeout_s)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (403, 404):
                raise _AbsentError from error
            if error.code == 416:  # nothing beyond what is there: the check tells if it is whole
                raise _CompleteError from error
            wait = error.headers.get("Retry-After", "0")
            raise _TryAgainError(
                f"the server answers {error.code}", float(wait) if wait.isdigit() else 0.0
            ) from error
        except (OSError, HTTPException) as error:
            raise _TryAgainError(_said(error)) from error

    def _pace(self) -> None:
        """Wait until the next request may begin."""
        with self._lock:
            now = time.monotonic()
            wait = max(0.0, self._next - now)
            self._next = max(now, self._next) + 1 / self.manners.requests_per_s
        self.stop.wait(wait)

    def _count(
        self,
        *,
        fetched: int = 0,
        already_there: int = 0,
        retries: int = 0,
        size: int = 0,
        finished: int = 0,
    ) -> None:
        with self._lock:
            self.summary.fetched += fetched
            self.summary.already_there += already_there
            self.summary.retries += retries
            self.summary.bytes += size
            self._finished += finished
            if self._progress is not None:
                self._progress(self._finished, self._wanted, self.summary.bytes)


def _said(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error) or type(error).__name__


def _unpack(path: Path) -> None:
    """Read an archive to its end, to be sure that it is whole."""
    with path.open("rb") as handle:
        zipped = handle.read(4) == b"PK\x03\x04"
    if zipped:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
        if bad is not None:
            raise zipfile.BadZipFile(bad)
        return
    with gzip.open(path) as stream:
        while stream.read(_CHUNK):
            pass
