"""The composite score against its vectors, its options and its bounds."""

import re

import pytest

from of_nautilus.decision.framing import Bias, Direction
from of_nautilus.decision.score import PATTERN_WEIGHTS, ScoreConfig, composite, grade, min_strength
from tests.conftest import vectors

NEUTRAL = Bias(Direction.NEUTRAL, 20.0)


def bias_of(name: str) -> Bias:
    confidence = re.search(r"(?:aligned|_)C(\d+(?:\.\d+)?)$", name)
    if confidence:
        return Bias(Direction.LONG, float(confidence[1]))
    return Bias(Direction.WARNING, 79.0) if name.endswith("warning") else NEUTRAL


def test_reachability_vectors() -> None:
    special = {
        "max_all_100": (100, 100, 100),
        "max_reachable_conf85": (100, 100, 85),
        "max_cap75_conf85": (75, 100, 85),
        "max_seed_consistent_S100_L90_C85": (100, 90, 85),
        "max_seed_consistent_S75_L90_C85": (75, 90, 85),
    }
    for name, expected in vectors("v09_composite")["reachability"]["expected"].items():
        if name in special:
            strength, level, confidence = special[name]
            bias = Bias(Direction.LONG, confidence)
        else:
            strength, level = map(float, re.match(r"S(\d+)_L(\d+)_", name).groups())  # type: ignore[union-attr]
            bias = bias_of(name)
        score = composite("absorption", strength, 1, level, bias)
        raw_graded = composite(
            "absorption", strength, 1, level, bias, config=ScoreConfig(grade_basis="raw")
        )
        assert score.raw == pytest.approx(expected["composite"], abs=1e-9), name
        assert score.normalized == pytest.approx(expected["composite_norm"], abs=1e-9), name
        assert score.enters is expected["enters"], name
        assert score.grade == expected["grade_norm"], name
        assert raw_graded.grade == expected["grade_raw"], name


def test_min_strength_vectors() -> None:
    record = vectors("v09_composite")["min_strength_to_enter"]
    for (level, bias_term), expected in zip(
        record["inputs"]["rows_L_bias"], record["expected"]["S_min"], strict=True
    ):
        found = min_strength("absorption", level, bias_term)
        assert found == pytest.approx(expected, abs=record["tol"])


def test_pattern_maxima_vectors() -> None:
    records = vectors("v09_composite")
    best = Bias(Direction.LONG, 85.0)
    for pattern, expected in records["max_per_pattern_conf85_L100_S100"]["expected"].items():
        assert composite(pattern, 100, 1, 100, best).raw == pytest.approx(expected)
    record = records["documented_strength_maxima"]
    exhaustion = composite("exhaustion", record["inputs"]["exhaustion"], 1, 100, best)
    divergence = composite("divergence", record["inputs"]["divergence"], 1, 100, best)
    assert exhaustion.raw == pytest.approx(record["expected"]["exhaustion_w.15"])
    assert divergence.raw == pytest.approx(record["expected"]["divergence"])


def test_printed_examples_vectors() -> None:
    records = vectors("v09_composite")
    record = records["seed_entry_example"]
    inputs, expected = record["inputs"], record["expected"]
    bias = Bias(Direction.LONG, inputs["confidence"])
    score = composite("absorption", inputs["absorption"], 1, inputs["level"], bias)
    assert score.raw == pytest.approx(expected["composite"])
    assert score.normalized == pytest.approx(expected["norm"])
    assert (score.grade, grade(score.raw)) == (expected["grade_norm"], expected["grade_raw"])
    # A confidence of 85 needs the POC at the very top of the range.
    impossible = records["seed_bias_example"]
    poc_pct = (impossible["inputs"]["confidence"] - 15 - 40) / 30
    assert poc_pct == impossible["expected"]["poc_pct_needed_for_85_with_+15"]
    assert (impossible["inputs"]["POC"] >= impossible["inputs"]["VAH"]) is (
        impossible["expected"]["possible"]
    )


def test_grade_vectors() -> None:
    record = vectors("v09_composite")["grades"]
    assert [grade(s) for s in record["inputs"]["score"]] == record["expected"]["grade"]


def test_reasons_add_up() -> None:
    config = ScoreConfig(opposed_penalty=5.0, model_weight=0.1)
    score = composite("sweep", 80, -1, 50, Bias(Direction.LONG, 60.0), 40.0, config)
    assert dict(score.reasons) == {"pattern": 16.0, "level": 12.5, "opposed": -5.0, "model": 4.0}
    assert score.raw == pytest.approx(27.5)
    aligned = composite("sweep", 80, 1, 50, Bias(Direction.LONG, 60.0))
    assert dict(aligned.reasons) == {"pattern": 16.0, "level": 12.5, "bias": 12.0}


def test_weights_are_those_of_the_vectors() -> None:
    weights = dict(vectors("v09_composite")["reachability"]["inputs"]["weights"])
    assert weights.pop("other") == 0.15
    assert weights == PATTERN_WEIGHTS


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: composite("sweep", 101, 1, 0, NEUTRAL), "`strength`"),
        (lambda: composite("sweep", 1, 1, -1, NEUTRAL), "`level_strength`"),
        (lambda: composite("sweep", 1, 0, 1, NEUTRAL), "`side`"),
        (lambda: composite("sweep", 1, 1, 1, NEUTRAL, 101.0), "`model_agreement`"),
        (lambda: ScoreConfig(min_score=101), "`min_score`"),
        (lambda: ScoreConfig(grade_basis="other"), "`grade_basis`"),
        (lambda: ScoreConfig(opposed_penalty=-1), "`opposed_penalty`"),
        (lambda: ScoreConfig(model_weight=-1), "`model_weight`"),
    ],
)
def test_bad_parameters(call, name: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=name):
        call()
