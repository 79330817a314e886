"""One session of the synthetic market: its scripted trades, and what is planted between them."""

from collections.abc import Callable

from of_nautilus.demo.config import DemoConfig
from of_nautilus.demo.episodes import LENGTH, SCRIPTS, USUAL_LENGTH, Script
from of_nautilus.demo.plan import Plan
from of_nautilus.demo.plants import KINDS, Made, Planted

QUIET_BARS = 45  # at the start, for what needs a history
GAP_BARS = 4  # between planted patterns at least
BEYOND = 1.0  # usual ranges that price may wander past the value area: its levels hold


def script_of(session: int, config: DemoConfig) -> tuple[tuple[str, int, int], ...]:
    """What a session plays: (episode, side, method of absorption) in order."""
    return SCRIPTS[(session - 1) % len(SCRIPTS)] if session and config.episodes else ()


def room_of(session: int, config: DemoConfig) -> int:
    """Bars of a session that its script leaves to other patterns."""
    taken = sum(LENGTH.get(name, USUAL_LENGTH) for name, _, _ in script_of(session, config))
    return max(0, config.bars_per_session - (taken if session else QUIET_BARS))


class SessionPlan:
    """Plans one session: scripted trades, and the other patterns spread over the bars between."""

    def __init__(
        self, plan: Plan, session: int, areas: list[tuple[int, int, int]], config: DemoConfig
    ) -> None:
        self.plan, self.session, self.config = plan, session, config
        self.planted: list[Planted] = []
        self.episode = ""
        # Absorptions outside the script keep away from the levels that a strategy may trade.
        self.levels = [price for area in areas for price in area]
        plan.open_session(session)
        self.left_over: list[tuple[str, int, int]] = []
        if areas:
            _, self.val, self.vah = areas[-1]
        self.center()

    def play(self, todo: list[tuple[str, int, int]]) -> None:
        """Plan all bars of the session; what there is no room for goes to `left_over`."""
        plan, script = self.plan, script_of(self.session, self.config)
        if self.session == 0:
            plan.background(min(QUIET_BARS, plan.left // 4))
        for k, (name, side, method) in enumerate(script):
            parts = len(script) + 1 - k
            needed = sum(LENGTH.get(n, USUAL_LENGTH) for n, _, _ in script[k:])
            if plan.left < needed:
                break
            # Nothing comes after a trade that the session's end closes.
            last = name == "session_end"
            if last:  # near its level when its time comes
                level = self.val if side > 0 else self.vah
                middle = level + round(side * 4 * self.config.range_ticks)
                near = round(3 * self.config.range_ticks)
                plan.confine(middle - near, middle + near)
            self.scatter(
                todo if last else todo[::parts], (plan.left - needed) // (1 if last else parts)
            )
            del todo[:: 1 if last else parts]
            self.episode = name
            player = Script(plan, self.val, self.vah, self.config.power, self.record)
            getattr(player, name)(side, method)
            self.episode = ""
            self.center()
        again, self.left_over = self.left_over, []
        self.scatter(todo + again, plan.left)

    def center(self) -> None:
        """Let price wander around the last value area again."""
        if self.levels:
            beyond = round(BEYOND * self.config.range_ticks)
            self.plan.confine(self.val - beyond, self.vah + beyond)

    def scatter(self, todo: list[tuple[str, int, int]], bars: int) -> None:
        """Plant patterns over the next bars, at random distances."""
        plan, end = self.plan, self.plan.j + bars
        todo = list(todo)
        while todo:
            kind, side, miss = todo.pop()
            need = sum(KINDS[k][1] + GAP_BARS + 1 for k, _, _ in todo) + KINDS[kind][1]
            spare = end - plan.j - need
            if spare < GAP_BARS:
                self.left_over.append((kind, side, miss))
                continue
            extra = 2 * max(0, spare - GAP_BARS) // (len(todo) + 2)
            plan.background(min(GAP_BARS + int(plan.rng.integers(0, 1 + extra)), spare))
            if not self.plant(kind, side, miss):
                self.left_over.append((kind, side, miss))
        plan.background(end - plan.j)

    def plant(self, kind: str, side: int, miss: int) -> bool:
        """Plant one pattern where it makes no other by accident, a few bars later if need be."""
        make, bars = KINDS[kind]
        plan = self.plan
        near = 2 * self.config.range_ticks
        for _ in range(30):
            if plan.left < bars:
                break
            at_level = any(abs(plan.at - level) < near for level in self.levels)
            if not (at_level and kind.startswith("absorption")):
                j = plan.j
                made = make(plan, side, self.config.power, miss)
                if plan.clear(j, (kind,) if miss < 0 else ()) and plan.inside(j):
                    self.note(kind, side, miss >= 0, j, made)
                    return True
                plan.undo(j)
            plan.background(1)
        return False

    def record(self, kind: str, side: int, make: Callable[[], Made]) -> None:
        """Make a pattern of a scripted trade and note it."""
        if self.plan.left >= KINDS[kind][1]:
            j = self.plan.j
            self.note(kind, side, False, j, make())

    def note(self, kind: str, side: int, near_miss: bool, first_bar: int, made: Made) -> None:
        """Remember a pattern that ends with the bar planned last."""
        length = self.config.bar_ns
        self.planted.append(
            Planted(
                kind,
                side,
                self.config.start_ns + first_bar * length,
                self.config.start_ns + self.plan.j * length - 1,
                made.price,
                self.session,
                near_miss,
                self.episode,
                made.strength,
            )
        )
