#!/usr/bin/env python3
"""Checks a keyledger bundle, offline, without keyledger's own code.

    verify.py BUNDLE.tar --key VERIFIER_KEY [--policy FILE] [--kept CHECKPOINT] [--max-age 1d]
        [--tsa-ca ROOTS.pem]

Needs Python 3.9 or later, its standard library, and `openssl` 3 for the signatures. The package
`cryptography`, if it is there, opens what is sealed; else that is done here, which takes longer.
Written from the descriptions of the layouts (schemas/record.md, table.md, evidence.md, bundle.md)
and not from the program, so that a fault of the one is not a fault of the other.

Exit codes: 0 good, 2 wrong usage or not readable, 10 invalid, 11 a fork, 12 a rollback, 13 stale,
14 rolled back, which is on record.
"""

import argparse
import base64
import datetime
import functools
import hashlib
import ipaddress
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    AESGCM = None

    class InvalidTag(Exception):
        """Something was not sealed with this key and nonce."""


GOOD, MISUSE, INVALID, FORK, ROLLBACK, STALE, ROLLED_BACK = 0, 2, 10, 11, 12, 13, 14


class Refused(Exception):
    """The bundle is not to be believed."""

    def __init__(self, sentence, code=INVALID, evidence=()):
        super().__init__(sentence)
        self.code, self.evidence = code, evidence


def require(holds, sentence):
    if not holds:
        raise Refused(sentence)


def give_up(sentence):
    print(f"verify.py: {sentence}", file=sys.stderr)
    sys.exit(MISUSE)


# --- Hashes and trees: RFC 6962 -------------------------------------------------------------------


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(entry):
    return sha256(b"\x00" + entry)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


