"""Forges bundles: what somebody could do to one, with the log's own key in his hands or without.

    forge.py VERIFY.PY BUNDLE.tar PART.tar LOG.KEY OUT_FOLDER

Writes one tar for each forgery, and prints `<file> <the exit code that a verifier must give>`.
It stands on verify.py's own reading of the layouts, so that it can make everything fit again.
"""

import base64
import hashlib
import importlib.util
import json
import os
import sys

from ed25519 import Pair


def load(path):
    spec = importlib.util.spec_from_file_location("verify", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


verify = load(sys.argv[1])
BUNDLE, PART, LOG_KEY, OUT = sys.argv[2:6]


class Signer:
    """Signs with an Ed25519 seed."""

    def __init__(self, seed, name):
        self.pair, self.name = Pair(seed), name
        data = b"\x01" + self.pair.public
        self.id = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
        self.text = f"{name}+{self.id.hex()}+{base64.b64encode(data).decode()}"

    def line(self, text, nonce=None):
        signature = self.pair.sign(text.encode(), nonce)
        return f"\u2014 {self.name} {base64.b64encode(self.id + signature).decode()}\n"

    def note(self, text):
        return text + "\n" + self.line(text)

    def statement(self, origin, size, root):
        return self.note(f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n")

    def beat(self, size, root, time="time 1700000000"):
        root = base64.b64encode(root).decode()
        return self.note(f"{self.name}/heartbeat\n{size}\n{root}\n{time}\n")


class Forgery:
    """The files of a bundle, to be changed and packed again."""

    def __init__(self, path, signer):
        bundle = verify.Bundle(path)
        self.files = [[name, bundle.bytes(name)] for name in bundle.names]
        self.signer = signer

    def get(self, name):
        return next(content for found, content in self.files if found == name)

    def set(self, name, content):
        if isinstance(content, str):
            content = content.encode()
        next(file for file in self.files if file[0] == name)[1] = content

    def origin(self):
        return json.loads(self.get("manifest.json"))["origin"]

    def entries(self):
        name = next(name for name, _ in self.files if name.startswith(("tile/entries", "records/")))
        data, found, at = self.get(name), [], 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 2], "big")
            found.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        return name, found

    def set_entries(self, entries):
        """Other records: with tiles and exports that fit. What is signed stays as it is."""
        name, _ = self.entries()
        self.set(name, b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries))
        leaves = b"".join(verify.leaf_hash(entry) for entry in entries)
        self.set(next(name for name, _ in self.files if name.startswith("tile/0/")), leaves)
        exports = {"events.ndjson": "", "events.csv": verify.CSV_HEAD, "events.ocsf.ndjson": ""}
        accounts = {}
        persons = verify.read_persons(self.get("persons").decode())
        for seq, entry in enumerate(entries):
            record = verify.decode(entry, persons)
            if record["type"] == 0:
                accounts[record["key"]["id"]] = record["key"]["account"]
            event = verify.event_of(seq, record, accounts[record["link"]["key"]])
            exports["events.ndjson"] += verify.compact(event) + "\n"
            exports["events.csv"] += verify.csv_row(event)
            exports["events.ocsf.ndjson"] += verify.ocsf(event, record)
        for name, text in exports.items():
            self.set(name, text)

    def sign_all(self):
        """Signs the checkpoints and the table's note that the records make."""
        _, entries = self.entries()
        root = verify.root_of(verify.leaf_hash(entry) for entry in entries)
        note = self.signer.statement(self.origin(), len(entries), root)
        self.set("checkpoint", note)
        self.set("checkpoint-earlier", note)
        self.set("consistency", "")
        self.set("heartbeat", self.signer.beat(len(entries), root))

    def manifest(self, signer=None, change=lambda manifest: None):
        """The manifest made again, and signed."""
        manifest = json.loads(self.get("manifest.json"))
        listed = [file for file in self.files if not file[0].startswith("manifest.")]
        manifest["members"] = [
            {"name": name, "length": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in listed
        ]
        change(manifest)
        lines = ",\n".join(verify.compact(member) for member in manifest["members"])
        text = verify.compact(dict(manifest, members=[]))[:-2] + "\n" + lines + "\n]}\n"
        self.set("manifest.json", text)
        hashed = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        body = f"{manifest['origin']}/bundle\n{len(text.encode())}\n{hashed}\n"
        self.set("manifest.note", (signer or self.signer).note(body))

    def pack(self):
        data = b""
        for name, content in self.files:
            data += verify.tar_header(name, len(content)) + content + bytes(-len(content) % 512)
        return data + bytes(1024)


def of_another_node(entry):
    """A node may have any name: the record is as good as before."""
    return entry[:11] + bytes([entry[11] ^ 1]) + entry[12:]


def nothing(f):
    f.manifest()


def nothing_of_a_part(f):
    f.manifest()


def forged_entry_with_its_tile(f):
    _, entries = f.entries()
    f.set_entries([of_another_node(entries[0])] + entries[1:])
    f.manifest()


def forged_tile(f):
    name = next(name for name, _ in f.files if name.startswith("tile/0/"))
    tile = bytearray(f.get(name))
    tile[5] ^= 1
    f.set(name, bytes(tile))
    f.manifest()


def another_history(f):
    """Everything fits and is signed; only the checkpoint that was signed before does not."""
    _, entries = f.entries()
    earlier = f.get("checkpoint")
    f.set_entries(entries[:-1] + [of_another_node(entries[-1])])
    f.sign_all()
    f.set("checkpoint-earlier", earlier)
    f.manifest()


def unlawful_record(f):
    """The record before the last once more, in the place of the last."""
    _, entries = f.entries()
    f.set_entries(entries[:-1] + [entries[-2]])
    f.sign_all()
    f.manifest()


def another_table(f):
    root = hashlib.sha256(b"").digest()
    size = json.loads(f.get("manifest.json"))["size"]
    f.set("table", f.signer.statement(f.origin() + "/table", size, root))
    f.manifest()


def another_export(name):
    def forge(f):
        f.set(name, f.get(name).replace(b"created", b"revoked", 1).replace(b"Create", b"Delete", 1))
        f.manifest()

    return forge


def longer_export(f):
    f.set("events.ndjson", f.get("events.ndjson") + b"{}\n")
    f.manifest()


def shorter_export(f):
    f.set("events.csv", f.get("events.csv")[: len(verify.CSV_HEAD)])
    f.manifest()


def fork(f):
    size = json.loads(f.get("manifest.json"))["size"]
    f.set("checkpoint-earlier", f.signer.statement(f.origin(), size - 1, bytes(32)))
    f.manifest()


def rollback(f):
    size = json.loads(f.get("manifest.json"))["size"]
    f.set("checkpoint-earlier", f.signer.statement(f.origin(), size + 1, bytes(32)))
    f.manifest()


def consistency_of_nothing(f):
    f.set("consistency", base64.b64encode(bytes(32)).decode() + "\n")
    f.manifest()


def rotated(f, size, root):
    """The log's key took over from another one, when the log was this."""
    old, new = Signer(bytes(32), f.origin()), f.signer
    text = f"keyledger succession v1\nold {old.text}\nnew {new.text}\nsize {size}\n"
    text += f"root {base64.b64encode(root).decode()}\n"
    notes = text + "\n" + old.line(text) + new.line(text)
    f.set("keys", f"{old.text}\n{new.text}\n\n{notes}")
    f.manifest()


def rotation_of_this_log(f):
    _, entries = f.entries()
    rotated(f, 2, verify.root_of(verify.leaf_hash(entry) for entry in entries[:2]))


def rotation_of_another_log(f):
    rotated(f, 2, bytes(32))


def rotation_of_a_longer_log(f):
    rotated(f, json.loads(f.get("manifest.json"))["size"] + 1, bytes(32))


def beat(change):
    """Another heartbeat: of what `change` makes of the signer, the size and the root."""

    def forge(f):
        _, entries = f.entries()
        root = verify.root_of(verify.leaf_hash(entry) for entry in entries)
        f.set("heartbeat", change(f.signer, len(entries), root))
        f.manifest()

    return forge


BEATS = [
    (beat(lambda s, size, root: s.beat(size, root)), 0),
    (beat(lambda s, size, root: s.beat(size, bytes(32))), 11),
    (beat(lambda s, size, root: s.beat(size - 1, root)), 10),
    (beat(lambda s, size, root: s.beat(size + 1, root)), 10),
    (beat(lambda s, size, root: s.beat(size, root, "time 01700000000")), 10),
    (beat(lambda s, size, root: s.beat(size, root, "time -1")), 10),
    (beat(lambda s, size, root: s.beat(size, root, "time 1\ntime 2")), 10),
    (beat(lambda s, size, root: s.statement(s.name, size, root)), 10),
    (beat(lambda s, size, root: s.statement(s.name + "/heartbeat", size, root)), 10),
    (beat(lambda s, size, root: Signer(bytes(range(32)), s.name).beat(size, root)), 10),
    (beat(lambda s, size, root: Signer(bytes(range(32)), "other").beat(size, root)), 10),
    (beat(lambda s, size, root: ""), 10),
]


def stranger(f):
    f.manifest(Signer(bytes(range(32)), f.origin()))


def unsigned_change(f):
    f.set("README.md", f.get("README.md") + b" ")


def two_signatures(f):
    body = f.get("manifest.note").decode()
    f.set("manifest.note", body + body.rsplit("\n\n", 1)[1])


def loose_base64(f):
    """The same bytes in another spelling: the last character has bits to spare."""
    note = f.get("manifest.note").decode()
    place = note.rindex("=") - (2 if note.endswith("==\n") else 1)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(note[place]) ^ 1]
    f.set("manifest.note", note[:place] + other + note[place + 1 :])


