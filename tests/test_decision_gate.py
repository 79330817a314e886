"""Cooldown, session end and the halts of the day."""

from decimal import Decimal

import pytest

from of_nautilus.decision.gate import (
    DAY,
    SECOND,
    DayLedger,
    GateConfig,
    check_halt,
    entry_gate,
    record_trade,
    roll_day,
)
from tests.conftest import vectors

RULES = GateConfig()


def test_cooldown_vectors() -> None:
    record = vectors("v14_framing_status")["cooldown"]
    last, allowed = None, []
    for ms, kind in record["inputs"]["t_ms_kind"]:
        now = ms * 1_000_000
        refusal = None
        if kind == "entry":
            refusal = entry_gate(
                now, ledger=DayLedger(), last_entry_ns=last, session_end_ns=None, config=RULES
            )
            last = now if refusal is None else last
        allowed.append(refusal is None)
    assert allowed == record["expected"]["allowed"]


def test_session_end() -> None:
    end = 1_000 * SECOND

    def reason(now: int) -> str | None:
        refusal = entry_gate(
            now, ledger=DayLedger(), last_entry_ns=None, session_end_ns=end, config=RULES
        )
        return refusal.reason if refusal else None

    assert reason(400 * SECOND - 1) is None
    assert reason(400 * SECOND) == "session_end"


def test_daily_loss_counts_open_money_and_lasts_the_day() -> None:
    ledger = roll_day(DayLedger(), 5 * DAY, Decimal(10_000))
    ledger = record_trade(ledger, Decimal(-60))
    assert not check_halt(ledger, Decimal("-39.99"), RULES).halt
    halted = check_halt(ledger, Decimal(-40), RULES)
    assert halted.halt == "daily_loss"
    assert check_halt(record_trade(halted, Decimal(500)), Decimal(0), RULES).halt == "daily_loss"
    refusal = entry_gate(
        5 * DAY, ledger=halted, last_entry_ns=None, session_end_ns=None, config=RULES
    )
    assert refusal is not None
    assert refusal.reason == "halted_daily_loss"
    assert roll_day(halted, 6 * DAY - 1, Decimal(1)) is halted
    assert roll_day(halted, 6 * DAY, Decimal(9_940)) == DayLedger(day=6, equity=Decimal(9_940))


def test_loss_streak() -> None:
    ledger = roll_day(DayLedger(), DAY, Decimal(10_000))
    for _ in range(4):
        ledger = record_trade(ledger, Decimal(-1))
    assert not check_halt(ledger, Decimal(0), RULES).halt
    assert record_trade(ledger, Decimal(0)).losses == 0
    assert check_halt(record_trade(ledger, Decimal(-1)), Decimal(0), RULES).halt == "loss_streak"


def test_ledger_survives_json() -> None:
    ledger = DayLedger(3, Decimal("10000.10"), Decimal("-3.7"), 2, "daily_loss")
    assert DayLedger.from_dict(ledger.to_dict()) == ledger


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cooldown_ns", -1),
        ("max_daily_loss", 0.0),
        ("max_losses", 0),
        ("flat_before_end_ns", -1),
        ("max_entries_per_level", 0),
    ],
)
def test_bad_parameters(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"`{field}`"):
        GateConfig(**{field: value})  # type: ignore[arg-type]
