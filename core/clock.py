"""The wall clock of this machine: reading it, who else sets it, whether we may, and setting it.

Everything that asks or tells the operating system stands here, behind one small interface. What is
kept out: when to set it, which `core.ntp` decides. Protocol time is monotonic and none of this.
"""

import ctypes
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple, Protocol

NO_PERMISSION: Final = "no permission (run as administrator / CAP_SYS_TIME)"


class Clock(Protocol):
    """The wall clock, in seconds since 1970 UTC. Use one on one thread only."""

    leave_below: float
    """Offsets smaller than this, in seconds, are no reason to step this system's clock."""

    def now(self) -> float:
        """What it shows."""

    def can_set(self) -> tuple[bool, str]:
        """Whether this process may set it, and if not, why."""

    def owner(self) -> str | None:
        """Name of another service that keeps this clock; None if nobody does."""

    def step(self, t: float) -> None:
        """Set it. Raises PermissionError without the right to, another OSError if it fails."""


def wall_time() -> float:
    """The wall clock of this machine, in seconds since 1970 UTC."""
    return datetime.now(UTC).timestamp()


def system_clock() -> Clock:
    """The clock of the system the program runs on."""
    if sys.platform == "win32":
        return WindowsClock(Win32())
    if sys.platform == "linux":
        return LinuxClock()
    return UnknownClock()


class UnknownClock:
    """The clock of a system we know too little about: it is shown, and never set."""

    leave_below = 0.128

    def now(self) -> float:
        return wall_time()

    def can_set(self) -> tuple[bool, str]:
        return False, f"not possible on this system ({sys.platform})"

    def owner(self) -> str | None:
        return None

    def step(self, t: float) -> None:
        raise PermissionError(self.can_set()[1])


# Linux

_CAP_SYS_TIME: Final = 25
_STA_UNSYNC: Final = 0x40
_SERVICES: Final = {
    "chronyd": "chronyd",
    "systemd-timesyn": "systemd-timesyncd",  # the kernel keeps 15 characters
    "ntpd": "ntpd",
    "ptp4l": "ptp4l",
    "phc2sys": "phc2sys",
}


class _Timex(ctypes.Structure):
    """`struct timex` as far as it is read; `modes` 0 makes the call a pure read."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),  # more than any kernel writes
    )


def kernel_clock_status() -> int | None:
    """The status bits of the kernel's clock; None where the kernel does not tell them."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError, TypeError):  # no C library that has it
        return None
    state = _Timex()
    return None if adjtimex(ctypes.byref(state)) < 0 else int(state.status)


def set_linux_time(t: float) -> None:
    """Set CLOCK_REALTIME. The one place from which that is done."""
    if sys.platform != "win32":
        time.clock_settime(time.CLOCK_REALTIME, t)


class LinuxClock:
    """CLOCK_REALTIME. The arguments are for tests."""

    leave_below = 0.128
    """ntpd's own limit: below it a clock is slewed, which Python has no call for, and not stepped.
    """

    def __init__(
        self,
        set_time: Callable[[float], None] = set_linux_time,
        kernel_status: Callable[[], int | None] = kernel_clock_status,
        proc: Path = Path("/proc"),
    ) -> None:
        self._set_time = set_time
        self._kernel_status = kernel_status
        self._proc = proc

    def now(self) -> float:
        return wall_time()

    def can_set(self) -> tuple[bool, str]:
        """Ask for CAP_SYS_TIME; a container may still refuse what it grants."""
        try:
            status = (self._proc / "self/status").read_text("ascii", "replace")
        except OSError:
            return False, NO_PERMISSION
        for line in status.splitlines():
            name, _, value = line.partition(":")
            if name == "CapEff":
                may = int(value, 16) >> _CAP_SYS_TIME & 1
                return (True, "") if may else (False, NO_PERMISSION)
        return False, NO_PERMISSION

    def owner(self) -> str | None:
        status = self._kernel_status()
        if status is None or status & _STA_UNSYNC:
            return None
        # Somebody disciplines the kernel's clock; in a container it may be nobody we can see.
        return self._running_service() or "another time service"

    def step(self, t: float) -> None:
        self._set_time(t)

    def _running_service(self) -> str | None:
        try:
            processes = [path for path in self._proc.iterdir() if path.name.isdecimal()]
        except OSError:
            return None
        for process in processes:
            try:
                name = (process / "comm").read_text("utf-8", "replace").strip()
            except OSError:  # it has ended
                continue
            if name in _SERVICES:
                return _SERVICES[name]
        return None


