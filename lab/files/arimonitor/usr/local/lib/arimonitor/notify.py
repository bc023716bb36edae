#!/usr/bin/python3
"""Hand one event, JSON on standard input, to arimonitor.

Exit status 0: it has it. 1: it refuses, with its sentence on standard error. 2: what came in is no event.
75 (EX_TEMPFAIL): it cannot be reached, or ended without an answer. There is no time limit: whoever starts
this has one.
"""

from __future__ import annotations

import http.client
import json
import sys

ADDRESS = ("127.0.0.1", 8077)
TAKEN, REFUSED, NO_EVENT, UNREACHED = 0, 1, 2, 75


def main() -> int:
    """Pass the event on; returns the exit status."""
    body = sys.stdin.buffer.read()
    try:
        transaction = str(json.loads(body)["transaction"])
    except (ValueError, TypeError, KeyError) as error:
        print(f"arimonitor-notify: no event on standard input: {error!r}", file=sys.stderr)
        return NO_EVENT
    headers = {"Content-Type": "application/json", "Idempotency-Key": transaction}
    connection = http.client.HTTPConnection(*ADDRESS)
    try:
        connection.request("POST", "/events", body, headers)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        print(f"arimonitor-notify: arimonitor cannot be reached: {error}", file=sys.stderr)
        return UNREACHED
    if answer.status // 100 == 2:  # noqa: PLR2004 - every 2xx
        return TAKEN
    print(f"arimonitor-notify: arimonitor refuses: {json.loads(content)['error']}", file=sys.stderr)
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
