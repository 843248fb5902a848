"""Forges parts of a log: true records, truly signed, of which some are left out or put in.

    forge_parts.py VERIFY.PY BUNDLE.tar PART.tar LOG.KEY OUT_FOLDER FORGE.PY

Writes one tar for each, and prints `<file> <the exit code that a verifier must give>`. The log's records and
statements are those of BUNDLE, of at most 256 records; PART lends its head.
"""

import base64
import hashlib
import importlib.util
import json
import os
import sys

spec = importlib.util.spec_from_file_location("forge", sys.argv[6])
forge = importlib.util.module_from_spec(spec)
spec.loader.exec_module(forge)
verify = forge.verify

ACCOUNT = "acme"


def path_of(leaves, index):
    """The audit path of a leaf, from its sibling up."""
    if len(leaves) < 2:
        return []
    left = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < left:
        return path_of(leaves[:left], index) + [verify.root_of(leaves[left:])]
    return path_of(leaves[left:], index - left) + [verify.root_of(leaves[:left])]


def lines(hashes):
    return "".join(base64.b64encode(one).decode() + "\n" for one in hashes)


class Log:
    """All of a log, read once."""

    def __init__(self, path, signer):
        whole = forge.Forgery(path, signer)
        self.persons = verify.read_persons(whole.get("persons").decode())
        _, self.entries = whole.entries()
        self.leaves = [verify.leaf_hash(entry) for entry in self.entries]
        self.records, self.accounts, auditor = [], [], verify.Auditor()
        for seq, entry in enumerate(self.entries):
            record = verify.decode(entry, self.persons)
            self.accounts.append(auditor.push(seq, self.leaves[seq], record))
            self.records.append(record)
        self.auditor, self.buckets = auditor, {}
        for row in sorted(map(auditor.row, auditor.keys)):
            self.buckets.setdefault(int.from_bytes(row[:2], "big"), []).append(row)
        self.true_table = self.table()

    def of(self, account):
        return [seq for seq, found in enumerate(self.accounts) if found == account]

    def time(self, seq):
        return verify.show_time(self.records[seq]["at"])

    def table(self, change=lambda buckets: None, width=65536):
        """The tree of the table of keys whose buckets are changed, by its leaves; and the buckets."""
        buckets = {bucket: list(rows) for bucket, rows in self.buckets.items()}
        change(buckets)
        roots = (root_of_rows(buckets.get(bucket, ())) for bucket in range(width))
        return Table(buckets, [verify.leaf_hash(root) for root in roots])

    def first_row(self):
        """The bucket and row of the account's first key."""
        created = (r["link"]["key"] for r, a in zip(self.records, self.accounts) if a == ACCOUNT)
        row = self.auditor.row(next(created))
        return int.from_bytes(row[:2], "big"), row


def root_of_rows(rows):
    return verify.root_of(map(verify.leaf_hash, rows))


class Table:
    """A table of keys, true or not."""

    def __init__(self, buckets, leaves):
        self.buckets, self.leaves = buckets, leaves
        # Each level of the tree, which is complete.
        self.levels = [leaves]
        while len(self.levels[-1]) > 1:
            below = iter(self.levels[-1])
            self.levels.append([verify.node_hash(left, right) for left, right in zip(below, below)])

    def root(self):
        return self.levels[-1][0]

    def place(self, row):
        """The place of a row in its bucket, and what leads from there to the root."""
        bucket = next(bucket for bucket, rows in self.buckets.items() if row in rows)
        rows = self.buckets[bucket]
        index = rows.index(row)
        path = path_of(list(map(verify.leaf_hash, rows)), index)
        path += [level[bucket >> height ^ 1] for height, level in enumerate(self.levels[:-1])]
        return f"index {index} of {len(rows)}\n{lines(path)}\n"


