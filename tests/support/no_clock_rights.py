"""Gives up rights of root: above all that to set this machine's clock, for the whole test run.

A fixture that replaces the setters reaches this process only; a program that a test starts would
set the clock for good, and from a container that of its host too. Without CAP_SYS_TIME, which a
process of root may give up and never get back, the system itself refuses. On Windows it is a
privilege that is removed for good. (wine asks for neither: it must be started without the former.)
"""

import ctypes
import sys

CAP_DAC_OVERRIDE = 1
"""To write where the permissions of a file or folder say no."""
CAP_SYS_TIME = 25
_PR_CAPBSET_DROP = 24
_VERSION_3 = 0x20080522
_SE_PRIVILEGE_REMOVED = 4


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable"))


def give_up(right: int = CAP_SYS_TIME) -> None:
    """For this thread, and whatever it starts from now on; on Linux; on Windows the clock only.

    Without the right to give up rights there is none to set the clock either.
    """
    if sys.platform == "win32":
        _remove_privilege()
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_CAPBSET_DROP, right, 0, 0, 0)
    header, data = _Header(_VERSION_3, 0), (_Data * 2)()
    if libc.capget(ctypes.byref(header), data):
        return
    for kind in ("effective", "permitted", "inheritable"):
        setattr(data[0], kind, getattr(data[0], kind) & ~(1 << right))
    libc.capset(ctypes.byref(header), data)


def _remove_privilege() -> None:
    import ctypes.wintypes as types

    class Privilege(ctypes.Structure):
        _fields_ = (
            ("count", types.DWORD), ("low", types.DWORD), ("high", types.LONG),
            ("attributes", types.DWORD),
        )  # fmt: skip

    kernel, security = ctypes.WinDLL("kernel32"), ctypes.WinDLL("advapi32")
    kernel.GetCurrentProcess.restype = types.HANDLE
    security.OpenProcessToken.argtypes = (types.HANDLE, types.DWORD, ctypes.c_void_p)
    security.AdjustTokenPrivileges.argtypes = (
        types.HANDLE, types.BOOL, ctypes.c_void_p, types.DWORD, ctypes.c_void_p, ctypes.c_void_p,
    )  # fmt: skip
    kernel.CloseHandle.argtypes = (types.HANDLE,)
    token, wanted = types.HANDLE(), Privilege(1, 0, 0, _SE_PRIVILEGE_REMOVED)
    name = "SeSystemtimePrivilege"
    if not security.OpenProcessToken(kernel.GetCurrentProcess(), 0x28, ctypes.byref(token)):
        raise OSError("the rights of this process cannot be asked for")
    security.LookupPrivilegeValueW(None, name, ctypes.byref(wanted, Privilege.low.offset))
    security.AdjustTokenPrivileges(token, False, ctypes.byref(wanted), 0, None, None)
    kernel.CloseHandle(token)
