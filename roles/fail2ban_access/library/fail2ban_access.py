#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Let an address in again: ban state, unban and permanent whitelist in one round trip.

A single file that imports nothing from Ansible, so that it runs on every server with Python 2.7 or 3.6 and
newer, whatever the controller's ansible-core demands. Documentation: fail2ban_access.yml beside this file.
It reads in the order in which the work flows: address, server, configuration, firewall, states, result.
"""
from __future__ import absolute_import, division, print_function

import ast
import binascii
import errno
import fcntl
import io
import json
import os
import pickle
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

try:
    TEXT = unicode
except NameError:
    TEXT = str

OLDEST = (0, 11, 2)  # the first with `banned`
SETTLE = 1.2  # seconds in which a failure that was already queued becomes a ban, whitelist or not
POLL = 0.1
ACTION = 0.3  # seconds from a ban in fail2ban's list to its rule in the kernel
PATHS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
VARIABLE = "athome_whitelist"


class Stop(Exception):
    """The work ends here with this code; what was done until then stays in the result."""

    def __init__(self, code, msg, **data):
        Exception.__init__(self, msg)
        self.code, self.msg, self.data = code, msg, data


class Refused(Exception):
    """fail2ban answered that it cannot do this command."""


class Silent(Exception):
    """fail2ban does not answer: it is down, hangs, or ended meanwhile."""


class ConfigBroken(Exception):
    """fail2ban-client cannot load the configuration; the text is its own complaint."""


# ---------------------------------------------------------------------------------------------- addresses


def to_text(value):
    """bytes or text -> text; undecodable bytes become U+FFFD instead of an error."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else TEXT(value)


def to_native(value):
    """text -> str of this Python, as os, subprocess and fail2ban's socket want it."""
    return value.encode("utf-8") if str is bytes and isinstance(value, TEXT) else str(value)


def parse_address(text):
    """'203.0.113.7' -> (32, integer); '2001:db8::7' -> (128, integer); None if it is neither.

    An IPv4 address inside IPv6 (::ffff:203.0.113.7) becomes the IPv4 address, as in fail2ban.
    """
    for family, bits in ((socket.AF_INET, 32), (socket.AF_INET6, 128)):
        try:
            value = int(binascii.hexlify(socket.inet_pton(family, to_native(text))), 16)
        except (socket.error, ValueError, TypeError, UnicodeError):
            continue
        if bits == 128 and value >> 32 == 0xFFFF:
            return 32, value & 0xFFFFFFFF
        return bits, value
    return None


def parse_network(text):
    """'203.0.113.0/24', '10.0.0.0/255.0.0.0' or one address -> (bits, first, last); None if neither."""
    base, slash, mask = to_text(text).partition(u"/")
    address = parse_address(base)
    if address is None:
        return None
    bits, value = address
    length = bits
    if slash:
        dotted = parse_address(mask)
        if mask.isdigit() and len(mask) <= 3:
            length = int(mask) - (96 if bits == 32 and u":" in base else 0)
        elif dotted and dotted[0] == bits == 32:
            length = bin(dotted[1]).count("1")
        else:
            return None
    if not 0 <= length <= bits:
        return None
    host = (1 << (bits - length)) - 1
    return bits, value & ~host, value | host


def covers(text, address):
    """Does this address, network or range (first-last) contain the address? Anything else: no."""
    first, dash, last = to_text(text).partition(u"-")
    low, high = parse_network(first), parse_network(last if dash else first)
    return bool(low and high) and low[0] == high[0] == address[0] and low[1] <= address[1] <= high[2]


def format_address(address):
    """(bits, integer) -> canonical text, the one that fail2ban uses itself."""
    bits, value = address
    if bits == 32:
        return socket.inet_ntop(socket.AF_INET, struct.pack("!I", value))
    return socket.inet_ntop(socket.AF_INET6, struct.pack("!QQ", value >> 64, value & (1 << 64) - 1))


NEVER = (  # whitelisting these helps nobody and may open the server
    ("0.0.0.0/8", "unspecified"), ("127.0.0.0/8", "loopback"), ("169.254.0.0/16", "link-local"),
    ("224.0.0.0/4", "multicast"), ("240.0.0.0/4", "reserved"),
    ("::1", "loopback"), ("::/96", "unspecified"), ("fe80::/10", "link-local"), ("ff00::/8", "multicast"),
)


def normalise(text):
    """What somebody wrote -> canonical text of one host's address. Raises Stop with the way out."""
    problem = None
    address = parse_address(text) if isinstance(text, (TEXT, str)) else None
    if address is None:
        problem = "is not the address of one host"
    else:
        for network, kind in NEVER:
            if covers(network, address):
                problem = "is a %s address" % kind
                break
    if problem:
        raise Stop(
            "fail2ban.invalid_address",
            "address: %.60r %s; write one IPv4 or IPv6 address such as 203.0.113.7 or 2001:db8::7"
            % (to_native(to_text(text)), problem),
        )
    return format_address(address)


# ------------------------------------------------------------------------------------- programs and files


