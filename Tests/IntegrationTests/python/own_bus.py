"""A broker and workers that a test starts by itself, as no `up` would."""

import json
import subprocess
import tempfile
import unittest

import zmq
from harness import PATIENCE, PROGRAM, chat, message


class OwnBusTest(unittest.TestCase):
    """Services in a directory of their own; all are killed at the end."""

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="understudy-test-")
        self.addCleanup(self.directory.cleanup)
        self.configuration = f"{self.directory.name}/understudy.json"

    def configure(self, model, providers, **bus):
        """Writes the configuration: one model, without fallbacks."""
        routing = {"default_chat_model": model, "fallback_models": []}
        with open(self.configuration, "w", encoding="utf-8") as file:
            json.dump({"routing": routing, "providers": providers, "bus": bus}, file)

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
        """The next line of a service that begins so."""
        for line in service.stdout:
            if line.startswith(beginning):
                return line
        self.fail(f"the service ended without a line that begins with {beginning!r}: {service.wait()}")

    def agent(self):
        agent = zmq.Context.instance().socket(zmq.DEALER)
        agent.linger = 0
        agent.rcvtimeo = int(PATIENCE * 1000)
        agent.connect(f"ipc://{self.directory.name}/agents.sock")
        self.addCleanup(agent.close)
        return agent

    def ask(self, agent, model, ids):
        """Sends a request for each id at once; gives verb and header of each terminal, which it acknowledges."""
        for id in ids:
            agent.send_multipart(message("REQUEST", id.encode(), None, chat(model)))
        ends = {}
        while len(ends) < len(ids):
            _, verb, id, header, *_ = agent.recv_multipart()
            if verb in (b"REPLY", b"FAILURE"):
                ends[id.decode()] = (verb.decode(), json.loads(header))
                agent.send_multipart(message("ACK", id))
            else:
                self.assertIn(verb, (b"ACCEPTED", b"OK"), header)
        return ends
