"""Writes a synthetic market to a Parquet catalog, and what was planted in it to a file beside."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import numpy as np
from nautilus_trader.model.instruments import CryptoPerpetual

from of_nautilus.demo.book import CLEAR
from of_nautilus.demo.market import DemoMarket
from of_nautilus.ingest.columns import F_LAST, F_SNAPSHOT, DeltaColumns, TradeColumns
from of_nautilus.ingest.instruments import perpetual
from of_nautilus.ingest.writer import CatalogWriter

DEMO_ID = "DEMO-PERP.SIM"
PLANTED_FILE = "planted.json"
_PIECE = 500_000  # rows handed to the writer at once


def demo_instrument(maker_fee: str = "0.00002", taker_fee: str = "0.00002") -> CryptoPerpetual:
    """Return the instrument of the synthetic market: tick 0.1, lot 0.001, near 6,000.

    It is made like a large index future: a minute spans about 3 basis points, and a side costs 0.2,
    which is what a retail broker asks there. At the 5 basis points that a crypto exchange takes no
    trade on one-minute bars could pay.

    >>> instrument = demo_instrument()
    >>> str(instrument.id), str(instrument.price_increment), str(instrument.size_increment)
    ('DEMO-PERP.SIM', '0.1', '0.001')
    """
    return perpetual(
        DEMO_ID,
        "BTC",
        "USDT",
        "0.1",
        "0.001",
        raw_symbol="DEMO-PERP",
        maker_fee=Decimal(maker_fee),
        taker_fee=Decimal(taker_fee),
        margin_init=Decimal("0.05"),
        margin_maint=Decimal("0.025"),
    )


def trade_columns(market: DemoMarket) -> TradeColumns:
    """Return the trades as catalog columns; prints of one order follow each other by 1 ns."""
    t = market.trades
    starts = np.flatnonzero(np.diff(t.ts, prepend=-1))
    place = np.arange(len(t)) - np.repeat(starts, np.diff(np.append(starts, len(t))))
    return TradeColumns(
        1, 3, t.ts, t.ts + place, t.price, t.size, t.side.astype(np.int8), t.trade_id
    )


def delta_columns(market: DemoMarket) -> DeltaColumns:
    """Return the book changes as catalog columns; a message's rows share its times."""
    d = market.deltas
    opening = d.sequence == d.sequence[d.action == CLEAR][0]
    flags = np.where(d.last > 0, F_LAST, 0) | np.where(opening, F_SNAPSHOT, 0)
    return DeltaColumns(
        1,
        3,
        d.ts,
        d.ts,
        d.action.astype(np.uint8),
        d.side.astype(np.int8),
        d.price,
        d.size,
        np.zeros(len(d), np.uint64),
        flags.astype(np.uint8),
        d.sequence,
    )


def write_catalog(
    market: DemoMarket,
    path: str | Path,
    progress: Callable[[float], None] | None = None,
    fee: str = "0.00002",
) -> CryptoPerpetual:
    """Write instrument, trades and book of a market, and `planted.json`; return the instrument.

    What the catalog held of this instrument, and of what was found in it, is removed first: another
    seed is another market.

    Parameters
    ----------
    market : DemoMarket
        The market.
    path : path or str
        The catalog's folder, made if absent.
    progress : callable, optional
        Called with the share of rows handed over.
    fee : str
        What a side costs, as a share of the price.

    Raises
    ------
    IngestError
        If the disk is full or the catalog holds another definition of the instrument.

    """
    instrument = demo_instrument(fee, fee)
    kinds = trade_columns(market), delta_columns(market)
    total = sum(len(rows) for rows in kinds)
    done = 0
    for old in Path(path).glob(f"data/*/{DEMO_ID}"):
        shutil.rmtree(old)
    with CatalogWriter(path, instrument) as writer:
        for rows in kinds:
            for at in range(0, len(rows), _PIECE):
                piece = rows.pick(slice(at, at + _PIECE))
                writer.write(piece)
                done += len(piece)
                if progress:
                    progress(done / total)
    facts = {
        "config": asdict(market.config),
        "value_areas": market.value_areas,
        "planted": [asdict(plant) for plant in market.planted],
    }
    Path(path, PLANTED_FILE).write_text(json.dumps(facts, indent=1) + "\n")
    return instrument
