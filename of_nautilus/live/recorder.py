"""Records a live session to a catalog while it runs, in the order in which it was received.

Every message gets a time of reception of its own, later than the one before, so that a backtest
over the recording sees trades and book in the order in which the session's own components saw them.
Parts are written by a thread of their own, each to temporary files that then take their names: a
crash leaves whole files only, and loses what came since the last part. The same thread joins the
parts of an hour that is over, and the hours of a day.
"""

import asyncio
from array import array
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from nautilus_trader.common.actor import Actor
from nautilus_trader.model.data import OrderBookDeltas, TradeTick
from nautilus_trader.model.objects import FIXED_PRECISION

from of_nautilus.data import JournalNote, data_type, subscribe_book
from of_nautilus.ingest.columns import Columns, DeltaColumns, TradeColumns
from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.joining import HOUR_NS, join_files
from of_nautilus.ingest.staging import recover
from of_nautilus.ingest.store import open_store
from of_nautilus.ingest.writer import CatalogWriter
from of_nautilus.live.config import RecorderConfig

_SIDES = (0, 1, -1)
_TIMER = "part"


class Recorder(Actor):
    """Records the trades and the book of one instrument.

    `trades` and `changes` count what has been written, `lost` what could not be.
    """

    def __init__(self, config: RecorderConfig) -> None:
        super().__init__(config)
        self.trades = self.changes = self.lost = 0
        self._trades = _new_rows()
        self._ids: list[str] = []
        self._changes = _new_rows()
        self._last = 0
        self._writer = ThreadPoolExecutor(1, "recorder")
        self._joined_until = 0
        self._parts: list[tuple[Future[None], int, int]] = []
        self._failed = False

    def on_start(self) -> None:
        """Subscribe, and write a part from time to time."""
        config = self.config
        self._instrument = self.cache.instrument(config.instrument_id)
        if self._instrument is None:
            self.log.error(f"instrument not found: instrument_id={config.instrument_id}")
            self.stop()
            return
        # What a crash left half joined must be whole before anybody reads it.
        recover(open_store(config.catalog))
        self._price_unit = 10 ** (FIXED_PRECISION - self._instrument.price_precision)
        self._size_unit = 10 ** (FIXED_PRECISION - self._instrument.size_precision)
        self.subscribe_trade_ticks(config.instrument_id)
        if config.book:
            subscribe_book(self, config.instrument_id)
        loop = asyncio.get_running_loop()
        # The host's live timers run on a thread of their own.
        self.clock.set_timer(
            _TIMER,
            pd.Timedelta(seconds=config.part_secs),
            callback=lambda _: loop.call_soon_threadsafe(self._part),
        )

    def on_trade_tick(self, tick: TradeTick) -> None:
        """Keep a trade."""
        self._trades.extend(
            (
                tick.ts_event,
                self._received(tick.ts_init),
                tick.price.raw // self._price_unit,
                tick.size.raw // self._size_unit,
                _SIDES[tick.aggressor_side],
            )
        )
        self._ids.append(tick.trade_id.value)
        if len(self._ids) >= self.config.part_rows:
            self._part()

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        """Keep a message of the book."""
        add, received = self._changes.extend, self._received(deltas.ts_init)
        price_unit, size_unit = self._price_unit, self._size_unit
        for delta in deltas.deltas:
            order = delta.order
            add(
                (
                    delta.ts_event,
                    received,
                    order.price.raw // price_unit,
                    order.size.raw // size_unit,
                    _SIDES[order.side],
                    delta.action,
                    order.order_id,
                    delta.flags,
                    delta.sequence,
                )
            )
        if len(self._changes) >= 9 * self.config.part_rows:
            self._part()

    def on_stop(self) -> None:
        """Write what is left, and wait for it."""
        if _TIMER in self.clock.timer_names:
            self.clock.cancel_timer(_TIMER)
        self._part()
        self._collect(wait=True)
        self.log.info(f"recorded: trades={self.trades} changes={self.changes} lost={self.lost}")

    def on_dispose(self) -> None:
        """Let the thread go."""
        self._writer.shutdown()

    def _received(self, ts_init: int) -> int:
        self._last = max(ts_init, self._last + 1)
        return self._last

    def _part(self) -> None:
        """Hand what has come over to the thread that writes."""
        self._collect()
        if len(self._parts) > 2:
            # The disk does not keep up: what waits must stay bounded.
            self._lose(len(self._ids), len(self._changes) // 9, "the disk is too slow")
            self._trades, self._ids, self._changes = _new_rows(), [], _new_rows()
            return
        pieces: list[Columns] = []
        if self._ids:
            pieces.append(self._trade_columns())
        if self._changes:
            pieces.append(self._change_columns())
        if not pieces:
            return
        counts = len(self._ids), len(self._changes) // 9
        self._trades, self._ids, self._changes = _new_rows(), [], _new_rows()
        self._parts.append((self._writer.submit(self._write, pieces), *counts))

    def _write(self, pieces: list[Columns]) -> None:
        with CatalogWriter(
            self.config.catalog, self._instrument, overlap="append", unique_ids=False
        ) as writer:
            for piece in pieces:
                writer.write(piece)
        hour = int(max(piece.ts_init[-1] for piece in pieces)) // HOUR_NS
        if hour > self._joined_until:
            # What cannot be joined stays in parts, and is tried again with the next one.
            with suppress(OSError, pa.ArrowException):
                for kind in (TradeColumns, DeltaColumns):
                    join_files(self.config.catalog, kind, self.config.instrument_id, hour * HOUR_NS)
                self._joined_until = hour

    def _collect(self, *, wait: bool = False) -> None:
        """See what has become of the parts."""
        while self._parts and (wait or self._parts[0][0].done()):
            part, trades, changes = self._parts.pop(0)
            error = part.exception()
            if error is None:
                self.trades += trades
                self.changes += changes
                self._failed = False
            elif isinstance(error, (IngestError, OSError)):
                self._lose(trades, changes, str(error))
            else:
                raise error

    def _lose(self, trades: int, changes: int, reason: str) -> None:
        self.lost += trades + changes
        if self._failed:
            return
        self._failed = True
        self.log.error(f"not recorded: rows={trades + changes} reason={reason}")
        if not self.is_running:
            return
        now, instrument_id = self.clock.timestamp_ns(), self.config.instrument_id
        note = JournalNote(
            ts_event=now,
            ts_init=now,
            instrument_id=instrument_id,
            what="not_recorded",
            reason=reason,
            alarm=True,
        )
        self.publish_data(data_type(JournalNote, instrument_id), note)

    def _trade_columns(self) -> TradeColumns:
        rows = _table(self._trades, 5)
        return TradeColumns(
            self._instrument.price_precision,
            self._instrument.size_precision,
            ts_event=rows[0],
            ts_init=rows[1],
            price=rows[2],
            size=rows[3],
            side=rows[4].astype(np.int8),
            trade_id=pa.array(self._ids, pa.string()),
        )

    def _change_columns(self) -> DeltaColumns:
        rows = _table(self._changes, 9)
        return DeltaColumns(
            self._instrument.price_precision,
            self._instrument.size_precision,
            ts_event=rows[0],
            ts_init=rows[1],
            price=rows[2],
            size=rows[3],
            side=rows[4].astype(np.int8),
            action=rows[5].astype(np.uint8),
            order_id=rows[6].astype(np.uint64),
            flags=rows[7].astype(np.uint8),
            sequence=rows[8],
        )


def _new_rows() -> "array[int]":
    return array("q")


def _table(rows: "array[int]", width: int) -> Any:
    """Return rows as columns, each of its own."""
    return np.frombuffer(rows, np.int64).reshape(-1, width).T.copy()
