"""What the log's own key can sign as the root of the table of keys (schemas/table.md)."""

import hashlib

from forge import verify
from forge_manifest import first_version
import story

EMPTY = verify.sha256(b"")


def rows_of(f):
    """The rows that the records make, sorted."""
    auditor, persons = verify.Auditor(), verify.read_persons(f.get("persons").decode())
    for seq, entry in enumerate(f.entries()[1]):
        auditor.push(seq, verify.leaf_hash(entry), verify.decode(entry, persons))
    return sorted(map(auditor.row, auditor.keys))


def in_buckets(rows, height=16):
    """By the first bits of their hashes."""
    buckets = {}
    for row in rows:
        buckets.setdefault(int.from_bytes(row[:4], "big") >> (32 - height), []).append(row)
    return buckets


def flat(rows):
    return verify.root_of(map(verify.leaf_hash, rows))


def over(buckets, height=16, entry=verify.leaf_hash):
    """The root by its definition: of a tree whose entries are the roots of all buckets."""
    roots = (flat(buckets.get(bucket, ())) for bucket in range(1 << height))
    return verify.root_of(map(entry, roots))


def changed(change):
    """A table whose buckets are changed."""

    def root(rows):
        buckets = in_buckets(rows)
        change(buckets)
        return over(buckets)

    return root


def moved(buckets):
    first = min(buckets)
    buckets[(first + 1) % 65536] = buckets.pop(first)


def exchanged(buckets):
    one, other = sorted(buckets)[:2]
    buckets[one], buckets[other] = buckets[other], buckets[one]


def twice(buckets):
    buckets[min(buckets)] *= 2


def one_more(buckets):
    free = next(bucket for bucket in range(65536) if bucket not in buckets)
    buckets[free] = [free.to_bytes(2, "big") + bytes(62)]


def turned(buckets):
    """The rows of the fullest bucket, in another order."""
    max(buckets.values(), key=len).reverse()


def signed(root):
    def put(f):
        f.set("table", f.signer.statement(f.signer.name + "/table", f.size, root(rows_of(f))))

    return put


def with_one_bucket_of_two(root):
    """There are two keys whose rows are in the same bucket."""

    def put(f):
        wanted = hashlib.sha256(story.key(f, "plain")).digest()[:2]
        ids = (number.to_bytes(16, "big") for number in range(1 << 24))
        beside = next(one for one in ids if hashlib.sha256(one).digest()[:2] == wanted)
        f.create("beside", {"id": beside})
        f.seal()
        assert sorted(map(len, in_buckets(rows_of(f)).values()))[-1] == 2
        signed(root)(f)

    return put


def of_version_1(size, root):
    return lambda f: first_version(f, (f.size if size is None else size, root(rows_of(f))))


def as_it_is(rows):
    return over(in_buckets(rows))


FORGERIES = [
    ("as_it_is", 0, signed(as_it_is)), ("flat", 10, signed(flat)),
    ("of_half_the_buckets", 10, signed(lambda rows: over(in_buckets(rows, 15), 15))),
    ("of_twice_the_buckets", 10, signed(lambda rows: over(in_buckets(rows, 17), 17))),
    ("of_roots_that_are_leaves", 10, signed(lambda rows: over(in_buckets(rows), entry=lambda root: root))),
    ("row_in_the_next_bucket", 10, signed(changed(moved))), ("buckets_exchanged", 10, signed(changed(exchanged))),
    ("bucket_that_is_said_to_be_empty", 10, signed(changed(lambda buckets: buckets.pop(min(buckets))))),
    ("row_twice", 10, signed(changed(twice))), ("row_of_no_key", 10, signed(changed(one_more))),
    ("of_buckets_with_rows_alone", 10, signed(lambda rows: flat(map(flat, in_buckets(rows).values())))),
    ("two_in_a_bucket", 0, with_one_bucket_of_two(as_it_is)),
    ("two_in_a_bucket_in_another_order", 10, with_one_bucket_of_two(changed(turned))),
    ("of_nothing_flat", 10, lambda f: f.set("table", f.signer.statement(f.signer.name + "/table", 0, EMPTY))),
    ("of_version_1", 0, of_version_1(None, flat)),
    ("of_version_1_in_buckets", 10, of_version_1(None, as_it_is)),
    ("of_version_1_of_nothing_in_buckets", 10, of_version_1(0, lambda rows: over({}))),
]
