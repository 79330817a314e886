"""`python -m benchmarks`: run every module of this folder, each in a process of its own.

A module gives `run()`, which returns figures by name, and may give `BARS`, figure to relation and
bar: `{"ingest_rows_per_s": (">=", 1.5e6)}`. A name with an underscore in front is no benchmark.
"""

import argparse
import pkgutil
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import benchmarks
from benchmarks._measure import line, measure
from of_nautilus.cli.figures import write_json


def main() -> int:
    """Run what is asked for; return 1 if a bar is missed."""
    names = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name[0] != "_")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write one object, name: figure")
    parser.add_argument("--only", choices=names, action="append", help="may be given repeatedly")
    args = parser.parse_args()
    figures: dict[str, float] = {}
    all_kept = True
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        for name in args.only or names:
            print(name, flush=True)
            measured, bars = pool.submit(measure, name).result()
            if doubled := figures.keys() & measured.keys():
                raise ValueError(f"two benchmarks give the figure {min(doubled)}")
            if unknown := bars.keys() - measured.keys():
                raise ValueError(f"a bar for {min(unknown)}, which {name} does not give")
            figures |= measured
            for figure, value in measured.items():
                text, kept = line(figure, value, bars)
                all_kept &= kept
                print(text, flush=True)
    if args.json is not None:
        write_json(args.json, figures)
    return 0 if all_kept else 1


if __name__ == "__main__":
    sys.exit(main())
