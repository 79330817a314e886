"""`of-nautilus` and `python -m of_nautilus`."""

import sys

from of_nautilus.cli.frame import main

if __name__ == "__main__":
    sys.exit(main())
