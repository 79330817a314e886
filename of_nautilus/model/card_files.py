"""The folder of a model: its card as JSON, as text and as a picture, and the files of its trees."""

import json
import math
from pathlib import Path
from typing import Any

from of_nautilus.model.prediction import CARD
from of_nautilus.model.training import FoldResult

TRIED = "tried.json"


def tried(folder: Path) -> list[dict[str, Any]]:
    """Return the variants whose training in a folder was begun, as the cards told them."""
    try:
        told: list[dict[str, Any]] = json.loads((folder / TRIED).read_text())
    except OSError:
        return []
    return told


def write_fold(folder: Path, number: int, result: FoldResult) -> None:
    """Write the model files of a fold."""
    inside = folder / f"fold_{number:03d}"
    inside.mkdir(parents=True, exist_ok=True)
    for name, model in result.models.items():
        _put(inside / f"{name}.txt", model.booster.model_to_string())


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Write the card as JSON, as Markdown, and its calibration as a picture."""
    _put(folder / "calibration.svg", calibration_svg(card))
    _put(folder / "card.md", markdown(card))
    _put(folder / TRIED, json.dumps(_jsonable(card["tried"]["variants"]), indent=1) + "\n")
    _put(folder / CARD, json.dumps(_jsonable(card), indent=1, allow_nan=False) + "\n")


def _put(path: Path, text: str) -> None:
    part = path.with_suffix(".tmp")
    part.write_text(text)
    part.replace(path)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _jsonable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown(card: dict[str, Any]) -> str:
    """Return the card as text for people."""

    def number(value: Any) -> str:
        # What was no number when the card was written is nothing when it is read again.
        if value is None or value != value:
            return "-"
        return f"{value:.4f}" if isinstance(value, float) else str(value)

    def interval(told: dict[str, Any]) -> str:
        return f"{number(told['value'])} [{number(told['low'])}, {number(told['high'])}]"

    lines = [
        f"# Model of {card['instrument_id']}",
        "",
        f"**{card['verdict'][0].upper()}{card['verdict'][1:]}.**",
        "",
        f"Data {card['data']['first']} to {card['data']['last']}: {card['data']['vectors']} vectors"
        f" of `{card['features']['sha256'][:16]}`; variants tried: {card['tried']['count']}.",
        "" if card["complete"] else "\nTraining was stopped: these are the folds that were done.\n",
        "| test | rows | IC 1 min | IC 5 min | AUC 1 min | AUC 5 min | log loss 1 min (base) |"
        " hit rate 1 min (calls) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for fold in [*card["folds"], card["all"]]:
        one, five = fold["p_up_1m"], fold["p_up_5m"]
        cells = (
            f"{fold['test'][0]} to {fold['test'][1]}",
            fold["test_rows"],
            interval(fold["mag"]["ic"]),
            interval(five["ic"]),
            number(one["auc"]),
            number(five["auc"]),
            f"{number(one['log_loss'])} ({number(one['log_loss_of_base_rate'])})",
            f"{number(one['hit_rate'])} ({one['calls']})",
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += [
        "",
        "The last row is all tests together. Intervals are 95%, for samples that overlap.",
    ]
    if "shuffled_labels" in card:
        told = card["shuffled_labels"]
        covers = "covers" if told["covers_zero"] else "does NOT cover"
        lines += [
            "",
            f"Trained on shuffled labels: IC {interval(told)}, which {covers} 0.",
        ]
    lines += ["", "## The rule's calls, at mids, held for five minutes", ""]
    for name, value in card["result_before_costs"].items():
        shown = interval(value) if isinstance(value, dict) else number(value)
        lines.append(f"- {name.replace('_', ' ')}: {shown}")
    lines += ["", "## What the trees split on (share of gain, one minute)", ""]
    lines += [f"- {name}: {share:.3f}" for name, share in card["importance"]["p_up_1m"].items()]
    lines += ["", "![calibration](calibration.svg)", ""]
    if "evaluation" in card:
        lines += _evaluated(card["evaluation"])
    return "\n".join(lines)


def _evaluated(told: dict[str, Any]) -> list[str]:
    """Return the lines on what the rule came to through the host's engine."""

    def number(value: float | None, digits: int = 2) -> str:
        return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"

    fees = told["fees_bps"]
    lines = [
        "## The rule through the host's engine",
        "",
        f"**{told['verdict'][0].upper()}{told['verdict'][1:]}.**",
        "",
        f"Out of sample, with queue position; fees {fees['maker']:g} bps as maker,"
        f" {fees['taker']:g} as taker. All in basis points of the entry's price, a trade. A hit"
        " earned before fees; to break even it takes (mean loss + fees) / (mean win + mean loss).",
        "",
        "| calls traded | entry | latency ms | calls | trades | filled | before fees | fees |"
        " after fees [95%] | hit rate | to break even | slippage | mid after 1, 5, 60 s |",
        "| " + "--- | " * 13,
    ]
    for r in told["runs"]:
        net, later = r["net_bps"], [r[f"markout_{s}s_bps"] for s in (1, 5, 60)]
        cells = (
            "that pay" if r["cost_gate"] else "all",
            r["entry"],
            f"{r['latency_ms']:g}",
            r["calls"],
            r["trades"],
            number(r["fill_rate"]),
            number(r["gross_bps"]["value"]),
            number(r["fees_paid_bps"]),
            f"{number(net['value'])} [{number(net['low'])}, {number(net['high'])}]",
            number(r["hit_rate"]),
            number(r["break_even_hit_rate"]),
            number(r["slippage_bps"]),
            ", ".join(map(number, later)),
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return [*lines, ""]


def calibration_svg(card: dict[str, Any]) -> str:
    """Return a picture of what happened against what was said, one and five minutes ahead."""
    size, pad = 360, 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" font-size="11">',
        f'<rect width="{size}" height="{size}" fill="white"/>',
        f'<path d="M{pad} {size - pad}L{size - pad} {pad}" stroke="#999" stroke-dasharray="4"/>',
    ]
    span = size - 2 * pad
    for name, color, y in (("p_up_1m", "#1f6feb", 16), ("p_up_5m", "#d1242f", 28)):
        parts.append(f'<text x="{pad}" y="{y}" fill="{color}">{name}</text>')
        for said, was, _ in card["all"][name]["calibration"]:
            x, z = pad + said * span, size - pad - was * span
            parts.append(f'<circle cx="{x:.1f}" cy="{z:.1f}" r="4" fill="{color}"/>')
    parts.append(f'<text x="{size // 2}" y="{size - 8}" text-anchor="middle">said</text>')
    parts.append(f'<text x="4" y="{size // 2}">was</text></svg>')
    return "\n".join(parts) + "\n"
