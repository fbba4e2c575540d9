"""What a process costs: its processor time, its memory, and how busy the computer is beside it."""

import ctypes
import os
import sys
import time
from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")
_ALL_CPUS: Final = Path("/proc/stat")
_IDLE: Final = (3, 4)
"""Places of idle and of waiting for a disk in the first line of that file."""
_GUEST: Final = 8
"""From here on that line repeats what was counted before it."""


def now_us() -> int:
    """Microseconds of a clock that is the same in all processes of this computer.

    Python's documentation says so of ``perf_counter``: system-wide, with an undefined zero
    (CLOCK_MONOTONIC on Linux, QueryPerformanceCounter on Windows). The bench looks all the same.
    """
    return time.perf_counter_ns() // 1000


def own_usage() -> dict[str, float | None]:
    """Of this process: ``cpu`` seconds used so far, ``peak`` octets of memory (None: not known)."""
    return {"cpu": time.process_time(), "peak": _peak_memory()}


def cores() -> int:
    """How many processors this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def busy_seconds() -> float | None:
    """Seconds all processors together have worked, for anybody; None where it is not told."""
    if sys.platform != "linux":
        return None
    try:
        with _ALL_CPUS.open("rb") as file:
            ticks = [int(word) for word in file.readline().split()[1:]]
    except (OSError, ValueError):
        return None
    worked = sum(t for place, t in enumerate(ticks[:_GUEST]) if place not in _IDLE)
    return worked / os.sysconf("SC_CLK_TCK")


def _peak_memory() -> float | None:
    if sys.platform == "win32":
        return _peak_working_set()
    try:
        for line in _STATUS.read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:  # not Linux
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if sys.platform == "win32":
    from ctypes import wintypes

    class _MemoryCounters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS."""

        _fields_ = (
            ("cb", wintypes.DWORD),
            ("page_faults", wintypes.DWORD),
            ("peak_working_set", ctypes.c_size_t),
            ("working_set", ctypes.c_size_t),
            ("rest", ctypes.c_size_t * 6),
        )

    def _peak_working_set() -> float | None:
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        ask = kernel.K32GetProcessMemoryInfo
        ask.argtypes = (wintypes.HANDLE, ctypes.POINTER(_MemoryCounters), wintypes.DWORD)
        counters = _MemoryCounters()
        size = ctypes.sizeof(counters)
        if not ask(kernel.GetCurrentProcess(), ctypes.byref(counters), size):
            return None
        return float(counters.peak_working_set)
