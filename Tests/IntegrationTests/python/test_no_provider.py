"""A bus without keys and without a journal, and models whose names lead nowhere: the answer says what is not there."""

import unittest

from harness import DIRECTORY, BusTest, chat, new_id

from understudy_client import Client, Rejected


class NoProvider(BusTest):
    def check_failure(self, model, code, *parts):
        peer, id = self.req(), new_id()
        failure = peer.ask("REQUEST", id, None, chat(model))
        self.check_error(failure, code, "FAILURE")
        for part in parts:
            self.assertIn(part, failure.header["message"])
        meta = failure.header["meta"]
        self.assertEqual((meta["resolved_model"], meta["total_attempts"]), (None, 0), meta)

    def test_a_provider_without_key(self):
        self.check_failure("openai/gpt-4o", 617)

    def test_the_default_chain_without_any_key(self):
        self.check_failure(None, 617)

    def test_a_name_without_provider(self):
        self.check_failure("nosuchmodel", 618, "nosuchmodel")

    def test_a_provider_nobody_configured(self):
        self.check_failure("nosuch/model", 618, "nosuch/model")

    def test_a_journal(self):
        peer, id = self.req(), new_id()
        self.check_error(peer.ask("REQUEST", id, {"durability": "disk"}, chat("mock/ok")), 501, "REJECTED")
        # A rejected id is not remembered.
        self.check_error(peer.ask("GET", id), 404)
        dealer = self.dealer()
        self.check_accepted(dealer.ask("REQUEST", id, None, chat("nosuchmodel")), id, durability="memory")

    def test_the_client_says_what_was_rejected(self):
        with Client(DIRECTORY) as bus, self.assertRaises(Rejected) as caught:
            bus.ask("Hello?", durability="disk")
        self.assertEqual((caught.exception.code, caught.exception.retry), (501, "never"))


if __name__ == "__main__":
    unittest.main()
