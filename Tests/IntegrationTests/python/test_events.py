"""Every header and event of a live bus fits the schemas; the harness looks at each that comes."""

import json
import os
import signal
import unittest

import schemas
from harness import BusTest, Events, Peer, chat, children, message, mock_counts, mock_port, new_id, wait_until

# What cannot be had from a bus that is let run: nothing is rejected, no worker falls silent.
ELSEWHERE = {"request.rejected"}


class LiveEvents(BusTest):
    def setUp(self):
        self.events = Events(b"")
        self.addCleanup(self.events.close)
        self.seen = {}
        self.numbers = {}
        wait_until("a snapshot", lambda: "snapshot" in self.seen, self.read)

    def read(self, patience=1):
        event = self.events.next(patience)
        if event is not None:
            self.seen.setdefault(event["event"], []).append(event)

    def see(self, name, condition=lambda event: True):
        wait_until(name, lambda: any(map(condition, self.seen.get(name, []))), self.read)

    def test_all_kinds_come_and_fit(self):
        peer = self.dealer()
        good, bad, gone = new_id(), new_id(), new_id()
        peer.send(*message("REQUEST", good, {"task": "t-1"}, chat("mock/ok")))
        peer.send(*message("REQUEST", bad, {"task": "t-2"}, chat("mock/status-503")))
        peer.send(*message("REQUEST", gone, {"deadline_ms": 60000}, chat("mock/ok+30000")))
        terminals = {}

        def receive():
            answer = peer.receive()
            if answer.verb in ("REPLY", "FAILURE"):
                terminals[answer.id] = answer

        wait_until("two terminals", lambda: terminals.keys() >= {good, bad}, receive)
        self.assertEqual(terminals[good].verb, "REPLY")
        schemas.check("headers.schema.json#/$defs/meta", terminals[good].header["meta"])
        peer.send(*message("CANCEL", gone))
        wait_until("the cancelled one", lambda: gone in terminals, receive)
        self.check_error(terminals[gone], 499, "FAILURE")
        for task, header in (("t-1", {"status": "completed"}), ("t-2", {"status": "failed", "kind": "llm"})):
            with self.req() as other:
                self.assertEqual(other.ask("TASK", task.encode(), header).verb, "OK")
        with self.req() as other:
            for name in (b"sys.health", b"sys.workers", b"sys.requests"):
                self.assertEqual(other.ask("GET", name).header, {"state": "sys"})
            self.assertEqual(other.ask("HELLO").verb, "WELCOME")
        self.see("request.accepted")
        self.see("request.ended", lambda event: event["by"] == "worker" and event["outcome"] == "reply")
        self.see("request.ended", lambda event: event["by"] == "broker" and event["class"] == "cancelled")
        self.see("attempt.ended", lambda event: "error.type" in event)
        self.see("task.ended", lambda event: event["outcome"] == "failed")
        self.a_worker_comes_and_goes()
        self.a_worker_dies(peer)
        known = set(schemas.SCHEMAS["events.schema.json"]["$defs"]) - {"call"}
        self.assertEqual(known - set(self.seen), ELSEWHERE)

    def a_worker_comes_and_goes(self):
        with Peer(socket="workers.sock") as worker:
            worker.send(*message("READY", b"", {"name": "visitor", "pid": os.getpid(), "capacity": 1}))
            self.assertEqual(worker.receive().verb, "WELCOME")
            record = {"gen_ai.operation.name": "chat", "resolved_model": None, "attempts": 1, "retries": 0}
            record |= {"fallbacks": 0, "total_attempts": 1, "duration_ms": 1, "trail": []}
            key = bytes(7) + b"\1" + bytes(3) + b"\1" + bytes(4)
            worker.send(*message("REPLY", key, {"meta": None}, json.dumps(record).encode(), b"{}"))
            answer = worker.receive()
            while answer.verb == "BEAT":
                answer = worker.receive()
            self.assertEqual((answer.verb, answer.id), ("ACK", key))
            worker.send(*message("BYE"))
            self.see("worker.joined", lambda event: event["worker"] == "visitor")
            self.see("request.late")
            self.see("worker.left", lambda event: event["worker"] == "visitor")

    def a_worker_dies(self, peer):
        port = mock_port()
        before = mock_counts(port)["total"]
        id = new_id()
        peer.send(*message("REQUEST", id, None, chat("mock/ok+2000")))
        wait_until("its call", lambda: mock_counts(port)["total"] > before, lambda: self.read(0.1))
        # Whichever has it.
        for pid in children("worker"):
            os.kill(pid, signal.SIGKILL)
        self.see("worker.lost", lambda event: event["reason"] == "died")
        self.see("delivery.lost", lambda event: event["id"] == id.decode())


if __name__ == "__main__":
    unittest.main()
