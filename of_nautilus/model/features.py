"""The features of the model: their names, order and units. This table is the contract.

A model is trained on vectors in this order and refuses any other: `FEATURES_HASH` is the SHA-256 of
the table, and stands in the features' files and on the model's card. Whoever changes what a feature
means, and not only how it is called, raises `VERSION`.
"""

import hashlib
from typing import NamedTuple

VERSION = 1
SAMPLE_NS = 5_000_000_000


class Feature(NamedTuple):
    """One feature: `unit` says what it is counted in, `group` what it is about."""

    name: str
    unit: str
    group: str


def _group(group: str, *features: tuple[str, str]) -> tuple[Feature, ...]:
    return tuple(Feature(name, unit, group) for name, unit in features)


# "base" is base units (coins, shares, contracts); windows are (t - w, t].
TABLE: tuple[Feature, ...] = (
    *_group(
        "ofi",
        ("ofi_10s", "base"),
        ("ofi_1m", "base"),
        ("ofi_5m", "base"),
        ("ofi_norm_1m", "mean best sizes"),
        ("ofi_norm_5m", "mean best sizes"),
        ("ofi_z_1m", "deviations over 60 min"),
        ("mlofi_l2_1m", "base"),
        ("mlofi_sum_l2_l5_1m", "base"),
        ("ofi_int_1m", "mean level sizes"),
        ("ofi_accel_1m", "mean best sizes, less those a minute ago"),
    ),
    *_group(
        "depth",
        ("imb_l1", "-1 to 1"),
        ("imb_l3", "-1 to 1"),
        ("imb_l5", "-1 to 1"),
        ("imb_l10", "-1 to 1"),
        ("volume_imbalance", "-1 to 1, all levels"),
        ("log_total_depth_l5", "log base"),
        ("log_depth_ratio_l5", "log bids over asks"),
        ("spread_bps", "bps"),
        ("spread_z", "deviations over 300 s"),
        ("microprice_dev_bps", "bps of mid"),
    ),
    *_group(
        "trades",
        ("buy_volume_1m", "base"),
        ("sell_volume_1m", "base"),
        ("trade_imb_1m", "-1 to 1"),
        ("trade_imb_5m", "-1 to 1"),
        ("trade_count_1m", "market orders"),
        ("avg_buy_size_1m", "base a market order"),
        ("avg_sell_size_1m", "base a market order"),
        ("large_trade_ind_1m", "0 or 1"),
        ("large_buy_ratio_5m", "share of volume"),
        ("cvd_slope_5m", "base a second"),
    ),
    *_group(
        "shape",
        ("bid_slope", "ticks for 100 base"),
        ("ask_slope", "ticks for 100 base"),
        ("slope_asym", "-1 to 1, asks thinner above 0"),
        ("resilience_half_life", "s"),
        ("impact_buy_q", "ticks"),
        ("impact_sell_q", "ticks"),
        ("thin_diff", "thin asks less thin bids"),
        ("depth_concentration", "share of five levels in the best"),
    ),
    *_group(
        "technical",
        ("mom_1m_bps", "bps"),
        ("mom_5m_bps", "bps"),
        ("rv_1m", "bps"),
        ("rv_5m", "bps"),
        ("vwap_dist_bps", "bps of VWAP"),
        ("range_pos_5m", "0 low to 1 high"),
        ("rsi_14x1m", "0 to 100"),
    ),
    *_group(
        "time",
        ("tod_sin", "UTC day"),
        ("tod_cos", "UTC day"),
        ("minutes_since_open", "min"),
        ("minutes_to_close", "min; to funding in sessions of 24 h"),
        ("day_of_week", "0 Monday to 6"),
    ),
    *_group(
        "toxicity",
        ("vpin_50", "0 to 1"),
        ("kyle_lambda_5m", "ticks a base unit"),
        ("amihud_5m", "return a money unit, times 1e6"),
        ("roll_5m", "ticks"),
    ),
    *_group(
        "context",
        ("dist_poc_ticks", "ticks"),
        ("dist_vah_ticks", "ticks"),
        ("dist_val_ticks", "ticks"),
        ("in_value_area", "0 or 1"),
        ("bias_signed_conf", "-1 to 1"),
        ("diag_imb_net_1m", "rows, buy less sell"),
        ("stacked_net_5m", "stacks, buy less sell"),
        ("divergence_flag_signed", "-1, 0, 1"),
    ),
)
NAMES: tuple[str, ...] = tuple(feature.name for feature in TABLE)
COUNT = len(TABLE)


def table_hash(version: int, table: tuple[Feature, ...]) -> str:
    """Return the SHA-256 of a version and a table: names, order, units."""
    told = "\n".join((str(version), *("\t".join(feature) for feature in table)))
    return hashlib.sha256(told.encode()).hexdigest()


FEATURES_HASH = table_hash(VERSION, TABLE)
INDEX: dict[str, int] = {name: at for at, name in enumerate(NAMES)}
