"""Binance USD-M's payloads, from the state of an `Exchange`."""

from decimal import Decimal
from typing import Any

from tests.venues.exchange import Exchange, Happening, VenueFill, VenueOrder
from tests.venues.session import Increment

TAKER = Decimal("0.0005")
MAKER = Decimal("0.0002")
ORDER_TYPES = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"]
ERRORS = {
    "duplicate id": (-4116, "ClientOrderId is duplicated."),
    "reduce only": (-2022, "ReduceOnly Order is rejected."),
    "would trigger": (-2021, "Order would immediately trigger."),
    "post only": (-5022, "Due to the order could not be executed as maker, it is rejected."),
    "unknown order": (-2011, "Unknown order sent."),
    "no order": (-2013, "Order does not exist."),
    "time": (-1021, "Timestamp for this request is outside of the recvWindow."),
    "margin": (-2019, "Margin is insufficient."),
    "rate limit": (-1003, "Too many requests."),
}
_ZEROS = dict.fromkeys(
    [
        "totalInitialMargin",
        "totalMaintMargin",
        "totalUnrealizedProfit",
        "totalPositionInitialMargin",
        "totalOpenOrderInitialMargin",
        "totalCrossUnPnl",
    ],
    "0",
)


def exchange_info(symbol: str, tick: Increment, lot: Increment, now_ms: int) -> dict[str, Any]:
    """One perpetual."""
    base = symbol.removesuffix("USDT")
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": 2400,
            }
        ],
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [
            {
                "symbol": symbol,
                "pair": symbol,
                "contractType": "PERPETUAL",
                "deliveryDate": 4133404800000,
                "onboardDate": 1569398400000,
                "status": "TRADING",
                "maintMarginPercent": "2.5000",
                "requiredMarginPercent": "5.0000",
                "baseAsset": base,
                "quoteAsset": "USDT",
                "marginAsset": "USDT",
                "pricePrecision": tick.decimals,
                "quantityPrecision": lot.decimals,
                "baseAssetPrecision": 8,
                "quotePrecision": 8,
                "underlyingType": "COIN",
                "underlyingSubType": ["PoW"],
                "settlePlan": 0,
                "triggerProtect": "0.0500",
                "liquidationFee": "0.012500",
                "marketTakeBound": "0.05",
                "maxMoveOrderLimit": 10000,
                "filters": _filters(tick.text, lot.text),
                "orderTypes": [*ORDER_TYPES, "TRAILING_STOP_MARKET"],
                "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
            }
        ],
    }


def _filters(tick: str, lot: str) -> list[dict[str, Any]]:
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": tick,
            "maxPrice": "4529764",
            "tickSize": tick,
        },
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "100000", "stepSize": lot},
        {"filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": "12000", "stepSize": lot},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": "1.0500",
            "multiplierDown": "0.9500",
            "multiplierDecimal": "4",
        },
    ]


def account(exchange: Exchange, now_ms: int) -> dict[str, Any]:
    wallet = str(exchange.wallet)
    total = dict.fromkeys(
        ["totalWalletBalance", "totalMarginBalance", "totalCrossWalletBalance"], wallet
    )
    free = dict.fromkeys(["availableBalance", "maxWithdrawAmount"], wallet)
    asset = {
        "asset": "USDT",
        "walletBalance": wallet,
        "unrealizedProfit": "0",
        "marginBalance": wallet,
        "maintMargin": "0",
        "initialMargin": "0",
        "positionInitialMargin": "0",
        "openOrderInitialMargin": "0",
        "crossWalletBalance": wallet,
        "crossUnPnl": "0",
        "marginAvailable": True,
        "updateTime": now_ms,
        **free,
    }
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": now_ms,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        **_ZEROS,
        **total,
        **free,
        "assets": [asset],
        "positions": [],
    }


def symbol_config(symbol: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "marginType": "CROSSED",
        "isAutoAddMargin": False,
        "leverage": 10,
        "maxNotionalValue": "1000000",
    }


def position_risk(symbol: str, exchange: Exchange, now_ms: int) -> list[dict[str, Any]]:
    if not exchange.position:
        return []
    return [
        {
            "symbol": symbol,
            "positionSide": "BOTH",
            "positionAmt": str(exchange.position),
            "entryPrice": str(exchange.entry),
            "breakEvenPrice": str(exchange.entry),
            "markPrice": str(exchange.last),
            "unRealizedProfit": "0",
            "liquidationPrice": "0",
            "isolatedMargin": "0",
            "notional": str(exchange.position * exchange.last),
            "marginAsset": "USDT",
            "isolatedWallet": "0",
            "marginType": "cross",
            "isAutoAddMargin": "false",
            "leverage": "10",
            "maxNotionalValue": "1000000",
            "adl": 1,
            "updateTime": now_ms,
        }
    ]


def side(order: VenueOrder) -> str:
    return "BUY" if order.side > 0 else "SELL"


def _status(order: VenueOrder) -> str:
    if order.status == "PENDING":
        return "NEW"
    if order.status != "TRIGGERED":
        return order.status
    return "PARTIALLY_FILLED" if order.filled else "NEW"


def order_id(order: VenueOrder) -> int:
    """The id in the matching engine: a stop gets one when it has triggered."""
    return order.market_id or order.id


