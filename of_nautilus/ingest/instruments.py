"""Nautilus instruments: presets by id, from a venue's own metadata file, or from increments."""

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AssetClass
from nautilus_trader.model.identifiers import InstrumentId, Symbol
from nautilus_trader.model.instruments import (
    Cfd,
    CryptoPerpetual,
    CurrencyPair,
    Equity,
    FuturesContract,
    Instrument,
)
from nautilus_trader.model.objects import Currency, Money, Price, Quantity
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from of_nautilus.ingest.errors import IngestError
from of_nautilus.ingest.store import Store, open_store


def _rates(**rates: str) -> dict[str, Any]:
    return {name: Decimal(text) for name, text in rates.items()}


# What an account without discounts pays at its venue.
_BINANCE_PERP = _rates(
    maker_fee="0.0002", taker_fee="0.0005", margin_init="0.05", margin_maint="0.025"
)
_BINANCE_SPOT = _rates(maker_fee="0.001", taker_fee="0.001")
_BYBIT_LINEAR = _rates(
    maker_fee="0.0002", taker_fee="0.00055", margin_init="0.05", margin_maint="0.025"
)
_BYBIT_SPOT = _rates(maker_fee="0.001", taker_fee="0.001")


def perpetual(
    instrument_id: str,
    base: str,
    quote: str,
    price_increment: str,
    size_increment: str,
    *,
    raw_symbol: str | None = None,
    min_notional: str | None = None,
    **more: Any,
) -> CryptoPerpetual:
    """A linear perpetual contract; decimals of the increments are those of prices and sizes."""
    tick, lot = _increments(price_increment, size_increment)
    settlement = Currency.from_str(quote)
    return CryptoPerpetual(
        instrument_id=InstrumentId.from_str(instrument_id),
        raw_symbol=Symbol(raw_symbol or base + quote),
        base_currency=Currency.from_str(base),
        quote_currency=settlement,
        settlement_currency=settlement,
        is_inverse=False,
        price_precision=tick.precision,
        size_precision=lot.precision,
        price_increment=tick,
        size_increment=lot,
        min_notional=None if min_notional is None else Money(Decimal(min_notional), settlement),
        ts_event=0,
        ts_init=0,
        **more,
    )


def pair(
    instrument_id: str,
    base: str,
    quote: str,
    price_increment: str,
    size_increment: str,
    *,
    raw_symbol: str | None = None,
    min_notional: str | None = None,
    **more: Any,
) -> CurrencyPair:
    """A spot or currency pair."""
    tick, lot = _increments(price_increment, size_increment)
    money = Currency.from_str(quote)
    return CurrencyPair(
        instrument_id=InstrumentId.from_str(instrument_id),
        raw_symbol=Symbol(raw_symbol or base + quote),
        base_currency=Currency.from_str(base),
        quote_currency=money,
        price_precision=tick.precision,
        size_precision=lot.precision,
        price_increment=tick,
        size_increment=lot,
        lot_size=lot,
        min_notional=None if min_notional is None else Money(Decimal(min_notional), money),
        ts_event=0,
        ts_init=0,
        **more,
    )


def equity(instrument_id: str, price_increment: str = "0.0100") -> Equity:
    """A US stock: ticks of a cent, with the four decimals in which midpoint trades are printed."""
    tick, _ = _increments(price_increment, "1")
    symbol = InstrumentId.from_str(instrument_id).symbol
    return Equity(
        instrument_id=InstrumentId.from_str(instrument_id),
        raw_symbol=symbol,
        currency=USD,
        price_precision=tick.precision,
        price_increment=tick,
        lot_size=Quantity.from_int(1),
        ts_event=0,
        ts_init=0,
    )


def future(
    instrument_id: str, price_increment: str, multiplier: str, underlying: str = ""
) -> FuturesContract:
    """A dollar futures contract on an index, without dates of activation and expiry."""
    tick, _ = _increments(price_increment, "1")
    symbol = InstrumentId.from_str(instrument_id).symbol
    return FuturesContract(
        instrument_id=InstrumentId.from_str(instrument_id),
        raw_symbol=symbol,
        asset_class=AssetClass.INDEX,
        currency=USD,
        price_precision=tick.precision,
        price_increment=tick,
        multiplier=Quantity.from_str(multiplier),
        lot_size=Quantity.from_int(1),
        underlying=underlying or symbol.value[:-2],
        activation_ns=0,
        expiration_ns=0,
        ts_event=0,
        ts_init=0,
    )


