"""What agents are promised: one terminal, lock-step and attached, GET, CANCEL, ACK, the same id."""

import threading
import unittest

import zmq

from harness import DIRECTORY, BusTest, chat, message, new_id


class Attached(BusTest):
    def test_accepted_then_the_reply(self):
        peer, id = self.dealer(), new_id()
        self.check_accepted(peer.ask("REQUEST", id, None, chat("mock/ok", text="Who is there?")), id)
        reply = peer.receive()
        self.check_reply(reply, id)
        self.assertIn("Who is there?", reply.text)
        meta = reply.header["meta"]
        self.assertEqual(
            (meta["resolved_model"], meta["attempts"], meta["retries"], meta["fallbacks"], meta["deliveries"]),
            ("mock/ok", 1, 0, 0, 1),
        )

    def test_a_body_in_eight_frames(self):
        peer, id, body = self.dealer(), new_id(), chat("mock/ok", text="in pieces")
        pieces = [body[n * 8 : n * 8 + 8] for n in range(7)] + [body[56:]]
        self.check_accepted(peer.ask("REQUEST", id, None, *pieces), id)
        self.assertIn("in pieces", peer.receive().text)

    def test_without_a_model_the_default_answers(self):
        peer, id = self.dealer(), new_id()
        self.check_accepted(peer.ask("REQUEST", id, None, chat()), id)
        self.check_reply(peer.receive(), id)

    def test_many_requests_on_one_connection(self):
        peer = self.dealer()
        ids = {new_id() for _ in range(300)}
        for id in ids:
            peer.send(*message("REQUEST", id, None, chat("mock/ok", text=id.decode())))
        accepted, replied = set(), set()
        while len(replied) < len(ids):
            answer = peer.receive()
            if answer.verb == "ACCEPTED":
                self.assertNotIn(answer.id, accepted | replied)
                accepted.add(answer.id)
            else:
                self.check_reply(answer, answer.id)
                self.assertIn(answer.id, accepted - replied)
                self.assertIn(answer.id.decode(), answer.text)
                replied.add(answer.id)
        self.assertEqual(replied, ids)

    def test_get_attaches_another_connection(self):
        first, second, id = self.dealer(), self.dealer(), new_id()
        self.check_accepted(first.ask("REQUEST", id, None, chat("mock/ok+2000")), id)
        state = second.ask("GET", id)
        self.assertEqual(state.verb, "STATE", state)
        self.assertIn(state.header["state"], ("queued", "leased", "running"))
        self.check_reply(second.receive(), id)
        self.check_reply(first.receive(), id)

    def test_small_talk(self):
        peer = self.dealer()
        welcome = peer.ask("HELLO", b"", {"client": "a test"})
        self.assertEqual(welcome.verb, "WELCOME", welcome)
        self.assertEqual(welcome.header["durabilities"], ["disk", "memory"])
        self.assertGreaterEqual(welcome.header["dedup_ms"], 3_600_000)
        token = bytes(range(128))
        pong = peer.ask("PING", token)
        self.assertEqual((pong.verb, pong.id), ("PONG", token))
        for header in ({"status": "completed"}, {"status": "failed", "kind": "llm", "unknown": None}):
            self.assertEqual(peer.ask("TASK", b"task-1", header).verb, "OK")
        self.assertEqual(peer.ask("BYE").verb, "OK")

    def test_cancel_on_disconnect(self):
        watcher, id = self.req(), new_id()
        leaver = self.dealer()
        accepted = leaver.ask("REQUEST", id, {"cancel_on_disconnect": True}, chat("mock/silent"))
        self.check_accepted(accepted, id)
        leaver.close()
        failure = watcher.ask("GET", id, {"wait_ms": 60_000})
        self.check_error(failure, 499, "FAILURE")

    def test_who_leaves_does_not_cancel(self):
        watcher, leaver, id = self.req(), self.dealer(), new_id()
        self.check_accepted(leaver.ask("REQUEST", id, None, chat("mock/ok+300")), id)
        leaver.close()
        self.check_reply(watcher.ask("GET", id, {"wait_ms": 60_000}), id)


