"""The bus is told to stop while calls run: they are finished, what comes later is refused, and everybody hears of it."""

import os
import signal
import unittest

from harness import UP, BusTest, chat, children, message, mock_counts, mock_port, new_id, wait_until


class StopWithWork(BusTest):
    def test_calls_under_way_are_finished(self):
        peer, port = self.dealer(), mock_port()
        ids = {new_id() for _ in range(20)}
        for id in ids:
            peer.send(*message("REQUEST", id, None, chat("mock/ok+1500")))
        accepted = {peer.receive().id for _ in ids}
        self.assertEqual(accepted, ids)
        wait_until("calls under way", lambda: mock_counts(port)["total"] == len(ids), lambda: peer.socket.poll(5))
        self.stop()
        # The signal takes a moment to reach the broker; what it accepted until then has to end as well.
        ended, late, rejected = set(), set(), None
        late.add(self.send_late(peer))
        while ended != ids or late or rejected is None:
            answer = peer.receive()
            if answer.id in ids:
                self.check_reply(answer, answer.id)
                ended.add(answer.id)
            elif answer.verb == "ACCEPTED":
                if rejected is None:
                    late.add(self.send_late(peer))
            else:
                late.discard(answer.id)
                if answer.verb == "REJECTED":
                    self.assertEqual(answer.header["symbol"], "stopping")
                    self.assertGreater(answer.header["retry_after_ms"], 0)
                    rejected = answer.id

    def stop(self):
        if os.environ["SIGNALLED"] == "up":
            os.kill(UP, signal.SIGINT)
            return
        # Before their supervisor, which then signals them too; and it twice.
        for role in ["worker", "collect", "broker", "mock"]:
            found = children(role)
            self.assertTrue(found, role)
            for pid in found:
                os.kill(pid, signal.SIGTERM)
        for _ in range(2):
            os.kill(UP, signal.SIGTERM)

    def send_late(self, peer):
        # On disk it could be left to the next broker.
        id = new_id()
        peer.send(*message("REQUEST", id, {"durability": "memory"}, chat("mock/ok")))
        return id


if __name__ == "__main__":
    unittest.main()
