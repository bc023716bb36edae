#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Collect the recordings of some extensions in a window of time: one ZIP, one link.

A single file that imports nothing from Ansible, so that the old file server's Python 2.7 runs it as well as the
controller's; obstore and boto3 are imported only where objects or buckets are touched, on the controller.
Documentation: audio_collection.yml beside this file. It reads in the order in which the work flows: window,
layout, sources, plan, ZIP, sinks, the builder, the bucket, states, result.
"""
from __future__ import absolute_import, division, print_function

import binascii
import calendar
import collections
import datetime
import errno
import fcntl
import hashlib
import hmac
import io
import itertools
import json
import os
import re
import shutil
import signal
import ssl
import stat
import struct
import subprocess
import sys
import threading
import time
import zlib

try:
    from http.client import HTTPConnection, HTTPException, HTTPSConnection
    from queue import Queue
    from urllib.parse import quote, urlsplit
except ImportError:
    from httplib import HTTPConnection, HTTPException, HTTPSConnection
    from Queue import Queue
    from urllib import quote

    from urlparse import urlsplit

try:
    TEXT = unicode
except NameError:
    TEXT = str


class Stop(Exception):
    """The work ends here with this code; nothing is published."""

    def __init__(self, code, msg, **data):
        Exception.__init__(self, msg)
        self.code, self.msg, self.data = "audio." + code, msg, data


def to_text(value):
    """bytes or text -> text; what is not UTF-8 is read as Latin-1, as old file servers name files."""
    if not isinstance(value, bytes):
        return TEXT(value)
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def to_bytes(value):
    return value if isinstance(value, bytes) else TEXT(value).encode("utf-8")


def to_native(value):
    """-> str of this Python"""
    return to_bytes(value) if str is bytes else to_text(value)


# ----------------------------------------------------------------------------------------------- window

MINUTE = "%Y-%m-%d %H:%M"
HOUR = 3600
DAY = 86400


def window(start, end, zone, most_days, now):
    """Local minutes -> {start, end, from, to, offsets}; epoch seconds, `to` not included. Controller only.

    `offsets`: [[epoch, seconds east of UTC from then on]], so that a server with old time zone data needs none.
    """
    from zoneinfo import ZoneInfo

    try:
        zone, moments = ZoneInfo(to_native(zone)), []
    except (LookupError, ValueError, OSError):
        raise Stop("no_source", "audio_collection_layout.timezone: there is no time zone %s here" % zone,
                   missing=["audio_collection_layout.timezone"])
    for field, text, fold in (("start", start, 0), ("end", end, 1)):  # an hour that occurs twice is in it twice
        try:
            local = datetime.datetime.strptime(to_native(text).strip(), MINUTE)
            if not 1970 < local.year < 2100:  # beyond that no recording, and Python's own calendar ends
                raise ValueError
        except ValueError:
            raise Stop("bad_window", "%s: %r is no local time such as 2025-11-01 00:00" % (field, to_native(text)),
                       reason="invalid", field=field)
        moment = local.replace(tzinfo=zone, fold=fold)
        back = datetime.datetime.fromtimestamp(moment.timestamp(), zone).replace(tzinfo=None)
        if back != local:
            raise Stop("bad_window", "%s: %s does not exist in %s: the clocks were set forward" % (field, text, zone),
                       reason="nonexistent", field=field)
        moments.append((local, int(moment.timestamp())))
    (first, begins), (last, ends) = moments
    if last < first:
        raise Stop("bad_window", "the window ends before it starts", reason="order", field="end")
    if begins > now:
        raise Stop("bad_window", "the window lies in the future", reason="future", field="start")
    days = (last.date() - first.date()).days + 1
    if days > most_days:
        fits = datetime.datetime.combine(first.date() + datetime.timedelta(most_days - 1), datetime.time(23, 59))
        raise Stop("too_much", "the window has %d days, and %d are the most" % (days, most_days), what="days",
                   count=days, limit=most_days, fits=u"%s – %s" % (first.strftime(MINUTE), fits.strftime(MINUTE)))
    offsets = []
    # The clocks are changed at a full quarter of an hour, whenever the window begins.
    for moment in range((begins - 9 * DAY) // DAY * DAY, ends + 9 * DAY, 900):
        offset = int(datetime.datetime.fromtimestamp(moment, zone).utcoffset().total_seconds())
        if not offsets or offsets[-1][1] != offset:
            offsets.append([moment, offset])
    return {"start": first.strftime(MINUTE), "end": last.strftime(MINUTE), "from": begins, "to": ends + 60,
            "offsets": offsets}


def local_seconds(epoch, offsets):
    """Seconds of the wall clock, counted as if it were UTC."""
    found = offsets[0][1]
    for since, offset in offsets:
        if epoch >= since:
            found = offset
    return epoch + found


def clock(seconds):
    """Wall clock seconds -> '2025-11-01 00:00:00'"""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def wall(text):
    """'2025-11-01 00:00[:00]' -> wall clock seconds"""
    digits = [int(part) for part in re.findall(r"\d+", text)]
    return calendar.timegm(tuple(digits + [0] * (9 - len(digits))))


# ----------------------------------------------------------------------------------------------- layout

# FreePBX, Issabel: what most Asterisk systems with recordings have.
LAYOUT = {
    "root": "/var/spool/asterisk/monitor/",
    "prefix": "{Y}/{m}/{d}/",
    "pattern": (
        r"(?P<type>[a-z]+)-(?P<dst>[^-/]*)-(?P<src>[^-/]*)-(?P<date>\d{8})-(?P<time>\d{6})-"
        r"(?P<uid>(?:[\w.]+-)?\d{9,10}\.\d+)\.(?P<fmt>\w+)"
    ),
    "ext_fields": {"out": ["src"], "external": ["dst"], "internal": ["src", "dst"], "default": ["src", "dst"]},
    "time_from": "name",
    "timezone": "America/Sao_Paulo",
    "slack_days": 0,
    "min_size": 1024,
}
LATE = 300  # seconds by which a stamp may differ from the start of the call
RECORDING = 60  # seconds without a write after which a recording is taken to be complete

# One file. path, name: text; at: wall clock seconds; tag: changes when the content does.
Recording = collections.namedtuple("Recording", "path name size at extensions tag")


class Layout(object):
    """Where a server keeps its recordings, and what their names say."""

    def __init__(self, given, extensions, span):
        self.given = dict(LAYOUT, **dict((name, value) for name, value in (given or {}).items() if value is not None))
        unknown = sorted(set(self.given) - set(LAYOUT))
        if unknown:
            raise Stop("no_source", "audio_collection_layout has no %s" % ", ".join(unknown),
                       missing=["audio_collection_layout." + name for name in unknown])
        self.root, self.prefix = to_text(self.given["root"]), to_text(self.given["prefix"])
        self.extensions, self.span = extensions, span
        self.from_wall, self.to_wall = wall(span["start"]), wall(span["end"]) + 59
        try:
            # As a group of its own: the end belongs to every branch of a|b. Flags such as (?i) must come first.
            flags, pattern = re.match(br"((?:\(\?[a-zA-Z]+\))*)(.*)\Z", to_bytes(self.given["pattern"]), re.S).groups()
            self.pattern = re.compile(flags + b"(?:" + pattern + br")\Z")
        except re.error as error:
            raise Stop("no_source", "audio_collection_layout.pattern: %s" % error,
                       missing=["audio_collection_layout.pattern"])
        self.wanted = dict((to_bytes(extension), extension) for extension in extensions)

    def folders(self, source, first, last):
        """-> [partition, whether it is one of these days]: where recordings from first to last (wall seconds) can lie.

        The rest of the tree is not looked at. A clock that was an hour off has put some into the neighbour.
        """
        slack, step = int(self.given["slack_days"]) * DAY, HOUR if "{H}" in self.prefix else DAY
        two_clocks = self.given["time_from"] == "name" and {"uid", "date"} <= set(self.pattern.groupindex)
        margin = HOUR if two_clocks and not slack else 0
        proper = range((first - slack) // step, (last + slack) // step + 1)
        beside = [slot for slot in ((first - slack - margin) // step, (last + slack + margin) // step)
                  if slot not in proper]
        seen = set()
        for slot, own in [(slot, True) for slot in proper] + [(slot, False) for slot in beside]:
            date = time.gmtime(slot * step)
            for extension in self.extensions if "{ext}" in self.prefix else [""]:
                values = {"Y": "%04d" % date.tm_year, "m": "%02d" % date.tm_mon, "d": "%02d" % date.tm_mday,
                          "H": "%02d" % date.tm_hour, "ext": extension}
                text = re.sub(r"\{(Y|m|d|H|ext)\}", lambda found: values[found.group(1)], self.prefix)
                if text not in seen:
                    seen.add(text)
                    for folder in self.existing(source, text):
                        yield folder, own

    def existing(self, source, text):
        """{tenant} and {type} stand for any folder: only those are looked for."""
        found = [""]
        for part in text.split("/")[:-1]:
            if "{" not in part:
                found = [base + part + "/" for base in found]
                continue
            name = re.compile("[^/]+".join(re.escape(piece) for piece in re.split(r"\{\w+\}", part)) + r"\Z")
            found = [base + child + "/" for base in found for child in source.children(base) if name.match(child)]
        return [base + text.rpartition("/")[2] for base in found]

    def read(self, name):
        """A file's name -> (extensions that were asked for, wall seconds or None, epoch or None); None: no name of ours"""
        match = self.pattern.match(name)
        if not match:
            return None
        groups = match.groupdict()
        fields = self.given["ext_fields"]
        kind = to_text(groups.get("type") or b"")
        fields = ["extension"] if "extension" in groups else fields.get(kind, fields.get("default", []))
        found = sorted(set(self.wanted[groups[field]] for field in fields if groups.get(field) in self.wanted))
        at = epoch = None
        if found:
            if groups.get("uid"):
                digits = re.search(br"(\d{9,10})(?:\.\d+)?\Z", groups["uid"])
                epoch = int(digits.group(1)) if digits else None
            if groups.get("date") and groups.get("time"):
                stamp = to_native(groups["date"] + groups["time"])
                try:
                    at = calendar.timegm(time.strptime(stamp, "%Y%m%d%H%M%S"))
                except ValueError:
                    return None
        return found, at, epoch

    def moment(self, at, epoch, mtime):
        """-> (wall seconds, whether the stamp and the epoch disagree as with a stale time zone)"""
        by = self.given["time_from"]
        if by == "mtime" or (by == "name" and at is None and epoch is None) or (by == "uid" and epoch is None):
            return local_seconds(mtime, self.span["offsets"]), False
        if by == "uid" or at is None:
            return local_seconds(epoch, self.span["offsets"]), False
        if epoch is not None:
            true = local_seconds(epoch, self.span["offsets"])
            if abs(abs(at - true) - HOUR) <= LATE:
                return true, True
        return at, False


