"""What is signed: statements in each other's place, signatures and keys that some take and others do
not, and texts that are not spelled as they must be. All by somebody who has the log's key."""

import base64
import hashlib
import os
import sys

from ed25519 import ORDER, number, times
from forge import Signer, verify

EMPTY, EMPTY_TABLE = verify.sha256(b""), verify.root_over_buckets({})
OTHER = bytes(range(32))


def b64(data):
    return base64.b64encode(data).decode()


def head(name, size, root):
    return f"{name} {size}\nroot {b64(root)}\n"


def statements(f):
    """Every kind of note that a log's key signs."""
    s, text = f.signer, f.get("manifest.json")
    hashed = b64(hashlib.sha256(text).digest())
    new = Signer(OTHER, f.origin())
    vouching = f"keyledger vouching v1\norigin {s.name}\npurpose webhooks\nkey k\nsince 1\n"
    succession = f"keyledger succession v1\nold {s.text}\nnew {new.text}\n{head('size', f.size, f.root)}"
    return {
        "checkpoint": s.statement(s.name, f.size, f.root),
        "table": s.statement(s.name + "/table", 0, EMPTY_TABLE),
        "heartbeat": s.beat(f.size, f.root),
        "manifest": s.note(f"{s.name}/bundle\n{len(text)}\n{hashed}\n"),
        "journal": s.statement(s.name + "/access", f.size, f.root),
        "account": s.note(f"{s.name}/account\n{f.size}\n3\nacme\n"),
        "another_log": s.statement("other.example.com", f.size, f.root),
        "vouching": s.note(vouching), "succession": s.note(succession),
    }


def mixed_up():
    places = {"checkpoint": "checkpoint", "checkpoint-earlier": "checkpoint", "table": "table",
              "heartbeat": "heartbeat"}
    kinds = ["checkpoint", "table", "heartbeat", "manifest", "journal", "account", "another_log",
             "vouching", "succession"]
    for place, right in places.items():
        for kind in kinds:
            if kind != right:
                yield f"{kind}_as_{place}", 10, lambda f, p=place, k=kind: f.set(p, statements(f)[k])


def not_the_manifests(kind):
    def put(f):
        f.manifest()
        f.set("manifest.note", statements(f)[kind])
        return f.pack()

    return f"{kind}_as_manifest", 10, put


def text_of(f):
    return f"{f.signer.name}\n{f.size}\n{b64(f.root)}\n"


def checkpoint(change):
    """Another note in the place of the checkpoint, made of its text and the line of its signature."""
    return lambda f: f.set("checkpoint", change(f, text_of(f), f.signer.line(text_of(f))))


def signed(change):
    """Another text, which is signed."""
    return lambda f: f.set("checkpoint", f.signer.note(change(f, text_of(f))))


def line_of(signer, signature):
    return f"\u2014 {signer.name} {b64(signer.id + signature)}\n"


def more_than_the_order(f, text, line):
    signature = f.signer.pair.sign(text.encode())
    scalar = number(signature[32:]) + ORDER
    return text + "\n" + line_of(f.signer, signature[:32] + scalar.to_bytes(32, "little"))


def strangers(count):
    """Lines of so many signers whom nobody knows."""
    return "".join(f"\u2014 w{n} {b64(bytes(4) + bytes([n]) * 64)}\n" for n in range(count))


