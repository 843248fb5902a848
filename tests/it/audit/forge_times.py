"""Forges bundles with time-stamps, by somebody who has the log's key; and asks an authority for what no
honest log would.

    forge_times.py VERIFY.PY BUNDLE.tar PART.tar LOG.KEY OUT_FOLDER FORGE.PY

Leaves the authority's root in OUT_FOLDER/authority/root.pem. Writes one tar for each forgery, and prints
`<file> <exit code with --tsa-ca> <exit code without> <a word of the first verdict>`; `?` for a code where
the verifiers need only agree.
"""

import base64
import importlib.util
import os
import sys


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


forge = load("forge", sys.argv[6])
tsa = load("tsa", os.path.join(os.path.dirname(sys.argv[6]), "tsa.py"))
verify = forge.verify
WHOLE, PART, OUT = sys.argv[2], sys.argv[3], sys.argv[5]
NAMES = ("checkpoint", "consistency", "stamp.tsr")


def authority(name, **options):
    return tsa.Authority(os.path.join(OUT, name), key="P-256", **options)


TSA = authority("authority")
STRANGER = authority("stranger")
EXPIRED = authority("expired", valid=("20200101000000Z", "20210101000000Z"))
SIGNS = "keyUsage=critical,digitalSignature\n"
TSA.another_signer("for_more", f"{SIGNS}extendedKeyUsage=critical,timeStamping,codeSigning\n")
TSA.another_signer(
    "issuing", f"{SIGNS}extendedKeyUsage=critical,timeStamping\nbasicConstraints=critical,CA:TRUE\n"
)


def consistency(size, leaves):
    """PROOF of RFC 6962, 2.1.2."""

    def subproof(size, leaves, whole):
        if size == len(leaves):
            return [] if whole else [verify.root_of(leaves)]
        split = 1
        while 2 * split < len(leaves):
            split *= 2
        if size <= split:
            return subproof(size, leaves[:split], whole) + [verify.root_of(leaves[split:])]
        return subproof(size - split, leaves[split:], False) + [verify.root_of(leaves[:split])]

    return subproof(size, leaves, True) if 0 < size < len(leaves) else []


