"""Writes records (schemas/record.md): whatever a forger wants to have in them."""

from forge import verify

SECTIONS = verify.SECTIONS
ACTOR, KEY, BEFORE, AFTER, REASON = SECTIONS
# What a record that makes no key says of one.
NO_KEY = {"owner": "x", "name": "x", "description": None, "metadata": []}


class Writer:
    def __init__(self):
        self.data = b""

    def raw(self, data):
        self.data += data

    def uint(self, value):
        if value <= 250:
            self.raw(bytes([value]))
            return
        mark, width = next((m, w) for m, w in ((251, 2), (252, 4), (253, 8)) if value >> 8 * w == 0)
        self.raw(bytes([mark]) + value.to_bytes(width, "little"))

    def time(self, value):
        self.uint(2 * value if value >= 0 else -2 * value - 1)

    def text(self, value):
        data = value if isinstance(value, bytes) else value.encode()
        self.uint(len(data))
        self.raw(data)

    def option(self, value, write):
        self.raw(b"\0" if value is None else b"\1")
        if value is not None:
            write(value)

    def many(self, values, write):
        self.uint(len(values))
        for value in values:
            write(value)

    def texts(self, values):
        self.many(values, self.text)

    def rate(self, value):
        self.uint(value[0])
        self.uint(value[1])

    def pairs(self, values):
        self.many(values, lambda pair: (self.text(pair[0]), self.text(pair[1])))

    def link(self, link):
        self.raw(link["key"])
        self.uint(link["revision"])
        self.option(link["before"], self.uint)
        self.uint(link["after"])
        self.option(link["previous"], lambda previous: (self.uint(previous[0]), self.raw(previous[1])))

    def rule(self, name, rule):
        self.uint([known for known, _ in verify.RULES].index(name))
        for value in rule.values():
            if isinstance(value, bool):
                self.raw(bytes([value]))
            else:
                {int: self.uint, str: self.text, list: self.texts}[type(value)](value)

    def attribute(self, name, value):
        write = {
            "name": self.text, "owner": self.text, "permissions": self.texts, "tags": self.texts,
            "allowed_ips": self.texts, "metadata": self.pairs,
        }
        of_option = {"expires_at": self.time, "rate_limit": self.rate, "quota": self.rate}
        if name in write:
            write[name](value)
        else:
            self.option(value, of_option.get(name, self.text))

    def new_key(self, key, account):
        self.raw(key["id"])
        self.uint(key["number"])
        is_actors = key["account"] == account and not key.get("account_said")
        self.option(None if is_actors else key["account"], self.text)
        self.uint(key["kind"])
        self.uint(key["environment"])
        names = ("role", "permissions", "project", "allowed_ips", "expires_at", "rate_limit", "quota")
        for name in (*names, "tags"):
            self.attribute(name, key[name])
        self.text(key["prefix"])
        self.raw(key["digest"])
        self.option(key["replaces"], lambda replaces: (self.raw(replaces[0]), self.time(replaces[1])))
        self.uint(key["dialect"])
        self.option(key["public_value"], self.text)
        self.option(key["imported"], self.imported)

    def imported(self, imported):
        self.option(imported["created_at"], self.time)
        self.option(imported["last_used_at"], self.time)
        self.option(imported["source"], self.text)

    def event(self, record):
        self.uint(record["type"])
        if record["type"] == 0:
            self.new_key(record["key"], record["account"])
        elif record["type"] == 3:
            self.option(record["due"], self.time)
        elif record["type"] == 4:
            self.option(record["code"], self.uint)
            self.option(record["compromised_since"], self.time)
        elif record["type"] == verify.UPDATED:
            self.edits(record)

    def edits(self, record):
        names = [name for name, _ in verify.ATTRIBUTES]
        self.uint(len(record["edits"]))
        for name, values in record["edits"].items():
            self.uint(names.index(name))
            if name not in verify.SEALED:
                for value in values:
                    self.attribute(name, value)

    def via(self, record):
        way = record["way"]
        self.uint(way)
        if way == 1:
            self.text(record["by_word_of"])
        elif way == verify.BY_KEY:
            self.raw(record["by_word_of"])


def section(record, one):
    """What a section of a record carries, as bytes."""
    w = Writer()
    if one == ACTOR:
        w.text(record["subject"])
        w.option(record["jti"], w.text)
        w.option(record["ip"], lambda ip: (w.uint(0), w.raw(bytes(map(int, ip.split("."))))))
        w.option(record["request_id"], w.text)
        w.option(None, w.text)
    elif one == KEY:
        key = record.get("key", NO_KEY)
        own = record["persons_of"].get(KEY) == record["persons_of"].get(ACTOR)
        w.option(None if own and not record.get("owner_said") else key["owner"], w.text)
        for name in ("name", "description", "metadata"):
            w.attribute(name, key[name])
    elif one == REASON:
        w.text(record["reason"])
    else:
        for name in verify.sealed_edits(record):
            w.attribute(name, record["edits"][name][one == AFTER])
    return w.data


def seal(key, nonce, text):
    if verify.AESGCM:
        return verify.AESGCM(key).encrypt(nonce, text, None)
    gcm = verify.Gcm(key)
    hidden, stream = gcm._stream(nonce, len(text))
    sealed = verify.xor(text, stream) if text else b""
    return sealed + verify.xor(gcm._hash(sealed), hidden)


def key_of(persons, names):
    keys = [persons[name] for name in names]
    return keys[0] if len(keys) == 1 else verify.sha256(b"keyledger both" + b"".join(keys))


def parts_of(record):
    """Which sections stand together, for whom."""
    parts = {}
    for one in SECTIONS:
        if one in record["persons_of"]:
            names = record["persons_of"][one]
            parts[names] = parts.get(names, 0) | one
    return [(sections, names) for names, sections in parts.items()]


def encode(record, persons):
    """The bytes of a record, its parts sealed for those whom `persons_of` names."""
    w = Writer()
    w.raw(b"\1")
    w.time(record["at"])
    w.text(record["node"])
    w.option(record["account"], w.text)
    w.raw(bytes([sum(1 << verify.ROLES.index(role) for role in record["roles"])]))
    w.via(record)
    w.uint(record["dialect"])
    w.many(list(record["rules"].items()), lambda rule: w.rule(*rule))
    w.event(record)
    links = [link for link in (record["link"], record["replaced"]) if link]
    w.many(links[1:] if record["type"] == 0 else links, w.link)
    w.raw(record["salt"])
    parts = record.get("parts") or parts_of(record)
    w.uint(len(parts))
    for sections, names in parts:
        text = b"".join(section(record, one) for one in SECTIONS if sections & one)
        w.raw(bytes([sections]))
        w.many(names, w.raw)
        w.text(record.get("sealed", lambda sealed: sealed)(seal(key_of(persons, names), record["salt"], text)))
    return w.data


def decode(data, persons):
    """A record, with whom each of its sections is sealed for."""
    record = verify.decode(data, persons)
    r = verify.Reader(data)
    # The parts stand behind the salt, at the end.
    r.at = data.index(record["salt"]) + 12
    record["persons_of"] = {
        one: part["persons"]
        for part in r.many(lambda: verify.read_part(r))
        for one in SECTIONS
        if part["sections"] & one
    }
    return record