def loose(text):
    """Base64 with bits to spare."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    place = text.rindex("=") - 1
    place -= text[place] == "="
    return text[:place] + alphabet[alphabet.index(text[place]) ^ 1] + text[place + 1 :]


SIGNATURES = [
    ("unsigned", 10, checkpoint(lambda f, t, l: t + "\n")),
    ("without_a_blank_line", 10, checkpoint(lambda f, t, l: t + l)),
    ("of_a_stranger", 10, checkpoint(lambda f, t, l: Signer(OTHER, f.signer.name).note(t))),
    ("of_another_text", 10, checkpoint(lambda f, t, l: t + "\n" + f.signer.line(t + "x\n"))),
    ("bad_after_good", 10, checkpoint(lambda f, t, l: t + "\n" + l + f.signer.line("else\n"))),
    ("bad_before_good", 10, checkpoint(lambda f, t, l: t + "\n" + f.signer.line("else\n") + l)),
    ("good_twice", 0, checkpoint(lambda f, t, l: t + "\n" + l + l)),
    ("beside_a_strangers", 0, checkpoint(lambda f, t, l: t + "\n" + strangers(1) + l)),
    ("beside_99", 0, checkpoint(lambda f, t, l: t + "\n" + strangers(99) + l)),
    ("beside_100", 10, checkpoint(lambda f, t, l: t + "\n" + strangers(100) + l)),
    ("of_nonce_0", 10, checkpoint(lambda f, t, l: t + "\n" + f.signer.line(t, 0))),
    ("of_a_known_nonce", 0, checkpoint(lambda f, t, l: t + "\n" + f.signer.line(t, 1))),
    ("beyond_the_order", 10, checkpoint(more_than_the_order)),
    ("too_short", 10, checkpoint(lambda f, t, l: t + "\n" + line_of(f.signer, bytes(63)))),
    ("too_long", 10, checkpoint(lambda f, t, l: t + "\n" + line_of(f.signer, f.signer.pair.sign(t.encode()) + b"\0"))),
    ("empty", 10, checkpoint(lambda f, t, l: t + "\n" + line_of(f.signer, b""))),
    ("of_zeros", 10, checkpoint(lambda f, t, l: t + "\n" + line_of(f.signer, bytes(64)))),
    ("with_another_dash", 10, checkpoint(lambda f, t, l: t + "\n" + l.replace("\u2014", "\u2013"))),
    ("with_two_spaces", 10, checkpoint(lambda f, t, l: t + "\n" + l.replace("\u2014 ", "\u2014  "))),
    ("with_a_space_behind", 10, checkpoint(lambda f, t, l: t + "\n" + l.replace("\n", " \n"))),
    ("with_cr_lf", 10, checkpoint(lambda f, t, l: t + "\n" + l.replace("\n", "\r\n"))),
    ("cut_off", 10, checkpoint(lambda f, t, l: (t + "\n" + l)[:-1])),
    ("with_a_line_behind", 10, checkpoint(lambda f, t, l: t + "\n" + l + "\n")),
    ("loose", 10, checkpoint(lambda f, t, l: t + "\n" + loose(l))),
    ("of_url_base64", 10, checkpoint(lambda f, t, l: t + "\n" + l.replace("+", "-").replace("=", ""))),
    ("of_the_name_alone", 10, checkpoint(lambda f, t, l: t + f"\n\u2014 {f.signer.name}\n")),
    ("no_utf8", 10, lambda f: f.set("checkpoint", text_of(f).encode() + b"\n\xe2\x80 x\n")),
]
TEXTS = [
    ("size_with_a_zero", 10, signed(lambda f, t: t.replace(f"\n{f.size}\n", f"\n0{f.size}\n"))),
    ("size_with_a_sign", 10, signed(lambda f, t: t.replace(f"\n{f.size}\n", f"\n+{f.size}\n"))),
    ("size_in_other_digits", 10, signed(lambda f, t: t.replace(f"\n{f.size}\n", "\n\u0661\n"))),
    ("size_beyond_64_bits", 10, signed(lambda f, t: t.replace(f"\n{f.size}\n", f"\n{1 << 64}\n"))),
    ("size_smaller", 10, signed(lambda f, t: t.replace(f"\n{f.size}\n", f"\n{f.size - 1}\n"))),
    ("size_larger", 10, signed(lambda f, t: t.replace(f"\n{f.size}\n", f"\n{f.size + 1}\n"))),
    ("root_short", 10, signed(lambda f, t: t.replace(b64(f.root), b64(f.root[:31])))),
    ("root_loose", 10, signed(lambda f, t: loose(t))),
    ("root_of_another_log", 11, signed(lambda f, t: t.replace(b64(f.root), b64(OTHER)))),
    ("a_line_more", 10, signed(lambda f, t: t + "more\n")),
    ("a_line_less", 10, signed(lambda f, t: t.rsplit("\n", 2)[0] + "\n")),
    ("a_tab", 10, signed(lambda f, t: t.replace("\n", "\t\n", 1))),
    ("a_nul", 10, signed(lambda f, t: t.replace("\n", "\0\n", 1))),
    ("cr_lf", 10, signed(lambda f, t: t.replace("\n", "\r\n"))),
    ("an_empty_origin", 10, signed(lambda f, t: t.replace(f.signer.name, ""))),
    ("a_blank_line", 10, signed(lambda f, t: t + "\n")),
    ("earlier_as_large_as_can_be", 12, lambda f: f.set("checkpoint-earlier", f.signer.statement(f.signer.name, (1 << 64) - 1, OTHER))),
    ("earlier_of_20_digits", 12, lambda f: f.set("checkpoint-earlier", f.signer.statement(f.signer.name, 10**19, OTHER))),
    ("earlier_of_nothing", 0, lambda f: f.set("checkpoint-earlier", f.signer.statement(f.signer.name, 0, EMPTY))),
    ("earlier_of_nothing_with_a_root", 11, lambda f: f.set("checkpoint-earlier", f.signer.statement(f.signer.name, 0, OTHER))),
    ("table_of_a_later_size", 10, lambda f: f.set("table", f.signer.statement(f.signer.name + "/table", f.size + 1, EMPTY_TABLE))),
    ("table_of_another_root", 10, lambda f: f.set("table", f.signer.statement(f.signer.name + "/table", f.size, EMPTY_TABLE))),
    ("table_of_nothing_with_a_root", 10, lambda f: f.set("table", f.signer.statement(f.signer.name + "/table", 0, OTHER))),
    ("heartbeat_at_the_end_of_time", 0, lambda f: f.set("heartbeat", f.signer.beat(f.size, f.root, f"time {(1 << 64) - 1}"))),
    ("heartbeat_beyond_64_bits", 10, lambda f: f.set("heartbeat", f.signer.beat(f.size, f.root, f"time {1 << 64}"))),
]


class Weak:
    """A pair whose public key is one of the few that add up to nothing."""

    def __init__(self, public):
        self.public = public

    def sign(self, message, _=None):
        nonce, challenge = 0, 1
        while challenge % 8:
            nonce += 1
            start = times(nonce)
            challenge = number(hashlib.sha512(start + self.public + message).digest())
        return start + nonce.to_bytes(32, "little")


def of_pair(pair, name):
    signer = Signer(bytes(32), name)
    data = b"\x01" + pair.public
    signer.pair, signer.id = pair, hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    signer.text = f"{name}+{signer.id.hex()}+{b64(data)}"
    return signer


WEAK = {
    "neutral": "01" + "00" * 31, "neutral_signed": "01" + "00" * 30 + "80",
    "minus_1": "ec" + "ff" * 30 + "7f", "minus_1_signed": "ec" + "ff" * 31,
    "0": "00" * 32, "0_signed": "00" * 31 + "80", "p": "ed" + "ff" * 30 + "7f",
    "p_and_1": "ee" + "ff" * 30 + "7f", "p_and_1_signed": "ee" + "ff" * 31,
    "order_8": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "order_8_too": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
}


def chain(f, *signers, notes=lambda text, old, new: old.line(text) + new.line(text), keys=None):
    """The keys of these signers, each following the one before at the log's size."""
    text = "".join(f"{key.text}\n" for key in signers) if keys is None else keys
    for old, new in zip(signers, signers[1:]):
        body = f"keyledger succession v1\nold {old.text}\nnew {new.text}\n"
        body += head("size", f.size, f.root)
        body += "" if old.name == new.name else head("from", f.size, f.root)
        text += "\n" + body + "\n" + notes(body, old, new)
    f.set("keys", text)


