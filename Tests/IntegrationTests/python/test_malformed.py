"""Each message that is wrong gets its error, and the next good one its answer."""

import unittest

import zmq

from harness import Answer, BusTest, Peer, chat, message, new_id

GOOD_BODY = chat("mock/ok")


def header_cases():
    """Headers that are wrong, by what is wrong with them: verb, header, body, code."""
    request = lambda header: ("REQUEST", header, [GOOD_BODY], 400)
    wrong = {
        "no JSON": b"{priority: 1}",
        "half JSON": b'{"priority":',
        "two values": b"{} {}",
        "array": b"[]",
        "number": b"5",
        "null": b"null",
        "key twice": b'{"priority":1,"priority":2}',
        "byte order mark": b"\xef\xbb\xbf{}",
        "bad UTF-8": b'{"task":"\xff"}',
        "33 deep": b'{"x":' + b"[" * 32 + b"]" * 32 + b"}",
        "100,000 deep in 60,000 bytes": b'{"x":' + b"[" * 60_000,
        "zero byte": b"\0",
        "priority text": {"priority": "high"},
        "priority 10": {"priority": 10},
        "priority -1": {"priority": -1},
        "priority 4.5": {"priority": 4.5},
        "priority beyond 64 bits": b'{"priority":99999999999999999999}',
        "priority 1e400": b'{"priority":1e400}',
        "deadline_ms 999": {"deadline_ms": 999},
        "deadline_ms 86400001": {"deadline_ms": 86_400_001},
        "deadline_ms true": {"deadline_ms": True},
        "stream text": {"stream": "yes"},
        "durability tape": {"durability": "tape"},
        "on_loss panic": {"on_loss": "panic"},
        "task number": {"task": 5},
        "task empty": {"task": ""},
        "task of 257 bytes": {"task": "x" * 257},
        "ttl_ms 999": {"ttl_ms": 999},
        "cancel_on_disconnect 1": {"cancel_on_disconnect": 1},
        "must no list": {"must": "x"},
    }
    cases = {name: request(header) for name, header in wrong.items()}
    cases["must unknown"] = ("REQUEST", {"must": ["teleport"]}, [GOOD_BODY], 501)
    cases["65,537 bytes"] = ("REQUEST", b"{}" + b" " * 65_535, [GOOD_BODY], 413)
    cases["GET wait_ms -1"] = ("GET", {"wait_ms": -1}, [], 400)
    cases["GET wait_ms text"] = ("GET", {"wait_ms": "1"}, [], 400)
    cases["TASK without status"] = ("TASK", {}, [], 400)
    cases["TASK done"] = ("TASK", {"status": "done"}, [], 400)
    cases["TASK failed without kind"] = ("TASK", {"status": "failed"}, [], 400)
    cases["PING no JSON"] = ("PING", b"hello", [], 400)
    return cases


def frame_cases():
    """Messages whose frames are wrong: frames, code, and whether the answer carries the id."""
    id = b"frame-case"
    body = [GOOD_BODY]
    return {
        "version alone": ([b"UBP/1"], 400, False),
        "no id": ([b"UBP/1", b"PING"], 400, False),
        "no header": ([b"UBP/1", b"PING", id], 400, True),
        "version 2": ([b"UBP/2", b"PING", id, b""], 505, True),
        "version 10": ([b"UBP/10", b"PING", id, b""], 505, True),
        "unknown verb": (message("FLY", id), 501, True),
        "verb in small letters": (message("request", id, None, *body), 501, True),
        "empty verb": (message("", id), 501, True),
        "long verb": (message("A" * 10_000, id), 501, True),
        "binary verb": ([b"UBP/1", b"\xff\x00", id, b""], 501, True),
        "reserved verb": (message("HEALTH", id), 501, True),
        "a worker's verb": (message("READY", b"", {"name": "w", "pid": 1, "capacity": 1}), 405, True),
        "a worker's verb with a key": (message("START", bytes(16), b"{}"), 405, True),
        "a broker's verb": (message("REPLY", id, None, b"{}"), 405, True),
        "id of 129 bytes": (message("REQUEST", b"x" * 129, None, *body), 400, False),
        "no id in REQUEST": (message("REQUEST", b"", None, *body), 400, True),
        "id with a blank": (message("REQUEST", b"a b", None, *body), 400, True),
        "id in no UTF-8": (message("REQUEST", b"\xff\xfe", None, *body), 400, True),
        "id of the broker's own": (message("REQUEST", b"sys.x", None, *body), 400, True),
        "id in HELLO": (message("HELLO", id), 400, True),
        "id in BYE": (message("BYE", id), 400, True),
        "PING of 129 bytes": (message("PING", b"x" * 129), 400, False),
        "no body in REQUEST": (message("REQUEST", id), 400, True),
        "a body in PING": (message("PING", id, None, b"x"), 400, True),
        "9 body frames": (message("REQUEST", id, None, *[b"x"] * 9), 413, True),
        "1,000 body frames": (message("REQUEST", id, None, *[b"x"] * 1000), 413, True),
        "a body of 8 MiB and a byte": (message("REQUEST", id, None, bytes(8 << 20), b"x"), 413, True),
    }


