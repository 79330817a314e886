"""What a venue's REST interface says before a node is started: read once, nothing is changed."""

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from of_nautilus.errors import UserError

_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Keys:
    """An API key and its secret; neither is ever shown."""

    key: str
    secret: str

    def __repr__(self) -> str:
        return "Keys(hidden)"

    def sign(self, text: str) -> str:
        """Return the HMAC-SHA256 of a text, in hexadecimal digits."""
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class MarketFacts:
    """An instrument at its venue; `price` is the last one. Money in the quote currency."""

    trading: bool
    tick: Decimal
    lot: Decimal
    min_size: Decimal
    min_notional: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """A key's rights and its account. `position` is signed, in base units; None: not known."""

    may_trade: bool
    may_withdraw: bool | None
    one_way: bool
    free: Decimal
    currency: str
    leverage: Decimal | None
    position: Decimal
    open_orders: int


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """How far the venue's clock is ahead of ours, and how long it took to ask, ms."""

    ahead_ms: float
    round_trip_ms: float


class Venue:
    """A venue's REST interface.

    Parameters
    ----------
    url : str
        Its address, without a path.
    keys : Keys, optional
        For what is asked about the account.
    rights_url : str, optional
        Where a key's rights are asked for, if it is another address.
    """

    def __init__(self, url: str, keys: Keys | None = None, rights_url: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.keys = keys
        self.rights_url = rights_url

    def clock(self) -> ClockFacts:
        """Compare the clocks: the venue's time against ours in the middle of a round trip.

        The fastest of three says most.
        """
        return min((self._compared() for _ in range(3)), key=lambda one: one.round_trip_ms)

    def _compared(self) -> ClockFacts:
        began = time.time()
        venue_ms = self._time_ms()
        ended = time.time()
        return ClockFacts(venue_ms - 500.0 * (began + ended), 1000.0 * (ended - began))

    def market(self, symbol: str) -> MarketFacts | None:
        """Return what the venue says of a symbol, None if it does not know it."""
        raise NotImplementedError

    def account(self, symbol: str) -> AccountFacts:
        """Return what the key may do, and what its account holds."""
        raise NotImplementedError

    def _time_ms(self) -> float:
        raise NotImplementedError

    def _get(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        url: str | None = None,
    ) -> Any:
        """Return a decoded answer; an error names the path, never the query with its signature."""
        query = urllib.parse.urlencode(params or {})
        address = f"{url or self.url}{path}{'?' if query else ''}{query}"
        request = urllib.request.Request(address, headers=dict(headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise UserError(f"{path}: {_said(error)}", url or self.url) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise UserError(f"{path}: {reason}", url or self.url) from None

    def _need_keys(self) -> Keys:
        if self.keys is None:
            raise UserError("asked for the account without a key", self.url)
        return self.keys


def _said(error: urllib.error.HTTPError) -> str:
    """Return what a venue says of a refusal."""
    try:
        told = json.loads(error.read())
        return f"{told.get('msg') or told.get('retMsg') or told} (HTTP {error.code})"
    except (OSError, ValueError, AttributeError):
        return f"HTTP {error.code}"


class Binance(Venue):
    """USD-M futures of Binance."""

    def _time_ms(self) -> float:
        return float(self._get("/fapi/v1/time")["serverTime"])

    def market(self, symbol: str) -> MarketFacts | None:
        """Return what the venue says of a symbol, None if it does not know it."""
        listed = self._get("/fapi/v1/exchangeInfo")["symbols"]
        found = next((one for one in listed if one["symbol"] == symbol), None)
        if found is None:
            return None
        filters = {one["filterType"]: one for one in found["filters"]}
        lots, least = filters["LOT_SIZE"], filters.get("MIN_NOTIONAL", {})
        (last,) = self._get("/fapi/v1/aggTrades", {"symbol": symbol, "limit": 1}) or [{"p": "0"}]
        return MarketFacts(
            trading=found["status"] == "TRADING",
            tick=Decimal(filters["PRICE_FILTER"]["tickSize"]),
            lot=Decimal(lots["stepSize"]),
            min_size=Decimal(lots["minQty"]),
            min_notional=Decimal(least.get("notional", "0")),
            price=Decimal(last["p"]),
        )

    def account(self, symbol: str) -> AccountFacts:
        """Return what the key may do, and what its account holds."""
        account = self._signed("/fapi/v2/account")
        risks = self._signed("/fapi/v3/positionRisk", {"symbol": symbol})
        orders = self._signed("/fapi/v1/openOrders", {"symbol": symbol})
        stops = self._signed("/fapi/v1/openAlgoOrders", {"symbol": symbol})
        setup = self._signed("/fapi/v1/symbolConfig", {"symbol": symbol})
        leverage = next((one["leverage"] for one in setup if one["symbol"] == symbol), None)
        withdraws = trades = None
        if self.rights_url:
            rights = self._signed("/sapi/v1/account/apiRestrictions", url=self.rights_url)
            withdraws, trades = rights["enableWithdrawals"], rights["enableFutures"]
        return AccountFacts(
            may_trade=bool(account["canTrade"]) and trades is not False,
            may_withdraw=withdraws,
            one_way=not self._signed("/fapi/v1/positionSide/dual")["dualSidePosition"],
            free=Decimal(account["availableBalance"]),
            currency="USDT",
            leverage=None if leverage is None else Decimal(leverage),
            position=sum((Decimal(one["positionAmt"]) for one in risks), Decimal(0)),
            open_orders=len(orders) + len(stops),
        )

    def _signed(
        self, path: str, params: Mapping[str, Any] | None = None, url: str | None = None
    ) -> Any:
        keys = self._need_keys()
        signed = {**(params or {}), "recvWindow": 5000, "timestamp": int(time.time() * 1000)}
        signed["signature"] = keys.sign(urllib.parse.urlencode(signed))
        return self._get(path, signed, {"X-MBX-APIKEY": keys.key}, url)


class Bybit(Venue):
    """Linear perpetuals of Bybit, in a unified account."""

    def _time_ms(self) -> float:
        return float(self._result("/v5/market/time")["timeNano"]) / 1e6

    def market(self, symbol: str) -> MarketFacts | None:
        """Return what the venue says of a symbol, None if it does not know it."""
        params = {"category": "linear", "symbol": symbol}
        listed = self._result("/v5/market/instruments-info", params)["list"]
        found = next((one for one in listed if one["symbol"] == symbol), None)
        if found is None:
            return None
        lots = found["lotSizeFilter"]
        trades = self._result("/v5/market/recent-trade", {**params, "limit": 1})["list"]
        return MarketFacts(
            trading=found["status"] == "Trading",
            tick=Decimal(found["priceFilter"]["tickSize"]),
            lot=Decimal(lots["qtyStep"]),
            min_size=Decimal(lots["minOrderQty"]),
            min_notional=Decimal(lots.get("minNotionalValue") or "0"),
            price=Decimal(trades[0]["price"]) if trades else Decimal(0),
        )

    def account(self, symbol: str) -> AccountFacts:
        """Return what the key may do, and what its account holds."""
        of_symbol = {"category": "linear", "symbol": symbol}
        rights = self._result("/v5/user/query-api", {}, signed=True)
        granted = rights["permissions"]
        (wallet,) = self._result(
            "/v5/account/wallet-balance", {"accountType": "UNIFIED"}, signed=True
        )["list"]
        positions = self._result("/v5/position/list", of_symbol, signed=True)["list"]
        orders = self._result("/v5/order/realtime", of_symbol, signed=True)["list"]
        signs = {"Buy": 1, "Sell": -1}
        held = [signs.get(one["side"], 0) * Decimal(one["size"] or 0) for one in positions]
        leverage = next((one["leverage"] for one in positions if one.get("leverage")), None)
        return AccountFacts(
            may_trade=not rights["readOnly"] and "Order" in granted.get("ContractTrade", []),
            may_withdraw="Withdraw" in granted.get("Wallet", []),
            one_way=all(int(one.get("positionIdx", 0)) == 0 for one in positions),
            free=Decimal(wallet["totalAvailableBalance"] or 0),
            currency="USD",
            leverage=None if leverage is None else Decimal(leverage),
            position=sum(held, Decimal(0)),
            open_orders=len(orders),
        )

    def _result(
        self, path: str, params: Mapping[str, Any] | None = None, *, signed: bool = False
    ) -> Any:
        headers = {}
        if signed:
            keys, now, window = self._need_keys(), str(int(time.time() * 1000)), "5000"
            query = urllib.parse.urlencode(params or {})
            headers = {
                "X-BAPI-API-KEY": keys.key,
                "X-BAPI-TIMESTAMP": now,
                "X-BAPI-RECV-WINDOW": window,
                "X-BAPI-SIGN": keys.sign(f"{now}{keys.key}{window}{query}"),
            }
        answer = self._get(path, params, headers)
        if answer["retCode"]:
            raise UserError(f"{path}: {answer['retMsg']} ({answer['retCode']})", self.url)
        return answer["result"]


VENUES: dict[str, Callable[..., Venue]] = {"BINANCE": Binance, "BYBIT": Bybit}
