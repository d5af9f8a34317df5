"""A broker that is wrong in three ways: it takes the same id with another body, gives out jobs without credit, and says
GO to everybody. The examination must name these and no others of what it is asked."""

import json
import os
import struct
import sys

import zmq

directory = sys.argv[1]
context = zmq.Context()
agents, workers = context.socket(zmq.ROUTER), context.socket(zmq.ROUTER)
agents.bind(f"ipc://{directory}/agents.sock")
workers.bind(f"ipc://{directory}/workers.sock")
poller = zmq.Poller()
for bound in (agents, workers):
    poller.register(bound, zmq.POLLIN)
print("ready", flush=True)

requests, queue, sessions = {}, [], {}
CANCELLED = {"code": 499, "symbol": "cancelled", "class": "cancelled", "message": "-", "retry": "new_id", "billed": "maybe"}


def send(socket, route, verb, id, header=None, *body):
    socket.send_multipart([*route, b"UBP/1", verb.encode(), id, json.dumps(header).encode() if header else b"", *body])


def deliver():
    while queue and sessions:
        id = queue.pop(0)
        route, session = list(sessions.items())[-1]
        request = requests[id]
        request["delivery"] += 1
        key = struct.pack(">QII", request["job"], request["delivery"], 0)
        header = {"session": session, "tenant": "uid-0", "id": id.decode(), "first_attempt": 1}
        send(workers, [route], "JOB", key, {**header, "remaining_ms": 9000, "waited_ms": 1}, *request["body"])


def agent(frames):
    start = frames.index(b"UBP/1")
    route, (verb, id, _, *body) = frames[:start], frames[start + 1 :]
    verb = verb.decode()
    if verb == "HELLO":
        send(agents, route, "WELCOME", b"", {"epoch": 5, "dedup_ms": 3_600_000, "durabilities": ["memory"]})
    elif verb == "PING":
        send(agents, route, "PONG", id)
    elif verb in ("ACK", "TASK", "BYE"):
        send(agents, route, "OK", id)
    elif verb == "GET":
        state = {"state": "queued", "deliveries": 0, "attempts": 0, "age_ms": 1, "remaining_ms": 1}
        send(agents, route, "STATE", id, state)
    elif verb == "CANCEL":
        if id in queue:
            queue.remove(id)
        send(agents, route, "FAILURE", id, CANCELLED)
    elif verb == "REQUEST":
        if id not in requests:
            requests[id] = {"job": len(requests) + 1, "delivery": 0, "body": body}
            queue.append(id)
        send(agents, route, "ACCEPTED", id, {"durability": "memory"})


def worker(frames):
    route, _, verb, id, *_ = frames
    if verb == b"READY":
        sessions[route] = f"session-{len(requests)}"
        welcome = {"session": sessions[route], "epoch": 5, "beat_ms": 1000, "lease_ms": 15_000}
        send(workers, [route], "WELCOME", b"", welcome)
    elif verb == b"BYE":
        sessions.pop(route, None)
    elif route not in sessions:
        send(workers, [route], "BEAT", b"", {"state": "rejoin"})
    elif verb == b"START":
        send(workers, [route], "GO", id, {"session": sessions[route]})
    elif verb in (b"REPLY", b"FAILURE"):
        send(workers, [route], "ACK", id)


while os.getppid() != 1:
    for socket, _ in poller.poll(200):
        frames = socket.recv_multipart()
        agent(frames) if socket is agents else worker(frames)
    deliver()