class LockStep(BusTest):
    def test_one_answer(self):
        peer, id = self.req(), new_id()
        self.check_reply(peer.ask("REQUEST", id, None, chat("mock/ok")), id)
        self.assertEqual(peer.ask("ACK", id).verb, "OK")

    def test_with_correlation_numbers(self):
        peer = self.req(req_correlate=1, req_relaxed=1)
        for _ in range(3):
            id = new_id()
            self.check_reply(peer.ask("REQUEST", id, None, chat("mock/ok")), id)
        # Relaxed: a second question before the first answer, which is then dropped by its number.
        peer.send(*message("REQUEST", new_id(), None, chat("mock/ok+200")))
        answer = peer.ask("PING", b"second")
        self.assertEqual((answer.verb, answer.id), ("PONG", b"second"))

    def test_behind_a_proxy(self):
        context = zmq.Context.instance()
        front, back, control = context.socket(zmq.ROUTER), context.socket(zmq.DEALER), context.socket(zmq.PAIR)
        front.bind("inproc://proxy")
        back.connect(f"ipc://{DIRECTORY}/agents.sock")
        control.bind("inproc://proxy-control")
        proxy = threading.Thread(target=zmq.proxy_steerable, args=(front, back, None, control))
        proxy.start()
        steering = context.socket(zmq.PAIR)
        steering.connect("inproc://proxy-control")
        agents = [context.socket(zmq.REQ) for _ in range(3)]
        try:
            ids = [new_id() for _ in agents]
            for agent, id in zip(agents, ids):
                agent.connect("inproc://proxy")
                agent.send_multipart(message("REQUEST", id, None, chat("mock/ok+50")))
            for agent, id in zip(agents, ids):
                self.assertTrue(agent.poll(60_000), "no answer through the proxy")
                frames = agent.recv_multipart()
                self.assertEqual(frames[:3], [b"UBP/1", b"REPLY", id])
        finally:
            steering.send(b"TERMINATE")
            proxy.join()
            for socket in (*agents, steering, control, front, back):
                socket.close(0)

    def test_get_waits(self):
        sender, watcher, id = self.dealer(), self.req(), new_id()
        self.check_accepted(sender.ask("REQUEST", id, None, chat("mock/ok+2500")), id)
        for header in (None, {"wait_ms": 0}, {"wait_ms": 5}):
            state = watcher.ask("GET", id, header)
            self.assertEqual((state.verb, state.id), ("STATE", id), state)
            self.assertLessEqual(state.header["remaining_ms"], 1_800_000)
        self.check_reply(watcher.ask("GET", id, {"wait_ms": 60_000}), id)
        # And again, until the ACK.
        self.check_reply(watcher.ask("GET", id, {"wait_ms": 60_000}), id)

    def test_cancel(self):
        sender, canceller, id = self.dealer(), self.req(), new_id()
        self.check_accepted(sender.ask("REQUEST", id, None, chat("mock/silent")), id)
        for failure in (canceller.ask("CANCEL", id), sender.receive(), canceller.ask("GET", id)):
            self.check_error(failure, 499, "FAILURE")
            self.assertEqual((failure.id, failure.header["class"]), (id, "cancelled"))

    def test_cancel_after_the_reply_gives_the_reply(self):
        peer, id = self.req(), new_id()
        self.check_reply(peer.ask("REQUEST", id, None, chat("mock/ok")), id)
        self.check_reply(peer.ask("CANCEL", id), id)

    def test_what_is_not_there(self):
        peer = self.req()
        for verb in ("GET", "CANCEL", "ACK"):
            self.check_error(peer.ask(verb, new_id()), 404)

    def test_durability_is_chosen(self):
        for durability in ("disk", "memory"):
            dealer, id = self.dealer(), new_id()
            answer = dealer.ask("REQUEST", id, {"durability": durability}, chat("mock/ok"))
            self.check_accepted(answer, id, durability=durability)
            self.check_reply(dealer.receive(), id)
            id = new_id()
            self.check_reply(self.req().ask("REQUEST", id, {"durability": durability}, chat("mock/ok")), id)


