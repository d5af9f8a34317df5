import json, os, sys, uuid, zmq

runtime = os.environ.get("XDG_RUNTIME_DIR")
default = f"{runtime}/understudy" if runtime else f"/tmp/understudy-{os.getuid()}"
bus = zmq.Context().socket(zmq.REQ)
bus.linger = 0
bus.connect(f"ipc://{os.environ.get('UNDERSTUDY_DIR') or default}/agents.sock")
request = {"messages": [{"role": "user", "content": sys.argv[1] if len(sys.argv) > 1 else "Hello?"}]}
if len(sys.argv) > 2:
    request["model"] = sys.argv[2]
request_id = uuid.uuid4().hex.encode()
bus.send_multipart([b"UBP/1", b"REQUEST", request_id, b"", json.dumps(request).encode()])
_, verb, _, header, *body = bus.recv_multipart()
header = json.loads(header)
if verb != b"REPLY":
    sys.exit(f"{verb.decode()} {header['code']} {header['symbol']}: {header['message']}")
print(json.loads(b"".join(body))["choices"][0]["message"]["content"])
print("resolved_model={resolved_model} attempts={attempts} fallbacks={fallbacks}".format(**header["meta"]))
bus.send_multipart([b"UBP/1", b"ACK", request_id, b""])  # The answer arrived: the broker may forget it.
bus.recv_multipart()
