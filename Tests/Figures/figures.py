#!/usr/bin/python3
"""Measures what the README and the notes claim; every figure is printed with the load of the machine.

    swift build -c release && /usr/bin/python3 Tests/Figures/figures.py all

    start    start of `broker` to the first answered PING (bound: 100 ms)
    idle     resident memory of an idle worker (bound: 40 MB)
    flight   5,000 requests in flight on two workers, the mock answers after 10 s; memory per request
    kills    kill -9 of a worker with work in hand, 200 times: lost requests, calls above GOs, time to re-dispatch
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import zmq

PROCESSES = []


def spawn(binary, directory, role, *arguments):
    read, write = os.pipe()
    os.set_inheritable(write, True)
    command = [binary, role, *arguments, "--ready-fd", str(write)]
    if role != "mock":
        command += ["--directory", directory]
    process = subprocess.Popen(command, pass_fds=[write], stderr=open(os.path.join(directory, f"{role}.log"), "a"))
    os.close(write)
    process.ready = os.fdopen(read)
    PROCESSES.append(process)
    return process


def wait_ready(process):
    line = process.ready.readline()
    if not line.startswith("ready"):
        raise SystemExit(f"{process.args[:2]} did not become ready")
    return line.split()


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Bench:
    """A mock, a broker and workers in a directory of their own."""

    def __init__(self, binary, model, workers, capacity):
        self.binary = binary
        self.directory = tempfile.mkdtemp(prefix="understudy-figures-")
        self.mock = spawn(binary, self.directory, "mock", "--port", "0")
        port = wait_ready(self.mock)[1].split("=")[1]
        self.url = f"http://127.0.0.1:{port}"
        self.config = os.path.join(self.directory, "understudy.json")
        with open(self.config, "w") as file:
            json.dump(
                {
                    "routing": {"default_chat_model": model, "fallback_models": []},
                    "providers": {"mock": {"dialect": "openai-chat", "base_url": self.url + "/v1", "key": "none"}},
                    "bus": {"worker_capacity": capacity},
                },
                file,
            )
        self.broker = spawn(binary, self.directory, "broker", "--config", self.config)
        wait_ready(self.broker)
        self.names = 0
        self.workers = [self.worker() for _ in range(workers)]
        for worker in self.workers:
            wait_ready(worker)
        self.context = zmq.Context()

    def worker(self):
        self.names += 1
        return spawn(self.binary, self.directory, "worker", "--config", self.config, "--name", f"w{self.names}")

    def agent(self):
        agent = self.context.socket(zmq.DEALER)
        agent.setsockopt(zmq.LINGER, 0)
        agent.setsockopt(zmq.SNDHWM, 0)
        agent.setsockopt(zmq.RCVHWM, 0)
        agent.connect(f"ipc://{self.directory}/agents.sock")
        return agent

    def events(self):
        events = self.context.socket(zmq.SUB)
        events.setsockopt(zmq.RCVHWM, 0)
        events.setsockopt(zmq.LINGER, 0)
        events.connect(f"ipc://{self.directory}/telemetry.sock")
        for prefix in (b"evt.worker.", b"evt.snapshot."):
            events.setsockopt(zmq.SUBSCRIBE, prefix)
        while event(events)["event"] != "snapshot":
            pass
        return events

    def counts(self):
        with urllib.request.urlopen(self.url + "/_mock/counts") as answer:
            return json.load(answer)

    def close(self):
        self.context.destroy(linger=0)
        stop_all()
        shutil.rmtree(self.directory, ignore_errors=True)


def event(socket, timeout_ms=10_000):
    if not socket.poll(timeout_ms):
        raise SystemExit("no event came")
    return json.loads(socket.recv_multipart()[4])


def stop_all():
    for process in PROCESSES:
        if process.poll() is None:
            process.kill()
    for process in PROCESSES:
        process.wait()
    PROCESSES.clear()


def request(agent, name, text="Say something."):
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    agent.send_multipart([b"UBP/1", b"REQUEST", name.encode(), b'{"deadline_ms":120000}', body])


def measure_start(binary):
    times = []
    for _ in range(11):
        directory = tempfile.mkdtemp(prefix="understudy-figures-")
        context = zmq.Context()
        began = time.monotonic()
        spawn(binary, directory, "broker")
        socket = context.socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RECONNECT_IVL, 1)
        socket.connect(f"ipc://{directory}/agents.sock")
        socket.send_multipart([b"UBP/1", b"PING", b"1", b""])
        if not socket.poll(5000):
            raise SystemExit("no PONG")
        times.append((time.monotonic() - began) * 1000)
        context.destroy(linger=0)
        stop_all()
        shutil.rmtree(directory)
    print(f"start to PONG: median {statistics.median(times):.0f} ms, worst {max(times):.0f} ms of {len(times)}")


def measure_idle(binary):
    bench = Bench(binary, "mock/ok", 1, 1000)
    time.sleep(3)
    print(
        f"idle: worker {resident_kib(bench.workers[0].pid) / 1024:.1f} MB,"
        f" broker {resident_kib(bench.broker.pid) / 1024:.1f} MB"
    )
    bench.close()


def measure_flight(binary, count=5000):
    bench = Bench(binary, "mock/ok+10000", 2, count)
    before = {process: resident_kib(process.pid) for process in [bench.broker, *bench.workers]}
    agent = bench.agent()
    began = time.monotonic()
    for number in range(count):
        request(agent, f"flight-{number}")
    replies = failures = 0
    peak = dict(before)
    while replies + failures < count and time.monotonic() - began < 100:
        if agent.poll(100):
            verb = agent.recv_multipart()[1]
            replies += verb == b"REPLY"
            failures += verb == b"FAILURE"
        elif time.monotonic() - began < 11:
            for process in peak:
                peak[process] = max(peak[process], resident_kib(process.pid))
    took = time.monotonic() - began
    broker = (peak[bench.broker] - before[bench.broker]) / count
    workers = sum(peak[worker] - before[worker] for worker in bench.workers) / count
    print(
        f"flight: {count} at once on 2 workers, {replies} replies, {failures} failures in {took:.1f} s;"
        f" per request {workers:.1f} KiB in the workers, {broker:.1f} KiB in the broker;"
        f" CPU per request {sum(cpu_seconds(p.pid) for p in peak) / count * 1000:.2f} ms with start"
    )
    bench.close()
    return replies == count


def measure_kills(binary, kills=200, in_hand=8):
    bench = Bench(binary, "mock/ok+40", 2, 64)
    agent = bench.agent()
    events = bench.events()
    accepted, ended, sent = set(), {}, 0
    latencies, requeued = [], 0

    def receive(timeout_ms):
        while agent.poll(timeout_ms):
            frames = agent.recv_multipart()
            name = frames[2].decode()
            if frames[1] == b"ACCEPTED":
                accepted.add(name)
            elif frames[1] in (b"REPLY", b"FAILURE"):
                ended[name] = json.loads(frames[3])
                assert frames[1] == b"REPLY" or ended[name]["symbol"] in ("worker_lost", "poison"), ended[name]
            else:
                raise SystemExit(f"unexpected {frames}")
            timeout_ms = 0

    for round_number in range(kills):
        while sent - len(ended) < in_hand * 2:
            request(agent, f"kill-{sent}")
            sent += 1
        # Until the mock holds calls of both workers, so that the kill hits calls and not only deliveries.
        receive(1)
        target = time.monotonic() + 0.05
        while time.monotonic() < target:
            receive(5)
        victim = bench.workers[round_number % 2]
        killed = time.monotonic()
        victim.kill()
        while True:
            found = event(events)
            if found["event"] == "worker.lost":
                latencies.append((time.monotonic() - killed) * 1000)
                requeued += found["requeued"]
                break
        victim.wait()
        bench.workers[round_number % 2] = bench.worker()
        while event(events)["event"] != "worker.joined":
            receive(0)
    limit = time.monotonic() + 30
    while len(ended) < sent and time.monotonic() < limit:
        receive(100)
    goes = 0
    limit = time.monotonic() + 8
    while time.monotonic() < limit:
        found = event(events)
        if found["event"] == "snapshot" and found["open"] == 0:
            goes = found["go_total"]
            break
    calls = bench.counts()
    lost = len(accepted - set(ended))
    failed = sum("symbol" in header for header in ended.values())
    print(
        f"kills: {kills}; accepted {len(accepted)}, replied {len(ended) - failed}, failed honestly {failed}, lost {lost};"
        f" requeued {requeued}; calls {calls['total']}, GOs {goes}, calls above GOs {max(0, calls['total'] - goes)};"
        f" re-dispatch median {statistics.median(latencies):.1f} ms, worst {max(latencies):.1f} ms"
    )
    bench.close()
    return lost == 0 and calls["total"] <= goes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["start", "idle", "flight", "kills", "all"])
    parser.add_argument("--binary", default=".build/release/understudy")
    parser.add_argument("--kills", type=int, default=200)
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    print(f"load {' '.join(open('/proc/loadavg').read().split()[:3])} on {os.cpu_count()} cores")
    fine = True
    try:
        if options.what in ("start", "all"):
            measure_start(binary)
        if options.what in ("idle", "all"):
            measure_idle(binary)
        if options.what in ("flight", "all"):
            fine = measure_flight(binary) and fine
        if options.what in ("kills", "all"):
            fine = measure_kills(binary, options.kills) and fine
    finally:
        stop_all()
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