def resigned(f, signer, manifest=True):
    """Everything that the log's key signs, signed by another."""
    f.set("checkpoint", signer.statement(signer.name, f.size, f.root))
    f.set("checkpoint-earlier", signer.statement(signer.name, f.size, f.root))
    f.set("table", signer.statement(signer.name + "/table", 0, EMPTY_TABLE))
    f.set("heartbeat", signer.beat(f.size, f.root))
    if manifest:
        f.manifest(signer)
        return f.pack()
    return None


def followed_by_a_weak_key(public):
    def put(f):
        weak = of_pair(Weak(bytes.fromhex(public)), f.origin())
        chain(f, f.signer, weak)
        return resigned(f, weak)

    return put


def trusts_a_weak_key(f):
    weak = of_pair(Weak(bytes.fromhex(WEAK["neutral"])), f.origin())
    f.set("keys", weak.text + "\n")
    f.key = weak.text
    return resigned(f, weak)


# Seeds of two keys of this name with one id, which is 4 bytes: found by trying.
ALIKE_NAME, ALIKE = "old.example.com/keys", (45691, 82934)


def two_of_one_id(f):
    one, other = (Signer(seed.to_bytes(32, "big"), ALIKE_NAME) for seed in ALIKE)
    assert one.id == other.id
    chain(f, one, other, f.signer)
    f.set("checkpoint-earlier", other.statement(other.name, f.size, f.root))
    f.key = one.text


