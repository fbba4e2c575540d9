"""Runs a program in which the look-up of some names hangs: `hanging_names.py PROGRAM ARGUMENT..`.

A name server that does not answer holds the resolver for a minute and more; a test can have neither
that server nor its silence. Here names that end in `.hang.test` take a minute to fail. All other
names, and numeric addresses, go the usual way.
"""

import runpy
import socket
import sys
import time
from pathlib import Path
from typing import Any

PAUSE = 60.0

_look_up = socket.getaddrinfo


def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    if isinstance(name, str) and name.rstrip(".").endswith(".hang.test"):
        sys.stderr.write(f"look-up of {name} hangs\n")
        sys.stderr.flush()
        time.sleep(PAUSE)
        raise socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution")
    return _look_up(host, *arguments, **options)


if __name__ == "__main__":
    socket.getaddrinfo = look_up
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