class Tree:
    """A growing tree: its frontier, and the hashes of tiles that are not written out yet."""

    def __init__(self):
        self.size, self.stack, self.tiles = 0, [], {}

    def push(self, leaf):
        """Adds a leaf, and returns the full tiles that it completes as (level, number, bytes)."""
        height, hashed, completed = 0, leaf, []
        self._seen(0, leaf)
        while (self.size >> height) & 1:
            hashed = node_hash(self.stack.pop(), hashed)
            height += 1
            if height % 8 == 0:
                self._seen(height // 8, hashed)
        self.stack.append(hashed)
        self.size += 1
        for level in sorted(self.tiles):
            if len(self.tiles[level]) < 8192:
                break
            number = (self.size >> (8 * level + 8)) - 1
            completed.append((level, number, bytes(self.tiles[level])))
            self.tiles[level] = bytearray()
        return completed

    def _seen(self, level, hashed):
        self.tiles.setdefault(level, bytearray()).extend(hashed)

    def root(self):
        if not self.stack:
            return sha256(b"")
        hashed = self.stack[-1]
        for left in reversed(self.stack[:-1]):
            hashed = node_hash(left, hashed)
        return hashed


def root_of(leaves):
    tree = Tree()
    for leaf in leaves:
        tree.push(leaf)
    return tree.root()


def root_from_inclusion(leaf, index, size, path):
    """The root that a proof leads to (RFC 9162, 2.1.3.2)."""
    require(index < size, "a proof of a record that the log does not have")
    first, last, hashed = index, size - 1, leaf
    for sibling in path:
        require(last != 0, "a proof has too many hashes")
        if first & 1 or first == last:
            hashed = node_hash(sibling, hashed)
            while not first & 1 and first != 0:
                first, last = first >> 1, last >> 1
        else:
            hashed = node_hash(hashed, sibling)
        first, last = first >> 1, last >> 1
    require(last == 0, "a proof has too few hashes")
    return hashed


# The levels above the buckets of the table of keys (schemas/table.md).
LEVELS = 16


def root_over_buckets(roots):
    """The root of the tree whose entries are the roots of 65,536 buckets; those not named are empty."""
    level = {bucket: leaf_hash(root) for bucket, root in roots.items()}
    empty = leaf_hash(sha256(b""))
    for _ in range(LEVELS):
        level = {
            above: node_hash(level.get(2 * above, empty), level.get(2 * above + 1, empty))
            for above in {place // 2 for place in level}
        }
        empty = node_hash(empty, empty)
    return level.get(0, empty)


def bucket_of(row):
    """The bucket of a row: the first 16 bits of its key's hash, with which it begins."""
    return int.from_bytes(row[:2], "big")


def root_from_bucket(row, index, size, path):
    """The root that a proof of a row leads to: its path in its bucket, and the path of the bucket."""
    require(len(path) >= LEVELS, "a proof has too few hashes")
    bucket = root_from_inclusion(leaf_hash(row), index, size, path[:-LEVELS])
    return root_from_inclusion(leaf_hash(bucket), bucket_of(row), 1 << LEVELS, path[-LEVELS:])


def check_consistency(old, old_root, new, new_root, path):
    """Whether the tree of `new` leaves extends that of `old` (RFC 9162, 2.1.4.2)."""
    if old == new or old == 0:
        require(not path, "a consistency proof has too many hashes")
        return old_root == new_root if old == new else old_root == sha256(b"")
    path = list(path)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    require(path, "a consistency proof has too few hashes")
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    one = other = path[0]
    for sibling in path[1:]:
        require(last != 0, "a consistency proof has too many hashes")
        if first & 1 or first == last:
            one, other = node_hash(sibling, one), node_hash(sibling, other)
            while not first & 1 and first != 0:
                first, last = first >> 1, last >> 1
        else:
            other = node_hash(other, sibling)
        first, last = first >> 1, last >> 1
    require(last == 0, "a consistency proof has too few hashes")
    return one == old_root and other == new_root


# --- Notes and keys: C2SP signed-note, tlog-checkpoint --------------------------------------------


def strict_base64(text, what):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused(f"{what}: not base64") from None
    require(base64.b64encode(data).decode() == text, f"{what}: not canonical base64")
    return data


def number(text, what):
    right = re.fullmatch(r"0|[1-9][0-9]{0,19}", text, re.ASCII) and int(text) < 1 << 64
    require(right, f"{what}: not a number")
    return int(text)


# --- Ed25519: RFC 8032 ----------------------------------------------------------------------------

# What openssl takes and others do not: keys and signatures of few points, for which anybody can sign.
FIELD = (1 << 255) - 19
CURVE_D = -121665 * pow(121666, -1, FIELD) % FIELD


def point_of(data):
    """The point that 32 bytes are, in homogeneous coordinates; None if they are none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, (y & (1 << 255) - 1) % FIELD
    over, under = (y * y - 1) % FIELD, (CURVE_D * y * y + 1) % FIELD
    x = over * under**3 * pow(over * under**7, (FIELD - 5) // 8, FIELD) % FIELD
    if (under * x * x - over) % FIELD:
        x = x * pow(2, (FIELD - 1) // 4, FIELD) % FIELD
    if (under * x * x - over) % FIELD:
        return None
    return (FIELD - x if x & 1 != sign else x), y, 1


def twice(point):
    x, y, z = point
    b, c, d = (x + y) ** 2, x * x, y * y
    f = d - c
    j = f - 2 * z * z
    return (b - c - d) * j % FIELD, f * (-c - d) % FIELD, f * j % FIELD


def is_of_large_order(data):
    """Whether bytes are a point, and not one of the eight that add up to nothing."""
    point = point_of(data)
    if point is None:
        return False
    for _ in range(3):
        point = twice(point)
    x, y, z = point
    return not (x % FIELD == 0 and (y - z) % FIELD == 0)


class Key:
    """A verifier key: <name>+<8 hex digits>+<base64 of 0x01 and the public key>; of a witness, of 0x04."""

    def __init__(self, text, kind=1):
        parts = text.split("+", 2)
        require(len(parts) == 3, "not a verifier key")
        self.text, self.name, self.ended = text, parts[0], None
        data = strict_base64(parts[2], "a verifier key")
        require(len(data) == 33 and data[0] == kind, "not an Ed25519 verifier key of this kind")
        self.public = data[1:]
        require(is_of_large_order(self.public), "a verifier key that anybody can sign for")
        self.id = sha256(self.name.encode() + b"\n" + data)[:4]
        lawful = self.name and not re.search(r"[\s+\x00-\x1f]", self.name)
        require(lawful and parts[1] == self.id.hex(), "a verifier key whose id does not fit")

    def verifies(self, message, signature):
        """Asks openssl. The public key goes in as a SubjectPublicKeyInfo (RFC 8410)."""
        if len(signature) != 64 or not is_of_large_order(signature[:32]):
            return False
        der = bytes.fromhex("302a300506032b6570032100") + self.public
        pem = "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n"
        with tempfile.TemporaryDirectory() as folder:
            for name, data in [
                ("key", (pem % base64.b64encode(der).decode()).encode()),
                ("message", message),
                ("signature", signature),
            ]:
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(data)
            command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key", "-rawin"]
            command += ["-in", "message", "-sigfile", "signature"]
            try:
                done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
            except FileNotFoundError:
                give_up("`openssl` is needed; install it and try again")
        output = done.stdout + done.stderr
        if b"Verified Successfully" in output and done.returncode == 0:
            return True
        if b"Verification Failure" in output:
            return False
        if b"nknown option" in output or b"not supported" in output:
            give_up("this openssl cannot verify Ed25519; version 3 or later is needed")
        return False


def parse_note(text, what):
    """A note's text and its signatures as (name, key id, bytes)."""
    require("\n\n" in text, f"{what}: not a note")
    body, lines = text.rsplit("\n\n", 1)
    body += "\n"
    require(not re.search(r"[\x00-\x09\x0b-\x1f]", body), f"{what}: a control character")
    require(lines.endswith("\n") and lines != "\n", f"{what}: cut off")
    signatures = []
    for line in lines[:-1].split("\n"):
        match = re.fullmatch(r"\u2014 ([^\s+\x00-\x1f]+) ([^ ]+)", line)
        require(match, f"{what}: a bad signature line")
        data = strict_base64(match[2], what)
        require(len(data) > 4, f"{what}: a bad signature line")
        signatures.append((match[1], data[:4], data[4:]))
    require(len(signatures) <= 100, f"{what}: too many signatures")
    return body, signatures


def open_note(text, keys, what):
    """The text of a note that at least one of `keys` signed and none badly, and who signed."""
    body, signatures = parse_note(text, what)
    by = []
    for name, key_id, signature in signatures:
        # Two keys may have one id, which is short.
        known = [key for key in keys if key.name == name and key.id == key_id]
        good = [key for key in known if key.verifies(body.encode(), signature)]
        require(good or not known, f"{what}: the signature of {name} is bad")
        by += good
    require(by, f"{what}: not signed by a key that is trusted")
    return body, by


def allowed(by, size, what):
    beyond = by.ended is not None and size > by.ended["last"]["size"]
    require(not beyond, f"{what}: {by.text} signed for {size} records, and was succeeded before")


def statement(text, keys, origin, what, suffix=""):
    """The size and root of a note in the form of a checkpoint, and the key that signed it, in its own
    name and `suffix`. A key that was succeeded signs for nothing larger than what it was succeeded at."""
    body, by = open_note(text, keys, what)
    lines = body[:-1].split("\n")
    require(len(lines) == 3 and lines[0], f"{what}: not three lines")
    here = origin is None or lines[0] == origin + suffix
    require(here, f"{what}: of another log, {lines[0]}")
    # Whoever signs a checkpoint signs it in the log's own name; of several the newest counts.
    by = [key for key in keys if key in by and lines[0] == key.name + suffix]
    require(by, f"{what}: not signed in the log's own name")
    root = strict_base64(lines[2], what)
    require(len(root) == 32, f"{what}: the root is no hash")
    size, by = number(lines[1], what), by[-1]
    allowed(by, size, what)
    return {"note": text, "size": size, "root": root, "by": by}


def heartbeat(text, keys, origin):
    """That the log had no more than this at a moment: a statement, and the moment in seconds."""
    what = "heartbeat"
    body, by = open_note(text, keys, what)
    match = re.fullmatch(r"([^\n]*)\n([^\n]*)\n([^\n]*)\ntime ([^\n]*)\n", body)
    require(match and match[1] == f"{origin}/heartbeat", f"{what}: malformed")
    root, size = strict_base64(match[3], what), number(match[2], what)
    require(len(root) == 32, f"{what}: the root is no hash")
    by = [key for key in keys if key in by and key.name == origin]
    require(by, f"{what}: not signed in the log's own name")
    allowed(by[-1], size, what)
    return {"note": text, "size": size, "root": root, "by": by[-1], "at": min(number(match[4], what), MAX_TIME // 1_000_000)}


# --- Witnesses: C2SP tlog-policy, tlog-cosignature ------------------------------------------------


class Policy:
    """Whose cosignatures are needed: witnesses, groups of them, and a quorum."""

    def __init__(self, text):
        self.logs, self.witnesses, self.nodes, self.quorum = [], [], [], False
        self.names, self.members = {b"none": None}, set()
        require(len(text) <= 1 << 20, "the policy is longer than 1 MiB")
        require(text == b"" or text.endswith(b"\n"), "the last line has no newline")
        for number_of, line in enumerate(text.split(b"\n")[:-1], 1):
            try:
                self._line(line)
            except (Refused, UnicodeDecodeError) as refused:
                raise Refused(f"line {number_of}: {refused}") from None
        require(self.quorum is not False, "there is no quorum")

    def _line(self, line):
        require(not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line), "a control character")
        words = [word for word in re.split(rb"[ \t]+", line) if word]
        if not words or words[0].startswith(b"#"):
            return
        kind, count = words[0], len(words)
        if kind == b"log" and count in (2, 3):
            self._add(self.logs, Key(words[1].decode(), 1))
        elif kind == b"witness" and count in (3, 4):
            self._add(self.witnesses, Key(words[2].decode(), 4))
            self.witnesses[-1].called = words[1].decode(errors="replace")
            self._define(words[1], len(self.witnesses) - 1)
        elif kind == b"group" and count > 3:
            self._group(words[1], words[2], words[3:])
        elif kind == b"quorum" and count == 2:
            require(words[1] in self.names, "a quorum that no line before defines")
            require(self.quorum is False, "a second quorum")
            self.quorum = self.names[words[1]]
        else:
            raise Refused("no line of a policy")

    def _add(self, keys, key):
        require(all(key.public != other.public for other in keys), "a key that is there already")
        keys.append(key)

    def _group(self, name, least, names):
        count = len(names)
        if least in (b"any", b"all"):
            least = 1 if least == b"any" else count
        else:
            sound = re.fullmatch(rb"[1-9][0-9]{0,6}", least) and int(least) <= count
            require(sound, "a group needs any, all, or a number from 1 to that of its members")
        members = []
        for each in names:
            known = self.names.get(each) is not None
            require(known, "a member that no line before defines")
            require(each not in self.members, "a member that is in a group already")
            self.members.add(each)
            members.append(self.names[each])
        self._define(name, (int(least), members))

    def _define(self, name, node):
        require(name not in self.names, "a name that is defined already")
        self.names[name] = len(self.nodes)
        self.nodes.append(node)

    def _is_witnessed(self, by):
        """Whether the quorum holds if these witnesses, by their places, have cosigned."""
        holds = []
        for node in self.nodes:
            if isinstance(node, int):
                holds.append(node in by)
            else:
                holds.append(sum(holds[member] for member in node[1]) >= node[0])
        return holds[self.quorum]

    def _enough(self, times):
        """The time of the first with which they are a quorum."""
        by = set()
        for time_s, place in times:
            by.add(place)
            if self._is_witnessed(by):
                return time_s
        return None

    def judge(self, text):
        """Who cosigned, the newest first; by when a quorum had, and since when one has."""
        body, signatures = parse_note(text, "cosigned")
        times = {}
        for name, key_id, signature in signatures:
            for place, key in enumerate(self.witnesses):
                if key.name == name and key.id == key_id:
                    time_s = int.from_bytes(signature[:8], "big")
                    message = f"cosignature/v1\ntime {time_s}\n{body}".encode()
                    good = time_s < 1 << 63 and key.verifies(message, signature[8:])
                    require(good, f"cosigned: the cosignature of {name} is bad")
                    times.setdefault(place, time_s)
        ordered = sorted((time_s, place) for place, time_s in times.items())
        found = {"existed": None, "fresh": None}
        found["by"] = [(self.witnesses[place].called, at) for at, place in reversed(ordered)]
        if self.quorum is not None:
            names = ", ".join(name for name, _ in found["by"]) or "none at all"
            found["existed"] = self._enough(ordered)
            found["fresh"] = self._enough(reversed(ordered))
            sentence = "the witnesses of the policy do not vouch for it: no quorum, but only"
            require(found["fresh"] is not None, f"{sentence} {names}")
        return found


def parse_head(name, text, what):
    """A size and a root at the beginning of a text, and the rest of it."""
    match = re.match(rf"{name} ([^\n]*)\nroot ([^\n]*)\n", text)
    require(match, f"{what}: a note has no {name} and root")
    root = strict_base64(match[2], what)
    require(len(root) == 32, f"{what}: a note has no root")
    return {"size": number(match[1], what), "root": root}, text[match.end() :]


def parse_keys(text):
    """The keys that signed the log, oldest first. Every key is named by the one before it; how it was
    succeeded is in its `ended`."""
    head, *rest = text.split("\n\n")
    lines = head.split("\n") if rest else head[:-1].split("\n")
    require(rest or head.endswith("\n"), "keys: cut off")
    keys = [Key(line) for line in lines]
    require(len({key.text for key in keys}) == len(keys), "keys: a key is there twice")
    require(len(rest) == 2 * (len(keys) - 1), "keys: there must be a note for each but the first")
    for place, (old, new) in enumerate(zip(keys, keys[1:])):
        signatures = rest[2 * place + 1]
        if place < len(keys) - 2:
            signatures += "\n"
        body, by = open_note(f"{rest[2 * place]}\n\n{signatures}", [old, new], "keys")
        form = f"keyledger succession v1\nold {old.text}\nnew {new.text}\n"
        require(body.startswith(form), "keys: a note names other keys")
        last, more = parse_head("size", body[len(form) :], "keys")
        begun, rotates = None, old.name == new.name
        if more and not rotates:
            begun, more = parse_head("from", more, "keys")
        require(not more, "keys: a note says more than a succession does")
        require(len({key.text for key in by}) == 2, "keys: a note is not signed by both keys")
        note = f"{rest[2 * place]}\n\n{signatures}"
        old.ended = {"note": note, "last": last, "from": begun, "rotates": rotates, "old": old}
    return keys


def rolled_back(ended):
    """The verdict on a log in which a new origin lost something of the one before."""
    last, begun = ended["last"]["size"], ended["from"]
    less = "this log does not have all of them"
    if begun and begun["size"] < last:
        gone = last - begun["size"]
        less = f"this log goes on from {begun['size']} of them; {gone} are gone"
    sentence = f"the log was rolled back: `{ended['old'].name}` signed for {last} records, and {less}"
    return Refused(sentence, ROLLED_BACK, (ended["note"],))


def admits_loss(ended):
    last, begun = ended["last"], ended["from"]
    if not begun:
        return False
    return begun["size"] < last["size"] or (begun["size"] == last["size"] and begun != last)


def contains_at_most(ended):
    """How many of the records that the old origin signed for are in the log still."""
    return min(ended["from"]["size"], ended["last"]["size"]) if ended["from"] else 0


def new_origins(keys, since):
    """How a new origin began, wherever that was after the key `since`."""
    later = keys[keys.index(since) :]
    return [key.ended for key in later if key.ended and not key.ended["rotates"]]


def lost_later(keys, once):
    """The last new origin whose log does not have all that a statement is of."""
    found = [e for e in new_origins(keys, once["by"]) if contains_at_most(e) < once["size"]]
    return found[-1] if found else None


def lineage(keys):
    """A line for each key: what it signed last, and what was lost when it began."""
    if len(keys) < 2:
        return
    before = None
    for place, key in enumerate(keys, 1):
        says = []
        if before and not before["rotates"]:
            begun, last = before["from"], before["last"]["size"]
            if admits_loss(before):
                most = contains_at_most(before)
                says.append(
                    f"a new origin, on {begun['size']} records, of which at most {most} are among the "
                    f"{last} that the one before signed for"
                )
            elif begun:
                says.append(f"a new origin, on {begun['size']} records")
            else:
                says.append("a new origin; on how many records is not on record")
        ended = key.ended
        says.append(f"signed last for {ended['last']['size']} records" if ended else "signs now")
        print(plain(f"lineage      {place}. {key.text}: {'; '.join(says)}"))
        before = ended


# --- AES-256-GCM: FIPS 197, NIST SP 800-38D -------------------------------------------------------


def aes_tables():
    """The S-box, then twice and three times what it gives."""
    box, at, inverse = bytearray(256), 1, 1
    while True:
        at ^= at << 1 & 0xFF ^ (0x1B if at & 0x80 else 0)
        for shift in (1, 2, 4):
            inverse ^= inverse << shift & 0xFF
        inverse ^= 0x09 if inverse & 0x80 else 0
        turned = inverse * 0x101
        box[at] = 0x63 ^ inverse ^ (turned >> 7 ^ turned >> 6 ^ turned >> 5 ^ turned >> 4) & 0xFF
        if at == 1:
            break
    box[0] = 0x63
    twice = bytes(value << 1 & 0xFF ^ (0x1B if value & 0x80 else 0) for value in box)
    return bytes(box), twice, bytes(one ^ two for one, two in zip(box, twice))


def turned_rows(down):
    """For every byte of 16 blocks: which one is so many rows below it after the rows shifted."""
    at = []
    for place in range(256):
        row, column = (place + down) % 4, place // 4
        at.append(place // 16 * 16 + (column + row) % 4 * 4 + row)
    return bytes(at)


BOX, TWICE, THRICE = aes_tables()
ROWS = [turned_rows(down) for down in range(4)]


def round_keys(key):
    """The 15 keys of the rounds, each for 16 blocks at once."""
    words, constant = [key[at : at + 4] for at in range(0, 32, 4)], 1
    for place in range(8, 60):
        word = words[-1]
        if place % 8 == 0:
            word = (word[1:] + word[:1]).translate(BOX)
            word = bytes([word[0] ^ constant]) + word[1:]
            constant <<= 1
        elif place % 8 == 4:
            word = word.translate(BOX)
        words.append(bytes(one ^ other for one, other in zip(word, words[-8])))
    blocks = (b"".join(words[at : at + 4]) for at in range(0, 60, 4))
    return [int.from_bytes(block * 16, "big") for block in blocks]


# A polynomial over two elements is a number with a byte for each coefficient, the lowest first: a
# product of two has sums of at most 128 in its bytes, and what counts is whether they are odd.
ODD = int.from_bytes(b"\x01" * 128, "little")


def reduced(high):
    """What is left of x^128 times a polynomial, with a few coefficients too many."""
    return high ^ high << 8 ^ high << 16 ^ high << 56


def product(one, other):
    """In the field of GHASH."""
    both = one * other
    folded = reduced(both >> 1024 & ODD)
    return (both ^ folded ^ reduced(folded >> 1024)) & ODD


class Gcm:
    """AES-256-GCM without additional data, as `cryptography` has it: with a cipher that always does
    16 blocks, as tables of bytes and long numbers are what Python is fast at."""

    def __init__(self, key):
        self.keys = round_keys(key)
        self.hash_key = self._coefficients(self._blocks(bytes(256))[:16])[0]

    def _blocks(self, blocks):
        """16 blocks, encrypted."""
        first, *middle, last = self.keys
        state = int.from_bytes(blocks, "big") ^ first
        for key in middle:
            state = state.to_bytes(256, "big")
            once = state.translate(BOX)
            state = (
                int.from_bytes(ROWS[0].translate(state.translate(TWICE)), "big")
                ^ int.from_bytes(ROWS[1].translate(state.translate(THRICE)), "big")
                ^ int.from_bytes(ROWS[2].translate(once), "big")
                ^ int.from_bytes(ROWS[3].translate(once), "big")
                ^ key
            )
        once = ROWS[0].translate(state.to_bytes(256, "big").translate(BOX))
        return (int.from_bytes(once, "big") ^ last).to_bytes(256, "big")

    def _stream(self, nonce, count):
        """What hides the tag, and then as many bytes of text."""
        stream = b""
        while len(stream) < count + 16:
            first = len(stream) // 16 + 1
            counters = range(first, first + 16)
            stream += self._blocks(b"".join(nonce + one.to_bytes(4, "big") for one in counters))
        return stream[:16], stream[16 : count + 16]

    def _coefficients(self, data):
        bits = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}".encode()
        pieces = (bits[at : at + 128] for at in range(0, len(bits), 128))
        return [int.from_bytes(piece, "little") & ODD for piece in pieces]

    def _hash(self, text):
        """GHASH of a text and its length."""
        hashed = 0
        length = bytes(-len(text) % 16) + (8 * len(text)).to_bytes(16, "big")
        for block in self._coefficients(text + length):
            hashed = product(hashed ^ block, self.hash_key)
        return int((hashed | ODD * 0x30).to_bytes(128, "little"), 2).to_bytes(16, "big")

    def decrypt(self, nonce, sealed, _):
        text, tag = sealed[:-16], sealed[-16:]
        hidden, stream = self._stream(nonce, len(text))
        if xor(self._hash(text), hidden) != tag:
            raise InvalidTag
        return xor(text, stream)


def xor(one, other):
    mixed = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    return mixed.to_bytes(len(one), "big")


@functools.lru_cache(maxsize=10_000)
def cipher_of(key):
    return (AESGCM or Gcm)(key)


def unsealed(key, nonce, sealed):
    try:
        return cipher_of(key).decrypt(nonce, sealed, None)
    except InvalidTag:
        raise Refused("a part is not sealed with the key that it names") from None


# --- Records: schemas/record.md -------------------------------------------------------------------

# Records hold the places in these lists.
DIALECTS = ["native", "covosign", "callcov", "cloudsigma", "capgo", "composable"]
NATIVE = 0
STATUSES = ["enabled", "disabled", "expired", "revoked"]
ENABLED, DISABLED, EXPIRED, REVOKED = range(4)
REASONS = ["compromised", "superseded", "unused", "owner_left", "policy", "other"]
TYPES = ["created", "enabled", "disabled", "expired", "revoked", "updated"]
UPDATED = 5
ROLES = ["owner", "verifier", "auditor", "worker", "admin", "user", "key"]
PERIODS = ["day", "month", "total"]
TOKENS, BY_KEY, WORKER = (0, 1), 2, 3
# The issuer of a service's own tokens, which has a tag of its own.
OWN_ISSUER = "keyledger"
MIN_TIME, MAX_TIME = -62_135_596_800_000_000, 253_402_300_799_999_999


class Reader:
    """Reads the fields of a record. Every byte is used, and every value has one spelling."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        end = self.at + count
        if end > len(self.data):
            raise Refused("it is cut off")
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def byte(self):
        return self.take(1)[0]

    def uint(self):
        first = self.byte()
        if first <= 250:
            return first
        width = {251: 2, 252: 4, 253: 8}.get(first)
        require(width, "a number has an unknown width")
        value = int.from_bytes(self.take(width), "little")
        least = {2: 251, 4: 1 << 16, 8: 1 << 32}[width]
        require(value >= least, "a number is not in its shortest form")
        return value

    def small(self, bits):
        value = self.uint()
        require(value >> bits == 0, "a number is too large")
        return value

    def time(self):
        coded = self.uint()
        value = (coded >> 1) ^ -(coded & 1)
        require(MIN_TIME <= value <= MAX_TIME, "a time outside of the years 1 to 9999")
        return value

    def text(self):
        try:
            return self.take(self.uint()).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("a text is not UTF-8") from None

    def flag(self):
        value = self.byte()
        require(value <= 1, "neither yes nor no")
        return value == 1

    def option(self, read):
        tag = self.byte()
        require(tag <= 1, "an option is neither there nor missing")
        return read() if tag else None

    def many(self, read):
        return [read() for _ in range(self.uint())]

    def tag(self, count):
        tag = self.uint()
        require(tag < count, "an unknown kind")
        return tag

    def id(self):
        return self.take(16)


def read_via(r):
    """How the actor proved who it is, how that is shown, and by whose word: an issuer's, or a key's."""
    tag = r.tag(4)
    if tag == BY_KEY:
        key = r.id()
        return tag, f"key:{uuid.UUID(bytes=key)}", key
    if tag in TOKENS:
        issuer = r.text() if tag else OWN_ISSUER
        require(tag == 0 or issuer != OWN_ISSUER, "this issuer has a tag of its own")
        return tag, f"token:{issuer}:", issuer
    return tag, "worker", None


def read_ip(r):
    if r.tag(2) == 0:
        return str(ipaddress.IPv4Address(r.take(4)))
    return show_address(ipaddress.IPv6Address(r.take(16)))


def show_address(address):
    mapped = getattr(address, "ipv4_mapped", None)
    return f"::ffff:{mapped}" if mapped else address.compressed


# What one is called who was erased: this and its pseudonym, shown without it.
ERASED = "erased:"


def read_subject(r):
    subject = r.text()
    require(not subject.startswith(ERASED), "a subject is called like one who was erased")
    return subject


def read_link(r):
    link = {"key": r.id(), "revision": r.small(32)}
    link["before"] = r.option(lambda: r.tag(4))
    link["after"] = r.tag(4)
    link["previous"] = r.option(lambda: (r.uint(), r.take(32)))
    return link


def read_rate(r):
    uses, seconds = r.small(32), r.small(32)
    require(1 <= uses <= 1_000_000 and 1 <= seconds <= 86_400, "an unlawful rate limit")
    return uses, seconds


def read_quota(r):
    uses, per = r.small(32), r.tag(3)
    require(uses >= 1, "a quota of no use")
    return uses, per


def read_metadata(r):
    pairs = r.many(lambda: (r.text(), r.text()))
    names = [name.encode() for name, _ in pairs]
    require(names == sorted(set(names)), "metadata is not sorted by name")
    return pairs


def read_tags(r):
    tags = r.many(r.text)
    require(tags == sorted(set(tags)) and len(tags) <= 20, "tags are not sorted")
    return tags


def read_imported(r):
    return {
        "created_at": r.option(r.time), "last_used_at": r.option(r.time),
        "source": r.option(r.text),
    }


# A permission of at most 128 characters: `area.action` or one word, `*` only as the last part.
PERMISSION = re.compile(r"([0-9A-Za-z_-]+\.)*([0-9A-Za-z_-]+|\*)")


def read_permissions(r):
    permissions = r.many(r.text)
    lawful = all(len(one) <= 128 and PERMISSION.fullmatch(one) for one in permissions)
    require(lawful, "an unlawful permission")
    return permissions


# The attributes that an edit may change: their names, and how a value is read.
ATTRIBUTES = [
    ("name", lambda r: r.text()),
    ("description", lambda r: r.option(r.text)),
    ("role", lambda r: r.option(r.text)),
    ("permissions", read_permissions),
    ("project", lambda r: r.option(r.text)),
    ("allowed_ips", lambda r: r.many(r.text)),
    ("expires_at", lambda r: r.option(r.time)),
    ("rate_limit", lambda r: r.option(lambda: read_rate(r))),
    ("quota", lambda r: r.option(lambda: read_quota(r))),
    ("metadata", read_metadata),
    ("tags", read_tags),
    ("owner", read_subject),
]
READ = dict(ATTRIBUTES)
# Those whose values are sealed, and what is read of erased ones. An erased owner has its pseudonym.
SEALED = {"name": "erased", "description": "erased", "metadata": [], "owner": None}
# What an edit of the owner says anew.
RESTATED = {"name", "description", "metadata"}


def read_edits(r):
    """What an edit changes: {name: (before, after)}, in order. Sealed values are not there yet."""
    edits, last = {}, -1
    for _ in range(r.uint()):
        tag = r.tag(len(ATTRIBUTES))
        require(tag > last, "an edit's attributes are not in order")
        last, (name, read) = tag, ATTRIBUTES[tag]
        edits[name] = None
        if name not in SEALED:
            before, after = edits[name] = read(r), read(r)
            require(before != after, "an edit that changes nothing")
    require(edits, "an edit of nothing")
    restated = "owner" not in edits or RESTATED <= set(edits)
    require(restated, "an edit of the owner that does not say everything anew")
    return edits


RULES = [
    ("revision", lambda r: {"revision": r.small(32)}),
    ("reuse", lambda r: {"least_ttl_ms": r.uint(), "own": r.flag()}),
    ("account_keys", lambda r: {"most": r.uint(), "counted": r.uint()}),
    ("account_alive", lambda r: {"most": r.uint(), "counted": r.uint()}),
    ("owner_active", lambda r: {"most": r.small(32), "counted": r.small(32)}),
    ("longest_life", lambda r: {"seconds": r.uint()}),
    ("permissions", lambda r: {"permissions": read_permissions(r)}),
    ("secret_prefix", lambda r: {"prefix": r.text()}),
    ("unique_prefix", lambda r: {}),
]


def read_rules(r):
    """The rules of a record: {name: what it carries}, in order."""
    rules, last = {}, -1
    for _ in range(r.uint()):
        tag = r.tag(len(RULES))
        require(tag > last, "the rules are not in order")
        last, (name, read) = tag, RULES[tag]
        rules[name] = read(r)
    return rules


def read_new_key(r, account):
    """A new key, made by one who acts for `account`."""
    key = {"id": r.id(), "number": r.uint(), "account": r.option(r.text)}
    require(key["account"] is None or key["account"] != account, "the account is said twice")
    key["account"] = account if key["account"] is None else key["account"]
    require(key["account"] is not None, "a key without an account")
    key["kind"], key["environment"] = r.tag(2), r.tag(2)
    key["role"], key["permissions"] = r.option(r.text), read_permissions(r)
    key["project"], key["allowed_ips"] = r.option(r.text), r.many(r.text)
    for name in ("expires_at", "rate_limit", "quota", "tags"):
        key[name] = READ[name](r)
    key["prefix"], key["digest"] = r.text(), r.take(32)
    key["replaces"] = r.option(lambda: (r.id(), r.time()))
    key["dialect"], key["public_value"] = r.tag(len(DIALECTS)), r.option(r.text)
    key["imported"] = r.option(lambda: read_imported(r))
    return key


def read_event(r, record):
    record["type"] = r.tag(len(TYPES))
    if record["type"] == 0:
        record["key"] = read_new_key(r, record["account"])
    elif record["type"] == 3:
        record["due"] = r.option(r.time)
    elif record["type"] == 4:
        record["code"] = r.option(lambda: r.tag(6))
        record["compromised_since"] = r.option(r.time)
    elif record["type"] == UPDATED:
        record["edits"] = read_edits(r)


def read_links(r, record):
    links = r.many(lambda: read_link(r))
    if record["type"] == 0:
        first = {"revision": 1, "before": None, "after": ENABLED, "previous": None}
        links.insert(0, dict(first, key=record["key"]["id"]))
    require(links, "it has no link")
    require(len(links) <= 2 - (record["type"] != 0), "it has too many links")
    record["link"], record["replaced"] = links[0], links[1] if len(links) > 1 else None


def decode(data, persons):
    """A record, from its bytes, with what `persons` open of it: {pseudonym: key, or None}."""
    r = Reader(data)
    require(r.byte() == 1, "an unknown version")
    record = {"at": r.time(), "node": r.text()}
    record["account"], roles = r.option(r.text), r.byte()
    require(roles < 1 << len(ROLES), "an unknown role")
    record["roles"] = [name for place, name in enumerate(ROLES) if roles >> place & 1]
    way, record["via"], record["by_word_of"] = read_via(r)
    record["way"], record["length"] = way, len(data)
    record["dialect"], record["rules"] = r.tag(len(DIALECTS)), read_rules(r)
    read_event(r, record)
    read_links(r, record)
    record["salt"] = r.take(12)
    parts = r.many(lambda: read_part(r))
    require(r.at == len(data), "bytes are left over")
    check_plan(parts, record, way)
    record["persons"] = {person for part in parts for person in part["persons"]}
    take_in(opened(parts, record, persons), record, way)
    return record


# --- What is sealed in records --------------------------------------------------------------------

# The sections of a part, a bit each.
ACTOR, KEY, BEFORE, AFTER, REASON = SECTIONS = [1, 2, 4, 8, 16]
# What the section of a new key has, in its order.
OF_KEY = ["owner", "name", "description", "metadata"]


def read_persons(text):
    """The member `persons` of a bundle: {pseudonym: key, or None if it was destroyed}."""
    require(text == "" or text.endswith("\n"), "persons: cut off")
    persons = {}
    for line in text.split("\n")[:-1]:
        match = re.fullmatch(r"([0-9a-f]{32}) (erased|[0-9A-Za-z+/]{43}=)", line, re.ASCII)
        require(match, "persons: malformed")
        person, key = bytes.fromhex(match[1]), None
        if match[2] != "erased":
            key = strict_base64(match[2], "persons")
            require(sha256(key)[:16] == person, "persons: a key is not that of its pseudonym")
        persons[person] = key
    return persons


def show_persons(persons, who):
    """The member `persons` for those of `who`."""
    keys = ((person, persons[person]) for person in sorted(who))
    return "".join(
        f"{person.hex()} {'erased' if key is None else base64.b64encode(key).decode()}\n"
        for person, key in keys
    )


def read_part(r):
    part = {"sections": r.byte(), "persons": tuple(r.many(r.id)), "sealed": r.take(r.uint())}
    require(len(part["persons"]) in (1, 2), "a part is for neither one person nor two")
    return part


def sealed_edits(record):
    """The names of the attributes whose values an edit has sealed, in their order."""
    return [name for name in record.get("edits", ()) if name in SEALED]


def check_plan(parts, record, way):
    """Whether a record has the parts that follow from who acted, whose the key was and is, and
    whether there is a reason."""
    found = {}
    for part in parts:
        found.update((one, part["persons"]) for one in SECTIONS if part["sections"] & one)
    (actor, *_), (before, *_) = found.get(ACTOR, (None,)), found.get(BEFORE, (None,))
    require((actor is None) == (way == WORKER), "everybody is somebody but the worker")
    owner, *_ = found.get(KEY) or found.get(AFTER) or found.get(REASON, ())[1:] or (None,)
    if REASON in found:
        reader, *meant = found[REASON]
        former = before if before != owner else None
        require(reader == actor, "a reason that is not sealed for who gave it")
        require(set(meant) <= {former, owner} - {actor}, "a reason that is sealed for a stranger")
    wanted = {}
    handed_on = "owner" in record.get("edits", ())
    alike = not sealed_edits(record) or (before != owner) == handed_on
    require(alike, "an edit that is sealed for others than the key's owner before and after")
    for section, persons, is_there in [
        (ACTOR, (actor,), way != WORKER),
        (KEY, (owner,), record["type"] == 0),
        (BEFORE, (before,), bool(sealed_edits(record))),
        (AFTER, (owner,), bool(sealed_edits(record))),
        (REASON, found.get(REASON), REASON in found),
    ]:
        if is_there:
            wanted[persons] = wanted.get(persons, 0) | section
    have = [(part["persons"], part["sections"]) for part in parts]
    require(have == list(wanted.items()), "its parts are not those of such a record")


def open_part(part, salt, persons):
    """The bytes of a part; None if they were erased."""
    known = all(person in persons for person in part["persons"])
    require(known, "it speaks of a person who is not in `persons`")
    sealed, keys = part["sealed"], [persons[person] for person in part["persons"]]
    require(not sealed or len(sealed) >= 16, "a part is shorter than its tag")
    if not sealed or None in keys:
        return None
    key = keys[0] if len(keys) == 1 else sha256(b"keyledger both" + b"".join(keys))
    return unsealed(key, salt, sealed)


def opened(parts, record, persons):
    """The sections of a record, each with its first person and what it carries: None was erased."""
    sections = {}
    for part in parts:
        data = open_part(part, record["salt"], persons)
        r = None if data is None else Reader(data)
        for section in (one for one in SECTIONS if part["sections"] & one):
            sections[section] = part["persons"][0], r and read_section(r, section, record)
        require(r is None or r.at == len(data), "bytes are left over in a part")
    return sections


def read_section(r, section, record):
    if section == ACTOR:
        actor = {"subject": read_subject(r), "jti": r.option(r.text)}
        actor["ip"], actor["request_id"] = r.option(lambda: read_ip(r)), r.option(r.text)
        r.option(lambda: (r.take(32), r.take(32)))
        return actor
    if section == REASON:
        return r.text()
    if section == KEY:
        owner = r.option(lambda: read_subject(r))
        return {"owner": owner} | {name: READ[name](r) for name in OF_KEY[1:]}
    return {name: READ[name](r) for name in sealed_edits(record)}


def take_in(sections, record, way):
    """Puts what was sealed where it belongs."""
    nobody = {"subject": "worker", "jti": None, "ip": None, "request_id": None}
    person, actor = sections.get(ACTOR, (None, nobody))
    if actor is None:
        actor = dict(nobody, subject=ERASED + person.hex())
    require(actor["jti"] is None or way in TOKENS, "a token's id, but no token")
    record["via"] += actor["jti"] or ""
    record["jti"] = actor["jti"]
    record.update((name, actor[name]) for name in ("subject", "ip", "request_id"))
    _, record["reason"] = sections.get(REASON, (None, None))
    if REASON in sections and record["reason"] is None:
        record["reason"] = "erased"
    if KEY in sections:
        owner, values = sections[KEY]
        if values is not None:
            is_own = owner == person
            require((values["owner"] is None) == is_own, "the owner is said twice, or not at all")
            values["owner"] = actor["subject"] if is_own else values["owner"]
        record["key"].update(values_of(sections[KEY], OF_KEY))
    if BEFORE in sections:
        take_in_edits(sections[BEFORE], sections[AFTER], record)


def take_in_edits(before, after, record):
    names, is_erased = sealed_edits(record), None in (before[1], after[1])
    before, after = values_of(before, names), values_of(after, names)
    for name in names:
        restated = "owner" in names and name in RESTATED
        changed = before[name] != after[name] or restated or is_erased
        require(changed, "an edit that changes nothing")
        record["edits"][name] = (before[name], after[name])


def values_of(section, names):
    """What a section says of an owner's key; of an erased one, what is read instead."""
    person, values = section
    if values is None:
        values = {name: SEALED[name] for name in names}
        if "owner" in values:
            values["owner"] = ERASED + person.hex()
    return values


def show_subject(subject):
    return "erased" if subject.startswith(ERASED) else subject


# --- Limits: schemas/limits.json --------------------------------------------------------------------

# The tables that there are, by their SHA-256: whoever signs a bundle signs no other limits.
LIMITS = {
    1: "15ede0a560a583e593a032830adeae5cbd843109290f1fdeac6d0678756473a9",
}


class Limits:
    """The bounds of what a ledger writes: lengths, characters, counts and ranges, from the bundle."""

    def __init__(self, text):
        known = hashlib.sha256(text.encode()).hexdigest() in LIMITS.values()
        require(known, f"`limits.json` is none of the versions {sorted(LIMITS)}, which this file knows")
        self.table = json.loads(text)

    def within(self, value, bounds, what):
        least, most = bounds
        require(least <= value <= most, f"{what} is beyond the limits")

    def text(self, name, text):
        bounds = self.table["texts"][name]
        length = len(text.encode()) if "bytes" in bounds else len(text)
        self.within(length, bounds.get("bytes") or bounds["characters"], f"its {name}")
        lawful = re.fullmatch(bounds["pattern"], text)
        require(lawful, f"its {name} has characters that are beyond the limits")

    def number(self, name, value):
        self.within(value, self.table["numbers"][name], f"its {name}")

    def count(self, name, values):
        self.within(len(values), (0, self.table["counts"][name]), f"its number of {name}")

    def check(self, record):
        self.within(record["length"], self.table["record_bytes"], "its size")
        for name, text in texts_of(record):
            self.text(name, text)
        for name, value in attributes_of(record):
            self.attribute(name, value)
        for rule in record["rules"].values():
            self.attribute("permissions", rule.get("permissions", []))
        if record["type"] == 0:
            self._imported(record, record["key"])
        self._past(record, record.get("compromised_since"))

    def attribute(self, name, value):
        """One that an edit may change: before, after, or of a new key."""
        if name == "allowed_ips":
            self.count(name, value)
            require(all(map(is_network, value)), "its allowed_ips are no addresses and networks")
        elif name in ("permissions", "tags"):
            self.count(name, value)
            for one in value:
                self.text(name[:-1], one)
        elif name == "metadata":
            self.count(name, value)
            for one, other in value:
                self.text("metadata_name", one)
                self.text("metadata_value", other)
            together = "".join(one + other for one, other in value).encode()
            self.count("metadata_bytes", together)
        elif name == "rate_limit" and value:
            self.number("rate_limit", value[0])
            self.number("rate_limit_period_s", value[1])
        elif name == "quota" and value:
            self.number("quota", value[0])
        elif name in ("name", "description", "role", "project") and value is not None:
            self.text(name, value)
        elif name == "owner" and not value.startswith(ERASED):
            self.text("subject", value)

    def _imported(self, record, key):
        if key["imported"]:
            self.text("imported_prefix", key["prefix"])
            made, used = key["imported"]["created_at"], key["imported"]["last_used_at"]
            self._past(record, made)
            self._past(record, used)
            in_order = made is None or used is None or made <= used
            require(in_order, "its last_used_at is before its created_at")

    def _past(self, record, moment):
        """What is said to be past is not after the record, but by as much as clocks are set back."""
        ahead = self.table["numbers"]["ahead_s"][1] * 1_000_000
        past = moment is None or moment <= min(MAX_TIME, record["at"] + ahead)
        require(past, "it names a moment as past that was not")


def texts_of(record):
    """The texts of a record that no edit changes, each with the name of its bounds."""
    texts = [("node", record["node"]), ("account", record["account"])]
    texts += [("request_id", record["request_id"]), ("token_id", record["jti"])]
    texts += [("reason", record["reason"])]
    if not record["subject"].startswith(ERASED):
        texts.append(("subject", record["subject"]))
    if record["way"] in TOKENS:
        texts.append(("issuer", record["by_word_of"]))
    texts += [("prefix", r["prefix"]) for r in record["rules"].values() if "prefix" in r]
    if record["type"] == 0:
        key = record["key"]
        texts += [("account", key["account"]), ("prefix", key["prefix"])]
        texts += [("public_value", key["public_value"])]
        texts += [("source", key["imported"] and key["imported"]["source"])]
    return [(name, text) for name, text in texts if text is not None]


def attributes_of(record):
    """The attributes of a new key, or those of an edit: before and after."""
    if record["type"] == 0:
        yield from ((name, record["key"][name]) for name, _ in ATTRIBUTES)
    for name, values in record.get("edits", {}).items():
        yield from ((name, value) for value in values)


def is_network(text):
    """Whether a text is an address or a network, spelled as records have them."""
    address, _, length = text.partition("/")
    if "%" in text:
        return False
    try:
        if not length:
            address = ipaddress.ip_address(text)
            return show_address(address) == text and not getattr(address, "ipv4_mapped", None)
        network = ipaddress.ip_network(text)
        return f"{show_address(network.network_address)}/{network.prefixlen}" == text
    except ValueError:
        return False


# --- The rules ------------------------------------------------------------------------------------

MAX_OVERLAP = 7 * 86_400 * 1_000_000
# From which status an event leads to which other one.
MOVES = {
    1: ({DISABLED}, ENABLED),
    2: ({ENABLED}, DISABLED),
    3: ({ENABLED, DISABLED}, EXPIRED),
    4: ({ENABLED, DISABLED, EXPIRED}, REVOKED),
    UPDATED: ({ENABLED, DISABLED}, None),
}


def covers(granted, wanted):
    """Whether one of the granted permissions is enough for the wanted one."""
    return any(
        wanted.startswith(one[:-1]) if one.endswith("*") else one == wanted for one in granted
    )


def value_hash(value):
    """Of a value that is not kept: Python's hash of a text is under a secret of this run."""
    return hash(repr(value))


def purpose_of(key):
    """What a public key is found by. One whose name was erased is found by nobody."""
    name = key["id"] if key["owner"].startswith(ERASED) else key["name"]
    return key["account"], key["dialect"], key["project"], name


def is_due(key, now):
    return key["status"] in (ENABLED, DISABLED) and key["due"] is not None and key["due"] <= now


class Auditor:
    """Checks records in order: of a whole log; with `gaps` all those of one account; with `accounts`, which
    are those of keys that were made before, some of a log."""

    def __init__(self, accounts=None, gaps=False):
        self.gaps = gaps or accounts is not None
        self.accounts, self.first, self.next, self.last_at = accounts, None, 0, MIN_TIME
        self.keys, self.digests, self.numbers = {}, set(), {}
        self.alive_of, self.alive, self.prefixes = {}, {}, set()
        self.public, self.purposes = {}, {}

    def push(self, seq, leaf, record):
        """Checks the next record, and returns the account of its key."""
        in_order = seq >= self.next if self.gaps else seq == self.next
        require(in_order, f"the next record is {self.next}")
        require(record["at"] >= self.last_at, "it is older than the record before it")
        if record["type"] == 0:
            account = self._created(seq, leaf, record)
        else:
            account = self._changed(seq, leaf, record)
        if self.first is None:
            self.first = seq
        self.next, self.last_at = seq + 1, record["at"]
        return account

    def _key(self, seq, link, record):
        key = self.keys.get(link["key"])
        if key is None:
            key = self._believed(seq, link)
        if key["made"] is None and record["type"] == 3 and key["due"] is None:
            key = dict(key, due=record["due"])
        return dict(key)

    def _believed(self, seq, link):
        """A key from before the part, as its first link tells."""
        name = uuid.UUID(bytes=link["key"])
        account = (self.accounts or {}).get(link["key"])
        created = account is not None and link["before"] is not None and link["previous"]
        require(created, f"the key {name} was never created")
        first = seq if self.first is None else self.first
        missing = link["previous"][0]
        require(missing < first, f"the record {missing} of the key {name} is left out")
        return {
            "account": account, "made": None, "status": link["before"], "due": None,
            "revision": max(0, link["revision"] - 1), "replaced": False, "head": link["previous"],
            "hashes": {},
        }

    def _changed(self, seq, leaf, record):
        link, event = record["link"], record["type"]
        key = self._key(seq, link, record)
        require(record["replaced"] is None, "it is no rotation and replaces a key")
        if event == 3 and record["due"] is not None:
            on_time = key["due"] is not None and key["due"] <= record["at"]
            require(on_time and key["due"] == record["due"], "the key is not due then")
        else:
            require(not is_due(key, record["at"]), "the key was due, and that is not on record")
        self._may_act(record, key["account"], key["made"] and key["made"]["owner"])
        lawful, after = MOVES[event]
        was = STATUSES[key["status"]]
        require(key["status"] in lawful, f"{TYPES[event]} while the key is {was}")
        after = key["status"] if after is None else after
        allowed = {"revision"}
        if event == UPDATED:
            allowed |= self._edited(key, link["key"], record)
        self._insisted(record, key["revision"])
        self._no_other_rules(record, allowed)
        self._advance(key, link, after, seq, leaf)
        if after in (EXPIRED, REVOKED):
            self._ended(link["key"], key, was)
        return key["account"]

    def _ended(self, key_id, key, was):
        if was not in (STATUSES[ENABLED], STATUSES[DISABLED]):
            return
        self.alive[key["account"]] = max(0, self.alive.get(key["account"], 0) - 1)
        if key["made"]:
            made = key["made"]
            holder = (key["account"], made["owner"], made["dialect"])
            self.alive_of.get(holder, set()).discard(key_id)
        purpose = self.purposes.pop(key_id, None)
        if purpose is not None:
            self.public[purpose].remove(key_id)

    def _insisted(self, record, revision):
        rule = record["rules"].get("revision")
        right = rule is None or rule["revision"] == revision
        require(right, "the caller insisted on another revision")

    def _no_other_rules(self, record, allowed):
        other = set(record["rules"]) - allowed
        require(not other, "it says it was judged by a rule that has nothing to do with it")

    def _edited(self, key, key_id, record):
        """Checks an edit and brings it in; the names of the rules that it may be judged by."""
        edits, made, allowed = record["edits"], key["made"], set()
        for name, (before, after) in edits.items():
            known = key["hashes"].get(name)
            if name == "expires_at" and known is not None:
                known = value_hash(key["due"])
            same = known is None or known == value_hash(before)
            require(same, f"the edit names another {name} before it than the key had")
        if "owner" in edits and edits["owner"][0] != edits["owner"][1]:
            allowed.add("owner_active")
            owner = edits["owner"][1]
            self._owner_has_room(record, made and (key["account"], owner, made["dialect"]))
        if "expires_at" in edits:
            allowed.add("longest_life")
            due = edits["expires_at"][1]
            require(due is None or due > record["at"], "it is expired from the start")
            end = MAX_TIME if due is None else due
            own = MAX_TIME if key["due"] is None else key["due"]
            require(not key["replaced"] or end <= own, "a replaced key outlives its overlap")
            # When a key from before the part was made is not known; not later than now.
            self._ends_in_time(record, made["created_at"] if made else record["at"], due)
            key["due"] = due
        if "permissions" in edits:
            allowed.add("permissions")
            self._permitted(record, edits["permissions"][1])
        key["hashes"] = dict(key["hashes"])
        key["hashes"].update((name, value_hash(after)) for name, (_, after) in edits.items())
        if made and "owner" in edits:
            holder = (key["account"], made["owner"], made["dialect"])
            self.alive_of.get(holder, set()).discard(key_id)
            key["made"] = made = dict(made, owner=edits["owner"][1])
            holder = (key["account"], made["owner"], made["dialect"])
            if made["dialect"] != NATIVE:
                self.alive_of.setdefault(holder, set()).add(key_id)
        old = self.purposes.get(key_id)
        if old is not None:
            new = {
                "id": key_id, "account": old[0], "dialect": old[1], "owner": made["owner"],
                "project": edits.get("project", (None, old[2]))[1],
                "name": edits.get("name", (None, old[3]))[1],
            }
            new = purpose_of(new)
            if new != old:
                self.public[old].remove(key_id)
                self.public.setdefault(new, []).append(key_id)
                self.purposes[key_id] = new
        return allowed

    def _counted(self, record, name, counted):
        """Holds a rule of a cap against what there was; of a part it may have been more."""
        rule = record["rules"].get(name)
        if rule is None:
            return
        right = rule["counted"] == counted
        if self.accounts is not None:
            right = rule["counted"] >= counted
        require(right, "a rule counts other keys than there were")
        require(rule["counted"] < rule["most"], "there are too many keys")

    def _owner_has_room(self, record, holder):
        alive = self.alive_of.get(holder, ())
        active = sum(self._is_active(other, record["at"]) for other in alive)
        self._counted(record, "owner_active", active)

    def _ends_in_time(self, record, start, due):
        rule = record["rules"].get("longest_life")
        if rule is not None:
            last = min(MAX_TIME, start + rule["seconds"] * 1_000_000)
            require(due is not None and due <= last, "it lives longer than its rule allows")

    def _permitted(self, record, permissions):
        rule = record["rules"].get("permissions")
        if rule is not None:
            allowed = all(covers(rule["permissions"], one) for one in permissions)
            require(allowed, "it has a permission that its rule does not allow")

    def _advance(self, key, link, after, seq, leaf):
        """Compares a link with what it must be, and takes the key there."""
        found = (link["revision"], link["before"], link["after"], link["previous"])
        wanted = (key["revision"] + 1, key["status"], after, key["head"])
        require(found == wanted, "its link is not the one that the records before it make")
        key.update(revision=key["revision"] + 1, status=after, head=(seq, leaf))
        self.keys[link["key"]] = key

    def _created(self, seq, leaf, record):
        key, now = record["key"], record["at"]
        rules = record["rules"]
        self._may_act(record, key["account"], key["owner"])
        require(key["id"] not in self.keys, "the key exists already")
        require(key["digest"] not in self.digests, "the new key has the digest of an earlier one")
        elsewhere = key["imported"] is not None
        plain_key = key["kind"] == 0 and key["replaces"] is None
        require(plain_key or not elsewhere, "a key made elsewhere is public or replaces another")
        public = key["public_value"]
        require((public is not None) == (key["kind"] == 1), "only a public key has its text")
        if public is not None:
            require(sha256(public.encode()) == key["digest"], "the digest is not that of the text")
        start = 1 if self.accounts is None else key["number"]
        expected = self.numbers.get(key["account"], start)
        require(key["number"] == expected, f"the next key of its account is number {expected}")
        due = key["expires_at"]
        require(due is None or due > now, "it is expired from the start")
        taken = "unique_prefix" in rules and key["prefix"] in self.prefixes
        require(not taken, "another key has the same prefix")
        holder = (key["account"], key["owner"], key["dialect"])
        self._reused(record, key)
        if "account_keys" in rules:
            rule = rules["account_keys"]
            require(rule["counted"] == key["number"] - 1, "a rule counts other keys than there were")
            require(rule["counted"] < rule["most"], "there are too many keys")
        makes_room = self._rotation(seq, leaf, record)
        if not makes_room:
            self._counted(record, "account_alive", self.alive.get(key["account"], 0))
            self._owner_has_room(record, holder)
        self._ends_in_time(record, now, due)
        self._permitted(record, key["permissions"])
        begins = rules.get("secret_prefix", {}).get("prefix", "")
        require(key["prefix"].startswith(begins), "its prefix is not the one of its rule")
        allowed = {name for name, _ in RULES}
        if makes_room:
            allowed -= {"account_alive", "owner_active"}
        if key["replaces"] is None:
            allowed.discard("revision")
        if elsewhere:
            allowed.discard("secret_prefix")
        self._no_other_rules(record, allowed)
        self.numbers[key["account"]] = expected + 1
        self.alive[key["account"]] = self.alive.get(key["account"], 0) + 1
        self.digests.add(key["digest"])
        if key["dialect"] != NATIVE:
            self.prefixes.add(key["prefix"])
            self.alive_of.setdefault(holder, set()).add(key["id"])
            if key["kind"] == 1:
                purpose = purpose_of(key)
                self.public.setdefault(purpose, []).append(key["id"])
                self.purposes[key["id"]] = purpose
        self.keys[key["id"]] = {
            "account": key["account"], "status": ENABLED, "revision": 1, "due": key["expires_at"],
            "replaced": False, "head": (seq, leaf),
            "hashes": {name: value_hash(key[name]) for name, _ in ATTRIBUTES},
            "made": {
                "owner": key["owner"], "kind": key["kind"], "environment": key["environment"],
                "dialect": key["dialect"], "salt": record["salt"], "created_at": now,
            },
        }
        return key["account"]

    def _is_active(self, key_id, now):
        key = self.keys[key_id]
        return key["status"] in (ENABLED, DISABLED) and not is_due(key, now)

    def _reused(self, record, key):
        """Checks that no public key was there that would have done as well."""
        rule = record["rules"].get("reuse")
        if rule is None:
            return
        purpose = purpose_of(key)
        until = min(record["at"] + rule["least_ttl_ms"] * 1000, MAX_TIME)
        for other in map(self.keys.get, self.public.get(purpose, ())):
            lives = other["due"] is None or other["due"] >= until
            does = other["status"] == ENABLED and not is_due(other, record["at"]) and lives
            own = not rule["own"] or other["made"]["owner"] == key["owner"]
            require(not (does and own), "a public key for this use was there")

    def _rotation(self, seq, leaf, record):
        """Checks what a creation does to the key it replaces. Whether that one is due at once."""
        key, link, now = record["key"], record["replaced"], record["at"]
        if key["replaces"] is None:
            require(link is None, "a replaced key is not named in the new one")
            require(key["dialect"] == record["dialect"], "the new key is of another dialect")
            return False
        require(link and link["key"] == key["replaces"][0], "the replaced key has no link")
        old, until = self._key(seq, link, record), key["replaces"][1]
        require(not is_due(old, now), "the replaced key was due, and that is not on record")
        require(old["status"] == ENABLED, "the replaced key is not enabled")
        require(not old["replaced"], "the key was replaced already")
        same = old["account"] == key["account"]
        if old["made"]:
            copied = ("owner", "kind", "environment", "dialect")
            same = same and all(old["made"][field] == key[field] for field in copied)
        require(same, "the new key and the one it replaces do not belong together")
        # Whole seconds from now, or the old key's own end if that comes first.
        require(now <= until <= now + MAX_OVERLAP + 999_999, "an overlap that no rotation has")
        ends = until == old["due"] or (old["made"] is None and old["due"] is None)
        whole = (until - now) % 1_000_000 == 0 and until <= now + MAX_OVERLAP
        require(whole or ends, "an overlap that no rotation has")
        seconds = -((now - until) // 1_000_000)
        require(seconds * 1_000_000 <= MAX_OVERLAP, "an overlap that no rotation has")
        require(old["due"] is None or until <= old["due"], "the replaced key outlives its own end")
        self._insisted(record, old["revision"])
        old["replaced"] = True
        old["due"] = until
        self._advance(old, link, ENABLED, seq, leaf)
        return until == now

    def _may_act(self, record, account, owner):
        """Whether the actor may do that to a key of this account and owner (None: not known)."""
        own, way, roles = record["account"], record["way"], set(record["roles"])
        when_due = record["type"] == 3 and record["due"] is not None
        if own not in (None, account):
            require(when_due, "the actor acts for another account than the key's")
        elif way == WORKER:
            require(when_due, "the worker only records that keys are due")
        elif way in TOKENS and when_due:
            require(roles & {"worker", "admin"}, "the actor's role records no ends")
        elif way in TOKENS:
            require(roles & {"owner", "admin", "user"}, "the actor's role changes no keys")
            if not roles & {"owner", "admin"}:
                self._own_keys_alone(record, owner)
        elif "key" in roles:
            itself = record["type"] == 4 and record["link"]["key"] == record["by_word_of"]
            require(itself, "a key that calls as itself only ends itself")
        else:
            self._key_acts(record)

    def _own_keys_alone(self, record, owner):
        require(record["account"] is not None, "a user is one of an account")
        given = record.get("edits", {}).get("owner", (None, None))[1]
        for whose in (owner, given):
            erased = any(name and name.startswith(ERASED) for name in (whose, record["subject"]))
            same = whose is None or whose == record["subject"] or erased
            require(same, "a user changes its own keys alone, and gives none away")

    def _key_acts(self, record):
        require(record["dialect"] != NATIVE, "no native key changes keys")
        require(record["account"] is not None, "a key acts for its own account")
        key = self.keys.get(record["by_word_of"])
        if key is None:
            require(self.accounts is not None, "the key that acts was never created")
            return
        require(key["account"] == record["account"], "the key that acts is of another account")
        dialect = key["made"] and key["made"]["dialect"]
        require(dialect in (None, record["dialect"]), "the key that acts is of another API")
        good = key["status"] == ENABLED and not is_due(key, record["at"])
        require(good, "the key that acts was not good then")

    def table_root(self, version):
        """The root of the table of keys (schemas/table.md), as a bundle of this version has it."""
        rows, buckets = sorted(map(self.row, self.keys)), {}
        if version == 1:
            return root_of(map(leaf_hash, rows))
        for row in rows:
            buckets.setdefault(bucket_of(row), Tree()).push(leaf_hash(row))
        return root_over_buckets({bucket: tree.root() for bucket, tree in buckets.items()})

    def row(self, key_id):
        """The row of a key in the table of keys."""
        key = self.keys[key_id]
        due = (1 << 63) - 1 if key["due"] is None else key["due"]
        state = key["made"]["salt"] + key["revision"].to_bytes(4, "big") + key["head"][1]
        state += bytes([key["status"]]) + due.to_bytes(8, "big", signed=True)
        return sha256(key_id) + sha256(state)


# --- Exports: schemas/bundle.md -------------------------------------------------------------------

EPOCH = datetime.datetime(1970, 1, 1)
CSV_HEAD = (
    "seq,recorded_at,type,key_id,account,revision,actor_subject,actor_account,actor_roles,"
    "actor_via,ip,request_id,dialect,node,reason,reason_code,rules,before,after,data\r\n"
)
ACTIVITIES = [
    (1, "Create"), (8, "Enable"), (9, "Disable"), (99, "Expire"), (4, "Delete"), (3, "Update"),
]


# What some readers take for the end of a line. JSON escapes the others by itself.
BREAKS = {code: f"\\u{code:04x}" for code in (0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029)}
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(BREAKS)


def show_time(micros):
    if micros is None:
        return None
    moment = EPOCH + datetime.timedelta(microseconds=micros)
    return moment.isoformat(timespec="microseconds") + "Z"


def show_id(key_id):
    return str(uuid.UUID(bytes=key_id))


def show(names, number_of):
    return None if number_of is None else names[number_of]


def show_rate(rate):
    return rate and {"limit": rate[0], "period_s": rate[1]}


def show_quota(quota):
    return quota and {"limit": quota[0], "per": PERIODS[quota[1]]}


def show_imported(imported):
    return imported and {
        "created_at": show_time(imported["created_at"]),
        "last_used_at": show_time(imported["last_used_at"]), "source": imported["source"],
    }


def show_networks(networks):
    """A network of IPv4 addresses that are mapped into IPv6 is shown as what it is."""
    mapped = (re.fullmatch(r"::ffff:([0-9.]+)/(\d+)", one, re.ASCII) for one in networks)
    pairs = zip(mapped, networks)
    return [f"{m[1]}/{int(m[2]) - 96}" if m else one for m, one in pairs]


# How the value of an attribute is shown, where that is not as it is.
SHOW = {
    "allowed_ips": show_networks,
    "expires_at": show_time, "rate_limit": show_rate, "quota": show_quota, "metadata": dict,
    "owner": show_subject,
}


def event_data(record):
    if record["type"] == 0:
        key, link = record["key"], record["replaced"]
        replaced = link and {
            "key_id": show_id(link["key"]), "revision": link["revision"],
            "status": STATUSES[link["after"]], "valid_until": show_time(key["replaces"][1]),
        }
        return {
            "id": show_id(key["id"]), "number": key["number"], "account": key["account"],
            "owner": show_subject(key["owner"]), "name": key["name"],
            "description": key["description"],
            "kind": ["secret", "public"][key["kind"]],
            "environment": ["live", "sandbox"][key["environment"]], "role": key["role"],
            "permissions": key["permissions"], "project": key["project"],
            "allowed_ips": show_networks(key["allowed_ips"]),
            "daily_limit": key["quota"][0] if key["quota"] and key["quota"][1] == 0 else None,
            "rate_limit": show_rate(key["rate_limit"]), "quota": show_quota(key["quota"]),
            "metadata": dict(key["metadata"]), "tags": key["tags"], "prefix": key["prefix"],
            "replaces": show_id(key["replaces"][0]) if key["replaces"] else None,
            "dialect": DIALECTS[key["dialect"]], "public_value": key["public_value"],
            "imported": show_imported(key["imported"]),
            "expires_at": show_time(key["expires_at"]), "replaced": replaced,
        }
    if record["type"] == 3:
        due = record["due"]
        late = None if due is None else max(0, record["at"] - due) // 1000
        return {"due_at": show_time(due), "late_ms": late}
    if record["type"] == 4:
        return {"compromised_since": show_time(record["compromised_since"])}
    if record["type"] == UPDATED:
        changes = {}
        for name, (before, after) in record["edits"].items():
            if before == after and "owner" in record["edits"]:
                continue
            show_value = SHOW.get(name, lambda value: value)
            changes[name] = {"before": show_value(before), "after": show_value(after)}
        return {"changes": changes}
    return {}


def event_of(seq, record, account):
    link = record["link"]
    return {
        "seq": seq, "recorded_at": show_time(record["at"]), "type": TYPES[record["type"]],
        "key_id": show_id(link["key"]), "account": account, "revision": link["revision"],
        "actor": {
            "subject": show_subject(record["subject"]), "account": record["account"] or "*",
            "roles": record["roles"], "via": record["via"],
        },
        "origin": {
            "ip": record["ip"], "request_id": record["request_id"],
            "dialect": DIALECTS[record["dialect"]], "node": record["node"],
        },
        "reason": record["reason"], "reason_code": show(REASONS, record.get("code")),
        "rules": [dict({"rule": name}, **rule) for name, rule in record["rules"].items()],
        "before": show(STATUSES, link["before"]), "after": STATUSES[link["after"]],
        "data": event_data(record),
    }


def csv_cell(text):
    text = text.translate(BREAKS)
    if text.startswith(FORMULAS):
        return "\"'" + text.replace('"', '""') + '"'
    if re.search("[,\"'\r\n]", text):
        return '"' + text.replace('"', '""') + '"'
    return text


def csv_row(event):
    actor, origin = event["actor"], event["origin"]
    cells = [
        event["seq"], event["recorded_at"], event["type"], event["key_id"], event["account"],
        event["revision"], actor["subject"], actor["account"], " ".join(actor["roles"]),
        actor["via"], origin["ip"], origin["request_id"], origin["dialect"], origin["node"],
        event["reason"], event["reason_code"], compact(event["rules"]), event["before"],
        event["after"], compact(event["data"]),
    ]
    return ",".join(csv_cell("" if cell is None else str(cell)) for cell in cells) + "\r\n"


def ocsf(event, record):
    activity, name = ACTIVITIES[record["type"]]
    seq, actor, origin = event["seq"], event["actor"], event["origin"]
    metadata = {
        "version": "1.3.0", "product": {"name": "keyledger", "vendor_name": "keyledger"},
        "uid": str(seq), "sequence": seq, "tenant_uid": event["account"],
    }
    if origin["request_id"] is not None:
        metadata["correlation_uid"] = origin["request_id"]
    endpoint = {} if origin["ip"] is None else {"ip": origin["ip"]}
    endpoint["svc_name"] = origin["dialect"]
    line = {
        "activity_id": activity, "activity_name": name, "category_uid": 3, "class_uid": 3004,
        "type_uid": 300_400 + activity, "severity_id": 1, "status_id": 1,
        "time": record["at"] // 1000, "metadata": metadata,
        "actor": {"user": {"uid": actor["subject"]}}, "src_endpoint": endpoint,
        "entity": {
            "type": "API key", "uid": event["key_id"], "version": str(event["revision"]),
        },
    }
    if event["reason"] is not None:
        line["comment"] = event["reason"]
    line["unmapped"] = {
        "account": actor["account"], "roles": actor["roles"], "via": actor["via"],
        "node": origin["node"], "rules": event["rules"], "reason_code": event["reason_code"],
        "before": event["before"], "after": event["after"],
    }
    return compact(line) + "\n"


class Exports:
    """The three exports, made again and compared as they grow."""

    def __init__(self, bundle):
        self.bundle, self.at, self.differs = bundle, dict.fromkeys(TAIL[:3], 0), None
        self.add("events.csv", CSV_HEAD, None)

    def add(self, name, text, seq):
        made, at = text.encode(), self.at[name]
        found = self.bundle.read(name, at, len(made))
        if found != made and self.differs is None:
            where = "its first line" if seq is None else f"record {seq}"
            self.differs = f"`{name}` differs from {where}"
        self.at[name] = at + len(made)

    def event(self, seq, record, account):
        event = event_of(seq, record, account)
        self.add("events.ndjson", compact(event) + "\n", seq)
        self.add("events.csv", csv_row(event), seq)
        self.add("events.ocsf.ndjson", ocsf(event, record), seq)

    def finish(self):
        """What differs is told after all that is wrong with the records themselves."""
        require(self.differs is None, self.differs)
        for name, at in self.at.items():
            require(at == self.bundle.length(name), f"`{name}` is longer than the records make it")


# --- Time-stamps: RFC 3161, RFC 5652 --------------------------------------------------------------

SEQUENCE, SET, INTEGER, OCTETS, OID, GENERALIZED = b"\x30\x31\x02\x04\x06\x18"
BOOLEAN, CONTEXT_0, CONTEXT_1, CONTEXT_3 = b"\x01\xa0\xa1\xa3"
SIGNED_DATA, TST_INFO = "2a864886f70d010702", "2a864886f70d0109100104"
SHA_256, SHA_384, SHA_512 = (f"60864801650304020{number}" for number in (1, 2, 3))
RSA, EC = "2a864886f70d010101", "2a8648ce3d0201"
# The algorithms of a signature, each with the hash that it goes with.
SIGNED_WITH = {(RSA, hashed) for hashed in (SHA_256, SHA_384, SHA_512)}
SIGNED_WITH |= {(RSA[:-2] + "0b", SHA_256), (RSA[:-2] + "0c", SHA_384), (RSA[:-2] + "0d", SHA_512)}
SIGNED_WITH |= {(f"2a8648ce3d04030{n}", h) for n, h in ((2, SHA_256), (3, SHA_384), (4, SHA_512))}
CURVES = ("2a8648ce3d030107", "2b81040022")
# By how many microseconds the clocks of log and authority may differ.
CLOCKS_DIFFER = 300 * 1_000_000


class Fields:
    """The elements of some DER, one after the other. Every length is definite and minimal."""

    def __init__(self, data, what):
        self.data, self.what, self.at = data, what, 0

    def tag(self):
        return self.data[self.at] if self.at < len(self.data) else None

    def any(self):
        """The tag, the content and the whole of the next one."""
        start, malformed = self.at, f"{self.what}: malformed"
        require(start + 2 <= len(self.data) and self.data[start] & 0x1F != 0x1F, malformed)
        length, at = self.data[start + 1], start + 2
        if length >= 0x80:
            size = length & 0x7F
            require(1 <= size <= 3 and at + size <= len(self.data), malformed)
            length, at = int.from_bytes(self.data[at : at + size], "big"), at + size
            require(length >= max(0x80, 1 << 8 * (size - 1)), malformed)
        self.at = at + length
        require(self.at <= len(self.data), malformed)
        return self.data[start], self.data[at : self.at], self.data[start : self.at]

    def next(self, tag):
        found, content, _ = self.any()
        require(found == tag, f"{self.what}: malformed")
        return content

    def whole(self, tag):
        found, _, whole = self.any()
        require(found == tag, f"{self.what}: malformed")
        return whole

    def optional(self, tag):
        return self.next(tag) if self.tag() == tag else None

    def fields(self, tag):
        return Fields(self.next(tag), self.what)

    def algorithm(self):
        """An algorithm, whose parameters are absent or null."""
        fields = self.fields(SEQUENCE)
        found = fields.next(OID).hex()
        require(fields.optional(5) in (None, b""), f"{self.what}: malformed")
        fields.end()
        return found

    def end(self):
        require(self.at == len(self.data), f"{self.what}: malformed")


def one_field(data, tag, what):
    outer = Fields(data, what)
    inner = outer.fields(tag)
    outer.end()
    return inner


def generalized(text, what):
    """A moment, in microseconds since 1970."""
    match = re.fullmatch(rb"(\d{14})(?:\.(\d*[1-9]))?Z", text)
    require(match, f"{what}: malformed")
    try:
        at = datetime.datetime.strptime(match[1].decode(), "%Y%m%d%H%M%S")
    except ValueError:
        raise Refused(f"{what}: malformed") from None
    require(match[1][12:] < b"60", f"{what}: malformed")
    fraction = (match[2] or b"").ljust(6, b"0")[:6]
    return (at - EPOCH) // datetime.timedelta(microseconds=1) + int(fraction)


def read_stamp(data, what):
    """The time of a TimeStampResp, the hash that it is over, its certificates, and which is the signer's."""
    require(len(data) <= 65_536, f"{what}: too long")
    answer = one_field(data, SEQUENCE, what)
    status = answer.fields(SEQUENCE).next(INTEGER)
    require(status in (b"\0", b"\1"), f"{what}: the authority granted no time-stamp")
    info = one_field(answer.whole(SEQUENCE), SEQUENCE, what)
    answer.end()
    require(info.next(OID).hex() == SIGNED_DATA, f"{what}: malformed")
    explicit = info.fields(CONTEXT_0)
    info.end()
    signed = explicit.fields(SEQUENCE)
    explicit.end()
    signed.next(INTEGER), signed.next(SET)
    content = signed.fields(SEQUENCE)
    require(content.next(OID).hex() == TST_INFO, f"{what}: malformed")
    explicit = content.fields(CONTEXT_0)
    content.end()
    stated = read_tst_info(explicit.next(OCTETS), what)
    explicit.end()
    certificates = Fields(signed.optional(CONTEXT_0) or b"", what)
    signed.optional(CONTEXT_1)
    signers = signed.fields(SET)
    signed.end()
    signer = read_signer(signers.fields(SEQUENCE), what)
    signers.end()
    found = []
    while certificates.tag() is not None:
        found.append(certificates.whole(SEQUENCE))
    return (*stated, found, signer)


def read_tst_info(data, what):
    info = one_field(data, SEQUENCE, what)
    require(info.next(INTEGER) == b"\1", f"{what}: its version is not 1")
    info.next(OID)
    imprint = info.fields(SEQUENCE)
    algorithm, hashed = imprint.algorithm(), imprint.next(OCTETS)
    imprint.end()
    require(algorithm == SHA_256, f"{what}: it is of another hash than SHA-256")
    info.next(INTEGER)
    at = generalized(info.next(GENERALIZED), what)
    for tag in (SEQUENCE, 1, INTEGER, CONTEXT_0, CONTEXT_1):
        info.optional(tag)
    info.end()
    return at, hashed


def read_signer(signer, what):
    """The issuer and the number of the signer's certificate."""
    require(signer.next(INTEGER) == b"\1", f"{what}: malformed")
    by = signer.fields(SEQUENCE)
    issuer, number_of = by.whole(SEQUENCE), by.next(INTEGER)
    by.end()
    hashed = signer.algorithm()
    signer.next(CONTEXT_0)
    known = (signer.algorithm(), hashed) in SIGNED_WITH
    require(known, f"{what}: signed with an algorithm that is not supported")
    signer.next(OCTETS)
    signer.optional(CONTEXT_1)
    signer.end()
    return issuer, number_of


def is_supported(certificate, signer, what):
    """Whether a certificate's key is of a kind that is supported, and it issues no others; None if it is not
    the signer's."""
    signed = one_field(certificate, SEQUENCE, what).fields(SEQUENCE)
    signed.optional(CONTEXT_0)
    number_of = signed.next(INTEGER)
    signed.next(SEQUENCE)
    if (signed.whole(SEQUENCE), number_of) != signer:
        return None
    signed.next(SEQUENCE), signed.next(SEQUENCE)
    algorithm = signed.fields(SEQUENCE).fields(SEQUENCE)
    kind = algorithm.next(OID).hex()
    if not (kind == RSA or (kind == EC and algorithm.next(OID).hex() in CURVES)):
        return False
    while signed.tag() is not None:
        tag, content, _ = signed.any()
        if tag == CONTEXT_3 and issues_certificates(one_field(content, SEQUENCE, what)):
            return False
    return True


def issues_certificates(extensions):
    """Whether the basic constraints of a certificate say that it is an authority's (RFC 5280, 4.2.1.9)."""
    while extensions.tag() is not None:
        extension = extensions.fields(SEQUENCE)
        if extension.next(OID).hex() == "551d13":
            extension.optional(BOOLEAN)
            constraints = one_field(extension.next(OCTETS), SEQUENCE, extension.what)
            return constraints.optional(BOOLEAN) not in (None, b"\0")
    return False


def check_stamp(data, note, at, roots, what):
    """Asks openssl: the signature, and a chain to the roots as it was at the stamped time."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in [("stamp.tsr", data), ("checkpoint", note.encode())]:
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        command = ["openssl", "ts", "-verify", "-data", "checkpoint", "-in", "stamp.tsr"]
        command += ["-CAfile", os.path.abspath(roots), "-auth_level", "2"]
        command += ["-attime", str(at // 1_000_000)]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        except FileNotFoundError:
            give_up("`openssl` is needed; install it and try again")
    if b"nknown option" in done.stderr or b"nrecognized flag" in done.stderr:
        give_up("this openssl cannot check time-stamps; version 3 or later is needed")
    good = done.returncode == 0 and b"Verification: OK" in done.stdout + done.stderr
    require(good, f"{what}: it is not signed by an authority that leads to a trusted root")


def times_name(place, name):
    return f"times/{tile_number(place)}/{name}"


class Outside:
    """Outside times: what a log had at a moment, by the word of somebody else than its operator."""

    def __init__(self, times):
        """`times` are pairs of a size and a moment."""
        self.times = sorted(times)
        self.sizes = sorted({size for size, _ in times})
        # For each size: the latest moment of it and all smaller ones, the earliest of it and all larger.
        self.latest = [max(at for s, at in times if s <= size) for size in self.sizes]
        self.earliest = [min(at for s, at in times if s >= size) for size in self.sizes]
        self.passed = self.between = self.widest = self.before = self.after = 0
        for size, latest, earliest in zip(self.sizes, self.latest, self.earliest[1:]):
            sentence = f"outside times go back: the log had {size} records at {show_time(latest)}, and more before"
            require(latest <= earliest + CLOCKS_DIFFER, sentence)

    def take(self, seq, at):
        """The next record, which says that it was recorded at `at`."""
        if not self.sizes:
            return
        while self.passed < len(self.sizes) and self.sizes[self.passed] <= seq:
            self.passed += 1
        lower = self.latest[self.passed - 1] if self.passed else None
        upper = self.earliest[self.passed] if self.passed < len(self.sizes) else None
        says = f"it says {show_time(at)}, and at"
        if lower is not None and at < lower - CLOCKS_DIFFER:
            raise Refused(f"record {seq} is backdated: {says} {show_time(lower)} the log did not have it")
        if upper is not None and at > upper + CLOCKS_DIFFER:
            raise Refused(f"record {seq} is postdated: {says} {show_time(upper)} the log had it")
        if lower is None:
            self.before += 1
        elif upper is None:
            self.after += 1
        else:
            self.between += 1
            self.widest = max(self.widest, upper - lower)

    def sentence(self):
        if not self.times:
            return "none: nobody but the log says when"
        moments = [at for _, at in self.times]
        lie = "no record lies between two of them"
        if self.between:
            lie = f"each of {self.between} records lies between two of them at most "
            lie += f"{show_width(-(-self.widest // 1_000_000))} apart"
        span = f"{len(moments)}, from {show_time(min(moments))} to {show_time(max(moments))}"
        return f"{span}: {lie}; {self.before} lie before the first, {self.after} after the last"


def show_width(seconds):
    parts = [(seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "m")]
    parts.append((seconds % 60, "s"))
    return " ".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


# --- The bundle -----------------------------------------------------------------------------------

KEYS = ["keys", "checkpoint", "checkpoint-earlier", "consistency", "table"]
# What each version of the layout begins with.
HEADS = {
    1: ["README.md", "verify.py"] + KEYS,
    2: ["README.md", "verify.py", "limits.json"]
    + KEYS
    + ["heartbeat", "cosigned", "cosigned-consistency"],
}
TAIL = ["events.ndjson", "events.csv", "events.ocsf.ndjson", "manifest.json", "manifest.note"]


def tar_header(name, length):
    def octal(value, digits):
        if value >> (3 * digits):
            return b"\x80" + value.to_bytes(digits, "big")
        return b"%0*o\0" % (digits, value)

    head = name.encode().ljust(100, b"\0") + octal(0o644, 7) + octal(0, 7) + octal(0, 7)
    head += octal(length, 11) + octal(0, 11)
    tail = (b"0" + bytes(100) + b"ustar\x0000").ljust(512 - len(head) - 8, b"\0")
    checksum = sum(head) + sum(tail) + 8 * ord(" ")
    return head + octal(checksum, 7) + tail


class Bundle:
    """The file: its members by name, every byte between them checked."""

    def __init__(self, path):
        self.file, self.members, self.names = open(path, "rb"), {}, []
        size, at = os.fstat(self.file.fileno()).st_size, 0
        while True:
            header = self._bytes(at, 512)
            require(len(header) == 512, f"byte {at}: the file is cut off")
            if header == bytes(512):
                break
            name = header[:100].rstrip(b"\0")
            octal = re.fullmatch(rb"([0-7]{11})\0", header[124:136])
            sound = re.fullmatch(rb"[!-~]+", name) and (octal or header[124] == 0x80)
            require(sound, f"byte {at}: not a header of ours")
            length = int(octal[1], 8) if octal else int.from_bytes(header[125:136], "big")
            name = name.decode()
            require(header == tar_header(name, length), f"byte {at}: not a header of ours")
            require(name not in self.members, f"`{name}` is there twice")
            self.members[name] = (at + 512, length)
            self.names.append(name)
            filler = -length % 512
            at += 512 + length + filler
            require(at <= size, f"`{name}` is cut off")
            require(self._bytes(at - filler, filler) == bytes(filler), f"`{name}` has a tail")
        require(self._bytes(at, 1025) == bytes(1024), "the end of the file is not that of a bundle")

    def _bytes(self, at, count):
        self.file.seek(at)
        return self.file.read(count)

    def length(self, name):
        return self.members[name][1]

    def read(self, name, at, count):
        start, length = self.members[name]
        return self._bytes(start + at, min(count, max(0, length - at)))

    def bytes(self, name):
        require(name in self.members, f"`{name}` is missing")
        return self.read(name, 0, self.length(name))

    def text(self, name):
        try:
            return self.bytes(name).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused(f"`{name}` is not UTF-8") from None

    def sha256(self, name):
        hashed, at, length = hashlib.sha256(), 0, self.length(name)
        while at < length:
            piece = self.read(name, at, 1 << 20)
            hashed.update(piece)
            at += len(piece)
        return hashed.hexdigest()


def tile_number(value):
    groups = [f"{value % 1000:03}"]
    while value >= 1000:
        value //= 1000
        groups.append(f"x{value % 1000:03}")
    return "/".join(reversed(groups))


def tile_path(kind, value, width):
    path = f"tile/{kind}/{tile_number(value)}"
    return path if width == 256 else f"{path}.p/{width}"


def tree_names(size):
    for first in range(0, size, 256):
        width, value = min(256, size - first), first // 256
        yield tile_path("entries", value, width)
        level, end = 0, value + 1
        while width == 256:
            yield tile_path(level, end - 1, 256)
            if end % 256:
                break
            level, end = level + 1, end // 256
    for level in range(8):
        width = (size >> (8 * level)) % 256
        if width:
            yield tile_path(level, size >> (8 * level + 8), width)


def is_time(text):
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
    if text is None:
        return True
    try:
        datetime.datetime.fromisoformat(text[:-1])
    except ValueError:
        return False
    return bool(re.fullmatch(form, text, re.ASCII))


def is_size(value):
    return type(value) is int and 0 <= value < 1 << 64


def plain_json(value):
    """JSON as manifests have it: nothing is escaped but what must be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_manifest(bundle):
    """The manifest, if the bundle has exactly the members that it lists."""
    require(bundle.names[-2:] == TAIL[-2:], "the bundle does not end with its manifest")
    text = bundle.text("manifest.json")
    try:
        manifest = json.loads(text)
        head = dict(manifest, members=[])
        lines = ",\n".join(plain_json(member) for member in manifest["members"])
        lines = "\n" + lines if lines else lines
        again = plain_json(head)[:-2] + lines + "\n]}\n"
    except (ValueError, KeyError, TypeError):
        raise Refused("`manifest.json` is malformed") from None
    require(again == text, "`manifest.json` is malformed")
    fields = ["bundle", "origin", "size", "records", "account", "from", "to", "members"]
    sound = list(manifest) == fields and is_size(manifest["bundle"]) and manifest["bundle"] in HEADS
    sound = sound and all(is_size(manifest[name]) for name in ("size", "records"))
    sound = sound and all(
        manifest[name] is None or isinstance(manifest[name], str) for name in fields[4:7]
    )
    sound = sound and is_time(manifest["from"]) and is_time(manifest["to"])
    require(sound, "`manifest.json` is malformed")
    size, records = manifest["size"], manifest["records"]
    require(max(size, records) // 256 <= len(bundle.names), "the manifest names another size")
    whole = all(manifest[name] is None for name in fields[4:7])
    if whole:
        require(size == records, "the manifest of a whole log names another number of records")
        middle = list(tree_names(size))
    else:
        packs = [tile_number(pack) for pack in range(-(-records // 256))]
        middle = [f"{f}/{p}" for p in packs for f in ("records", "proofs")]
        if manifest["bundle"] == 1 or manifest["account"] is None:
            middle = ["accounts"] + middle
        else:
            rows = sum(name.startswith("rows/") for name in bundle.names)
            middle += [f"rows/{tile_number(pack)}" for pack in range(rows)] + ["account"]
    head = list(HEADS[manifest["bundle"]])
    if manifest["bundle"] > 1:
        for place in range(count_stamps(bundle)):
            head += [times_name(place, name) for name in ("checkpoint", "consistency", "stamp.tsr")]
    same = bundle.names == head + middle + ["persons"] + TAIL
    require(same, "other files than a bundle has, or in another order")
    listed = manifest["members"]
    require([m.get("name") for m in listed] == bundle.names[:-2], "the manifest lists other files")
    for member in listed:
        name = member["name"]
        right = list(member) == ["name", "length", "sha256"] and is_size(member["length"])
        right = right and member["length"] == bundle.length(name)
        right = right and member["sha256"] == bundle.sha256(name)
        require(right, f"`{name}` is not the file that the manifest lists")
    return manifest, text, whole


def count_stamps(bundle):
    return -(-sum(name.split("/")[0] == "times" for name in bundle.names) // 3)


def hashes(text, what):
    require(text == "" or text.endswith("\n"), f"{what}: cut off")
    found = [strict_base64(line, what) for line in text.split("\n")[:-1]]
    require(all(len(hashed) == 32 for hashed in found), f"{what}: not hashes")
    return found


def records_of(data, count):
    """The entries of a bundle of entries."""
    at, found = 0, []
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        require(at + 2 <= len(data) and len(entry) == length, "a bundle of entries is cut off")
        found.append(entry)
        at += 2 + length
    require(len(found) == count, "a bundle of entries has another number of them")
    return found


def fork(one, other):
    sentence = "the log has signed two checkpoints that no one log can have"
    return Refused(sentence, FORK, (one["note"], other["note"]))


class Check:
    """One bundle under check."""

    def __init__(self, bundle, key, kept, policy=None, roots=None):
        self.bundle, self.policy, self.roots = bundle, policy, roots
        self.manifest, text, self.whole = read_manifest(bundle)
        # Nobody else reads these, but they are texts.
        bundle.text("README.md"), bundle.text("verify.py")
        self.limits = None
        if "limits.json" in bundle.members:
            self.limits = Limits(bundle.text("limits.json"))
        if self.limits and self.manifest["account"] is not None:
            self.limits.text("account", self.manifest["account"])
        keys = self.keys = parse_keys(bundle.text("keys"))
        texts = [key.text] if key else [log.text for log in policy.logs]
        # The given key, or the newest one that the policy names.
        places = [place for place, each in enumerate(keys) if each.text in texts][-1:]
        require(places, "the given key is not one of this log's keys")
        trusted, origin = keys[places[0] :], self.manifest["origin"]
        require(keys[-1].name == origin, "the manifest is of another log")
        self._check_manifest_note(text.encode(), origin, keys[-1:])
        self.now = statement(bundle.text("checkpoint"), trusted, origin, "checkpoint")
        name = "checkpoint-earlier"
        self.earlier = statement(bundle.text(name), keys, None, name)
        self.table = statement(bundle.text("table"), trusted, origin, "table", "/table")
        self.consistency = hashes(bundle.text("consistency"), "consistency")
        self.kept = kept and statement(kept, keys, None, "the kept checkpoint")
        self.trusted_keys, self.last_at = trusted, None
        self.trusted, size = trusted[0], self.manifest["size"]
        # What the log was when only its key was changed; it is that still, unless a new origin took an
        # older log later.
        ends = [key.ended for key in keys if key.ended and key.ended["rotates"]]
        once = [{"note": e["note"], **e["last"], "by": e["old"]} for e in ends]
        self.rotations = [each for each in once if not lost_later(keys, each)]
        self.origins = new_origins(keys, self.trusted)
        self.lost = next((e for e in self.origins if admits_loss(e)), None)
        require(self.now["size"] == size, "the manifest names another size than the checkpoint")
        require(self.table["size"] <= size, "the table's note is of a later size")
        self.beat = None
        if "heartbeat" in bundle.members:
            self.beat = heartbeat(bundle.text("heartbeat"), trusted, origin)
            require(self.beat["size"] == size, "the heartbeat is of another size than the checkpoint")
        self.stamped, self.outside = [], Outside([])
        self._cosigned(keys)
        self.exports, self.records = Exports(bundle), 0
        self.persons, self.met = read_persons(bundle.text("persons")), set()

    def _cosigned(self, keys):
        """What witnesses cosigned, if there is anything."""
        self.cosigned, self.growth, self.beyond, self.quorum = None, [], 0, None
        if "cosigned" in self.bundle.members:
            self.growth = hashes(self.bundle.text("cosigned-consistency"), "cosigned-consistency")
            text = self.bundle.text("cosigned")
            self.cosigned = statement(text, keys, None, "cosigned") if text else None
            own = not text or text.startswith(self.cosigned["by"].name + "\n")
            require(own, "cosigned: a note of the log that is no checkpoint")
            empty = self.cosigned or not self.growth
            require(empty, "cosigned-consistency: a proof of nothing")

    def _seen(self):
        """The outside time that the witnesses of the policy give. What is wrong with it is told later."""
        try:
            statement(self.cosigned["note"], self.trusted_keys, None, "cosigned")
            at = self.policy.judge(self.cosigned["note"])["existed"]
        except (Refused, TypeError, AttributeError):
            return []
        return [] if at is None else [(self.cosigned["size"], moment(at))]

    def _witnessed(self):
        """That what witnesses cosigned is of this log, and that they are a quorum of the policy."""
        once, now = self.cosigned, self.now
        if once:
            small, large = (once, now) if once["size"] <= now["size"] else (now, once)
            same = check_consistency(
                small["size"], small["root"], large["size"], large["root"], self.growth
            )
            if not same:
                raise self._explained(once, fork(once, now))
        if self.policy:
            require(once, "the witnesses of the policy do not vouch for it: nothing is cosigned")
            statement(once["note"], self.trusted_keys, None, "cosigned")
            self.quorum = self.policy.judge(once["note"])

    def _check_manifest_note(self, manifest, origin, trusted):
        note = self.bundle.text("manifest.note")
        body, signatures = parse_note(note, "manifest.note")
        require(len(signatures) == 1, "manifest.note: it has not exactly one signature")
        open_note(note, trusted, "manifest.note")
        hashed = base64.b64encode(sha256(manifest)).decode()
        want = f"{origin}/bundle\n{len(manifest)}\n{hashed}\n"
        require(body == want, "manifest.note: it signs another manifest")

    def _stamped(self, place):
        """A checkpoint that a time-stamping authority stamped."""
        note, what = self.bundle.text(times_name(place, "checkpoint")), f"times/{tile_number(place)}"
        once = statement(note, self.keys, None, f"{what}/checkpoint")
        once["consistency"] = hashes(self.bundle.text(times_name(place, "consistency")), what)
        data = self.bundle.bytes(times_name(place, "stamp.tsr"))
        once["at"], hashed, certificates, signer = read_stamp(data, what)
        require(hashed == sha256(note.encode()), f"{what}: it is a time-stamp of something else")
        if self.roots:
            kinds = [is_supported(each, signer, what) for each in certificates]
            require(True in kinds, f"{what}: the certificate of its signer is missing, or not supported")
            check_stamp(data, note, once["at"], self.roots, what)
        return once

    def _not_shorter(self, *statements):
        for once in statements:
            if once and once["size"] > self.now["size"]:
                sentence = f"the log has {self.now['size']} records, and once signed for"
                found = Refused(f"{sentence} {once['size']}", ROLLBACK, (once["note"],))
                raise self._explained(once, found)

    def run(self):
        if self.beat and self.beat["root"] != self.now["root"]:
            raise fork(self.beat, self.now)
        self._not_shorter(self.kept, self.earlier, *self.rotations)
        self.stamped = [self._stamped(place) for place in range(count_stamps(self.bundle))]
        self._not_shorter(*self.stamped)
        times = [(s["size"], s["at"]) for s in self.stamped] if self.roots else []
        self.outside = Outside(times + self._seen())
        self._whole() if self.whole else self._part()
        self.exports.finish()
        same = show_persons(self.persons, self.met) == self.bundle.text("persons")
        require(same, "persons: not those that the records speak of")
        earlier, now = self.earlier, self.now
        extends = check_consistency(
            earlier["size"], earlier["root"], now["size"], now["root"], self.consistency
        )
        # All else is good, and so this is the whole finding.
        shorter = [e for e in self.origins if e["last"]["size"] > now["size"]]
        lost = self.lost or (shorter and shorter[0])
        if lost:
            raise rolled_back(lost)
        if not extends:
            raise self._explained(earlier, fork(earlier, now))
        for once in self.stamped:
            path = once["consistency"]
            if not check_consistency(once["size"], once["root"], now["size"], now["root"], path):
                raise self._explained(once, fork(once, now))
        self._witnessed()

    def _explained(self, once, found):
        """What the comparison with a statement found, unless that the log is another is on record."""
        ended = lost_later(self.keys, once)
        return rolled_back(ended) if ended else found

    def _one(self, auditor, seq, data, part=None):
        leaf = leaf_hash(data)
        try:
            record = decode(data, self.persons)
            if self.limits:
                self.limits.check(record)
            account = auditor.push(seq, leaf, record)
        except Refused as refused:
            raise Refused(f"record {seq}: {refused}", refused.code) from None
        self.met |= record["persons"]
        if part is None or part.takes(seq, record, account):
            self.outside.take(seq, record["at"])
            self.exports.event(seq, record, account)
            self.records += 1
            self.beyond += self.cosigned is None or seq >= self.cosigned["size"]
            self.last_at = record["at"]
        return leaf, record, account

    def _whole(self):
        tree, self.auditor = Tree(), Auditor()
        self._look(tree)
        size = self.now["size"]
        for first in range(0, size, 256):
            width = min(256, size - first)
            data = self.bundle.bytes(tile_path("entries", first // 256, width))
            for place, entry in enumerate(records_of(data, width)):
                leaf, _, _ = self._one(self.auditor, first + place, entry)
                for level, value, made in tree.push(leaf):
                    path = tile_path(level, value, 256)
                    same = self.bundle.bytes(path) == made
                    require(same, f"{path} is not what the records make it")
                self._look(tree)
            progress(tree.size)
        for level, made in tree.tiles.items():
            if made:
                path = tile_path(level, size >> (8 * level + 8), len(made) // 32)
                same = self.bundle.bytes(path) == bytes(made)
                require(same, f"{path} is not what the records make it")
        require(tree.root() == self.now["root"], "the records make another root than was signed")

    def _look(self, tree):
        """Compares what was signed at the size that is reached."""
        for once in (self.kept, self.earlier, *self.rotations, *self.stamped):
            if once and once["size"] == tree.size and once["root"] != tree.root():
                raise self._explained(once, fork(once, self.now))
        for ended in self.origins:
            last, begun = ended["last"], ended["from"]
            if begun and begun["size"] == tree.size and begun["root"] != tree.root():
                raise fork(ended, self.now)
            if last["size"] == tree.size and last["root"] != tree.root():
                self.lost = self.lost or ended
        if self.table["size"] == tree.size:
            sentence = f"the records give a different table of keys than the log signed at size {tree.size}"
            root = self.auditor.table_root(self.manifest["bundle"])
            require(root == self.table["root"], sentence)

    def _part(self):
        """Some records of a log, each proved to be in it."""
        account = self.manifest["account"]
        if self.manifest["bundle"] == 1:
            part = OldPart(self)
        else:
            part = AccountPart(self, account) if account is not None else Span(self)
        if self.kept:
            same = [s for s in (self.earlier, self.now) if s["size"] == self.kept["size"]]
            require(same, "the kept checkpoint cannot be compared with this part of the log")
            if same[0]["root"] != self.kept["root"]:
                raise self._explained(self.kept, fork(self.kept, same[0]))
        self.auditor = part.auditor
        for first in range(0, self.manifest["records"], 256):
            width = min(256, self.manifest["records"] - first)
            entries = records_of(self.bundle.bytes(f"records/{tile_number(first // 256)}"), width)
            proofs = self.bundle.text(f"proofs/{tile_number(first // 256)}")
            blocks = proofs.split("\n\n")
            require(blocks.pop() == "" and len(blocks) == width, "proofs: malformed")
            for block, entry in zip(blocks, entries):
                head, _, path = block.partition("\n")
                match = re.fullmatch(r"index (\d+)", head, re.ASCII)
                require(match, "proofs: malformed")
                seq = number(match[1], "proofs")
                path = hashes(path + "\n" if path else "", "proofs")
                root = root_from_inclusion(leaf_hash(entry), seq, self.now["size"], path)
                require(root == self.now["root"], f"record {seq} is not proved to be in the log")
                self._one(self.auditor, seq, entry, part)
            progress(seq)
        require(self.records, "no record is in the part that the manifest names: nothing is shown")
        part.finish()

    def fresh(self, now, max_age):
        """That the log's last word in the bundle is not older than that; an old bundle is as well signed
        as a new one."""
        last = self.last_at if self.records else None
        if self.beat:
            last = self.beat["at"] * 1_000_000
            require(last <= (now + 300) * 1_000_000, "the heartbeat is of the future")
        if last is not None and last < (now - max_age) * 1_000_000:
            raise Refused(f"nothing has come since {show_time(last)}", STALE)
        if self.quorum and self.quorum["fresh"] is not None:
            at = self.quorum["fresh"]
            require(at <= now + 300, "a quorum of witnesses cosigned in the future")
            if at < now - max_age:
                since = show_time(at * 1_000_000)
                raise Refused(f"no quorum of witnesses has cosigned anything since {since}", STALE)

    def covers(self, record, account):
        wanted = self.manifest["account"]
        return wanted in (None, account) and not self.before(record) and not self.behind(record)

    def before(self, record):
        start = self.manifest["from"]
        return start is not None and show_time(record["at"]) < start

    def behind(self, record):
        end = self.manifest["to"]
        return end is not None and show_time(record["at"]) >= end


class Accounts:
    """The accounts of keys that were made before the records of a part."""

    def __init__(self, check):
        self.text, self.by_key, self.met, self.again = check.bundle.text("accounts"), {}, set(), []
        for line in self.text.split("\n")[:-1]:
            key_id, _, account = line.partition(" ")
            form = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
            require(re.fullmatch(form, key_id) and account, "accounts: malformed")
            self.by_key[uuid.UUID(key_id).bytes] = account

    def take(self, record, account):
        for link in filter(None, (record["link"], record["replaced"])):
            if link["key"] not in self.met and link["before"] is not None:
                self.again.append(f"{show_id(link['key'])} {account}\n")
            self.met.add(link["key"])

    def finish(self):
        require("".join(self.again) == self.text, "accounts: not the keys that need a line")


class OldPart:
    """A part of the first version: it does not show whether records are missing."""

    def __init__(self, check):
        self.check, self.accounts = check, Accounts(check)
        self.auditor = Auditor(self.accounts.by_key)

    def takes(self, seq, record, account):
        covered = self.check.covers(record, account)
        require(covered, f"record {seq} is not in the part that is named")
        self.accounts.take(record, account)
        return True

    def finish(self):
        self.accounts.finish()


class Span:
    """A span of time is a run of records, with the ones before and behind it."""

    def __init__(self, check):
        self.check, self.accounts = check, Accounts(check)
        self.auditor, self.last, self.ended = Auditor(self.accounts.by_key), None, False

    def takes(self, seq, record, account):
        covered, behind = self.check.covers(record, account), self.check.behind(record)
        outside = f"record {seq} is not in the part that is named"
        require(not self.ended, outside)
        require(self.last is None or covered or behind, outside)
        wanted = seq if self.last is None else self.last + 1
        wanted = 0 if self.last is None and covered else wanted
        require(seq == wanted, self._gap(wanted))
        self.last, self.ended = seq, behind
        self.accounts.take(record, account)
        return covered

    def _gap(self, seq):
        return f"a span of time is a run of records, and record {seq} is not in this one"

    def finish(self):
        self.accounts.finish()
        whole = self.ended or self.last + 1 == self.check.now["size"]
        require(whole, self._gap(self.last + 1))


class AccountPart:
    """All records of an account: of as many keys as the log says, each up to what the log's table of keys
    says of it."""

    def __init__(self, check, account):
        self.check, self.account, self.created = check, account, []
        self.auditor = Auditor(gaps=True)

    def takes(self, seq, record, account):
        require(account == self.account, f"record {seq} is not in the part that is named")
        if record["type"] == 0:
            self.created.append(record["link"]["key"])
        return self.check.covers(record, account)

    def finish(self):
        size, found = self.check.now["size"], len(self.created)
        keys = self._signed_keys(size)
        sentence = f"the log signed that the account has {keys} keys, and {found} are in the part"
        require(keys == found, sentence)
        require(self.check.table["size"] == size, "the table's note is of another size than the part")
        names = [name for name in self.check.bundle.names if name.startswith("rows/")]
        require(len(names) == -(-found // 256), "rows: not as many files as there are keys")
        for place, name in enumerate(names):
            keys = self.created[place * 256 : place * 256 + 256]
            blocks = self.check.bundle.text(name).split("\n\n")
            require(blocks.pop() == "" and len(blocks) == len(keys), "rows: malformed")
            for key, block in zip(keys, blocks):
                self._in_table(key, block)

    def _signed_keys(self, size):
        trusted, origin = self.check.trusted_keys, self.check.manifest["origin"]
        body, by = open_note(self.check.bundle.text("account"), trusted, "account")
        lines = body.split("\n")
        keys = number(lines[2], "account") if len(lines) > 2 else 0
        require(body == f"{origin}/account\n{size}\n{keys}\n{self.account}\n", "account: malformed")
        by = [key for key in trusted if key in by and key.name == origin]
        require(by, "account: not signed in the log's own name")
        allowed(by[-1], size, "account")
        return keys

    def _in_table(self, key, block):
        head, _, path = block.partition("\n")
        match = re.fullmatch(r"index (\d+) of (\d+)", head, re.ASCII)
        require(match, "rows: malformed")
        index, rows = number(match[1], "rows"), number(match[2], "rows")
        path = hashes(path + "\n" if path else "", "rows")
        row = self.auditor.row(key)
        root = root_from_bucket(row, index, rows, path)
        sentence = f"the log's table of keys has another row for {show_id(key)}: a record is missing"
        require(root == self.check.table["root"], sentence)


def plain(text):
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "?", text)


def progress(count):
    if sys.stderr.isatty():
        print(f"\rrecords checked: {count}\x1b[K", end="", file=sys.stderr)


def duration(text):
    if not re.fullmatch(r" *(\d+ *[smhdw] *)+", text, re.ASCII):
        raise argparse.ArgumentTypeError("write it as 30s, 15m, 1h or 7d")
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
    return sum(int(count) * seconds[unit] for count, unit in re.findall(r"(\d+) *([smhdw])", text))


def which(manifest):
    """Which part of the log it is."""
    names = (("account", "account"), ("from", "from"), ("to", "to before"))
    parts = [f"{word} {manifest[name]}" for name, word in names if manifest[name] is not None]
    return plain(", ".join(parts) or "the whole log")


def read_kept(path):
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise OSError(f"the checkpoint `{path}` cannot be read: {error}") from None


def read_policy(parser, path):
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            return Policy(file.read())
    except OSError as error:
        parser.error(f"--policy: {error}")
    except Refused as refused:
        parser.error(f"--policy: `{path}` is no policy: {refused}")


def moment(seconds):
    """A witness's time, which may be any, in microseconds."""
    return min(seconds, 253_402_300_799) * 1_000_000


def show_moment(seconds):
    return show_time(moment(seconds))


def print_witnessed(check):
    quorum, size = check.quorum, check.cosigned["size"]
    moments = ""
    if quorum["fresh"] is not None:
        moments = f", by a quorum until {show_moment(quorum['existed'])}"
        moments += f", and since {show_moment(quorum['fresh'])}"
    print(f"witnessed up to size {size}{moments}")
    for name, at in quorum["by"]:
        print(plain(f"cosigned by {name} at {show_moment(at)}"))
    print(f"unwitnessed: {check.beyond} records are beyond that")


def main():
    parser = argparse.ArgumentParser(
        description="Checks a keyledger bundle offline. Exit codes: 0 good, 10 invalid, "
        "11 a fork, 12 a rollback, 13 stale, 14 rolled back, which is on record."
    )
    parser.add_argument("bundle")
    parser.add_argument("--key", help="a verifier key of the log; not needed if the policy names it")
    parser.add_argument("--policy", help="a file (tlog-policy): a quorum of its witnesses must cosign")
    parser.add_argument("--kept", help="a file with a checkpoint that you kept")
    parser.add_argument("--max-age", type=duration, help="how old the log's last word in it may be: 1d")
    roots = "a PEM file with the roots of the time-stamping authorities that you trust"
    parser.add_argument("--tsa-ca", metavar="FILE", help=roots)
    arguments = parser.parse_args()
    if arguments.tsa_ca:
        try:
            with open(arguments.tsa_ca, "rb") as file:
                has_one = b"-----BEGIN CERTIFICATE-----" in file.read()
        except OSError as error:
            parser.error(f"--tsa-ca: {error}")
        if not has_one:
            parser.error("--tsa-ca: it has no certificate in PEM form")
    try:
        key = Key(arguments.key) if arguments.key else None
    except Refused as refused:
        parser.error(f"--key: {refused}")
    policy = read_policy(parser, arguments.policy)
    if not key and not (policy and policy.logs):
        parser.error("--key is needed, or a --policy that names the log")
    check = None
    try:
        kept = read_kept(arguments.kept) if arguments.kept else None
        check = Check(Bundle(arguments.bundle), key, kept, policy, arguments.tsa_ca)
        check.run()
        if arguments.max_age is not None:
            check.fresh(time.time(), arguments.max_age)
    except OSError as error:
        print(f"verify.py: {error}", file=sys.stderr)
        return MISUSE
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        print("INVALID: something in it is in no form that a bundle has")
        return INVALID
    except Refused as refused:
        words = {FORK: "FORK", ROLLBACK: "ROLLBACK", STALE: "STALE", ROLLED_BACK: "ROLLED BACK"}
        word = words.get(refused.code, "INVALID")
        print(f"{word}: {plain(str(refused))}")
        if check:
            lineage(check.keys)
            if refused.code == ROLLED_BACK:
                newest = check.keys[-1].text
                print(f"whoever accepts the loss trusts the new origin: --key '{newest}'")
        for place, note in enumerate(refused.evidence, 1):
            path = f"{arguments.bundle}.evidence-{place}"
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(note)
            print(f"kept as evidence: {path}")
        return refused.code
    finally:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr)
    root = base64.b64encode(check.now["root"]).decode()
    print(f"log {check.manifest['origin']}, size {check.now['size']}, root {root}")
    keys, signed_by = len(check.auditor.keys), check.now["by"].text
    if check.beat:
        print(f"complete as of {show_time(check.beat['at'] * 1_000_000)}, by the log's clock")
    print(f"{check.records} records of {keys} keys, signed by {signed_by}")
    if check.roots or check.policy:
        print(f"outside time {check.outside.sentence()}")
    elif check.stamped:
        unchecked = "time-stamps, not checked; give --tsa-ca with the roots that you trust"
        print(f"outside time {len(check.stamped)} {unchecked}")
    if check.quorum:
        print_witnessed(check)
    lineage(check.keys)
    newest = check.keys[-1].text
    if newest != check.trusted.text:
        print(f"the key you gave was succeeded; from now on give --key '{newest}'")
    print(f"part: {which(check.manifest)}")
    if not check.limits:
        print("a bundle of version 1 has no table of limits: lengths and characters were not checked")
    if check.whole:
        print("good: every record, every change by the rules, the table of keys, the exports")
    elif check.manifest["bundle"] == 1:
        print(
            "good, but partial: what is not in the bundle was not checked, and this older form does not "
            "show whether records of the part are missing"
        )
    else:
        print("good, but partial: no record of the part is missing; the rest was not checked")
    return GOOD


if __name__ == "__main__":
    sys.exit(main())
