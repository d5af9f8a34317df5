"""A connection with thousands of requests waiting does not hold up another one.

The bus has one worker with one place, so that requests end in the order in which they were handed out, which telemetry
tells: the order is the broker's, and no clock is asked.
"""

import unittest

from harness import BusTest, Events, chat, message, new_id, wait_until


class Ends:
    """In what order requests ended, as telemetry has it from the moment on at which this was made."""

    def __init__(self, test):
        self.test = test
        self.events = Events(b"evt.request.")
        test.addCleanup(self.events.close)
        self.number = None
        prober = test.dealer()

        def probe():
            # Waits behind the blocker, and ends by being cancelled: two events.
            id = new_id()
            test.check_accepted(prober.ask("REQUEST", id, None, chat("mock/ok")), id, durability="memory")
            test.check_error(prober.ask("CANCEL", id), 499, "FAILURE")
            self.events.socket.poll(100)

        wait_until("an event", lambda: self.events.socket.poll(0), probe)

    def next(self):
        """The next event of a request; no event may be missing."""
        self.test.assertTrue(self.events.socket.poll(60_000), "no event")
        event, number = self.events.next_numbered()
        if self.number is not None:
            self.test.assertEqual(number, self.number + 1, "an event is missing")
        self.number = number
        return event


class Fairness(BusTest):
    def block(self):
        """Takes the only place; the answer is a function that gives it back."""
        holder, id = self.dealer(), new_id()
        self.check_accepted(holder.ask("REQUEST", id, None, chat("mock/silent")), id, durability="memory")
        watcher = self.req()

        def running():
            return watcher.ask("GET", id).header.get("state") == "running"

        wait_until("a call under way", running, lambda: holder.socket.poll(20))
        return lambda: self.check_error(holder.ask("CANCEL", id), 499, "FAILURE")

    def send(self, peer, count, model="mock/ok+5", **header):
        """Sends requests and waits until all are accepted."""
        ids = [new_id() for _ in range(count)]
        for id in ids:
            peer.send(*message("REQUEST", id, header, chat(model)))
        for id in ids:
            self.check_accepted(peer.receive(), id, durability="memory")
        return {id.decode() for id in ids}

    def flood(self, count, **header):
        """A connection with many requests, which it takes along when it goes."""
        peer = self.dealer()
        ids = self.send(peer, count, cancel_on_disconnect=True, **header)
        last = sorted(ids)[-1].encode()

        def end():
            peer.close()
            self.check_terminal(self.req().ask("GET", last, {"wait_ms": 60_000}), last)

        self.addCleanup(end)
        return ids

    def check_terminal(self, answer, id):
        self.assertIn(answer.verb, ("REPLY", "FAILURE"), answer)
        self.assertEqual(answer.id, id, answer)

    def order(self, ends, polite, greedy):
        """Who ended, until the last polite one did: True for the polite."""
        order, left = [], set(polite)
        while left:
            event = ends.next()
            if event["event"] != "request.ended":
                continue
            if event["id"] in left:
                left.remove(event["id"])
                order.append(True)
            elif event["id"] in greedy:
                self.assertEqual(event["outcome"], "reply", event)
                order.append(False)
        return order

    def passed(self, order):
        """How many greedy ones ended before the first polite one and between two of them."""
        counts, since = [], 0
        for is_polite in order:
            if is_polite:
                counts.append(since)
                since = 0
            else:
                since += 1
        return counts

    def test_two_connections_take_turns_however_much_one_has_waiting(self):
        release = self.block()
        greedy = self.flood(3000)
        peer = self.dealer()
        polite = self.send(peer, 100)
        ends = Ends(self)
        release()
        order = self.order(ends, polite, greedy)
        # The greedy one came first, so it goes first, and then they alternate.
        self.assertEqual(order, [False, True] * 100)
        replied = set()
        for _ in polite:
            answer = peer.receive()
            self.check_reply(answer, answer.id)
            replied.add(answer.id.decode())
        self.assertEqual(replied, polite)

    def test_who_asks_one_by_one_waits_for_one_at_a_time(self):
        release = self.block()
        greedy = self.flood(1000)
        ends = Ends(self)
        release()
        peer = self.req()
        for _ in range(20):
            id = new_id()
            self.check_reply(peer.ask("REQUEST", id, None, chat("mock/ok")), id)
            while (event := ends.next())["event"] != "request.accepted" or event["id"] != id.decode():
                pass
            order = self.order(ends, [id.decode()], greedy)
            # One that was being answered, and one turn.
            self.assertLessEqual(order.count(False), 2, order)

    def test_low_priority_gets_its_turns(self):
        release = self.block()
        greedy = self.flood(1000, priority=9)
        polite = self.send(self.dealer(), 4, priority=0)
        ends = Ends(self)
        release()
        passed = self.passed(self.order(ends, polite, greedy))
        # Of 55 places one is its own, and of eleven when only these two priorities wait.
        self.assertEqual(passed[1:], [10, 10, 10])
        self.assertLessEqual(passed[0], 10)


if __name__ == "__main__":
    unittest.main()
