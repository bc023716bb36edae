#!/usr/bin/python3
"""Stand-in for the operator's arimonitor: is told which MAC an extension has now, and keeps it.

    POST /events           {"transaction", "extension", "mac_before", "mac_after", "action", "host"}; one that
                           takes another event back names its transaction in "reverses"
    GET  /events           every event that was applied, oldest first
    GET  /macs/EXTENSION   {"extension": "3010", "mac": "010203040506"}, or 404

At its first start it takes the MACs from the operator's list; on SIGHUP it reads that list again. How it
behaves at the next event stands in MODE, written by arimonitorctl.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ADDRESS = ("127.0.0.1", 8077)
LIST = Path("/etc/asterisk/macs.csv")
STATE = Path("/var/lib/arimonitor")
MODE = Path("/run/arimonitor/mode")

MAC = "[0-9a-f]{12}"
FORMS = {
    "transaction": r"[\w.-]{1,100}",
    "extension": "[0-9]{1,10}",
    "mac_before": f"({MAC})?",
    "mac_after": f"({MAC})?",
    "action": "change|add|remove",
    "host": r"[\w.-]{1,253}",
    "reverses": r"[\w.-]{1,100}",
}
OPTIONAL = {"reverses"}
ACTIONS = {(True, True): "change", (False, True): "add", (True, False): "remove"}  # (a MAC before, after)
OK, BAD_REQUEST, NOT_FOUND, CONFLICT = 200, 400, 404, 409


class Refused(Exception):  # noqa: N818 - what happens, in arimonitor's own word
    """The event is not taken; `status` is the HTTP status, the text a sentence for the sender."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Store:
    """The table of MACs and the events that made it, both on disk before an event counts as applied."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        first = folder / "first.json"  # `arimonitorctl forget` goes back to it
        self._table, self._log = folder / "macs.json", folder / "events.jsonl"
        if not first.exists():
            write(first, read_list())
        if not self._table.exists():
            shutil.copyfile(first, self._table)
        self._log.touch()
        self.macs: dict[str, str] = json.loads(self._table.read_text())
        self.events = [json.loads(line) for line in self._log.read_text().splitlines()]
        if self.events:  # it may have ended between the event and the table
            self._set(self.events[-1])

    def apply(self, event: dict[str, str]) -> None:
        """Keep the event and what it says; one that came before is kept once. Raises Refused."""
        with self._lock:
            for known in self.events:
                if known["transaction"] == event["transaction"]:
                    if known != event:
                        sentence = f"transaction {event['transaction']} came before, with another content"
                        raise Refused(CONFLICT, sentence)
                    return
            with self._log.open("a") as log:
                log.write(json.dumps(event) + "\n")
                log.flush()
                os.fsync(log.fileno())
            self.events.append(event)
            self._set(event)

    def reload(self) -> None:
        """Take the MACs from the operator's list again."""
        with self._lock:
            self.macs = read_list()
            write(self._table, self.macs)

    def _set(self, event: dict[str, str]) -> None:
        others = {extension: mac for extension, mac in self.macs.items() if extension != event["extension"]}
        self.macs = {**others, event["extension"]: event["mac_after"]} if event["mac_after"] else others
        write(self._table, self.macs)


def read_list() -> dict[str, str]:
    """Read the operator's list, Latin-1: extension;mac;place."""
    lines = re.findall("^([0-9]+);([^;\r\n]*);", LIST.read_text(encoding="latin-1"), re.MULTILINE)
    return {extension: mac.lower() for extension, mac in lines if mac}


def write(path: Path, table: dict[str, str]) -> None:
    """Replace a file as a whole."""
    new = path.with_suffix(".new")
    with new.open("w") as file:
        json.dump(table, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def parse(body: bytes, key: str | None) -> dict[str, str]:
    """Return the event; raises Refused, which names the field. `key`: the header Idempotency-Key."""
    try:
        event = json.loads(body)
    except ValueError as error:
        raise Refused(BAD_REQUEST, f"the event is no JSON: {error}") from error
    if not isinstance(event, dict):
        raise Refused(BAD_REQUEST, "the event is no JSON object")
    for field in sorted(FORMS.keys() - OPTIONAL - event.keys()):
        raise Refused(BAD_REQUEST, f"the event has no {field}")
    for field, value in event.items():
        if field not in FORMS:
            raise Refused(BAD_REQUEST, f"the event has an unknown field: {field}")
        if not isinstance(value, str) or not re.fullmatch(FORMS[field], value, re.ASCII):
            raise Refused(BAD_REQUEST, f"the event's {field} is not of the form {FORMS[field]}: {value!r}")
    action = ACTIONS.get((bool(event["mac_before"]), bool(event["mac_after"])))
    if event["action"] != action:
        raise Refused(BAD_REQUEST, f"the event's action is {event['action']}, its MACs say {action}")
    if key not in (None, event["transaction"]):
        raise Refused(BAD_REQUEST, f"the Idempotency-Key {key} is not the event's transaction")
    return event


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    server_version = "arimonitor-stand-in"

    def do_GET(self) -> None:
        """Show the events, or the MAC of an extension."""
        store = self.server.store
        place, _, extension = self.path.strip("/").partition("/")
        if self.path == "/events":
            self._answer(OK, store.events)
        elif place == "macs" and extension in store.macs:
            self._answer(OK, {"extension": extension, "mac": store.macs[extension]})
        else:
            self._answer(NOT_FOUND, {"error": f"nothing at {self.path}"})

    def do_POST(self) -> None:
        """Take an event, in the way that the mode says."""
        if self.path != "/events":
            self._answer(NOT_FOUND, {"error": f"nothing at {self.path}"})
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            event = parse(body, self.headers.get("Idempotency-Key"))
            if self._take(event):
                self._answer(OK, {"transaction": event["transaction"], "applied": True})
            else:
                self._hang()
        except Refused as refused:
            self._answer(refused.status, {"error": str(refused)})

    def _take(self, event: dict[str, str]) -> bool:
        """Do with the event what the mode says; True when it is to be answered. Raises Refused."""
        mode, _, seconds = (MODE.read_text() if MODE.exists() else "accept").strip().partition(" ")
        self.log_message("%s, mode %s", json.dumps(event), mode)
        if mode == "refuse":
            raise Refused(CONFLICT, f"extension {event['extension']} is in a call: its MAC stays")
        if mode == "die":
            MODE.unlink(missing_ok=True)  # once: started again, it accepts
            os._exit(1)
        if mode == "slow":
            time.sleep(float(seconds))
        if mode not in ("hang", "lie"):
            self.server.store.apply(event)
        return mode not in ("hang", "apply-and-hang")

    def _hang(self) -> None:
        """Stay silent until the other side gives up."""
        self.rfile.read(1)

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Many requests at a time, one store."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, store: Store) -> None:
        super().__init__(ADDRESS, Handler)
        self.store = store


def tell_ready() -> None:
    """Tell whoever started it that it listens, see sd_notify(3)."""
    if place := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect(place.replace("@", "\0", 1) if place.startswith("@") else place)
            notify.send(b"READY=1")


def main() -> None:
    """Serve until a signal ends it."""
    store = Store(STATE)
    signal.signal(signal.SIGHUP, lambda *_: store.reload())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = Server(store)
    tell_ready()
    server.serve_forever()


if __name__ == "__main__":
    main()
