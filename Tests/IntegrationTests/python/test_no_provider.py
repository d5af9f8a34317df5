"""A bus whose providers have no key, and models whose names lead nowhere: no call is made, and the answer says why."""

import unittest

from harness import BusTest, chat, new_id


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


if __name__ == "__main__":
    unittest.main()