class Malformed(BusTest):
    def check_alive(self, peer):
        """The connection is good for a PING and a request."""
        token = new_id()
        answer = peer.ask("PING", token)
        self.assertEqual((answer.verb, answer.id), ("PONG", token), answer)

    def check_works(self, dealer):
        id = new_id()
        self.check_accepted(dealer.ask("REQUEST", id, None, GOOD_BODY), id)
        self.check_reply(dealer.receive(), id)
        self.assertEqual(dealer.ask("ACK", id).verb, "OK")

    def check_everywhere(self, frames, code, id):
        """The error for an attached and for a lock-step agent; then good messages on the same and another connection."""
        for name, peer in (("attached", Peer(zmq.DEALER)), ("lock-step", Peer(zmq.REQ))):
            with self.subTest(agent=name), peer:
                answer = peer.exchange(*frames)
                self.check_error(answer, code)
                self.assertEqual(answer.id, id, answer)
                self.check_alive(peer)
                self.check_alive(self.bystander)

    def setUp(self):
        self.bystander = self.dealer()

    def test_frames(self):
        for name, (frames, code, has_id) in frame_cases().items():
            with self.subTest(name):
                self.check_everywhere(frames, code, frames[2] if has_id else b"")
        self.check_works(self.bystander)

    def test_headers(self):
        for name, (verb, header, body, code) in header_cases().items():
            with self.subTest(name):
                id = new_id()
                self.check_everywhere(message(verb, id, header, *body), code, id)
        self.check_works(self.bystander)

    def test_a_message_names_the_place_and_what_was_expected(self):
        answer = self.bystander.ask("REQUEST", new_id(), {"priority": 12}, GOOD_BODY)
        for part in ("REQUEST", "priority", "0...9", "12"):
            self.assertIn(part, answer.header["message"])

    def test_first_frames_that_are_no_version(self):
        for first in (b"GET / HTTP/1.1", b"UBP", b"ubp/1", b"\0\0\0\0\0", b"x" * 200):
            with self.subTest(first), Peer(zmq.DEALER) as attached, Peer(zmq.REQ) as lock_step:
                for peer in (attached, lock_step):
                    # Without an envelope the broker looks for one and finds none.
                    answer = peer.exchange(first, b"PING", b"id", b"{}")
                    self.check_error(answer, 400)
                    self.assertEqual(answer.id, b"", answer)
                    self.check_alive(peer)

    def test_envelopes(self):
        ping = message("PING", b"id")
        cases = {
            "nothing behind it": ([b""], 400, [b""]),
            "nothing behind a longer one": ([b"route", b""], 400, [b"route", b""]),
            "9 frames": ([b"a"] * 9 + [b""] + ping, 400, []),
            "no end": ([b"a", b"b"] + ping, 400, []),
            "too long": ([b"a" * 1025, b""] + ping, 413, []),
            "two": ([b"", b""] + ping, 400, [b""]),
        }
        for name, (frames, code, envelope) in cases.items():
            with self.subTest(name), Peer(zmq.DEALER) as peer:
                peer.send(*frames)
                found = peer.frames()
                self.assertEqual(found[: len(envelope)], envelope, found)
                self.check_error(Answer(found[len(envelope) :]), code)
                self.check_alive(peer)
        self.check_works(self.bystander)

    def test_the_longest_envelope_comes_back(self):
        route = [b"%d" % n * 20 for n in range(7)] + [b""]
        with Peer(zmq.DEALER) as peer:
            peer.send(*route, *message("PING", b"token"))
            found = peer.frames()
        self.assertEqual(found[:8], route)
        self.assertEqual(found[8:11], [b"UBP/1", b"PONG", b"token"])

    def test_a_routing_id_of_the_clients_own(self):
        with Peer(zmq.DEALER, routing_id=b"me") as peer:
            answer = peer.ask("PING", b"token")
            self.check_error(answer, 403)
            self.assertEqual(answer.id, b"token")
            # Requests are not taken either.
            id = new_id()
            answer = peer.ask("REQUEST", id, None, GOOD_BODY)
            self.check_error(answer, 403)
            self.assertEqual(answer.id, id)
        self.check_works(self.bystander)

    def test_a_frame_beyond_what_is_let_in_closes_the_connection_of_its_sender_only(self):
        with Peer(zmq.DEALER) as peer:
            peer.send(*message("REQUEST", new_id(), None, bytes((16 << 20) + 1)))
            self.check_alive(self.bystander)
        self.check_works(self.bystander)

    def test_an_agents_verb_on_the_workers_socket(self):
        for frames in (message("REQUEST", new_id(), None, GOOD_BODY), message("HELLO"), message("GET", b"x")):
            with self.subTest(frames[1]), Peer(socket="workers.sock") as peer:
                self.check_error(peer.exchange(*frames), 405)
        self.check_works(self.bystander)

    def test_a_workers_verb_without_a_session(self):
        with Peer(socket="workers.sock") as peer:
            answer = peer.ask("CREDIT", b"", {"granted_total": 5})
            # Told to begin a session, or told that this is wrong; in no case given work.
            self.assertIn(answer.verb, ("BEAT", "ERROR"), answer)
        self.check_works(self.bystander)

    def test_bodies_that_are_no_request_end_in_a_failure(self):
        bodies = {
            "no JSON": [b"Hello?"],
            "empty": [b""],
            "half": [b'{"messages":'],
            "array": [b"[]"],
            "no messages": [b"{}"],
            "messages text": [b'{"messages":"Hello?"}'],
            "no UTF-8": [b'{"messages":[{"role":"user","content":"\xff"}]}'],
            "model number": [b'{"model":5,"messages":[{"role":"user","content":"x"}]}'],
            "key twice": [b'{"messages":[],"messages":[]}'],
            "very deep": [b"[" * 1_000_000],
        }
        for name, body in bodies.items():
            with self.subTest(name):
                id = new_id()
                self.check_accepted(self.bystander.ask("REQUEST", id, None, *body), id)
                failure = self.bystander.receive()
                self.check_error(failure, 610, "FAILURE")
                self.assertEqual(failure.header["class"], "invalid_request")
                self.assertEqual(failure.id, id)
        self.check_works(self.bystander)


if __name__ == "__main__":
    unittest.main()
