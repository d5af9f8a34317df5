"""Workers are killed with work in hand: nothing accepted is lost, and no call is made without a GO."""

import json
import os
import random
import signal
import unittest

from harness import BusTest, Events, chat, children, message, mock_counts, mock_port, new_id, wait_until

KILLS = 20
# Of which so many must have hit a worker that had something; the rest is chance.
KILLS_MAX = 60
BATCH = 24


class WorkerDeaths(BusTest):
    def setUp(self):
        self.events = Events(b"evt.worker.", b"evt.snapshot.")
        self.addCleanup(self.events.close)
        self.peer = self.dealer()
        self.port = mock_port()
        self.terminals = {}
        self.accepted = set()
        self.joined = set(children("worker"))
        self.lost = {}
        self.snapshot = None

    def read(self, patience_ms=5):
        """Takes what has come from the broker and from telemetry."""
        if self.peer.socket.poll(patience_ms):
            answer = self.peer.receive()
            if answer.verb == "ACCEPTED":
                self.accepted.add(answer.id)
            else:
                self.assertNotIn(answer.id, self.terminals, "a second terminal")
                self.terminals[answer.id] = answer
        while (event := self.events.next(0)) is not None:
            if event["event"] == "worker.joined":
                self.joined.add(event["pid"])
            elif event["event"] == "worker.lost":
                self.joined.remove(event["pid"])
                self.lost[event["pid"]] = event["requeued"]
                self.assertEqual((event["reason"], event["failed"]), ("died", 0), event)
            elif event["event"] == "snapshot":
                self.snapshot = event

    def test_nothing_is_lost(self):
        chance = random.Random(20)
        # The subscription is in force.
        wait_until("a snapshot", lambda: self.snapshot, self.read)
        hits, kills = 0, 0
        while hits < KILLS and kills < KILLS_MAX:
            wait_until("two workers", lambda: len(self.joined) > 1, self.read)
            before = mock_counts(self.port)["total"]
            ids = [new_id() for _ in range(BATCH)]
            for id in ids:
                self.peer.send(*message("REQUEST", id, None, chat("mock/ok+400")))
            wait_until("accepted", lambda: self.accepted.issuperset(ids), self.read)
            # Anywhere between the first START and the last call under way.
            begun = chance.randint(0, BATCH)
            wait_until("calls under way", lambda: mock_counts(self.port)["total"] - before >= begun, self.read)
            victim = chance.choice(sorted(self.joined))
            os.kill(victim, signal.SIGKILL)
            kills += 1
            wait_until("the death noticed", lambda: victim in self.lost, self.read)
            hits += self.lost[victim] > 0
            wait_until("every terminal", lambda: self.terminals.keys() >= set(ids), self.read)
            for id in ids:
                answer = self.terminals[id]
                self.check_reply(answer, id)
                meta = answer.header["meta"]
                self.assertLessEqual(meta["deliveries"], 2, meta)
        self.assertGreaterEqual(hits, KILLS, f"of {kills} workers only {hits} had work in hand")

        counts = mock_counts(self.port)
        ended = len(self.terminals)
        self.assertEqual(ended, kills * BATCH)
        # Every terminal has its call; a second call only where a delivery with a GO was lost.
        of_request = {id.rpartition("/")[2]: count for id, count in counts["requests"].items()}
        for id, answer in self.terminals.items():
            self.assertIn(of_request.get(id.decode(), 0), range(1, answer.header["meta"]["deliveries"] + 1), answer)
        # The counters of a moment after the last call.
        self.snapshot = None
        wait_until("a snapshot", lambda: self.snapshot, self.read)
        goes = self.snapshot["go_total"]
        self.assertEqual(self.snapshot["accepted_total"], ended)
        self.assertEqual(self.snapshot["replied_total"], ended)
        self.assertGreaterEqual(goes, counts["total"], "calls without a GO")
        self.assertLessEqual(counts["total"], ended + sum(self.lost.values()))
        print(json.dumps({"kills": kills, "with_work": hits, "requests": ended, "goes": goes, "calls": counts["total"]}))


if __name__ == "__main__":
    unittest.main()
