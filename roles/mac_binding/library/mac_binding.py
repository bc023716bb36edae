#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Give an extension another phone: its MAC in every file as one transaction, and the daemon told of it.

A single file that imports nothing from Ansible, so that it runs on every server with Python 2.7 or 3.6 and
newer, whatever the controller's ansible-core demands. Documentation: mac_binding.yml beside this file.
It works on bytes throughout, paths too, and reads in the order in which the work flows: MACs, file formats,
files on the disk, the store of transactions, the daemon, the transaction, states, result.
"""
from __future__ import absolute_import, division, print_function

import base64
import binascii
import errno
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

try:
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener
except ImportError:
    from httplib import HTTPException
    from urllib2 import HTTPError, HTTPRedirectHandler, ProxyHandler, Request, URLError, build_opener

try:
    TEXT = unicode
except NameError:
    TEXT = str


class Stop(Exception):
    """The work ends here with this code; nothing is left half-done."""

    def __init__(self, code, msg, **data):
        Exception.__init__(self, msg)
        self.code, self.msg, self.data = "mac_binding." + code, msg, data


def to_text(value):
    """bytes or text -> text; undecodable bytes become U+FFFD instead of an error."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else TEXT(value)


def to_bytes(value):
    return value if isinstance(value, bytes) else TEXT(value).encode("utf-8", "replace")


# ------------------------------------------------------------------------------------------------- MACs

NOTATIONS = {"plain": (12, b""), "colon": (2, b":"), "dash": (2, b"-"), "cisco": (4, b".")}
_MAC = (
    br"[0-9a-f]{12}|[0-9a-f]{2}(?P<two>[:. -])[0-9a-f]{2}(?:(?P=two)[0-9a-f]{2}){4}"
    br"|[0-9a-f]{4}(?P<four>[:. -])[0-9a-f]{4}(?P=four)[0-9a-f]{4}"
)
WHOLE_MAC = re.compile(br"(?i)(?:" + _MAC + br")\Z")
ANY_MAC = re.compile(br"(?i)(?<![0-9a-z])(?:" + _MAC + br")(?![0-9a-z])")
GROUP_BIT = 0x01


def bare(value):
    """A MAC in any notation -> b'010203040506'; None if it is none."""
    return re.sub(br"[:. -]", b"", value).lower() if WHOLE_MAC.match(value) else None


def style(value):
    """How a MAC is written: (digits in a group, separator, letters' case or None where it has no letters)."""
    groups = re.split(br"[:. -]", value)
    separator = value[len(groups[0]):len(groups[0]) + 1] if len(groups) > 1 else b""
    letters = re.sub(br"[^A-Za-z]", b"", value)
    case = None if not letters else "upper" if letters == letters.upper() else "lower"
    return len(groups[0]), separator, case


def most(values, otherwise):
    return max(values, key=values.count) if values else otherwise


def written(mac, old, others, notation="auto", case="auto"):
    """b'010203040506' as the value that it replaces is written, or, without one, as most of the file's others."""
    given = style(old) if bare(old) else (None, None, None)
    styles = [style(value) for value in others if bare(value)]
    if notation != "auto":
        size, separator = NOTATIONS[notation]
    else:
        size, separator = given[:2] if given[0] else most([known[:2] for known in styles], NOTATIONS["plain"])
    if case == "auto":
        case = given[2] or most([known[2] for known in styles if known[2]], "lower")
    mac = mac.upper() if case == "upper" else mac.lower()
    return separator.join(mac[at:at + size] for at in range(0, 12, size))


def valid_mac(field, text):
    """What somebody wrote -> b'010203040506', or b'' for no MAC. Raises Stop."""
    value = to_bytes(text or "").strip()
    if not value:
        return b""
    mac = bare(value)
    if not mac:
        raise Stop("invalid_mac", "%s: not a MAC; write 12 hexadecimal digits such as 010203040506" % field,
                   field=field, value=value[:60])
    for digit, code in ((b"0", "all_zeros"), (b"f", "all_ones")):
        if mac == digit * 12:
            raise Stop(code, "%s: %s is no phone's MAC" % (field, to_text(mac)), field=field)
    return mac


# ----------------------------------------------------------------------------------------- file formats


class Change(object):
    """One file before and after, each bytes, or None where there is no file; `minus` and `plus`: for the diff."""

    def __init__(self, path, before, after, minus=b"", plus=b"", like=None):
        self.path, self.before, self.after = path, before, after
        self.minus, self.plus = minus, plus
        self.like = like or path  # whose owner, mode, ACL and SELinux context a new file gets


class Place(object):
    """Where a file says which MAC an extension has: `value` at content[start:end], in a line of this number."""

    def __init__(self, extension, value, start, end, line):
        self.extension, self.value, self.start, self.end, self.line = extension, value, start, end, line
        self.mac = bare(value) or value  # what is no MAC stays what it is, and equals none


class File(object):
    """What the formats have in common. `spec`: one item of mac_binding_files."""

    def __init__(self, spec, content):
        self.spec, self.path, self.content = spec, spec["path"], content
        self.places = list(self.read())

    def read(self):
        """-> every Place, of all extensions"""
        raise NotImplementedError

    def adding(self, extension, value):
        """-> content with a place that was not there"""
        raise NotImplementedError

    def removing(self, place):
        """-> content without the place"""
        raise NotImplementedError

    def knows(self, extension):
        return any(place.extension == extension for place in self.places)

    def place(self, extension):
        """-> the one Place, or None. Raises Stop when there are several."""
        found = [place for place in self.places if place.extension == extension]
        if len(found) > 1:
            raise self.ambiguous(extension, [place.line for place in found])
        return found[0] if found else None

    def ambiguous(self, extension, lines):
        return Stop("ambiguous", "%s has extension %s more than once (lines %s)" % (
            to_text(self.path), to_text(extension), ", ".join(str(line) for line in lines)),
            file=self.path, lines=lines)

    def mac(self, extension):
        """-> b'010203040506', b'' when it has none, or whatever else stands there"""
        place = self.place(extension)
        return place.mac if place else b""

    def owners(self, mac):
        return set(place.extension for place in self.places if place.mac == mac)

    def changes(self, extension, mac):
        """-> [Change] that give the extension this MAC (b'': none)"""
        place = self.place(extension)
        delete = not mac and place and self.deletes(place)
        value = mac and self.write(mac, place)
        if delete:
            content = self.removing(place)
        elif place:
            content = self.content[:place.start] + value + self.content[place.end:]
        else:
            content = self.adding(extension, value)
        check = type(self)(self.spec, content)
        if check.mac(extension) != mac:  # a pattern that matches the old line and not the new one
            raise Stop("error", "%s: after the change it would not be read back as it should" % to_text(self.path))
        return [Change(self.path, self.content, content, self.shown(extension),
                       b"" if delete else check.shown(extension))]

    def deletes(self, place):
        """Whether a removal takes the setting or line out, or leaves it with an empty value."""
        return self.spec["on_remove"] != "empty"

    def write(self, mac, place):
        others = [other.value for other in self.places]
        return written(mac, place.value if place else b"", others, self.spec["notation"], self.spec["case"])

    def shown(self, extension):
        """What a diff shows of the place: never the line's other fields, which may be passwords."""
        place = self.place(extension)
        return self.title(extension) + place.value + b"\n" if place else b""

    def lines(self):
        """-> (number, offset, bytes with its line end) of each line"""
        offset = 0
        for number, line in enumerate(self.content.split(b"\n"), 1):
            line = line if offset + len(line) == len(self.content) else line + b"\n"
            if line:
                yield number, offset, line
            offset += len(line)

    def insert(self, offset, line):
        """Put a line of its own behind the line that ends at `offset`, with that one's line end."""
        before = self.content[:offset]
        if before.endswith(b"\n"):
            line += b"\r\n" if before.endswith(b"\r\n") else b"\n"
        elif before:
            line = (b"\r\n" if b"\r\n" in before else b"\n") + line
        return before + line + self.content[offset:]


