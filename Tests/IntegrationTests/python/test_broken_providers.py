"""Providers whose errors arrive in pieces, and whose kept connections are dead."""

import json
import socket
import struct
import threading
import unittest

from own_bus import OwnBusTest

ANSWER = json.dumps({"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}]})


def response(status, body, *fields, length=None):
    """A response that says it is `length` bytes long, by default truly."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *fields, "", body]
    return "\r\n".join(lines).encode()


class Provider:
    """Does what the name of the model says."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.requests = {}
        # Connections of an earlier age are reset at their next request.
        self.age = 0
        self.over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.over.set()
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, self.age), daemon=True).start()

    def _serve(self, connection, age):
        with connection, connection.makefile("rb") as reader:
            while (model := self._read_model(reader)) is not None:
                with self.lock:
                    self.requests[model] = self.requests.get(model, 0) + 1
                    count = self.requests[model]
                if age != self.age:
                    # With the next close a reset, as from a machine that does not know the connection.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                if not self._answer(connection, model, count):
                    return

    @staticmethod
    def _read_model(reader):
        length = None
        while line := reader.readline():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            if line == b"\r\n":
                return json.loads(reader.read(length))["model"]
        return None

    def _answer(self, connection, model, count):
        """True when the connection can go on."""
        if model == "half-401":
            connection.sendall(response("401 Unauthorized", '{"error":', length=100))
        elif model == "half-429" and count == 1:
            connection.sendall(response("429 Too Many Requests", '{"error":', "Retry-After: 1", length=100))
        elif model == "stalled-404":
            connection.sendall(response("404 Not Found", "", length=100))
            self.over.wait()
        elif model == "long-line":
            connection.sendall(response("200 OK", ANSWER, "X-Long: " + "x" * 200_000))
        else:
            connection.sendall(response("200 OK", ANSWER))
            return True
        return False


class BrokenProviders(OwnBusTest):
    def setUp(self):
        super().setUp()
        self.provider = Provider()
        self.addCleanup(self.provider.close)
        settings = {"dialect": "openai-chat", "base_url": f"http://127.0.0.1:{self.provider.port}/v1", "key": "none"}
        self.configure("nasty/ok", {"nasty": settings})
        self.line(self.start("broker"), "ready")
        self.line(self.start("worker"), "ready")

    def one(self, model, id=None):
        ((verb, header),) = self.ask(self.agent(), f"nasty/{model}", [id or model]).values()
        return verb, header

    def check_failure(self, model, symbol, billed):
        verb, header = self.one(model)
        self.assertEqual((verb, header["symbol"], header["billed"]), ("FAILURE", symbol, billed), header)
        self.assertEqual(header["meta"]["total_attempts"], 1, header)
        return header

    def test_a_status_counts_though_its_body_breaks_off(self):
        self.assertEqual(self.check_failure("half-401", "auth", "no")["status"], 401)

    def test_a_status_counts_though_its_body_never_comes(self):
        self.assertEqual(self.check_failure("stalled-404", "not_found", "no")["status"], 404)

    def test_a_named_wait_is_kept_though_its_body_breaks_off(self):
        verb, header = self.one("half-429")
        self.assertEqual((verb, header["meta"]["total_attempts"]), ("REPLY", 2), header)
        first = header["meta"]["trail"][0]
        self.assertEqual((first["class"], first["status"]), ("rate_limited", 429), first)
        self.assertTrue(1000 <= first["wait_ms"] <= 1250, first)

    def test_a_line_beyond_all_bounds_is_told_as_such(self):
        self.assertIn("longer than 100 KB", self.check_failure("long-line", "malformed_response", "maybe")["message"])

    def test_dead_connections_cost_one_attempt_at_most(self):
        self.ask(self.agent(), "nasty/kept", [f"warm-{number}" for number in range(30)])
        self.provider.age += 1
        for number in range(5):
            verb, header = self.one("kept", f"after-{number}")
            self.assertEqual(verb, "REPLY", header)
            self.assertLessEqual(header["meta"]["total_attempts"], 2, header)


if __name__ == "__main__":
    unittest.main()
