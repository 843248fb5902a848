"""The file itself: the manifest in other spellings, the tar, the tiles, the exports; and several things
that are wrong at once, of which one is the verdict."""

import base64
import hashlib
import json



def spelled(change):
    """Another text of the manifest, which is signed as it is."""

    def put(f):
        f.manifest()
        text = change(f.get("manifest.json").decode())
        data = text if isinstance(text, bytes) else text.encode()
        f.set("manifest.json", data)
        hashed = base64.b64encode(hashlib.sha256(data).digest()).decode()
        f.set("manifest.note", f.signer.note(f"{f.origin_}/bundle\n{len(data)}\n{hashed}\n"))
        return f.pack()

    return lambda f: (setattr(f, "origin_", f.origin()), put(f))[1]


def instead(right, wrong, count=1):
    def change(text):
        assert right in text, right
        return text.replace(right, wrong, count)

    return spelled(change)


def fielded(**fields):
    """Other values, in the one spelling that they have."""

    def change(text):
        manifest = dict(json.loads(text), **fields)
        lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in manifest["members"])
        manifest["members"] = []
        return json.dumps(manifest, separators=(",", ":"), ensure_ascii=False)[:-2] + "\n" + lines + "\n]}\n"

    return spelled(change)


def first_member(change):
    def of(text):
        head, line, rest = text.split("\n", 2)
        return "\n".join((head, change(line), rest))

    return spelled(of)


MANIFEST = [
    ("as_it_is", 0, spelled(lambda text: text)),
    ("space_behind_a_comma", 10, instead(",", ", ")), ("space_at_the_end", 10, spelled(lambda text: text + " ")),
    ("line_at_the_end", 10, spelled(lambda text: text + "\n")), ("space_in_front", 10, spelled(lambda text: " " + text)),
    ("cr_lf", 10, spelled(lambda text: text.replace("\n", "\r\n"))),
    ("byte_order_mark", 10, spelled(lambda text: "\ufeff" + text)),
    ("no_utf8", 10, spelled(lambda text: b"\xff" + text.encode())), ("no_json", 10, spelled(lambda text: "{")),
    ("no_object", 10, spelled(lambda text: "[]\n")), ("deep", 10, spelled(lambda text: "[" * 100_000)),
    ("version_as_a_fraction", 10, instead('"bundle":2', '"bundle":2.0')),
    ("version_as_a_power", 10, instead('"bundle":2', '"bundle":2e0')),
    ("version_as_a_text", 10, instead('"bundle":2', '"bundle":"2"')),
    ("version_true", 10, instead('"bundle":2', '"bundle":true')),
    ("version_0", 10, fielded(bundle=0)), ("version_1_with_more", 10, fielded(bundle=1)),
    ("version_3", 10, fielded(bundle=3)), ("version_null", 10, fielded(bundle=None)),
    ("size_as_a_fraction", 10, spelled(lambda text: text.replace(',"records"', '.0,"records"', 1))),
    ("size_with_a_zero", 10, instead('"size":', '"size":0')), ("size_with_a_sign", 10, instead('"size":', '"size":-')),
    ("size_beyond_64_bits", 10, fielded(size=1 << 64)), ("size_as_large_as_can_be", 10, fielded(size=(1 << 64) - 1)),
    ("size_of_5000_digits", 10, instead('"size":', '"size":' + "9" * 5000)),
    ("size_nan", 10, fielded(size=float("nan"))), ("size_true", 10, fielded(size=True)),
    ("records_negative", 10, fielded(records=-1)), ("records_negative_of_a_part", 10, fielded(records=-1, account="acme")),
    ("records_fewer", 10, fielded(records=3)), ("length_as_a_fraction", 10, first_member(lambda line: line.replace(',"sha256"', '.0,"sha256"'))),
    ("length_true", 10, first_member(lambda line: json.dumps(dict(json.loads(line[:-1]), length=True), separators=(",", ":")) + ",")),
    ("hash_in_upper_case", 10, first_member(lambda line: line[:-70] + line[-70:].upper())),
    ("hash_short", 10, first_member(lambda line: line.replace('"}', '').replace('"},', '')[:-3] + '"},')),
    ("member_with_more", 10, first_member(lambda line: line.replace("}", ',"x":1}'))),
    ("member_in_another_order", 10, first_member(lambda line: json.dumps(
        dict(reversed(json.loads(line[:-1]).items())), separators=(",", ":")) + ",")),
    ("member_no_object", 10, first_member(lambda line: '"README.md",')),
    ("member_null", 10, first_member(lambda line: "null,")),
    ("members_an_object", 10, spelled(lambda text: text.replace("[\n", "{\n").replace("\n]", "\n}"))),
    ("members_on_one_line", 10, spelled(lambda text: text.replace(",\n", ","))),
    ("members_none", 10, spelled(lambda text: text.split("\n")[0] + "\n]}\n")),
    ("name_escaped", 10, instead('"name":"README', '"name":"\\u0052EADME')),
    ("slash_escaped", 10, instead('"tile/', '"tile\\/')),
    ("field_twice", 10, instead('"bundle":2,', '"bundle":2,"bundle":2,')),
    ("field_twice_in_a_member", 10, first_member(lambda line: line.replace('"name"', '"name":"x","name"'))),
    ("field_more", 10, instead('"bundle":2,', '"bundle":2,"note":null,')),
    ("field_less", 10, instead('"account":null,', "")), ("field_renamed", 10, instead('"account"', '"Account"')),
    ("fields_in_another_order", 10, instead('"account":null,"from":null', '"from":null,"account":null')),
    ("account_a_number", 10, fielded(account=1)), ("account_empty", 10, fielded(account="")),
    ("account_star", 10, fielded(account="*")), ("account_of_a_part_of_a_whole_log", 10, fielded(account="acme")),
    ("origin_another", 10, fielded(origin="other.example.com")), ("origin_null", 10, fielded(origin=None)),
    ("surrogate", 10, instead('"account":null', '"account":"\\ud800"')),
]