def uncommented(line, depth):
    """Asterisk's comments, blanked out so that offsets stay: (line, depth of ;-- --; behind it).

    As in Asterisk's main/config.c: `;` to the line's end, `;--` (not `;---`) to `--;`, nested; `\\;` is none.
    """
    text, begin = bytearray(line), 0  # begin: a sign before it belongs to the mark that was found there
    blank_from = 0 if depth else None
    while True:
        at = line.find(b";", begin)
        if at < 0:
            break
        if at > begin and line[at - 1:at] == b"\\":
            begin = at + 1
        elif line[at + 1:at + 3] == b"--" and line[at + 3:at + 4] != b"-":
            blank_from = at if blank_from is None else blank_from
            depth += 1
            begin = at + 3
        elif depth and at >= begin + 2 and line[at - 2:at] == b"--":
            depth -= 1
            begin = at + 1
            if not depth:
                text[blank_from:begin] = b" " * (begin - blank_from)
                blank_from = None
        elif depth:
            begin = at + 1
        else:
            blank_from = at
            break
    if blank_from is not None:
        end = len(line.rstrip(b"\r\n"))
        text[blank_from:end] = b" " * (end - blank_from)
    return bytes(text), depth


class Section(object):
    """[name](options) of an Asterisk configuration file."""

    def __init__(self, name, options, line, end):
        self.name, self.line, self.end = name, line, end  # end: offset where a line may be added
        self.template, self.more = b"!" in options, b"+" in options
        self.parents = [option for option in options if option not in (b"!", b"+")]
        self.values = {}  # key in lower case -> [values]
        self.places = []


class Ini(File):
    """users.conf, pjsip.conf and the like: the extension is a section, the MAC the value of a key."""

    HEADER = re.compile(br"\s*\[([^\]]*)\](?:\(([^)]*)\))?")
    SETTING = re.compile(br"([^=]*)=>?")

    def read(self):
        self.sections = []
        key, depth = self.spec["key"].lower(), 0
        for number, offset, line in self.lines():
            before = depth
            text, depth = uncommented(line, depth)
            if offset == 0 and text.startswith(b"\xef\xbb\xbf"):
                text = b"   " + text[3:]
            header, setting = self.HEADER.match(text), self.SETTING.match(text)
            if not header and not (setting and self.sections):
                continue
            end = offset + len(line)
            if header:
                options = [word.strip() for word in (header.group(2) or b"").split(b",")]
                self.sections.append(Section(header.group(1).strip(), options, number, None))
            else:
                name, rest = setting.group(1).strip().lower(), text[setting.end():]
                value = rest.strip()
                start = setting.end() + (rest.index(value) if value else int(line[setting.end():][:1] == b" "))
                self.sections[-1].values.setdefault(name, []).append(value)
                if name == key:
                    place = Place(self.sections[-1].name, value, offset + start, offset + start + len(value), number)
                    place.bounds = offset, end, offset + len(text.rstrip()), before or depth
                    self.sections[-1].places.append(place)
            if not depth:
                self.sections[-1].end = end
        self.named = {}
        for section in self.sections:
            self.named.setdefault(section.name, []).append(section)
        self.sections = [section for section in self.sections if self.matches(section) and not section.template]
        return [place for section in self.sections for place in section.places]

    def matches(self, section):
        """Whether the section, or a template behind it, has what `where` demands."""
        family = [section]
        for one in family:  # grows meanwhile: a template may have templates
            family.extend(other for name in one.parents for other in self.named.get(name, ()) if other not in family)
        return all(any(value in other.values.get(key.lower(), []) for other in family)
                   for key, value in self.spec["where"].items())

    def place(self, extension):
        if not self.knows(extension):
            raise Stop("no_extension", "%s has no section [%s]" % (to_text(self.path), to_text(extension)),
                       file=self.path)
        return File.place(self, extension)

    def knows(self, extension):
        return any(section.name == extension for section in self.sections)

    def title(self, extension):
        return b"[" + extension + b"]\n" + self.spec["key"] + b" = "

    def adding(self, extension, value):
        found = [section for section in self.sections if section.name == extension]
        owner = [section for section in found if not section.more] or found
        if len(owner) > 1 or owner[0].end is None:  # None: all of it lies beside an open block comment
            raise self.ambiguous(extension, [section.line for section in owner])
        # As the file's other settings of this name are written, unless something else stands in that line.
        plain = re.compile(br"(?i)[ \t]*" + re.escape(self.spec["key"]) + br"[ \t]*=>?[ \t]*\Z")
        written = [self.content[place.bounds[0]:place.start] for place in self.places]
        prefix = ([text for text in written if plain.match(text)] + [self.spec["key"] + b"="])[0]
        return self.insert(owner[0].end, prefix + value)

    def removing(self, place):
        start, end, setting_end, in_comment = place.bounds
        line = self.content[setting_end:end]
        if in_comment:
            return self.content[:place.start] + self.content[place.end:]
        if line.strip():  # a comment behind the value stays
            end = setting_end + len(line) - len(line.lstrip())
        return self.content[:start] + self.content[end:]