def keyed(make, key=lambda f, signers: f.signer.text, manifest=True):
    """Another chain of keys that ends with the log's, and all is signed by that."""

    def put(f):
        old = Signer(OTHER, f.origin())
        make(f, old)
        f.key = key(f, old)

    return put


def lines(change):
    return keyed(lambda f, old: (chain(f, old, f.signer), f.set("keys", change(f.get("keys").decode()))))


def notes(make):
    return keyed(lambda f, old: chain(f, old, f.signer, notes=make))


def cosigner(f, old):
    data = b"\x04" + old.pair.public
    hashed = hashlib.sha256(old.name.encode() + b"\n" + data).hexdigest()[:8]
    text = f"{old.name}+{hashed}+{b64(data)}\n{f.signer.text}\n"
    chain(f, old, f.signer, keys=text)


def in_upper_case(f):
    """The id of a key that has letters in it."""
    old = Signer(ALIKE[0].to_bytes(32, "big"), ALIKE_NAME)
    chain(f, old, f.signer)
    f.set("keys", f.get("keys").decode().replace(old.id.hex(), old.id.hex().upper(), 1))


KEYS = [
    *((f"weak_key_{name}", 10, followed_by_a_weak_key(public)) for name, public in WEAK.items()),
    ("weak_key_that_is_trusted", 2, trusts_a_weak_key), ("two_keys_of_one_id", 0, two_of_one_id),
    ("rotated", 0, keyed(lambda f, old: chain(f, old, f.signer))),
    ("rotated_and_back", 10, keyed(lambda f, old: chain(f, f.signer, old, f.signer))),
    ("rotated_to_itself", 10, keyed(lambda f, old: chain(f, f.signer, f.signer))),
    ("succession_of_the_old_alone", 10, notes(lambda text, old, new: old.line(text))),
    ("succession_of_the_new_alone", 10, notes(lambda text, old, new: new.line(text))),
    ("succession_of_nobody", 10, notes(lambda text, old, new: strangers(2))),
    ("succession_of_the_old_twice", 10, notes(lambda text, old, new: old.line(text) * 2)),
    ("succession_with_a_bad_line", 10, notes(lambda text, old, new: old.line(text) + new.line("x\n"))),
    ("succession_beside_a_strangers", 0, notes(lambda text, old, new: old.line(text) + strangers(1) + new.line(text))),
    ("succession_missing", 10, lines(lambda text: text.split("\n\n")[0] + "\n")),
    ("succession_twice", 10, lines(lambda text: text + "\n" + text.split("\n\n", 1)[1])),
    ("keys_with_cr_lf", 10, lines(lambda text: text.replace("\n", "\r\n"))),
    ("keys_cut_off", 10, lines(lambda text: text[:-1])),
    ("keys_with_a_line_more", 10, lines(lambda text: text + "\n")),
    ("keys_with_an_upper_case_id", 10, in_upper_case),
    ("keys_with_a_space", 10, lines(lambda text: " " + text)),
    ("key_of_a_witness", 10, keyed(cosigner)),
    ("keys_swapped", 10, keyed(lambda f, old: chain(f, f.signer, old))),
    ("keys_of_nobody", 10, lambda f: f.set("keys", "")),
    ("stranger_is_trusted", 10, keyed(lambda f, old: None, key=lambda f, old: old.text)),
]


