"""Forges bundles of a log that was written under the rules of accounts: the last record is of a key
that breaks the rule which its record names. Everything else fits, and is signed with the log's key.

    forge_rules.py VERIFY.PY BUNDLE.tar BUNDLE.tar LOG.KEY OUT_FOLDER FORGE.PY

Prints what each is about, which is the name of its file.
"""

import importlib.util
import os
import re
import sys

spec = importlib.util.spec_from_file_location("forge", sys.argv[6])
forge = importlib.util.module_from_spec(spec)
spec.loader.exec_module(forge)

# Who forges does not look at what verifiers refuse to read.
forge.verify.PERMISSION = re.compile(".*")

# What stands in the record, and what stands there instead.
FORGERIES = [
    ("permission", b"\x08orders.*", b"\x08orders.x"),
    # It would cover what the key may do, but is no permission.
    ("star", b"\x08orders.*", b"\x07orders*"),
    ("prefix", b"\x0aacme_live_", b"\x0aacmx_live_"),
    # 3,600 seconds as a number of 16 bits; less.
    ("life", b"\xfb\x10\x0e", b"\xfb\x10\x0d"),
    # The rule's number, the most keys, and how many there were.
    ("counted", b"\x03\x09\x02", b"\x03\x09\x01"),
    ("most", b"\x03\x09\x02", b"\x03\x02\x02"),
]


def main():
    signer = forge.log_signer()
    for name, right, wrong in FORGERIES:
        forgery = forge.Forgery(sys.argv[2], signer)
        _, entries = forgery.entries()
        assert entries[-1].count(right) == 1, (name, entries[-1])
        forgery.set_entries(entries[:-1] + [entries[-1].replace(right, wrong)])
        forgery.sign_all()
        forgery.manifest()
        with open(os.path.join(sys.argv[5], name + ".tar"), "wb") as file:
            file.write(forgery.pack())
        print(name)


main()