def packed(change):
    """Other bytes of the whole file."""

    def put(f):
        f.manifest()
        return change(bytearray(f.pack()))

    return put


def header(change, right_sum=True):
    """Another header of the first member."""

    def of(data):
        change(data)
        if right_sum:
            total = sum(data[:148]) + 8 * ord(" ") + sum(data[156:512])
            data[148:156] = b"%07o\0" % total
        return bytes(data)

    return packed(of)


def field(at, content):
    def change(data):
        data[at : at + len(content)] = content

    return change


def padding(data):
    """The first zero behind the first member."""
    length = int(data[124:135], 8)
    data[512 + length] = 1
    return bytes(data)


TAR = [
    ("mode", 10, header(field(100, b"0000755\0"))), ("owner", 10, header(field(108, b"0001750\0"))),
    ("group", 10, header(field(116, b"0001750\0"))), ("time", 10, header(field(136, b"14000000000\0"))),
    ("length_with_a_space", 10, header(field(135, b" "))), ("length_in_binary", 10, header(field(124, b"\x80" + bytes(11)))),
    ("type_old", 10, header(field(156, b"\0"))), ("type_link", 10, header(field(156, b"2"))),
    ("type_folder", 10, header(field(156, b"5"))), ("type_pax", 10, header(field(156, b"x"))),
    ("link_name", 10, header(field(157, b"x"))), ("magic_gnu", 10, header(field(257, b"ustar  \0"))),
    ("owner_name", 10, header(field(265, b"root"))), ("device", 10, header(field(329, b"0000000\0"))),
    ("folder_in_front", 10, header(field(345, b"x"))), ("end_of_header", 10, header(field(511, b"x"))),
    ("name_above", 10, header(field(0, b"../ME.md\0"))), ("name_with_a_space", 10, header(field(0, b"READ ME"))),
    ("checksum_wrong", 10, header(field(148, b"0000000\0"), right_sum=False)),
    ("checksum_with_a_space", 10, header(field(155, b" "), right_sum=False)),
    ("padding", 10, packed(padding)), ("cut_off", 10, packed(lambda data: bytes(data[:-512]))),
    ("cut_in_a_member", 10, packed(lambda data: bytes(data[:700]))), ("longer", 10, packed(lambda data: bytes(data) + bytes(512))),
    ("a_byte_longer", 10, packed(lambda data: bytes(data) + b"\0")), ("nothing", 10, packed(lambda data: b"")),
    ("another_end", 10, packed(lambda data: bytes(data[:-1]) + b"\1")), ("zeros", 10, packed(lambda data: bytes(1024))),
    ("not_packed_at_all", 10, packed(lambda data: b"PK\3\4" + bytes(data))),
]


def tile_of(f, kind):
    return next(name for name, _ in f.files if name.startswith(f"tile/{kind}/"))


def filed(kind, change):
    """Another content of the first tile of a kind."""

    def put(f):
        name = tile_of(f, kind)
        f.set(name, change(f.get(name)))

    return put


def renamed(name, other):
    def put(f):
        next(file for file in f.files if file[0].startswith(name))[0] = other

    return put


def without(name):
    def put(f):
        f.files = [file for file in f.files if file[0] != name]

    return put


def first_version(f, table=(0, hashlib.sha256(b"").digest())):
    """What a verifier of the first version takes: there was no table of limits, no heartbeat, no witness, and
    the table of keys was one tree of all rows."""
    f.set("table", f.signer.statement(f.signer.name + "/table", *table))
    later = ("limits.json", "heartbeat", "cosigned", "cosigned-consistency")
    f.files = [file for file in f.files if file[0] not in later]
    return fielded(bundle=1)(f)


