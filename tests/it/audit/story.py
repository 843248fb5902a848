"""A log with something of everything, on top of one that a server wrote; and what the forgeries share."""

from log import (
    CREATED, DISABLED, ENABLED, EXPIRED, REVOKED, SECOND, UPDATED, Log,
)
from forge import verify
import records

CALLCOV, CLOUDSIGMA, COMPOSABLE = 2, 3, 5


def told(path, signer):
    """The log that the forgeries of records begin with: every record in it is lawful."""
    log = Log(path, signer)
    start = log.base()["at"]
    log.create("plain")
    log.create("full", {
        "role": "deploy:bot", "permissions": ["orders.read", "orders.*"], "project": "p",
        "allowed_ips": ["10.0.0.1", "10.0.0.0/8", "2001:db8::/32", "::ffff:10.0.0.0/104"],
        "expires_at": start + 10**6 * SECOND, "rate_limit": (5, 60), "quota": (7, 1),
        "tags": ["a", "b"], "description": "d", "metadata": [("a", "x"), ("b", "")],
    })
    log.create("brief", {"expires_at": start + 600 * SECOND})
    log.create("ended", {"expires_at": start + 50 * SECOND})
    log.create("public", {"kind": 1, "public_value": "kl_pub_0123456789"})
    log.create("imported", {"prefix": "imported", "imported": {
        "created_at": start - SECOND, "last_used_at": start, "source": "Kong",
    }})
    log.create("capped", {"dialect": CALLCOV}, rules={"owner_active": {"most": 10, "counted": 0}})
    log.create("handle", {"dialect": CLOUDSIGMA, "prefix": "ak_handle"}, rules={"unique_prefix": {}})
    reuse = {"least_ttl_ms": 300_000, "own": False}
    pk = {"dialect": COMPOSABLE, "kind": 1, "public_value": "pk-0123456789", "name": "page"}
    log.create("page", {**pk, "expires_at": start + 10**6 * SECOND}, rules={"reuse": reuse})
    log.create("bound", {
        "permissions": ["orders.read"], "expires_at": start + 3600 * SECOND,
        "prefix": "acme_live_ab",
    }, rules={
        "account_keys": {"most": 1000, "counted": numbers(log) - 1},
        "account_alive": {"most": 1000, "counted": alive(log)},
        "longest_life": {"seconds": 3600}, "permissions": {"permissions": ["orders.*"]},
        "secret_prefix": {"prefix": "acme_live_"},
    })
    old = key(log, "plain")
    log.create("next", {"replaces": (old, log.base()["at"] + 60 * SECOND)})
    log.change(key(log, "full"), DISABLED, rules={"revision": {"revision": 1}})
    log.change(key(log, "full"), ENABLED)
    log.with_reason(log.change(key(log, "public"), REVOKED, code=0, compromised_since=start), "why")
    log.edit(key(log, "full"), {
        "name": ("full", "fuller"), "description": ("d", None), "role": ("deploy:bot", None),
        "permissions": (["orders.read", "orders.*"], []), "tags": (["a", "b"], ["c"]),
        "rate_limit": ((5, 60), None), "quota": ((7, 1), (8, 2)), "project": ("p", "q"),
        "metadata": ([("a", "x"), ("b", "")], []), "allowed_ips": (log_ips(log), []),
        "expires_at": (start + 10**6 * SECOND, None),
    })
    log.edit(key(log, "full"), {
        "name": ("fuller", "f"), "description": (None, None), "metadata": ([], []),
        "owner": ("ann", "bob"),
    })
    # The worker records that one was due.
    due = start + 50 * SECOND
    log.change(key(log, "ended"), EXPIRED, due=due, at=due + SECOND, way=verify.WORKER,
               account=None, roles=["worker"], subject="worker", jti=None, ip=None, request_id=None,
               persons_of={})
    log.change(key(log, "capped"), DISABLED, way=verify.BY_KEY, dialect=CALLCOV, jti=None,
               by_word_of=key(log, "capped"))
    log.change(key(log, "handle"), REVOKED, way=verify.BY_KEY, roles=["key"], jti=None,
               by_word_of=key(log, "handle"), dialect=CLOUDSIGMA)
    return log


def key(log, name):
    """The id of a key of the story."""
    return next(r["key"]["id"] for r in log.records if r["type"] == 0 and r["key"]["name"] == name)


def of(log, name):
    """The record that made it."""
    return next(r for r in log.records if r["type"] == 0 and r["key"]["name"] == name)


def last(log, what):
    return next(record for record in reversed(log.records) if record["type"] == what)


def log_ips(log):
    return of(log, "full")["key"]["allowed_ips"]


def numbers(log):
    """The number that the next key of acme has."""
    made = [r["key"] for r in log.records if r["type"] == 0 and r["key"]["account"] == "acme"]
    return max(one["number"] for one in made) + 1


def alive(log):
    """How many keys of acme are enabled or disabled as recorded."""
    status = {}
    for record in log.records:
        for link in filter(None, (record["link"], record["replaced"])):
            status[link["key"]] = link["after"]
    mine = [r["key"]["id"] for r in log.records if r["type"] == 0 and r["key"]["account"] == "acme"]
    return sum(status[one] < 2 for one in mine)


def rename(log, record, section, name):
    """Whoever a section is sealed for has another pseudonym."""
    record["persons_of"][section] = (log.person(name),)


