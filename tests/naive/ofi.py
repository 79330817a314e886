"""OFI by the papers' cases, and its windows by going through everything again."""

from statistics import mean, stdev

Level = tuple[int, int] | None  # price, lots
Side = list[Level]
Row = tuple[int, list[int], list[int]]  # ts, e by level, (qb + qa) by level

SECOND = 1_000_000_000


def bid_part(before: Level, after: Level) -> int:
    if after is None or before is None:
        return (after[1] if after else 0) - (before[1] if before else 0)
    if after[0] > before[0]:
        return after[1]
    if after[0] < before[0]:
        return -before[1]
    return after[1] - before[1]


def ask_part(before: Level, after: Level) -> int:
    if after is None or before is None:
        return (before[1] if before else 0) - (after[1] if after else 0)
    if after[0] < before[0]:
        return -after[1]
    if after[0] > before[0]:
        return before[1]
    return before[1] - after[1]


def rows(books: list[tuple[int, tuple[Side, Side] | None, int]], depth: int) -> list[Row]:
    """The e of each book that has one before to compare with; None is a book not to trust."""
    found, previous, epoch = [], None, 0
    for ts, book, book_epoch in books:
        if book is None or book_epoch != epoch:
            previous = None
        epoch = book_epoch
        if book is None:
            continue
        padded = [(side + [None] * depth)[:depth] for side in book]
        if previous is not None:
            e = [
                bid_part(previous[0][m], padded[0][m]) + ask_part(previous[1][m], padded[1][m])
                for m in range(depth)
            ]
            lots = [sum(side[m][1] if side[m] else 0 for side in padded) for m in range(depth)]
            found.append((ts, e, lots))
        previous = padded
    return found


def window(found: list[Row], t: int, w: int) -> list[Row]:
    return [row for row in found if t - w < row[0] <= t]


def ofi(found: list[Row], t: int, w: int, level: int = 0) -> int:
    return sum(row[1][level] for row in window(found, t, w))


def norm(found: list[Row], t: int, w: int) -> float:
    inside = window(found, t, w)
    return ofi(found, t, w) / mean(row[2][0] / 2 for row in inside) if inside else 0.0


def scaled(found: list[Row], t: int, w: int, depth: int) -> list[float]:
    inside = window(found, t, w)
    if not inside:
        return [0.0] * depth
    q = sum(sum(row[2]) / 2 for row in inside) / depth / len(inside)
    return [ofi(found, t, w, m) / q for m in range(depth)]


def z(found: list[Row], t: int, w: int) -> float | None:
    """Against the whole seconds before t, an hour of them."""
    if not found:
        return None
    first = -(-found[0][0] // SECOND)
    seconds = range(max(first, -(-t // SECOND) - 3600), -(-t // SECOND))
    samples = [ofi(found, second * SECOND, w) for second in seconds]
    if len(samples) < 30:
        return None
    deviation = stdev(samples)
    return (ofi(found, t, w) - mean(samples)) / deviation if deviation else 0.0
