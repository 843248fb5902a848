"""Records that are readable and within all limits, and that no ledger would have written there; and
bytes that are no record. Everything else fits, and is signed."""

import hashlib

from forge import verify
from log import CREATED, DISABLED, ENABLED, EXPIRED, REVOKED, SECOND, UPDATED
from records import ACTOR, AFTER, BEFORE, REASON
from story import CALLCOV, CLOUDSIGMA, COMPOSABLE, alive, key, numbers, of, rename

DAY = 86_400 * SECOND


def bent(change):
    """Other bytes of the last record."""

    def put(log):
        log.bent[len(log.records) - 1] = change

    return put


def instead(wrong, right):
    def change(entry):
        assert entry.count(right) >= 1, (right, entry)
        return entry.replace(right, wrong, 1)

    return bent(change)


# The last record acts by a key, of which only itself is ended: at the end links, salt and one part.
BYTES = [
    ("version_0", bent(lambda e: b"\0" + e[1:])), ("version_2", bent(lambda e: b"\2" + e[1:])),
    ("no_bytes", bent(lambda e: b"")), ("cut_off", bent(lambda e: e[:-1])),
    ("a_byte_more", bent(lambda e: e + b"\0")),
    ("number_too_long", instead(b"\xfb\4\0node", b"\4node")),
    ("number_of_unknown_width", instead(b"\xfe" + bytes(16) + b"node", b"\4node")),
    ("number_reserved", instead(b"\xff\4node", b"\4node")),
    ("text_longer_than_all", instead(b"\xfd" + b"\xff" * 8 + b"node", b"\4node")),
    ("text_no_utf8", instead(b"\4n\xffde", b"\4node")),
    ("text_of_a_surrogate", instead(b"\4n\xed\xa0\x80", b"\4node")),
    ("option_2", instead(b"\2\4acme", b"\1\4acme")),
    ("role_unknown", instead(b"acme\xc0", b"acme\x40")),
    ("way_unknown", instead(b"acme\x40\4", b"acme\x40\2")),
    ("own_issuer_spelled_out", lambda log: log.change(key(log, "next"), DISABLED, way=1)),
    ("dialect_unknown", lambda log: log.change(key(log, "next"), DISABLED, dialect=6)),
    ("event_unknown", lambda log: log.change(key(log, "next"), 6, due=None)),
    ("reason_code_unknown", lambda log: log.change(key(log, "next"), REVOKED, code=6)),
    ("time_before_the_year_1", lambda log: log.change(key(log, "next"), DISABLED, at=-1 << 62)),
    ("time_after_9999", lambda log: log.change(key(log, "next"), DISABLED, at=1 << 61)),
    ("due_after_9999", lambda log: of(log, "next")["key"].update(expires_at=1 << 61)),
    ("kind_unknown", lambda log: of(log, "next")["key"].update(kind=2)),
    ("environment_unknown", lambda log: of(log, "next")["key"].update(environment=2)),
    ("account_said_twice", lambda log: log.create("new", {"account_said": True})),
]


def link(**changes):
    """The link of the last change of a key by a token."""

    def put(log):
        record = log.change(key(log, "next"), DISABLED)
        for name, change in changes.items():
            record["link"][name] = change(record["link"][name])
        record["own_leaf"] = "previous" in changes

    return put


def plus(more):
    return lambda value: value + more


def two_links(log):
    record = log.change(key(log, "next"), DISABLED)
    record["replaced"] = log.next_link(key(log, "brief"))


LINKS = [
    ("revision_again", link(revision=plus(-1))), ("revision_skipped", link(revision=plus(1))),
    ("revision_0", link(revision=lambda _: 0)), ("before_another", link(before=lambda _: 1)),
    ("before_none", link(before=lambda _: None)), ("after_another", link(after=lambda _: 0)),
    ("after_ended", link(after=lambda _: 3)), ("before_unknown", link(before=lambda _: 4)),
    ("previous_none", link(previous=lambda _: None)),
    ("previous_earlier", link(previous=lambda p: (0, bytes(32)))),
    ("previous_of_another_leaf", link(previous=lambda p: (p[0], bytes(32)))),
    ("previous_to_come", link(previous=lambda p: (1000, bytes(32)))),
    ("key_unknown", link(key=lambda _: bytes(16))),
    ("two_links_of_a_change", two_links),
]