class Lines(File):
    """Lists: one line an extension, found by a pattern with the groups `extension` and `mac`."""

    def read(self):
        self.last = 0  # offset behind the last line that matched
        for number, offset, line in self.lines():
            found = self.spec["pattern"].search(line.rstrip(b"\r\n"))
            if found and None not in (found.group("extension"), found.group("mac")):
                self.last = offset + len(line)
                place = Place(found.group("extension").strip(), found.group("mac").strip(), 0, 0, number)
                gap = len(found.group("mac")) - len(found.group("mac").lstrip())
                place.start = offset + found.start("mac") + (gap if place.value else 0)
                place.end = place.start + len(place.value)
                place.bounds = offset, offset + len(line)
                yield place

    def title(self, extension):
        return extension + b" "

    def deletes(self, place):
        """`auto`: only a line that has nothing else, such as one that an addition wrote; else the rest would be lost."""
        start, end = place.bounds
        bare_line = self.content[start:end].rstrip(b"\r\n") == self.as_added(place.extension, place.value)
        return self.spec["on_remove"] == "delete" or self.spec["on_remove"] == "auto" and bare_line

    def as_added(self, extension, value):
        return self.spec["line"].replace(b"{extension}", extension).replace(b"{mac}", value)

    def adding(self, extension, value):
        return self.insert(self.last or len(self.content), self.as_added(extension, value))

    def removing(self, place):
        start, end = place.bounds
        return self.content[:start] + self.content[end:]


class Names(File):
    """Files named after the MAC, such as SEP{mac}.cnf.xml: the extension stands in the file."""

    def read(self):
        """`content` is {file name: bytes} of the folder; a place's start and end are its file's name."""
        before, after = (re.escape(part) for part in self.spec["name"].split(b"{mac}"))
        name = re.compile(before + br"([0-9A-Fa-f:.-]{12,17})" + after + br"\Z")
        for file in sorted(self.content):
            value = name.match(file)
            found = value and bare(value.group(1)) and self.spec["pattern"].search(self.content[file])
            if found and found.group("extension") is not None:
                yield Place(found.group("extension").strip(), value.group(1), file, file, 1)

    def ambiguous(self, extension, lines):
        return Stop("ambiguous", "%s has several files of extension %s" % (to_text(self.path), to_text(extension)),
                    file=self.path, lines=lines)

    def changes(self, extension, mac):
        place = self.place(extension)
        if not place:
            raise Stop("cannot_add", "%s: a file of extension %s cannot be made up; make it with the tool that "
                       "makes the others" % (to_text(self.path), to_text(extension)), file=self.path)
        old = os.path.join(self.path, place.start)
        if os.path.islink(old):  # the way back would make a file of it
            raise Stop("file_error", "%s is a symbolic link" % to_text(old), file=old, error="symbolic link")
        content = self.content[place.start]
        if not mac:
            return [Change(old, content, None, place.start + b"\n")]
        file = self.spec["name"].replace(b"{mac}", self.write(mac, place))
        if file == place.start:
            return []
        new = os.path.join(self.path, file)
        if file in self.content:
            raise Stop("file_error", "%s exists already" % to_text(new), file=new, error="exists already")
        return [Change(new, None, content, b"", file + b"\n", like=old),
                Change(old, content, None, place.start + b"\n")]


FORMATS = {"ini": Ini, "lines": Lines, "names": Names}


# ------------------------------------------------------------------------------------ files on the disk


def read(path):
    """The file's bytes; None when there is none."""
    try:
        with io.open(path, "rb") as file:
            return file.read()
    except (IOError, OSError) as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise


def unlink(path):
    if os.path.lexists(path):
        os.unlink(path)


def sync_folder(path):
    descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path):
    try:
        os.makedirs(path, 0o700)
    except OSError:
        if not os.path.isdir(path):  # another run may have made it meanwhile
            raise
    about = os.stat(path)
    if about.st_uid != os.geteuid() or about.st_mode & 0o022:  # a journal of theirs would write any file
        raise Stop("error", "%s: others than root may write there; name another folder in mac_binding_state_dir"
                   % to_text(path))


def staged(path):
    """One name for each file, so that a killed run leaves one at most and the next one knows it."""
    return os.path.join(os.path.dirname(path), b"." + os.path.basename(path) + b".athome-new")


def write(path, content, like):
    """Write a file with the owner, mode, ACL and SELinux context of `like`, to the disk and not only to memory."""
    unlink(path)
    copied = False
    try:  # only cp knows them all on every Python
        nothing = io.open(os.devnull, "r+b")
        with nothing:
            copied = not subprocess.call([b"cp", b"--attributes-only", b"--preserve=all", b"--", like, path],
                                         stdin=nothing, stdout=nothing, stderr=nothing)
    except OSError:
        pass
    if not copied:
        unlink(path)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        about = os.stat(like)
        os.chown(path, about.st_uid, about.st_gid)
        os.chmod(path, stat.S_IMODE(about.st_mode))
    with io.open(path, "r+b") as file:
        file.truncate()
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def put(path, content, like):
    """Make the file be `content` (None: not be) in one step."""
    if content is None:
        unlink(path)
    else:
        write(staged(path), content, like)
        os.rename(staged(path), path)
    sync_folder(path)


PANEL = re.compile(
    br"(?i)generated\s+by\s+(?:the\s+)?(FreePBX|Issabel(?:PBX)?|Elastix|VitalPBX|Thirdlane|FusionPBX|Endpoint\s?Manager)"
)


def look_at(path, spec_path, names=1):
    """The bytes of a file that may be changed. Raises Stop when it may not."""
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):
            raise Stop("file_error", "%s is no file" % to_text(path), file=spec_path, error="not a file")
        if names == 1 < about.st_nlink:  # to replace it would leave the other name with the old content
            raise Stop("file_error", "%s has %d names (hard links)" % (to_text(path), about.st_nlink),
                       file=spec_path, error="%d hard links" % about.st_nlink)
        with io.open(path, "rb") as file:
            content = file.read()
    except (IOError, OSError) as error:
        raise Stop("file_error", "%s: %s" % (to_text(path), error.strerror), file=spec_path, error=error.strerror)
    panel = PANEL.search(content[:4096])
    if panel:
        raise Stop("managed", "%s is written by %s, which would undo the change: make it there" % (
            to_text(path), to_text(panel.group(1))), file=spec_path, panel=panel.group(1))
    return content


def load(spec, overlay):
    """-> the File of this spec. `overlay`: {path: content} that counts instead of what is on the disk."""
    real = os.path.realpath(spec["path"])
    if to_bytes(to_text(real)) != real:  # the manifest is JSON: the way back would not find it
        raise Stop("file_error", "%s: the path is not UTF-8" % to_text(real), file=spec["path"],
                   error="path is not UTF-8")
    spec = dict(spec, path=real)
    if spec["format"] != "names":
        content = overlay.get(real) if real in overlay else look_at(real, spec["path"])
        return FORMATS[spec["format"]](spec, content)
    try:
        names = os.listdir(real)
    except OSError as error:
        raise Stop("file_error", "%s: %s" % (to_text(real), error.strerror), file=real, error=error.strerror)
    before, after = spec["name"].split(b"{mac}")
    names = [name for name in names if name.startswith(before) and name.endswith(after)]
    content = dict((name, look_at(os.path.join(real, name), real, names=None)) for name in names
                   if os.path.isfile(os.path.join(real, name)))
    for path in overlay:
        if os.path.dirname(path) == real:
            content.pop(os.path.basename(path), None)
            if overlay[path] is not None:
                content[os.path.basename(path)] = overlay[path]
    return Names(spec, content)


