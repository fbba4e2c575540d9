"""Windows ends the session of its user: the window is told while there is time to end in order."""

import sys
import time

import pytest

from app.start import end_with_session


@pytest.mark.skipif(sys.platform != "win32", reason="asks Windows")
def test_the_end_of_the_session_is_the_end_of_the_program(display):
    import ctypes
    import tkinter as tk

    root = tk.Tk()
    ended = []
    try:
        end_with_session(root, lambda: ended.append(True))
        root.update()
        post = ctypes.WinDLL("user32").PostMessageW
        post.argtypes = (ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p)
        post(int(root.wm_frame(), 16), 0x11, None, None)  # WM_QUERYENDSESSION
        until = time.monotonic() + 10
        while not ended:
            root.update()
            assert time.monotonic() < until
    finally:
        root.destroy()