def which(program):
    for folder in os.environ.get("PATH", "").split(os.pathsep) + PATHS:
        path = os.path.join(folder, program)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def run(command, seconds):
    """Run a program -> (return code, stdout bytes, stderr bytes); killed after `seconds` (code < 0)."""
    environment = dict(os.environ, LC_ALL="C")
    with io.open(os.devnull, "rb") as nothing:
        process = subprocess.Popen(
            command, stdin=nothing, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        out, err = process.communicate()
    finally:
        timer.cancel()
    return process.returncode, out, err


def read(path):
    """The file's bytes; b'' when there is none."""
    try:
        with io.open(path, "rb") as file:
            return file.read()
    except (IOError, OSError) as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return b""
        raise


def make_folder(path, mode):
    try:
        os.makedirs(path, mode)
    except OSError:
        if not os.path.isdir(path):  # another run may have made it meanwhile
            raise


def sync_folder(path):
    descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(path, content):
    """The file has either the old content or the new one, whenever the machine stops. Empty: no file."""
    if not content:
        if os.path.lexists(path):
            os.unlink(path)
            sync_folder(path)
        return
    folder, name = os.path.split(path)
    make_folder(folder, 0o755)
    temporary = os.path.join(folder, "." + name + ".tmp")  # one name: a killed run leaves one file at most
    if os.path.lexists(temporary):
        os.unlink(temporary)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except Exception:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise
    sync_folder(path)


def lock(path, seconds):
    """Hold the lock until the process ends. Raises Stop when another run keeps it longer than `seconds`."""
    make_folder(os.path.dirname(path), 0o700)
    file = io.open(path, "ab")
    end = time.time() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except (IOError, OSError):
            if time.time() > end:
                raise Stop(
                    "fail2ban.locked",
                    "another run holds %s for more than %d s; try again when it has ended" % (path, seconds),
                )
            time.sleep(0.05)


# ------------------------------------------------------------------------------------- the running server


class Foreign(object):
    """Stands for any object in an answer: built, but without code of its own."""

    def __new__(cls, *args, **_kwargs):
        return object.__new__(cls)

    def __init__(self, *args, **_kwargs):
        self.args = args

    def __setstate__(self, state):
        pass

    def __str__(self):
        return ", ".join(str(part) for part in self.args)


class Unpickler(pickle.Unpickler):
    """Reads fail2ban's answers and can import and call nothing but the makers of plain values."""

    PLAIN = {"str": TEXT, "unicode": TEXT, "list": list, "tuple": tuple, "dict": dict, "set": set}

    def find_class(self, module, name):
        if module in ("builtins", "__builtin__") and name in self.PLAIN:
            return self.PLAIN[name]
        return Foreign


class Unreadable(Exception):
    """The server's Python is newer than this one can read: ask the client instead."""


class Socket(object):
    """fail2ban's own protocol: a pickled list, an end mark; a thousand times cheaper than the client."""

    END = b"<F2B_END_COMMAND>"

    def __init__(self, path, seconds):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(seconds)
        try:
            self.socket.connect(path)
        except socket.error as error:
            raise Silent("%s: %s" % (path, error))

    def exchange(self, message):
        """bytes -> bytes"""
        answer = bytearray()
        try:
            self.socket.sendall(message + self.END)
            while not answer.endswith(self.END):
                part = self.socket.recv(65536)
                if not part:
                    raise Silent("fail2ban closed the connection")
                answer += part
        except socket.error as error:
            raise Silent(str(error))
        return bytes(answer[: -len(self.END)])

    def ask(self, *command):
        """A command -> its value. Raises Refused, Unreadable, Silent."""
        message = [to_native(word) for word in command]
        answer = self.exchange(pickle.dumps(message, 2))  # 2: every server can read it
        options = {} if TEXT is not str else {"encoding": "utf-8", "errors": "replace"}
        try:
            answer = Unpickler(io.BytesIO(answer), **options).load()
        except Exception as error:
            raise Unreadable(str(error))
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise Refused(to_text(answer))
        if answer[0] != 0:
            raise Refused("%s: %s" % (" ".join(message), answer[1]))
        return answer[1]


class Client(object):
    """The same questions through fail2ban-client, one process each: slow, but reads every server."""

    def __init__(self, client, config, path, seconds):
        self.command, self.seconds = [client, "-c", config, "-s", path], seconds

    def ask(self, *command):
        code, out, err = run(self.command + [to_native(word) for word in command], self.seconds)
        text = to_text(out).strip()
        if code < 0:
            raise Silent("fail2ban-client gave no answer in %d s" % self.seconds)
        if code:
            raise Refused(to_text(err).strip() or text)
        if command[0] == "banned":
            return ast.literal_eval(text)
        if command[-1] == "ignoreip":
            return re.findall(r"(?m)^[|`]- (\S+)", text)
        if command[-1] == "ignorecache":
            return None if text == "None" else ast.literal_eval(text)
        return text


class Server(object):
    """A running fail2ban: what it bans and ignores, per jail."""

    def __init__(self, speaker):
        self.speaker = speaker
        self.version = to_native(to_text(self.ask("version")))
        if version_tuple(self.version) < OLDEST:
            raise Stop(
                "fail2ban.unsupported",
                "fail2ban %s is too old: 0.11.2 or newer is needed" % self.version,
                version=self.version,
            )

    def ask(self, *command):
        return self.speaker.ask(*command)

    def bans(self):
        """-> {jail: [what it bans, as text]}"""
        jails = {}
        for row in self.ask("banned"):
            for jail, banned in row.items():
                jails[to_native(jail)] = [to_text(item) for item in banned]
        return jails

    def banning(self, address):
        """-> [jails that ban exactly this address]"""
        return sorted(to_native(jail) for jail in self.ask("banned", address)[0])

    def ignored(self, jails):
        """-> {jail: [addresses, networks and names that it ignores]}"""
        return dict((jail, [to_text(item) for item in self.ask("get", jail, "ignoreip")]) for jail in jails)

    def forget_ignored(self, jail):
        """ignorecache is asked before ignoreip: an address cached as not ignored would be banned again."""
        cache = self.ask("get", jail, "ignorecache")
        if cache:
            self.ask("set", jail, "ignorecache", "")
            self.ask("set", jail, "ignorecache", 'key="%s", max-count=%s, max-time=%s' % tuple(cache))


def find_socket(config):
    """The path in fail2ban.conf, fail2ban.d and fail2ban.local; the last one counts."""
    files = [os.path.join(config, "fail2ban.conf"), os.path.join(config, "fail2ban.local")]
    folder = os.path.join(config, "fail2ban.d")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    files[1:1] = [os.path.join(folder, name) for name in names if name.endswith(".conf")]
    files += [os.path.join(folder, name) for name in names if name.endswith(".local")]
    found = b"/var/run/fail2ban/fail2ban.sock"
    for path in files:
        found = (re.findall(br"(?m)^socket[ \t]*[=:][ \t]*(\S+)", read(path)) or [found])[-1]
    return found.decode("utf-8", "replace") if str is not bytes else found


def connect(args):
    """-> Server. Raises Stop: absent, down, unsupported."""
    config, client = args["config_dir"], args["client"] or which("fail2ban-client")
    if not os.path.isdir(config) or not client or not os.path.exists(client):
        raise Stop("fail2ban.absent", "fail2ban is not installed here (no %s or no client)" % config)
    path = args["socket"] or find_socket(config)
    try:
        try:
            server = Server(Socket(path, args["timeout"]))
            server.bans()
        except Unreadable:
            server = Server(Client(client, config, path, args["timeout"]))
    except Silent as error:
        raise Stop(
            "fail2ban.down",
            "fail2ban does not answer (%s); nothing was changed. "
            "Start it with: systemctl start fail2ban" % error,
            error=str(error),
        )
    return server


def version_tuple(text):
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


# ---------------------------------------------------------------------------- the permanent configuration

HEADER = """\
# Addresses that fail2ban never bans, kept by the Ansible role fail2ban_access (CHECKIP).
# Add and remove addresses through that role: it checks the result before it writes it.
"""
FALLBACK = """\
# Kept by the Ansible role fail2ban_access: %s refers to the ignoreip of every jail,
# and no ignoreip is set anywhere else. Whatever jail.local sets comes later and counts.
[DEFAULT]
ignoreip =
"""


def parse_whitelist(content):
    """The drop-in's bytes -> (addresses and networks as written, what is neither)."""
    value = re.search(br"(?m)^%s[ \t]*=((?:.*\n)(?:[ \t]+\S.*\n)*)" % VARIABLE.encode(), content + b"\n")
    words = re.split(r"[\s,]+", to_text(value.group(1))) if value else []
    words = [to_native(word) for word in words if word]
    good = [word for word in words if parse_network(word)]
    return good, [word for word in words if word not in good]


def parse_sections(content):
    """The jails that the drop-in speaks of."""
    names = (to_native(to_text(name)) for name in re.findall(br"(?m)^\[([^\]\n]+)\]", content))
    return set(name for name in names if name != "DEFAULT")


def render(whitelist, base, literal):
    """-> the drop-in's bytes: one variable, and one section a jail that adds it to what the jail had.

    base: {jail: its ignoreip without us}; literal: the jails for which that list is written out, because
    `known/ignoreip` would not load there.
    """
    if not whitelist:
        return b""
    order = sorted(set(whitelist), key=parse_network)
    lines = [HEADER + "[DEFAULT]", VARIABLE + " ="] + ["    " + word for word in order]
    for jail in sorted(base):
        lines += ["", "[%s]" % jail]
        if jail in literal:
            lines += ["# written out, because known/ignoreip does not load here a second time"]
        words = base[jail] if jail in literal else ["%(known/ignoreip)s"]
        lines += [" ".join(["ignoreip ="] + words + ["%%(%s)s" % VARIABLE])]
    return ("\n".join(lines) + "\n").encode("utf-8")


class Config(object):
    """The configuration folder and our two files in it."""

    def __init__(self, args):
        self.folder, self.client = args["config_dir"], args["client"] or which("fail2ban-client")
        self.seconds = args["timeout"]
        self.stage = os.path.join(args["work_dir"], "stage")  # one name: a killed run leaves one folder
        self.name = args["file"]
        self.path = os.path.join(self.folder, "jail.d", self.name)
        fallback = "00-" + re.sub(r"^zz-|\.local$", "", self.name) + ".conf"
        self.fallback = os.path.join(self.folder, "jail.d", fallback)

    def dump(self, folder):
        """What fail2ban would load from this folder -> {jail: [ignoreip]}. Raises ConfigBroken."""
        code, out, err = run([self.client, "-c", folder, "-d"], self.seconds)
        jails, broken = {}, []
        for line in to_text(out).splitlines():
            if not line.startswith(u"['"):
                continue
            if re.match(u"\\['(add|config-error)', |\\['set', .*'addignoreip'", line):
                words = [to_native(word) for word in ast.literal_eval(line)]
                if words[0] == "add":
                    jails.setdefault(words[1], [])
                elif words[0] == "config-error":
                    broken.append(words[1])
                elif words[2] == "addignoreip":
                    jails.setdefault(words[1], []).extend(words[3:])
        if code or broken or not out:
            complaint = broken or [line for line in to_text(err).splitlines() if u"ERROR" in line]
            complaint = complaint or to_text(err or out).splitlines()[-1:] or ["return code %d" % code]
            complaint = re.sub(r"^.*ERROR\s*", "", to_native(complaint[0]))
            raise ConfigBroken(complaint.replace(self.stage, self.folder))
        return jails

    def staged(self, files):
        """The same configuration with our files as given ({path: bytes}); nothing of it is copied."""
        shutil.rmtree(self.stage, ignore_errors=True)
        os.makedirs(os.path.join(self.stage, "jail.d"), 0o700)
        try:
            ours = (self.path, self.fallback)
            for folder in ("", "jail.d"):
                source = os.path.join(self.folder, folder)
                for name in os.listdir(source) if os.path.isdir(source) else []:
                    target = os.path.join(source, name)
                    if target not in ours and name != "jail.d":
                        os.symlink(target, os.path.join(self.stage, folder, name))
            for path, content in files.items():
                if content:
                    with io.open(os.path.join(self.stage, "jail.d", os.path.basename(path)), "wb") as file:
                        file.write(content)
            return self.dump(self.stage)
        finally:
            shutil.rmtree(self.stage, ignore_errors=True)

    def users_of_known(self):
        """Jails in whose section another file already says known/ignoreip: a second one would recurse."""
        found, folder = set(), os.path.join(self.folder, "jail.d")
        names = [os.path.join(folder, name) for name in (os.listdir(folder) if os.path.isdir(folder) else [])]
        for path in [os.path.join(self.folder, name) for name in ("jail.conf", "jail.local")] + names:
            if path in (self.path, self.fallback) or not path.endswith((".conf", ".local")):
                continue
            section = b""
            for line in read(path).splitlines():
                header = re.match(br"\[([^\]]+)\]", line)
                section = header.group(1) if header else section
                if b"known/ignoreip" in line and not line.startswith((b"#", b";")):
                    found.add(to_native(to_text(section)))
        return found

    def plan(self, whitelist):
        """-> ({path: new bytes}, {jail: its ignoreip without us}). Raises ConfigBroken.

        Tries the forms from the one that touches least, and takes the first that fail2ban itself loads
        to exactly: what each jail ignored before, and the whitelist.
        """
        base = self.staged({})
        if not whitelist:
            return {self.path: b"", self.fallback: b""}, base
        wanted = dict((jail, same(words + whitelist)) for jail, words in base.items())
        fallback = (FALLBACK % self.name).encode("utf-8")
        known, everyone = self.users_of_known() & set(base), set(base)
        forms = [(set(), b""), (set(), fallback), (known, b""), (known, fallback), (everyone, b"")]
        if not all(base.values()):  # no ignoreip in [DEFAULT], so known/ignoreip needs the fallback
            forms.insert(0, forms.pop(1))
        if known:
            forms = forms[2:]
        broken = replaced = None
        for literal, extra in forms:
            files = {self.path: render(whitelist, base, literal), self.fallback: extra}
            try:
                loaded = self.staged(files)
            except ConfigBroken as problem:
                broken = problem
                continue
            other = sorted(jail for jail in wanted if same(loaded.get(jail, [])) != wanted[jail])
            if not other and set(loaded) == set(wanted):
                return files, base
            replaced = ConfigBroken(
                "a later file replaces the ignoreip that %s sets in %s" % (self.name, ", ".join(other))
            )
        raise replaced or broken

    def write(self, files):
        """The fallback comes first and goes last: the drop-in never stands without what it refers to."""
        order = [self.fallback, self.path] if files[self.fallback] else [self.path, self.fallback]
        for path in order:
            if read(path) != files[path]:
                replace(path, files[path])


def same(words):
    """Lists of addresses as sets that compare equal whatever the notation."""
    return set(parse_network(word) or word for word in words)


# ----------------------------------------------------------------------------------------------- firewall


class Rule(object):
    """One firewall rule, seen from one address.

    names: True when it names the address or a network around it, False when it names only others, None
    when it names no source. other: it has further conditions. verdict: drop, accept, return, jump or ''.
    """

    def __init__(self, names, other, verdict, target, text):
        self.names, self.other, self.verdict, self.target, self.text = names, other, verdict, target, text

    @property
    def ours(self):
        return "f2b" in self.text or "fail2ban" in self.text


def blocking(chains, key, named=False, path=()):
    """The rules below this chain that stop the address, because they name it -> [Rule]"""
    found = []
    for rule in chains.get(key, []):
        if rule.names is False:
            continue
        if rule.verdict == "drop" and (named or rule.names):
            found.append(rule)
        elif rule.verdict == "jump" and rule.target not in path:
            found += blocking(chains, rule.target, named or bool(rule.names), path + (key,))
        elif rule.verdict in ("accept", "return") and rule.names and not rule.other:
            break
    return found


def element_covers(element, index, address):
    """One element of an nftables set, in any of its JSON forms."""
    if isinstance(element, dict) and "elem" in element:
        element = element["elem"].get("val")
    if isinstance(element, dict) and "concat" in element:
        parts = element["concat"]
        return index < len(parts) and element_covers(parts[index], 0, address)
    if isinstance(element, dict) and "prefix" in element:
        prefix = element["prefix"]
        return prefix["len"] > 0 and covers("%s/%s" % (prefix["addr"], prefix["len"]), address)
    if isinstance(element, dict) and "range" in element:
        return all(isinstance(end, (TEXT, str)) for end in element["range"]) and covers(
            "-".join(to_native(end) for end in element["range"]), address
        )
    return isinstance(element, (TEXT, str)) and covers(element, address)


def parse_nft(document, address):
    """`nft -j list ruleset` -> ({chain: [Rule]}, [chains that see what comes in])"""
    sets, chains, roots = {}, {}, []
    protocol = "ip" if address[0] == 32 else "ip6"
    items = document.get("nftables", [])
    for item in items:
        for kind in ("set", "map"):
            if kind in item:
                body = item[kind]
                sets[body["family"], body["table"], body["name"]] = body.get("elem", [])
        if item.get("chain", {}).get("hook") in ("input", "prerouting", "ingress"):
            roots.append(tuple(item["chain"][part] for part in ("family", "table", "name")))

    def source(left):
        parts = left.get("concat", [left]) if isinstance(left, dict) else []
        for index, part in enumerate(parts):
            payload = part.get("payload", {}) if isinstance(part, dict) else {}
            if payload.get("field") == "saddr" and payload.get("protocol") in ("ip", "ip6"):
                return index, payload["protocol"]
        return None, None

    def elements(right, table):
        if isinstance(right, (TEXT, str)) and right.startswith("@"):
            return sets.get(table + (right[1:],), [])
        return right["set"] if isinstance(right, dict) and "set" in right else [right]

    for item in items:
        if "rule" not in item:
            continue
        body = item["rule"]
        table = (body["family"], body["table"])
        names, other, verdict, target, words = None, False, "", None, []
        rules = chains.setdefault(table + (body["chain"],), [])
        for part in body.get("expr", []):
            kind = next(iter(part), "")
            if kind == "match":
                index, family = source(part["match"]["left"])
                if index is None or part["match"].get("op") == "!=":
                    other = True  # an allow-list is a policy for everybody, not a rule about this address
                    continue
                hit = family == protocol and any(
                    element_covers(element, index, address) for element in elements(part["match"]["right"], table)
                )
                names = hit if names is None else names and hit
                words.append("%s saddr %s" % (family, short(part["match"]["right"])))
            elif kind in ("drop", "reject", "accept", "return"):
                verdict = "drop" if kind == "reject" else kind
                words.append(kind)
            elif kind in ("jump", "goto"):
                verdict, target = "jump", table + (part[kind]["target"],)
                words.append("%s %s" % (kind, part[kind]["target"]))
            elif kind == "vmap":
                index, family = source(part["vmap"]["key"])
                for entry in elements(part["vmap"]["data"], table) if index is not None else []:
                    if family == protocol and element_covers(entry[0], index, address):
                        choice = next(iter(entry[1]))
                        goto = entry[1][choice]["target"] if choice in ("jump", "goto") else ""
                        rules.append(Rule(
                            True, other, {"reject": "drop", "goto": "jump"}.get(choice, choice),
                            table + (goto,), label(table, body, ["%s saddr vmap" % family, choice, goto]),
                        ))
            elif kind not in ("counter", "log", "comment"):
                other = True
        rules.append(Rule(names, other, verdict, target, label(table, body, words)))
    return chains, roots


def short(value):
    return to_native(value if isinstance(value, (TEXT, str)) else json.dumps(value, sort_keys=True))[:80]


def label(table, body, words):
    return to_native(" ".join([table[0], table[1], body["chain"] + ":"] + words).strip())


def parse_iptables(save, sets, address, tool):
    """`iptables-save` -> ({chain: [Rule]}, [chains that see what comes in]); sets: {ipset: [elements]}"""
    chains, roots, table = {}, [], ""
    for line in save.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
            roots += [(table, "INPUT"), (table, "PREROUTING")]
        if not line.startswith("-A "):
            continue
        words = shlex.split(line)
        names, other, verdict, target = None, False, "", None
        index = 2
        while index < len(words):
            word = words[index]
            negated = words[index - 1] == "!"
            value = words[index + 1] if index + 1 < len(words) else ""
            hit = None
            if word in ("-s", "--source"):
                hit = not value.endswith("/0") and covers(value, address)
            elif word == "--src-range":
                hit = covers(value, address)
            elif word == "--match-set" and words[index + 2:index + 3] == ["src"]:
                hit = any(covers(element, address) for element in sets.get(value, []))
            elif word in ("-j", "-g"):
                verdict = {"DROP": "drop", "REJECT": "drop", "TARPIT": "drop", "ACCEPT": "accept",
                           "RETURN": "return"}.get(value, "jump")
                target = (table, value)
                break
            elif word != "!" and word.startswith("-") and word not in ("-m", "--reject-with"):
                other = True
            if hit is not None and not negated:
                names = hit if names is None else names and hit
            index += 2 if hit is not None else 1
        chains.setdefault((table, words[1]), []).append(Rule(names, other, verdict, target, tool + " " + line))
    return chains, roots


def parse_ipset(save):
    """`ipset save` -> {set: [elements]}"""
    sets = {}
    for line in save.splitlines():
        words = line.split()
        if words[:1] == ["add"] and len(words) > 2:
            sets.setdefault(words[1], []).append(words[2].split(",")[0])
    return sets


def firewall(address, seconds):
    """What the kernel does with packets from the address -> (clear | blocked | unknown, [Rule], [problems])

    Asks the kernel through nft, iptables and ipset, whichever exist, and not fail2ban's own word.
    """
    address = parse_address(address)
    rules, found, twice, problems = [], [], [], []
    family = "iptables" if address[0] == 32 else "ip6tables"
    saves = {}  # one program can have several names; the old and the new iptables hold different rules
    for kind in ("", "-legacy", "-nft"):
        path = which(family + kind + "-save")
        if path:
            saves.setdefault(os.path.realpath(path), path)

    def listing(*command):
        code, out, err = run(list(command), seconds)
        if code:
            problems.append("%s: %s" % (os.path.basename(command[0]), to_native(to_text(err)).strip()[:200]))
            return None
        return to_native(to_text(out))

    try:
        if which("nft"):
            chains, roots = parse_nft(json.loads(listing(which("nft"), "-j", "list", "ruleset") or "{}"), address)
            for root in roots:
                mirrored = saves and root[0] in ("ip", "ip6") and root[2].isupper()  # iptables-nft's own
                (twice if mirrored else rules).extend(blocking(chains, root))
        for save in saves.values():
            text = listing(save) or ""
            sets = parse_ipset(listing(which("ipset"), "save") or "") if "--match-set" in text else {}
            chains, roots = parse_iptables(text, sets, address, family)
            for root in roots:
                found += blocking(chains, root)
        rules += found or twice
    except Exception as error:  # a rule of a form unknown here must not keep anybody from being unbanned
        problems.append("%s: %s" % (type(error).__name__, error))
    if not which("nft") and not saves:
        problems.append("neither nft nor iptables-save is installed")
    return "blocked" if rules else "unknown" if problems else "clear", rules, problems


# ------------------------------------------------------------------------------------------- the four states


class Work(object):
    """One run: what it found, what it did; grows from top to bottom of the four states below."""

    def __init__(self, args):
        self.args = args
        self.address = to_native(to_text(args["address"]))[:100]
        self.check = bool(args.get("_ansible_check_mode"))
        self.changed = False
        self.notices, self.diff, self.undo = [], [], None
        self.data = {"address": self.address, "jails": [], "all_jails": [], "whitelisted": False,
                     "firewall": "unknown", "version": ""}

    def note(self, code, **data):
        notice = {"code": "fail2ban." + code, "data": data}
        if notice not in self.notices:
            self.notices.append(notice)

    # what is the case

    def look(self):
        """Connect and take down: jails, bans, subnet bans, whitelists, firewall."""
        self.address = self.data["address"] = normalise(self.args["address"])
        self.parsed = parse_address(self.address)
        self.server = connect(self.args)
        self.config = Config(self.args)
        self.data["version"] = self.server.version
        bans = self.server.bans()
        self.jails = self.data["all_jails"] = sorted(bans)
        self.banned = self.banning(bans)
        self.data["jails"] = self.banned
        self.subnets = []
        for jail in self.jails:
            for item in bans[jail]:
                if "/" in item and covers(item, self.parsed) and parse_network(item) != parse_network(self.address):
                    self.subnets.append(to_native(item))
                    self.note("subnet_ban", network=to_native(item), jail=jail)
        self.ignored = self.server.ignored(self.jails)
        self.data["whitelisted"] = self.is_whitelisted()
        self.before = self.describe(self.banned, self.ignored)
        self.look_at_firewall()
        if self.data["firewall"] != "unknown":
            for jail in self.banned:
                if not any(rule.ours and jail in rule.text for rule in self.rules):
                    self.note("not_in_firewall", jail=jail)

    def banning(self, bans):
        return sorted(jail for jail, items in bans.items()
                      if any(parse_network(item) == parse_network(self.address) for item in items))

    def whitelisting(self, ignored):
        return set(jail for jail, items in ignored.items() if any(covers(item, self.parsed) for item in items))

    def is_whitelisted(self):
        return self.whitelisting(self.ignored) == set(self.jails)

    def look_at_firewall(self):
        self.data["firewall"], self.rules, problems = firewall(self.address, self.args["timeout"])
        for problem in problems:
            self.note("firewall_unknown", error=problem)

    def note_rules(self, rules):
        for rule in rules:
            if not (rule.ours and self.subnets):
                self.note("firewall_other_rule", rule=rule.text)

    def describe(self, banned, ignored):
        whitelisting = self.whitelisting(ignored)
        return "".join(
            "%s: %s, %s\n" % (jail, "banned" if jail in banned else "not banned",
                              "whitelisted" if jail in whitelisting else "not whitelisted")
            for jail in self.jails
        )

    def show(self, header, before, after):
        if before != after:
            self.diff.append({"before_header": header, "after_header": header, "before": before, "after": after})

    # what is done

    def configure(self, change):
        """Bring the drop-in to change(its whitelist). True when the permanent part is in order."""
        content = read(self.config.path)
        old, strange = parse_whitelist(content)
        new = change(old)
        if new:
            stale = not set(self.jails) <= parse_sections(content)
        else:
            stale = bool(content or read(self.config.fallback))
        if same(new) == same(old) and not stale:
            return True
        for word in strange:
            self.note("dropped_entry", entry=word[:100])
        try:
            files, self.base = self.config.plan(new)
            for path in (self.config.fallback, self.config.path):
                self.show(path, to_text(read(path)), to_text(files[path]))
            self.changed = self.changed or any(read(path) != files[path] for path in files)
            if same(new) - same(old) and not self.undo:
                self.undo = {"state": "absent", "address": self.address}
            if not self.check:
                self.config.write(files)
            missing = sorted(set(self.jails) - set(self.base))
            if missing and new:
                self.note("not_in_config", jails=missing)
        except ConfigBroken as error:
            self.undo = None
            self.note("config_broken", error=str(error)[:500])
            return False
        except (IOError, OSError) as error:
            self.undo = None
            self.changed = self.changed and self.runtime_changed
            self.diff = []
            self.note("not_saved", error=str(error))
            return False
        return True

    def settle(self, since):
        """A failure already queued bans in spite of the whitelist: watch, and unban again."""
        while True:
            left = since + SETTLE - time.time()
            if self.server.banning(self.address):
                time.sleep(ACTION)  # an unban that overtakes the ban's action would leave its rule behind
                self.server.ask("unban", self.address)
            if left <= 0:
                return self.server.banning(self.address)
            time.sleep(min(POLL, left))

    def overtaken(self):
        """The kernel has a rule of fail2ban that fail2ban no longer knows of: let it ban, and unban in order."""
        texts = " ".join(rule.text for rule in self.rules if rule.ours)
        jails = [jail for jail in self.jails if jail in texts]
        if self.subnets or not jails:
            return
        for jail in jails:
            self.server.ask("set", jail, "banip", self.address)
        end = time.time() + SETTLE
        while time.time() < end and not set(jails) <= set(self.server.banning(self.address)):
            time.sleep(POLL)
        time.sleep(ACTION)
        self.server.ask("unban", self.address)
        self.look_at_firewall()

    def present(self):
        """Unban everywhere, whitelist at run time and for good; then look whether it holds."""
        self.runtime_changed = False
        lacking = [jail for jail in self.jails if jail not in self.whitelisting(self.ignored)]
        since = time.time()
        if self.banned or lacking:
            self.changed = self.runtime_changed = True
            if not self.check:
                for jail in lacking:
                    self.server.ask("set", jail, "addignoreip", self.address)
                for jail in self.jails:
                    self.server.forget_ignored(jail)
                # also when not banned: it deletes the ban that the database would bring back one day
                self.server.ask("unban", self.address)
        saved = self.configure(lambda old: old if self.address in old else old + [self.address])
        self.lock.close()  # what is left concerns this address alone
        still = []
        if self.changed and not self.check:
            still = self.settle(since)
            self.ignored = self.server.ignored(self.jails)
            self.look_at_firewall()
            if not still and self.data["firewall"] == "blocked":
                self.overtaken()
        elif self.changed:
            self.ignored = dict((jail, items + [TEXT(self.address)]) for jail, items in self.ignored.items())
            self.rules = [rule for rule in self.rules if not (rule.ours and self.banned) or self.subnets]
            if self.data["firewall"] == "blocked" and not self.rules:
                self.data["firewall"] = "clear"
        self.data["whitelisted"] = self.is_whitelisted()
        self.show("bans and run-time whitelist of %s" % self.address, self.before,
                  self.describe(still, self.ignored))
        self.note_rules(self.rules)
        if still:
            return "failed", "still_banned", "%s is still banned in %s" % (self.address, ", ".join(still))
        if not saved:
            return "failed", "partial", (
                "%s is unbanned and whitelisted until fail2ban reloads; the configuration could not be "
                "written (see notices): repair it and run this again" % self.address)
        if not self.data["whitelisted"]:
            return "failed", "partial", "%s is not whitelisted in every jail" % self.address
        if self.data["firewall"] == "blocked":
            return "failed", "firewall_blocked", (
                "%s is whitelisted in fail2ban, and a firewall rule still blocks it: %s"
                % (self.address, "; ".join(rule.text for rule in self.rules)))
        if self.banned:
            return "changed", "unbanned", "%s was banned in %s; now it is out and whitelisted" % (
                self.address, ", ".join(self.banned))
        if self.changed:
            return "changed", "whitelisted", "%s was not banned; now it is whitelisted" % self.address
        return "ok", "already_whitelisted", "%s is not banned and already whitelisted" % self.address

    def absent(self):
        """Take the address off our drop-in, and off the jails whose own configuration does not list it."""
        self.runtime_changed, self.base = False, None
        exact = [jail for jail in self.jails
                 if any(parse_network(item) == parse_network(self.address) for item in self.ignored[jail])]
        saved = self.configure(lambda old: [w for w in old if parse_network(w) != parse_network(self.address)])
        if exact and self.base is None and saved:
            try:
                self.base = self.config.staged({})
            except (ConfigBroken, IOError, OSError) as error:
                saved = False
                self.note("config_broken", error=str(error)[:500])
        own = self.base or {}
        for jail in exact:
            if any(parse_network(word) == parse_network(self.address) for word in own.get(jail, [])):
                self.note("whitelisted_elsewhere", jail=jail)
                continue
            self.changed = self.runtime_changed = True
            self.ignored[jail] = [item for item in self.ignored[jail]
                                  if parse_network(item) != parse_network(self.address)]
            if not self.check:
                self.server.ask("set", jail, "delignoreip", self.address)
                self.server.forget_ignored(jail)
        if not self.check:
            self.ignored = self.server.ignored(self.jails)
        self.data["whitelisted"] = self.is_whitelisted()
        self.show("bans and run-time whitelist of %s" % self.address, self.before,
                  self.describe(self.banned, self.ignored))
        self.note_rules([rule for rule in self.rules if not (rule.ours and self.banned)])
        if not saved:
            return "failed", "partial", (
                "%s is off the whitelist until fail2ban reloads; the configuration could not be written "
                "(see notices): repair it and run this again" % self.address)
        if self.changed:
            return "changed", "removed", "%s is off the whitelist" % self.address
        return "ok", "not_whitelisted", "%s was not on the whitelist" % self.address

    def query(self):
        self.note_rules([rule for rule in self.rules if not (rule.ours and self.banned)])
        if self.banned:
            return "ok", "banned", "%s is banned in %s" % (self.address, ", ".join(self.banned))
        return "ok", "not_banned", "%s is not banned" % self.address

    def verify(self):
        """Whitelisted now and after a reload, unbanned, and let in by the firewall: else failed."""
        self.note_rules([rule for rule in self.rules if not (rule.ours and self.banned)])
        if self.banned:
            return "failed", "still_banned", "%s is banned in %s" % (self.address, ", ".join(self.banned))
        if not self.data["whitelisted"]:
            return "failed", "not_whitelisted", "%s is not whitelisted in every jail" % self.address
        try:
            permanent = self.whitelisting(self.config.dump(self.config.folder))
        except ConfigBroken as error:
            self.note("config_broken", error=str(error)[:500])
            return "failed", "partial", "the configuration does not load, so the whitelist may not last"
        if not set(self.jails) <= permanent:
            return "failed", "not_whitelisted", "%s is whitelisted only until fail2ban reloads" % self.address
        if self.data["firewall"] == "blocked":
            return "failed", "firewall_blocked", "a firewall rule blocks %s: %s" % (
                self.address, "; ".join(rule.text for rule in self.rules))
        if self.data["firewall"] == "unknown":
            return "failed", "partial", "the firewall cannot be read (see notices)"
        return "ok", "verified", "%s is whitelisted for good, unbanned, and the firewall lets it in" % self.address

    def do(self):
        state = self.args["state"]
        if state in ("present", "absent"):
            self.lock = lock(os.path.join(self.args["work_dir"], "lock"), self.args["lock_timeout"])
        self.look()
        return getattr(self, state)()


# ------------------------------------------------------------------------------------------------- result

DEFAULTS = {
    "state": "present", "config_dir": "/etc/fail2ban", "client": "", "socket": "",
    "file": "zz-athome-whitelist.local", "work_dir": "/var/run/athome-fail2ban",
    "timeout": 10, "lock_timeout": 30, "total_timeout": 120,
}


def out_of_time(*_signal):
    raise Stop("fail2ban.error", "the work took longer than total_timeout; run it again")


def complete(given):
    """The arguments with defaults, as native strings and numbers. Raises Stop for unknown ones."""
    args = dict(DEFAULTS)
    for name, value in given.items():
        if name.startswith("_ansible_"):
            args[name] = value
        elif name != "address" and name not in DEFAULTS:
            known = ", ".join(sorted(DEFAULTS))
            raise Stop("fail2ban.error", "unknown argument %s; known: address, %s" % (name, known))
        elif value is not None:
            number = isinstance(DEFAULTS.get(name), int)
            args[name] = value if name == "address" else int(value) if number else to_native(value)
    if args.get("address") is None:
        raise Stop("fail2ban.invalid_address", "address: is missing; write one such as 203.0.113.7")
    if args["state"] not in ("present", "absent", "query", "verify"):
        raise Stop("fail2ban.error", "state: %r is none of present, absent, query, verify" % args["state"])
    if "/" in args["file"] or not args["file"].endswith(".local"):
        raise Stop("fail2ban.error", "file: %r is not a file name that ends in .local" % args["file"])
    return args


def work(given):
    """Arguments -> the result, whatever happens."""
    job = Work({"address": given.get("address")})
    try:
        job = Work(complete(given))
        signal.signal(signal.SIGALRM, out_of_time)
        signal.alarm(job.args["total_timeout"])
        outcome, code, msg = job.do()
        code = "fail2ban." + code
    except Stop as stop:
        outcome, code, msg = "failed", stop.code, stop.msg
        job.data.update(stop.data)
    except Silent as error:
        outcome, code = "failed", "fail2ban.down"
        msg = "fail2ban stopped answering during the work (%s); start it and run this again" % error
    except Exception as error:  # an operator gets one line that says where, never a traceback
        line = sys.exc_info()[2]
        while line.tb_next:
            line = line.tb_next
        where = "%s:%d" % (line.tb_frame.f_code.co_name, line.tb_lineno)
        outcome, code = "failed", "fail2ban.error"
        msg = "%s: %s (in %s)" % (type(error).__name__, error, where)
        job.data["error"] = msg
    finally:
        signal.alarm(0)
    result = {
        "changed": job.changed, "failed": outcome == "failed", "outcome": outcome, "code": code,
        "data": job.data, "notices": job.notices, "diff": job.diff, "msg": to_text(msg),
    }
    if job.undo and not job.check:
        result["undo"] = job.undo
    return plain(result)


def plain(value):
    """The same with text only, so that json takes whatever bytes a file or a program had."""
    if isinstance(value, dict):
        return dict((to_text(key), plain(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return to_text(value) if isinstance(value, (bytes, str)) else value


def main():
    # The r is vital: the controller puts JSON here, whose backslashes are JSON's own.
    given = json.loads(r"""<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>""")
    result = work(given)
    print(json.dumps(result, sort_keys=True))
    sys.exit(1 if result["failed"] else 0)


if __name__ == "__main__":
    main()