# -------------------------------------------------------------------------------- the store of transactions


def digest(content):
    return None if content is None else hashlib.sha256(content).hexdigest()


class Store(object):
    """Lock, journal and backups in one folder for root alone.

    backups/<transaction>/ has manifest.json and the files as they were. `journal` names the transaction that is
    under way: whoever finds it there takes that one back, unless its manifest says committed. So the one write of
    `committed` is the moment at which a change counts.
    """

    def __init__(self, folder):
        self.folder = folder
        self.journal = os.path.join(folder, b"journal")
        self.backups = os.path.join(folder, b"backups")

    def lock(self, seconds):
        """Hold the lock until the process ends. Raises Stop when another one keeps it for longer."""
        make_folder(self.folder)
        make_folder(self.backups)
        return self.hold("ab", fcntl.LOCK_EX, seconds)

    def lock_to_look(self, seconds):
        """The same, for whoever only looks: nothing is made, and others may look as well."""
        if os.path.exists(os.path.join(self.folder, b"lock")):
            return self.hold("rb", fcntl.LOCK_SH, seconds)
        return None

    def hold(self, mode, kind, seconds):
        file = io.open(os.path.join(self.folder, b"lock"), mode)
        fcntl.fcntl(file, fcntl.F_SETFD, fcntl.FD_CLOEXEC)  # Python 2 leaves it to every program that we start
        end = time.time() + seconds
        while True:
            try:
                fcntl.flock(file, kind | fcntl.LOCK_NB)
                return file
            except (IOError, OSError):
                if time.time() > end:
                    raise Stop("locked", "another change is under way for more than %d s; try again when it has "
                               "ended" % seconds)
                time.sleep(0.05)

    def path(self, transaction, *name):
        return os.path.join(self.backups, to_bytes(transaction), *name)

    def manifest(self, transaction):
        """-> the manifest, None when there is none"""
        path = self.path(transaction, b"manifest.json")
        text = read(path)
        try:
            return None if text is None else json.loads(text.decode("utf-8"))
        except ValueError:
            raise Stop("error", "%s cannot be read: look at the files that it was about, and at the backups beside it; "
                       "then remove %s" % (to_text(path), to_text(self.journal)))

    def before(self, manifest, number):
        """-> the file as it was, None when it was not there. Raises Stop when the backup is not what was saved."""
        path = self.path(manifest["transaction"], b"%d.before" % number)
        content = read(path)
        if digest(content) != manifest["files"][number]["before"]:
            raise Stop("file_error", "%s: the backup is missing or damaged" % to_text(path), file=path,
                       error="missing or damaged backup")
        return content

    def replace(self, path, text):
        with io.open(path + b".new", "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(path + b".new", path)
        sync_folder(path)

    def mark(self, manifest, state):
        text = json.dumps(dict(manifest, state=state), sort_keys=True, indent=1).encode("utf-8")
        self.replace(self.path(manifest["transaction"], b"manifest.json"), text)
        manifest["state"] = state  # only now: what could not be written does not count

    def begin(self, about, changes):
        """Keep everything that is needed for the way back, then note that this is under way; -> manifest"""
        manifest = dict(about, files=[
            {"path": to_text(change.path), "before": digest(change.before), "after": digest(change.after),
             "minus": to_text(change.minus), "plus": to_text(change.plus)} for change in changes])
        folder = self.path(manifest["transaction"])
        os.mkdir(folder, 0o700)
        try:
            for number, change in enumerate(changes):
                if change.before is not None:
                    write(os.path.join(folder, b"%d.before" % number), change.before, change.path)
            self.mark(manifest, "prepared")
            sync_folder(folder)
            self.replace(self.journal, to_bytes(manifest["transaction"]))
        except Exception:
            unlink(self.journal)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return manifest

    def telling(self, manifest):
        """-> a locked file that the programs inherit which tell the daemon, so that a later run sees them end."""
        file = io.open(self.path(manifest["transaction"], b"telling"), "ab")
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.fcntl(file, fcntl.F_SETFD, 0)
        return file

    def wait_for_telling(self, manifest, seconds):
        """Wait, but no longer than this, for programs that have outlived their killed run."""
        end = time.time() + seconds
        with io.open(self.path(manifest["transaction"], b"telling"), "ab") as file:
            while time.time() < end:
                try:
                    return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except (IOError, OSError):
                    time.sleep(0.05)

    def unstage(self, manifest):
        for entry in manifest["files"]:
            unlink(staged(to_bytes(entry["path"])))

    def end(self, manifest):
        self.unstage(manifest)
        unlink(self.journal)
        sync_folder(self.journal)

    def taken_back(self, manifest):
        """The files are as before: without the journal nobody takes it back once more."""
        self.end(manifest)
        try:
            self.mark(manifest, "rolled_back")
        except (IOError, OSError):  # a full disk; what the manifest says is not `committed` either way
            pass

    def unfinished(self):
        """-> the manifest of the transaction that was cut off, None when there is none"""
        name = read(self.journal)
        if name is None:
            return None
        manifest = self.manifest(name)
        if manifest is None:
            raise Stop("error", "%s names a transaction that has no backup; look at both files, then remove it"
                       % to_text(self.journal))
        return manifest

    def restore(self, manifest):
        """Put every file back that is as this transaction left it; -> (restored, edited by others since)"""
        self.unstage(manifest)  # on a full disk that makes the room for what follows
        restored, foreign = [], []
        # What comes back first, as in an undo: there is never a moment without any file named after the MAC.
        for number, entry in sorted(enumerate(manifest["files"]), key=lambda item: item[1]["before"] is None):
            path = to_bytes(entry["path"])
            now = digest(read(path))
            if now == entry["before"]:
                continue
            if now != entry["after"]:
                foreign.append(path)
                continue
            like = path if now else self.path(manifest["transaction"], b"%d.before" % number)
            put(path, self.before(manifest, number), like)
            restored.append(path)
        return restored, foreign

    def prune(self, kept, newest):
        """Keep the newest ones, and this one whatever the clock says."""
        for name in sorted(os.listdir(self.backups))[:-kept]:
            if name != to_bytes(newest):
                shutil.rmtree(os.path.join(self.backups, name))


# ---------------------------------------------------------------------------------------------- the daemon


class NotTold(Exception):
    """The daemon was not told, or said no. `how`: refused, no_answer (it may have done it), unreached.

    `absent`: its answer is that there is no such thing, which after a removal is a good answer.
    """

    def __init__(self, how, error, absent=False):
        Exception.__init__(self, error)
        self.how, self.error, self.absent = how, error, absent


class NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


UNAVAILABLE = (69, 75)  # sysexits.h: EX_UNAVAILABLE, EX_TEMPFAIL


def program(command, text, seconds):
    """Run a program with this on its standard input; -> its standard output. Raises NotTold."""
    try:
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(text)
            given.seek(0)
            process = subprocess.Popen([to_bytes(word) for word in command], stdin=given, stdout=out, stderr=err,
                                       close_fds=False, preexec_fn=alone)  # what Store.telling gives, it inherits
            return answer_of(process, command, out, err, seconds)
    except EnvironmentError as error:
        raise NotTold("unreached", "%s: %s" % (to_text(command[0]), error.strerror))


def answer_of(process, command, out, err, seconds):
    """Wait for a started program; -> its standard output. Raises NotTold."""
    end = time.time() + seconds
    while process.poll() is None and time.time() < end:
        time.sleep(0.01)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)  # with whatever it started
        process.wait()
        raise NotTold("no_answer", "%s gave no answer in %d s" % (to_text(command[0]), seconds))
    out.seek(0)
    err.seek(0)
    said = (err.read(2000) or out.read(2000)).strip()
    if process.returncode:
        how = "no_answer" if process.returncode < 0 or process.returncode in UNAVAILABLE else "refused"
        raise NotTold(how, to_text(said)[-200:] or "exit code %d" % process.returncode,
                      absent=process.returncode == 1)  # as of grep; 127, a program not found, proves nothing
    out.seek(0)
    return out.read(1000000)


