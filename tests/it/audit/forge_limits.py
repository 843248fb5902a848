"""Records beyond the limits (schemas/limits.json), each with the last that is within them."""

import json

from log import REVOKED, SECOND
from story import key, last, of

LINE = ["", " ", "\u3000", "a\nb", "a\x85b", "\x7f"]
LINES = ["\r", "a\x00", "a\x9f"]
SLUG = ["", "a b", "ä", "a/b", "a\n"]
WORD = ["", "a:b", "a b", "é"]
VISIBLE = ["", "a b", "ü", "a\x7f"]


def setter(*path, of_record):
    def put(log, value):
        record = of_record(log)
        for name in path[:-1]:
            record = record[name]
        record[path[-1]] = value

    return put


def new(log):
    return of(log, "next")


def plain(log):
    """The last record, a change by a token."""
    return log.change(key(log, "next"), 2)


def by_a_token_from_outside(log):
    record = plain(log)
    record.update(way=1, by_word_of="https://id.test")
    return record


def with_a_reason(log, text):
    log.with_reason(plain(log), text)


def of_a_rule(log, text):
    log.create("ruled", {"prefix": text}, rules={"secret_prefix": {"prefix": text}})


def of_an_account(log, text):
    log.create("elsewhere", {"account": text}, account=None)


def edited(name, before):
    """An edit's value after it, of a key that had `before`."""

    def put(log, text):
        log.create(before if name == "name" else "edited", {} if name == "name" else {name: before})
        log.edit(log.records[-1]["key"]["id"], {name: (before, text)})

    return put


def handed_on(log, text):
    edits = {"name": ("next", "next"), "description": (None, None), "metadata": ([], [])}
    log.edit(key(log, "next"), {**edits, "owner": ("ann", text)})


def public(log, text):
    log.create("another", {"kind": 1, "public_value": text})


# What is set, the longest, in bytes or characters, and what is unlawful.
TEXTS = [
    ("node", setter("node", of_record=plain), 64, SLUG),
    ("account", of_an_account, 100, [*LINE, "*"]),
    ("subject", setter("subject", of_record=plain), 255, [*LINE, "erased:ann"]),
    ("owner", handed_on, 255, [*LINE, "erased:ann"]),
    ("name", setter("key", "name", of_record=new), 200, LINE),
    ("name_edited", edited("name", "edited"), 200, LINE[:2]),
    ("description", setter("key", "description", of_record=new), 500, LINES),
    ("description_edited", edited("description", "d"), 500, LINES[:1]),
    ("reason", with_a_reason, 500, LINES),
    ("project", setter("key", "project", of_record=new), 100, LINE),
    ("project_edited", edited("project", "p"), 100, LINE[:1]),
    ("role", setter("key", "role", of_record=new), 64, SLUG),
    ("role_edited", edited("role", "r"), 64, SLUG[:2]),
    ("source", setter("key", "imported", "source", of_record=lambda log: of(log, "imported")), 100, LINE),
    ("prefix", setter("key", "prefix", of_record=new), 31, VISIBLE),
    ("prefix_of_a_rule", of_a_rule, 31, VISIBLE),
    ("imported_prefix", setter("key", "prefix", of_record=lambda log: of(log, "imported")), 24, []),
    ("public_value", public, 128, VISIBLE),
    ("issuer", setter("by_word_of", of_record=by_a_token_from_outside), 200, [""]),
    ("token_id", setter("jti", of_record=plain), 200, []),
    ("request_id", setter("request_id", of_record=plain), 64, WORD),
]


def lists(name, most, texts):
    """So many of a new key, and of an edit."""
    made = [texts(n) for n in range(most)]
    more = [texts(n) for n in range(most + 1)]
    yield f"{name}_at_most", 0, lambda log: new(log)["key"].update({name: made})
    yield f"{name}_too_many", 10, lambda log: new(log)["key"].update({name: more})
    yield f"{name}_too_many_after", 10, lambda log: edited(name, [])(log, more)


def network(text, code):
    def put(log):
        new(log)["key"]["allowed_ips"] = [text]

    return f"network_{text.encode().hex()}", code, put


NETWORKS = [
    ("10.0.0.1/8", 10), ("10.0.0.0/33", 10), ("10.0.0.0/08", 10), ("010.0.0.1", 10), ("host", 10),
    ("", 10), ("::ffff:10.0.0.1", 10), ("::FFFF:0:0/96", 10), ("2001:DB8::/32", 10),
    ("2001:db8:0::/32", 10), ("10.0.0.0/255.0.0.0", 10), ("fe80::1%eth0", 10), ("10.0.0.1 ", 10),
    ("0.0.0.0/0", 0), ("::/0", 0), ("::1", 0), ("1::2:0:0:3", 0), ("::ffff:0.0.0.0/96", 0),
]