def claims_another_size(f):
    f.manifest(change=lambda manifest: manifest.update(size=manifest["size"] - 1))


def extra_member(f):
    f.files.insert(3, ["notes", b"trust me"])
    f.manifest()


def member_twice(f):
    f.files.insert(3, list(f.files[2]))
    f.manifest()


def members_reordered(f):
    f.files[3], f.files[4] = f.files[4], f.files[3]
    f.manifest()


def member_missing(f):
    f.files = [file for file in f.files if file[0] != "table"]
    f.manifest()


def record_left_out(f):
    """Of a part, a record in the middle, whose key goes on."""
    name, entries = f.entries()
    out = entries[1]
    kept = [entry for entry in entries if entry != out]
    f.set(name, b"".join(len(entry).to_bytes(2, "big") + entry for entry in kept))
    blocks = f.get("proofs/000").decode().split("\n\n")
    f.set("proofs/000", "\n\n".join(blocks[:1] + blocks[2:]))
    f.set("events.ndjson", drop_line(f.get("events.ndjson"), 1))
    f.set("events.csv", drop_line(f.get("events.csv"), 2))
    f.set("events.ocsf.ndjson", drop_line(f.get("events.ocsf.ndjson"), 1))
    f.manifest(change=lambda manifest: manifest.update(records=len(kept)))


