"""What stands on the screen, asked of the system: windows of other processes and their icons."""

import ctypes
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Shown:
    """A window with a title."""

    id: int
    title: str
    class_name: str = ""
    icon_sizes: frozenset[int] = field(default_factory=frozenset)


def windows(display: str) -> list[Shown]:
    """All windows with a title; ``display`` is that of X, elsewhere there is only one."""
    return list(_of_windows() if sys.platform == "win32" else _of_x(display))


def close(window: Shown) -> None:
    """Ask a window of Windows to close, as its cross does."""
    ctypes.windll.user32.PostMessageW(window.id, 0x0010, 0, 0)  # type: ignore[attr-defined]


def _of_windows() -> Iterator[Shown]:
    user32 = ctypes.windll.user32  # type: ignore[attr-defined]
    kind = ctypes.WINFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p)  # type: ignore[attr-defined]
    handles: list[int] = []

    def found(handle: int, _: int) -> bool:
        if user32.IsWindowVisible(ctypes.c_void_p(handle)):
            handles.append(handle)
        return True

    user32.EnumWindows(kind(found), 0)
    for handle in handles:
        text = ctypes.create_unicode_buffer(512)
        user32.GetWindowTextW(ctypes.c_void_p(handle), text, 512)
        yield Shown(handle, text.value)


class _ClassHint(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("class_name", ctypes.c_char_p)]


def _of_x(display: str) -> Iterator[Shown]:
    x = ctypes.CDLL("libX11.so.6")
    for name in ("XOpenDisplay", "XDefaultRootWindow", "XInternAtom"):
        getattr(x, name).restype = ctypes.c_void_p
    server = ctypes.c_void_p(x.XOpenDisplay(display.encode()))
    assert server, f"no display {display}"
    try:
        # A window may go while it is asked; that is no reason to end this process.
        handler = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: 0)
        before = x.XSetErrorHandler(handler)
        yield from _below(x, server, ctypes.c_ulong(x.XDefaultRootWindow(server)))
        x.XSync(server, 0)
        x.XSetErrorHandler(ctypes.c_void_p(before))
    finally:
        x.XCloseDisplay(server)


def _below(x: ctypes.CDLL, server: ctypes.c_void_p, window: ctypes.c_ulong) -> Iterator[Shown]:
    title, hint = ctypes.c_char_p(), _ClassHint()
    if x.XFetchName(server, window, ctypes.byref(title)) and title.value:
        x.XGetClassHint(server, window, ctypes.byref(hint))
        yield Shown(
            window.value,
            title.value.decode("utf-8", "replace"),
            (hint.class_name or b"").decode(),
            frozenset(_icon_sizes(x, server, window)),
        )
    root, parent = ctypes.c_ulong(), ctypes.c_ulong()
    children, count = ctypes.POINTER(ctypes.c_ulong)(), ctypes.c_uint()
    answer = (root, parent, children, count)
    if x.XQueryTree(server, window, *map(ctypes.byref, answer)) and children:
        for number in range(count.value):
            yield from _below(x, server, ctypes.c_ulong(children[number]))
        x.XFree(children)


def _icon_sizes(x: ctypes.CDLL, server: ctypes.c_void_p, window: ctypes.c_ulong) -> Iterator[int]:
    """The widths in _NET_WM_ICON: width, height, pixels, width, height, .."""
    atom = ctypes.c_ulong(x.XInternAtom(server, b"_NET_WM_ICON", 1))
    kind, form = ctypes.c_ulong(), ctypes.c_int()
    count, rest = ctypes.c_ulong(), ctypes.c_ulong()
    data = ctypes.POINTER(ctypes.c_ulong)()
    answer = (kind, form, count, rest, data)
    x.XGetWindowProperty(
        server, window, atom, ctypes.c_long(0), ctypes.c_long(1 << 20), 0, ctypes.c_ulong(0),
        *map(ctypes.byref, answer),
    )  # fmt: skip
    at = 0
    while data and at + 1 < count.value:
        yield data[at]
        at += 2 + data[at] * data[at + 1]