class Part(forge.Forgery):
    """A part of these records, under these terms."""

    def __init__(self, log, seqs, account=None, start=None, end=None, keys=None, table=None):
        super().__init__(sys.argv[3], log_signer)
        self.log, self.seqs = log, list(seqs)
        self.terms = {"account": account, "from": start, "to": end}
        head = self.files[: [name for name, _ in self.files].index("cosigned-consistency") + 1]
        size = len(log.entries)
        root = verify.root_of(log.leaves)
        self.files = head
        for name in ("checkpoint", "checkpoint-earlier"):
            self.set(name, self.signer.statement(self.signer.name, size, root))
        table = table or log.true_table
        self.set("table", self.signer.statement(self.signer.name + "/table", size, table.root()))
        self.set("heartbeat", self.signer.beat(size, root))
        self.set("consistency", "")
        created = [
            log.records[seq]["link"]["key"] for seq in self.seqs if log.records[seq]["type"] == 0
        ]
        if account is None:
            self.files.append(["accounts", self._accounts().encode()])
        entries = [log.entries[seq] for seq in self.seqs]
        records = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
        proofs = "".join(f"index {s}\n{lines(path_of(log.leaves, s))}\n" for s in self.seqs)
        if entries:
            self.files += [["records/000", records], ["proofs/000", proofs.encode()]]
        if account is not None:
            rows = "".join(table.place(log.auditor.row(key)) for key in created)
            if rows:
                self.files.append(["rows/000", rows.encode()])
            self.files.append(["account", b""])
            keys = len(created) if keys is None else keys
            self.set("account", self.account_note(account, keys, size))
        self._exports()

    def account_note(self, account, keys, size):
        return self.signer.note(f"{self.signer.name}/account\n{size}\n{keys}\n{account}\n")

    def _accounts(self):
        met, text = set(), ""
        for seq in self.seqs:
            record = self.log.records[seq]
            for link in filter(None, (record["link"], record["replaced"])):
                if link["key"] not in met and link["before"] is not None:
                    text += f"{verify.show_id(link['key'])} {self.log.accounts[seq]}\n"
                met.add(link["key"])
        return text

    def covers(self, seq):
        at, terms = self.log.time(seq), self.terms
        return (
            terms["account"] in (None, self.log.accounts[seq])
            and (terms["from"] is None or terms["from"] <= at)
            and (terms["to"] is None or at < terms["to"])
        )

    def _exports(self):
        exports = {"events.ndjson": "", "events.csv": verify.CSV_HEAD, "events.ocsf.ndjson": ""}
        met = set()
        for seq in self.seqs:
            record = self.log.records[seq]
            met |= record["persons"]
            if self.covers(seq):
                event = verify.event_of(seq, record, self.log.accounts[seq])
                exports["events.ndjson"] += verify.compact(event) + "\n"
                exports["events.csv"] += verify.csv_row(event)
                exports["events.ocsf.ndjson"] += verify.ocsf(event, record)
        persons = verify.show_persons(self.log.persons, met)
        self.files.append(["persons", persons.encode()])
        self.files += [[name, text.encode()] for name, text in exports.items()]
        self.files += [["manifest.json", b""], ["manifest.note", b""]]

    def pack(self):
        manifest = {
            "bundle": 2, "origin": self.signer.name, "size": len(self.log.entries),
            "records": len(self.seqs), **self.terms, "members": [],
        }
        self.set("manifest.json", json.dumps(manifest))
        self.manifest()
        return super().pack()


def without(seqs, *out):
    return [seq for seq in seqs if seq not in out]