def after(*changes):
    """These changes of one key, one after the other, of which the last is unlawful."""

    def put(log):
        for what in changes:
            log.change(key(log, "next"), what)

    return put


def edit_of(name, **edits):
    return lambda log: log.edit(key(log, name), edits or {"role": (None, "r")})


MOVES = [
    ("enabled_twice", after(ENABLED)), ("disabled_twice", after(DISABLED, DISABLED)),
    ("enabled_when_revoked", after(REVOKED, ENABLED)),
    ("disabled_when_revoked", after(REVOKED, DISABLED)),
    ("expired_when_revoked", after(REVOKED, EXPIRED)), ("revoked_twice", after(REVOKED, REVOKED)),
    ("enabled_when_expired", after(EXPIRED, ENABLED)),
    ("disabled_when_expired", after(EXPIRED, DISABLED)),
    ("expired_twice", after(EXPIRED, EXPIRED)), ("edited_when_expired", edit_of("ended")),
    ("edited_when_revoked", edit_of("public", role=(None, "r"))),
]
GOOD = [
    ("revoked_when_expired", after(EXPIRED, REVOKED)), ("expired_when_disabled", after(DISABLED, EXPIRED)),
    ("revoked_when_disabled", after(DISABLED, REVOKED)), ("edited_when_enabled", edit_of("next")),
]


def changed(name, **fields):
    return lambda log: of(log, name)["key"].update(fields)


def twice_the_same(field):
    def put(log):
        value = of(log, "plain")["key"][field]
        log.create("again", {field: value})

    return put


def due(name, at, late=0):
    """A record that a key of the story was due then, so many microseconds late."""

    def put(log):
        end = of(log, name)["key"]["expires_at"]
        log.change(key(log, name), EXPIRED, due=end + at, at=end + late, roles=["admin"])

    return put


def untold_end(what):
    """Something happens to a key that was due, and nobody recorded that."""

    def put(log):
        at = of(log, "brief")["key"]["expires_at"]
        if what == CREATED:
            log.create("late", {"replaces": (key(log, "brief"), at)}, at=at)
        elif what == UPDATED:
            log.edit(key(log, "brief"), {"role": (None, "r")}, at=at)
        else:
            log.change(key(log, "brief"), what, at=at)

    return put


NUMBERS = [
    ("number_skipped", lambda log: log.create("new", {"number": numbers(log) + 1})),
    ("number_twice", lambda log: log.create("new", {"number": numbers(log) - 1})),
    ("number_0", lambda log: log.create("new", {"number": 0})),
    ("number_of_another_account", lambda log: log.create("new", {"account": "new", "number": 2}, account=None)),
    ("id_twice", twice_the_same("id")), ("digest_twice", twice_the_same("digest")),
    ("public_without_its_text", changed("public", public_value=None)),
    ("secret_with_its_text", changed("next", public_value="kl_live_0123456789")),
    ("public_with_the_digest_of_another_text", changed("public", digest=bytes(32))),
    ("imported_and_public", lambda log: of(log, "imported")["key"].update(
        kind=1, public_value="x", digest=hashlib.sha256(b"x").digest())),
    ("imported_in_the_place_of_another", lambda log: of(log, "next")["key"].update(
        prefix="imported", imported={"created_at": None, "last_used_at": None, "source": None})),
    ("older_than_the_record_before", lambda log: log.records[-1].update(at=log.records[-2]["at"] - 1)),
    ("expired_from_the_start", lambda log: of(log, "next")["key"].update(expires_at=of(log, "next")["at"])),
    ("due_before_its_time", due("brief", 0, late=-1)),
    ("due_at_another_time", due("brief", 1, late=SECOND)), ("due_by_an_owner", lambda log: (
        due("brief", 0)(log), log.records[-1].update(roles=["owner"]))),
    ("due_without_an_end", lambda log: log.change(
        key(log, "next"), EXPIRED, due=log.records[-1]["at"], roles=["admin"])),
    *((f"untold_end_{what}", untold_end(what)) for what in range(6) if what != ENABLED),
    ("of_another_dialect", lambda log: log.create("new", {"dialect": CALLCOV}, dialect=0)),
]


