#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Collect the recordings of some extensions in a window of time: one ZIP, one link.

A single file that imports nothing from Ansible, so that the old file server's Python 2.7 runs it as well as the
controller's; obstore and boto3 are imported only where objects or buckets are touched, on the controller.
Documentation: audio_collection.yml beside this file. It reads in the order in which the work flows: window,
layout, sources, plan, ZIP, sinks, the builder, the bucket, states, result.
"""
from __future__ import absolute_import, division, print_function

import calendar
import collections
import datetime
import errno
import fcntl
import hashlib
import hmac
import io
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
HOUR, DAY = 3600, 86400


def window(start, end, zone, most_days, now):
    """Local minutes -> {start, end, from, to, offsets}; epoch seconds, `to` not included. Controller only.

    `offsets`: [[epoch, seconds east of UTC from then on]], so that a server with old time zone data needs none.
    """
    from zoneinfo import ZoneInfo

    zone, moments = ZoneInfo(to_native(zone)), []
    for field, text, fold in (("start", start, 0), ("end", end, 1)):  # an hour that occurs twice is in it twice
        try:
            local = datetime.datetime.strptime(to_native(text).strip(), MINUTE)
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
    for moment in range(begins - 8 * DAY, ends + 8 * DAY, HOUR):
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
            self.pattern = re.compile(to_bytes(self.given["pattern"]) + br"\Z")
        except re.error as error:
            raise Stop("no_source", "audio_collection_layout.pattern: %s" % error,
                       missing=["audio_collection_layout.pattern"])
        self.wanted = dict((to_bytes(extension), extension) for extension in extensions)

    def folders(self, source, first, last):
        """The partitions that the days from first to last (wall seconds) can lie in, without the rest of the tree."""
        slack = int(self.given["slack_days"]) * DAY
        seen = set()
        for day in range((first - slack) // DAY, (last + slack) // DAY + 1):
            date = time.gmtime(day * DAY)
            hours = ["%02d" % hour for hour in range(24)] if "{H}" in self.prefix else [""]
            if not slack and hours[0]:
                hours = [hour for hour in hours if first // HOUR <= day * 24 + int(hour) <= last // HOUR]
            for hour in hours:
                for extension in self.extensions if "{ext}" in self.prefix else [""]:
                    values = {"Y": "%04d" % date.tm_year, "m": "%02d" % date.tm_mon, "d": "%02d" % date.tm_mday,
                              "H": hour, "ext": extension}
                    text = re.sub(r"\{(Y|m|d|H|ext)\}", lambda found: values[found.group(1)], self.prefix)
                    if text not in seen:
                        seen.add(text)
                        for folder in self.existing(source, text):
                            yield folder

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
    """One recording cannot be had. `why`: missing, archived, unreadable."""

    def __init__(self, why):
        Exception.__init__(self, why)
        self.why = why


PIECE = 1 << 20
SMALL = 4 << 20  # bytes up to which a recording is held in memory as a whole


class Local(object):
    """Recordings in a folder of this machine."""

    name = "local"

    def __init__(self, root):
        self.root = to_bytes(root.rstrip("/") or "/")
        if not os.path.isdir(self.root):
            raise Stop("source_refused", "%s is no folder here" % root, error="%s: no such folder" % root)

    def path(self, text):
        return os.path.join(self.root, to_bytes(text))

    def children(self, base):
        try:
            return sorted(to_text(name) for name in os.listdir(self.path(base)))
        except OSError:
            return []

    def files(self, prefix):
        """-> [(path, name in bytes, function that gives size, mtime, tag)]; None: there is no such folder"""
        folder, start = os.path.split(self.path(prefix))
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise Stop("source_refused", "%s: %s" % (to_text(folder), error.strerror),
                       error="%s: %s" % (to_text(folder), error.strerror))
        return [(os.path.join(folder, name), name, self.look) for name in names if name.startswith(start)]

    def look(self, path):
        """Raises Gone."""
        try:
            about = os.stat(path)
        except OSError:
            raise Gone("unreadable")
        if not stat.S_ISREG(about.st_mode):
            raise Gone("unreadable")
        return about.st_size, int(about.st_mtime), "%d" % int(about.st_mtime)

    def fetch(self, recordings):
        """-> (Recording, bytes, or an iterator over pieces, or Gone) in order"""
        for recording in recordings:
            try:
                file = io.open(to_disk(recording.path), "rb")
            except (IOError, OSError) as error:
                yield recording, Gone("missing" if error.errno == errno.ENOENT else "unreadable")
                continue
            with file:
                try:
                    yield recording, file.read() if recording.size <= SMALL else iter(lambda: file.read(PIECE), b"")
                except (IOError, OSError):
                    yield recording, Gone("unreadable")


def to_disk(path):
    """The path of a plan as the disk has it: names that are no UTF-8 were written as Latin-1."""
    if os.path.exists(path.encode("utf-8")):
        return path.encode("utf-8")
    try:
        return path.encode("latin-1")
    except UnicodeEncodeError:
        return path.encode("utf-8")


class Bucket(object):
    """Recordings in an S3 bucket: listed with boto3, fetched with obstore, which costs a fraction of it.

    obstore refuses a whole listing for one key that it finds odd, and does not say which objects are archived.
    """

    name = "s3"
    PARALLEL, HELD = 16, 16 << 20  # fetches at a time, bytes in flight
    PLAIN = re.compile(r"[A-Za-z0-9_.=/-]+\Z")  # keys that obstore asks for exactly as they are
    ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")

    def __init__(self, root, access):
        self.bucket, _slash, self.root = root[len("s3://"):].partition("/")
        self.access, self.client = access, s3_client(access, "source_refused")

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
        return sorted(found["Prefix"].rstrip("/").rpartition("/")[2] for page in self.pages(base, Delimiter="/")
                      for found in page.get("CommonPrefixes", []))

    def files(self, prefix):
        rows = []
        for page in self.pages(prefix):
            for found in page.get("Contents", []):
                key = found["Key"]
                if "/" not in key[len(self.root + prefix):]:
                    rows.append((key, to_bytes(key.rpartition("/")[2]), lambda key, found=found: self.look(key, found)))
        return rows or None

    def look(self, key, found):
        if found.get("StorageClass") in self.ARCHIVED:
            raise Gone("archived")
        return found["Size"], int(found["LastModified"].timestamp()), found["ETag"]

    def fetch(self, recordings):
        from concurrent.futures import ThreadPoolExecutor

        from obstore.store import S3Store

        options = {"region": self.client.meta.region_name}
        if self.access.get("endpoint"):
            options.update(endpoint=self.access["endpoint"], virtual_hosted_style_request=False)
        self.store = S3Store(
            self.bucket, credential_provider=credentials(self.access),
            client_options={"allow_http": True, "timeout": "60s"},
            retry_config={"max_retries": 3, "retry_timeout": datetime.timedelta(seconds=60)}, **options)
        with ThreadPoolExecutor(self.PARALLEL) as pool:
            waiting, held, rest = collections.deque(), 0, iter(recordings)
            upcoming = next(rest, None)
            while waiting or upcoming is not None:
                while upcoming is not None and (not waiting or (
                        len(waiting) < self.PARALLEL and held + min(upcoming.size, SMALL) <= self.HELD)):
                    waiting.append((upcoming, pool.submit(self.get, upcoming)))
                    held += min(upcoming.size, SMALL)
                    upcoming = next(rest, None)
                recording, future = waiting.popleft()
                held -= min(recording.size, SMALL)
                yield recording, future.result()

    def get(self, recording):
        """-> bytes, an iterator over pieces, or Gone"""
        from botocore.exceptions import BotoCoreError, ClientError
        from obstore.exceptions import BaseError, NotFoundError

        for tries_left in (2, 1, 0):
            try:
                return self.get_once(recording)
            except (NotFoundError, FileNotFoundError):
                return Gone("missing")
            except (BaseError, BotoCoreError, ClientError, OSError) as error:
                if "InvalidObjectState" in str(error):
                    return Gone("archived")
                if "NoSuchKey" in str(error):
                    return Gone("missing")
                if not tries_left:
                    return Gone("unreadable")
            time.sleep(0.2)

    def get_once(self, recording):
        import obstore

        if not self.PLAIN.match(recording.path):
            body = self.client.get_object(Bucket=self.bucket, Key=recording.path)["Body"]
            return body.iter_chunks(PIECE) if recording.size > SMALL else body.read()
        answer = obstore.get(self.store, recording.path)
        if recording.size > SMALL:
            return (bytes(piece) for piece in answer.stream(PIECE))
        return answer.bytes().to_bytes()


def brief(error):
    """The first line of a library's complaint, without what may be a signed address."""
    return re.sub(r"\?\S+", u"?…", to_text(error).splitlines()[0] if to_text(error) else type(error).__name__)[:200]


