"""With few file descriptors a broker refuses connections, and goes on with those that it has; a worker takes no more than
it has connections for."""

import os
import resource
import socket
import unittest

from harness import message, mock_port
from own_bus import OwnBusTest

LIMIT = 256


def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))


class Descriptors(OwnBusTest):
    def setUp(self):
        super().setUp()
        # Two providers at one server: each name is an origin of its own, with connections of its own.
        port = mock_port()
        providers = {
            name: {"dialect": "openai-chat", "base_url": f"http://{host}:{port}/v1", "key": "none"}
            for name, host in (("one", "127.0.0.1"), ("two", "localhost"))
        }
        self.configure("one/ok", providers, worker_capacity=1000)

    def ping(self, agent):
        agent.send_multipart(message("PING", b"here"))
        self.assertEqual(agent.recv_multipart()[1:3], [b"PONG", b"here"])

    def test_a_flood_of_connections_harms_nobody(self):
        broker = self.start("broker", preexec_fn=limit_descriptors)
        self.line(broker, "ready")
        early = self.agent()
        self.ping(early)
        strangers = [socket.socket(socket.AF_UNIX) for _ in range(3 * LIMIT)]
        for stranger in strangers:
            self.addCleanup(stranger.close)
            stranger.connect(f"{self.directory.name}/agents.sock")
        self.line(broker, "connections are refused")
        self.ping(early)
        for stranger in strangers:
            stranger.close()
        self.ping(self.agent())
        self.ping(early)
        self.assertIsNone(broker.poll())

    def test_a_worker_takes_what_it_has_descriptors_for(self):
        self.line(self.start("broker"), "ready")
        worker = self.start("worker", preexec_fn=limit_descriptors)
        self.assertIn("not the 1000 of", self.line(worker, f"warning: a process may open {LIMIT} files"))
        self.line(worker, "ready")
        agent = self.agent()
        # The connections that the first provider keeps open are in the way of those to the second.
        for model in ("one/ok+100", "two/ok+100"):
            ends = self.ask(agent, model, [f"{model[:3]}-{number}" for number in range(2 * LIMIT)])
            for verb, header in ends.values():
                self.assertEqual(verb, "REPLY", header)
                self.assertEqual(header["meta"]["total_attempts"], 1, header)
        self.assertLess(len(os.listdir(f"/proc/{worker.pid}/fd")), LIMIT)
        self.assertIsNone(worker.poll())


if __name__ == "__main__":
    unittest.main()