def edit(name, edits, **fields):
    return lambda log: log.edit(key(log, name), edits, **fields)


def unordered(log):
    record = log.edit(key(log, "next"), {"role": (None, "r"), "tags": ([], ["t"])})
    record["edits"] = dict(reversed(record["edits"].items()))


def twice(log):
    log.edit(key(log, "next"), {"tags": ([], ["t"])})
    log.bent[len(log.records) - 1] = lambda e: e.replace(b"\5\1\x0a\0\1\1t", b"\5\2\x0a\0\1\1t\x0a\0\1\1t")


HANDED_ON = {"description": (None, None), "metadata": ([], []), "owner": ("ann", "bob")}
EDITS = [
    *((f"edit_of_another_{name}", edit("next", {name: values})) for name, values in [
        ("name", ("other", "x")), ("description", ("other", None)), ("role", ("other", None)),
        ("permissions", (["other"], [])), ("project", ("other", None)),
        ("allowed_ips", (["10.0.0.1"], [])), ("rate_limit", ((1, 1), None)),
        ("quota", ((1, 1), None)), ("metadata", ([("a", "b")], [])), ("tags", (["other"], [])),
        ("expires_at", (253_402_300_799_999_999, None)),
    ]),
    ("edit_of_another_owner", edit("next", {"name": ("next", "next"), **HANDED_ON, "owner": ("eve", "bob")})),
    ("edit_that_changes_nothing", edit("next", {"role": (None, None)})),
    ("edit_of_a_name_that_stays", edit("next", {"name": ("next", "next")})),
    ("edit_of_nothing", lambda log: log.change(key(log, "next"), UPDATED, edits={})),
    ("edits_out_of_order", unordered), ("edit_twice", twice),
    ("owner_without_the_rest", edit("next", {"owner": ("ann", "bob")})),
    ("owner_without_a_description", edit("next", {
        "name": ("next", "next"), "metadata": ([], []), "owner": ("ann", "bob")})),
    ("edited_to_the_past", edit("next", {"expires_at": (None, 1)})),
    ("tags_unsorted", edit("next", {"tags": ([], ["b", "a"])})),
    ("tags_twice", edit("next", {"tags": ([], ["a", "a"])})),
    ("metadata_unsorted", edit("next", {"metadata": ([], [("b", ""), ("a", "")])})),
    ("metadata_twice", edit("next", {"metadata": ([], [("a", ""), ("a", "")])})),
    ("replaced_key_outlives_its_overlap", lambda log: log.edit(key(log, "plain"), {
        "expires_at": (of(log, "next")["key"]["replaces"][1], log.records[-1]["at"] + DAY)})),
]


def ruled(rules, made=None, **fields):
    """A new key that says it was judged by these rules."""
    return lambda log: log.create("ruled", made, rules=rules(log) if callable(rules) else rules, **fields)


def capped(most, counted):
    return ruled({"owner_active": {"most": most, "counted": counted}}, {"dialect": CALLCOV})


def insisted(revision):
    return lambda log: log.change(key(log, "next"), DISABLED, rules={"revision": {"revision": revision}})


def of_edit(rules, edits):
    return lambda log: log.edit(key(log, "next"), edits, rules=rules)


