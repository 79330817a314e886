"""A book in two dictionaries."""

from collections.abc import Iterable

Delta = tuple[int, int, int, int, int, int]  # action, side, price, size, flags, sequence


class NaiveBook:
    """Applies deltas to {price: lots} of each side."""

    def __init__(self) -> None:
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def apply(self, delta: Delta) -> None:
        action, side, price, size, _, _ = delta
        if action == 4:
            self.sides[0].clear()
            self.sides[1].clear()
        elif side in (1, 2) and action in (1, 2, 3) and size >= 0:
            if action == 3 or size == 0:
                self.sides[side - 1].pop(price, None)
            else:
                self.sides[side - 1][price] = size

    def apply_all(self, deltas: Iterable[Delta]) -> "NaiveBook":
        for delta in deltas:
            self.apply(delta)
        return self

    def levels(self, side: int) -> list[tuple[int, int]]:
        """All levels, best first."""
        return sorted(self.sides[side].items(), reverse=side == 0)

    @property
    def bid(self) -> int | None:
        return max(self.sides[0], default=None)

    @property
    def ask(self) -> int | None:
        return min(self.sides[1], default=None)
