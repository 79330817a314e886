"""Footprint bars and the CVD from lists of trades."""


def bars(rows, kind, length):
    """Lists of the trades of each bar, and whether the last one is closed."""
    found = []
    closed = True
    for row in rows:
        ts = row[0]
        if kind == "TIME":
            if not found or ts // length > found[-1][0][0] // length:
                found.append([])
            found[-1].append(row)
            closed = False
            continue
        if closed:
            found.append([])
        found[-1].append(row)
        bar = found[-1]
        prices = [trade[1] for trade in bar]
        closed = {
            "TICK": len(bar),
            "VOLUME": sum(trade[2] for trade in bar),
            "DOLLAR": sum(trade[1] * trade[2] for trade in bar),
            "RANGE": max(prices) - min(prices),
            "DELTA": abs(sum(trade[2] * trade[3] for trade in bar)),
        }[kind] >= length
    return found, closed


def running_delta(rows):
    """Delta after each trade."""
    return [sum(row[2] * row[3] for row in rows[: i + 1]) for i in range(len(rows))]


def reading(bar, ticks_per_row):
    """What a bar is, from its trades."""
    prices = [row[1] for row in bar]
    path = running_delta(bar)
    return {
        "last_ts": bar[-1][0],
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "buy": sum(row[2] for row in bar if row[3] > 0),
        "sell": sum(row[2] for row in bar if row[3] < 0),
        "unclassified": sum(row[2] for row in bar if row[3] == 0),
        "trades": len(bar),
        "delta_min": min(0, *path),
        "delta_max": max(0, *path),
        "dollars": sum(row[1] * row[2] for row in bar),
        "low_row": min(prices) // ticks_per_row,
        "high_row": max(prices) // ticks_per_row,
    }


def cells(bar, ticks_per_row):
    """Rows of [bid, ask, unknown, and the prints of each], lowest first."""
    rows = [row[1] // ticks_per_row for row in bar]
    found = []
    for number in range(min(rows), max(rows) + 1):
        here = [row for row, at in zip(bar, rows, strict=True) if at == number]
        sizes = [[row[2] for row in here if row[3] == side] for side in (-1, 1, 0)]
        found.append([sum(part) for part in sizes] + [len(part) for part in sizes])
    return found