def order(symbol: str, order: VenueOrder, now_ms: int) -> dict[str, Any]:
    kind = "LIMIT" if order.kind == "LIMIT" else "MARKET"
    return {
        "orderId": order_id(order),
        "symbol": symbol,
        "clientOrderId": order.client_id,
        "side": side(order),
        "type": kind,
        "origType": kind,
        "timeInForce": order.time_in_force,
        "origQty": str(order.size),
        "price": str(order.price),
        "avgPrice": str(order.average),
        "executedQty": str(order.filled),
        "cumQuote": str(order.value),
        "status": _status(order),
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "time": order.time_ms,
        "updateTime": now_ms,
        "goodTillDate": 0,
    }


_ALGO = {"PENDING": "NEW", "PARTIALLY_FILLED": "TRIGGERED", "FILLED": "FINISHED"}


def algo_order(symbol: str, order: VenueOrder, now_ms: int) -> dict[str, Any]:
    return {
        "algoId": order.id,
        "clientAlgoId": order.client_id,
        "algoType": "CONDITIONAL",
        "orderType": "STOP_MARKET",
        "symbol": symbol,
        "side": side(order),
        "positionSide": "BOTH",
        "timeInForce": order.time_in_force,
        "quantity": str(order.size),
        "algoStatus": _ALGO.get(order.status, order.status),
        "triggerPrice": str(order.trigger),
        "price": "0",
        "icebergQuantity": None,
        "selfTradePreventionMode": "NONE",
        "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": False,
        "priceProtect": False,
        "reduceOnly": order.reduce_only,
        "activatePrice": None,
        "callbackRate": None,
        "createTime": order.time_ms,
        "updateTime": now_ms,
        "triggerTime": 0,
        "goodTillDate": 0,
        "actualOrderId": str(order.market_id) if order.market_id else "",
    }


def user_trade(symbol: str, fill: VenueFill) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "id": fill.id,
        "orderId": order_id(fill.order),
        "side": side(fill.order),
        "price": str(fill.price),
        "qty": str(fill.size),
        "quoteQty": str(fill.size * fill.price),
        "realizedPnl": str(fill.realized),
        "commission": str(fill.fee),
        "commissionAsset": "USDT",
        "time": fill.time_ms,
        "positionSide": "BOTH",
        "maker": fill.maker,
        "buyer": fill.order.side > 0,
    }


def old_trade(trade: dict[str, Any]) -> dict[str, Any]:
    """A recorded print as a row of the list of past trades."""
    return {
        "id": trade["t"],
        "price": trade["p"],
        "qty": trade["q"],
        "quoteQty": str(Decimal(trade["p"]) * Decimal(trade["q"])),
        "time": trade["T"],
        "isBuyerMaker": trade["m"],
    }


def order_update(
    symbol: str, happening: Happening, order: VenueOrder, fill: VenueFill | None, now_ms: int
) -> dict[str, Any]:
    kind = "LIMIT" if order.kind == "LIMIT" else "MARKET"
    update = {
        "s": symbol,
        "c": order.client_id,
        "S": side(order),
        "o": kind,
        "f": order.time_in_force,
        "q": str(order.size),
        "p": str(order.price),
        "ap": str(order.average),
        "sp": "0",
        "x": happening,
        "X": _status(order),
        "i": order_id(order),
        "l": str(fill.size) if fill else "0",
        "z": str(order.filled),
        "L": str(fill.price) if fill else "0",
        "T": now_ms,
        "t": fill.id if fill else 0,
        "b": "0",
        "a": "0",
        "m": fill.maker if fill else False,
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": kind,
        "ps": "BOTH",
        "cp": False,
        "rp": str(fill.realized) if fill else "0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "gtd": 0,
    }
    if fill:
        update |= {"N": "USDT", "n": str(fill.fee)}
    return {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": now_ms, "o": update}


def algo_update(symbol: str, status: str, order: VenueOrder, now_ms: int) -> dict[str, Any]:
    update = {
        "caid": order.client_id,
        "aid": order.id,
        "at": "CONDITIONAL",
        "o": "STOP_MARKET",
        "s": symbol,
        "S": side(order),
        "ps": "BOTH",
        "f": order.time_in_force,
        "q": str(order.size),
        "X": status,
        "ai": str(order.market_id) if status != "TRIGGERING" and order.market_id else "",
        "ap": str(order.average),
        "aq": str(order.filled),
        "act": "MARKET",
        "tp": str(order.trigger),
        "p": "0",
        "V": "NONE",
        "wt": "CONTRACT_PRICE",
        "pm": "NONE",
        "cp": False,
        "pP": False,
        "R": order.reduce_only,
        "tt": 0,
        "gtd": 0,
    }
    return {"e": "ALGO_UPDATE", "E": now_ms, "T": now_ms, "o": update}


def account_update(symbol: str, exchange: Exchange, now_ms: int) -> dict[str, Any]:
    wallet = str(exchange.wallet)
    position = {
        "s": symbol,
        "pa": str(exchange.position),
        "ep": str(exchange.entry),
        "cr": "0",
        "up": "0",
        "mt": "cross",
        "iw": "0",
        "ps": "BOTH",
    }
    balance = {"a": "USDT", "wb": wallet, "cw": wallet, "bc": "0"}
    return {
        "e": "ACCOUNT_UPDATE",
        "E": now_ms,
        "T": now_ms,
        "a": {"m": "ORDER", "B": [balance], "P": [position]},
    }