def cfd(
    instrument_id: str,
    quote: str,
    price_increment: str,
    size_increment: str,
    asset_class: AssetClass = AssetClass.INDEX,
) -> Cfd:
    """A contract for difference, as a MetaTrader broker offers it."""
    tick, lot = _increments(price_increment, size_increment)
    return Cfd(
        instrument_id=InstrumentId.from_str(instrument_id),
        raw_symbol=InstrumentId.from_str(instrument_id).symbol,
        asset_class=asset_class,
        quote_currency=Currency.from_str(quote),
        price_precision=tick.precision,
        size_precision=lot.precision,
        price_increment=tick,
        size_increment=lot,
        ts_event=0,
        ts_init=0,
    )


def _binance_perp(base: str, tick: str, lot: str, notional: str) -> Callable[[], Instrument]:
    return lambda: perpetual(
        f"{base}USDT-PERP.BINANCE",
        base,
        "USDT",
        tick,
        lot,
        min_notional=notional,
        **_BINANCE_PERP,
    )


def _binance_spot(base: str, tick: str, lot: str) -> Callable[[], Instrument]:
    return lambda: pair(
        f"{base}USDT.BINANCE", base, "USDT", tick, lot, min_notional="5", **_BINANCE_SPOT
    )


def _bybit_linear(base: str, tick: str, lot: str) -> Callable[[], Instrument]:
    return lambda: perpetual(f"{base}USDT-LINEAR.BYBIT", base, "USDT", tick, lot, **_BYBIT_LINEAR)


# The decimals are those of the venue's own definitions: its spot filters always carry eight.
PRESETS: dict[str, Callable[[], Instrument]] = {
    "BTCUSDT-PERP.BINANCE": _binance_perp("BTC", "0.10", "0.001", "100"),
    "ETHUSDT-PERP.BINANCE": _binance_perp("ETH", "0.01", "0.001", "20"),
    "BTCUSDT.BINANCE": _binance_spot("BTC", "0.01000000", "0.00001000"),
    "ETHUSDT.BINANCE": _binance_spot("ETH", "0.01000000", "0.00010000"),
    "NEXOUSDT.BINANCE": _binance_spot("NEXO", "0.00100000", "0.01000000"),
    "BTCUSDT-LINEAR.BYBIT": _bybit_linear("BTC", "0.10", "0.001"),
    "ETHUSDT-LINEAR.BYBIT": _bybit_linear("ETH", "0.01", "0.01"),
    "XRPUSDT-LINEAR.BYBIT": _bybit_linear("XRP", "0.0001", "1"),
    "SPY.ARCA": lambda: equity("SPY.ARCA"),
    "AAPL.NASDAQ": lambda: equity("AAPL.NASDAQ"),
    "ESH4.GLBX": lambda: future("ESH4.GLBX", "0.25", "50", "ES"),
}


def find_instrument(
    instrument_id: str,
    *,
    metadata: str | Path | None = None,
    price_increment: str | None = None,
    size_increment: str | None = None,
    catalog: Any = None,
) -> Instrument:
    """The instrument of an id: from the venue's file, from increments, the catalog, or a preset.

    Parameters
    ----------
    instrument_id : str
        Such as "BTCUSDT-PERP.BINANCE".
    metadata : path, optional
        The venue's answer as it came: Binance exchangeInfo or Bybit instruments-info (JSON).
    price_increment, size_increment : str, optional
        The tick and the lot as decimal text, where nothing else defines the instrument.
    catalog : path, str or ParquetDataCatalog, optional
        One that may hold the definition already.

    Raises
    ------
    IngestError
        If nothing defines the id; the message says what is known and how to define it.

    """
    try:
        InstrumentId.from_str(instrument_id)
    except ValueError as error:
        raise IngestError(
            f"{instrument_id!r} is not an instrument id", todo="write SYMBOL.VENUE"
        ) from error
    if metadata is not None:
        return from_metadata(metadata, instrument_id)
    if price_increment is not None and size_increment is not None:
        return from_increments(instrument_id, price_increment, size_increment)
    held = None if catalog is None else held_definition(catalog, instrument_id)
    if held is not None:
        return held
    if instrument_id in PRESETS:
        return PRESETS[instrument_id]()
    raise IngestError(
        f"unknown instrument {instrument_id!r}",
        todo=f"known are {', '.join(sorted(PRESETS))}; for any other give the venue's metadata "
        "file, or its price and size increments",
    )


def held_definition(catalog: Any, instrument_id: str) -> Instrument | None:
    """The definition that a catalog holds of an instrument, if any."""
    store = open_store(catalog)
    if not store.exists("data"):
        return None
    held = host_catalog(store).instruments(instrument_ids=[instrument_id])
    return held[-1] if held else None


def host_catalog(store: Store) -> ParquetDataCatalog:
    """The host's own catalog object for a store."""
    catalog = ParquetDataCatalog(store.root, fs_protocol=store.protocol)
    catalog.fs = store.fs
    return catalog


