"""One vector of features, read from the state at a grid time.

Everything here only reads. The order is that of `features.TABLE`; what is not known is NaN.
"""

import math

from numba import njit

from of_nautilus.core import book_measures, ofi, vwap, windows
from of_nautilus.core.microprice import micro_price_of
from of_nautilus.model import seconds

SECOND = 1_000_000_000
MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND
DAY = 24 * HOUR
FUNDING = 8 * HOUR
TWO_PI = 6.283185307179586
LEAST_PARENTS = 30  # market orders before "large" means anything


@njit(cache=True)
def share(part, rest):  # type: ignore[no-untyped-def]
    """Return (part - rest) / (part + rest), 0 of nothing."""
    return (part - rest) / (part + rest) if part + rest > 0 else 0.0


@njit(cache=True)
def ratio(a, b):  # type: ignore[no-untyped-def]
    """Return a / b; NaN unless b > 0."""
    return a / b if b > 0 else math.nan


@njit(cache=True)
def write_flow(s, flow, history, t, out):  # type: ignore[no-untyped-def]
    """Write the ten features of order flow imbalance."""
    of = flow.ofi
    known = of.events > 0
    lot = s.lot if known else math.nan
    for w in range(3):
        out[w] = of.sums[w, 0] * lot
    out[3] = ofi.norm_of(of, 1)
    out[4] = ofi.norm_of(of, 2)
    out[5] = ofi.z_of(of, history, 1) if known else math.nan
    out[6] = of.sums[1, 1] * lot
    deeper = 0
    for m in range(1, 5):
        deeper += of.sums[1, m]
    out[7] = deeper * lot
    out[8] = math.nan
    if of.fitted and known:
        total = 0.0
        if of.all_lots[1] > 0:
            scale = 2.0 * of.depth * of.books[1] / of.all_lots[1]
            for m in range(of.depth):
                total += of.weights[m] * of.sums[1, m] * scale
        out[8] = total
    # The grid's own values of a minute ago, if there was one.
    out[9] = math.nan
    slots = len(s.norms)
    at = (t // s.sample) % slots
    back = ((t - MINUTE) // s.sample) % slots
    if s.norm_ts[back] == t - MINUTE:
        out[9] = out[3] - s.norms[back]
    s.norms[at] = out[3]
    s.norm_ts[at] = t


@njit(cache=True)
def write_depth(s, flow, top, out):  # type: ignore[no-untyped-def]
    """Write the ten features of depth and the two others that the same reading gives."""
    read = s.reading
    book_measures.read_measures(read, flow.book, flow.spread, top, 100.0 / s.lot)
    out[10] = read.imbalance_1
    out[11] = read.imbalance_3
    out[12] = read.imbalance_5
    out[13] = read.imbalance_10
    out[14] = read.imbalance_all
    out[15] = math.log(read.total_depth * s.lot) if read.total_depth > 0 else math.nan
    out[16] = math.log(read.depth_ratio) if read.depth_ratio > 0 else math.nan
    out[17] = read.spread_bps
    out[18] = read.spread_z
    out[19] = math.nan
    if flow.book.trusted:
        micro, _ = micro_price_of(
            s.micro_table, top[0, 0, 0], top[0, 0, 1], top[1, 0, 0], top[1, 0, 1]
        )
        out[19] = (micro - read.mid) / read.mid * 1e4
    out[30] = read.bid_slope
    out[31] = read.ask_slope
    total = read.bid_slope + read.ask_slope
    out[32] = (read.ask_slope - read.bid_slope) / total if total > 0 else math.nan
    out[37] = read.depth_concentration


@njit(cache=True)
def write_trades(s, trades, t, out):  # type: ignore[no-untyped-def]
    """Write the ten features of trades; return the mean size of a market order in 5 min, lots."""
    tape, tape_tails = trades.tape, trades.tape_tails
    parents, parent_tails = trades.parents, trades.parent_tails
    windows.advance(s.tape, tape, tape_tails, t)
    windows.advance(s.parents, parents, parent_tails, t)
    sums = s.sums
    windows.read_window(s.parents, parents, parent_tails, 0, sums)
    buyers, sellers, orders = sums.buy, sums.sell, sums.trades
    windows.read_window(s.parents, parents, parent_tails, 1, sums)
    orders_5m, large_buy = sums.trades, sums.large_buy
    windows.read_window(s.tape, tape, tape_tails, 0, sums)
    out[20] = sums.buy * s.lot
    out[21] = sums.sell * s.lot
    out[22] = share(sums.buy, sums.sell)
    out[24] = orders
    out[25] = ratio(sums.buy * s.lot, buyers)
    out[26] = ratio(sums.sell * s.lot, sellers)
    windows.read_window(s.tape, tape, tape_tails, 1, sums)
    volume = sums.buy + sums.sell + sums.unclassified
    out[23] = share(sums.buy, sums.sell)
    out[27] = math.nan
    if s.large.seen >= LEAST_PARENTS:
        out[27] = 1.0 if s.big_ts > t - MINUTE else 0.0
    out[28] = math.nan
    if s.large.seen >= s.large.window:
        out[28] = large_buy / volume if volume > 0 else 0.0
    s.cvds[(t // s.sample) % len(s.cvds)] = s.cvd
    s.cvd_ts[(t // s.sample) % len(s.cvds)] = t
    out[29] = cvd_slope(s, t) * s.lot
    return volume / orders_5m if orders_5m > 0 else 0.0


@njit(cache=True)
def cvd_slope(s, t):  # type: ignore[no-untyped-def]
    """Return the least-squares slope of CVD on time over the grid's last 5 min, lots a second.

    NaN unless the grid was whole.
    """
    steps = 5 * MINUTE // s.sample
    slots = len(s.cvds)
    middle = steps / 2.0
    base = s.cvds[(t // s.sample) % slots]
    xy = xx = 0.0
    for k in range(steps + 1):
        at = (t // s.sample - k) % slots
        if s.cvd_ts[at] != t - k * s.sample:
            return math.nan
        x = middle - k
        xy += x * (s.cvds[at] - base)
        xx += x * x
    return xy / xx / (s.sample / 1e9)


@njit(cache=True)
def write_shape(s, flow, book, usual, out):  # type: ignore[no-untyped-def]
    """Write what a market order of ten usual ones would cost, and how thin the sides are."""
    out[33] = flow.resilience.half_life
    out[34] = out[35] = out[36] = math.nan
    if not flow.book.trusted:
        return
    lots = int(usual * 10.0)
    if lots > 0:
        window, blocks, far = book.window, book.blocks, book.far
        out[34] = book_measures.impact_of(flow.book, window, blocks, far, 1, lots)
        out[35] = book_measures.impact_of(flow.book, window, blocks, far, 0, lots)
    top = book.top
    thin_bids = book_measures.thin_count_of(top, 0, book_measures.thin_limit_of(top, 0))
    thin_asks = book_measures.thin_count_of(top, 1, book_measures.thin_limit_of(top, 1))
    out[36] = thin_asks - thin_bids


@njit(cache=True)
def write_technical(s, t, out):  # type: ignore[no-untyped-def]
    """Write the seven features of price."""
    second = s.seconds
    out[38] = seconds.momentum(second, t, 60)
    out[39] = seconds.momentum(second, t, 300)
    out[40] = seconds.volatility(second, t, 60)
    out[41] = seconds.volatility(second, t, 300)
    average, _ = vwap.read_vwap(s.vwap)
    mid = s.reading.mid
    out[42] = (mid - average) / average * 1e4 if average > 0 else math.nan
    out[43] = seconds.range_position(second, t, 300)
    out[44] = seconds.strength_index(second, t)


@njit(cache=True)
def write_time(s, t, out):  # type: ignore[no-untyped-def]
    """Write the five features of the clock."""
    angle = TWO_PI * ((t % DAY) / DAY)
    out[45] = math.sin(angle)
    out[46] = math.cos(angle)
    out[47] = (t - s.session_start) / MINUTE
    if s.session_end - s.session_start == DAY:
        out[48] = (FUNDING - t % FUNDING) / MINUTE
    else:
        out[48] = (s.session_end - t) / MINUTE
    out[49] = (t // DAY + 3) % 7  # 1 January 1970 was a Thursday


@njit(cache=True)
def write_toxicity(s, trades, out):  # type: ignore[no-untyped-def]
    """Write the four features of toxicity and impact."""
    out[50] = s.vpin.value if s.on_vpin else math.nan
    out[51] = s.kyle.slope / s.lot
    out[52] = s.amihud.value / (s.tick * s.lot)
    out[53] = roll_spread(s.parents, trades.parents, trades.parent_tails[1].first)


@njit(cache=True)
def roll_spread(orders, ring, first):  # type: ignore[no-untyped-def]
    """Return `2 sqrt(-cov)` of each price change of market orders with the one before, ticks.

    Over the orders from number `first` on; NaN with fewer than 30 changes.
    """
    mask = len(ring) - 1
    pairs = orders.trades - first - 2
    if pairs < 29:
        return math.nan
    products = newer = older = 0
    previous = ring[(first + 1) & mask].price - ring[first & mask].price
    for k in range(first + 2, orders.trades):
        change = ring[k & mask].price - ring[(k - 1) & mask].price
        products += change * previous
        newer += change
        older += previous
        previous = change
    covariance = (pairs * products - newer * older) / (float(pairs) * pairs)
    return 2.0 * math.sqrt(max(-covariance, 0.0))


@njit(cache=True)
def write_context(s, out):  # type: ignore[no-untyped-def]
    """Write the eight features of the session's frame and of the last bars."""
    mid = s.reading.mid
    out[54] = mid - s.poc
    out[55] = mid - s.vah
    out[56] = mid - s.val
    out[57] = math.nan
    if s.vah == s.vah and mid == mid:
        out[57] = 1.0 if s.val <= mid <= s.vah else 0.0
    out[58] = s.bias
    out[59] = s.imbalances
    out[60] = math.nan
    if s.bars_closed > 0:
        total = 0
        for k in range(len(s.stacked)):
            total += s.stacked[k]
        out[60] = total
    out[61] = s.divergence
