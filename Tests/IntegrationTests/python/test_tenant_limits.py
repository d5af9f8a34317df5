"""The limits of this user, as the configuration has them: three open requests, and six at once but hardly one more."""

import os
import unittest

from harness import BusTest, chat, new_id

OPEN = 3
BURST = 6


class TenantLimits(BusTest):
    def accept(self, peer, model):
        id = new_id()
        self.check_accepted(peer.ask("REQUEST", id, None, chat(model)), id, durability="memory")
        return id

    def check_limited(self, answer, part):
        self.check_error(answer, 430, "REJECTED")
        self.assertEqual((answer.header["symbol"], answer.header["retry"]), ("tenant_limit", "same_id"))
        self.assertIn(f"uid-{os.getuid()}", answer.header["message"])
        self.assertIn(part, answer.header["message"])
        return answer.header["retry_after_ms"]

    # One test, because what is used up stays so.
    def test_open_requests_then_the_rate(self):
        peer, other = self.dealer(), self.req()
        held = [self.accept(peer, "mock/silent") for _ in range(OPEN)]
        # On every connection of the user, and as often as it asks: what is refused uses up nothing.
        refused = new_id()
        for _ in range(BURST):
            for link in (peer, other):
                answer = link.ask("REQUEST", refused, None, chat("mock/ok"))
                self.assertGreater(self.check_limited(answer, f"{OPEN} open requests"), 0)
        self.check_error(other.ask("GET", refused), 404)
        # What was accepted before is no new request.
        duplicate = peer.ask("REQUEST", held[0], None, chat("mock/silent"))
        self.check_accepted(duplicate, held[0], duplicate=True, durability="memory")

        for id in held:
            self.check_error(peer.ask("CANCEL", id), 499, "FAILURE")
        # The refused one, now that there is room, and the rest of the burst.
        self.check_reply(other.ask("REQUEST", refused, None, chat("mock/ok")), refused)
        for _ in range(BURST - OPEN - 1):
            id = new_id()
            self.check_reply(other.ask("REQUEST", id, None, chat("mock/ok")), id)
        wait = self.check_limited(other.ask("REQUEST", new_id(), None, chat("mock/ok")), "0.001 times a second")
        # One comes back every thousand seconds, and the first was taken not long ago.
        self.assertGreater(wait, 300_000)
        self.assertLessEqual(wait, 1_000_000)
        # Only new requests are counted.
        self.check_reply(other.ask("GET", refused), refused)
        self.assertEqual(other.ask("PING", b"still").verb, "PONG")


if __name__ == "__main__":
    unittest.main()
