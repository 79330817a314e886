"""Bybit's payloads for a linear perpetual, from the state of an `Exchange`."""

import uuid
from decimal import Decimal
from typing import Any

from tests.venues.exchange import Exchange, VenueFill, VenueOrder
from tests.venues.faults import Rights
from tests.venues.session import Increment

TAKER = Decimal("0.00055")
MAKER = Decimal("0.0002")
ERRORS = {
    "duplicate id": (110072, "OrderLinkedID is duplicate"),
    "reduce only": (110017, "current position is zero, cannot fix reduce-only order qty"),
    "would trigger": (110093, "expect Falling, but trigger_price >= current"),
    "post only": (170213, "PostOnly order will take liquidity"),
    "unknown order": (110001, "order not exists or too late to cancel"),
    "no order": (110001, "order not exists or too late to cancel"),
    "margin": (110007, "ab not enough for new order"),
    "rate limit": (10006, "Too many visits!"),
    "time": (10002, "invalid request, please check your server timestamp or recv_window param"),
}


def answer(result: dict[str, Any], now_ms: int) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now_ms}


def listed(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"category": "linear", "nextPageCursor": "", "list": list(rows)}


def instrument(symbol: str, tick: Increment, lot: Increment) -> dict[str, Any]:
    """A perpetual."""
    return {
        "symbol": symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": symbol.removesuffix("USDT"),
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "launchTime": "1584230400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(tick.decimals),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": tick.text, "maxPrice": "1999999.80", "tickSize": tick.text},
        "lotSizeFilter": {
            "maxOrderQty": "119000",
            "minOrderQty": lot.text,
            "qtyStep": lot.text,
            "postOnlyMaxOrderQty": "119000",
            "maxMktOrderQty": "50000",
            "minNotionalValue": "5",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "copyTrading": "both",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "isPreListing": False,
        "preListingInfo": None,
        "displayName": "",
        "symbolType": "",
    }


def fee_rate(symbol: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "baseCoin": "",
        "takerFeeRate": str(TAKER),
        "makerFeeRate": str(MAKER),
    }


def account_info(now_ms: int) -> dict[str, Any]:
    return {
        "marginMode": "REGULAR_MARGIN",
        "updatedTime": str(now_ms),
        "unifiedMarginStatus": 4,
        "dcpStatus": "OFF",
        "timeWindow": 10,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }


def api_key(rights: Rights) -> dict[str, Any]:
    none: list[str] = []
    groups = ["Spot", "Wallet", "Options", "Exchange", "Earn", "FiatP2P", "FiatBitPay"]
    groups += ["FiatConvertBroker", "BitCard", "ByXPost", "NFT", "Affiliate", "CopyTrading"]
    permissions = dict.fromkeys([*groups, "BlockTrade"], none)
    permissions |= {"ContractTrade": ["Order", "Position"], "Derivatives": ["DerivativesTrade"]}
    if rights.may_withdraw:
        permissions["Wallet"] = ["AccountTransfer", "Withdraw"]
    return {
        "id": "1",
        "note": "test",
        "apiKey": "test-key",
        "readOnly": int(not rights.may_trade),
        "secret": "",
        "permissions": permissions,
        "ips": ["*"],
        "type": 1,
        "deadlineDay": 60,
        "expiredAt": "2030-01-01T00:00:00Z",
        "createdAt": "2024-01-01T00:00:00Z",
        "unified": 1,
        "uta": 1,
        "userID": 1,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "",
        "isMaster": True,
        "parentUid": "0",
        "kycLevel": "LEVEL_1",
        "kycRegion": "X",
    }


def wallet(exchange: Exchange) -> dict[str, Any]:
    money = str(exchange.wallet)
    names = ["equity", "walletBalance", "usdValue", "availableToWithdraw"]
    zeros = ["bonus", "accruedInterest", "totalOrderIM", "totalPositionMM", "unrealisedPnl"]
    zeros += ["spotHedgingQty", "borrowAmount", "totalPositionIM", "cumRealisedPnl", "locked"]
    coin = dict.fromkeys(names, money) | dict.fromkeys([*zeros, "spotBorrow"], "0")
    coin |= {"coin": "USDT", "availableToBorrow": ""}
    totals = ["totalEquity", "totalMarginBalance", "totalAvailableBalance", "totalWalletBalance"]
    rates = ["accountIMRate", "accountMMRate", "accountLTV", "totalInitialMargin"]
    rates += ["totalMaintenanceMargin", "totalPerpUPL"]
    flags = {"collateralSwitch": True, "marginCollateral": True}
    return {
        "accountType": "UNIFIED",
        **dict.fromkeys(totals, money),
        **dict.fromkeys(rates, "0"),
        "coin": [coin | flags],
    }


def position(symbol: str, exchange: Exchange, now_ms: int) -> dict[str, Any]:
    size = exchange.position
    side = "Buy" if size > 0 else "Sell" if size < 0 else ""
    zeros = ["positionIM", "positionMM", "positionBalance", "trailingStop", "unrealisedPnl"]
    empty = ["liqPrice", "bustPrice", "takeProfit", "stopLoss", "sessionAvgPrice"]
    empty += ["mmrSysUpdatedTime", "leverageSysUpdatedTime"]
    return {
        "positionIdx": 0,
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": symbol,
        "side": side,
        "size": str(abs(size)),
        "avgPrice": str(exchange.entry),
        "entryPrice": str(exchange.entry),
        "positionValue": str(abs(size) * exchange.entry),
        "markPrice": str(exchange.last),
        "tradeMode": 0,
        "autoAddMargin": 0,
        "positionStatus": "Normal",
        "leverage": "10",
        "tpslMode": "Full",
        **dict.fromkeys([*zeros, "curRealisedPnl", "cumRealisedPnl"], "0"),
        **dict.fromkeys(empty, ""),
        "adlRankIndicator": 2,
        "createdTime": str(now_ms),
        "updatedTime": str(now_ms),
        "seq": 1,
        "isReduceOnly": False,
    }


