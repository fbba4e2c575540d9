"""Logs: one file per entry, the program log and the security log, written by a thread of its own.

Whoever logs appends to a bounded queue and goes on; only the writer thread touches the disk, so a
slow, full or missing disk delays nobody. What is kept out: deciding what is worth a line.
"""

from core.logs.lines import Level, LogLine, local_now, one_line
from core.logs.names import safe_name
from core.logs.writer import (
    PROGRAM_LOG,
    SECURITY_LOG,
    LogSink,
    LogWriter,
    ProgramLogHandler,
)

__all__ = [
    "PROGRAM_LOG",
    "SECURITY_LOG",
    "Level",
    "LogLine",
    "LogSink",
    "LogWriter",
    "ProgramLogHandler",
    "local_now",
    "one_line",
    "safe_name",
]
