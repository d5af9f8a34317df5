"""The short clients of protocol/clients in C, Ruby, Perl and PHP: against the real broker, and against scripted ones."""

import concurrent.futures
import copy
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import zmq

from harness import DIRECTORY, PATIENCE, ROOT, Peer

CLIENTS = os.path.join(ROOT, "protocol", "clients")
# Names of languages whose tests may be left out where they cannot be run, divided by blanks.
SKIPPED = os.environ.get("UNDERSTUDY_SKIP_LANGUAGES", "").split()
NON_ASCII = 'Grüße, "世界" \\ 🎭\n\tTab'

COMPILE = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-O1"]


class Language:
    """How to run one client."""

    def __init__(self, name, file, packages, runner=None, probe=None):
        self.name = name
        self.path = os.path.join(CLIENTS, name, file)
        self.packages = packages
        self.command = [*(runner or []), self.path]
        self.probe = probe

    def prepare(self, directory):
        """Says what is missing; None when the client can be run."""
        if self.name == "c":
            program = os.path.join(directory, "ask")
            steps = [[*COMPILE, "-o", program, self.path, "-lzmq"]]
            self.command = [program]
        else:
            steps = [self.probe]
        for step in steps:
            if shutil.which(step[0]) is None:
                return f"there is no '{step[0]}'"
            done = subprocess.run(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
            if done.returncode != 0:
                return f"'{' '.join(step)}' failed: {done.stdout}"
        return None


# By their paths: other installations beside Debian's do not have its bindings.
LANGUAGES = {
    "c": Language("c", "ask.c", "gcc libzmq3-dev"),
    "ruby": Language("ruby", "ask.rb", "ruby-ffi-rzmq", ["/usr/bin/ruby"], ["/usr/bin/ruby", "-e", 'require "ffi-rzmq"']),
    "perl": Language("perl", "ask.pl", "libzmq-ffi-perl", ["/usr/bin/perl"], ["/usr/bin/perl", "-MZMQ::FFI", "-e1"]),
    "php": Language("php", "ask.php", "php-cli php-zmq", ["/usr/bin/php"], ["/usr/bin/php", "-r", "new ZMQContext();"]),
}


class Run:
    """A client that ran: its output, status, and the seconds of processor and of wall clock that it took."""

    def __init__(self, language, directory, *arguments, **options):
        start = time.monotonic()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                [*language.command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, "UNDERSTUDY_DIR": directory, "XDG_RUNTIME_DIR": ""},
                **options,
            )
            # wait4 knows what this child used; it has limits of its own, so that it ends.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.status = process.returncode
            self.out, self.err = self.text(out), self.text(err)
        self.wall = time.monotonic() - start
        self.processor = usage.ru_utime + usage.ru_stime

    @staticmethod
    def text(file):
        file.seek(0)
        return file.read().decode(errors="backslashreplace")

    def __repr__(self):
        return f"status {self.status}, {self.wall:.1f} s\nout: {self.out}\nerr: {self.err}"


class ScriptedBroker:
    """Answers a client's messages one after the other as a script says, and keeps them."""

    def __init__(self, language, script, *arguments):
        self.messages = []
        self.directory = tempfile.mkdtemp(prefix="understudy-test-")
        context = zmq.Context()
        socket = context.socket(zmq.ROUTER)
        socket.linger = 0
        socket.bind(f"ipc://{self.directory}/agents.sock")
        ended = threading.Event()
        thread = threading.Thread(target=self.serve, args=(socket, script, ended))
        thread.start()
        try:
            self.run = Run(language, self.directory, *arguments)
        finally:
            ended.set()
            thread.join(PATIENCE)
            socket.close()
            context.term()
            shutil.rmtree(self.directory)

    def serve(self, socket, script, ended):
        while not ended.is_set():
            if not socket.poll(100):
                continue
            peer, empty, *frames = socket.recv_multipart()
            self.messages.append((peer, frames))
            index = len(self.messages) - 1
            if index < len(script) and script[index] is not None:
                verb, header, *body = script[index]
                socket.send_multipart([peer, empty, b"UBP/1", verb, frames[2], json.dumps(header).encode(), *body])

    @property
    def verbs(self):
        return [frames[1].decode() for _, frames in self.messages]


def error(code, symbol, retry, **more):
    return {"code": code, "symbol": symbol, "message": "a message, größer", "retry": retry, "billed": "no", **more}


META = {"resolved_model": "mock/x", "attempts": 2, "retries": 1, "fallbacks": 0, "trail": [{"model": "mock/x"}]}
BODY = {"id": "1", "choices": [{"index": 0, "message": {"role": "assistant", "content": NON_ASCII}}, {"message": {}}]}
OK = (b"OK", {})


