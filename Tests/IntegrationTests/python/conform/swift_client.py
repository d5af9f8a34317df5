"""The Swift client, by way of `understudy ask`, as `understudy conform agent` starts it."""

import json
import os
import re
import subprocess
import sys

command = [os.environ["UNDERSTUDY_PROGRAM"], "ask", "--body", "-", "--deadline", "25s", "--json"]
ask = subprocess.run(command, stdin=sys.stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
if ask.stdout:
    answer = json.loads(ask.stdout)
    print(answer["outcome"].upper(), json.dumps(answer["header"]))
    print(json.dumps(answer.get("body")))
else:
    text = ask.stderr.decode()
    error = re.search(r"(\d{3}) ([a-z_]+)", text)
    print("ERROR", json.dumps({"code": int(error[1]), "symbol": error[2]}) if error else text)
sys.exit(ask.returncode)
