"""What went wrong with a socket, in the same few words on every system."""

import os
import ssl
import sys
from typing import Final

_WINDOWS: Final = {
    # Winsock
    10013: "Permission denied",
    10024: "Too many open files",
    10048: "Address already in use",
    10049: "Cannot assign requested address",
    10050: "Network is down",
    10051: "Network is unreachable",
    10053: "Software caused connection abort",
    10054: "Connection reset by peer",
    10055: "No buffer space available",
    10060: "Connection timed out",
    10061: "Connection refused",
    10064: "Host is down",
    10065: "No route to host",
    11001: "Name or service not known",
    11002: "Temporary failure in name resolution",
    11003: "Non-recoverable failure in name resolution",
    11004: "No address associated with name",
    # Win32, which the Proactor loop gives for the same events
    64: "Connection reset by peer",
    121: "Connection timed out",
    1225: "Connection refused",
    1231: "Network is unreachable",
    1232: "No route to host",
    1236: "Software caused connection abort",
}
"""Windows has sentences for them, in the language of the computer."""


def error_words(error: OSError) -> str:
    """`Connection refused`, `Address already in use`: the words for what a socket call raised."""
    if isinstance(error, ssl.SSLError):
        return str(error)
    if sys.platform == "win32":
        code = error.winerror or error.errno or 0
        return _WINDOWS.get(code) or error.strerror or str(error)
    # asyncio words a refused connect by the call that failed; the errno says it plainly.
    number = error.errno
    return os.strerror(number) if isinstance(number, int) and number > 0 else str(error)
