"""Decoding of frames under the name by which programs import it."""

import sys
from importlib.util import find_spec
from pathlib import Path

_here = Path(__file__).resolve().parent
_found = find_spec("core")
if _here.name == "core" and (_found is None or _found.origin != str(_here / "__init__.py")):
    # From a checkout's folder `core`, which goes before any other that may be installed.
    sys.path.insert(0, str(_here.parent))

from core.client import FrameError, IEC104DataProcessor

__all__ = ["FrameError", "IEC104DataProcessor"]