def of_an_account(log):
    """Parts of one account."""
    mine, others = log.of(ACCOUNT), without(range(len(log.entries)), *log.of(ACCOUNT))
    creations = [seq for seq in mine if log.records[seq]["type"] == 0]
    keys, size = len(creations), len(log.entries)

    def of_key(seq):
        key = log.records[seq]["link"]["key"]
        return [
            other for other in mine
            if key in {l["key"] for l in (log.records[other]["link"], log.records[other]["replaced"]) if l}
        ]

    def part(seqs=mine, **terms):
        return Part(log, seqs, ACCOUNT, **terms)

    def noted(note):
        made = part()
        made.set("account", note(made))
        return made

    def placed(change):
        made = part()
        blocks = made.get("rows/000").decode().split("\n\n")[:-1]
        made.set("rows/000", "".join(block + "\n\n" for block in change(blocks)))
        return made

    def dropped(name):
        made = part()
        made.files = [file for file in made.files if file[0] != name]
        return made

    yield "all_of_it", 0, part()
    yield "its_end_is_cut", 10, part(mine[:-1])
    yield "its_last_two_are_cut", 10, part(mine[:-2])
    for number, seq in enumerate(creations):
        gone = of_key(seq)
        if not any(log.records[other]["type"] == 0 and other != seq for other in gone):
            yield f"key_{number}_left_out", 10, part(without(mine, *gone), keys=keys)
            yield f"key_{number}_left_out_and_not_counted", 10 if seq != creations[-1] else 0, part(
                without(mine, *gone)
            )
    yield "its_beginning_is_cut", 10, part(mine[1:], keys=keys)
    yield "a_record_in_the_middle_is_cut", 10, part(without(mine, mine[1]))
    yield "nothing_at_all", 10, part([], keys=0)
    yield "nothing_of_it", 10, part([], keys=keys)
    yield "another_tenants_record", 10, part(sorted([*mine, others[0]]))
    yield "more_keys_than_there_are", 10, part(keys=keys + 1)
    yield "fewer_keys_than_there_are", 10, part(keys=keys - 1)
    yield "count_of_another_size", 10, noted(lambda f: f.account_note(ACCOUNT, keys, size - 1))
    yield "count_of_another_account", 10, noted(lambda f: f.account_note("umbrella", keys, size))
    yield "count_in_another_spelling", 10, noted(lambda f: f.account_note(ACCOUNT, f"0{keys}", size))
    yield "count_that_says_more", 10, noted(lambda f: f.account_note(ACCOUNT, keys, f"{size}\nmore"))
    yield "count_that_a_checkpoint_stands_for", 10, noted(lambda f: f.get("checkpoint"))
    yield "count_that_a_stranger_signed", 10, noted(
        lambda f: forge.Signer(bytes(range(32)), f.signer.name).note(
            f"{f.signer.name}/account\n{size}\n{keys}\n{ACCOUNT}\n"
        )
    )
    yield "no_count", 10, dropped("account")
    yield "no_places", 10, dropped("rows/000")
    yield "one_place_too_few", 10, placed(lambda blocks: blocks[:-1])
    yield "one_place_too_many", 10, placed(lambda blocks: [*blocks, blocks[-1]])
    yield "places_exchanged", 10, placed(lambda blocks: [blocks[1], blocks[0], *blocks[2:]])
    yield "place_in_another_spelling", 10, placed(
        lambda blocks: [blocks[0].replace("index ", "index 0"), *blocks[1:]]
    )
    yield "place_in_a_larger_table", 10, placed(
        lambda blocks: [block.replace(" of ", " of 9") for block in blocks]
    )
    made = part()
    made.set("table", made.signer.statement(made.signer.name + "/table", size - 1, bytes(32)))
    yield "table_of_another_size", 10, made
    # A span of an account has all of its records, and lists those of the span.
    first, middle, last = log.time(mine[0]), log.time(mine[len(mine) // 2]), log.time(mine[-1])
    yield "span_from_the_middle", 0, part(start=middle)
    yield "span_to_the_middle", 0, part(end=middle)
    yield "span_without_what_was_before", 10, part(
        [seq for seq in mine if log.time(seq) >= middle], start=middle
    )
    yield "span_whose_end_is_cut", 10, part(mine[:-1], end=last)
    yield "span_of_nothing", 10, part(end=first)
    yield "span_that_is_inverted", 10, part(start=last, end=middle)
    made = part(start=middle)
    made.set("events.ndjson", forge.drop_line(made.get("events.ndjson"), 0))
    yield "span_that_does_not_list_its_first", 10, made
    made = part(start=middle)
    made.terms["from"] = None
    yield "span_that_lists_less_than_it_names", 10, made


def of_the_table(log):
    """Parts of an account under a table of keys that the log's key signed for them alone."""
    mine, (bucket, row) = log.of(ACCOUNT), log.first_row()
    rows = log.buckets[bucket]
    low, high = (bucket.to_bytes(2, "big") + byte * 62 for byte in (b"\0", b"\xff"))

    def part(change, **width):
        return Part(log, mine, ACCOUNT, table=log.table(change, **width))

    def moved(to):
        def change(buckets):
            buckets[to] = buckets.pop(bucket)

        return part(change)

    def placed(change, table=log.true_table):
        made = Part(log, mine, ACCOUNT, table=table)
        blocks = made.get("rows/000").decode().split("\n\n")[:-1]
        made.set("rows/000", "".join(change(block) + "\n\n" for block in blocks))
        return made

    def without_line(block, line):
        return "\n".join(each for place, each in enumerate(block.split("\n")) if place != line)

    # Who has a part alone cannot know the rows of others.
    yield "beside_a_row_before", 0, part(lambda buckets: buckets.update({bucket: [low, *rows]}))
    yield "beside_a_row_behind", 0, part(lambda buckets: buckets.update({bucket: [*rows, high]}))
    crowded = log.table(lambda buckets: buckets.update({bucket: [low, *rows, high]}))
    yield "between_two_rows", 0, Part(log, mine, ACCOUNT, table=crowded)
    yield "row_in_the_next_bucket", 10, moved((bucket + 1) % 65536)
    yield "row_in_a_far_bucket", 10, moved(bucket ^ 0x8000)
    yield "hashes_in_another_order", 10, placed(
        lambda block: "\n".join([block.split("\n")[0], *block.split("\n")[:0:-1]])
    )
    for count in (0, 2, 1 << 20, (1 << 64) - 1):
        yield f"bucket_of_{count}_rows", 10, placed(
            lambda block, count=count: "\n".join([f"index 0 of {count}", *block.split("\n")[1:]])
        )
    yield "index_of_another_row", 10, placed(lambda block: block.replace("index 1 ", "index 0 "), crowded)
    yield "bucket_said_to_have_fewer_rows", 10, placed(lambda block: block.replace(" of 3\n", " of 2\n"), crowded)
    yield "path_without_its_first", 10, placed(lambda block: without_line(block, 1))
    yield "path_without_its_last", 10, placed(lambda block: without_line(block, 16))
    yield "path_of_the_bucket_left_out", 10, placed(lambda block: block.split("\n")[0])
    yield "path_with_one_more", 10, placed(lambda block: block + "\n" + block.split("\n")[-1])
    half = lambda buckets: [buckets.update({one // 2: buckets.pop(one)}) for one in sorted(buckets)]
    yield "table_of_half_the_buckets", 10, part(half, width=32768)
    twofold = lambda buckets: [buckets.update({2 * one: buckets.pop(one)}) for one in sorted(buckets)[::-1]]
    yield "table_of_twice_the_buckets", 10, part(twofold, width=131072)
    whole = lambda buckets: buckets.update({0: sorted(sum(map(buckets.pop, list(buckets)), []))})
    yield "table_of_one_bucket", 10, part(whole)
    flat = part(whole, width=1)
    flat.set("table", flat.signer.statement(
        flat.signer.name + "/table", len(log.entries), root_of_rows(sorted(sum(log.buckets.values(), [])))
    ))
    yield "table_that_is_flat", 10, flat
    assert row in rows


def of_a_span(log):
    """Parts of a span of time."""
    size = len(log.entries)
    start, end = log.time(3), log.time(size - 3)

    def part(seqs, **terms):
        return Part(log, seqs, None, **terms)

    def seqs(first, last):
        return range(first, last + 1)

    yield "run", 0, part(seqs(2, size - 3), start=start, end=end)
    yield "run_to_the_end", 0, part(seqs(2, size - 1), start=start)
    yield "run_from_the_beginning", 0, part(seqs(0, size - 3), end=end)
    yield "run_of_everything", 0, part(
        seqs(0, size - 1), start="2001-01-01T00:00:00.000000Z", end="2100-01-01T00:00:00.000000Z"
    )
    yield "run_without_the_one_before", 10, part(seqs(3, size - 3), start=start, end=end)
    yield "run_without_the_one_behind", 10, part(seqs(2, size - 4), start=start, end=end)
    yield "run_whose_first_is_cut", 10, part([2, *seqs(4, size - 3)], start=start, end=end)
    yield "run_whose_last_is_cut", 10, part([*seqs(2, size - 5), size - 3], start=start, end=end)
    yield "run_with_a_gap", 10, part(without(seqs(2, size - 3), 5), start=start, end=end)
    yield "run_whose_end_is_cut", 10, part(seqs(2, size - 2), start=start)
    yield "run_whose_beginning_is_cut", 10, part(seqs(1, size - 3), end=end)
    yield "run_with_two_before", 10, part(seqs(1, size - 3), start=start, end=end)
    yield "run_with_two_behind", 10, part(seqs(2, size - 2), start=start, end=end)
    yield "run_of_nothing", 10, part([2, 3], start=log.time(2)[:-1] + "5Z", end=start)
    yield "run_of_nothing_at_all", 10, part([], start=start, end=end)
    yield "run_that_is_inverted", 10, part(seqs(2, 5), start=end, end=start)
    yield "run_before_the_log", 10, part([0], end="2001-01-01T00:00:00.000000Z")
    yield "run_behind_the_log", 10, part([size - 1], start="2100-01-01T00:00:00.000000Z")
    made = part(seqs(2, size - 3), start=start, end=end)
    made.set("accounts", made.get("accounts") + f"{verify.show_id(bytes(16))} acme\n".encode())
    yield "run_with_an_account_too_many", 10, made
    made = part(seqs(2, size - 3), start=start, end=end)
    made.terms["to"] = None
    yield "run_that_names_no_end", 10, made


log_signer = forge.log_signer()


def main():
    log = Log(sys.argv[2], log_signer)
    # Every time is another one, so that a span can begin at any of them.
    assert len({record["at"] for record in log.records}) == len(log.records)
    for kind in (of_an_account, of_the_table, of_a_span):
        for name, code, part in kind(log):
            with open(os.path.join(sys.argv[5], f"{name}.tar"), "wb") as file:
                file.write(part.pack())
            print(f"{name}.tar", code)


main()
