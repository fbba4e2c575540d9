"""The line of JSON between a peer program and the test that started it."""

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

_lock = threading.Lock()


def tell(event: str, **members: Any) -> None:
    """Something happened; callable from any thread."""
    _put({"event": event, **members})


def serve(actions: dict[str, Callable[..., Any]]) -> None:
    """Carries out requests until the input ends."""
    for line in sys.stdin:
        _put(answer(json.loads(line), actions))


def answer(request: dict[str, Any], actions: dict[str, Callable[..., Any]]) -> dict[str, Any]:
    number, action = request.pop("id"), request.pop("do")
    try:
        return {"id": number, "result": actions[action](**request)}
    except Exception:
        return {"id": number, "error": traceback.format_exc()}


def reply(message: dict[str, Any]) -> None:
    _put(message)


def leave() -> NoReturn:
    """Ends the process without the destructors of native code, which may hang or crash."""
    sys.stdout.flush()
    os._exit(0)


def _put(message: dict[str, Any]) -> None:
    with _lock:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
