"""With few file descriptors a broker refuses connections, and goes on with those that it has; a worker takes no more than
it has connections for."""

import json
import os
import resource
import socket
import subprocess
import tempfile
import unittest

import zmq
from harness import PATIENCE, PROGRAM, chat, message, mock_port

LIMIT = 256


def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))


class Descriptors(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="understudy-test-")
        self.addCleanup(self.directory.cleanup)
        self.path = f"{self.directory.name}/agents.sock"
        # Two providers at one server: each name is an origin of its own, with connections of its own.
        self.configuration = f"{self.directory.name}/understudy.json"
        port = mock_port()
        providers = {
            name: {"dialect": "openai-chat", "base_url": f"http://{host}:{port}/v1", "key": "none"}
            for name, host in (("one", "127.0.0.1"), ("two", "localhost"))
        }
        with open(self.configuration, "w", encoding="utf-8") as file:
            routing = {"default_chat_model": "one/ok", "fallback_models": []}
            json.dump({"routing": routing, "providers": providers, "bus": {"worker_capacity": 1000}}, file)

    def start(self, role, **options):
        service = subprocess.Popen(
            [PROGRAM, role, "--directory", self.directory.name, "--config", self.configuration],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )
        self.addCleanup(service.stdout.close)
        self.addCleanup(service.wait)
        self.addCleanup(service.kill)
        return service

    def line(self, service, beginning):
        for line in service.stdout:
            if line.startswith(beginning):
                return line
        self.fail(f"the service ended without a line that begins with {beginning!r}: {service.wait()}")

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
        broker = self.start("broker", preexec_fn=limit_descriptors)
        self.line(broker, "ready")
        early = self.agent()
        self.ping(early)
        strangers = [socket.socket(socket.AF_UNIX) for _ in range(3 * LIMIT)]
        for stranger in strangers:
            self.addCleanup(stranger.close)
            stranger.connect(self.path)
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
        count = 2 * LIMIT
        # The connections that the first provider keeps open are in the way of those to the second.
        for model in ("one/ok+100", "two/ok+100"):
            for number in range(count):
                agent.send_multipart(message("REQUEST", f"{model[:3]}-{number}".encode(), None, chat(model)))
            answered = 0
            while answered < count:
                _, verb, id, header, *_ = agent.recv_multipart()
                if verb in (b"ACCEPTED", b"OK"):
                    continue
                self.assertEqual(verb, b"REPLY", header)
                self.assertEqual(json.loads(header)["meta"]["total_attempts"], 1, header)
                agent.send_multipart(message("ACK", id))
                answered += 1
        used = len(os.listdir(f"/proc/{worker.pid}/fd"))
        self.assertLess(used, LIMIT)
        self.assertIsNone(worker.poll())


if __name__ == "__main__":
    unittest.main()
