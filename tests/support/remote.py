"""Runs a peer program as a subprocess and talks to it in lines of JSON.

A peer built on another implementation may bring native code; in its own process a crash of it is a
failed test and not the end of the test run. We write `{"id": 1, "do": "read", ..}` and it answers
`{"id": 1, "result": ..}` or `{"id": 1, "error": ".."}`; in between it tells `{"event": ..}`.
"""

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

PEERS = Path(__file__).parent / "peers"

Event = dict[str, Any]


class RemotePeer:
    """A program from `peers/`; closes with the `with` block and fails if it did not end well."""

    def __init__(self, program: str, *arguments: object) -> None:
        self.name = program
        self.events: list[Event] = []
        self._process = subprocess.Popen(
            [sys.executable, str(PEERS / f"{program}.py"), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._answers: queue.Queue[Event] = queue.Queue()
        self._errors: list[str] = []
        self._count = 0
        self._readers = [
            threading.Thread(target=self._read_lines, name="peer-out", daemon=True),
            threading.Thread(target=self._read_errors, name="peer-err", daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close()
        if kind is None:
            code = self._process.returncode
            assert code == 0, f"{self.name} ended with {code}: {self.errors}"
            assert "Traceback" not in self.errors, f"{self.name}: {self.errors}"

    @property
    def errors(self) -> str:
        return "".join(self._errors)

    def do(self, what: str, within: float = 10.0, **arguments: Any) -> Any:
        """Asks the peer to do something and gives its result."""
        self._count += 1
        request = {"id": self._count, "do": what, **arguments}
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._process.wait(5)
            raise AssertionError(
                f"{self.name} is gone ({self._process.returncode}): {self.errors}"
            ) from None
        try:
            answer = self._answers.get(timeout=within)
        except queue.Empty:
            raise AssertionError(
                f"{self.name}: no answer to {what!r} within {within} s: {self.errors}"
            ) from None
        if "error" in answer:
            raise AssertionError(f"{self.name}: {what}: {answer['error']}")
        assert answer["id"] == self._count
        return answer["result"]

    def seen(self, **like: Any) -> list[Event]:
        """The events so far that have these members with these values."""
        return [
            event
            for event in self.events[:]
            if all(key in event and _alike(event[key], value) for key, value in like.items())
        ]

    def expect(self, within: float = 5.0, **like: Any) -> Event:
        """Waits for an event that has these members with these values."""
        return self.wait(lambda: self.seen(**like), within, f"event {like}")[0]

    def wait(self, condition: Callable[[], Any], within: float = 5.0, what: str = "") -> Any:
        deadline = time.monotonic() + within
        while not (got := condition()):
            assert self._process.poll() is None, f"{self.name} is gone: {self.errors}"
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{self.name}: {what or 'condition'} not within {within} s; "
                    f"last events: {self.events[-5:]}; {self.errors[-2000:]}"
                )
            time.sleep(0.005)
        return got

    def close(self) -> None:
        """End of input asks the program to leave."""
        process = self._process
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it left before us; its exit code tells
            process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        for reader in self._readers:
            reader.join(5)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                self._errors.append(line)
                continue
            if "event" in message:
                self.events.append(message)
            else:
                self._answers.put(message)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors.append(line)


def _alike(value: Any, wanted: Any) -> bool:
    if isinstance(value, float) and isinstance(wanted, float):
        return abs(value - wanted) <= 1e-4 * max(1.0, abs(wanted))
    return bool(value == wanted)
