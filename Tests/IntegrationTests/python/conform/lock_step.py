"""A lock-step agent in a few lines, as `understudy conform agent` starts it. It gives up after five silent seconds."""

import os
import sys
import uuid

import zmq

bus = zmq.Context().socket(zmq.REQ)
bus.linger = 0
bus.connect(f"ipc://{os.environ['UNDERSTUDY_DIR']}/agents.sock")


def ask(*frames):
    bus.send_multipart([b"UBP/1", *frames])
    if not bus.poll(5000):
        sys.exit(3)
    return bus.recv_multipart()


request_id = uuid.uuid4().hex.encode()
_, verb, _, header, *body = ask(b"REQUEST", request_id, b"", sys.stdin.buffer.read())
sys.stdout.buffer.write(verb + b" " + header + b"\n" + b"".join(body))
sys.stdout.flush()
if verb in (b"REPLY", b"FAILURE"):
    ask(b"ACK", request_id, b"")
sys.exit(0 if verb == b"REPLY" else 1)
