#!/usr/bin/python
# -*- coding: utf-8 -*-
"""See what a server offers to those who manage it: Python, account, clock, and the way to its daemon.

A single file that imports nothing from Ansible, so that it runs on every server with Python 2.7 or 3.6 and
newer, whatever the controller's ansible-core demands. Documentation: server_check.yml beside this file.
It changes nothing, and starts nothing but `systemctl show`.
"""
from __future__ import absolute_import, division, print_function

import io
import json
import os
import platform
import pwd
import socket
import subprocess
import sys
import threading
import time

try:
    from urllib.parse import urlsplit
except ImportError:
    from urlparse import urlsplit

try:
    TEXT = unicode
except NameError:
    TEXT = str

PATHS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]


class Missing(Exception):
    """The daemon could not be told; the text says why."""


def to_text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else TEXT(value)


def to_native(value):
    """text -> str of this Python, as os, socket and subprocess want it."""
    return value.encode("utf-8") if str is bytes and isinstance(value, TEXT) else str(value)


# ------------------------------------------------------------------------------------------ the way to the daemon


def program(spec, _seconds):
    """The program is there and may be run; it is not."""
    command = spec.get("command") or [""]
    name = to_native(command if isinstance(command, (bytes, TEXT)) else command[0])
    folders = [""] if "/" in name else os.environ.get("PATH", "").split(os.pathsep) + PATHS
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return
            raise Missing(u"%s may not be run" % to_text(path))
    raise Missing(u"%s: no such program" % to_text(name))


def port(spec, seconds):
    """Somebody listens where the daemon should be told; nothing is said to them."""
    for name in ("token_file", "credentials_file"):
        if spec.get(name):
            first_line(to_native(spec[name]))
    at = urlsplit(to_native(spec.get("url") or ""))
    try:
        number = at.port or (443 if at.scheme == "https" else 80)
        socket.create_connection((at.hostname or "", number), seconds).close()
    except (EnvironmentError, ValueError) as error:
        why = to_text(getattr(error, "strerror", None) or str(error))
        raise Missing(u"%s: %s" % (to_text(spec.get("url") or ""), why))


def first_line(path):
    try:
        with io.open(path, "rb") as file:
            if file.readline().strip():
                return
    except EnvironmentError as error:
        raise Missing(u"%s: %s" % (to_text(path), to_text(error.strerror)))
    raise Missing(u"%s has no first line" % to_text(path))


def unit(spec, seconds):
    """The unit is loaded and active."""
    name = to_native(spec.get("unit") or "")
    try:
        with io.open(os.devnull, "rb") as nothing:
            process = subprocess.Popen(["systemctl", "show", "--property=ActiveState", "--", name],
                                       stdin=nothing, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except EnvironmentError as error:
        raise Missing(u"systemctl: %s" % to_text(error.strerror))
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    out, err = process.communicate()
    timer.cancel()
    state = to_text(out).strip().rpartition(u"=")[2]
    if state != u"active":
        raise Missing(u"%s: %s" % (to_text(name), state or to_text(err).strip() or u"systemctl gave no answer"))


WAYS = {"command": program, "http": port, "ari": port, "systemd": unit, "none": lambda _spec, _seconds: None}

# ------------------------------------------------------------------------------------------ arguments and result

DEFAULTS = {"notify": {}, "timeout": 3}


def account(uid):
    try:
        return to_text(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return TEXT(uid)


def look(given):
    """Arguments -> (data, notices)"""
    args = dict(DEFAULTS)
    for name, value in given.items():
        if name in DEFAULTS and value is not None:
            args[name] = value
        elif not name.startswith("_ansible_") and name not in DEFAULTS:
            raise ValueError("unknown argument %s; known: %s" % (name, ", ".join(sorted(DEFAULTS))))
    uid, notices = os.geteuid(), []
    data = {"python": platform.python_version(), "uid": uid, "account": account(uid), "time": time.time(),
            "zone": to_text(time.strftime("%Z"))}
    if uid != 0:
        notices.append(note("not_root", account=data["account"]))
    spec = args["notify"] or {}
    if spec:
        try:
            if spec.get("type") not in WAYS:
                raise Missing("type: one of %s" % ", ".join(sorted(WAYS)))
            WAYS[spec["type"]](spec, float(args["timeout"]))
        except Missing as error:
            notices.append(note("notify_missing", way=to_text(spec.get("type") or ""), error=to_text(error)))
    return data, notices


def note(code, **data):
    return {"code": "server." + code, "data": data}


def work(given):
    """Arguments -> the result, whatever happens."""
    try:
        data, notices = look(given)
        outcome, code, msg = "ok", "seen", "Python %s as %s" % (data["python"], data["account"])
    except Exception as error:  # an operator gets one line, never a traceback
        msg = "%s: %s" % (type(error).__name__, to_text(error))
        outcome, code, data, notices = "failed", "error", {"error": msg}, []
    return {"changed": False, "failed": outcome == "failed", "outcome": outcome, "code": "server." + code,
            "data": data, "notices": notices, "diff": [], "msg": msg}


def main():
    # The r is vital: the controller puts JSON here, whose backslashes are JSON's own.
    given = json.loads(r"""<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>""")
    result = work(given)
    print(json.dumps(result, sort_keys=True))
    sys.exit(1 if result["failed"] else 0)


if __name__ == "__main__":
    main()
