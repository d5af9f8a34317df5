"""The bus is told to stop while calls run: they are finished, what comes later is refused, and everybody hears of it."""

import os
import signal
import unittest

from harness import UP, BusTest, chat, message, mock_counts, mock_port, new_id, wait_until


class StopWithWork(BusTest):
    def test_calls_under_way_are_finished(self):
        peer, port = self.dealer(), mock_port()
        ids = {new_id() for _ in range(20)}
        for id in ids:
            peer.send(*message("REQUEST", id, None, chat("mock/ok+1500")))
        accepted = {peer.receive().id for _ in ids}
        self.assertEqual(accepted, ids)
        wait_until("calls under way", lambda: mock_counts(port)["total"] == len(ids), lambda: peer.socket.poll(5))
        os.kill(UP, signal.SIGINT)
        ended = set()
        while ended != ids:
            answer = peer.receive()
            self.check_reply(answer, answer.id)
            ended.add(answer.id)


if __name__ == "__main__":
    unittest.main()
