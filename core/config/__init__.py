"""The configuration file: its rows kept as they are, their meaning, and what changed.

Pure: octets in, values and messages out; opening and writing files is the caller's. `options` is
the one table of what can be set; `read` never raises, but says what it did not use and why.
"""

from core.config.changes import Change, Changes, GroupChange, changes
from core.config.diagnostics import BadValue, Diagnostic, Report, RowReading, Severity
from core.config.document import Document, Row
from core.config.entries import COLUMNS
from core.config.hosts import ANYBODY, Endpoint, HostFilter
from core.config.model import Config, Entry, GroupConfig, MasterEntry, RtuEntry, Settings
from core.config.options import ALIASES, BY_NAME, OPTIONS, Kind, Option, Options, Scope, Value
from core.config.read import Reading, read, read_fully

__all__ = [
    "ALIASES",
    "ANYBODY",
    "BY_NAME",
    "COLUMNS",
    "OPTIONS",
    "BadValue",
    "Change",
    "Changes",
    "Config",
    "Diagnostic",
    "Document",
    "Endpoint",
    "Entry",
    "GroupChange",
    "GroupConfig",
    "HostFilter",
    "Kind",
    "MasterEntry",
    "Option",
    "Options",
    "Reading",
    "Report",
    "Row",
    "RowReading",
    "RtuEntry",
    "Scope",
    "Settings",
    "Severity",
    "Value",
    "changes",
    "read",
    "read_fully",
]