# Windows


class SystemTime(NamedTuple):
    """A moment in UTC as Windows wants it; `weekday` 0 is Sunday."""

    year: int
    month: int
    weekday: int
    day: int
    hour: int
    minute: int
    second: int
    millisecond: int

    @classmethod
    def at(cls, t: float) -> "SystemTime":
        """The millisecond nearest to `t` seconds since 1970 UTC."""
        # Rounded as a whole: half a millisecond before midnight is the next day.
        milliseconds = int(t * 1000 + 0.5)
        day = datetime.fromtimestamp(milliseconds // 1000, UTC)
        return cls(
            day.year,
            day.month,
            day.isoweekday() % 7,
            day.day,
            day.hour,
            day.minute,
            day.second,
            milliseconds % 1000,
        )


class WindowsApi(Protocol):
    """The few calls of Windows that are needed; each error is the code of GetLastError, 0 none."""

    def enable_privilege(self, name: str) -> int:
        """Enable a privilege of this process, which administrators have but disabled."""

    def set_system_time(self, moment: SystemTime) -> int:
        """SetSystemTime."""

    def is_service_running(self, name: str) -> bool:
        """Whether a service runs; False also if there is none of that name."""

    def time_service_type(self) -> str:
        """The value `Type` of the Windows Time service; empty if there is none."""


_PRIVILEGE: Final = "SeSystemtimePrivilege"
_NO_RIGHTS: Final = frozenset({5, 1300, 1314})
"""ERROR_ACCESS_DENIED, ERROR_NOT_ALL_ASSIGNED, ERROR_PRIVILEGE_NOT_HELD."""
_TIME_SERVICE: Final = "w32time"


class WindowsClock:
    """The system time of Windows."""

    leave_below = 0.020

    def __init__(self, api: WindowsApi) -> None:
        self._api = api

    def now(self) -> float:
        return wall_time()

    def can_set(self) -> tuple[bool, str]:
        return (False, NO_PERMISSION) if self._api.enable_privilege(_PRIVILEGE) else (True, "")

    def owner(self) -> str | None:
        kind = self._api.time_service_type().upper()
        if kind == "NT5DS":
            # A member of a domain; a step of its own may cost it the domain (Kerberos: 5 minutes).
            return _TIME_SERVICE
        if kind in ("NTP", "ALLSYNC") and self._api.is_service_running(_TIME_SERVICE):
            return _TIME_SERVICE
        return None

    def step(self, t: float) -> None:
        error = self._api.enable_privilege(_PRIVILEGE)
        if not error:
            error = self._api.set_system_time(SystemTime.at(t))
        if error in _NO_RIGHTS:
            raise PermissionError(NO_PERMISSION)
        if error:
            raise OSError(f"Windows error {error}")


if sys.platform == "win32":
    import winreg
    from ctypes import wintypes

    _TOKEN_ADJUST_PRIVILEGES = 0x20
    _TOKEN_QUERY = 0x08
    _SE_PRIVILEGE_ENABLED = 0x02
    _SC_MANAGER_CONNECT = 0x01
    _SERVICE_QUERY_STATUS = 0x04
    _SERVICE_RUNNING = 0x04
    _PARAMETERS = r"SYSTEM\CurrentControlSet\Services\W32Time\Parameters"

    class _Systemtime(ctypes.Structure):
        _fields_ = tuple((name, wintypes.WORD) for name in SystemTime._fields)

    class _Luid(ctypes.Structure):
        _fields_ = (("low", wintypes.DWORD), ("high", wintypes.LONG))

    class _TokenPrivileges(ctypes.Structure):
        _fields_ = (
            ("count", wintypes.DWORD),
            ("luid", _Luid),
            ("attributes", wintypes.DWORD),
        )

    class _ServiceStatus(ctypes.Structure):
        _fields_ = tuple(
            (name, wintypes.DWORD)
            for name in ("type", "state", "controls", "exit", "specific", "check", "hint")
        )

    class Win32:
        """The calls themselves."""

        def __init__(self) -> None:
            kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            security = ctypes.WinDLL("advapi32", use_last_error=True)
            self._current_process = kernel.GetCurrentProcess
            self._current_process.argtypes = ()
            self._current_process.restype = wintypes.HANDLE
            self._close_handle = kernel.CloseHandle
            self._close_handle.argtypes = (wintypes.HANDLE,)
            self._set_system_time = kernel.SetSystemTime
            self._set_system_time.argtypes = (ctypes.POINTER(_Systemtime),)
            self._open_token = security.OpenProcessToken
            self._open_token.argtypes = (
                wintypes.HANDLE,
                wintypes.DWORD,
                ctypes.POINTER(wintypes.HANDLE),
            )
            self._look_up = security.LookupPrivilegeValueW
            self._look_up.argtypes = (wintypes.LPCWSTR, wintypes.LPCWSTR, ctypes.POINTER(_Luid))
            self._adjust = security.AdjustTokenPrivileges
            self._adjust.argtypes = (
                wintypes.HANDLE,
                wintypes.BOOL,
                ctypes.POINTER(_TokenPrivileges),
                wintypes.DWORD,
                ctypes.c_void_p,
                ctypes.c_void_p,
            )
            self._open_manager = security.OpenSCManagerW
            self._open_manager.argtypes = (wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD)
            self._open_manager.restype = wintypes.HANDLE
            self._open_service = security.OpenServiceW
            self._open_service.argtypes = (wintypes.HANDLE, wintypes.LPCWSTR, wintypes.DWORD)
            self._open_service.restype = wintypes.HANDLE
            self._service_status = security.QueryServiceStatus
            self._service_status.argtypes = (wintypes.HANDLE, ctypes.POINTER(_ServiceStatus))
            self._close_service = security.CloseServiceHandle
            self._close_service.argtypes = (wintypes.HANDLE,)

        def enable_privilege(self, name: str) -> int:
            token = wintypes.HANDLE()
            wanted = _TOKEN_ADJUST_PRIVILEGES | _TOKEN_QUERY
            if not self._open_token(self._current_process(), wanted, ctypes.byref(token)):
                return ctypes.get_last_error()
            try:
                luid = _Luid()
                if not self._look_up(None, name, ctypes.byref(luid)):
                    return ctypes.get_last_error()
                privileges = _TokenPrivileges(1, luid, _SE_PRIVILEGE_ENABLED)
                done = self._adjust(token, False, ctypes.byref(privileges), 0, None, None)
                # It also succeeds where the process has no such privilege: 1300 then.
                error = ctypes.get_last_error()
                return error if done else error or 1300
            finally:
                self._close_handle(token)

        def set_system_time(self, moment: SystemTime) -> int:
            done = self._set_system_time(ctypes.byref(_Systemtime(*moment)))
            return 0 if done else ctypes.get_last_error() or 1314

        def is_service_running(self, name: str) -> bool:
            manager = self._open_manager(None, None, _SC_MANAGER_CONNECT)
            if not manager:
                return False
            try:
                service = self._open_service(manager, name, _SERVICE_QUERY_STATUS)
                if not service:
                    return False
                try:
                    status = _ServiceStatus()
                    done = self._service_status(service, ctypes.byref(status))
                    return bool(done) and status.state == _SERVICE_RUNNING
                finally:
                    self._close_service(service)
            finally:
                self._close_service(manager)

        def time_service_type(self) -> str:
            try:
                with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _PARAMETERS) as key:
                    return str(winreg.QueryValueEx(key, "Type")[0])
            except OSError:
                return ""