FILES = [
    ("entry_changed", 10, filed("entries", lambda data: data[:20] + b"x" + data[21:])),
    ("entry_left_out", 10, filed("entries", lambda data: data[2 + int.from_bytes(data[:2], "big") :])),
    ("entry_cut_off", 10, filed("entries", lambda data: data[:-1])),
    ("entry_empty", 10, filed("entries", lambda data: data + b"\0\0")),
    ("no_entries", 10, filed("entries", lambda data: b"")),
    ("tile_changed", 10, filed("0", lambda data: data[:-1] + bytes([data[-1] ^ 1]))),
    ("tile_too_long", 10, filed("0", lambda data: data + bytes(32))),
    ("tile_too_short", 10, filed("0", lambda data: data[:-32])),
    ("tile_of_another_width", 10, renamed("tile/0/", "tile/0/000.p/1")),
    ("tile_full", 10, renamed("tile/0/", "tile/0/000")), ("tile_elsewhere", 10, renamed("tile/0/", "tile/1/000.p/1")),
    *((f"without_{name}", 10, without(name)) for name in (
        "README.md", "verify.py", "limits.json", "keys", "checkpoint", "checkpoint-earlier",
        "consistency", "table", "heartbeat", "persons", "events.ndjson", "events.csv",
        "events.ocsf.ndjson")),
    ("guide_no_text", 10, lambda f: f.set("README.md", b"\xff")),
    ("verifier_no_text", 10, lambda f: f.set("verify.py", b"\xff")),
    ("another_guide", 0, lambda f: f.set("README.md", b"trust me")),
    ("first_version", 0, first_version),
    *((f"{name}_longer", 10, lambda f, name=name: f.set(name, f.get(name) + b"\n")) for name in (
        "events.ndjson", "events.csv", "events.ocsf.ndjson", "persons", "consistency", "keys", "table")),
    *((f"{name}_shorter", 10, lambda f, name=name: f.set(name, f.get(name)[:-1])) for name in (
        "events.ndjson", "events.csv", "events.ocsf.ndjson", "persons", "keys", "table")),
    ("formula_in_a_cell", 10, lambda f: f.set("events.csv", f.get("events.csv").replace(b"\"'=", b"\"=", 1).replace(b"ann", b"=an", 1))),
    ("another_actor_in_ocsf", 10, lambda f: f.set("events.ocsf.ndjson", f.get("events.ocsf.ndjson").replace(b'"uid":"ann"', b'"uid":"bob"', 1))),
    ("escaped_in_ndjson", 10, lambda f: f.set("events.ndjson", f.get("events.ndjson").replace(b"ann", b"\\u0061nn", 1))),
]


def earlier(f, size, root):
    f.set("checkpoint-earlier", f.signer.statement(f.signer.name, size, root))


def forked(f):
    earlier(f, 3, bytes(32))


def rolled_back(f):
    earlier(f, f.size + 1, bytes(32))


def both(*changes):
    def put(f):
        for change in changes:
            change(f)

    return put


def unlisted(name, *changes):
    """A file that is not the one that the manifest lists."""

    def put(f):
        both(*changes)(f)
        f.manifest()
        f.set(name, f.get(name)[:-1] + b"x")
        return f.pack()

    return put


def bad_export(f):
    f.set("events.csv", f.get("events.csv").replace(b"ann", b"bob", 1))


def bad_last_record(f):
    name = tile_of(f, "entries")
    data = f.get(name)
    f.set(name, data[:-1] + bytes([data[-1] ^ 1]))


def long_proof(f):
    f.set("consistency", base64.b64encode(bytes(32)).decode() + "\n")


AT_ONCE = [
    ("forked_and_a_bad_export", 11, both(forked, bad_export)),
    ("forked_and_a_bad_record_after_it", 11, both(forked, bad_last_record)),
    ("forked_and_a_bad_proof", 11, both(forked, long_proof)),
    ("rolled_back_and_a_bad_record", 12, both(rolled_back, bad_last_record)),
    ("rolled_back_and_a_bad_export", 12, both(rolled_back, bad_export)),
    *((f"forked_and_not_listed_{name}", 10, unlisted(name, forked)) for name in (
        "README.md", "events.ocsf.ndjson", "persons")),
    ("rolled_back_and_not_listed", 10, unlisted("events.csv", rolled_back)),
    ("bad_export_and_a_bad_table", 10, both(bad_export, lambda f: f.set("table", f.signer.statement(
        f.signer.name + "/table", f.size, bytes(32))))),
]

FORGERIES = [
    *((f"manifest_{name}", code, put) for name, code, put in MANIFEST),
    *((f"tar_{name}", code, put) for name, code, put in TAR), *FILES, *AT_ONCE,
]
