"""What was accepted outlives the agent, the worker and the broker, killed, frozen or replaced."""

import os
import signal
import subprocess
import sys
import threading
import time
import unittest

from harness import (
    CLIENTS,
    DIRECTORY,
    PATIENCE,
    UP,
    BusTest,
    Events,
    chat,
    children,
    message,
    mock_counts,
    mock_port,
    new_id,
    wait_until,
)

# An agent that dies as soon as its request is accepted.
SHORT_LIFE = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from harness import Peer, chat, message
peer = Peer()
peer.send(*message("REQUEST", sys.argv[2].encode(), {"task": "orphan"}, chat("mock/ok+1500")))
answer = peer.receive()
print(answer.verb, answer.header["durability"], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def pause():
    time.sleep(0.02)


class Durability(BusTest):
    def setUp(self):
        self.port = mock_port()

    def calls(self):
        """Calls per request id, as the mock provider counted them."""
        return {id.rpartition("/")[2]: count for id, count in mock_counts(self.port)["requests"].items()}

    def broker(self):
        (pid,) = children("broker")
        return pid

    def replaced(self, role, former, count=1):
        """Waits until `role` runs `count` times, and none of them in a process of `former`."""
        wait_until(
            f"a new {role}",
            lambda: len(children(role)) == count and not set(children(role)) & set(former),
            pause,
        )

    def kill_broker(self):
        pid = self.broker()
        os.kill(pid, signal.SIGKILL)
        self.replaced("broker", [pid])

    def accept(self, peer, model="mock/ok", header=None):
        id = new_id()
        answer = peer.ask("REQUEST", id, header, chat(model))
        self.check_accepted(answer, id)
        return id

    def fetch(self, id, patience=PATIENCE):
        """The terminal of `id`, asked for by somebody who was not there before."""
        with self.dealer() as peer:
            answer = peer.ask("GET", id)
            while answer.verb == "STATE":
                answer = peer.receive(patience)
            return answer

    def test_an_agent_comes_back_as_another_process(self):
        id = new_id().decode()
        here = os.path.dirname(os.path.abspath(__file__))
        agent = subprocess.run(
            [sys.executable, "-B", "-c", SHORT_LIFE, here, id], capture_output=True, text=True, timeout=PATIENCE
        )
        self.assertEqual(agent.returncode, -signal.SIGKILL, agent.stderr)
        self.assertEqual(agent.stdout, "ACCEPTED disk\n", agent.stderr)
        self.check_reply(self.fetch(id.encode()), id.encode())
        self.assertEqual(self.calls()[id], 1)

    def test_what_is_open_outlives_the_broker(self):
        with self.dealer() as peer:
            slow = [self.accept(peer, "mock/ok+2500") for _ in range(20)]
            quick = self.accept(peer)
            answer = peer.receive()
            self.check_reply(answer, quick)
        wait_until("calls under way", lambda: self.calls().keys() >= {id.decode() for id in slow}, pause)
        self.kill_broker()
        for id in slow:
            self.check_reply(self.fetch(id), id)
        calls = self.calls()
        # The workers went on with what they had, and kept the results for the broker that came.
        self.assertEqual([calls[id.decode()] for id in slow], [1] * len(slow))

    def test_workers_and_broker_die_together(self):
        with self.dealer() as peer:
            ids = [self.accept(peer, "mock/ok+6000") for _ in range(10)]
            careful = self.accept(peer, "mock/ok+6000", {"on_loss": "fail"})
        wait_until("calls under way", lambda: self.calls().keys() >= {id.decode() for id in ids + [careful]}, pause)
        former = children("worker") + children("broker")
        for pid in former:
            os.kill(pid, signal.SIGKILL)
        self.replaced("broker", former)
        for id in ids:
            self.check_reply(self.fetch(id), id)
        self.check_error_of(self.fetch(careful), 520)
        calls = self.calls()
        self.assertEqual([calls[id.decode()] for id in ids], [2] * len(ids))
        self.assertEqual(calls[careful.decode()], 1)

    def check_error_of(self, answer, code):
        self.assertEqual((answer.verb, answer.code), ("FAILURE", code), answer)

    def test_a_terminal_is_the_same_for_the_next_broker_until_its_ack(self):
        with self.dealer() as peer:
            id = self.accept(peer)
            first = peer.receive()
            self.check_reply(first, id)
        self.kill_broker()
        again = self.fetch(id)
        self.assertEqual((again.verb, again.header, again.body), ("REPLY", first.header, first.body))
        with self.dealer() as peer:
            answer = peer.ask("REQUEST", id, None, chat("mock/another"))
            self.check_error(answer, 409)
            self.assertEqual(peer.ask("ACK", id).verb, "OK")
        # The forgetting is on disk when a later acceptance is.
        with self.dealer() as peer:
            self.accept(peer)
        self.kill_broker()
        self.check_error(self.fetch(id), 410)
        with self.dealer() as peer:
            self.check_error(peer.ask("REQUEST", id, None, chat("mock/ok")), 410)
        self.assertEqual(self.calls()[id.decode()], 1)

    def test_memory_does_not_outlive_the_broker(self):
        with self.dealer() as peer:
            id = new_id()
            answer = peer.ask("REQUEST", id, {"durability": "memory"}, chat("mock/ok+60000"))
            self.check_accepted(answer, id, durability="memory")
        self.kill_broker()
        self.check_error(self.fetch(id), 404)

    def test_a_frozen_broker_takes_nothing_from_its_workers(self):
        events = Events(b"evt.worker.")
        self.addCleanup(events.close)
        with self.dealer() as peer:
            ids = [new_id() for _ in range(10)]
            for id in ids:
                peer.send(*message("REQUEST", id, None, chat("mock/ok+1000")))
            wait_until("calls under way", lambda: self.calls().keys() >= {id.decode() for id in ids}, pause)
            broker = self.broker()
            os.kill(broker, signal.SIGSTOP)
            # Four leases of this bus.
            time.sleep(4)
            os.kill(broker, signal.SIGCONT)
            # The first replies may overtake the last acceptances on a slow machine.
            answers = [peer.receive() for _ in range(2 * len(ids))]
            for id in ids:
                accepted, reply = [answer for answer in answers if answer.id == id]
                self.check_accepted(accepted, id)
                self.check_reply(reply, id)
        calls = self.calls()
        self.assertEqual([calls[id.decode()] for id in ids], [1] * len(ids))
        while (event := events.next(0)) is not None:
            self.assertNotEqual(event["event"], "worker.lost", event)

    def test_a_renewal_under_load_fails_no_request(self):
        sys.path.insert(0, CLIENTS)
        from understudy_client import Client

        former = {role: children(role) for role in ("worker", "broker", "collector")}
        stop = threading.Event()
        replies, troubles = [], []

        def agent():
            try:
                with Client(DIRECTORY, answer_timeout=PATIENCE, resend_every=1.0) as bus:
                    while not stop.is_set():
                        replies.append(bus.ask("Hello?", model="mock/ok+30", deadline=PATIENCE))
            except Exception as trouble:  # pylint: disable=broad-except
                troubles.append(trouble)

        agents = [threading.Thread(target=agent) for _ in range(4)]
        for thread in agents:
            thread.start()
        wait_until("load", lambda: len(replies) > 20 or troubles, pause)
        # Calls that take longer than a worker that is told to stop may; nothing may end or repeat them.
        with self.dealer() as peer:
            long = [self.accept(peer, "mock/ok+3000", {"on_loss": on_loss}) for on_loss in 4 * ["fail", "retry"]]
        wait_until("long calls", lambda: self.calls().keys() >= {id.decode() for id in long}, pause)
        os.kill(UP, signal.SIGHUP)
        for role, pids in former.items():
            self.replaced(role, pids, len(pids))
        seen = len(replies)
        wait_until("load on the new bus", lambda: len(replies) > seen + 20 or troubles, pause)
        stop.set()
        for thread in agents:
            thread.join(PATIENCE)
        self.assertEqual(troubles, [])
        for id in long:
            self.check_reply(self.fetch(id), id)
        calls = self.calls()
        self.assertEqual([calls[id.decode()] for id in long], [1] * len(long))
        again = [reply.id for reply in replies if calls[reply.id] != 1]
        self.assertEqual(again, [], "a drain repeats no call")


if __name__ == "__main__":
    unittest.main()
