"""A log in a forger's hands: its records, changed and chained again, and everything that is signed."""

import copy
import hashlib

import forge
import records
from forge import verify

SECOND = 1_000_000
CREATED, ENABLED, DISABLED, EXPIRED, REVOKED, UPDATED = range(6)


class Log(forge.Forgery):
    """A whole log. What a forgery changes in `records` is in the bundle after `seal`."""

    def __init__(self, path, signer):
        super().__init__(path, signer)
        self.persons = verify.read_persons(self.get("persons").decode())
        _, entries = self.entries()
        self.records = [records.decode(entry, self.persons) for entry in entries]
        # What is done to the bytes of a record at last: {place: function}.
        self.bent, self.rechained = {}, True
        self.keys = {}

    # --- What a forgery does ---

    def person(self, name):
        """The pseudonym of somebody, who is made if there is none yet."""
        key = hashlib.sha256(b"the key of " + name.encode()).digest()
        pseudonym = hashlib.sha256(key).digest()[:16]
        self.persons[pseudonym] = key
        return pseudonym

    def base(self, **fields):
        """A record of an owner of acme, one second after the last one."""
        ann = self.person("ann of acme")
        self.made = getattr(self, "made", 0) + 1
        record = {
            "at": self.records[-1]["at"] + SECOND, "node": "node", "account": "acme",
            "roles": ["owner"], "way": 0, "by_word_of": "keyledger", "dialect": 0, "rules": {},
            "salt": hashlib.sha256(b"salt %d" % self.made).digest()[:12], "subject": "ann",
            "jti": "t1", "ip": "127.0.0.1", "request_id": "r1", "reason": None, "replaced": None,
            "persons_of": {records.ACTOR: (ann,)},
        }
        return {**record, **fields}

    def create(self, name, key=None, **fields):
        """A new key, which is called `name` in the forgery too."""
        made = {
            "id": hashlib.sha256(b"id of " + name.encode()).digest()[:16], "account": "acme",
            "number": None, "kind": 0, "environment": 0, "role": None, "permissions": [],
            "project": None, "allowed_ips": [], "expires_at": None, "rate_limit": None,
            "quota": None, "tags": [], "prefix": "kl_live_forged",
            "digest": hashlib.sha256(b"digest of " + name.encode()).digest(), "replaces": None,
            "dialect": 0, "public_value": None, "imported": None, "owner": "ann", "name": name,
            "description": None, "metadata": [],
        }
        made.update(key or {})
        if made["public_value"] is not None and "digest" not in (key or {}):
            made["digest"] = hashlib.sha256(made["public_value"].encode()).digest()
        if made["number"] is None:
            of_account = [r for r in self.records if r["type"] == 0]
            of_account = [r for r in of_account if r["key"]["account"] == made["account"]]
            made["number"] = max((r["key"]["number"] for r in of_account), default=0) + 1
        link = {"key": made["id"], "revision": 1, "before": None, "after": 0, "previous": None}
        record = self.base(type=CREATED, key=made, link=link, dialect=made["dialect"])
        record.update(fields)
        if made["replaces"] is not None and record["replaced"] is None:
            record["replaced"] = self.next_link(made["replaces"][0], 0)
        owner = self.person(f"{made['owner']} of {made['account']}")
        record["persons_of"].setdefault(records.KEY, (owner,))
        return self.add(record)

    def next_link(self, key, after=None):
        """What links a key's next record to its last one."""
        seq, link = next(
            (seq, link)
            for seq, record in reversed(list(enumerate(self.records)))
            for link in (record["link"], record["replaced"])
            if link and link["key"] == key
        )
        after = link["after"] if after is None else after
        revision = link["revision"] + 1
        previous = (seq, bytes(32))
        return {
            "key": key, "revision": revision, "before": link["after"], "after": after,
            "previous": previous,
        }

    def change(self, key, what, **fields):
        after = {ENABLED: 0, DISABLED: 1, EXPIRED: 2, REVOKED: 3}.get(what)
        defaults = {EXPIRED: {"due": None}, REVOKED: {"code": None, "compromised_since": None}}
        record = self.base(type=what, link=self.next_link(key, after), **defaults.get(what, {}))
        record.update(fields)
        return self.add(record)

    def edit(self, key, edits, **fields):
        """`edits` are {name: (before, after)}."""
        names = [name for name, _ in verify.ATTRIBUTES]
        edits = {name: edits[name] for name in names if name in edits}
        record = self.change(key, UPDATED, edits=edits, **fields)
        if verify.sealed_edits(record):
            owners = edits.get("owner", ("ann", "ann"))
            for section, owner in zip((records.BEFORE, records.AFTER), owners):
                record["persons_of"].setdefault(section, (self.person(f"{owner} of acme"),))
        return record

    def with_reason(self, record, reason):
        record["reason"] = reason
        record["persons_of"][records.REASON] = record["persons_of"][records.ACTOR]

    def add(self, record):
        self.records.append(record)
        return record

    def copy(self):
        """The same log once more, to be changed in another way."""
        other = copy.copy(self)
        other.files = [list(file) for file in self.files]
        other.records = copy.deepcopy(self.records)
        other.persons, other.bent = dict(self.persons), {}
        return other

    # --- What makes it a bundle again ---

    def encoded(self):
        """The records' bytes; each leaf that is named by its place is the right one."""
        entries, leaves = [], []
        for place, record in enumerate(self.records):
            for link in (record["link"], record["replaced"]):
                if link and link["previous"] and self.rechained:
                    seq, leaf = link["previous"]
                    is_known = seq < len(leaves) and not record.get("own_leaf")
                    link["previous"] = seq, leaves[seq] if is_known else leaf
            entry = records.encode(record, self.persons)
            entry = self.bent.get(place, lambda entry: entry)(entry)
            entries.append(entry)
            leaves.append(verify.leaf_hash(entry))
        return entries

    def seal(self):
        """The files that the records make, and everything signed. The table's note is of no records:
        so that nothing but the record itself can be found wrong."""
        entries = self.encoded()
        first = next(place for place, file in enumerate(self.files) if file[0].startswith("tile/"))
        self.files = [file for file in self.files if not file[0].startswith("tile/")]
        self.files[first:first] = self.tiles(entries)
        exports, met = self.exports(entries)
        for name, text in exports.items():
            self.set(name, text)
        self.set("persons", verify.show_persons(self.persons, met))
        leaves = [verify.leaf_hash(entry) for entry in entries]
        self.size, self.root = len(leaves), verify.root_of(leaves)
        note = self.signer.statement(self.origin(), self.size, self.root)
        self.set("checkpoint", note)
        self.set("checkpoint-earlier", note)
        self.set("consistency", "")
        self.set("heartbeat", self.signer.beat(self.size, self.root))
        self.set("table", self.signer.statement(self.origin() + "/table", 0, verify.root_over_buckets({})))

    def tiles(self, entries):
        tree, made = verify.Tree(), {}
        for entry in entries:
            for level, value, data in tree.push(verify.leaf_hash(entry)):
                made[verify.tile_path(level, value, 256)] = data
        size = len(entries)
        for level, data in tree.tiles.items():
            if data:
                path = verify.tile_path(level, size >> (8 * level + 8), len(data) // 32)
                made[path] = bytes(data)
        for first in range(0, size, 256):
            pack = entries[first : first + 256]
            data = b"".join(len(entry).to_bytes(2, "big") + entry for entry in pack)
            made[verify.tile_path("entries", first // 256, len(pack))] = data
        return [[name, made[name]] for name in verify.tree_names(size)]

    def exports(self, entries):
        """The exports, and who occurs in the records. One that cannot be read has no lines."""
        names = ("events.ndjson", "events.csv", "events.ocsf.ndjson")
        made, accounts, met = dict(zip(names, ("", verify.CSV_HEAD, ""))), {}, set()
        for seq, entry in enumerate(entries):
            try:
                record = verify.decode(entry, self.persons)
            except (verify.Refused, ValueError, LookupError):
                meant = self.records[seq]
                named = [*meant["persons_of"].values(), *(names for _, names in meant.get("parts", ()))]
                met |= {name for names in named for name in names}
                continue
            met |= record["persons"]
            if record["type"] == 0:
                accounts[record["key"]["id"]] = record["key"]["account"]
            event = verify.event_of(seq, record, accounts.get(record["link"]["key"], "acme"))
            made["events.ndjson"] += verify.compact(event) + "\n"
            made["events.csv"] += verify.csv_row(event)
            made["events.ocsf.ndjson"] += verify.ocsf(event, record)
        return made, met

    def manifest(self, signer=None, change=lambda manifest: None):
        def sized(manifest):
            manifest.update(size=getattr(self, "size", manifest["size"]))
            manifest.update(records=manifest["size"])
            change(manifest)

        super().manifest(signer, sized)
