"""A worker that is wrong: with "call" it calls before it may, with "grant" it grants one more than it has room for."""

import json
import os
import struct
import sys
import urllib.request

import zmq

wrong, capacity = sys.argv[1], 4
socket = zmq.Context().socket(zmq.DEALER)
socket.linger = 200
socket.connect(f"ipc://{os.environ['UNDERSTUDY_DIR']}/workers.sock")


def send(verb, id=b"", header=None, *body):
    socket.send_multipart([b"UBP/1", verb.encode(), id, json.dumps(header).encode() if header else b"", *body])


def call(body):
    address = f"{os.environ['UNDERSTUDY_MOCK_URL']}/chat/completions"
    request = urllib.request.Request(address, body, {"content-type": "application/json"})
    return urllib.request.urlopen(request).read()


send("READY", b"", {"name": "wrong", "pid": os.getpid(), "capacity": capacity})
jobs, granted = {}, 0
while os.getppid() != 1:
    if not socket.poll(150):
        send("BEAT")
        continue
    _, verb, id, header, *body = socket.recv_multipart()
    if verb == b"WELCOME":
        granted = capacity + 1 if wrong == "grant" else capacity
        send("CREDIT", b"", {"granted_total": granted})
    elif verb == b"JOB":
        job, delivery, _ = struct.unpack(">QII", id)
        start = struct.pack(">QII", job, delivery, json.loads(header)["first_attempt"])
        send("START", start, {"provider": "mock", "model": "ok", "key": "none"})
        jobs[start] = call(b"".join(body)) if wrong == "call" else b"".join(body)
    elif verb == b"GO":
        answer = jobs.pop(id) if wrong == "call" else call(jobs.pop(id))
        send("REPLY", id[:12] + bytes(4), {"meta": None}, b"{}", answer)
    elif verb == b"NOGO":
        jobs.pop(id, None)
        send("RETURN", id[:12] + bytes(4), {"reason": "nogo"})
    elif verb == b"ACK":
        granted += 1
        send("CREDIT", b"", {"granted_total": granted})
