"""Drives chassis/upstream_token.py for a test, line by line, with a clock that the test moves.

{"url", "audience"} makes a verifier; {"verify": TOKEN} answers {"claims"} or {"refused"}; {"advance": SECONDS}.
"""

import json
import sys
import types

from chassis import upstream_token

now = 1000.0
upstream_token.time = types.SimpleNamespace(monotonic=lambda: now)
verifier = None
for line in sys.stdin:
    order = json.loads(line)
    answer = {}
    if "url" in order:
        verifier = upstream_token.UpstreamToken(order["url"], order["audience"])
    elif "advance" in order:
        now += order["advance"]
    else:
        try:
            answer = {"claims": verifier.verify(order["verify"])}
        except Exception as error:
            answer = {"refused": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