class Times(forge.Forgery):
    """A bundle with checkpoints that somebody stamped."""

    def __init__(self, path, signer):
        super().__init__(path, signer)
        _, entries = forge.Forgery(WHOLE, signer).entries()
        self.leaves = [verify.leaf_hash(entry) for entry in entries]
        self.size, self.stamped = len(entries), 0
        persons = verify.read_persons(forge.Forgery(WHOLE, signer).get("persons").decode())
        moments = [verify.decode(entry, persons)["at"] // 1_000_000 for entry in entries]
        self.first, self.last = moments[0], moments[-1]

    def checkpoint(self, size, root=None, signer=None):
        signer = signer or self.signer
        return signer.statement(signer.name, size, root or verify.root_of(self.leaves[:size]))

    def add(self, note, size, stamp):
        proof = "".join(base64.b64encode(h).decode() + "\n" for h in consistency(size, self.leaves))
        names = [file[0] for file in self.files]
        place = names.index("cosigned-consistency") + 1 + 3 * self.stamped
        for offset, (name, content) in enumerate(zip(NAMES, (note, proof, stamp))):
            content = content.encode() if isinstance(content, str) else content
            self.files.insert(place + offset, [f"times/{self.stamped:03}/{name}", content])
        self.stamped += 1

    def stamp(self, size, at, by=TSA, note=None, signer="signer"):
        note = note or self.checkpoint(size)
        self.add(note, size, by.stamp(note.encode(), at, signer))

    def good(self):
        self.stamp(0, self.first - 86_400)
        self.stamp(3, self.last)
        self.stamp(self.size, self.last + 10)


def nothing(f):
    return 0, 0, "none"


def good(f):
    f.good()
    return 0, 0, f"each of {f.size} records lies between two of them"


def one_is_left_out(f):
    f.stamp(3, f.last)
    return 0, 0, "no record lies between"


def twice_of_one_size(f):
    for at in (f.last, f.last + 86_400, f.last + 172_800):
        f.stamp(f.size, at)
    return 0, 0, f"{f.size} lie before the first, 0 after the last"


def in_another_order(f):
    f.stamp(f.size, f.last)
    f.stamp(3, f.first)
    return 0, 0, "2, from"


def with_a_line_of_a_witness(f):
    note = f.checkpoint(3)
    note += forge.Signer(bytes(32), "witness.example").line("whatever\n")
    f.stamp(3, f.last, note=note)
    return 0, 0, "1, from"


def as_far_as_clocks_differ(f):
    f.stamp(3, f.first + 290)
    f.stamp(f.size, f.first + 290)
    return 0, 0, "2, from"


def backdated(f):
    f.stamp(3, f.last + 3_600)
    return 10, 0, "record 3 is backdated"


def backdated_at_the_end(f):
    f.stamp(f.size - 1, f.last + 3_600)
    f.stamp(f.size, f.last + 7_200)
    return 10, 0, f"record {f.size - 1} is backdated"


def postdated(f):
    f.stamp(3, f.first - 3_600)
    return 10, 0, "record 0 is postdated"


def postdated_at_the_end(f):
    f.stamp(2, f.last)
    f.stamp(f.size, f.first - 299 - 30)
    return 10, 0, "go back"


def going_back(f):
    f.stamp(2, f.first + 200)
    f.stamp(4, f.first - 200)
    return 10, 0, "go back"


def told_by_the_records_themselves(seconds, found):
    """Every record says another time than it was recorded at, and the log signs all of it: nothing but the
    authority's honest time shows it."""

    def make(f):
        _, entries = f.entries()
        f.set_entries([at_another_time(entry, seconds) for entry in entries])
        f.sign_all()
        _, entries = f.entries()
        auditor, persons = verify.Auditor(), verify.read_persons(f.get("persons").decode())
        f.leaves = [verify.leaf_hash(entry) for entry in entries]
        for seq, entry in enumerate(entries):
            auditor.push(seq, f.leaves[seq], verify.decode(entry, persons))
        f.set("table", f.signer.statement(f.origin() + "/table", f.size, auditor.table_root(2)))
        f.stamp(3, f.last)
        return (10 if found else 0), 0, found or "1, from"

    return make


def at_another_time(entry, seconds):
    """The same record, recorded so much later. The moment is a number of eight bytes (schemas/record.md)."""
    assert entry[1] == 0xFD
    doubled = int.from_bytes(entry[2:10], "little") + 2 * seconds * 1_000_000
    return entry[:2] + doubled.to_bytes(8, "little") + entry[10:]


def exchanged(f):
    one, other = f.checkpoint(3), f.checkpoint(4)
    f.add(one, 3, TSA.stamp(other.encode(), f.last))
    f.add(other, 4, TSA.stamp(one.encode(), f.last))
    return 10, 10, "something else"


def of_another_log(f):
    stranger = forge.Signer(bytes(32), f.signer.name)
    f.stamp(3, f.last, note=f.checkpoint(3, signer=stranger))
    return 10, 10, ""


def of_another_name(f):
    f.stamp(3, f.last, note=f.signer.statement(f.signer.name + "/other", 3, bytes(32)))
    return 10, 10, ""


def fork(f):
    f.stamp(3, f.last, note=f.checkpoint(3, bytes(32)))
    return 11, 11, "FORK"


def fork_that_is_not_trusted(f):
    """Whoever stamped it: the log's key signed it."""
    f.stamp(3, f.last, STRANGER, f.checkpoint(3, bytes(32)))
    return 10, 11, ""


def rollback(f):
    f.stamp(f.size + 1, f.last, note=f.checkpoint(f.size + 1, bytes(32)))
    return 12, 12, "ROLLBACK"


def other_consistency(f):
    f.good()
    f.set("times/001/consistency", base64.b64encode(bytes(32)).decode() + "\n")
    return 10, 10, ""


def of_another_authority(f):
    f.stamp(3, f.last, STRANGER)
    return 10, 0, "root"


def of_an_expired_certificate(f):
    f.stamp(3, f.last, EXPIRED)
    return 10, 0, "root"


def of_a_certificate_for_more(f):
    f.stamp(3, f.last, signer="for_more")
    return 10, 0, ""


def of_a_certificate_that_issues_others(f):
    f.stamp(3, f.last, signer="issuing")
    return 10, 0, ""


def bad_signature(f):
    f.good()
    stamp = f.get("times/001/stamp.tsr")
    f.set("times/001/stamp.tsr", stamp[:-1] + bytes([stamp[-1] ^ 1]))
    return 10, 0, ""


def bytes_of_a_stamp(change):
    def make(f):
        f.good()
        f.set("times/002/stamp.tsr", change(f.get("times/002/stamp.tsr")))
        return 10, 10, ""

    return make


def another_stated_time(f):
    """Later than it was, by who does not have the authority's key."""
    f.good()
    stamp = f.get("times/001/stamp.tsr")
    old = tsa.moment(f.last).encode()
    new = tsa.moment(f.last + 60).encode()
    assert old in stamp
    f.set("times/001/stamp.tsr", stamp.replace(old, new))
    return 10, 0, ""


def member_missing(f):
    f.good()
    f.files = [file for file in f.files if file[0] != "times/001/consistency"]
    return 10, 10, ""


def stamp_missing(f):
    f.good()
    f.files = [file for file in f.files if not file[0].startswith("times/001/")]
    return 10, 10, ""


def elsewhere(f):
    f.good()
    moved = [file for file in f.files if file[0].startswith("times/")]
    f.files = [file for file in f.files if file not in moved]
    place = [file[0] for file in f.files].index("table")
    f.files[place:place] = moved
    return 10, 10, ""


def another_member(f):
    f.good()
    place = [file[0] for file in f.files].index("times/002/stamp.tsr") + 1
    f.files[place:place] = [[f"times/003/{name}", b""] for name in ("checkpoint", "notes", "stamp.tsr")]
    return 10, 10, ""


def flip(sixteenth):
    """A bit changed in one of sixteen parts of a time-stamp: what is signed, what nobody reads, and lengths."""

    def make(f):
        f.good()
        stamp = bytearray(f.get("times/001/stamp.tsr"))
        stamp[len(stamp) * (2 * sixteenth + 1) // 32] ^= 1 << sixteenth % 8
        f.set("times/001/stamp.tsr", bytes(stamp))
        return "?", "?", ""

    return make


FORGERIES = [
    nothing, good, one_is_left_out, twice_of_one_size, in_another_order, with_a_line_of_a_witness,
    as_far_as_clocks_differ, backdated, backdated_at_the_end, postdated, postdated_at_the_end, going_back,
    told_by_the_records_themselves(-7_200, "record 3 is backdated"),
    told_by_the_records_themselves(7_200, "record 0 is postdated"),
    told_by_the_records_themselves(-60, None), exchanged, of_another_log, of_another_name, fork, fork_that_is_not_trusted, rollback,
    other_consistency, of_another_authority, of_an_expired_certificate, of_a_certificate_for_more,
    of_a_certificate_that_issues_others,
    bad_signature, another_stated_time, member_missing, stamp_missing, elsewhere, another_member,
    bytes_of_a_stamp(lambda stamp: stamp[: len(stamp) // 2]), bytes_of_a_stamp(lambda stamp: b""),
    bytes_of_a_stamp(lambda stamp: stamp + b"\0"), bytes_of_a_stamp(lambda stamp: b"no time-stamp"),
    bytes_of_a_stamp(lambda stamp: tsa.refused()), bytes_of_a_stamp(lambda stamp: bytes(70_000)),
    *(flip(sixteenth) for sixteenth in range(16)),
]
OF_A_PART = [nothing, good, backdated, postdated, going_back, fork, rollback, other_consistency]


def main():
    signer = forge.log_signer()
    for path, forgeries in [(WHOLE, FORGERIES), (PART, OF_A_PART)]:
        for number, make in enumerate(forgeries):
            forgery = Times(path, signer)
            trusted, untrusted, word = make(forgery)
            forgery.manifest()
            name = f"{number:02}_{make.__name__}_{os.path.basename(path)}"
            with open(os.path.join(OUT, name), "wb") as file:
                file.write(forgery.pack())
            print(name, trusted, untrusted, word)


main()