def drop_line(data, at):
    lines = data.splitlines(keepends=True)
    return b"".join(lines[:at] + lines[at + 1 :])


def proof_of_another_record(f):
    proofs = f.get("proofs/000").decode()
    f.set("proofs/000", proofs.replace("index 1\n", "index 2\n", 1))
    f.manifest()


def account_renamed(f):
    f.manifest(change=lambda manifest: manifest.update(account="other"))


def persons(change):
    """Other lines of `persons`."""

    def forge(f):
        lines = f.get("persons").decode().splitlines(keepends=True)
        assert len(lines) > 1
        f.set("persons", "".join(change(lines)))
        f.manifest()

    return forge


def nobodys():
    key = bytes(32)
    name = hashlib.sha256(key).digest()[:16].hex()
    return f"{name} {base64.b64encode(key).decode()}\n"


def exchanged(lines):
    (one, key), (other, its) = (line.split(" ") for line in lines[:2])
    return [f"{one} {its}", f"{other} {key}", *lines[2:]]


PERSONS = [
    persons(lambda lines: lines[1:]),
    persons(lambda lines: lines[::-1]),
    persons(lambda lines: sorted([*lines, nobodys()])),
    persons(exchanged),
    # Said to be erased, and in the exports as before.
    persons(lambda lines: [lines[0][:33] + "erased\n", *lines[1:]]),
    persons(lambda lines: [lines[0].upper(), *lines[1:]]),
    persons(lambda lines: [*lines, lines[-1]]),
]

WHOLE = [
    (nothing, 0), (forged_entry_with_its_tile, 10), (forged_tile, 10), (another_history, 11),
    (unlawful_record, 10), (another_table, 10), (another_export("events.ndjson"), 10),
    (another_export("events.csv"), 10), (another_export("events.ocsf.ndjson"), 10),
    (longer_export, 10), (shorter_export, 10), (fork, 11), (rollback, 12),
    (consistency_of_nothing, 10), (rotation_of_this_log, 0), (rotation_of_another_log, 11),
    (rotation_of_a_longer_log, 12), (stranger, 10), (unsigned_change, 10), (two_signatures, 10),
    (loose_base64, 10), (claims_another_size, 10), (extra_member, 10), (member_twice, 10),
    (members_reordered, 10), (member_missing, 10), *((forge, 10) for forge in PERSONS),
    *BEATS,
]
OF_A_PART = [
    (nothing_of_a_part, 0), (record_left_out, 10), (proof_of_another_record, 10),
    (account_renamed, 10),
]


def bytes_changed(data):
    """The whole file with something at its ends."""
    yield "cut_off", data[:-512]
    yield "cut_in_the_middle", data[: len(data) // 2]
    yield "longer", data + bytes(512)
    yield "other_end", data[:-1] + b"\x01"
    yield "empty", b""


def log_signer():
    """Signs with the log's own key."""
    with open(LOG_KEY, encoding="utf-8") as file:
        lines = file.read().split("\n")
    seed = base64.urlsafe_b64decode(lines[0] + "=")
    return Signer(seed, lines[1].split("+")[0])


def main():
    signer = log_signer()
    for path, forgeries in [(BUNDLE, WHOLE), (PART, OF_A_PART)]:
        for number, (forge, code) in enumerate(forgeries):
            forgery = Forgery(path, signer)
            forge(forgery)
            write(f"{number:02}_{forge.__name__}_{os.path.basename(path)}", forgery.pack(), code)
    with open(BUNDLE, "rb") as file:
        for name, data in bytes_changed(file.read()):
            write(f"{name}.tar", data, 10)


def write(name, data, code):
    with open(os.path.join(OUT, name), "wb") as file:
        file.write(data)
    print(name, code)


if __name__ == "__main__":
    main()