def reply(ensure_ascii):
    # In two frames, divided within the text.
    body = json.dumps(BODY, ensure_ascii=ensure_ascii).encode()
    return (b"REPLY", {"meta": META}, body[:60], body[60:])


# Every way to be told to wait, each once.
PATIENT = [
    None,
    (b"STATE", {"state": "running", "deliveries": 1, "attempts": 1, "age_ms": 5, "remaining_ms": 5}),
    (b"ERROR", error(404, "unknown_request", "same_id")),
    (b"REJECTED", error(429, "busy", "same_id", retry_after_ms=20)),
    reply(True),
    OK,
]

LONG_HINT = (b"REJECTED", error(430, "tenant_limit", "same_id", retry_after_ms=600_000))
UNKNOWN = (b"ERROR", error(404, "unknown_request", "same_id"))

# What takes seconds is run for all languages at once.
SLOW = {
    "late": lambda language: Run(language, DIRECTORY, "Still there?", "mock/ok+6500"),
    "deadline": lambda language: Run(language, DIRECTORY, "Hello?", "mock/silent", "1"),
    "no broker": lambda language: Run(language, os.path.join(DIRECTORY, "nowhere"), "Hello?", "mock/ok", "1"),
    "silent broker": lambda language: ScriptedBroker(language, [], "Hello?", "mock/ok", "1"),
    "long hint": lambda language: ScriptedBroker(language, [LONG_HINT], "Hello?", "mock/x", "3"),
    "backoff": lambda language: ScriptedBroker(language, [UNKNOWN, UNKNOWN, UNKNOWN], "Hello?", "mock/x", "3"),
    "patient": lambda language: ScriptedBroker(language, PATIENT, NON_ASCII, "mock/x"),
}

_missing = {}
_results = {}


def setUpModule():
    directory = tempfile.mkdtemp(prefix="understudy-test-")
    unittest.addModuleCleanup(shutil.rmtree, directory)
    executor = concurrent.futures.ThreadPoolExecutor(max_workers=len(LANGUAGES) * len(SLOW))
    unittest.addModuleCleanup(executor.shutdown)
    for language in LANGUAGES.values():
        if language.name in SKIPPED:
            continue
        _missing[language.name] = language.prepare(directory)
        if _missing[language.name] is None:
            for case, run in SLOW.items():
                _results[language.name, case] = executor.submit(run, language)