def old_origin(member, make):
    """A statement of the log under its old name, which the old key was allowed to sign then."""

    def put(f):
        old = Signer(OTHER, ALIKE_NAME)
        chain(f, old, f.signer)
        f.key = old.text
        f.set(member, make(f, old))

    return put


OLD_ORIGINS = [
    ("of_the_old_name_checkpoint", 10, old_origin("checkpoint", lambda f, old: old.statement(old.name, f.size, f.root))),
    ("of_the_old_name_heartbeat", 10, old_origin("heartbeat", lambda f, old: old.beat(f.size, f.root))),
    ("of_the_old_name_table", 10, old_origin("table", lambda f, old: old.statement(old.name + "/table", 0, EMPTY_TABLE))),
    ("of_the_old_name_earlier", 0, old_origin("checkpoint-earlier", lambda f, old: old.statement(old.name, f.size, f.root))),
    ("of_the_old_name_table_as_earlier", 10, old_origin("checkpoint-earlier", lambda f, old: old.statement(old.name + "/table", 0, EMPTY_TABLE))),
    ("bad_line_of_the_old_name_on_the_table", 10, old_origin("table", lambda f, old: f.signer.statement(
        f.signer.name + "/table", 0, EMPTY_TABLE) + old.line("else\n"))),
]


def kept(make):
    """The auditor has a checkpoint from before."""

    def put(f):
        path = os.path.join(OUT, f"kept-{len(os.listdir(OUT))}")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(make(f, f.signer))
        f.more = ["--kept", path]

    return put


def aged(age, time):
    def put(f):
        f.set("heartbeat", f.signer.beat(f.size, f.root, f"time {time}"))
        f.more = ["--max-age", age]

    return put


OUT = sys.argv[5]
FRESHNESS = [
    ("kept_the_same", 0, kept(lambda f, s: s.statement(s.name, f.size, f.root))),
    ("kept_of_nothing", 0, kept(lambda f, s: s.statement(s.name, 0, EMPTY))),
    ("kept_another", 11, kept(lambda f, s: s.statement(s.name, f.size - 1, OTHER))),
    ("kept_another_of_nothing", 11, kept(lambda f, s: s.statement(s.name, 0, OTHER))),
    ("kept_a_larger_one", 12, kept(lambda f, s: s.statement(s.name, f.size + 1, OTHER))),
    ("kept_a_table", 10, kept(lambda f, s: s.statement(s.name + "/table", 0, EMPTY_TABLE))),
    ("kept_a_heartbeat", 10, kept(lambda f, s: s.beat(f.size, f.root))),
    ("kept_a_strangers", 10, kept(lambda f, s: Signer(OTHER, s.name).statement(s.name, 0, EMPTY))),
    ("kept_no_note", 10, kept(lambda f, s: "kept")),
    ("stale", 13, aged("1d", 1_700_000_000)), ("fresh_enough", 0, aged("5000w", 1_700_000_000)),
    ("of_the_future", 10, aged("1d", 40_000_000_000)),
]

FORGERIES = [
    *mixed_up(), *(not_the_manifests(kind) for kind in ("checkpoint", "table", "heartbeat", "journal")),
    *((f"signature_{name}", code, put) for name, code, put in SIGNATURES), *TEXTS, *KEYS, *OLD_ORIGINS,
    *FRESHNESS,
]
