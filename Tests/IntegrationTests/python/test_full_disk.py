"""A disk that is full, or a journal that has reached its limit: what runs ends, memory works, and it passes.

UNDERSTUDY_BALLAST names a file with which the test fills the disk of the journal; without it only the journal's own limit
is reached.
"""

import json
import os
import resource
import subprocess
import time
import unittest

from harness import (
    DIRECTORY,
    PATIENCE,
    PROGRAM,
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

BALLAST = os.environ.get("UNDERSTUDY_BALLAST")
MEBIBYTE = 1 << 20


def pause():
    time.sleep(0.05)


class FullDisk(BusTest):
    def health(self, peer):
        answer = peer.ask("GET", b"sys.health")
        self.assertEqual(answer.verb, "STATE", answer)
        return json.loads(answer.body)

    def submit(self, peer, model="mock/ok", text="Hello?", **header):
        """Asks once; the id and the first answer that is about it."""
        id = new_id()
        peer.send(*message("REQUEST", id, header, chat(model, text)))
        return id, self.about(peer, id)

    def about(self, peer, id):
        """The next answer about `id`."""
        while (answer := peer.receive()).id != id:
            pass
        return answer

    def fill(self, peer):
        """Asks until the journal refuses; the ids of what was accepted and the refusal."""
        accepted = []
        if BALLAST:
            with open(BALLAST, "wb") as file:
                room = os.statvfs(BALLAST)
                size = max(0, room.f_bavail * room.f_frsize - 4 * MEBIBYTE)
                os.posix_fallocate(file.fileno(), 0, size)
        for _ in range(400):
            id, answer = self.submit(peer, "mock/ok+600000", "x" * MEBIBYTE, deadline_ms=1_200_000)
            if answer.verb == "REJECTED":
                return accepted, answer
            self.check_accepted(answer, id)
            accepted.append(id)
        self.fail("400 MiB were accepted")

    def empty(self, accepted):
        """Makes room."""
        if BALLAST:
            os.unlink(BALLAST)
        with self.dealer() as peer:
            for id in accepted:
                peer.send(*message("CANCEL", id))
                while (answer := self.about(peer, id)).verb not in ("FAILURE", "REPLY"):
                    self.assertIn(answer.verb, ("OK", "STATE"), answer)
                peer.send(*message("ACK", id))
                self.assertEqual(self.about(peer, id).verb, "OK")

    def status(self):
        result = subprocess.run(
            [PROGRAM, "status", "--directory", DIRECTORY], capture_output=True, text=True, timeout=PATIENCE
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_a_full_journal_refuses_what_it_cannot_keep_and_recovers(self):
        brokers = children("broker")
        events = Events(b"evt.snapshot.")
        self.addCleanup(events.close)
        with self.dealer() as peer, self.dealer() as runner:
            before = self.health(peer)
            self.assertGreater(before["journal_bytes"], 0)
            self.assertNotIn("journal_refusal", before)

            # Accepted while there is room, ends while there is none.
            running, answer = self.submit(runner, "mock/ok+8000")
            self.check_accepted(answer, running)
            accepted, refusal = self.fill(peer)
            self.check_error(refusal, 507, verb="REJECTED")
            self.assertGreater(refusal.header["retry_after_ms"], 0)

            id, answer = self.submit(peer)
            self.check_error(answer, 507, verb="REJECTED")
            id, answer = self.submit(peer, durability="memory")
            self.check_accepted(answer, id, durability="memory")
            self.check_reply(self.about(peer, id), id)

            self.check_reply(self.about(runner, running), running)
            with self.dealer() as other:
                self.check_reply(other.ask("GET", running), running)
            health = self.health(peer)
            self.assertIn("journal", health["journal_refusal"])
            self.assertGreater(health["journal_bytes"], MEBIBYTE)
            text = self.status()
            self.assertIn("journal", text)
            self.assertIn("rejected", text)

        self.empty(accepted)
        with self.dealer() as peer:
            wait_until("disk requests again", lambda: self.submit(peer)[1].verb == "ACCEPTED", pause)
            self.assertNotIn("journal_refusal", self.health(peer))
            with self.dealer() as other:
                self.check_reply(other.ask("GET", running), running)
        self.assertEqual(children("broker"), brokers)
        event = events.next()
        while event is not None and event.get("journal_bytes", 0) <= MEBIBYTE:
            event = events.next()
        self.assertIsNotNone(event, "no snapshot has the journal's bytes")

    def limit(self, broker, byte_count):
        """Lets the broker write no file beyond so many bytes."""
        _, hard = resource.prlimit(broker, resource.RLIMIT_FSIZE)
        resource.prlimit(broker, resource.RLIMIT_FSIZE, (byte_count, hard))

    def test_what_cannot_be_written_waits_and_is_not_lost(self):
        (broker,) = children("broker")
        self.addCleanup(self.limit, broker, resource.RLIM_INFINITY)
        with self.dealer() as peer, self.dealer() as runner:
            id, answer = self.submit(runner, "mock/ok+5000")
            self.check_accepted(answer, id)
            wait_until("a call under way", lambda: self.is_called(id), pause)
            self.limit(broker, 1)

            _, refusal = self.submit(peer)
            self.check_error(refusal, 507, verb="REJECTED")
            self.assertGreater(refusal.header["retry_after_ms"], 0)
            memory, answer = self.submit(peer, durability="memory")
            self.check_accepted(answer, memory, durability="memory")
            self.check_reply(self.about(peer, memory), memory)
            self.assertIn("cannot be written", self.health(peer)["journal_refusal"])

            # The worker has answered, and the answer is not told before it is kept.
            wait_until("the end of the call", lambda: self.answered(peer, id), pause)
            requests = json.loads(peer.ask("GET", b"sys.requests").body)["requests"]
            self.assertEqual([entry["state"] for entry in requests if entry["id"] == id.decode()], ["running"])
            with self.dealer() as other:
                other.send(*message("GET", id))
                self.limit(broker, resource.RLIM_INFINITY)
                self.check_reply(self.about(other, id), id)
            self.check_reply(self.about(runner, id), id)
            wait_until("disk requests again", lambda: self.submit(peer)[1].verb == "ACCEPTED", pause)
        self.assertEqual(children("broker"), [broker])

    def is_called(self, id):
        """Whether the mock provider has heard of this request."""
        return any(name.endswith("/" + id.decode()) for name in mock_counts(mock_port())["requests"])

    def answered(self, peer, id):
        """Whether no worker has a request in hand, so that the broker has the answer to this one."""
        workers = json.loads(peer.ask("GET", b"sys.workers").body)["workers"]
        return all(worker["held"] == 0 for worker in workers)


if __name__ == "__main__":
    unittest.main()