class ShortClient:
    """What each client must do."""

    name = ""

    def setUp(self):
        if self.name in SKIPPED:
            self.skipTest("UNDERSTUDY_SKIP_LANGUAGES says so")
        self.language = LANGUAGES[self.name]
        if missing := _missing[self.name]:
            self.fail(
                f"the client in {self.name} cannot be tested: {missing}\ninstall {self.language.packages}, as ./.ci/setup does, "
                f"or leave it out knowingly with UNDERSTUDY_SKIP_LANGUAGES={self.name}"
            )

    def slow(self, case):
        return _results[self.name, case].result()

    def check_answer(self, run, text):
        self.assertEqual((run.status, run.err), (0, ""), run)
        answer, _, meta = run.out.rstrip("\n").rpartition("\n")
        self.assertIn(text, answer)
        return meta

    def test_the_page_of_all_clients_shows_it_as_it_is(self):
        with open(os.path.join(CLIENTS, "README.md"), encoding="utf-8") as page, open(self.language.path, encoding="utf-8") as file:
            (shown,) = re.findall(rf"```{self.name}\n(.*?)```", page.read(), re.DOTALL)
            source = file.read()
        shown, source = ("\n".join(line.strip() for line in text.splitlines()) for text in (shown, source))
        self.assertIn(shown, source)

    def test_an_answer(self):
        run = Run(self.language, DIRECTORY, NON_ASCII)
        self.assertRegex(self.check_answer(run, NON_ASCII), r"^resolved_model=\S+/\S+ attempts=1 fallbacks=0$")

    def test_an_answer_that_cannot_be_written_stays_at_the_broker(self):
        with open("/dev/full", "wb") as full:
            process = subprocess.run(
                [*self.language.command, "Hello?"],
                stdin=subprocess.DEVNULL,
                stdout=full,
                stderr=subprocess.PIPE,
                env={**os.environ, "UNDERSTUDY_DIR": DIRECTORY, "XDG_RUNTIME_DIR": ""},
                timeout=PATIENCE,
            )
        told = process.stderr.decode()
        self.assertEqual(process.returncode, 2, told)
        identifier = re.fullmatch(r"the answer could not be written; the broker keeps it under the id (\w+)\n", told)
        self.assertIsNotNone(identifier, told)
        with Peer() as agent:
            self.assertEqual(agent.ask("GET", identifier[1].encode()).verb, "REPLY")
            self.assertEqual(agent.ask("ACK", identifier[1].encode()).verb, "OK")

    def test_a_rescue(self):
        run = Run(self.language, DIRECTORY, "Hello?", "mock/status-503")
        self.assertRegex(self.check_answer(run, "Hello?"), r"^resolved_model=\S+/\S+ attempts=1 fallbacks=1$")

    def test_a_failure(self):
        run = Run(self.language, DIRECTORY, "Hello?", "mock/status-400")
        self.assertEqual((run.status, run.out), (1, ""), run)
        self.assertRegex(run.err, r"^FAILURE 610 invalid_request: .+ \(retry: never, billed: no\)\n$")

    def test_a_deadline(self):
        run = self.slow("deadline")
        self.assertEqual((run.status, run.out), (1, ""), run)
        self.assertRegex(run.err, r"^FAILURE 504 deadline: .+ \(retry: new_id, billed: maybe\)\n$")

    def test_an_answer_after_the_time_out_is_fetched(self):
        self.check_answer(self.slow("late"), "Still there?")

    def test_no_broker(self):
        run = self.slow("no broker")
        self.assertEqual((run.status, run.out), (2, ""), run)
        self.assertIn("nowhere/agents.sock", run.err)
        self.assertLess(run.processor, run.wall / 2, "it waits busily")

    def test_no_broker_is_told_in_time(self):
        # An answer to a request that was sent would be waited for until 6 s, however fast the machine; a busy one gets
        # another try.
        concurrent.futures.wait(_results.values())
        for _ in range(10):
            run = Run(self.language, os.path.join(DIRECTORY, "nowhere"), "Hello?", "mock/ok", "1")
            self.assertEqual((run.status, run.out), (2, ""), run)
            if run.wall < 5:
                return
        self.fail(f"not told within 5 s in 10 tries: {run}")

    def test_nobody_is_asked_in_a_directory_that_a_stranger_may_have_made(self):
        if os.geteuid() != 0:
            self.skipTest("takes a user of its own, for whom the fallback in /tmp is free")
        user = random.randrange(10**6, 10**9)
        fallback = f"/tmp/understudy-{user}"
        with tempfile.TemporaryDirectory(prefix="understudy-test-") as place:
            os.chmod(place, 0o755)
            client = copy.copy(self.language)
            # Where that user may read it.
            client.command = [*client.command[:-1], shutil.copy(client.command[-1], place)]
            self.check_refused(client, user, fallback)
            for owner, mode in ((0, 0o700), (user, 0o755)):
                os.mkdir(fallback)
                self.addCleanup(shutil.rmtree, fallback, ignore_errors=True)
                os.chmod(fallback, mode)
                os.chown(fallback, owner, owner)
                self.check_refused(client, user, fallback)
                os.rmdir(fallback)
            os.symlink(place, fallback)
            self.check_refused(client, user, fallback)
            os.remove(fallback)
            os.mkdir(fallback, 0o700)
            os.chown(fallback, user, user)
            run = Run(client, "", "Hello?", "mock/ok", "1", user=user, group=user, extra_groups=[])
            self.assertEqual((run.status, run.out), (2, ""), run)
            self.assertIn("no answer within 1 s", run.err)

    def check_refused(self, client, user, fallback):
        run = Run(client, "", "Hello?", "mock/ok", "1", user=user, group=user, extra_groups=[])
        expected = f"{fallback} is no directory of this user's with mode 0700; is there an 'understudy up'?\n"
        self.assertEqual((run.status, run.out, run.err), (2, "", expected))

    def test_what_is_no_question_is_refused(self):
        wrong = [("Hello?", "mock/ok", seconds) for seconds in ("abc", "", "1x", "-1", "0", "1e999", "nan", "86401")]
        if self.name != "c":
            # C sends the bytes as they are, and shows the FAILURE.
            wrong.append((b"\xff", "mock/ok"))
        for arguments in wrong:
            with self.subTest(arguments=arguments):
                run = Run(self.language, DIRECTORY, *arguments)
                self.assertEqual((run.status, run.out), (2, ""), run)
                self.assertRegex(run.err, r"^usage: ask.* SECONDS from 1 to 86400\n$")

    def test_a_path_that_is_too_long(self):
        run = Run(self.language, f"/tmp/{'x' * 150}", "Hello?", "mock/ok", "1")
        self.assertEqual((run.status, run.out), (2, ""), run)
        self.assertRegex(run.err, r"^cannot connect to ipc:///tmp/x+.*: .*File name too long\n$")

    def test_a_hint_beyond_the_end_is_told_at_once(self):
        broker = self.slow("long hint")
        self.assertEqual((broker.run.status, broker.verbs), (1, ["REQUEST"]), broker.run)
        self.assertRegex(broker.run.err, r"^REJECTED 430 tenant_limit: ")

    def test_without_a_hint_the_waits_double(self):
        broker = self.slow("backoff")
        # After 0.5 s and after 1 s more; 2 s more would be too long.
        self.assertEqual((broker.run.status, broker.verbs), (1, ["REQUEST"] * 3), broker.run)
        self.assertRegex(broker.run.err, r"^ERROR 404 unknown_request: ")

    def test_a_broker_that_says_nothing(self):
        broker = self.slow("silent broker")
        self.assertEqual((broker.run.status, broker.run.out), (2, ""), broker.run)
        self.assertIn("no answer within 1 s", broker.run.err)
        self.assertEqual(broker.verbs[0], "REQUEST")
        self.assertEqual(set(broker.verbs[1:]) - {"GET"}, set())
        self.assertLessEqual(len(broker.verbs), 3)

    def test_patience(self):
        broker = self.slow("patient")
        self.assertEqual(self.check_answer(broker.run, NON_ASCII), "resolved_model=mock/x attempts=2 fallbacks=0")
        self.assertEqual(broker.verbs, ["REQUEST", "GET", "GET", "REQUEST", "REQUEST", "ACK"])
        peers, messages = zip(*broker.messages)
        # A REQ socket that gave up waiting can send nothing more.
        self.assertNotEqual(peers[0], peers[1])
        (id,) = {frames[2] for frames in messages}
        self.assertRegex(id.decode(), r"^[0-9a-f]{32}$")
        self.assertGreater(json.loads(messages[1][3])["wait_ms"], 0)
        request, again = messages[0], messages[4]
        expected = {"model": "mock/x", "messages": [{"role": "user", "content": NON_ASCII}]}
        self.assertEqual(json.loads(request[4]), expected)
        self.assertEqual(again[4], request[4], "the same id is the same body, byte for byte")
        self.assertLess(json.loads(again[3])["deadline_ms"], json.loads(request[3])["deadline_ms"])
        self.assertEqual([len(frames) for frames in messages], [5, 4, 4, 5, 5, 4])

    def test_text_that_is_not_escaped(self):
        broker = ScriptedBroker(self.language, [reply(False), OK], "Hello?")
        self.check_answer(broker.run, NON_ASCII)
        self.assertNotIn("model", json.loads(broker.messages[0][1][4]))

    def test_a_call_of_a_tool_is_shown_and_a_missing_meta_no_harm(self):
        call = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "function": {"name": "größe"}}]}
        body = json.dumps({"choices": [{"message": call}]}, ensure_ascii=False).encode()
        broker = ScriptedBroker(self.language, [(b"REPLY", {"meta": None}, body), OK], "Hello?")
        self.assertEqual((broker.run.status, broker.run.err), (0, ""), broker.run)
        self.assertEqual(json.loads(broker.run.out), call)

    def test_each_refusal_is_shown(self):
        for verb, acknowledged in ((b"FAILURE", True), (b"REJECTED", False), (b"ERROR", False)):
            header = error(418, "teapot", "never")
            broker = ScriptedBroker(self.language, [(verb, header), OK], "Hello?")
            self.assertEqual((broker.run.status, broker.run.out), (1, ""), broker.run)
            expected = f"{verb.decode()} 418 teapot: a message, größer (retry: never, billed: no)\n"
            self.assertEqual(broker.run.err, expected)
            self.assertEqual(broker.verbs, ["REQUEST", "ACK"] if acknowledged else ["REQUEST"])


class C(ShortClient, unittest.TestCase):
    name = "c"

    def test_nothing_but_libzmq_and_the_standard_library_is_included(self):
        with open(self.language.path, encoding="utf-8") as file:
            included = set(re.findall(r"#include [<\"](.*?)[>\"]", file.read()))
        self.assertEqual({name for name in included if name.startswith("zmq")}, {"zmq.h"})
        self.assertLessEqual(included - {"zmq.h"}, {f"{name}.h" for name in ("stdio", "stdlib", "string", "sys/random", "sys/stat", "time", "unistd")})


class Ruby(ShortClient, unittest.TestCase):
    name = "ruby"


class Perl(ShortClient, unittest.TestCase):
    name = "perl"


class PHP(ShortClient, unittest.TestCase):
    name = "php"


if __name__ == "__main__":
    unittest.main()