class SameID(BusTest):
    def test_the_same_body_is_the_same_request(self):
        peer, id = self.dealer(), new_id()
        body = chat("mock/ok+300")
        self.check_accepted(peer.ask("REQUEST", id, None, body), id)
        self.check_accepted(peer.ask("REQUEST", id, None, body), id, duplicate=True)
        self.check_reply(peer.receive(), id)
        # In other frames, which is the same body, and after the end.
        self.check_accepted(peer.ask("REQUEST", id, None, body[:10], body[10:]), id, duplicate=True)
        self.check_reply(peer.receive(), id)

    def test_another_body_is_a_conflict(self):
        peer, id = self.req(), new_id()
        self.check_reply(peer.ask("REQUEST", id, None, chat("mock/ok")), id)
        self.check_error(peer.ask("REQUEST", id, None, chat("mock/ok", text="another")), 409)
        self.assertEqual(peer.ask("ACK", id).verb, "OK")
        self.check_error(peer.ask("REQUEST", id, None, chat("mock/ok", text="another")), 409)

    def test_after_the_ack_it_is_gone(self):
        peer, id = self.req(), new_id()
        self.check_reply(peer.ask("REQUEST", id, None, chat("mock/ok")), id)
        self.assertEqual(peer.ask("ACK", id).verb, "OK")
        self.check_error(peer.ask("GET", id), 410)
        self.check_error(peer.ask("REQUEST", id, None, chat("mock/ok")), 410)

    def test_no_ack_before_the_end(self):
        peer, id = self.dealer(), new_id()
        self.check_accepted(peer.ask("REQUEST", id, None, chat("mock/silent")), id)
        self.check_error(peer.ask("ACK", id), 405)
        self.check_error(peer.ask("CANCEL", id), 499, "FAILURE")
        self.assertEqual(peer.ask("ACK", id).verb, "OK")


class Rescue(BusTest):
    def test_a_model_that_fails_twice_is_tried_three_times(self):
        peer, id = self.req(), new_id()
        reply = peer.ask("REQUEST", id, None, chat("mock/fail-first-2"))
        self.check_reply(reply, id)
        meta = reply.header["meta"]
        self.assertEqual((meta["resolved_model"], meta["attempts"], meta["retries"]), ("mock/fail-first-2", 3, 2))
        self.assertEqual([entry.get("status") for entry in meta["trail"][:2]], [503, 503], meta)

    def test_the_next_model_answers_for_one_that_always_fails(self):
        peer, id = self.req(), new_id()
        body = chat("mock/status-503", fallback_models=["mock/status-401", "mock/ok"])
        reply = peer.ask("REQUEST", id, None, body)
        self.check_reply(reply, id)
        meta = reply.header["meta"]
        self.assertEqual((meta["resolved_model"], meta["fallbacks"]), ("mock/ok", 2), meta)
        # Three at the first, one with the refused key, one that was answered.
        self.assertEqual((meta["attempts"], meta["total_attempts"]), (1, 5), meta)

    def test_a_failure_shows_the_primarys_last_error(self):
        peer, id = self.req(), new_id()
        body = chat("mock/status-503", fallback_models=["mock/status-429"])
        failure = peer.ask("REQUEST", id, None, body)
        self.assertEqual(failure.verb, "FAILURE", failure)
        header = failure.header
        self.assertEqual((header["status"], header["model"]), (503, "mock/status-503"))
        self.assertIsNone(header["meta"]["resolved_model"])
        self.assertIn("error", header["provider_error"])

    def test_what_http_can_do_to_a_call(self):
        for model in ("reset-before", "reset-after-head", "truncated", "malformed", "empty", "html-502", "error-200"):
            with self.subTest(model):
                peer, id = self.req(), new_id()
                reply = peer.ask("REQUEST", id, None, chat(f"mock/{model}", fallback_models=["mock/ok"]))
                self.check_reply(reply, id)
                self.assertEqual(reply.header["meta"]["resolved_model"], "mock/ok", reply)

    def test_the_deadline_ends_a_call_without_answer(self):
        peer, id = self.req(), new_id()
        failure = peer.ask("REQUEST", id, {"deadline_ms": 1000}, chat("mock/silent"))
        self.check_error(failure, 504, "FAILURE")
        self.assertEqual(failure.header["class"], "deadline")


if __name__ == "__main__":
    unittest.main()