def alone():
    """In a process group of its own, and with the signals that this process ignores as they usually are."""
    os.setsid()
    for number in IGNORED:
        signal.signal(number, signal.SIG_DFL)


def late(*_signal):
    raise NotTold("no_answer", "no answer in time")


def web(url, body, headers, seconds):
    """One HTTP request (GET where body is None), in `seconds` as a whole; -> its body. Raises NotTold."""
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        request = Request(to_native(url), body, dict((name, to_native(headers[name])) for name in headers))
        try:
            return build_opener(ProxyHandler({}), NoRedirect()).open(request, timeout=seconds).read(1000000)
        except HTTPError as error:  # to read what it says may fail as well
            said = "HTTP %d %s" % (error.code, to_text(error.read(200)).strip())
            raise NotTold("refused", said, absent=error.code in (404, 410))
    except URLError as error:
        reason = error.reason
        refused = isinstance(reason, EnvironmentError) and reason.errno in (errno.ECONNREFUSED, errno.ENOENT)
        unknown = isinstance(reason, socket.gaierror)
        raise NotTold("unreached" if refused or unknown else "no_answer", "%s: %s" % (to_text(url), to_text(reason)))
    except (EnvironmentError, HTTPException, ValueError) as error:
        raise NotTold("no_answer", "%s: %s" % (to_text(url), to_text(error)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def to_native(value):
    """-> str of this Python"""
    return to_bytes(value) if str is bytes else to_text(value)


def secret(path):
    """The first line of a file on this server, so that no secret travels in the arguments."""
    try:
        word = (read(to_bytes(path)) or b"").split(b"\n")[0].strip()
    except (IOError, OSError):
        word = b""
    if not word:
        raise NotTold("unreached", "%s: cannot be read, or has no first line" % to_text(path))
    return word


def tell_once(spec, event):
    """Tell the daemon in its own way. Raises NotTold."""
    text, kind = json.dumps(event, sort_keys=True).encode("utf-8"), spec["type"]
    headers = {"Content-Type": "application/json", "Idempotency-Key": event["transaction"]}
    if kind == "command":
        answer = program(spec["command"], text, spec["timeout"])
    elif kind == "systemd":
        unit = spec["unit"]
        program(["systemctl", spec["action"], unit], b"", spec["timeout"])
        answer = program(["systemctl", "is-active", unit], b"", spec["timeout"])
    elif kind == "http":
        if spec.get("token_file"):
            headers["Authorization"] = b"Bearer " + secret(spec["token_file"])
        answer = web(spec["url"], text, headers, spec["timeout"])
    else:  # ARI: an event of our own for one application; 404 when no such application is connected
        headers["Authorization"] = b"Basic " + base64.b64encode(secret(spec["credentials_file"]))
        url = "%s/events/user/%s?application=%s" % (spec["url"].rstrip("/"), spec["event"], spec["application"])
        answer = web(url, json.dumps({"variables": event}).encode("utf-8"), headers, spec["timeout"])
    if spec.get("expect") and to_bytes(spec["expect"]) not in answer:
        raise NotTold("refused", "its answer has no %r: %s" % (to_native(spec["expect"]), to_text(answer[:200]).strip()))


def tell(spec, event):
    """Tell the daemon, again where it did not answer: the transaction's id tells it that it is the same."""
    silent = False
    for left in range(spec["retries"], -1, -1):
        try:
            return tell_once(spec, event)
        except NotTold as error:
            silent = silent or error.how == "no_answer"
            if error.how == "refused" or not left:
                if silent:  # whatever this try says, an earlier one may have done it
                    error.how = "no_answer"
                raise
        time.sleep(spec["delay"])


def shows(spec, extension, mac, old):
    """Ask until the answer has the new MAC (for a removal: no longer the old one). Raises NotTold."""
    wrong = "its answer does not show it"
    for left in range(spec["retries"], -1, -1):
        try:
            if spec["type"] == "http":
                answer = web(spec["url"].replace("{extension}", extension), None, {}, spec["timeout"])
            else:
                command = [word.replace("{extension}", extension) for word in spec["command"]]
                answer = program(command, b"", spec["timeout"])
            seen = set(bare(found.group()) for found in ANY_MAC.finditer(answer))
            if (mac in seen) if mac else (old not in seen):
                return
        except NotTold as error:
            if not mac and error.absent:
                return
            wrong = error.error
        if left:
            time.sleep(spec["delay"])
    raise NotTold("no_answer", wrong)


# ------------------------------------------------------------------------------------------ the transaction

IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)


def identity():
    """The name of a new transaction; the names' order is that of time."""
    now = time.time()
    return {"transaction": "%s%06d-%s" % (
        time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)), int(now * 1000000) % 1000000,
        binascii.hexlify(os.urandom(2)).decode("ascii"))}


