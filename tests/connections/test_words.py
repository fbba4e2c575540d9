"""The same words for the same trouble, whatever the system calls it."""

import errno
import os
import socket
import ssl
import sys

import pytest

from core.connections.words import error_words


class WindowsError(OSError):
    """As Python raises it on Windows: the number of Windows beside one of the C library."""

    def __init__(self, winerror: int, number: int, text: str) -> None:
        super().__init__(number, text)
        self.winerror = winerror


@pytest.mark.parametrize(("error", "words"), [
    (WindowsError(10061, 10061, "Es konnte keine Verbindung .."), "Connection refused"),
    (WindowsError(1225, 22, "Der Remotecomputer hat .."), "Connection refused"),
    (WindowsError(64, 22, "Der angegebene Netzwerkname .."), "Connection reset by peer"),
    (WindowsError(10048, 10048, "Normalerweise darf jede .."), "Address already in use"),
    (WindowsError(0, 11001, "getaddrinfo failed"), "Name or service not known"),
    (WindowsError(4711, 22, "something else"), "something else"),
])  # fmt: skip
def test_the_numbers_of_windows_have_words(monkeypatch, error, words):
    monkeypatch.setattr(sys, "platform", "win32")
    assert error_words(error) == words


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.ECONNRESET, errno.EADDRINUSE])
def test_the_number_counts_and_not_what_asyncio_says(number):
    error = OSError(number, "Connect call failed ('127.0.0.1', 2404)")
    assert error_words(error) in (os.strerror(number), "Connection refused",
                                  "Connection reset by peer", "Address already in use")  # fmt: skip
    assert "Connect call" not in error_words(error)


def test_what_has_no_number_speaks_for_itself():
    assert error_words(OSError("connected to itself")) == "connected to itself"
    assert "certificate" in error_words(ssl.SSLError(1, "certificate verify failed"))


def test_a_port_that_is_taken_is_the_same_sentence_everywhere():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as second:
        with pytest.raises(OSError) as raised:  # noqa: PT011 (the words are the question)
            second.bind(server.getsockname())
        assert error_words(raised.value) == "Address already in use"
