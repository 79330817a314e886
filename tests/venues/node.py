"""Runs a live node in a process of its own: `python -m tests.venues.node CONFIG OUT`.

The node runs until SIGINT. What its actors and strategies hold in an attribute `captured` is
then written to OUT, a pickle of a dict by component id.
"""

import pickle
import sys
from pathlib import Path

from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode


def main(config: str, out: str) -> None:
    node = TradingNode(config=TradingNodeConfig.parse(Path(config).read_bytes()))
    node.build()
    try:
        node.run()
        components = [*node.trader.actors(), *node.trader.strategies()]
        captured = {str(c.id): c.captured for c in components if hasattr(c, "captured")}
        Path(out).write_bytes(pickle.dumps(captured))
    finally:
        node.dispose()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
