"""The calls of Windows that the program makes beside those of Python: one place, all by ctypes.

Each is thin: what to do with an answer is decided by `app.console`, `app.service` and
`app.headless`, which are tested everywhere. On other systems there is nothing in here but types.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import Final, Protocol

ACCESS_DENIED: Final = 5
NOT_FROM_SERVICE_MANAGER: Final = 1063
"""ERROR_FAILED_SERVICE_CONTROLLER_CONNECT."""

# Controls a service gets, and the states it answers with.
CONTROL_STOP: Final = 1
CONTROL_SHUTDOWN: Final = 5
STOPPED: Final = 1
START_PENDING: Final = 2
STOP_PENDING: Final = 3
RUNNING: Final = 4

# Why a console asks a program to end, beside Ctrl+C and Ctrl+Break, which are signals.
CONSOLE_CLOSED: Final = 2
LOGOFF: Final = 5
SHUTDOWN: Final = 6


class ServiceManager(Protocol):
    """The service manager. Each answer is a Windows error code, 0 for none."""

    def create(self, name: str, title: str, text: str, command: str) -> int:
        """Enter a service that starts with Windows, and again after it broke down."""

    def delete(self, name: str) -> int:
        """Stop a service and remove it; returns once it is gone, or the manager gives up on it."""

    def connect(self, begun: Callable[[str], None], control: Callable[[int], None]) -> int:
        """Be a service of this process; returns when it is over.

        `begun` gets the service's name, on a thread of its own, and returns when it is stopped.
        `control` gets what the manager wants, and returns at once.
        """

    def report(self, state: int, *, exit_code: int = 0, hint: float = 0.0) -> None:
        """Tell the manager the state; the next report of a pending one comes within `hint` s."""

    def log_error(self, source: str, text: str) -> None:
        """Put a text into the system's log of events."""


