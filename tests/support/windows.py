"""Whether this is Windows, or wine in its place, which differs here and there."""

import sys

import pytest


def _is_wine() -> bool:
    if sys.platform != "win32":
        return False
    import ctypes

    return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


UNDER_WINE = _is_wine()
DEVELOPMENT_MODE = () if UNDER_WINE else ("-X", "dev")
"""For programs a test starts; under wine it would tell of every callback that it was slow."""


def not_under_wine(reason: str) -> pytest.MarkDecorator:
    """For what Windows does and wine does not."""
    return pytest.mark.skipif(UNDER_WINE, reason=f"wine {reason}")