# ---------------------------------------------------------------------------------------------- sources


class Gone(Exception):
    """One recording cannot be had. `why`: missing, archived, changed, unreadable."""

    def __init__(self, why):
        Exception.__init__(self, why)
        self.why = why


PIECE = 1 << 20
SMALL = 2 << 20  # bytes up to which a recording is held in memory as a whole


class Local(object):
    """Recordings in a folder of this machine.

    Others can write there, and the collector may be root: what it opens has to lie below the root, whatever links
    are laid meanwhile. Links to folders that root has laid, such as one to a second disk, count as below it.
    """

    name = "local"
    grows = True  # a call that is being recorded is there already

    def __init__(self, root):
        self.root = to_bytes(root.rstrip("/") or "/")
        if not os.path.isdir(self.root):
            raise Stop("source_refused", "%s is no folder here" % root, error="%s: no such folder" % root)
        self.roots, self.judged = {os.path.realpath(self.root)}, set()

    def path(self, text):
        return os.path.join(self.root, to_bytes(text))

    def children(self, base):
        return [to_text(name) for name in self.names(self.path(base)) or []
                if os.path.isdir(os.path.join(self.path(base), name))]

    def names(self, folder):
        """-> what is in a folder, None when there is no such folder"""
        self.trust_links_to(folder)
        try:
            return sorted(os.listdir(folder)) if self.below(os.path.realpath(folder)) else None
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise Stop("source_refused", "%s: %s" % (to_text(folder), error.strerror),
                       error="%s: %s" % (to_text(folder), error.strerror))

    def trust_links_to(self, folder):
        """Links on the way to a folder that are root's, in folders below the root: where they lead to is meant."""
        if folder in self.judged:  # once: a link that root lays meanwhile is for the next time
            return
        self.judged.add(folder)
        path = self.root
        for name in folder[len(self.root):].strip(b"/").split(b"/"):
            if not self.below(os.path.realpath(path)):
                return
            path = os.path.join(path, name)
            try:
                before, target = os.lstat(path), os.path.realpath(path)
                after = os.lstat(path)
            except OSError:  # there is none, or none any more
                return
            same = (before.st_ino, before.st_ctime) == (after.st_ino, after.st_ctime)  # a swapped link has a new one
            if stat.S_ISLNK(before.st_mode) and before.st_uid == 0 and same:
                self.roots.add(target)

    def below(self, path):
        return any(path == root or path.startswith(root.rstrip(b"/") + b"/") for root in self.roots)

    def files(self, prefix):
        """-> [(path, name in bytes, function that gives size, mtime, tag)]; None: there is no such folder"""
        folder, start = os.path.split(self.path(prefix))
        names = self.names(folder)
        return names and [(os.path.join(folder, name), name, self.look) for name in names if name.startswith(start)]

    def look(self, path):
        """Raises Gone."""
        try:
            about = os.lstat(path)
        except OSError:
            raise Gone("unreadable")
        if not stat.S_ISREG(about.st_mode):
            raise Gone("unreadable")
        return about.st_size, int(about.st_mtime), "%d" % int(about.st_mtime)

    def open(self, path):
        """-> an open file. What was opened is judged, and not the path, which may lead elsewhere a moment later."""
        self.trust_links_to(os.path.dirname(path))
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a FIFO would wait for its writer
        try:
            if not (stat.S_ISREG(os.fstat(number).st_mode)
                    and self.below(to_bytes(os.readlink(b"/proc/self/fd/%d" % number)))):
                raise OSError(errno.ELOOP, "not a file below the folder of the recordings")
            return os.fdopen(number, "rb")
        except BaseException:
            os.close(number)
            raise

    def fetch(self, recordings):
        """-> (Recording, bytes, or an iterator over pieces, or Gone) in order"""
        for recording in recordings:
            try:
                file = self.open(to_disk(recording.path))
            except (IOError, OSError) as error:
                yield recording, Gone("missing" if error.errno == errno.ENOENT else "unreadable")
                continue
            with file:
                content = pieces(file, recording.size + 1)  # one more tells that it has grown
                if recording.size <= SMALL:
                    try:
                        content = b"".join(content)
                    except Gone as gone:
                        content = gone
                yield recording, content


def pieces(file, most):
    """-> the bytes of an open file, piece by piece. Raises Gone."""
    while most:
        try:
            piece = file.read(min(PIECE, most))
        except (IOError, OSError):
            raise Gone("unreadable")
        if not piece:
            return
        most -= len(piece)
        yield piece


def to_disk(path):
    """The path of a plan as the disk has it: names that are no UTF-8 were written as Latin-1."""
    if os.path.exists(path.encode("utf-8")):
        return path.encode("utf-8")
    try:
        return path.encode("latin-1")
    except UnicodeEncodeError:
        return path.encode("utf-8")