class Transaction(object):
    """Several files and the daemon as one: all of it happens, or nothing."""

    def __init__(self, work, changes, extension, before, after, undoes=None):
        self.work, self.store, self.changes = work, work.store, changes
        self.about = dict(identity(), extension=to_text(extension), mac_before=to_text(before),
                          mac_after=to_text(after), host=to_text(work.args["host"]), undoes=undoes)
        self.id = self.about["transaction"]

    def run(self):
        """Raises Stop, with everything as it was before."""
        # The SSH connection may be lost: whoever has begun goes on to the end.
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        manifest = self.store.begin(self.about, self.changes)
        try:
            self.swap()
            self.store.mark(manifest, "notifying")
            with self.store.telling(manifest):
                self.work.tell(manifest)
            self.work.look_it_up(manifest)
            self.store.mark(manifest, "committed")
        except Exception as error:
            self.take_back(manifest, error)
            raise
        try:
            self.store.end(manifest)
        except (IOError, OSError):  # it counts already; the next run reads `committed` and ends it
            pass

    def swap(self):
        """All new files lie beside the old ones before the first takes its place."""
        for change in self.changes:
            if change.after is not None:
                write(staged(change.path), change.after, change.like)
        edited = [change.path for change in self.changes if read(change.path) != change.before]
        if edited:
            raise Stop("changed_since", "%s was edited meanwhile; nothing was changed" % to_text(edited[0]),
                       files=edited)
        for change in self.changes:
            if change.after is not None:
                os.rename(staged(change.path), change.path)
            else:
                os.unlink(change.path)
        for change in self.changes:
            sync_folder(change.path)

    def take_back(self, manifest, error):
        """Everything as before, the daemon too. Raises Stop when that fails: the next run tries again."""
        try:
            told = manifest["state"] == "notifying"
            if (self.store.manifest(self.id) or {}).get("state") == "committed":  # written, but not surely on the disk
                self.store.mark(manifest, manifest["state"])
            _restored, foreign = self.store.restore(manifest)
            if told:
                self.work.tell_reverse(manifest, error)
            self.store.taken_back(manifest)
        except Exception as second:
            raise Stop("not_restored", "%s; and the way back failed: %s; the next run tries again" % (
                to_text(error), to_text(second)), files=[change.path for change in self.changes], error=to_text(second))
        if foreign and getattr(error, "code", None) != "mac_binding.changed_since":  # which says it already
            raise Stop("not_restored", "%s; and %s was edited meanwhile, so it stays" % (
                to_text(error), to_text(foreign[0])), files=foreign, error="edited meanwhile")


# ------------------------------------------------------------------------------------------------- states


