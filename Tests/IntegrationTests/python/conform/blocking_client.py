"""The blocking client of protocol/clients/python as `understudy conform agent` starts it."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["UNDERSTUDY_ROOT"], "protocol/clients/python"))

import understudy_client as client  # noqa: E402

body = json.loads(sys.stdin.buffer.read())
try:
    with client.Client() as bus:
        reply = bus.request(body, deadline=25)
except client.BusError as error:
    verb = {client.Failed: "FAILURE", client.Rejected: "REJECTED"}.get(type(error), "ERROR")
    print(verb, json.dumps({"code": error.code, "symbol": error.symbol, "message": error.message}))
    sys.exit(1)
except client.UnderstudyError as error:
    print(error, file=sys.stderr)
    sys.exit(3)
print("REPLY", json.dumps({"meta": reply.meta}))
print(json.dumps(reply.body))