def side(order: VenueOrder) -> str:
    return "Buy" if order.side > 0 else "Sell"


def status(order: VenueOrder) -> str:
    if order.status in ("PENDING", "NEW"):
        return "Untriggered" if order.kind == "STOP" else "New"
    if order.status in ("CANCELED", "EXPIRED"):
        if order.kind == "STOP" and not order.market_id:
            return "Deactivated"
        return "PartiallyFilledCanceled" if order.filled else "Cancelled"
    return {"PARTIALLY_FILLED": "PartiallyFilled", "FILLED": "Filled", "TRIGGERED": "Triggered"}[
        order.status
    ]


def order_id(order: VenueOrder) -> str:
    return f"{order.id:08d}-0000-4000-8000-000000000000"


def order(symbol: str, order: VenueOrder, exchange: Exchange, now_ms: int) -> dict[str, Any]:
    stop = order.kind == "STOP"
    empty = ["takeProfit", "stopLoss", "tpTriggerBy", "slTriggerBy", "orderIv", "isLeverage"]
    empty += ["tpslMode", "tpLimitPrice", "slLimitPrice", "placeType", "feeCurrency", "smpOrderId"]
    return {
        "category": "linear",
        "symbol": symbol,
        "orderId": order_id(order),
        "orderLinkId": order.client_id,
        "blockTradeId": "",
        "side": side(order),
        "orderType": "Limit" if order.kind == "LIMIT" else "Market",
        "orderStatus": status(order),
        "price": str(order.price),
        "qty": str(order.size),
        "positionIdx": 0,
        "createType": "CreateByUser",
        "cancelType": "CancelByUser" if order.status == "CANCELED" else "UNKNOWN",
        "rejectReason": "EC_NoError",
        "avgPrice": str(order.average) if order.filled else "",
        "leavesQty": str(order.left) if order.is_open or order.status == "PENDING" else "0",
        "leavesValue": "0",
        "cumExecQty": str(order.filled),
        "cumExecValue": str(order.value),
        "cumExecFee": "0",
        "timeInForce": "PostOnly" if order.time_in_force == "GTX" else order.time_in_force,
        "stopOrderType": "Stop" if stop else "",
        "triggerPrice": str(order.trigger) if stop else "",
        "triggerDirection": (1 if order.side > 0 else 2) if stop else 0,
        "triggerBy": "LastPrice" if stop else "",
        "lastPriceOnCreated": str(exchange.last),
        "reduceOnly": order.reduce_only,
        "closeOnTrigger": False,
        "smpType": "None",
        "smpGroup": 0,
        "closedPnl": "0",
        "marketUnit": "",
        **dict.fromkeys(empty, ""),
        "createdTime": str(order.time_ms),
        "updatedTime": str(now_ms),
    }


def execution(symbol: str, fill: VenueFill) -> dict[str, Any]:
    order = fill.order
    empty = ["tradeIv", "markIv", "indexPrice", "underlyingPrice", "blockTradeId"]
    return {
        "category": "linear",
        "symbol": symbol,
        "orderId": order_id(order),
        "orderLinkId": order.client_id,
        "side": side(order),
        "orderPrice": str(order.price),
        "orderQty": str(order.size),
        "leavesQty": str(order.left),
        "orderType": "Limit" if order.kind == "LIMIT" else "Market",
        "stopOrderType": "Stop" if order.kind == "STOP" else "UNKNOWN",
        "createType": "CreateByUser",
        "execId": str(uuid.UUID(int=fill.id)),
        "execPrice": str(fill.price),
        "execQty": str(fill.size),
        "execValue": str(fill.size * fill.price),
        "execFee": str(fill.fee),
        "execType": "Trade",
        "execTime": str(fill.time_ms),
        "execPnl": str(fill.realized),
        "feeRate": str(MAKER if fill.maker else TAKER),
        "feeCurrency": "USDT",
        "isMaker": fill.maker,
        "isLeverage": "0",
        "markPrice": str(fill.price),
        "closedSize": "0",
        "extraFees": "",
        "marketUnit": "",
        "seq": fill.id,
        **dict.fromkeys(empty, ""),
    }


def public_trade(trade: dict[str, Any]) -> dict[str, Any]:
    """A recorded print as a message of Bybit's trade topic."""
    row = {
        "T": trade["T"],
        "s": trade["s"],
        "S": "Sell" if trade["m"] else "Buy",
        "v": trade["q"],
        "p": trade["p"],
        "L": "PlusTick",
        "i": str(trade["t"]),
        "BT": False,
        "RPI": False,
        "seq": trade["t"],
    }
    topic = f"publicTrade.{trade['s']}"
    return {"topic": topic, "type": "snapshot", "ts": trade["E"], "data": [row]}


def recent_trade(trade: dict[str, Any]) -> dict[str, Any]:
    """A recorded print as a row of the list of recent trades."""
    return {
        "execId": str(trade["t"]),
        "symbol": trade["s"],
        "price": trade["p"],
        "size": trade["q"],
        "side": "Sell" if trade["m"] else "Buy",
        "time": str(trade["T"]),
        "isBlockTrade": False,
        "isRPITrade": False,
        "seq": str(trade["t"]),
    }
