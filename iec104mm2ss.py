"""Run the gateway from a checkout, installed or not: ``python3 iec104mm2ss.py -h``."""

import os
import signal
import sys

if sys.version_info < (3, 11):
    sys.exit("iec104mm2ss needs Python 3.11 or newer, this is " + sys.version.split()[0])

# Until the program has its own handlers it has nothing to end in order. Not by an exception: one
# that is raised within the machinery of an import may be swallowed there.
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: os._exit(0))

from app.cli import main

if __name__ == "__main__":
    sys.exit(main())
