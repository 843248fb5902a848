"""Forges bundles with what witnesses cosigned, by somebody who has the key of the log and, where that is
what is forged, those of witnesses.

    forge_witnessed.py VERIFY.PY BUNDLE.tar PART.tar LOG.KEY OUT_FOLDER FORGE.PY

Writes the file `policy`, of which two of three witnesses are a quorum, and one tar for each forgery, and
prints `<file> <the exit code without the policy> <the exit code with it>`.
"""

import base64
import hashlib
import importlib.util
import json
import os
import sys
import time

spec = importlib.util.spec_from_file_location("forge", sys.argv[6])
forge = importlib.util.module_from_spec(spec)
spec.loader.exec_module(forge)
verify = forge.verify

OUT = sys.argv[5]


class Witness(forge.Signer):
    """Cosigns whatever it is given."""

    def __init__(self, seed, name):
        super().__init__(seed, name)
        data = b"\x04" + base64.b64decode(self.text.split("+", 2)[2])[1:]
        self.id = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
        self.text = f"{name}+{self.id.hex()}+{base64.b64encode(data).decode()}"

    def cosign(self, note, at=None):
        at = int(time.time()) if at is None else at
        body = note.split("\n\n", 1)[0] + "\n"
        signature = self.pair.sign(f"cosignature/v1\ntime {at}\n{body}".encode(), None)
        data = self.id + at.to_bytes(8, "big") + signature
        return f"\u2014 {self.name} {base64.b64encode(data).decode()}\n"


ONE, TWO, THREE = (Witness(bytes(31) + bytes([n]), f"w{n}.example") for n in (1, 2, 3))
STRANGER = Witness(bytes(31) + b"\x09", "w9.example")


def consistency(leaves, old):
    """RFC 6962, 2.1.2, by its own recursion."""

    def proof(leaves, old, whole):
        if old == len(leaves):
            return [] if whole else [verify.root_of(leaves)]
        split = 1 << (len(leaves) - 1).bit_length() - 1
        if old <= split:
            return proof(leaves[:split], old, whole) + [verify.root_of(leaves[split:])]
        return proof(leaves[split:], old - split, False) + [verify.root_of(leaves[:split])]

    return proof(leaves, old, True) if 0 < old < len(leaves) else []


class Witnessed(forge.Forgery):
    def __init__(self, path, signer):
        super().__init__(path, signer)
        manifest = json.loads(self.get("manifest.json"))
        self.size, self.whole = manifest["size"], manifest["account"] is None
        self.leaves = [verify.leaf_hash(entry) for entry in self.entries()[1]]

    def statement(self, size, root=None, signer=None):
        signer = signer or self.signer
        if root is None and size == self.size:
            root = base64.b64decode(self.get("checkpoint").decode().split("\n")[2])
        root = root or verify.root_of(self.leaves[:size])
        return signer.statement(self.origin(), size, root)

    def cosigned(self, note, *lines, proof=None):
        size = int(note.split("\n")[1]) if note else 0
        if proof is None:
            proof = consistency(self.leaves, size) if self.whole else []
        text = "".join(base64.b64encode(hashed).decode() + "\n" for hashed in proof)
        self.set("cosigned", note + "".join(lines))
        self.set("cosigned-consistency", text)


def by(*witnesses, size=None, at=None):
    """Cosigned by these."""

    def make(f):
        note = f.statement(f.size if size is None else size)
        f.cosigned(note, *(witness.cosign(note, at) for witness in witnesses))

    return make


def nothing(f):
    f.cosigned("")


def proof_of_nothing(f):
    f.cosigned("", proof=[bytes(32)])


def signed_by(signer):
    def make(f):
        note = f.statement(4, signer=signer)
        f.cosigned(note, ONE.cosign(note), TWO.cosign(note))

    return make


def fork(size):
    def make(f):
        note = f.statement(size, bytes(32))
        f.cosigned(note, ONE.cosign(note), TWO.cosign(note))

    return make


def proof(change):
    def make(f):
        note = f.statement(5)
        lines = [witness.cosign(note) for witness in (ONE, TWO)]
        f.cosigned(note, *lines, proof=change(consistency(f.leaves, 5)))

    return make


def of_another(f):
    note, other = f.statement(4), f.statement(3)
    f.cosigned(note, ONE.cosign(note), TWO.cosign(other))