class Bucket(object):
    """Recordings in an S3 bucket: listed and fetched with obstore, which costs a fraction of boto3.

    boto3 lists where obstore cannot: it refuses a whole folder for one key with a control character, and does not
    say which objects are archived. It is imported only then, for its import takes longer than a small collection.
    """

    name = "s3"
    grows = False  # an object is there as a whole or not at all
    PARALLEL, HELD = 16, 8 << 20  # fetches at a time, bytes in flight
    # Keys that obstore would not ask for exactly as they are.
    ODD = re.compile(u"[\x00-\x1f\x7f\\\\%]|(?:^|/)\\.{0,2}(?:/|$)")
    ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")

    def __init__(self, root, access):
        self.bucket, _slash, self.root = root[len("s3://"):].partition("/")
        self.root = self.root and self.root.rstrip("/") + "/"
        self.access, self.made, self.opened = access, None, None
        archived = access.get("archived")
        self.says_archived = not access.get("endpoint") if archived is None else bool(archived)

    @property
    def store(self):
        if self.opened is None:
            from obstore.store import S3Store

            options = {"region": self.access.get("region") or REGION}
            if self.access.get("endpoint"):
                options.update(endpoint=self.access["endpoint"], virtual_hosted_style_request=False)
            options.update(written_keys(self.access) or {"credential_provider": credentials(self.access)})
            self.opened = S3Store(
                self.bucket, client_options={"allow_http": True, "timeout": "60s"},
                retry_config={"max_retries": 3, "retry_timeout": datetime.timedelta(seconds=60)}, **options)
        return self.opened

    @property
    def client(self):
        """Made when it is needed: most builders do without, and it takes as much memory as all that is in flight."""
        self.made = self.made or s3_client(self.access, "source_refused")
        return self.made

    def pages(self, prefix, **more):
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            for page in self.client.get_paginator("list_objects_v2").paginate(
                    Bucket=self.bucket, Prefix=self.root + prefix, **more):
                yield page
        except (BotoCoreError, ClientError) as error:
            raise Stop("source_refused", "the bucket of the recordings cannot be listed: %s" % brief(error),
                       error=brief(error))

    def children(self, base):
        listed = self.listed(base)
        folders = listed["common_prefixes"] if listed else [
            found["Prefix"] for page in self.pages(base, Delimiter="/") for found in page.get("CommonPrefixes", [])]
        return sorted(folder.rstrip("/").rpartition("/")[2] for folder in folders)

    def files(self, prefix):
        listed = not self.says_archived and self.listed(prefix)
        rows = [(found["path"], found["size"], found["last_modified"], found["e_tag"], None)
                for found in listed["objects"]] if listed else [
            (found["Key"], found["Size"], found["LastModified"], found["ETag"], found.get("StorageClass"))
            for page in self.pages(prefix, Delimiter="/") for found in page.get("Contents", [])]
        return [(row[0], to_bytes(row[0].rpartition("/")[2]), lambda _key, row=row: self.look(*row[1:]))
                for row in rows] or None

    def listed(self, prefix):
        """-> what obstore finds in a folder; None: ask boto3, which also knows how to say what is wrong"""
        from obstore.exceptions import BaseError

        import obstore

        if not prefix.endswith("/"):  # the beginning of a name: obstore knows whole folders only
            return None
        try:
            return obstore.list_with_delimiter(self.store, (self.root + prefix).rstrip("/"))
        except (BaseError, OSError, ValueError):
            return None

    def look(self, size, modified, tag, storage):
        if storage in self.ARCHIVED:
            raise Gone("archived")
        return size, int(modified.timestamp()), tag

    def fetch(self, recordings):
        """-> (Recording, bytes, or an iterator over pieces, or Gone) in order"""
        # A big one is fetched by ranges: one that breaks off is asked for again, and nobody waits with an open answer.
        parts = ((recording, start) for recording in recordings
                 for start in (range(0, recording.size, SMALL) if recording.size > SMALL else [None]))
        for recording, group in itertools.groupby(self.ahead(parts), key=lambda one: one[0]):
            contents = (content for _recording, content in group)
            yield recording, next(contents) if recording.size <= SMALL else joined(contents)

    def ahead(self, parts):
        """-> (Recording, bytes or Gone) in order; so many parts and bytes are under way at the most.

        What obstore holds is copied into bytes one by one: copies of all that is in flight would double it.
        """
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(self.PARALLEL) as pool:
            waiting, held, upcoming = collections.deque(), 0, next(parts, None)
            while waiting or upcoming:
                while upcoming and (not waiting or (
                        len(waiting) < self.PARALLEL and held + min(upcoming[0].size, SMALL) <= self.HELD)):
                    waiting.append((upcoming[0], pool.submit(self.get, *upcoming)))
                    held += min(upcoming[0].size, SMALL)
                    upcoming = next(parts, None)
                recording, future = waiting.popleft()
                held -= min(recording.size, SMALL)
                content, future = future.result(), None
                yield recording, content.to_bytes() if hasattr(content, "to_bytes") else content

    def get(self, recording, start):
        """-> bytes, obstore's own or Python's, or Gone; from `start` on, if that is not None"""
        from obstore.exceptions import BaseError, NotFoundError, PreconditionError

        for tries_left in (2, 1, 0):
            try:
                return self.get_once(recording, start)
            except (NotFoundError, FileNotFoundError):
                return Gone("missing")
            except PreconditionError:
                return Gone("changed")
            except Exception as error:
                if not isinstance(error, (BaseError, OSError)) and not type(error).__module__.startswith("botocore"):
                    raise
                for sign, why in (("InvalidObjectState", "archived"), ("NoSuchKey", "missing"),
                                  ("PreconditionFailed", "changed")):
                    if sign in str(error):
                        return Gone(why)
                if not tries_left:
                    return Gone("unreadable")
            time.sleep(0.2)

    def get_once(self, recording, start):
        import obstore

        odd = self.ODD.search(recording.path)
        options = {}
        if start is not None:
            end = min(start + SMALL, recording.size)
            options = {"Range": "bytes=%d-%d" % (start, end - 1), "IfMatch": recording.tag} if odd else {
                "range": (start, end), "if_match": recording.tag}
        if odd:
            return self.client.get_object(Bucket=self.bucket, Key=recording.path, **options)["Body"].read()
        return obstore.get(self.store, recording.path, options=options).bytes()


def joined(contents):
    """-> bytes; raises the Gone that is among them"""
    for content in contents:
        if isinstance(content, Gone):
            raise content
        yield content


def brief(error):
    """The first line of a library's complaint, without what may be a signed address."""
    return re.sub(r"\?\S+", u"?…", to_text(error).splitlines()[0] if to_text(error) else type(error).__name__)[:200]


REGION = "us-east-1"


def session(access):
    """The usual AWS chain: environment, shared files, instance role; a file and a profile may be named."""
    import boto3

    if access.get("credentials_file"):
        os.environ["AWS_SHARED_CREDENTIALS_FILE"] = access["credentials_file"]
    return boto3.Session(profile_name=access.get("profile") or None, region_name=access.get("region") or REGION)


def written_keys(access):
    """-> obstore's arguments with the keys that the AWS chain would find written down; None: only boto3 can tell.

    The environment comes before the file, unless a profile is named; whatever else could decide is boto3's.
    """
    own, env = access.get("profile"), os.environ
    if not own and env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY"):
        found = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_SESSION_TOKEN")
        return None if "AWS_CREDENTIAL_EXPIRATION" in env else stored_keys(*found)
    profile = own or env.get("AWS_PROFILE") or env.get("AWS_DEFAULT_PROFILE") or "default"
    path = access.get("credentials_file") or env.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    config = env.get("AWS_CONFIG_FILE") or "~/.aws/config"
    if os.path.exists(os.path.expanduser(config)) or "AWS_WEB_IDENTITY_TOKEN_FILE" in env:
        return None
    import configparser

    parser = configparser.RawConfigParser()
    try:
        parser.read(os.path.expanduser(path))
        keys = dict(parser.items(profile))
    except (configparser.Error, OSError, ValueError):
        return None
    if not {"aws_access_key_id", "aws_secret_access_key"} <= set(keys) <= {
            "aws_access_key_id", "aws_secret_access_key", "aws_session_token"}:
        return None
    return stored_keys(keys["aws_access_key_id"], keys["aws_secret_access_key"], keys.get("aws_session_token"))


def stored_keys(key, secret, token):
    return dict(access_key_id=key, secret_access_key=secret, **({"session_token": token} if token else {}))


def credentials(access):
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        return Boto3CredentialProvider(session(access))
    except Exception as error:
        raise Stop("source_refused", "no credentials for the bucket of the recordings: %s" % brief(error),
                   error=brief(error))


def s3_client(access, code):
    """A client for one S3, Amazon's or another one. Raises Stop of this code."""
    from botocore.client import Config
    from botocore.exceptions import BotoCoreError

    config = Config(signature_version="s3v4", retries={"max_attempts": access.get("attempts", 4)},
                    connect_timeout=10, read_timeout=60,
                    max_pool_connections=16, s3={"addressing_style": "path"} if access.get("endpoint") else {})
    try:
        return session(access).client("s3", endpoint_url=access.get("endpoint") or None, config=config)
    except (BotoCoreError, ValueError) as error:
        raise Stop(code, "S3: %s" % brief(error), error=brief(error))


def source_of(layout, access):
    return Bucket(layout.root, access or {}) if layout.root.startswith("s3://") else Local(layout.root)


# ------------------------------------------------------------------------------------------------- plan


class Plan(object):
    """What is to be collected. `recordings` are in the order of their time."""

    def __init__(self):
        self.recordings, self.gone = [], []
        self.scanned = self.unparsed = self.short = self.clock = self.recording_now = 0
        self.no_folder = []

    @property
    def bytes(self):
        return sum(recording.size for recording in self.recordings)

    def digest(self):
        """Equal as long as the same recordings are there, unchanged."""
        lines = ["%s\0%d\0%s" % (one.path, one.size, one.tag) for one in self.recordings]
        lines += ["%s\0%s" % (gone["name"], gone["why"]) for gone in self.gone]
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass" if str is not bytes else "strict")
                              ).hexdigest()


def look_through(layout, source, first, last, now):
    """-> Plan of the recordings from first to last (wall seconds, inclusive)"""
    plan, least = Plan(), int(layout.given["min_size"])
    for folder, own in layout.folders(source, first, last):
        files = source.files(folder)
        if files is None:
            if own:
                plan.no_folder.append(folder)
            continue
        for path, name, look in files:
            plan.scanned += own
            said = layout.read(name)
            if said is None:
                plan.unparsed += own
                continue
            extensions, at, epoch = said
            if not extensions or (at is not None and not first - 2 * HOUR <= at <= last + 2 * HOUR
                                  and layout.given["time_from"] == "name"):
                continue
            try:
                size, modified, tag = look(path)
            except Gone as gone:
                moment, _stale = layout.moment(at, epoch, now)
                if first <= moment <= last:
                    plan.gone.append({"name": to_text(name), "why": gone.why})
                continue
            moment, stale = layout.moment(at, epoch, modified)
            if not first <= moment <= last:
                continue
            plan.clock += stale
            if size < least:
                plan.short += 1
            elif source.grows and abs(now - modified) < RECORDING:
                plan.recording_now += 1
            else:
                plan.recordings.append(Recording(to_text(path), to_text(name), size, moment, extensions, tag))
    plan.recordings.sort(key=lambda one: (one.at, one.name, one.path))
    return plan


