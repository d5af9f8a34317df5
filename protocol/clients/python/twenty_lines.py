import json, os, sys, uuid, zmq

named, runtime = os.environ.get("UNDERSTUDY_DIR"), os.environ.get("XDG_RUNTIME_DIR")
directory = named or (f"{runtime}/understudy" if runtime else f"/tmp/understudy-{os.geteuid()}")
if not (named or runtime) and (os.lstat(directory).st_mode, os.lstat(directory).st_uid) != (0o40700, os.geteuid()):
    sys.exit(f"{directory} is not this user's alone: set UNDERSTUDY_DIR")  # Anyone can make it in /tmp.
bus, request_id = zmq.Context().socket(zmq.REQ), uuid.uuid4().hex.encode()
bus.linger = 0
bus.connect(f"ipc://{directory}/agents.sock")
text, *model = sys.argv[1:] or ["Hello?"]
request = {"messages": [{"role": "user", "content": text}], **({"model": model[0]} if model else {})}
bus.send_multipart([b"UBP/1", b"REQUEST", request_id, b"", json.dumps(request).encode()])
_, verb, _, header, *body = bus.recv_multipart()
header = json.loads(header)
if verb != b"REPLY":
    sys.exit(f"{verb.decode()} {header['code']} {header['symbol']}: {header['message']}")
print(json.loads(b"".join(body))["choices"][0]["message"]["content"])
print("resolved_model={resolved_model} attempts={attempts} fallbacks={fallbacks}".format(**header["meta"]))
bus.send_multipart([b"UBP/1", b"ACK", request_id, b""])  # The answer arrived: the broker may forget it.
bus.recv_multipart()
