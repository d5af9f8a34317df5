"""The clients of protocol/clients/python against a real broker."""

import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

from harness import CLIENTS, DIRECTORY, PATIENCE, BusTest, Events, Peer, children

from understudy_client import BusError, Client, Failed, Reply, State, Unreachable, new_id as new_client_id


class TwentyLines(unittest.TestCase):
    path = os.path.join(CLIENTS, "twenty_lines.py")

    def run_it(self, *arguments):
        command = [sys.executable, "-B", self.path, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)

    def test_they_are_twenty(self):
        with open(self.path, encoding="utf-8") as file:
            self.assertEqual(len(file.readlines()), 20)

    def test_an_answer(self):
        done = self.run_it("Who is there?")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        answer, meta = done.stdout.splitlines()
        self.assertIn("Who is there?", answer)
        self.assertRegex(meta, r"^resolved_model=\S+/\S+ attempts=1 fallbacks=0$")

    def test_a_rescue(self):
        done = self.run_it("Hello?", "mock/status-503")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout.splitlines()[1], r"^resolved_model=\S+/\S+ attempts=1 fallbacks=1$")

    def test_a_failure(self):
        done = self.run_it("Hello?", "mock/status-400")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"^FAILURE 610 invalid_request: ")


@unittest.skipIf(os.geteuid() != 0, "takes a user of its own, for whom the fallback in /tmp is free")
class Fallback(unittest.TestCase):
    """A directory in /tmp that a stranger may have made is not used, whether it was there first or came later."""

    LATER = """
import os, sys, time
from understudy import Client, Unreachable
bus = Client(patience=60)
pending = bus.submit({"messages": []}, deadline=60)
os.mkdir(sys.argv[1])
os.chmod(sys.argv[1], 0o755)
try:
    bus.ping()
except Unreachable as error:
    sys.exit(str(error))
"""

    def setUp(self):
        self.user = random.randrange(10**6, 10**9)
        self.fallback = f"/tmp/understudy-{self.user}"
        self.place = tempfile.mkdtemp(prefix="understudy-test-")
        self.addCleanup(shutil.rmtree, self.place)
        self.addCleanup(shutil.rmtree, self.fallback, ignore_errors=True)
        # Where that user may read them.
        shutil.copytree(CLIENTS, f"{self.place}/clients", ignore=shutil.ignore_patterns(".*"))
        os.chmod(self.place, 0o755)

    def run_it(self, *arguments):
        environment = {**os.environ, "UNDERSTUDY_DIR": "", "XDG_RUNTIME_DIR": "", "PYTHONPATH": f"{self.place}/clients"}
        return subprocess.run(
            [sys.executable, "-B", *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environment,
            user=self.user,
            group=self.user,
            extra_groups=[],
        )

    def make(self, owner, mode):
        os.mkdir(self.fallback)
        os.chmod(self.fallback, mode)
        os.chown(self.fallback, owner, owner)

    def test_the_package(self):
        ask = ("-c", "from understudy import Client; Client(patience=1).ask('Hello?')")
        for owner, mode in ((0, 0o700), (self.user, 0o755)):
            self.make(owner, mode)
            done = self.run_it(*ask)
            self.assertRegex(done.stderr, rf"Unreachable: {self.fallback} is not a directory of this user's")
            os.rmdir(self.fallback)
        os.symlink(self.place, self.fallback)
        self.assertIn("is not a directory of this user's", self.run_it(*ask).stderr)
        os.remove(self.fallback)
        self.assertIn(f"there is no {self.fallback}/agents.sock", self.run_it(*ask).stderr)
        self.make(self.user, 0o700)
        self.assertIn(f"there is no {self.fallback}/agents.sock", self.run_it(*ask).stderr)

    def test_the_package_when_it_comes_later(self):
        done = self.run_it("-c", self.LATER, self.fallback)
        self.assertRegex(done.stderr, rf"^{self.fallback} is not a directory of this user's")

    def test_twenty_lines(self):
        program = f"{self.place}/clients/twenty_lines.py"
        for owner, mode in ((0, 0o700), (self.user, 0o755)):
            self.make(owner, mode)
            done = self.run_it(program)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertEqual(done.stderr, f"{self.fallback} is not this user's alone: set UNDERSTUDY_DIR\n")
            os.rmdir(self.fallback)


class BlockingClient(BusTest):
    def setUp(self):
        self.bus = Client(DIRECTORY, answer_timeout=PATIENCE)
        self.addCleanup(self.bus.close)

    def test_ask(self):
        reply = self.bus.ask("Who is there?", model="mock/ok", task="task-1", priority=9)
        self.assertIsInstance(reply, Reply)
        self.assertIn("Who is there?", reply.text)
        self.assertEqual((reply.resolved_model, reply.attempts), ("mock/ok", 1))
        self.bus.task_completed("task-1")
        # It was acknowledged.
        with self.assertRaises(BusError) as caught:
            self.bus.get(reply.id)
        self.assertEqual(caught.exception.symbol, "gone")

    def test_retries_show(self):
        reply = self.bus.ask("Hello?", model="mock/fail-first-2")
        self.assertEqual((reply.attempts, reply.meta["retries"]), (3, 2))

    def test_an_answer_that_is_kept(self):
        reply = self.bus.ask("Hello?", model="mock/ok", acknowledge=False)
        self.assertEqual(self.bus.get(reply.id), reply)
        again = self.bus.ask("Hello?", model="mock/ok", id=reply.id, acknowledge=False)
        self.assertEqual(again, reply)
        self.bus.ack(reply.id)
        with self.assertRaises(BusError) as caught:
            self.bus.get(reply.id)
        self.assertEqual(caught.exception.code, 410)

    def test_a_failure(self):
        with self.assertRaises(Failed) as caught:
            self.bus.request({"model": "mock/status-503", "fallback_models": [], "messages": [{"role": "user", "content": "x"}]})
        failed = caught.exception
        self.assertEqual((failed.status, failed.model), (503, "mock/status-503"))
        self.assertEqual(failed.meta["attempts"], 3)
        self.assertEqual(failed.retry, "new_id")
        self.bus.task_failed("task-2", "llm")

    def test_another_body(self):
        id = new_client_id()
        self.bus.ask("Hello?", id=id)
        with self.assertRaises(BusError) as caught:
            self.bus.ask("Hello again?", id=id)
        self.assertEqual((caught.exception.symbol, caught.exception.retry), ("id_conflict", "new_id"))

    def test_what_no_broker_would_take_is_not_sent(self):
        for deadline in (0, -1, math.inf, math.nan, 86_401, "60"):
            with self.assertRaisesRegex(ValueError, "the deadline is .*; expected seconds"):
                self.bus.ask("Hello?", deadline=deadline)
        with self.assertRaisesRegex(ValueError, "the id is 'a b'; expected 1 to 128"):
            self.bus.ask("Hello?", id="a b")
        with self.assertRaisesRegex(ValueError, "expected at most 8388608"):
            self.bus.ask("x" * (8 << 20))
        with self.assertRaisesRegex(ValueError, "expected at most 65536"):
            self.bus.ask("Hello?", task="x" * 70_000)
        self.assertGreater(self.bus.ping(), 0)

    def test_a_malformed_option_is_named(self):
        with self.assertRaisesRegex(BusError, "priority"):
            self.bus.ask("Hello?", priority=12)

    def test_get_and_cancel_from_another_connection(self):
        ended = {}

        def ask(id):
            with Client(DIRECTORY) as bus:
                try:
                    ended[id] = bus.ask("Hello?", model="mock/silent", id=id)
                except Failed as failed:
                    ended[id] = failed

        events = Events(b"evt.request.")
        self.addCleanup(events.close)
        id = new_client_id()
        # The subscription is in force when events come.
        while events.next(0.1) is None:
            self.bus.ask("Hello?", model="mock/ok")
        thread = threading.Thread(target=ask, args=(id,))
        thread.start()
        while (event := events.next()) and (event["event"], event["id"]) != ("request.accepted", id):
            pass
        self.assertIsNotNone(event)
        state = self.bus.get(id)
        self.assertIsInstance(state, State)
        self.assertIn(state.state, ("queued", "leased", "running"))
        self.assertLessEqual(state.remaining_ms, 1_800_000)
        cancelled = self.bus.cancel(id)
        self.assertIsInstance(cancelled, Failed)
        self.assertEqual((cancelled.code, cancelled.symbol), (499, "cancelled"))
        thread.join(PATIENCE)
        self.assertEqual(ended[id].symbol, "cancelled")

    def test_hello(self):
        self.assertEqual(self.bus.hello("a test")["durabilities"], ["disk", "memory"])

    def test_no_broker(self):
        with tempfile.TemporaryDirectory() as empty, Client(empty, answer_timeout=0.05) as bus:
            with self.assertRaisesRegex(Unreachable, "there is no .*agents.sock; start one with 'understudy up'"):
                bus.ping()
            with self.assertRaises(Unreachable):
                bus.ask("Hello?", deadline=0.05)

    def test_the_broker_dies_and_comes_back(self):
        (broker,) = children("broker")
        epoch = self.bus.hello("a test")["epoch"]
        ended = {}

        def ask():
            with Client(DIRECTORY, resend_every=0.2, answer_timeout=PATIENCE) as bus:
                ended["reply"] = bus.ask("Who is there?", model="mock/ok+700", id="survivor")

        thread = threading.Thread(target=ask)
        with Peer() as watcher:
            thread.start()
            # Known, or on a slow machine over already.
            while (answer := watcher.ask("GET", b"survivor")).code == 404:
                pass
            self.assertIn(answer.verb if answer.code is None else answer.code, ("STATE", "REPLY", 410), answer)
            os.kill(broker, signal.SIGKILL)
        thread.join(PATIENCE)
        self.assertIn("Who is there?", ended["reply"].text)
        self.assertGreater(self.bus.hello("a test")["epoch"], epoch)


if __name__ == "__main__":
    unittest.main()
