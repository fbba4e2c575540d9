"""TLS to a station that has a certificate of its own, made for the test."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from core.client import IEC104Client
from tests.connections.support import wait_for
from tests.support.ports import free_port
from tests.support.wire import HOST, event_frame

STARTDT_ACT, STARTDT_CON = bytes.fromhex("680407000000"), bytes.fromhex("68040b000000")

MADE = os.environ.get("IEC_TEST_CERTIFICATE")
"""A folder with cert.pem and key.pem, for where the program openssl is not."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1 and station.test, with its key."""
    if MADE:
        return Path(MADE)
    if shutil.which("openssl") is None:
        pytest.skip("no openssl program, and IEC_TEST_CERTIFICATE names no folder")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=station.test",
         "-addext", "subjectAltName=DNS:station.test,IP:127.0.0.1",
         "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, capture_output=True, check=True,
    )  # fmt: skip
    return folder


class TlsStation:
    """Accepts TLS connections one after the other; confirms STARTDT and sends events."""

    def __init__(self, certificate, needs_client=False, speaks=True):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        if needs_client:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(certificate / "cert.pem")
        self.speaks = speaks
        self.connections = 0
        self.server = socket.create_server((HOST, free_port()))
        self.port = self.server.getsockname()[1]
        self.server.settimeout(0.05)
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, name="peer-tls", daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join(10)
        self.server.close()

    def run(self):
        while not self.done.is_set():
            with suppress(OSError):
                raw, _ = self.server.accept()
                with raw:
                    self.connections += 1
                    raw.settimeout(0.5)
                    if self.speaks:
                        self.serve(raw)
                    else:
                        self.done.wait(10)

    def serve(self, raw):
        with self.context.wrap_socket(raw, server_side=True) as sock:
            assert sock.recv(100) == STARTDT_ACT
            sock.sendall(STARTDT_CON + b"".join(event_frame(n, 47, n) for n in range(2000)))
            sock.settimeout(10)
            while sock.recv(4096):
                pass


def trusting(certificate):
    return ssl.create_default_context(cafile=str(certificate / "cert.pem"))


@pytest.mark.parametrize("name", [None, "station.test"])
def test_frames_over_tls(certificate, name):
    context = trusting(certificate)
    with (
        TlsStation(certificate) as station,
        IEC104Client(HOST, station.port, tls=context, tls_name=name, w=1) as client,
    ):
        assert client.wait_until_started(5), client.detail
        frames = [client.get_frame() for _ in range(2000)]
    assert frames == [event_frame(n, 47, n) for n in range(2000)]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_is_shown(certificate, version):
    context = trusting(certificate)
    context.maximum_version = version
    with TlsStation(certificate, needs_client=True) as station:
        with IEC104Client(HOST, station.port, tls=context, reconnect=False) as client:
            assert not client.wait_until_started(5)
            wait_for(lambda: client.is_stopped())
            assert "certificate" in client.detail or "TLS" in client.detail
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        with IEC104Client(HOST, station.port, tls=context) as client:
            assert client.wait_until_started(5), client.detail


@pytest.mark.parametrize("fault", ["untrusted", "other name", "no name"])
def test_a_certificate_that_is_not_right_is_refused(certificate, fault):
    context = trusting(certificate) if fault != "untrusted" else ssl.create_default_context()
    name = "other.test" if fault == "other name" else None
    with (
        TlsStation(certificate) as station,
        IEC104Client(
            HOST if fault != "no name" else "localhost", station.port,
            tls=context, tls_name=name, reconnect=False,
        ) as client,
    ):  # fmt: skip
        assert not client.wait_until_started(5)
        assert "CERTIFICATE_VERIFY_FAILED" in client.detail
        assert client.detail.startswith("no TLS")


def test_a_station_without_tls_is_not_talked_to(certificate, rtu):
    rtu.set(is_strict=False)
    context = trusting(certificate)
    with IEC104Client(HOST, rtu.port, tls=context, reconnect=False) as client:
        assert not client.wait_until_started(5)
        assert "TLS" in client.detail


def test_stop_in_the_middle_of_the_handshake(certificate):
    with TlsStation(certificate, speaks=False) as station:
        client = IEC104Client(HOST, station.port, tls=trusting(certificate))
        client.start()
        wait_for(lambda: station.connections)
        client.stop()
        assert client.is_stopped()
        station.done.set()