class Work(object):
    """One extension on one server."""

    def __init__(self, args):
        self.args = args
        self.check = bool(args.get("_ansible_check_mode"))
        self.changed, self.undo = False, None
        self.data, self.notices, self.diff = {}, [], []
        self.overlay = {}

    def note(self, code, **data):
        self.notices.append({"code": "mac_binding." + code, "data": data})

    def prepare(self):
        """Check the arguments, take the lock, take back what was cut off."""
        args = self.args
        self.extension = to_bytes(args["extension"] or "")
        if args["state"] not in ("undone", "readable"):
            self.data["extension"] = self.extension
            if not re.match(br"[0-9]{1,10}\Z", self.extension):
                raise Stop("invalid_extension", "extension: write 1 to 10 digits such as 3010",
                           value=self.extension[:60])
            for field in ("mac_before", "mac_after"):
                self.data[field] = valid_mac(field, args[field])
        missing = []
        self.specs = [file_spec(number, given, missing) for number, given in enumerate(args["files"] or [])]
        if not self.specs:
            missing.append("mac_binding_files")
        if args["state"] in ("present", "undone"):  # to look is allowed before, and helps to fill in the form
            if args["confirmed"] is not True:
                missing.insert(0, "mac_binding_confirmed")
            self.notify = notify_spec(args["notify"] or {}, missing)
        self.verification = verify_spec(args["verify"] or {}, missing)
        if missing:
            raise Stop("not_confirmed", "this server's files are not described in the inventory; fill in: "
                       + ", ".join(missing), missing=missing)
        self.store = Store(to_bytes(args["state_dir"]))
        if args["state"] in ("present", "undone") and not self.check:
            self.lock = self.store.lock(args["lock_timeout"])
            self.recover()
        else:
            self.lock = self.store.lock_to_look(args["lock_timeout"])
            self.look_past()

    def recover(self):
        """A run that was killed half-way: its files go back, and the daemon hears of it, before anything else."""
        manifest = self.store.unfinished()
        if manifest is None:
            return
        if manifest["state"] in ("prepared", "notifying"):
            try:
                restored, foreign = self.store.restore(manifest)
            except (IOError, OSError, Stop) as error:
                raise Stop("not_restored", "a change that was cut off cannot be taken back: %s" % to_text(error),
                           files=[entry["path"] for entry in manifest["files"]], error=to_text(error))
            if manifest["state"] == "notifying":
                self.store.wait_for_telling(manifest, self.notify["timeout"])  # the reverse has to come last
                self.tell_reverse(manifest, None)
            if restored:
                self.changed = True
            self.note("recovered", transaction=manifest["transaction"], restored=restored)
            if foreign:
                self.note("recovery_conflict", transaction=manifest["transaction"], files=foreign)
            self.store.taken_back(manifest)
        else:
            self.store.end(manifest)

    def look_past(self):
        """Without the right to change anything: see the files as the next change will find them."""
        manifest = self.store.unfinished()
        if manifest is None or manifest["state"] not in ("prepared", "notifying"):
            return
        self.note("unfinished", transaction=manifest["transaction"])
        for number, entry in enumerate(manifest["files"]):
            path = to_bytes(entry["path"])
            if digest(read(path)) == entry["after"]:
                self.overlay[path] = self.store.before(manifest, number)

    def look(self):
        """-> [(File, the extension's MAC there)]"""
        self.load()
        return [(file, file.mac(self.extension)) for file in self.files]

    def load(self):
        seen = {}
        for spec in self.specs:
            other = seen.setdefault(os.path.realpath(spec["path"]), spec)
            if other is not spec and "names" not in (spec["format"], other["format"]):
                raise Stop("error", "mac_binding_files: %s and %s are one file; of two changes one would be lost"
                           % (to_text(other["path"]), to_text(spec["path"])))
        self.files = [load(spec, self.overlay) for spec in self.specs]

    # the daemon

    def event(self, manifest, **more):
        before, after = manifest["mac_before"], manifest["mac_after"]
        return dict({
            "transaction": manifest["transaction"], "extension": manifest["extension"], "mac_before": before,
            "mac_after": after, "action": action(before, after), "host": manifest["host"],
        }, **more)

    def tell(self, manifest):
        if self.notify["type"] == "none":
            self.note("not_notified")
            return
        try:
            tell(self.notify, self.event(manifest))
        except NotTold as error:
            raise Stop("notify_failed", "arimonitor: %s; the files are as before" % error.error,
                       how=error.how, error=error.error)

    def look_it_up(self, manifest):
        if not self.verification:
            return
        try:
            shows(self.verification, manifest["extension"], to_bytes(manifest["mac_after"]),
                  to_bytes(manifest["mac_before"]))
        except NotTold as error:
            raise Stop("verify_failed", "arimonitor does not show the MAC that it should (%s); the files are as before"
                       % error.error, error=error.error)

    def tell_reverse(self, manifest, error):
        """Who did not answer may have done it all the same. `error`: why there is a way back; None: cut off."""
        how = error.data.get("how") if isinstance(error, Stop) else None
        if self.notify["type"] == "none" or how == "unreached":
            return
        before, after = manifest["mac_after"], manifest["mac_before"]
        event = self.event(dict(manifest, mac_before=before, mac_after=after),
                           transaction=manifest["transaction"] + "-reverse", reverses=manifest["transaction"])
        try:
            tell_once(self.notify, event)
        except NotTold as second:
            # Whoever refused the change refuses its reverse too, and is right. The proof is what the daemon shows.
            if self.verification:
                try:
                    self.look_it_up(dict(manifest, mac_before=before, mac_after=after))
                    return
                except Stop:
                    how = None
            if how != "refused":
                self.note("reverse_failed", error=second.error)

    # what is asked for

    def apply(self, changes, before, after, undoes=None):
        """Do it, or in check mode only show it; -> data of the result"""
        for change in changes:
            self.diff.append({
                "before_header": to_text(change.path), "after_header": to_text(change.path),
                "before": to_text(change.minus), "after": to_text(change.plus)})
        self.data["files"] = [change.path for change in changes]
        if self.check:
            self.changed = True
            return
        transaction = Transaction(self, changes, self.extension, before, after, undoes)
        self.data["transaction"] = transaction.id
        try:
            transaction.run()
        except Exception:
            self.diff = []
            raise
        self.changed, self.undo = True, {"transaction": transaction.id}
        try:
            self.store.prune(max(1, self.args["backups_kept"]), transaction.id)
        except (IOError, OSError) as error:
            self.note("not_pruned", error=to_text(error))

    def present(self):
        before, after = self.data["mac_before"], self.data["mac_after"]
        if not before and not after:
            raise Stop("both_empty", "mac_before and mac_after are both empty: there is nothing to do")
        if before == after:
            raise Stop("same_mac", "mac_before and mac_after are the same MAC")
        if after and int(after[:2], 16) & GROUP_BIT:
            self.note("group_bit", mac=after)
        values = self.look()
        said = set(mac for _file, mac in values)
        if said == set([after]):
            return self.settled(before, after)
        if before and not any(file.knows(self.extension) for file in self.files):
            raise Stop("no_extension", "no file has extension %s" % to_text(self.extension),
                       file=self.specs[0]["path"])
        if said - set([before, after]):
            self.refuse(values)
        others = set().union(*(file.owners(after) for file in self.files)) - set([self.extension]) if after else set()
        if others:
            raise Stop("duplicate", "mac_after belongs to extension %s already" % ", ".join(
                to_text(other) for other in sorted(others)), extensions=sorted(others))
        todo = [file for file, mac in values if mac != after]
        changes = [change for file in todo for change in file.changes(self.extension, after)]
        if len(todo) < len(values):
            self.note("finished", files=[file.path for file in todo])
        self.apply(changes, before, after)
        verb = {"change": "changed", "add": "added", "remove": "removed"}[action(before, after)]
        return "changed", verb, "extension %s: MAC %s%s in %d file(s)" % (
            to_text(self.extension), "would be " if self.check else "", verb, len(todo))

    def settled(self, before, after):
        """The files have it already. Where one can see whether the daemon has it too, it is told if not."""
        manifest = dict(identity(), extension=to_text(self.extension), mac_before=to_text(before),
                        mac_after=to_text(after), host=to_text(self.args["host"]))
        try:
            self.look_it_up(manifest)
        except Stop:
            if not self.check:
                self.tell_again(manifest)
            self.changed = True
            return "changed", "told_again", "extension %s: the files were right already, arimonitor was not" % (
                to_text(self.extension))
        return "ok", "already_changed" if after else "already_removed", "extension %s: nothing to do" % to_text(
            self.extension)

    def tell_again(self, manifest):
        try:
            self.tell(manifest)
            self.look_it_up(manifest)
        except Stop as stop:
            raise Stop("not_told_again", "the files were right already and stay so; arimonitor is not: %s"
                       % stop.data["error"], **stop.data)

    def refuse(self, values):
        """The files say something else than mac_before. The true MAC goes into data, not into the sentence."""
        said = set(mac for _file, mac in values)
        if len(said) == 1:
            raise Stop("mismatch", "extension %s does not have the MAC mac_before now" % to_text(self.extension),
                       present=said.pop()[:60])
        raise Stop("files_disagree", "the files do not say the same of extension %s; nothing was changed"
                   % to_text(self.extension),
                   values=[{"file": file.path, "mac": mac[:60]} for file, mac in values])

    def undone(self):
        wanted = to_text(self.args["transaction"] or "")
        manifest = self.store.manifest(wanted) if re.match(r"[0-9T]+-[0-9a-f]+\Z", wanted) else None
        if manifest is None:
            raise Stop("unknown_transaction", "this server has no backup of transaction %s" % wanted,
                       transaction=wanted[:60])
        self.extension = to_bytes(manifest["extension"])
        before, after = to_bytes(manifest["mac_after"]), to_bytes(manifest["mac_before"])
        self.data.update(extension=self.extension, mac_before=before, mac_after=after, undoes=wanted)
        if manifest["state"] != "committed":
            raise Stop("not_undoable", "transaction %s never took effect (%s)" % (wanted, manifest["state"]),
                       transaction=wanted, state=manifest["state"])
        changes, edited = [], []
        for number, entry in enumerate(manifest["files"]):
            path = to_bytes(entry["path"])
            now = self.overlay[path] if path in self.overlay else read(path)
            if digest(now) != entry["after"]:
                edited.append(path)
            elif entry["before"] and path not in self.overlay and now is not None:
                look_at(path, path)  # what may not be replaced now, may not in an undo
            kept = self.store.path(wanted, b"%d.before" % number)
            changes.append(Change(path, now, self.store.before(manifest, number), to_bytes(entry["plus"]),
                                  to_bytes(entry["minus"]), like=path if now is not None else kept))
        if all(digest(change.before) == entry["before"] for change, entry in zip(changes, manifest["files"])):
            return "ok", "already_undone", "transaction %s is undone already" % wanted
        if edited:
            raise Stop("changed_since", "%s was changed since; nothing was undone" % to_text(edited[0]), files=edited)
        # New files first: with one of them named after the MAC there is never a moment without any.
        self.apply(sorted(changes, key=lambda change: change.after is None), before, after, undoes=wanted)
        return "changed", "undone", "transaction %s %s: %d file(s) as before" % (
            wanted, "would be undone" if self.check else "is undone", len(changes))

    def readable(self):
        """Before anybody asks for a change: every file has MACs, and the daemon shows one of them."""
        self.load()
        tables = []
        for file in self.files:
            tables.append(dict((place.extension, place.mac) for place in file.places if bare(place.value)))
            if not tables[-1]:
                self.note("no_macs", file=file.path)
        self.data["extensions"] = len(tables[0])
        agreed = [(extension, mac) for extension, mac in sorted(tables[0].items())
                  if all(table.get(extension) == mac for table in tables)]
        if agreed:
            self.look_it_up({"extension": to_text(agreed[0][0]), "mac_before": "", "mac_after": to_text(agreed[0][1])})
        return "ok", "readable", "%d file(s) can be read" % len(self.files)

    def query(self):
        values = self.look()
        if len(set(mac for _file, mac in values)) > 1:
            self.refuse(values)
        self.data["present"] = values[0][1]
        if values[0][1]:
            return "ok", "found", "extension %s has MAC %s" % (to_text(self.extension), to_text(values[0][1]))
        return "ok", "not_found", "extension %s has no MAC" % to_text(self.extension)

    def verify(self):
        after = self.data["mac_after"]
        for file, mac in self.look():
            if mac != after:
                raise Stop("not_bound", "%s does not have mac_after for extension %s" % (
                    to_text(file.path), to_text(self.extension)), present=mac[:60])
        self.look_it_up({"extension": to_text(self.extension), "mac_before": to_text(self.data["mac_before"]),
                         "mac_after": to_text(after)})
        return "ok", "verified", "extension %s is as it should be in every file" % to_text(self.extension)


