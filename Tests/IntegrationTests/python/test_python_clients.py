"""The asyncio and the blocking client: many at once, cancelling, lost brokers and workers, and every word of a broker."""

import asyncio
import concurrent.futures
import json
import os
import shutil
import signal
import tempfile
import threading
import unittest

import zmq

from harness import DIRECTORY, PATIENCE, children, mock_counts, mock_port

from understudy import (
    AsyncClient,
    BusError,
    Client,
    Closed,
    Failed,
    Lost,
    Rejected,
    Reply,
    State,
    Unreachable,
    new_id,
)

# Above what a restart of a process takes on a busy machine.
LASTING = {"answer_timeout": PATIENCE, "patience": PATIENCE}
SILENT = {"model": "mock/silent", "messages": [{"role": "user", "content": "x"}]}


def calls_of(id):
    """Calls that the mock provider got for a request."""
    counts = mock_counts(mock_port())["requests"]
    return sum(count for name, count in counts.items() if name.rpartition("/")[2] == id)


class Asynchronous(unittest.IsolatedAsyncioTestCase):
    """AsyncClient on the real bus."""

    async def asyncSetUp(self):
        self.bus = await self.enterAsyncContext(AsyncClient(DIRECTORY, **LASTING))

    async def state(self, id, *states, bus=None):
        """Waits until a request is so far."""
        while True:
            try:
                found = await (bus or self.bus).get(id)
                if isinstance(found, State) and found.state in states:
                    return found
            except BusError as error:
                if error.symbol != "unknown_request":
                    raise

    async def test_many_at_once_over_one_connection(self):
        texts = [f"number {number}." for number in range(400)]
        replies = await asyncio.gather(*(self.bus.ask(text, model="mock/ok+100") for text in texts))
        self.assertEqual(len({reply.id for reply in replies}), len(texts))
        for text, reply in zip(texts, replies):
            self.assertIn(text, reply.text)
        self.assertEqual(self.bus._core.open_requests, 0)

    async def test_cancelling_the_wait_cancels_the_request(self):
        other = await self.enterAsyncContext(AsyncClient(DIRECTORY, **LASTING))
        id = new_id()
        asking = asyncio.create_task(self.bus.request(SILENT, id=id))
        await self.state(id, "running", bus=other)
        follower = asyncio.create_task(other.attach(id, acknowledge=False))
        asking.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await asking
        with self.assertRaises(BusError) as caught:
            await follower
        # The one that cancelled acknowledges it, perhaps before the other asks.
        self.assertIn(caught.exception.symbol, ("cancelled", "gone"))

    async def test_a_time_out_cancels_too_and_close_waits_for_it(self):
        id = new_id()
        async with AsyncClient(DIRECTORY, **LASTING) as short:
            asking = asyncio.create_task(asyncio.wait_for(short.request(SILENT, id=id), 0.5))
            await self.state(id, "queued", "leased", "running")
            with self.assertRaises(asyncio.TimeoutError):
                await asking
        with self.assertRaises(BusError) as caught:
            await self.bus.attach(id)
        self.assertIn(caught.exception.symbol, ("cancelled", "gone"))

    async def test_attaching_to_the_request_of_another(self):
        id = new_id()
        asking = asyncio.create_task(self.bus.ask("Who?", model="mock/ok+2000", id=id, acknowledge=False))
        other = await self.enterAsyncContext(AsyncClient(DIRECTORY, **LASTING))
        await self.state(id, "queued", "leased", "running")
        gone = asyncio.create_task(other.attach(id))
        following = asyncio.create_task(self.attached(id))
        await asyncio.sleep(0)
        gone.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await gone
        self.assertEqual(await following, await asking)
        # Waiting for what is there already, too.
        self.assertEqual((await other.attach(id)).id, id)
        with self.assertRaises(BusError) as caught:
            await other.attach("never-heard-of")
        self.assertEqual(caught.exception.symbol, "unknown_request")

    async def attached(self, id):
        async with AsyncClient(DIRECTORY, **LASTING) as bus:
            return await bus.attach(id, acknowledge=False)

    async def test_an_answer_that_was_acknowledged_is_gone(self):
        reply = await self.bus.ask("Hello?", model="mock/ok")
        for again in (self.bus.get(reply.id), self.bus.attach(reply.id), self.bus.ask("Hello?", model="mock/ok", id=reply.id)):
            with self.assertRaises(BusError) as caught:
                await again
            self.assertEqual((caught.exception.code, caught.exception.retry), (410, "new_id"))
        await self.bus.ack(reply.id)
        self.assertEqual(calls_of(reply.id), 1)

    async def test_the_same_request_from_three_clients_runs_once(self):
        id = new_id()
        clients = [await self.enterAsyncContext(AsyncClient(DIRECTORY, **LASTING)) for _ in range(3)]
        asked = (client.ask("Hello?", model="mock/ok+300", id=id, acknowledge=False) for client in clients)
        replies = await asyncio.gather(*asked)
        self.assertEqual(replies, [replies[0]] * 3)
        self.assertEqual(calls_of(id), 1)
        with self.assertRaises(BusError) as caught:
            await self.bus.ask("Something else?", id=id)
        self.assertEqual(caught.exception.symbol, "id_conflict")
        await self.bus.ack(id)

    async def test_one_id_at_a_time_in_one_client(self):
        id = new_id()
        asking = asyncio.create_task(self.bus.request(SILENT, id=id))
        await asyncio.sleep(0)
        with self.assertRaisesRegex(ValueError, "under way in this client already"):
            await self.bus.request(SILENT, id=id)
        asking.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await asking

    async def test_a_failure_is_acknowledged_and_says_all(self):
        body = {"model": "mock/status-503", "fallback_models": [], "messages": [{"role": "user", "content": "x"}]}
        with self.assertRaises(Failed) as caught:
            await self.bus.request(body)
        failed = caught.exception
        self.assertEqual((failed.status, failed.model, failed.retry), (503, "mock/status-503", "new_id"))
        with self.assertRaises(BusError) as caught:
            await self.bus.get(failed.id)
        self.assertEqual(caught.exception.symbol, "gone")

    async def test_the_deadline_is_the_brokers(self):
        with self.assertRaises(Failed) as caught:
            await self.bus.request(SILENT, deadline=1)
        self.assertEqual(caught.exception.symbol, "deadline")

    async def test_tasks(self):
        async with self.bus.task() as task:
            await self.bus.ask("Hello?", model="mock/ok", task=task)
        with self.assertRaises(Failed):
            async with self.bus.task("task-of-llm"):
                await self.bus.ask("Hello?", model="mock/status-400")
        with self.assertRaises(ZeroDivisionError):
            async with self.bus.task("task-of-application"):
                1 / 0

    async def test_what_the_broker_tells_of_itself(self):
        for name in ("health", "workers", "requests"):
            self.assertIsInstance(await self.bus.system(name), dict)
        with self.assertRaises(BusError) as caught:
            await self.bus.system("weather")
        self.assertEqual(caught.exception.symbol, "unknown_request")

    async def test_closing_ends_what_waits(self):
        bus = AsyncClient(DIRECTORY, **LASTING)
        asking = asyncio.create_task(bus.request(SILENT, deadline=2))
        await bus.ping()
        await bus.close()
        with self.assertRaises(Closed):
            await asking
        with self.assertRaises(Closed):
            await bus.ping()
        await bus.close()

    async def test_workers_die_with_work_in_hand(self):
        ids = [new_id() for _ in range(24)]
        asked = [asyncio.create_task(self.bus.ask(id, model="mock/ok+2000", id=id)) for id in ids]
        await self.state(ids[0], "running")
        for pid in children("worker"):
            os.kill(pid, signal.SIGKILL)
        replies = await asyncio.gather(*asked)
        for id, reply in zip(ids, replies):
            self.assertIn(id, reply.text)
        self.assertGreater(max(reply.meta["deliveries"] for reply in replies), 1)

    async def test_the_broker_dies_with_work_in_hand_and_before_it_accepts(self):
        before = await self.bus.hello("a test")
        ids = [new_id() for _ in range(32)]
        asked = [asyncio.create_task(self.bus.ask(id, model="mock/ok+700", id=id)) for id in ids]
        must_not_run_twice = asyncio.create_task(
            self.bus.request(SILENT, id="once", durability="memory", on_loss="fail")
        )
        await self.state("once", "running")
        (broker,) = children("broker")
        os.kill(broker, signal.SIGKILL)
        # These meet no broker, or one that dies, or the next one.
        more = [new_id() for _ in range(32)]
        asked += [asyncio.create_task(self.bus.ask(id, model="mock/ok", id=id)) for id in more]
        for id, reply in zip(ids + more, await asyncio.gather(*asked)):
            self.assertIn(id, reply.text)
        with self.assertRaises(Lost) as caught:
            await must_not_run_twice
        self.assertEqual(caught.exception.symbol, "unknown_request")
        after = await self.bus.hello("a test")
        self.assertGreater(after.epoch, before.epoch)