def session(access):
    """The usual AWS chain: environment, shared files, instance role; a file and a profile may be named."""
    import boto3

    if access.get("credentials_file"):
        os.environ["AWS_SHARED_CREDENTIALS_FILE"] = access["credentials_file"]
    return boto3.Session(profile_name=access.get("profile") or None, region_name=access.get("region") or "us-east-1")


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

    config = Config(signature_version="s3v4", retries={"max_attempts": 4}, connect_timeout=10, read_timeout=60,
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
    # With mtime nothing but the file itself says when it was.
    for folder in layout.folders(source, first, last):
        files = source.files(folder)
        if files is None:
            plan.no_folder.append(folder)
            continue
        for path, name, look in files:
            plan.scanned += 1
            said = layout.read(name)
            if said is None:
                plan.unparsed += 1
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
            elif now - modified < RECORDING:
                plan.recording_now += 1
            else:
                plan.recordings.append(Recording(to_text(path), to_text(name), size, moment, extensions, tag))
    plan.recordings.sort(key=lambda one: (one.at, one.name, one.path))
    return plan


def nearest(layout, source, first, last, now):
    """When nothing was found: the last recording before and the first one after, up to a week away."""
    found = {"before": None, "after": None}
    for step in range(1, 8):
        if not found["before"]:
            near = look_through(layout, source, first - step * DAY, first - 1, now).recordings
            found["before"] = clock(near[-1].at)[:16] if near else None
        if not found["after"] and last + 1 < local_seconds(now, layout.span["offsets"]):
            near = look_through(layout, source, last + 1, last + step * DAY, now).recordings
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
        if text and text[0] in u"=+-@\t\r":  # a spreadsheet would take it for a formula
            text = u"'" + text
        return u'"%s"' % text.replace(u'"', u'""') if re.search(u'[;"\r\n]', text) else text

    lines = [u";".join(cell(value) for value in row) for row in [COLUMNS] + rows]
    return (u"\ufeff" + u"\r\n".join(lines) + u"\r\n").encode("utf-8")


# ------------------------------------------------------------------------------------------------ sinks

PART = 8 << 20  # bytes of a part of an upload; S3 wants 5 MiB at least, and 10,000 parts at most
RESERVE = 1 << 30  # bytes that stay free on a disk


def most_bytes(plan):
    """What the ZIP can have at the most: recordings, headers twice, the manifest."""
    names = sum(2 * len(to_bytes(one.name)) + 2 * len(to_bytes(one.path)) for one in plan.recordings)
    return plan.bytes + names + 400 * (len(plan.recordings) + len(plan.gone)) + 4096


class Parts(object):
    """Sends what is written as the parts of an upload, through addresses that were signed on the controller."""

    SENDERS = 2

    def __init__(self, addresses, ca_file):
        self.addresses, self.ca_file = addresses, ca_file
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
        while len(self.buffer) >= PART:
            self.hand_over(bytes(self.buffer[:PART]))
            del self.buffer[:PART]

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
        for _sender in self.threads:
            self.queue.put(None)
        for thread in self.threads:
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

    def __init__(self, folder, name, needed):
        self.path = os.path.join(to_bytes(folder), to_bytes(name))
        self.part = os.path.join(to_bytes(folder), b"." + to_bytes(name) + b".part")
        if os.path.lexists(self.part):
            os.unlink(self.part)
        free = os.statvfs(to_bytes(folder))
        free = free.f_bavail * free.f_frsize
        if free < needed + RESERVE:
            raise Stop("no_space", "%d bytes are free in %s, and %d are needed" % (free, folder, needed + RESERVE),
                       needed=needed + RESERVE, free=free)
        self.file = os.fdopen(os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb")
        os.fchmod(self.file.fileno(), 0o644)

    def write(self, data):
        try:
            self.file.write(data)
        except (IOError, OSError) as error:
            raise self.full(error)

    def full(self, error):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return Stop("no_space", "the disk of the archives is full", needed=None, free=0)
        return error

    def finish(self):
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
        except (IOError, OSError) as error:
            raise self.full(error)
        os.rename(self.part, self.path)
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
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        age = now - os.lstat(path).st_mtime
        part = re.match(br"\.audios_.*\.part\Z", name)
        if (part and age > DAY) or (re.match(br"audios_.*\.zip\Z", name) and age > keep_days * DAY):
            os.unlink(path)


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
        with io.open(temporary, "wb") as file:
            file.write(json.dumps(value).encode("utf-8"))
        os.rename(temporary, self.path(name))

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


PATIENCE = 90  # seconds after which a builder that nobody asks for its progress ends itself


class Builder(object):
    """Builds one archive, in a process of its own that outlives the connection which started it."""

    def __init__(self, desk, plan, source, sink, about):
        self.desk, self.plan, self.source, self.sink, self.about = desk, plan, source, sink, about
        self.files = self.bytes = self.size = self.told = 0
        self.digest = hashlib.sha256()

    def tell(self, wait=1.0):
        """Write down how far it is; end when nobody has asked for it for long."""
        if time.time() - self.told < wait:
            return
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

    def build(self):
        """-> the result's data. Raises Stop, Stopped."""
        archive, rows, seconds, missing = Zip(self.write), [], {}, list(self.plan.gone)
        archive.free_name(u"_manifesto.csv")
        for recording, content in self.source.fetch(self.plan.recordings):
            self.tell()
            row = [u",".join(recording.extensions), clock(recording.at)]
            if isinstance(content, Gone):
                missing.append({"name": recording.name, "why": content.why})
                rows.append(row + [recording.name, "", "", "", WORDS[content.why], recording.path])
                continue
            head = Head(content)
            name = archive.free_name(recording.name)
            try:
                size, digest = archive.add(name, recording.at, head.content)
            except Gone as gone:  # a big one that broke off in the middle: what came of it is in, and said
                raise Stop("source_refused", "%s broke off: %s" % (recording.name, gone.why), error=gone.why)
            long = duration(recording.name, head.head, size)
            seconds[recording.path] = long
            state = "ok"
            if size != recording.size:
                state = "changed"
                missing.append({"name": recording.name, "why": "changed"})
            rows.append(row + [name, size, "" if long is None else "%.1f" % long, digest, WORDS[state], recording.path])
            self.files, self.bytes = self.files + 1, self.bytes + size
        if not self.files:
            raise Stop("all_missing", "none of the %d recordings can be had" % len(missing),
                       missing_count=len(missing), missing=missing[:50])
        rows += [["", "", gone["name"], "", "", "", WORDS[gone["why"]], ""] for gone in self.plan.gone]
        archive.add(u"_manifesto.csv", self.plan.recordings[-1].at if self.plan.recordings else 0, manifest(rows))
        archive.close()
        self.tell(0)
        parts = self.sink.finish()
        return {"files": self.files, "bytes": self.bytes, "size": self.size, "sha256": self.digest.hexdigest(),
                "missing": missing[:50], "missing_count": len(missing), "parts": parts,
                "per_extension": per_extension(self.plan.recordings, seconds, self.about["extensions"])}

    def work(self):
        """Everything the detached process does: a result is written down in the end, whatever happens."""
        result = {"attempt": self.about["attempt"]}
        try:
            signal.signal(signal.SIGTERM, stopped)
            if self.source.name == "local":
                be_nice()
            self.tell(0)
            result["data"] = self.build()
        except Stop as stop:
            result.update(code=stop.code, msg=stop.msg, data=stop.data)
        except Stopped:
            result.update(code="audio.stopped", msg="stopped; nothing was published", data={})
        except Exception as error:
            result.update(code="audio.error", msg=where(error), data={"error": where(error)})
        if "code" in result:
            self.sink.abort()
        else:
            self.desk.put("archive", plain({"name": self.about["name"], "data": result["data"]}))
        self.desk.put("result", plain(result))


WORDS = {"ok": u"ok", "missing": u"não existe mais", "archived": u"arquivada (fria)",
         "changed": u"mudou durante a coleta", "unreadable": u"ilegível"}


def stopped(*_signal):
    raise Stopped()


def be_nice():
    """Calls are more important than their recordings."""
    os.nice(10)
    try:
        with io.open(os.devnull, "r+b") as nothing:
            subprocess.call(["ionice", "-c3", "-p", str(os.getpid())], stdin=nothing, stdout=nothing, stderr=nothing)
    except OSError:
        pass


class Head(object):
    """Looks at the first bytes of a content, and hands all of it on."""

    def __init__(self, content):
        if isinstance(content, bytes):
            self.head, self.content = content[:256], content
        else:
            first = next(content, b"")
            self.head = first[:256]
            self.content = self.again(first, content)

    @staticmethod
    def again(first, rest):
        yield first
        for piece in rest:
            yield piece


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
        from botocore.exceptions import ClientError

        try:
            return self.client.head_object(Bucket=self.bucket, Key=self.key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
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
            for number in range(1, size // PART + 2)
        ]
        return upload, addresses

    def abort_old(self):
        """What an earlier run of the same archive left half-way."""
        for upload in self.call("list_multipart_uploads", Prefix=self.key).get("Uploads", []):
            if upload["Key"] == self.key:
                self.call("abort_multipart_upload", Key=self.key, UploadId=upload["UploadId"])

    def complete(self, upload, parts):
        self.call("complete_multipart_upload", Key=self.key, UploadId=upload, MultipartUpload={
            "Parts": [{"PartNumber": part["number"], "ETag": part["etag"]} for part in parts]})

    def link(self, seconds):
        return self.client.generate_presigned_url("get_object", ExpiresIn=seconds, Params={
            "Bucket": self.bucket, "Key": self.key,
            "ResponseContentDisposition": 'attachment; filename="%s"' % self.name})

    def keep_rule(self, days):
        """The bucket's own rule removes old archives; other people's rules stay."""
        from botocore.exceptions import ClientError

        rule = {"ID": self.RULE, "Status": "Enabled", "Filter": {"Prefix": self.prefix + "audios_"},
                "Expiration": {"Days": days}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
        try:
            rules = self.client.get_bucket_lifecycle_configuration(Bucket=self.bucket).get("Rules", [])
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
                raise Stop("publish_failed", brief(error), error=brief(error))
            rules = []
        mine = [one for one in rules if one.get("ID") == self.RULE]
        if [one.get("Expiration", {}).get("Days") for one in mine] != [days]:
            others = [one for one in rules if one.get("ID") != self.RULE]
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
        self.data.update(extensions=self.extensions, server=args["server"], start=args["start"], end=args["end"])
        return getattr(self, args["state"])()

    # on the controller, first

    def window(self):
        missing = [] if self.args["audios_from"] else ["audios_from"]
        kind = self.publish.get("type")
        for name in {"s3": ["bucket"], "file": ["folder", "url"]}.get(kind, ["type"]):
            if name == "type" or not self.publish.get(name):
                missing.append("audio_collection_publish." + name)
        if missing:
            raise Stop("no_source", "fill in for %s in the inventory: %s" % (self.args["server"], ", ".join(missing)),
                       missing=missing)
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

    def opened(self):
        plan, name = self.args["plan"], self.archive_name()
        opening = {"name": name, "reused": False, "upload": None, "addresses_file": None, "attempt": name}
        if self.publish["type"] == "s3":
            shelf = Shelf(self.publish, name)
            if shelf.head():
                opening["reused"] = True
            else:
                opening["upload"], addresses = shelf.begin(plan["most"], UPLOAD_SECONDS)
                opening["attempt"] = hashlib.sha256(to_bytes(opening["upload"])).hexdigest()[:32]
                # Whoever has these may write: they go by a file and not through results, which are kept and shown.
                path = os.path.join(to_bytes(self.args["state_dir"]), to_bytes(plan["key"]) + b".addresses")
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
        held = desk.lock()
        running = desk.get("progress")
        if held is None and running:  # of an earlier run that nobody waits for: the newer one counts
            try:
                os.kill(running["pid"], signal.SIGTERM)
            except OSError:
                pass
        ends = time.time() + 20
        while held is None:
            if time.time() > ends:
                raise Stop("busy", "another run builds the same archive and does not end", error="lock")
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
            sink = lambda: Parts(addresses, self.publish.get("ca_file"))
        else:
            sweep(to_bytes(self.publish["folder"]), int(self.publish.get("keep_days") or 7), self.now)
            if os.path.exists(os.path.join(to_bytes(self.publish["folder"]), to_bytes(opening["name"]))):
                self.more["reused"] = True
                return None, "started", "the same archive is there already"
            needed = most_bytes(plan)
            sink = lambda: Disk(self.publish["folder"], opening["name"], needed)
        about = {"attempt": opening["attempt"], "name": opening["name"], "extensions": self.extensions}

        def build():
            try:
                target = sink()
            except Stop as stop:
                desk.put("result", plain({"attempt": about["attempt"], "code": stop.code, "msg": stop.msg,
                                          "data": stop.data}))
                return
            # The store's threads do not survive a fork: the builder makes its own.
            Builder(desk, plan, source_of(self.layout, self.args["source"]), target, about).work()

        detach(build)
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
            held = desk.lock()
            if held is not None:
                held.close()
                result = desk.get("result")
                if result and result["attempt"] == attempt:
                    break
                raise Stop("stopped", "the process that built the archive was ended; nothing was published")
            if time.time() >= ends:
                progress = desk.get("progress") or {}
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
        keep = int(self.publish.get("keep_days") or 7)
        if self.publish["type"] == "s3":
            shelf = Shelf(self.publish, opening["name"])
            if not opening["reused"]:
                shelf.complete(opening["upload"], archive["parts"])
                os.unlink(opening["addresses_file"])
            there = shelf.head()
            if there is None or (archive.get("size") and there["ContentLength"] != archive["size"]):
                raise Stop("publish_failed", "the archive is not in the bucket as it was built", error="size")
            self.data["size"] = there["ContentLength"]
            seconds = min(int(self.publish.get("link_hours") or 72) * HOUR, MOST_LINK)
            # Not beyond the day on which the archive itself is removed.
            seconds = max(60, min(seconds, int(there["LastModified"].timestamp()) + keep * DAY - self.now))
            self.data.update(link=shelf.link(seconds), expires=self.now + seconds)
            try:
                shelf.keep_rule(keep)
                shelf.sweep(keep, self.now)
            except Stop as stop:
                self.note("not_expiring", error=stop.data.get("error", ""))
        else:
            link = self.publish["url"].rstrip("/") + "/" + quote(to_native(opening["name"]))
            self.data.update(link=link, expires=self.now + keep * DAY)
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
            Shelf(self.publish, opening["name"]).abort_old()
        if opening.get("addresses_file") and os.path.exists(opening["addresses_file"]):
            os.unlink(opening["addresses_file"])
        return None, "aborted", "nothing is left of it"


# ------------------------------------------------------------------------------------ arguments, result

DEFAULTS = {
    "state": "", "server": "", "audios_from": "", "extensions": [], "start": "", "end": "", "layout": {},
    "source": {}, "publish": {}, "limits": {}, "state_dir": "/var/lib/athome-audio", "window": {}, "plan": {},
    "found": {}, "found_notices": [], "opening": {}, "addresses": "", "archive": {}, "reused": False, "wait": 2, "now": 0,
}
STATES = ("window", "planned", "opened", "started", "built", "closed", "aborted")


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
    except Stop as stop:
        outcome, code, msg = "failed", stop.code, stop.msg
        job.data.update(stop.data)
    except Exception as error:  # an operator gets one line that says where, never a traceback
        outcome, code, msg = "failed", "audio.error", where(error)
        job.data["error"] = msg
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