def permission(text, code):
    def put(log):
        new(log)["key"]["permissions"] = [text]

    return f"permission_of_{len(text)}_{text[:9].encode().hex()}", code, put


PERMISSIONS = [
    ("*", 0), ("read", 0), ("a.b.*", 0), ("x" * 128, 0), ("x" * 129, 10), ("", 10), ("a.", 10),
    (".a", 10), ("a..b", 10), ("*.a", 10), ("a*", 10), ("a b", 10), ("ä.b", 10), ("**", 10),
]



def metadata():
    for name, code, pairs in [
        ("bytes_at_most", 0, [("k", "v" * 4095)]), ("bytes_too_many", 10, [("k", "v" * 4096)]),
        ("name_empty", 10, [("", "v")]), ("of_any_characters", 0, [("\x00", "\x07\u202e")]),
    ]:
        yield f"metadata_{name}", code, lambda log, pairs=pairs: new(log)["key"].update(metadata=pairs)


def numbers():
    for name, value, code in [
        ("rate_limit", (1_000_000, 86_400), 0), ("rate_limit", (0, 60), 10),
        ("rate_limit", (1_000_001, 60), 10), ("rate_limit", (1, 0), 10),
        ("rate_limit", (1, 86_401), 10), ("quota", ((1 << 32) - 1, 0), 0), ("quota", (0, 1), 10),
        ("quota", (1, 3), 10), ("quota", (1 << 32, 0), 10),
    ]:
        title = f"{name}_{value[0]}_{value[1]}"
        yield title, code, lambda log, n=name, v=value: new(log)["key"].update({n: v})


def revoked_since(ahead):
    def put(log):
        log.change(key(log, "next"), REVOKED)
        last(log, REVOKED)["compromised_since"] = last(log, REVOKED)["at"] + ahead * SECOND

    return put


def imported(**times):
    def put(log):
        record = of(log, "imported")
        for name, ahead in times.items():
            record["key"]["imported"][name] = record["at"] + ahead * SECOND

    return put


TIMES = [
    ("compromised_within_a_clock", 0, revoked_since(300)),
    ("compromised_in_the_future", 10, revoked_since(301)),
    ("made_there_within_a_clock", 0, imported(created_at=300, last_used_at=300)),
    ("made_there_in_the_future", 10, imported(created_at=301, last_used_at=301)),
    ("used_there_in_the_future", 10, imported(last_used_at=301)),
    ("used_there_before_it_was_made", 10, imported(created_at=-5, last_used_at=-6)),
]


def of_size(size):
    """A record of so many bytes."""

    def put(log):
        key_ = new(log)["key"]
        key_["permissions"] = [f"{n:02}" + "x" * 78 for n in range(64)]
        place = log.records.index(new(log))
        value = "v" * 300
        # Once is enough unless a length takes another byte.
        for _ in range(2):
            key_["metadata"] = [("k", value)]
            value += "v" * (size - len(log.encoded()[place]))
        assert len(log.encoded()[place]) == size

    return put


def table(change):
    def put(log):
        log.limits = change(log.get("limits.json").decode())

    return put


TABLES = [
    ("table_of_another_version", 10, table(lambda text: text.replace('"limits": 1', '"limits": 2'))),
    ("table_that_is_wider", 10, table(lambda text: text.replace("[1, 200]", "[1, 2000]"))),
    ("table_that_is_tighter", 10, table(lambda text: text.replace("[1, 200]", "[1, 100]"))),
    ("table_in_another_spelling", 10, table(lambda text: json.dumps(json.loads(text)))),
    ("table_of_nothing", 10, table(lambda text: "{}")),
    ("table_that_is_empty", 10, table(lambda text: "")),
]


def texts():
    for name, put, most, unlawful in TEXTS:
        yield f"{name}_at_most", 0, lambda log, put=put, most=most: put(log, "x" * most)
        yield f"{name}_too_long", 10, lambda log, put=put, most=most: put(log, "x" * (most + 1))
        for number, text in enumerate(unlawful):
            yield f"{name}_unlawful_{number}", 10, lambda log, put=put, text=text: put(log, text)


FORGERIES = [
    *texts(),
    *lists("permissions", 64, lambda n: f"p{n:02}"), *lists("tags", 20, lambda n: f"t{n:02}"),
    *lists("allowed_ips", 64, lambda n: f"10.0.0.{n}"),
    *lists("metadata", 20, lambda n: (f"k{n:02}", "v")),
    ("permissions_of_a_rule_too_many", 10, lambda log: log.create(
        "ruled", rules={"permissions": {"permissions": [f"p{n}" for n in range(65)]}})),
    *(network(*one) for one in NETWORKS), *(permission(*one) for one in PERMISSIONS),
    *metadata(), *numbers(), *TIMES, ("size_at_most", 0, of_size(6000)),
    ("size_too_long", 10, of_size(6001)), *TABLES,
]
