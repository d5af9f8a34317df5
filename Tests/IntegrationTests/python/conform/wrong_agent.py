"""A lock-step agent that is wrong: it asks again with another body, and does not wait as long as it is told."""

import json
import os
import sys
import uuid

import zmq

context, body, id = zmq.Context(), sys.stdin.buffer.read(), uuid.uuid4().hex.encode()
for attempt in range(3):
    bus = context.socket(zmq.REQ)
    bus.linger = 0
    bus.connect(f"ipc://{os.environ['UNDERSTUDY_DIR']}/agents.sock")
    bus.send_multipart([b"UBP/1", b"REQUEST", id, b"", body + b" " * attempt])
    if not bus.poll(3000):
        continue
    _, verb, _, header, *answer = bus.recv_multipart()
    if json.loads(header).get("retry") == "same_id":
        continue
    sys.stdout.buffer.write(verb + b" " + header + b"\n" + b"".join(answer))
    sys.exit(0 if verb == b"REPLY" else 1)
sys.exit(3)