class Blocking(unittest.TestCase):
    """Client on the real bus."""

    def setUp(self):
        self.bus = Client(DIRECTORY, **LASTING)
        self.addCleanup(self.bus.close)

    def test_many_without_waiting(self):
        pending = [self.bus.submit({**SILENT, "model": "mock/ok+50"}) for _ in range(100)]
        self.assertEqual({one.result(PATIENCE).id for one in pending}, {one.id for one in pending})
        self.assertTrue(all(one.done() for one in pending))
        # Acknowledged by the time that a later question is answered.
        with self.assertRaises(BusError) as caught:
            self.bus.get(pending[0].id)
        self.assertEqual(caught.exception.symbol, "gone")

    def test_many_threads(self):
        with concurrent.futures.ThreadPoolExecutor(16) as threads:
            texts = [f"number {number}." for number in range(200)]
            replies = list(threads.map(lambda text: self.bus.ask(text, model="mock/ok"), texts))
        for text, reply in zip(texts, replies):
            self.assertIn(text, reply.text)

    def test_a_result_that_is_not_there_yet(self):
        pending = self.bus.submit(SILENT)
        with self.assertRaises(TimeoutError):
            pending.result(0.01)
        self.assertFalse(pending.done())
        other = Client(DIRECTORY, **LASTING)
        self.addCleanup(other.close)
        known = False
        while not known:
            try:
                other.get(pending.id)
                known = True
            except BusError as error:
                self.assertEqual(error.symbol, "unknown_request")
        with self.assertRaises(TimeoutError):
            other.attach(pending.id, timeout=0.05)
        pending.cancel()
        with self.assertRaises(Closed):
            pending.result()
        with self.assertRaises(BusError) as caught:
            other.attach(pending.id, timeout=PATIENCE)
        self.assertIn(caught.exception.symbol, ("cancelled", "gone"))

    def test_tasks(self):
        with self.bus.task() as task:
            self.bus.ask("Hello?", model="mock/ok", task=task)
        with self.assertRaises(ZeroDivisionError):
            with self.bus.task("task-of-application"):
                1 / 0

    def test_closing(self):
        pending = self.bus.submit(SILENT, deadline=2)
        self.bus.ping()
        self.bus.close()
        with self.assertRaises(Closed):
            pending.result(PATIENCE)
        with self.assertRaises(Closed):
            self.bus.ping()

    def test_what_makes_no_sense_is_refused(self):
        with self.assertRaisesRegex(ValueError, "resend_every is 0; expected more than 0 seconds"):
            Client(DIRECTORY, resend_every=0)


