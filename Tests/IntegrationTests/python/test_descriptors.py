"""A broker out of file descriptors refuses connections, and goes on with those that it has."""

import resource
import socket
import subprocess
import tempfile
import unittest

import zmq
from harness import PATIENCE, PROGRAM, message

LIMIT = 256


class Descriptors(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="understudy-test-")
        self.addCleanup(self.directory.cleanup)
        self.path = f"{self.directory.name}/agents.sock"
        self.broker = subprocess.Popen(
            [PROGRAM, "broker", "--directory", self.directory.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT)),
        )
        self.addCleanup(self.broker.stdout.close)
        self.addCleanup(self.broker.wait)
        self.addCleanup(self.broker.kill)
        self.line("ready")

    def line(self, beginning):
        for line in self.broker.stdout:
            if line.startswith(beginning):
                return line
        self.fail(f"the broker ended without a line that begins with {beginning!r}: {self.broker.wait()}")

    def agent(self):
        agent = zmq.Context.instance().socket(zmq.DEALER)
        agent.linger = 0
        agent.rcvtimeo = int(PATIENCE * 1000)
        agent.connect(f"ipc://{self.path}")
        self.addCleanup(agent.close)
        return agent

    def ping(self, agent):
        agent.send_multipart(message("PING", b"here"))
        self.assertEqual(agent.recv_multipart()[1:3], [b"PONG", b"here"])

    def test_a_flood_of_connections_harms_nobody(self):
        early = self.agent()
        self.ping(early)
        strangers = [socket.socket(socket.AF_UNIX) for _ in range(3 * LIMIT)]
        for stranger in strangers:
            self.addCleanup(stranger.close)
            stranger.connect(self.path)
        self.line("connections are refused")
        self.ping(early)
        for stranger in strangers:
            stranger.close()
        self.ping(self.agent())
        self.ping(early)
        self.assertIsNone(self.broker.poll())


if __name__ == "__main__":
    unittest.main()
