"""Calls over real TLS, to a server whose certificate was made for the test."""

import contextlib
import json
import os
import select
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

from own_bus import OwnBusTest

ANSWER = json.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
).encode()


class Server:
    """Answers every request, keeps its connections, and closes those that are idle when it is told to."""

    def __init__(self, directory):
        self.certificate = f"{directory}/certificate.pem"
        key = f"{directory}/key.pem"
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
        subprocess.run(
            [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-out", self.certificate, "-keyout", key],
            check=True,
            capture_output=True,
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        # The connections that have answered, by what tells their threads to end them; told when that is done.
        self.idle = {}
        self.accepted = 0
        self.requests = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain):
        told, tells = socket.socketpair()
        ended = threading.Event()
        try:
            with told, tells, self.context.wrap_socket(plain, server_side=True) as connection:
                with self.lock:
                    self.accepted += 1
                while self._wait(connection, told) and self._read_request(connection, tells, ended):
                    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(ANSWER)}\r\n\r\n"
                    connection.sendall(head.encode() + ANSWER)
        except OSError:
            pass
        finally:
            ended.set()
            with self.lock:
                self.idle.pop(tells, None)

    @staticmethod
    def _wait(connection, told):
        """Waits for a request; False after the connection was ended in its place, in order: with a close_notify."""
        if connection.pending() or told not in select.select([connection, told], [], [])[0]:
            return True
        connection.setblocking(False)
        try:
            # Sends the close_notify, and would wait for that of the peer.
            connection.unwrap()
        except (ssl.SSLError, OSError):
            pass
        return False

    def _read_request(self, connection, tells, ended):
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return False
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        (length,) = (int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
        while len(body) < length:
            body += connection.recv(65536)
        with self.lock:
            self.requests += 1
            # Before the answer: who has it may tell us to close.
            self.idle[tells] = ended
        return True

    def close_idle(self):
        """Ends the connections that have answered, as a server does after its keep-alive time; returns when that is done."""
        with self.lock:
            idle, self.idle = self.idle, {}
        for tells, ended in idle.items():
            with contextlib.suppress(OSError):
                tells.send(b"close")
            ended.wait()
        return len(idle)

    def close(self):
        self.listener.close()


class TLS(OwnBusTest):
    def setUp(self):
        super().setUp()
        place = tempfile.TemporaryDirectory(prefix="understudy-test-")
        self.addCleanup(place.cleanup)
        self.server = Server(place.name)
        self.addCleanup(self.server.close)
        provider = {"dialect": "openai-chat", "base_url": f"https://127.0.0.1:{self.server.port}/v1", "key": "none"}
        self.configure("tls/m", {"tls": provider})
        self.line(self.start("broker"), "ready")

    def worker(self, **variables):
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self.line(self.start("worker", env={**environment, **variables}), "ready")

    def check_first_attempt(self, ends):
        for verb, header in ends.values():
            self.assertEqual(verb, "REPLY", header)
            self.assertEqual(header["meta"]["total_attempts"], 1, header)

    def test_kept_connections_are_used_again(self):
        self.worker(SSL_CERT_FILE=self.server.certificate)
        agent = self.agent()
        self.check_first_attempt(self.ask(agent, "tls/m", [f"many-{number}" for number in range(40)]))
        opened = self.server.accepted
        self.assertLessEqual(opened, 40)
        for number in range(10):
            self.check_first_attempt(self.ask(agent, "tls/m", [f"one-{number}"]))
        self.assertEqual(self.server.accepted, opened)
        self.assertEqual(self.server.requests, 50)

    def test_a_connection_that_its_server_closed_costs_no_attempt(self):
        self.worker(SSL_CERT_FILE=self.server.certificate)
        agent = self.agent()
        for turn, count in enumerate((1, 1, 20, 1)):
            self.check_first_attempt(self.ask(agent, "tls/m", [f"{turn}-{number}" for number in range(count)]))
            self.assertGreaterEqual(self.server.close_idle(), 1)
        self.assertEqual(self.server.requests, 23)

    def test_an_unknown_certificate_is_refused_at_once_and_costs_nothing(self):
        self.worker()
        ((verb, header),) = self.ask(self.agent(), "tls/m", ["refused"]).values()
        self.assertEqual((verb, header["symbol"], header["billed"]), ("FAILURE", "connection", "no"), header)
        self.assertEqual(header["meta"]["total_attempts"], 1, header)
        self.assertIn("certificate", header["message"])
        self.assertEqual(self.server.requests, 0)


if __name__ == "__main__":
    unittest.main()
