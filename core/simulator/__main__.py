"""``python -m core.simulator``."""

import sys

from core.simulator.program import main

if __name__ == "__main__":
    sys.exit(main())