def good_and_bad(f):
    note, other = f.statement(4), f.statement(3)
    f.cosigned(note, *(w.cosign(note) for w in (ONE, TWO)), THREE.cosign(other))


def of_a_later_time(f):
    """The bytes of the signature, with another time in front."""
    note = f.statement(4)
    line = ONE.cosign(note, 1_700_000_000)
    name, data = line.rsplit(" ", 1)
    data = bytearray(base64.b64decode(data))
    data[11] ^= 1
    f.cosigned(note, f"{name} {base64.b64encode(data).decode()}\n", TWO.cosign(note))


def not_a_checkpoint(name):
    def make(f):
        note = f.get(name).decode()
        f.cosigned(note, ONE.cosign(note), TWO.cosign(note), proof=[])

    return make


def not_by_the_log(f):
    note = f.statement(4)
    body = note.split("\n\n", 1)[0] + "\n\n"
    f.cosigned(body + ONE.cosign(note) + TWO.cosign(note))


def larger(root=None, proof=None):
    """A checkpoint of more than there is in the bundle: the proof goes the other way."""

    def make(f):
        leaves = f.leaves + [bytes(32)]
        note = f.statement(len(leaves), root or verify.root_of(leaves))
        path = consistency(leaves, f.size) if proof is None else proof
        f.cosigned(note, ONE.cosign(note), TWO.cosign(note), proof=path)

    return make


def missing(f):
    f.files = [file for file in f.files if not file[0].startswith("cosigned")]


WHOLE = [
    (nothing, 0, 10),
    (proof_of_nothing, 10, 10),
    (by(), 0, 10),
    (by(ONE), 0, 10),
    (by(ONE, ONE), 0, 10),
    (by(ONE, STRANGER), 0, 10),
    (by(ONE, TWO), 0, 0),
    (by(ONE, TWO, THREE, STRANGER), 0, 0),
    (by(TWO, THREE, size=5), 0, 0),
    (by(TWO, THREE, size=1), 0, 0),
    (by(TWO, THREE, size=0), 0, 0),
    # Before the records say that they were recorded: their times and the witnesses' cannot both be true.
    (by(ONE, TWO, at=0), 0, 10),
    (by(ONE, TWO, at=(1 << 63) - 1), 0, 0),
    (by(ONE, TWO, at=1 << 63), 0, 10),
    (signed_by(STRANGER), 10, 10),
    (signed_by(forge.Signer(bytes(range(32)), "other.example")), 10, 10),
    (fork(0), 11, 11),
    (fork(1), 11, 11),
    (fork(4), 11, 11),
    (larger(), 0, 0),
    (larger(proof=[]), 10, 10),
    (larger(root=bytes(31) + b"\x01"), 11, 11),
    (proof(lambda hashes: []), 10, 10),
    (proof(lambda hashes: hashes[:-1]), 10, 10),
    (proof(lambda hashes: hashes + [bytes(32)]), 10, 10),
    (proof(lambda hashes: [bytes(32)] + hashes[1:]), 11, 11),
    (of_another, 0, 10),
    (good_and_bad, 0, 10),
    (of_a_later_time, 0, 10),
    (not_a_checkpoint("table"), 10, 10),
    (not_a_checkpoint("heartbeat"), 10, 10),
    (not_by_the_log, 10, 10),
    (missing, 10, 10),
]
OF_A_PART = [
    (nothing, 0, 10),
    (by(ONE, TWO), 0, 0),
    (by(THREE), 0, 10),
    (fork(10), 11, 11),
]


def main():
    signer = forge.log_signer()
    with open(os.path.join(OUT, "policy"), "w", encoding="utf-8") as file:
        file.write(f"# two of three\nlog {signer.text}\n")
        for n, witness in enumerate((ONE, TWO, THREE), 1):
            file.write(f"witness w{n} {witness.text} https://w{n}.example\n")
        file.write("group all-of-them 2 w1 w2 w3\nquorum all-of-them\n")
    for kind, path, forgeries in [("whole", sys.argv[2], WHOLE), ("part", sys.argv[3], OF_A_PART)]:
        for place, (make, without, code) in enumerate(forgeries):
            forgery = Witnessed(path, signer)
            make(forgery)
            forgery.manifest()
            name = f"{kind}-{place:02}.tar"
            with open(os.path.join(OUT, name), "wb") as file:
                file.write(forgery.pack())
            print(name, without, code)


main()