def action(before, after):
    return "change" if before and after else "add" if after else "remove"


# ------------------------------------------------------------------------------------ arguments and result


def file_spec(number, given, missing):
    """One item of `files`, complete and in bytes; what it lacks goes into `missing`."""
    needed = {"ini": ("key",), "lines": ("pattern", "line"), "names": ("name", "pattern")}
    where = "mac_binding_files[%d]." % number
    spec = {"format": to_native(given.get("format") or ""), "notation": to_native(given.get("notation") or "auto"),
            "case": to_native(given.get("case") or "auto"), "on_remove": to_native(given.get("on_remove") or "auto")}
    spec["where"] = dict((to_bytes(key), to_bytes(value)) for key, value in (given.get("where") or {}).items())
    for name in ("path",) + needed.get(spec["format"], ()):
        spec[name] = to_bytes(given.get(name) or "")
        if not spec[name]:
            missing.append(where + name)
    for name, known in (("format", needed), ("notation", list(NOTATIONS) + ["auto"]),
                        ("case", ("auto", "lower", "upper")), ("on_remove", ("auto", "delete", "empty"))):
        if spec[name] not in known:
            missing.append(where + name)
    if spec.get("path") and not spec["path"].startswith(b"/"):
        missing.append(where + "path")
    if spec.get("name") and spec["name"].count(b"{mac}") != 1:
        missing.append(where + "name")
    if spec.get("pattern"):
        try:
            spec["pattern"] = re.compile(spec["pattern"], re.MULTILINE)
            groups = set(spec["pattern"].groupindex)
        except re.error:
            groups = set()
        if not set(["extension", "mac"] if spec["format"] == "lines" else ["extension"]) <= groups:
            missing.append(where + "pattern")
    return spec


NOTIFY = {"command": ("command",), "http": ("url",), "systemd": ("unit",), "none": (),
          "ari": ("url", "application", "credentials_file")}


def words(given):
    """A program and its arguments; Ansible takes one text for a list of one as well."""
    command = given.get("command") or []
    return [command] if isinstance(command, (bytes, TEXT)) else command


def notify_spec(given, missing):
    spec = dict({"type": "", "action": "reload", "event": "MacChanged"}, **given)
    spec.update(command=words(given), timeout=int(given.get("timeout") or 10), retries=int(given.get("retries") or 0),
                delay=int(given.get("delay") or 1))
    if spec["type"] not in NOTIFY:
        missing.append("mac_binding_notify")
    missing.extend("mac_binding_notify." + name for name in NOTIFY.get(spec["type"], ()) if not given.get(name))
    return spec


def verify_spec(given, missing):
    if not given:
        return None
    spec = dict(given, command=words(given), timeout=int(given.get("timeout") or 5),
                retries=int(given.get("retries") or 0), delay=int(given.get("delay") or 1))
    needed = {"http": "url", "command": "command"}.get(given.get("type"), "type")
    if needed == "type" or not given.get(needed):
        missing.append("mac_binding_verify." + needed)
    return spec


DEFAULTS = {
    "state": "present", "extension": "", "mac_before": "", "mac_after": "", "transaction": "", "host": "",
    "confirmed": False, "files": [], "notify": {}, "verify": {}, "state_dir": "/var/lib/athome-mac-binding",
    "backups_kept": 50, "lock_timeout": 30,
}


def complete(given):
    """The arguments with defaults. Raises Stop for unknown ones."""
    args = dict(DEFAULTS)
    for name, value in given.items():
        if name not in DEFAULTS and not name.startswith("_ansible_"):
            known = ", ".join(sorted(DEFAULTS))
            raise Stop("error", "unknown argument %s; known: %s" % (name, known))
        if value is not None:
            args[name] = int(value) if type(DEFAULTS.get(name)) is int else value
    if args["state"] not in ("present", "undone", "query", "verify", "readable"):
        raise Stop("error", "state: %r is none of present, undone, query, verify, readable" % args["state"])
    return args


def work(given):
    """Arguments -> the result, whatever happens."""
    job = Work({})
    try:
        job = Work(complete(given))
        job.prepare()
        outcome, code, msg = getattr(job, job.args["state"])()
        code = "mac_binding." + code
    except Stop as stop:
        outcome, code, msg = "failed", stop.code, stop.msg
        job.data.update(stop.data)
    except (IOError, OSError) as error:
        file, why = error.filename or "", error.strerror or error
        outcome, code, msg = "failed", "mac_binding.file_error", "%s: %s" % (to_text(file), to_text(why))
        job.data.update(file=file, error=to_text(why))
    except Exception as error:  # an operator gets one line that says where, never a traceback
        line = sys.exc_info()[2]
        while line.tb_next:
            line = line.tb_next
        where = "%s:%d" % (line.tb_frame.f_code.co_name, line.tb_lineno)
        outcome, code = "failed", "mac_binding.error"
        msg = "%s: %s (in %s)" % (type(error).__name__, to_text(error), where)
        job.data["error"] = msg
    result = {
        "changed": job.changed, "failed": outcome == "failed", "outcome": outcome, "code": code,
        "data": job.data, "notices": job.notices, "diff": job.diff, "msg": to_text(msg),
    }
    if job.undo:
        result["undo"] = job.undo
    return plain(result)


def plain(value):
    """The same with text only, so that json takes whatever bytes a file or a program had."""
    if isinstance(value, dict):
        return dict((to_text(key), plain(item)) for key, item in value.items())
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, (bytes, TEXT)):  # text may have surrogates for undecodable bytes of a file's name
        return to_text(value).encode("utf-8", "replace").decode("utf-8")
    return value


def main():
    # The r is vital: the controller puts JSON here, whose backslashes are JSON's own.
    given = json.loads(r"""<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>""")
    result = work(given)
    print(json.dumps(result, sort_keys=True))
    sys.exit(1 if result["failed"] else 0)


if __name__ == "__main__":
    main()