class Broker:
    """A broker of the test's own, in a thread: `answer` gives the messages that a message is answered with."""

    def __init__(self, test, answer, directory=None):
        self.directory = directory or tempfile.mkdtemp(prefix="understudy-test-")
        if directory is None:
            test.addCleanup(shutil.rmtree, self.directory)
        self.received = []
        self._answer = answer
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._ready = threading.Event()
        self._thread.start()
        self._ready.wait(PATIENCE)
        test.addCleanup(self.stop)

    def stop(self):
        self._ended.set()
        self._thread.join(PATIENCE)

    def _serve(self):
        context = zmq.Context()
        socket = context.socket(zmq.ROUTER)
        socket.linger = 0
        socket.bind(f"ipc://{self.directory}/agents.sock")
        self._ready.set()
        while not self._ended.is_set():
            if socket.poll(20):
                peer, _, verb, id, header, *body = socket.recv_multipart()
                self.received.append(verb.decode())
                answers = self._answer(verb.decode(), json.loads(header or b"{}"), self)
                for answer, content, *frames in answers:
                    socket.send_multipart([peer, b"UBP/1", answer.encode(), id, json.dumps(content).encode(), *frames])
        socket.close()
        context.term()


ACCEPTED = ("ACCEPTED", {"durability": "memory", "duplicate": False})
STATE = ("STATE", {"state": "running", "deliveries": 1, "attempts": 1, "age_ms": 1, "remaining_ms": 1})
REPLY = ("REPLY", {"meta": None}, json.dumps({"choices": [{"message": {"content": "Hello."}}]}).encode())
CANCELLED = ("FAILURE", {"code": 499, "symbol": "cancelled", "message": "cancelled", "retry": "new_id", "billed": "maybe"})
UNKNOWN = ("ERROR", {"code": 404, "symbol": "unknown_request", "message": "unknown", "retry": "same_id", "billed": "no"})
BUSY = {"code": 429, "symbol": "busy", "message": "full", "retry": "same_id", "billed": "no"}
OK = ("OK", {})