PAGE = {"dialect": COMPOSABLE, "kind": 1, "public_value": "pk-other", "name": "page"}
REUSE = {"reuse": {"least_ttl_ms": 300_000, "own": False}}
RULES = [
    ("insisted_on_another_revision", insisted(2)), ("insisted_on_none", insisted(0)),
    ("revision_of_a_new_key", ruled({"revision": {"revision": 1}})),
    ("keys_miscounted", ruled(lambda log: {"account_keys": {"most": 99, "counted": numbers(log) - 2}})),
    ("too_many_keys", ruled(lambda log: {"account_keys": {"most": numbers(log) - 1, "counted": numbers(log) - 1}})),
    ("alive_miscounted", ruled(lambda log: {"account_alive": {"most": 99, "counted": alive(log) - 1}})),
    ("too_many_alive", ruled(lambda log: {"account_alive": {"most": alive(log), "counted": alive(log)}})),
    ("active_miscounted", capped(10, 0)), ("too_many_active", capped(1, 1)),
    ("lives_too_long", ruled({"longest_life": {"seconds": 5}}, {"expires_at": 253_402_300_799_999_999})),
    ("lives_for_ever", ruled({"longest_life": {"seconds": 253_402_300_800}})),
    ("not_permitted", ruled({"permissions": {"permissions": ["orders.*"]}}, {"permissions": ["users.read"]})),
    ("nothing_permitted", ruled({"permissions": {"permissions": []}}, {"permissions": ["users.read"]})),
    ("another_prefix", ruled({"secret_prefix": {"prefix": "acme_live_"}})),
    ("prefix_of_an_imported_key", lambda log: of(log, "imported").update(rules={"secret_prefix": {"prefix": "imp"}})),
    ("prefix_taken", ruled({"unique_prefix": {}}, {"dialect": CLOUDSIGMA, "prefix": "ak_handle"})),
    ("public_key_made_again", ruled(REUSE, PAGE)),
    ("rules_of_a_change", lambda log: log.change(key(log, "next"), DISABLED, rules={"unique_prefix": {}})),
    ("rules_out_of_order", ruled({"unique_prefix": {}, "longest_life": {"seconds": 9}})),
    ("owner_counted_of_no_new_owner", of_edit({"owner_active": {"most": 9, "counted": 0}}, {"role": (None, "r")})),
    ("life_of_no_new_end", of_edit({"longest_life": {"seconds": 9}}, {"role": (None, "r")})),
    ("permissions_of_no_new_ones", of_edit({"permissions": {"permissions": ["*"]}}, {"role": (None, "r")})),
    ("edited_beyond_its_permissions", of_edit({"permissions": {"permissions": ["a.*"]}}, {"permissions": ([], ["b.c"])})),
]
GOOD += [
    ("the_last_active_key", capped(2, 1)), ("insisted_on_its_revision", insisted(1)),
    ("public_key_of_another_name", ruled(REUSE, {**PAGE, "name": "other"})),
    ("public_key_that_lives_longer", ruled({"reuse": {"least_ttl_ms": (1 << 64) - 1, "own": False}}, PAGE)),
    ("public_key_of_its_own", ruled({"reuse": {"least_ttl_ms": 1, "own": True}}, {**PAGE, "owner": "bob"})),
    ("permitted_by_a_star", of_edit({"permissions": {"permissions": ["*"]}}, {"permissions": ([], ["b.c"])})),
]


def rotated(name, overlap, made=None, **fields):
    """A new key in the place of another, that stays for so many microseconds."""

    def put(log):
        at = log.base()["at"]
        log.create("turned", {"replaces": (key(log, name), at + overlap), **(made or {})}, **fields)

    return put


def unnamed(log):
    rotated("next", 0)(log)
    log.records[-1]["replaced"] = None


def of_another(log):
    rotated("next", 0)(log)
    log.records[-1]["replaced"] = log.next_link(key(log, "bound"))


ROTATIONS = [
    ("overlap_too_long", rotated("next", 7 * DAY + SECOND)),
    ("overlap_of_a_part_of_a_second", rotated("next", SECOND + 1)),
    ("overlap_backwards", rotated("next", -SECOND)),
    ("overlap_beyond_its_end", rotated("brief", 3600 * SECOND)),
    ("rotated_twice", rotated("plain", 0)), ("rotated_when_revoked", lambda log: (
        after(REVOKED)(log), rotated("next", 0)(log))),
    ("rotated_when_expired", rotated("ended", 0)),
    ("rotated_to_another_owner", rotated("next", 0, {"owner": "bob"})),
    ("rotated_to_a_public_key", rotated("next", 0, {"kind": 1, "public_value": "kl_pub_x"})),
    ("rotated_to_another_environment", rotated("next", 0, {"environment": 1})),
    ("rotated_to_another_dialect", rotated("next", 0, {"dialect": CALLCOV})),
    ("rotated_to_another_account", rotated("next", 0, {"account": "umbrella"})),
    ("rotated_and_not_linked", unnamed), ("rotated_and_another_linked", of_another),
    ("alive_counted_of_one_that_makes_room", rotated("next", 0, rules={"account_alive": {"most": 99, "counted": 9}})),
]
GOOD += [
    ("due_at_its_time", due("brief", 0)),
    ("overlap_at_most", rotated("next", 7 * DAY)), ("no_overlap", rotated("next", 0)),
    ("overlap_until_its_end", lambda log: log.create("turned", {
        "replaces": (key(log, "brief"), of(log, "brief")["key"]["expires_at"])})),
]


