"""Services whose terminal was stopped (Ctrl-S) go on, lose no line for it, and end when they are asked to."""

import json
import os
import pty
import select
import signal
import subprocess
import time
import unittest

from harness import DIRECTORY, PATIENCE, PROGRAM, BusTest, Peer, chat, message, new_id

STOP, GO = b"\x13", b"\x11"


class Terminal:
    """A service at a terminal of its own."""

    def __init__(self, *arguments):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [PROGRAM, *arguments, "--directory", DIRECTORY],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.read_until(b"ready: ")

    def type(self, keys):
        os.write(self.master, keys)
        # The line discipline acts on them in the write, another processor's output may be under way.
        time.sleep(0.1)

    def read_until(self, part):
        text = b""
        while part not in text:
            if not select.select([self.master], [], [], PATIENCE)[0]:
                raise AssertionError(f"no {part} in {text}")
            text += os.read(self.master, 65536)
        return text

    def end(self):
        """Ends it as a service manager does; gives its status and how long it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE), time.monotonic() - begun

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


class BlockedTerminal(BusTest):
    def start(self, *arguments):
        return self.closing(Terminal(*arguments))

    def join(self, name):
        """A worker that joins, which the broker logs."""
        worker = self.closing(Peer(socket="workers.sock"))
        worker.send(*message("READY", b"", {"name": name, "pid": os.getpid(), "capacity": 1}))
        self.assertEqual(worker.receive().verb, "WELCOME")

    def test_a_broker_answers_and_ends(self):
        terminal = self.start("broker")
        agent = self.req()
        terminal.type(STOP)
        for number in range(20):
            self.join(f"held-{number}")
            self.assertEqual(agent.ask("PING", b"x").verb, "PONG")
        self.assertEqual(select.select([terminal.master], [], [], 0)[0], [], "the terminal did not stop")
        terminal.type(GO)
        text = terminal.read_until(b"held-19")
        places = [text.index(f"held-{number}".encode()) for number in range(20)]
        self.assertEqual(places, sorted(places), text)

        terminal.type(STOP)
        self.join("last")
        status, seconds = terminal.end()
        self.assertEqual(status, 0)
        # A few seconds of its own to drain, none for the terminal.
        self.assertLess(seconds, 15)

    def test_up_starts_again_what_died_and_ends(self):
        terminal = self.start("up", "--mock", "--workers", "1")
        agent = self.req()
        terminal.type(STOP)
        killed = set()
        for _ in range(2):
            workers = json.loads(agent.ask("GET", b"sys.workers").body)["workers"]
            (pid,) = {worker["pid"] for worker in workers} - killed
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
            # Only another worker can answer it.
            answer = self.req().ask("REQUEST", new_id(), None, chat("mock/ok"))
            self.assertEqual(answer.verb, "REPLY", answer)
        status, seconds = terminal.end()
        self.assertEqual(status, 0)
        self.assertLess(seconds, 15)


if __name__ == "__main__":
    unittest.main()