if sys.platform == "win32":
    import time
    from ctypes import wintypes

    _ATTACH_PARENT: Final = 0xFFFFFFFF
    _MB_ICON_INFORMATION: Final = 0x40
    _MB_SET_FOREGROUND: Final = 0x10000
    _UOI_FLAGS: Final = 1
    _WSF_VISIBLE: Final = 1

    _MANAGER_ALL: Final = 0xF003F
    _SERVICE_ALL: Final = 0xF01FF
    _OWN_PROCESS: Final = 0x10
    _AUTO_START: Final = 2
    _ERROR_NORMAL: Final = 1
    _DESCRIPTION: Final = 1
    _FAILURE_ACTIONS: Final = 2
    _RESTART: Final = 1
    _RESTART_AFTER_MS: Final = 5000
    _FORGET_FAILURES_AFTER_S: Final = 86_400
    _ACCEPT_STOP: Final = 1
    _ACCEPT_SHUTDOWN: Final = 4
    _SPECIFIC_ERROR: Final = 1066
    _NOT_ACTIVE: Final = 1062
    _STOP_WITHIN: Final = 15.0
    _EVENT_ERROR: Final = 1

    class _UserObjectFlags(ctypes.Structure):
        _fields_ = (
            ("inherit", wintypes.BOOL), ("reserved", wintypes.BOOL), ("flags", wintypes.DWORD),
        )  # fmt: skip

    class _Status(ctypes.Structure):
        _fields_ = tuple(
            (name, wintypes.DWORD)
            for name in ("type", "state", "controls", "exit", "specific", "check", "hint")
        )

    class _Description(ctypes.Structure):
        _fields_ = (("text", wintypes.LPWSTR),)

    class _Action(ctypes.Structure):
        _fields_ = (("type", ctypes.c_int), ("delay", wintypes.DWORD))

    class _FailureActions(ctypes.Structure):
        _fields_ = (
            ("reset", wintypes.DWORD), ("message", wintypes.LPWSTR), ("command", wintypes.LPWSTR),
            ("count", wintypes.DWORD), ("actions", ctypes.POINTER(_Action)),
        )  # fmt: skip

    _ServiceMain = ctypes.WINFUNCTYPE(None, wintypes.DWORD, ctypes.POINTER(wintypes.LPWSTR))
    _Handler = ctypes.WINFUNCTYPE(
        wintypes.DWORD, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p, ctypes.c_void_p
    )
    _ConsoleHandler = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)

    class _TableEntry(ctypes.Structure):
        _fields_ = (("name", wintypes.LPWSTR), ("main", _ServiceMain))

    # Console and desktop

    def attach_console() -> bool:
        """Use the console of whoever started this process; whether there is one."""
        return bool(ctypes.WinDLL("kernel32").AttachConsole(wintypes.DWORD(_ATTACH_PARENT)))

    def is_on_a_desktop() -> bool:
        """Whether a person can see windows of this process: not where services run."""
        user = ctypes.WinDLL("user32")
        user.GetProcessWindowStation.restype = wintypes.HANDLE
        found = _UserObjectFlags()
        user.GetUserObjectInformationW.argtypes = (
            wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p,
        )  # fmt: skip
        done = user.GetUserObjectInformationW(
            user.GetProcessWindowStation(), _UOI_FLAGS, ctypes.byref(found), ctypes.sizeof(found),
            None,
        )  # fmt: skip
        return bool(done) and bool(found.flags & _WSF_VISIBLE)

    def show_message(title: str, text: str) -> None:
        """A box with a text; returns when it has been closed."""
        show = ctypes.WinDLL("user32").MessageBoxW
        show.argtypes = (wintypes.HWND, wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.UINT)
        show(None, text, title, _MB_ICON_INFORMATION | _MB_SET_FOREGROUND)

    _console_handlers: list[object] = []
    """Windows keeps only the address: nobody may collect them."""

    def on_console_end(handler: Callable[[int], bool]) -> None:
        """Call `handler`, on a thread of its own, when the console closes or asks to end.

        Windows ends the process when it returns true for one of `CONSOLE_CLOSED`, `LOGOFF` and
        `SHUTDOWN`, or has not returned after a few seconds.
        """
        kept = _ConsoleHandler(handler)
        kernel = ctypes.WinDLL("kernel32")
        # Whoever started the program in a group of its own has switched Ctrl+C off in it.
        kernel.SetConsoleCtrlHandler(None, False)
        if kernel.SetConsoleCtrlHandler(kept, True):
            _console_handlers.append(kept)

    # Services

    class Services:
        """The calls of the service manager."""

        def __init__(self) -> None:
            library = ctypes.WinDLL("advapi32", use_last_error=True)
            handle, text, number = wintypes.HANDLE, wintypes.LPCWSTR, wintypes.DWORD
            status = ctypes.POINTER(_Status)

            def call(name: str, result: object, *arguments: object) -> Callable[..., int]:
                made = getattr(library, name)
                made.restype, made.argtypes = result, arguments
                return made  # type: ignore[no-any-return]  # what ctypes makes has no type

            self._open_manager = call("OpenSCManagerW", handle, text, text, number)
            self._create = call(
                "CreateServiceW", handle, handle, text, text, number, number, number, number, text,
                text, ctypes.c_void_p, text, text, text,
            )  # fmt: skip
            self._open = call("OpenServiceW", handle, handle, text, number)
            self._close = call("CloseServiceHandle", wintypes.BOOL, handle)
            self._configure = call(
                "ChangeServiceConfig2W", wintypes.BOOL, handle, number, ctypes.c_void_p
            )
            self._control = call("ControlService", wintypes.BOOL, handle, number, status)
            self._query = call("QueryServiceStatus", wintypes.BOOL, handle, status)
            self._delete = call("DeleteService", wintypes.BOOL, handle)
            self._dispatch = call(
                "StartServiceCtrlDispatcherW", wintypes.BOOL, ctypes.POINTER(_TableEntry)
            )
            self._register = call(
                "RegisterServiceCtrlHandlerExW", handle, text, _Handler, ctypes.c_void_p
            )
            self._set_status = call("SetServiceStatus", wintypes.BOOL, handle, status)
            self._open_log = call("RegisterEventSourceW", handle, text, text)
            self._write_log = call(
                "ReportEventW", wintypes.BOOL, handle, wintypes.WORD, wintypes.WORD, number,
                ctypes.c_void_p, wintypes.WORD, number, ctypes.POINTER(text), ctypes.c_void_p,
            )  # fmt: skip
            self._close_log = call("DeregisterEventSource", wintypes.BOOL, handle)
            self._me = 0
            self._checkpoint = 0

        def create(self, name: str, title: str, text: str, command: str) -> int:
            manager = self._open_manager(None, None, _MANAGER_ALL)
            if not manager:
                return ctypes.get_last_error()
            try:
                service = self._create(
                    manager, name, title, _SERVICE_ALL, _OWN_PROCESS, _AUTO_START, _ERROR_NORMAL,
                    command, None, None, None, None, None,
                )  # fmt: skip
                if not service:
                    return ctypes.get_last_error()
                try:
                    return self._describe(service, text)
                finally:
                    self._close(service)
            finally:
                self._close(manager)

        def _describe(self, service: int, text: str) -> int:
            """What it is for, and that it is started again after it broke down."""
            # The last action holds for all further failures too.
            action = _Action(_RESTART, _RESTART_AFTER_MS)
            failure = _FailureActions(
                _FORGET_FAILURES_AFTER_S, None, None, 1, ctypes.pointer(action)
            )
            for kind, value in (
                (_DESCRIPTION, _Description(text)),
                (_FAILURE_ACTIONS, failure),
            ):
                if not self._configure(service, kind, ctypes.byref(value)):
                    return ctypes.get_last_error()
            return 0

        def delete(self, name: str) -> int:
            manager = self._open_manager(None, None, _MANAGER_ALL)
            if not manager:
                return ctypes.get_last_error()
            try:
                service = self._open(manager, name, _SERVICE_ALL)
                if not service:
                    return ctypes.get_last_error()
                try:
                    if error := self._stop(service):
                        return error
                    return 0 if self._delete(service) else ctypes.get_last_error()
                finally:
                    self._close(service)
            finally:
                self._close(manager)

        def _stop(self, service: int) -> int:
            status = _Status()
            if not self._control(service, CONTROL_STOP, ctypes.byref(status)):
                error = ctypes.get_last_error()
                return 0 if error == _NOT_ACTIVE else error
            until = time.monotonic() + _STOP_WITHIN
            while status.state != STOPPED and time.monotonic() < until:
                time.sleep(0.1)
                if not self._query(service, ctypes.byref(status)):
                    return ctypes.get_last_error()
            return 0

        def connect(self, begun: Callable[[str], None], control: Callable[[int], None]) -> int:
            def handle(number: int, _type: int, _data: object, _context: object) -> int:
                control(number)
                return 0

            handler = _Handler(handle)

            def main(_count: int, arguments: "ctypes._Pointer[wintypes.LPWSTR]") -> None:
                name = str(arguments[0])
                self._me = self._register(name, handler, None)
                begun(name)

            # The name in the table is not looked at where a process is one service.
            table = (_TableEntry * 2)(_TableEntry("", _ServiceMain(main)))
            return 0 if self._dispatch(table) else ctypes.get_last_error()

        def report(self, state: int, *, exit_code: int = 0, hint: float = 0.0) -> None:
            is_pending = state in (START_PENDING, STOP_PENDING)
            self._checkpoint = self._checkpoint + 1 if is_pending else 0
            status = _Status(
                _OWN_PROCESS, state, _ACCEPT_STOP | _ACCEPT_SHUTDOWN if state == RUNNING else 0,
                _SPECIFIC_ERROR if exit_code else 0, exit_code, self._checkpoint,
                round(hint * 1000),
            )  # fmt: skip
            self._set_status(self._me, ctypes.byref(status))

        def log_error(self, source: str, text: str) -> None:
            log = self._open_log(None, source)
            if not log:
                return
            texts = (wintypes.LPCWSTR * 1)(text)
            self._write_log(log, _EVENT_ERROR, 0, 1, None, 1, 0, texts, None)
            self._close_log(log)