def reason(change):
    """Whom a reason of the last change is sealed for."""

    def put(log):
        record = log.change(key(log, "next"), DISABLED)
        log.with_reason(record, "why")
        change(log, record)

    return put


def sealed_for(section, *names):
    def change(log, record):
        record["persons_of"][section] = tuple(log.person(name) for name in names)

    return change


def renamed(log):
    record = log.edit(key(log, "next"), {"name": ("next", "other")})
    rename(log, record, BEFORE, "somebody else")


def not_handed_on(log):
    record = log.edit(key(log, "next"), {"name": ("next", "next"), **HANDED_ON})
    record["persons_of"][BEFORE] = record["persons_of"][AFTER]


def at_last(**fields):
    """The last record, otherwise."""
    return lambda log: log.change(key(log, "next"), DISABLED, **fields)


def parts(change):
    def put(log):
        record = log.change(key(log, "next"), DISABLED)
        log.with_reason(record, "why")
        record["parts"] = change(record["persons_of"][ACTOR], (log.person("x"),))

    return put


SEALED = [
    ("reason_for_a_stranger", reason(sealed_for(REASON, "ann of acme", "stranger", "third"))),
    ("reason_for_its_giver_twice", reason(sealed_for(REASON, "ann of acme", "ann of acme"))),
    ("reason_for_another_alone", reason(sealed_for(REASON, "stranger"))),
    ("name_sealed_for_another_before", renamed), ("owner_sealed_for_one_alone", not_handed_on),
    ("nobody_acted", at_last(persons_of={})),
    ("worker_that_is_somebody", at_last(way=verify.WORKER)),
    ("token_of_a_key", lambda log: log.records[-1].update(jti="t")),
    ("subject_like_one_who_was_erased", at_last(subject="erased:0123")),
    ("owner_said_twice", lambda log: log.create("new", owner_said=True)),
    ("part_cut_off", at_last(sealed=lambda sealed: sealed[:15])),
    ("part_changed", at_last(sealed=lambda sealed: bytes([sealed[0] ^ 1]) + sealed[1:])),
    ("part_with_a_section_more", parts(lambda ann, x: [(49, ann)])),
    ("part_with_nothing", parts(lambda ann, x: [(17, ann), (0, x)])),
    ("parts_apart", parts(lambda ann, x: [(1, ann), (16, ann)])),
    ("parts_out_of_order", parts(lambda ann, x: [(16, x), (1, ann)])),
    ("part_for_nobody", parts(lambda ann, x: [(17, ()), (1, ann)])),
    ("part_for_three", parts(lambda ann, x: [(17, ann * 3)])),
    ("key_of_a_change", parts(lambda ann, x: [(19, ann)])),
]
GOOD += [
    ("reason_for_its_giver_and_the_owner", reason(sealed_for(REASON, "ann of acme", "bob of acme"))),
    ("part_of_one_who_was_erased", lambda log: log.change(key(log, "full"), DISABLED, sealed=lambda _: b"")),
]

WRONG = [*BYTES, *LINKS, *MOVES, *NUMBERS, *EDITS, *RULES, *ROTATIONS, *SEALED]
FORGERIES = [
    *((name, 10, put) for name, put in WRONG), *((name, 0, put) for name, put in GOOD),
    ("nothing", 0, lambda log: None),
]