class Scripted(unittest.IsolatedAsyncioTestCase):
    """AsyncClient against brokers that behave in ways a real one seldom does."""

    def broker(self, answer, directory=None):
        """`answer`: a function, or a dictionary of lists with what each message of a verb is answered with in turn."""
        if isinstance(answer, dict):
            script = {verb: list(answers) for verb, answers in answer.items()}

            def answer(verb, header, broker):
                if verb in ("ACK", "PING"):
                    return [OK if verb == "ACK" else ("PONG", {})]
                answers = script.get(verb, [])
                return answers.pop(0) if answers else []

        return Broker(self, answer, directory)

    async def client(self, broker, **options):
        options = {"resend_every": 0.05, **LASTING, **options}
        return await self.enterAsyncContext(AsyncClient(broker.directory, **options))

    async def until_heard(self, broker, verb):
        end = asyncio.get_running_loop().time() + PATIENCE
        while verb not in broker.received:
            self.assertLess(asyncio.get_running_loop().time(), end, f"no {verb} within {PATIENCE} s")
            await asyncio.sleep(0.01)

    async def test_silence_sends_the_request_again_and_acceptance_ends_that(self):
        broker = self.broker({"REQUEST": [[], [], [ACCEPTED]], "GET": [[], [STATE], [REPLY]]})
        bus = await self.client(broker)
        self.assertEqual((await bus.ask("Hello?")).text, "Hello.")
        await bus.ping()
        self.assertEqual(broker.received[:3], ["REQUEST"] * 3)
        self.assertEqual(broker.received[-2:], ["ACK", "PING"])
        self.assertNotIn("REQUEST", broker.received[broker.received.index("GET") :])

    async def test_lost_between_request_and_accepted(self):
        first = self.broker({})
        bus = await self.client(first, resend_every=20)
        asking = asyncio.create_task(bus.ask("Hello?"))
        await self.until_heard(first, "REQUEST")
        first.stop()
        # The connection tells, not the silence.
        second = self.broker({"REQUEST": [[ACCEPTED, REPLY]]}, first.directory)
        self.assertEqual((await asking).text, "Hello.")
        self.assertEqual(second.received[0], "REQUEST")

    async def restarted(self, answers, **options):
        """A request that one broker accepted and another one is asked for."""
        first = self.broker({"REQUEST": [[ACCEPTED]], "GET": [[STATE]] * 100})
        bus = await self.client(first, resend_every=20)
        asking = asyncio.create_task(bus.ask("Hello?", id="kept", **options))
        await self.until_heard(first, "REQUEST")
        # Answered after the ACCEPTED.
        await bus.get("kept")
        first.stop()
        return self.broker(answers, first.directory), asking

    async def test_a_broker_that_kept_the_request_is_asked_for_it(self):
        broker, asking = await self.restarted({"GET": [[STATE, REPLY]]})
        self.assertEqual((await asking).text, "Hello.")
        self.assertNotIn("REQUEST", broker.received)

    async def test_a_broker_that_forgot_the_request_gets_it_again(self):
        broker, asking = await self.restarted({"GET": [[UNKNOWN]], "REQUEST": [[ACCEPTED, REPLY]]})
        self.assertEqual((await asking).text, "Hello.")
        self.assertEqual(broker.received[:2], ["GET", "REQUEST"])

    async def test_what_must_not_run_twice_is_not_sent_again(self):
        broker, asking = await self.restarted({"GET": [[UNKNOWN]]}, on_loss="fail")
        with self.assertRaises(Lost):
            await asking
        self.assertEqual(broker.received, ["GET"])

    async def test_a_rejection_is_waited_for(self):
        rejected = [("REJECTED", {**BUSY, "retry_after_ms": 30})]
        broker = self.broker({"REQUEST": [rejected, rejected, [ACCEPTED, REPLY]]})
        bus = await self.client(broker, resend_every=20)
        self.assertEqual((await bus.ask("Hello?")).text, "Hello.")
        self.assertEqual(broker.received[:3], ["REQUEST"] * 3)

    async def test_a_rejection_that_outlasts_the_deadline_is_raised(self):
        broker = self.broker(lambda verb, header, broker: [("REJECTED", {**BUSY, "retry_after_ms": 60_000})])
        bus = await self.client(broker)
        with self.assertRaises(Rejected) as caught:
            await bus.ask("Hello?", deadline=30)
        self.assertEqual((caught.exception.code, caught.exception.retry_after_ms), (429, 60_000))

    async def test_too_many_who_wait_is_waited_for(self):
        crowded = [("ERROR", {**BUSY, "retry_after_ms": 20})]
        broker = self.broker({"REQUEST": [[ACCEPTED]], "GET": [crowded, crowded, [REPLY]]})
        bus = await self.client(broker)
        self.assertEqual((await bus.ask("Hello?")).text, "Hello.")
        self.assertGreaterEqual(broker.received.count("GET"), 3)

    async def test_what_is_left_of_the_deadline_is_told(self):
        deadlines = []

        def answer(verb, header, broker):
            deadlines.append(header.get("deadline_ms"))
            return [ACCEPTED, REPLY] if len(deadlines) == 3 else []

        bus = await self.client(self.broker(answer))
        await bus.ask("Hello?", deadline=100)
        self.assertEqual(deadlines[:3], sorted(deadlines[:3], reverse=True))
        self.assertLess(deadlines[2], 100_000)
        self.assertGreater(deadlines[2], 1000)

    async def test_a_broker_that_says_nothing_ends_with_the_deadline(self):
        bus = await self.client(self.broker({}), answer_timeout=0.2)
        with self.assertRaisesRegex(Unreachable, "not accepted within 0.3 s: a broker listens at .* but does not answer"):
            await bus.ask("Hello?", deadline=0.3)
        with self.assertRaisesRegex(Unreachable, "no answer to HELLO within 0.2 s"):
            await bus.hello("a test")

    async def test_a_terminal_that_never_comes_ends_too(self):
        broker = self.broker(lambda verb, header, broker: [ACCEPTED if verb == "REQUEST" else STATE])
        bus = await self.client(broker, answer_timeout=0.2)
        with self.assertRaisesRegex(Unreachable, "no answer to request .* within its deadline of 2 s"):
            await bus.ask("Hello?", deadline=2)

    async def test_patience_with_a_broker_that_does_not_come(self):
        with tempfile.TemporaryDirectory() as empty:
            async with AsyncClient(empty, patience=0.2) as bus:
                asked = [bus.ask("Hello?") for _ in range(10)]
                for error in await asyncio.gather(*asked, return_exceptions=True):
                    self.assertIsInstance(error, Unreachable)
                    self.assertIn("start one with 'understudy up'", str(error))

    async def test_a_client_before_its_broker(self):
        directory = tempfile.mkdtemp(prefix="understudy-test-")
        self.addCleanup(shutil.rmtree, directory)
        async with AsyncClient(directory, **LASTING) as bus:
            asking = asyncio.create_task(bus.ask("Hello?"))
            await asyncio.sleep(0.05)
            self.broker({"REQUEST": [[ACCEPTED, REPLY]]}, directory)
            self.assertEqual((await asking).text, "Hello.")

    async def test_cancelling_is_repeated_until_it_is_answered_and_the_answer_acknowledged(self):
        broker = self.broker({"REQUEST": [[ACCEPTED]], "GET": [[STATE]] * 100, "CANCEL": [[], [CANCELLED]]})
        bus = await self.client(broker, resend_every=1)
        asking = asyncio.create_task(bus.ask("Hello?", id="x"))
        await bus.get("x")
        asking.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await asking
        await self.until_heard(broker, "ACK")
        self.assertGreaterEqual(broker.received.count("CANCEL"), 2)

    async def test_what_was_never_sent_is_not_cancelled(self):
        directory = tempfile.mkdtemp(prefix="understudy-test-")
        self.addCleanup(shutil.rmtree, directory)
        async with AsyncClient(directory, **LASTING) as bus:
            asking = asyncio.create_task(bus.ask("Hello?"))
            await asyncio.sleep(0.05)
            asking.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await asking
            broker = self.broker({}, directory)
            await bus.ping()
            self.assertEqual(broker.received, ["PING"])

    async def test_reads_of_the_broker_itself(self):
        health = {"status": "ok", "größe": [1, 2]}
        broker = self.broker({"GET": [[("STATE", {"state": "sys"}, json.dumps(health).encode())], [UNKNOWN]]})
        bus = await self.client(broker, resend_every=20)
        self.assertEqual(await bus.system("health"), health)
        with self.assertRaises(BusError) as caught:
            await bus.system("weather")
        self.assertEqual(caught.exception.code, 404)

    async def test_an_answer_that_cannot_be_read_is_dropped(self):
        welcome = {"epoch": 7, "dedup_ms": 1, "durabilities": ["memory"]}
        broker = self.broker(lambda verb, header, broker: [("WELCOME", []), ("WELCOME", welcome)])
        bus = await self.client(broker)
        self.assertEqual((await bus.hello("a test")).epoch, 7)

    async def test_nothing_is_left_behind_by_many_calls(self):
        broker = self.broker(lambda verb, header, broker: [{"REQUEST": REPLY, "ACK": OK, "PING": ("PONG", {})}[verb]])
        bus = await self.client(broker, resend_every=20)
        for _ in range(10):
            await asyncio.gather(*(bus.ask("Hello?") for _ in range(100)))
        await bus.ping()
        self.assertTrue(bus._core.is_idle)
        self.assertLess(len(bus._core._heap), 400)


if __name__ == "__main__":
    unittest.main()