def nearest(layout, source, first, last, now):
    """When nothing was found: the last recording before and the first one after, up to a week away."""
    found = {"before": None, "after": None}
    step = DAY if "{d}" in layout.prefix else 7 * DAY
    for away in range(0, 7 * DAY, step):
        if not found["before"]:
            near = look_through(layout, source, first - away - step, first - away - 1, now).recordings
            found["before"] = clock(near[-1].at)[:16] if near else None
        if not found["after"] and last + away < local_seconds(now, layout.span["offsets"]):
            near = look_through(layout, source, last + away + 1, last + away + step, now).recordings
            found["after"] = clock(near[0].at)[:16] if near else None
    return found


def per_extension(recordings, seconds, extensions):
    """-> [{extension, files, bytes, seconds, days}] for each one that was asked for, found or not"""
    rows = []
    for extension in extensions:
        mine = [one for one in recordings if extension in one.extensions]
        days = collections.Counter(clock(one.at)[:10] for one in mine)
        known = [seconds.get(one.path) for one in mine]
        rows.append({
            "extension": extension, "files": len(mine), "bytes": sum(one.size for one in mine),
            "seconds": int(round(sum(known))) if mine and None not in known else None,
            "days": [{"day": day, "files": days[day]} for day in sorted(days)],
        })
    return rows


def too_much(plan, limits, span):
    """Raises Stop with the longest part of the window, from its start, that would fit."""
    taken = 0
    for number, recording in enumerate(plan.recordings, 1):
        taken += recording.size
        over = "files" if number > limits["files"] else "bytes" if taken > limits["bytes"] else None
        if over:
            ends = recording.at // 60 * 60 - 1
            fits = u"%s – %s" % (span["start"], clock(ends)[:16]) if ends > wall(span["start"]) else None
            count = len(plan.recordings) if over == "files" else plan.bytes
            raise Stop("too_much", "%d %s are more than the limit of %d" % (count, over, limits[over]), what=over,
                       count=count, limit=limits[over], fits=fits)


# -------------------------------------------------------------------------------------------------- ZIP


class Zip(object):
    """A ZIP without compression, written from front to end: the same input gives the same bytes everywhere.

    Recordings hardly shrink, and are stored as they are. APPNOTE.TXT 6.3: sections 4.3.7, 4.3.9, 4.3.12 to 16.
    """

    BIG = 0xFFFFFFFF
    UTF8, DESCRIPTOR = 0x0800, 0x0008

    def __init__(self, write):
        self.write_to, self.offset, self.entries, self.names = write, 0, [], set()

    def write(self, data):
        self.write_to(data)
        self.offset += len(data)

    def free_name(self, name):
        """A name that unpacks where it should, and that no other entry has."""
        name = re.sub(u"[\\x00-\\x1f\\x7f<>:\"|?*\\\\/]", u"_", name).strip(u" .") or u"_"
        stem, dot, end = name.rpartition(u".")
        stem, end = (stem, dot + end) if stem else (name, u"")
        number, free = 1, name
        while free.lower() in self.names:
            number += 1
            free = u"%s__%d%s" % (stem, number, end)
        self.names.add(free.lower())
        return free

    def add(self, name, at, content):
        """Add bytes, or an iterator over bytes; -> (size, sha256). `at`: wall clock seconds."""
        name = to_bytes(name)
        moment = time.gmtime(max(at, 315532800))  # the format begins with 1980
        stamp = (moment.tm_hour << 11 | moment.tm_min << 5 | moment.tm_sec // 2,
                 (moment.tm_year - 1980) << 9 | moment.tm_mon << 5 | moment.tm_mday)
        start, whole = self.offset, isinstance(content, bytes)
        crc, size, digest = (zlib.crc32(content) & self.BIG, len(content), hashlib.sha256(content)) if whole else (
            0, 0, hashlib.sha256())
        # A size that is not known yet has room for 8 bytes behind the content.
        extra = b"" if whole else struct.pack("<HHQQ", 1, 16, 0, 0)
        shown = size if whole else self.BIG
        flags = self.UTF8 | (0 if whole else self.DESCRIPTOR)
        self.write(struct.pack("<4s5HLLLHH", b"PK\3\4", 20 if whole else 45, flags, 0, stamp[0], stamp[1], crc,
                               shown, shown, len(name), len(extra)) + name + extra)
        if whole:
            self.write(content)
        else:
            for piece in content:
                crc = zlib.crc32(piece, crc) & self.BIG
                size += len(piece)
                digest.update(piece)
                self.write(piece)
            self.write(struct.pack("<4sLQQ", b"PK\7\10", crc, size, size))
        self.entries.append((name, stamp, flags, crc, size, start))
        return size, digest.hexdigest()

    def close(self):
        start = self.offset
        for name, stamp, flags, crc, size, offset in self.entries:
            big = size >= self.BIG or offset >= self.BIG
            extra = struct.pack("<HHQQQ", 1, 24, size, size, offset) if big else b""
            shown, where = (self.BIG, self.BIG) if big else (size, offset)
            self.write(struct.pack("<4s6HLLLHHHHHLL", b"PK\1\2", 3 << 8 | 45, 45 if big else 20, flags, 0, stamp[0],
                                   stamp[1], crc, shown, shown, len(name), len(extra), 0, 0, 0, 0o100644 << 16,
                                   where) + name + extra)
        length, count = self.offset - start, len(self.entries)
        if count >= 0xFFFF or start + length >= self.BIG:
            end = self.offset
            self.write(struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, start))
            self.write(struct.pack("<4sLQL", b"PK\6\7", 0, end, 1))
        self.write(struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF),
                               min(length, self.BIG), min(start, self.BIG), 0))


RATES = {"gsm": 33 * 50, "ulaw": 8000, "ul": 8000, "alaw": 8000, "al": 8000, "sln": 16000, "sln16": 32000, "g729": 1000}


def duration(name, head, size):
    """Seconds of a recording, from its first bytes and its size; None where that does not tell."""
    form = name.rpartition(".")[2].lower()
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        at = 12
        rate = None
        while at + 8 <= len(head):
            chunk, length = struct.unpack("<4sL", head[at:at + 8])
            if chunk == b"fmt " and at + 20 <= len(head):
                rate = struct.unpack("<L", head[at + 16:at + 20])[0]
            if chunk == b"data":
                # A file that was not closed says 0 or too much.
                return min(length or size, size - at - 8) / float(rate) if rate else None
            at += 8 + length + length % 2
        return None
    return size / float(RATES[form]) if form in RATES else None


COLUMNS = ("ramais", "inicio", "arquivo", "bytes", "segundos", "sha256", "situacao", "origem")


def manifest(rows):
    """CSV as spreadsheets in Brazil read it: UTF-8 with a mark, semicolons."""
    def cell(value):
        text = TEXT(value)
        if text and text[0] in u"=+-@\t\r\n":  # a spreadsheet would take it for a formula
            text = u"'" + text
        return u'"%s"' % text.replace(u'"', u'""') if re.search(u'[;"\r\n]', text) else text

    lines = [u";".join(cell(value) for value in row) for row in [COLUMNS] + rows]
    return (u"\ufeff" + u"\r\n".join(lines) + u"\r\n").encode("utf-8")


# ------------------------------------------------------------------------------------------------ sinks

