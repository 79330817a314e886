"""Run the tests of live nodes and browsers that failed once more, alone, after the whole suite.

Both keep to the clock, and a machine that is busy with everything else may be too slow for them.
What fails again is a fault. No other test gets a second try, nor do these if many fail.
"""

import json
import subprocess
import sys
from pathlib import Path

from tests.plugin import keeps_to_the_clock

MOST = 8
FAILED = Path(".pytest_cache/v/cache/lastfailed")


def main() -> int:
    """Return 0 if whatever had failed passes now."""
    names = list(json.loads(FAILED.read_text()))
    strict = [name for name in names if not keeps_to_the_clock(name.partition("::")[0])]
    if strict or not 0 < len(names) <= MOST:
        return 1
    print(f"once more, alone: {', '.join(names)}", flush=True)
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *names], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
