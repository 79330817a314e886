"""When the machine is slow: `python -m benchmarks._watch`, until its input ends.

Some virtual machines run at a tenth of their speed for a moment now and then, and nothing in them
tells. A few microseconds of computation, again and again, show it, counted in processor time:
what the machine's own processes take from each other does not count. Prints when each began and how
long it took, as JSON: two lists, ns.
"""

import json
import sys
import threading
import time

ROUNDS = 300
EVERY_S = 0.002


def main() -> None:
    """Watch until the input ends."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    begun: list[int] = []
    took: list[int] = []
    while not ended.wait(EVERY_S):
        begun.append(time.perf_counter_ns())
        since = time.thread_time_ns()
        total = 0
        for i in range(ROUNDS):
            total += i * i
        took.append(time.thread_time_ns() - since)
    print(json.dumps([begun, took]))


if __name__ == "__main__":
    main()