def part_bytes(most):
    """The size of an upload's parts: S3 wants 5 MiB at least, and 10,000 of them at most."""
    return max(5 << 20, most // 9000)


RESERVE = 1 << 30  # bytes that stay free on a disk
FULL = (errno.ENOSPC, errno.EDQUOT)


def most_bytes(plan):
    """What the ZIP can have at the most: recordings, headers twice, the manifest."""
    names = sum(2 * len(to_bytes(one.name)) + 2 * len(to_bytes(one.path)) for one in plan.recordings)
    return plan.bytes + names + 400 * (len(plan.recordings) + len(plan.gone)) + 4096


class Parts(object):
    """Sends what is written as the parts of an upload, through addresses that were signed on the controller."""

    SENDERS = 2

    def __init__(self, addresses, ca_file, part):
        self.addresses, self.ca_file, self.part = addresses, ca_file, part
        self.buffer, self.number = bytearray(), 0
        self.done, self.failed = {}, None
        self.queue = Queue(1)
        self.threads = [threading.Thread(target=self.send_all) for _sender in range(self.SENDERS)]
        for thread in self.threads:
            thread.daemon = True
            thread.start()

    def write(self, data):
        if self.failed:
            raise self.failed
        self.buffer += data
        while len(self.buffer) >= self.part:
            self.hand_over(memoryview(self.buffer)[:self.part].tobytes())  # a slice of it would be a copy more
            del self.buffer[:self.part]

    def hand_over(self, part):
        self.number += 1
        if self.number > len(self.addresses):
            raise Stop("error", "the archive has more parts than were signed", error="more parts than planned")
        self.queue.put((self.number, part))

    def finish(self):
        """-> [{"number", "etag"}]"""
        if self.buffer or not self.number:
            self.hand_over(bytes(self.buffer))
        self.end()
        if self.failed:
            raise self.failed
        return [{"number": number, "etag": self.done[number]} for number in sorted(self.done)]

    def end(self):
        senders, self.threads = self.threads, []
        for _sender in senders:
            self.queue.put(None)
        for thread in senders:
            thread.join()

    def abort(self):
        self.failed = self.failed or Stop("stopped", "stopped")
        self.end()

    def send_all(self):
        while True:
            item = self.queue.get()
            if item is None:
                return
            if self.failed is None:
                try:
                    self.done[item[0]] = self.send(*item)
                except Stop as stop:
                    self.failed = stop
                except Exception as error:  # a sender that died would let the builder wait for ever
                    self.failed = Stop("publish_failed", "part %d cannot be sent: %s" % (item[0], where(error)),
                                       error=where(error))

    def send(self, number, part):
        for wait in (1, 3, None):
            try:
                return self.send_once(self.addresses[number - 1], part)
            except (EnvironmentError, HTTPException, ssl.SSLError) as error:
                if wait is None:
                    raise Stop("publish_failed", "part %d cannot be sent: %s" % (number, brief(error)),
                               error=brief(error))
                time.sleep(wait)

    def send_once(self, address, part):
        at = urlsplit(to_native(address))
        if at.scheme == "https":
            kind, more = HTTPSConnection, {}
            if hasattr(ssl, "create_default_context"):
                more["context"] = ssl.create_default_context(cafile=self.ca_file or None)
        else:
            kind, more = HTTPConnection, {}
        connection = kind(at.hostname, at.port, timeout=60, **more)
        try:
            connection.request("PUT", at.path + "?" + at.query, part)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status // 100 != 2:
                raise HTTPException("HTTP %d %s" % (answer.status, to_text(body[:200]).replace("\n", " ")))
            return answer.getheader("ETag")
        finally:
            connection.close()


class Disk(object):
    """Writes into a folder that a web server shows; the file has its name only when it is complete."""

    def __init__(self, folder, name, needed, reserve):
        self.path = os.path.join(to_bytes(folder), to_bytes(name))
        self.part = self.unfinished(folder, name)
        try:
            if os.path.lexists(self.part):
                os.unlink(self.part)
            about = os.statvfs(to_bytes(folder))
            self.needed, free = needed + reserve, about.f_bavail * about.f_frsize
            if free < self.needed:
                raise Stop("no_space", "%d bytes are free in %s, and %d are needed" % (free, folder, self.needed),
                           needed=self.needed, free=free)
            self.file = os.fdopen(os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb")
            os.fchmod(self.file.fileno(), 0o644)
        except (IOError, OSError) as error:
            raise Stop("publish_failed", "%s: %s" % (folder, error.strerror), error="%s: %s" % (folder, error.strerror))

    @staticmethod
    def unfinished(folder, name):
        return os.path.join(to_bytes(folder), b"." + to_bytes(name) + b".part")

    def write(self, data):
        try:
            self.file.write(data)
        except (IOError, OSError) as error:
            raise self.broken(error)

    def broken(self, error):
        if error.errno in FULL:
            return Stop("no_space", "the disk of the archives is full", needed=self.needed, free=0)
        return Stop("publish_failed", "the archive cannot be written: %s" % error.strerror, error=error.strerror)

    def finish(self):
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            os.rename(self.part, self.path)
        except (IOError, OSError) as error:
            raise self.broken(error)
        return []

    def abort(self):
        try:
            self.file.close()
        except (IOError, OSError):  # what a full disk did not take
            pass
        if os.path.lexists(self.part):
            os.unlink(self.part)


def sweep(folder, keep_days, now):
    """Remove archives that are older than the rule says, and what a killed run left behind."""
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise Stop("publish_failed", "%s: %s" % (to_text(folder), error.strerror),
                   error="%s: %s" % (to_text(folder), error.strerror))
    for name in names:
        path = os.path.join(folder, name)
        part, archive = re.match(br"\.audios_.*\.part\Z", name), re.match(br"audios_.*\.zip\Z", name)
        try:
            age = now - os.lstat(path).st_mtime
            if (part and age > DAY) or (archive and age > keep_days * DAY):
                os.unlink(path)
        except OSError:  # another run was faster
            pass


# ------------------------------------------------------------------------------------------ the builder


class Stopped(BaseException):
    """Somebody ended the builder, or nobody waits for it any more."""


class Desk(object):
    """The folder of one request on the collector: plan, progress, result, and the lock of who builds it."""

    def __init__(self, state_dir, key):
        self.folder = os.path.join(to_bytes(state_dir), to_bytes(key))

    def path(self, name):
        return os.path.join(self.folder, to_bytes(name))

    def make(self):
        try:
            os.makedirs(self.folder, 0o700)
        except OSError:
            if not os.path.isdir(self.folder):
                raise

    def put(self, name, value):
        temporary = self.path(name + ".%d" % os.getpid())
        try:
            with io.open(temporary, "wb") as file:
                file.write(json.dumps(value).encode("utf-8"))
            os.rename(temporary, self.path(name))
        except (IOError, OSError):
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise

    def get(self, name):
        try:
            with io.open(self.path(name), "rb") as file:
                return json.loads(file.read().decode("utf-8"))
        except (IOError, OSError, ValueError):
            return None

    def lock(self):
        """-> the held lock, None when somebody else has it"""
        file = io.open(self.path("lock"), "ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except (IOError, OSError):
            file.close()
            return None


def forget(state_dir, days):
    """Remove what is known of requests that nobody has made for so long, and signed addresses that are not valid now."""
    now = time.time()
    for name in os.listdir(to_bytes(state_dir)):
        path = os.path.join(to_bytes(state_dir), name)
        try:
            if re.match(br"[0-9a-f]{24}\.[0-9a-f]{32}\.addresses\Z", name) and now - os.stat(path).st_mtime > DAY:
                os.unlink(path)
            elif re.match(br"[0-9a-f]{24}\Z", name) and now - os.stat(os.path.join(path, b"plan")).st_mtime > days * DAY:
                held = Desk(state_dir, name).lock()
                if held is not None:
                    shutil.rmtree(path, ignore_errors=True)
                    held.close()
        except OSError:  # another run was faster
            pass


PATIENCE = 90  # seconds after which a builder that nobody asks for its progress ends itself


class Builder(object):
    """Builds one archive, in a process of its own that outlives the connection which started it."""

    def __init__(self, desk, plan, about, open_source, open_sink):
        self.desk, self.plan, self.about = desk, plan, about
        self.open_source, self.open_sink, self.sink = open_source, open_sink, None
        self.files = self.bytes = self.size = self.told = 0
        self.digest = hashlib.sha256()

    def tell(self, wait=1.0):
        """Write down how far it is; end when nobody has asked for it for long, or when it takes too long."""
        if time.time() - self.told < wait:
            return
        if time.time() > self.about["until"]:
            raise Stop("too_slow", "the archive took longer than audio_collection_patience has it",
                       files=self.files, of=len(self.plan.recordings))
        self.told = time.time()
        self.desk.put("progress", {
            "attempt": self.about["attempt"], "pid": os.getpid(), "files": self.files,
            "of": len(self.plan.recordings), "bytes": self.bytes, "of_bytes": self.plan.bytes})
        try:
            if time.time() - os.stat(self.desk.path("asked")).st_mtime > PATIENCE:
                raise Stopped()
        except OSError:
            raise Stopped()

    def write(self, data):
        self.sink.write(data)
        self.digest.update(data)
        self.size += len(data)
        self.tell()

    def build(self, source):
        """-> the result's data. Raises Stop, Stopped."""
        archive, rows, seconds, missing, had = Zip(self.write), [], {}, list(self.plan.gone), []
        archive.free_name(u"_manifesto.csv")
        for recording, content in source.fetch(self.plan.recordings):
            self.tell()
            row = [u",".join(recording.extensions), clock(recording.at)]
            try:
                head = Head(content)
            except Gone as gone:
                missing.append({"name": recording.name, "why": gone.why})
                rows.append(row + [recording.name, "", "", "", WORDS[gone.why], recording.path])
                continue
            name = archive.free_name(recording.name)
            size, digest = archive.add(name, recording.at, head.content)
            long = duration(recording.name, head.head, size)
            seconds[recording.path] = long
            # A big one may break off when its beginning is in the archive: that stays, and is said.
            state = head.broken or ("ok" if size == recording.size else "changed")
            if state != "ok":
                missing.append({"name": recording.name, "why": state})
            rows.append(row + [name, size, "" if long is None else "%.1f" % long, digest, WORDS[state], recording.path])
            had.append(recording._replace(size=size))
            self.files, self.bytes = self.files + 1, self.bytes + size
        if not had:
            raise Stop("all_missing", "none of the %d recordings can be had" % len(missing),
                       missing_count=len(missing), missing=missing[:50])
        rows += [["", "", gone["name"], "", "", "", WORDS[gone["why"]], ""] for gone in self.plan.gone]
        archive.add(u"_manifesto.csv", self.plan.recordings[-1].at, manifest(rows))
        archive.close()
        self.tell(0)
        parts = self.sink.finish()
        return {"files": self.files, "bytes": self.bytes, "size": self.size, "sha256": self.digest.hexdigest(),
                "missing": missing[:50], "missing_count": len(missing), "parts": parts,
                "per_extension": per_extension(had, seconds, self.about["extensions"])}

    def work(self):
        """Everything the detached process does: a result is written down in the end, whatever happens."""
        result = {"attempt": self.about["attempt"]}
        try:
            signal.signal(signal.SIGTERM, stopped)
            self.tell(0)
            source = self.open_source()
            if source.name == "local":
                be_nice()
            else:
                give_memory_back()
            self.sink = self.open_sink()
            result["data"] = self.build(source)
        except Stop as stop:
            result.update(code=stop.code, msg=stop.msg, data=stop.data)
        except Stopped:
            result.update(code="audio.stopped", msg="stopped; nothing was published", data={})
        except Exception as error:
            stop = stop_of(error)
            result.update(code=stop.code, msg=stop.msg, data=stop.data)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what follows leaves things in order
        if "code" in result:
            if self.sink:
                self.sink.abort()
        else:
            self.desk.put("archive", plain({"name": self.about["name"], "data": result["data"]}))
        self.desk.put("result", plain(result))


WORDS = {"ok": u"ok", "missing": u"não existe mais", "archived": u"arquivada (fria)",
         "changed": u"mudou durante a coleta", "unreadable": u"ilegível"}


def stopped(*_signal):
    raise Stopped()


def give_memory_back():
    """Let glibc return each big block when it is freed; otherwise it keeps a quarter more than is in use."""
    import ctypes

    try:
        ctypes.CDLL(None).mallopt(-3, 1 << 16)  # M_MMAP_THRESHOLD
    except (AttributeError, OSError):  # another libc
        pass


def be_nice():
    """Calls are more important than their recordings."""
    os.nice(10)
    try:
        with io.open(os.devnull, "r+b") as nothing:
            subprocess.call(["ionice", "-c3", "-p", str(os.getpid())], stdin=nothing, stdout=nothing, stderr=nothing)
    except OSError:
        pass


class Head(object):
    """Looks at the first bytes of a content, and hands all of it on as long as it comes. Raises Gone."""

    def __init__(self, content):
        if isinstance(content, Gone):
            raise content
        self.broken = None  # why it ended too early
        if isinstance(content, bytes):
            self.head, self.content = content[:256], content
        else:
            first = next(content, b"")
            self.head = first[:256]
            self.content = self.again(first, content)

    def again(self, first, rest):
        try:
            yield first
            for piece in rest:
                yield piece
        except Gone as gone:
            self.broken = gone.why


def detach(work):
    """Run this in a process of its own session, which no lost connection ends."""
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        work()
    finally:
        os._exit(0)


# ------------------------------------------------------------------------------------------- the bucket


class Shelf(object):
    """The bucket of the archives, on the controller."""

    RULE = "athome-audios"

    def __init__(self, given, name):
        self.given, self.bucket = given, given["bucket"]
        self.prefix = given.get("prefix") or ""
        self.key = self.prefix + name
        self.name = name
        self.client = s3_client(given, "publish_failed")

    def call(self, operation, **arguments):
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self.client, operation)(Bucket=self.bucket, **arguments)
        except (BotoCoreError, ClientError) as error:
            raise Stop("publish_failed", "the bucket of the archives: %s" % brief(error), error=brief(error))

    def head(self):
        """-> what is there under this name, None when nothing is"""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self.client.head_object(Bucket=self.bucket, Key=self.key)
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                return None
            raise Stop("publish_failed", "the bucket of the archives: %s" % brief(error), error=brief(error))

    def begin(self, size, seconds):
        """Start an upload, and sign the addresses of its parts; -> (upload id, [address])"""
        self.abort_old()
        upload = self.call("create_multipart_upload", Key=self.key, ContentType="application/zip",
                           ContentDisposition='attachment; filename="%s"' % self.name)["UploadId"]
        addresses = [
            self.client.generate_presigned_url("upload_part", ExpiresIn=seconds, Params={
                "Bucket": self.bucket, "Key": self.key, "UploadId": upload, "PartNumber": number})
            for number in range(1, size // part_bytes(size) + 2)
        ]
        return upload, addresses

    def abort_old(self):
        """What an earlier run of the same archive left half-way."""
        for upload in self.call("list_multipart_uploads", Prefix=self.key).get("Uploads", []):
            if upload["Key"] == self.key:
                self.abort(upload["UploadId"])

    def abort(self, upload):
        self.call("abort_multipart_upload", Key=self.key, UploadId=upload)

    def complete(self, upload, parts):
        self.call("complete_multipart_upload", Key=self.key, UploadId=upload, MultipartUpload={
            "Parts": [{"PartNumber": part["number"], "ETag": part["etag"]} for part in parts]})

    def link(self, seconds):
        return self.client.generate_presigned_url("get_object", ExpiresIn=seconds, Params={
            "Bucket": self.bucket, "Key": self.key,
            "ResponseContentDisposition": 'attachment; filename="%s"' % self.name})

    def try_out(self, content):
        """Put something small, fetch it by its link as a customer would, and take it away again."""
        from urllib.request import urlopen

        self.call("put_object", Key=self.key, Body=content)
        try:
            trusted = ssl.create_default_context(cafile=self.given.get("ca_file") or None)
            with urlopen(self.link(60), timeout=10, context=trusted) as answer:
                if answer.read(len(content) + 1) != content:
                    raise Stop("publish_failed", "the link gives something else", error="the link gives something else")
        except (HTTPException, EnvironmentError) as error:
            raise Stop("publish_failed", "the link: %s" % brief(error), error="the link: %s" % brief(error))
        finally:
            self.call("delete_object", Key=self.key)

    def keep_rule(self, days):
        """The bucket's own rule removes old archives; other people's rules stay."""
        from botocore.exceptions import BotoCoreError, ClientError

        name = "-".join([self.RULE] + [part for part in self.prefix.split("/") if part])
        rule = {"ID": name, "Status": "Enabled", "Filter": {"Prefix": self.prefix + "audios_"},
                "Expiration": {"Days": days}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
        try:
            rules = self.client.get_bucket_lifecycle_configuration(Bucket=self.bucket).get("Rules", [])
        except (BotoCoreError, ClientError) as error:
            if "NoSuchLifecycleConfiguration" not in str(error):
                raise Stop("publish_failed", brief(error), error=brief(error))
            rules = []
        mine = [one for one in rules if one.get("ID") == name]
        if [one.get("Expiration", {}).get("Days") for one in mine] != [days]:
            others = [one for one in rules if one.get("ID") != name]
            self.call("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": others + [rule]})

    def sweep(self, days, now):
        """For stores that do not follow such rules: remove what is older ourselves."""
        found = self.call("list_objects_v2", Prefix=self.prefix + "audios_").get("Contents", [])
        for entry in found:
            if now - entry["LastModified"].timestamp() > days * DAY:
                self.call("delete_object", Key=entry["Key"])


# ----------------------------------------------------------------------------------------------- states

LIMITS = {"files": 5000, "bytes": 10 << 30, "days": 31}
UPLOAD_SECONDS = DAY  # how long a collector may take to send its parts
MOST_LINK = 7 * DAY  # of S3 itself


class Work(object):
    """One request: these extensions of this server in this window."""

    def __init__(self, args):
        self.args = args
        self.check = bool(args.get("_ansible_check_mode"))
        self.changed = False
        self.data, self.notices, self.more = {}, [], {}
        self.now = int(args.get("now") or time.time())

    def note(self, code, **data):
        self.notices.append({"code": "audio." + code, "data": data})

    def do(self):
        """-> (outcome, code, msg); an outcome of None is a step on the way, which says nothing for itself"""
        args = self.args
        given = args["extensions"]
        given = re.split(r"[,; ]+", given.strip()) if isinstance(given, (TEXT, str)) else given or []
        self.extensions = sorted(set(to_text(extension) for extension in given))
        self.limits = dict(LIMITS, **(args["limits"] or {}))
        self.publish = args["publish"] or {}
        self.keep = int(self.publish.get("keep_days") or 7)
        self.link_seconds = min(int(self.publish.get("link_hours") or 72) * HOUR, MOST_LINK)
        self.data.update(extensions=self.extensions, server=args["server"], start=args["start"], end=args["end"])
        return getattr(self, args["state"])()

    # before anybody asks for recordings

    def readable(self):
        """The place of the recordings can be read: no further than one name is looked at. On the collector."""
        root = to_text((self.args["layout"] or {}).get("root") or LAYOUT["root"])
        self.data["root"] = root
        if root.startswith("s3://"):
            bucket = Bucket(root, dict(self.args["source"] or {}, attempts=1))
            some = any(page.get("Contents") for page in bucket.pages(u"", PaginationConfig={"MaxItems": 1}))
        else:
            folder = Local(root)
            some = bool(folder.names(folder.root))
            about = os.statvfs(folder.root)
            self.data.update(free=about.f_bavail * about.f_frsize, size=about.f_blocks * about.f_frsize)
        self.data["empty"] = not some
        return "ok", "readable", "%s can be read" % root

    def publishable(self):
        """An archive could be put where it belongs, and its link would work: tried out, and nothing stays."""
        self.filled_in()
        if self.publish["type"] == "s3":
            shelf = Shelf(dict(self.publish, attempts=1), "athome-doctor-" + to_text(binascii.hexlify(os.urandom(8))))
            self.data["where"] = "s3://%s/%s" % (shelf.bucket, shelf.prefix)
            shelf.call("list_objects_v2", Prefix=shelf.prefix, MaxKeys=1)
            shelf.abort_old()
            if not self.check:
                shelf.try_out(b"athome doctor")
        else:
            folder = self.publish["folder"]
            self.data["where"] = folder
            if not os.path.isdir(to_bytes(folder)) or not os.access(to_bytes(folder), os.W_OK | os.X_OK):
                raise Stop("publish_failed", "%s is no folder to write into" % folder,
                           error="%s: no folder to write into" % folder)
            about = os.statvfs(to_bytes(folder))
            reserve = self.publish.get("reserve")
            free, needed = about.f_bavail * about.f_frsize, RESERVE if reserve is None else int(reserve)
            if free < needed:
                raise Stop("no_space", "%d bytes are free in %s" % (free, folder), needed=needed, free=free)
        return "ok", "publishable", "archives can be put into %s" % self.data["where"]

    def filled_in(self):
        missing = [] if self.args["audios_from"] else ["audios_from"]
        kind = self.publish.get("type")
        for name in {"s3": ["bucket"], "file": ["folder", "url"]}.get(kind, ["type"]):
            if name == "type" or not self.publish.get(name):
                missing.append("audio_collection_publish." + name)
        if missing:
            raise Stop("no_source", "fill in for %s in the inventory: %s" % (self.args["server"], ", ".join(missing)),
                       missing=missing)

    # on the controller, first

    def window(self):
        self.filled_in()
        bad = [extension for extension in self.extensions if not re.match(r"[0-9]{1,10}\Z", extension)]
        if bad or not self.extensions:
            raise Stop("error", "extensions: write them as 1121,1122", error="extensions: %s" % ", ".join(bad)[:60])
        zone = (self.args["layout"] or {}).get("timezone") or LAYOUT["timezone"]
        span = window(self.args["start"], self.args["end"], zone, int(self.limits["days"]), self.now)
        self.more["window"] = span
        return None, "window", "from %s to %s" % (span["start"], span["end"])

    # on the collector

    def look(self):
        self.span = self.args["window"]
        self.data.update(start=self.span["start"], end=self.span["end"])
        self.layout = Layout(self.args["layout"], self.extensions, self.span)

    def key(self):
        words = [self.args["server"], self.extensions, self.span["start"], self.span["end"],
                 sorted(self.layout.given.items(), key=str)]
        return hashlib.sha256(json.dumps(words, sort_keys=True).encode("utf-8")).hexdigest()[:24]

    def planned(self):
        self.look()
        source = source_of(self.layout, self.args["source"])
        plan = look_through(self.layout, source, self.layout.from_wall, self.layout.to_wall, self.now)
        self.data.update(source="s3" if source.name == "s3" else self.args["audios_from"], unparsed=plan.unparsed,
                         short=plan.short, scanned=plan.scanned, folders_missing=len(plan.no_folder))
        for name in ("unparsed", "clock", "recording_now"):
            if getattr(plan, name):
                self.note(name, count=getattr(plan, name))
        if not plan.recordings and not plan.gone:
            self.data["nearest"] = nearest(self.layout, source, self.layout.from_wall, self.layout.to_wall, self.now)
            self.note("queues")
            return "ok", "nothing_found", "nothing found from %s to %s" % (self.span["start"], self.span["end"])
        if not plan.recordings:
            raise Stop("all_missing", "none of the %d recordings can be had" % len(plan.gone),
                       missing_count=len(plan.gone), missing=plan.gone[:50])
        too_much(plan, self.limits, self.span)
        self.data.update(files=len(plan.recordings), bytes=plan.bytes,
                         per_extension=per_extension(plan.recordings, {}, self.extensions),
                         missing=plan.gone[:50], missing_count=len(plan.gone))
        if plan.gone:
            self.note("missing", count=len(plan.gone))
        said = "%d recordings, %d bytes" % (len(plan.recordings), plan.bytes)
        if self.check:
            self.changed = True
            return "changed", "would_collect", said
        desk = Desk(self.args["state_dir"], self.key())
        desk.make()
        desk.put("plan", {"digest": plan.digest(), "gone": plan.gone, "recordings": [list(one) for one in plan.recordings]})
        forget(self.args["state_dir"], self.keep)
        self.more.update(
            plan={"key": self.key(), "digest": plan.digest(), "most": most_bytes(plan)}, found=self.data,
            found_notices=self.notices,
            progress={"files": 0, "of": len(plan.recordings), "bytes": 0, "of_bytes": plan.bytes})
        return None, "planned", said

    # on the controller

    def archive_name(self):
        """A name that nobody can guess, and that is the same as long as the recordings are."""
        plan = self.args["plan"]
        folder = to_bytes(self.args["state_dir"])
        if not os.path.isdir(folder):
            os.makedirs(folder, 0o700)
        path = os.path.join(folder, b"secret")
        if not os.path.exists(path):
            own = path + b".%d" % os.getpid()
            with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(os.urandom(32))
            try:
                os.link(own, path)
            except OSError:  # another run was faster
                pass
            os.unlink(own)
        with io.open(path, "rb") as file:
            token = hmac.new(file.read(), to_bytes(plan["key"] + plan["digest"]), hashlib.sha256).hexdigest()[:32]
        times = [re.sub(r"\D", "", self.args["window"][name]) for name in ("start", "end")]
        return "audios_%s_%s_%s_%s.zip" % (re.sub(r"[^\w-]", "_", self.args["server"]), times[0], times[1], token)

    def left(self, there):
        """Seconds until the rule removes an archive that is in the bucket."""
        return int(there["LastModified"].timestamp()) + self.keep * DAY - self.now

    def opened(self):
        plan, name = self.args["plan"], self.archive_name()
        opening = {"name": name, "reused": False, "upload": None, "addresses_file": None, "attempt": name}
        if self.publish["type"] == "s3":
            shelf = Shelf(self.publish, name)
            forget(self.args["state_dir"], self.keep)
            there = shelf.head()
            # One that is about to be removed is built again: the link to it would end with it.
            if there and self.left(there) >= min(self.link_seconds, DAY):
                opening["reused"] = True
            else:
                opening["upload"], addresses = shelf.begin(plan["most"], UPLOAD_SECONDS)
                opening["attempt"] = hashlib.sha256(to_bytes(opening["upload"])).hexdigest()[:32]
                # Whoever has these may write: they go by a file and not through results, which are kept and shown.
                path = os.path.join(to_bytes(self.args["state_dir"]),
                                    to_bytes("%s.%s.addresses" % (plan["key"], opening["attempt"])))
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                    file.write(json.dumps(addresses).encode("utf-8"))
                opening["addresses_file"] = to_text(path)
        else:
            opening["attempt"] = "%s %d" % (name, int(time.time() * 1000))
        self.more["opening"] = opening
        return None, "opened", "the same archive is there already" if opening["reused"] else "ready to build"

    # on the collector

    def started(self):
        opening = self.args["opening"]
        self.look()
        desk = Desk(self.args["state_dir"], self.args["plan"]["key"])
        kept = desk.get("plan")
        if kept is None or kept["digest"] != self.args["plan"]["digest"]:
            raise Stop("busy", "the same request was made again meanwhile", error="plan")
        plan = Plan()
        plan.recordings, plan.gone = [Recording(*row) for row in kept["recordings"]], kept["gone"]
        held, ended, since = desk.lock(), False, time.time()
        while held is None:
            waited = time.time() - since
            if waited > 20:
                raise Stop("busy", "another run builds the same archive and does not end", error="lock")
            running = desk.get("progress")
            # Whoever only looks has the lock for a moment; for longer it is an earlier builder: the newer run counts.
            if waited > 1 and running and not ended:
                ended = True
                try:
                    os.kill(running["pid"], signal.SIGTERM)
                except OSError:
                    pass
            time.sleep(0.1)
            held = desk.lock()
        with io.open(desk.path("asked"), "ab"):
            os.utime(desk.path("asked"), None)
        for name in ("result", "progress"):
            if os.path.exists(desk.path(name)):
                os.unlink(desk.path(name))
        if self.publish["type"] == "s3":
            addresses = self.args["addresses"]
            addresses = addresses if isinstance(addresses, list) else json.loads(addresses)
            open_sink = lambda: Parts(addresses, self.publish.get("ca_file"), part_bytes(most_bytes(plan)))
        else:
            folder = to_bytes(self.publish["folder"])
            sweep(folder, self.keep, self.now)
            path = os.path.join(folder, to_bytes(opening["name"]))
            if os.path.exists(path):
                os.utime(path, None)  # its days count from now on
                self.more["reused"] = True
                return None, "started", "the same archive is there already"
            reserve = self.publish.get("reserve")
            reserve = RESERVE if reserve is None else int(reserve)
            open_sink = lambda: Disk(self.publish["folder"], opening["name"], most_bytes(plan), reserve)
        about = {"attempt": opening["attempt"], "name": opening["name"], "extensions": self.extensions,
                 "until": time.time() + self.args["patience"]}
        # The store's threads do not survive a fork: the builder makes its own.
        open_source = lambda: source_of(self.layout, self.args["source"])
        detach(Builder(desk, plan, about, open_source, open_sink).work)
        held.close()
        self.more["reused"] = False
        return None, "started", "the archive is being built"

    def built(self):
        """Wait a while for the end; until then only the progress."""
        desk = Desk(self.args["state_dir"], self.args["plan"]["key"])
        attempt, ends = self.args["opening"]["attempt"], time.time() + self.args["wait"]
        if self.args["opening"]["reused"] or self.args["reused"]:  # what is known of it from when it was built
            kept = desk.get("archive") or {}
            same = kept.get("name") == self.args["opening"]["name"]
            self.more.update(finished=True, archive=kept["data"] if same else {})
            return None, "built", "built before"
        while True:
            os.utime(desk.path("asked"), None)
            result = desk.get("result")
            if result and result["attempt"] == attempt:
                break
            progress = desk.get("progress") or {}
            if progress.get("attempt", attempt) != attempt:
                raise Stop("busy", "the same request was made again meanwhile: its answer has the link", error="newer")
            held = desk.lock()
            if held is not None:
                result = desk.get("result")
                if result and result["attempt"] == attempt:
                    break
                if self.publish["type"] == "file":
                    part = Disk.unfinished(self.publish["folder"], self.args["opening"]["name"])
                    if os.path.exists(part):
                        os.unlink(part)
                raise Stop("stopped", "the process that built the archive was ended; nothing was published")
            if time.time() >= ends:
                self.more.update(finished=False, progress=dict(
                    (name, progress.get(name, 0)) for name in ("files", "of", "bytes", "of_bytes")))
                return None, "building", "building"
            time.sleep(0.05)
        if result.get("code"):
            raise Stop(result["code"][len("audio."):], result["msg"], **result["data"])
        self.more.update(finished=True, archive=result["data"])
        return None, "built", "built"

    # on the controller, last

    def closed(self):
        opening, archive = self.args["opening"], self.args["archive"] or {}
        self.data.update(self.args["found"] or {})
        self.notices.extend(self.args["found_notices"] or [])
        self.data.update((name, value) for name, value in archive.items() if name != "parts")
        self.data["name"] = opening["name"]
        if self.publish["type"] == "s3":
            shelf = Shelf(self.publish, opening["name"])
            if not opening["reused"]:
                shelf.complete(opening["upload"], archive["parts"])
                os.unlink(opening["addresses_file"])
            there = shelf.head()
            if there is None or (archive.get("size") and there["ContentLength"] != archive["size"]):
                raise Stop("publish_failed", "the archive is not in the bucket as it was built", error="size")
            self.data["size"] = there["ContentLength"]
            # Not beyond the day on which the archive itself is removed.
            seconds = max(60, min(self.link_seconds, self.left(there)))
            self.data.update(link=shelf.link(seconds), expires=self.now + seconds)
            try:
                shelf.keep_rule(self.keep)
                shelf.sweep(self.keep, self.now)
            except Stop as stop:
                self.note("not_expiring", error=stop.data.get("error", ""))
        else:
            link = self.publish["url"].rstrip("/") + "/" + quote(to_native(opening["name"]))
            self.data.update(link=link, expires=self.now + self.keep * DAY)
        reused = opening["reused"] or self.args["reused"]
        self.changed = not reused
        if self.data.get("missing_count"):
            self.notices = [notice for notice in self.notices if notice["code"] != "audio.missing"]
            self.note("missing", count=self.data["missing_count"])
        code = "reused" if reused else "collected"
        return "ok" if reused else "changed", code, "%d recordings, %d bytes: %s" % (
            self.data.get("files", 0), self.data.get("bytes", 0), self.data["link"])

    def aborted(self):
        """Nothing of an upload that did not come to its end stays behind."""
        opening = self.args["opening"]
        if opening.get("upload"):
            Shelf(self.publish, opening["name"]).abort(opening["upload"])
        if opening.get("addresses_file") and os.path.exists(opening["addresses_file"]):
            os.unlink(opening["addresses_file"])
        return None, "aborted", "nothing is left of it"


# ------------------------------------------------------------------------------------ arguments, result

DEFAULTS = {
    "state": "", "server": "", "audios_from": "", "extensions": [], "start": "", "end": "", "layout": {},
    "source": {}, "publish": {}, "limits": {}, "state_dir": "/var/lib/athome-audio", "window": {}, "plan": {},
    "found": {}, "found_notices": [], "opening": {}, "addresses": "", "archive": {}, "reused": False, "wait": 2, "patience": 6600, "now": 0,
}
STATES = ("readable", "publishable", "window", "planned", "opened", "started", "built", "closed", "aborted")


def complete(given):
    """The arguments with defaults. Raises Stop for unknown ones."""
    args = dict(DEFAULTS)
    for name, value in given.items():
        if name not in DEFAULTS and not name.startswith("_ansible_"):
            raise Stop("error", "unknown argument %s" % name, error="unknown argument %s" % name)
        if value is not None:
            args[name] = int(value) if type(DEFAULTS.get(name)) is int else value
    if args["state"] not in STATES:
        raise Stop("error", "state: %r is none of %s" % (args["state"], ", ".join(STATES)), error="state")
    return args


def stop_of(error):
    """An error that nobody foresaw, or a full disk, as a result."""
    if getattr(error, "errno", None) in FULL:
        return Stop("no_space", "a disk is full: %s" % where(error), needed=RESERVE, free=0)
    return Stop("error", where(error), error=where(error))


def where(error):
    line = sys.exc_info()[2]
    while line.tb_next:
        line = line.tb_next
    return "%s: %s (in %s:%d)" % (type(error).__name__, brief(error), line.tb_frame.f_code.co_name, line.tb_lineno)


def work(given):
    """Arguments -> the result, whatever happens. A step on the way has no `outcome`: it is not the host's result."""
    job = Work({"now": 0})
    try:
        job = Work(complete(given))
        outcome, code, msg = job.do()
        code = "audio." + code
    except Exception as error:  # an operator gets one line that says where, never a traceback
        stop = error if isinstance(error, Stop) else stop_of(error)
        outcome, code, msg = "failed", stop.code, stop.msg
        job.data.update(stop.data)
    result = dict(job.more, changed=job.changed and outcome == "changed", failed=outcome == "failed", msg=to_text(msg))
    if outcome:
        result.update(outcome=outcome, code=code, data=job.data, notices=job.notices)
    return plain(result)


def plain(value):
    """The same with text only, so that json takes whatever bytes a file's name had."""
    if isinstance(value, dict):
        return dict((to_text(key), plain(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return to_text(value) if isinstance(value, (bytes, TEXT)) else value


def main():
    # The r is vital: the controller puts JSON here, whose backslashes are JSON's own.
    given = json.loads(r"""<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>""")
    result = work(given)
    print(json.dumps(result, sort_keys=True))
    sys.exit(1 if result["failed"] else 0)


if __name__ == "__main__":
    main()