def from_increments(instrument_id: str, price_increment: str, size_increment: str) -> Instrument:
    """An instrument of which no more than the tick and the lot are known.

    The kind follows the id: `-PERP` and `-LINEAR` make a perpetual, a symbol that ends in a
    well-known quote currency a pair, a whole-number lot an equity, all else a CFD in dollars.
    """
    tick, lot = _increments(price_increment, size_increment)
    symbol = instrument_id.rsplit(".", 1)[0]
    plain = symbol.removesuffix("-PERP").removesuffix("-LINEAR").removesuffix("-SPOT")
    for quote in ("USDT", "USDC", "FDUSD", "BTC", "ETH", "EUR", "USD", "GBP", "JPY", "CHF"):
        base = plain.replace("/", "").removesuffix(quote)
        if plain.endswith(quote) and base:
            build = perpetual if symbol.endswith(("-PERP", "-LINEAR")) else pair
            return build(instrument_id, base, quote, str(tick), str(lot), raw_symbol=plain)
    if lot.precision == 0:
        return equity(instrument_id, str(tick))
    return cfd(instrument_id, "USD", str(tick), str(lot))


def from_metadata(path: str | Path, instrument_id: str) -> Instrument:
    """An instrument from Binance's exchangeInfo or Bybit's instruments-info, as JSON."""
    try:
        answer = json.loads(Path(path).read_bytes())
        raw = instrument_id.rsplit(".", 1)[0].split("-")[0]
        if "symbols" in answer:
            return _from_binance(answer["symbols"], raw, instrument_id)
        return _from_bybit(answer["result"]["list"], raw, instrument_id)
    except OSError as error:
        raise IngestError(f"cannot be read ({error.strerror})", path) from error
    except (ValueError, KeyError, TypeError) as error:
        raise IngestError(
            f"is no exchangeInfo and no instruments-info ({type(error).__name__}: {error})",
            path,
            todo="save the venue's JSON answer as it came",
        ) from error
    except LookupError as error:
        raise IngestError(str(error), path) from error


def _from_binance(symbols: list[dict[str, Any]], raw: str, instrument_id: str) -> Instrument:
    entry = _entry(symbols, raw)
    if entry.get("contractType", "PERPETUAL") != "PERPETUAL":
        raise LookupError(f"holds {raw} as {entry['contractType']}, not as a perpetual")
    filters = {f["filterType"]: f for f in entry["filters"]}
    notional = filters.get("MIN_NOTIONAL") or filters.get("NOTIONAL") or {}
    tick = filters["PRICE_FILTER"]["tickSize"]
    lot = filters["LOT_SIZE"]["stepSize"]
    base, quote = entry["baseAsset"], entry["quoteAsset"]
    limit = notional.get("notional") or notional.get("minNotional")
    if "contractType" in entry:
        return perpetual(
            instrument_id,
            base,
            quote,
            tick,
            lot,
            raw_symbol=raw,
            min_notional=limit,
            **_BINANCE_PERP,
        )
    return pair(
        instrument_id, base, quote, tick, lot, raw_symbol=raw, min_notional=limit, **_BINANCE_SPOT
    )


def _from_bybit(entries: list[dict[str, Any]], raw: str, instrument_id: str) -> Instrument:
    entry = _entry(entries, raw)
    if entry.get("contractType", "LinearPerpetual") != "LinearPerpetual":
        raise LookupError(f"holds {raw} as {entry['contractType']}, not as a linear perpetual")
    lots = entry["lotSizeFilter"]
    tick = entry["priceFilter"]["tickSize"]
    lot = lots.get("qtyStep") or lots["basePrecision"]
    base, quote = entry["baseCoin"], entry["quoteCoin"]
    if "qtyStep" in lots:
        return perpetual(
            instrument_id,
            base,
            quote,
            tick,
            lot,
            raw_symbol=raw,
            min_notional=lots.get("minNotionalValue"),
            **_BYBIT_LINEAR,
        )
    return pair(instrument_id, base, quote, tick, lot, raw_symbol=raw, **_BYBIT_SPOT)


def _entry(entries: list[dict[str, Any]], raw: str) -> dict[str, Any]:
    for entry in entries:
        if entry["symbol"] == raw:
            return entry
    raise LookupError(f"does not hold the symbol {raw}")


def _increments(price_increment: str, size_increment: str) -> tuple[Price, Quantity]:
    for text in (price_increment, size_increment):
        try:
            good = Decimal(text) > 0
        except InvalidOperation:
            good = False
        if not good:
            raise IngestError(f"an increment must be a decimal number above 0, was {text!r}")
    return Price.from_str(price_increment), Quantity.from_str(size_increment)
