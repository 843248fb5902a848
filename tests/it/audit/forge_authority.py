"""Forges bundles in which somebody else acted: the last record is an owner's, who makes a key for
itself or for another. Everything else fits, and is signed with the log's key.

    forge_authority.py VERIFY.PY BUNDLE.tar OTHERS.tar LOG.KEY OUT_FOLDER FORGE.PY

OTHERS.tar is of a key that belongs to somebody else. Writes one tar for each, and prints
`<file> <the exit code that a verifier must give>`.
"""

import importlib.util
import os
import sys

spec = importlib.util.spec_from_file_location("forge", sys.argv[6])
forge = importlib.util.module_from_spec(spec)
spec.loader.exec_module(forge)

# The account, the roles, and how the actor proved who it is: by the ledger's own token.
OWNER = b"\x01\x04acme\x01\x00"


def roles(bits):
    return b"\x01\x04acme" + bytes([bits]) + b"\x00"


def by_key(bits):
    """The key of the first record acts."""
    return lambda first: b"\x01\x04acme" + bytes([bits]) + b"\x02" + first


FORGERIES = [
    # What the actor is, what stands for it, the code, and the code where the key is another's.
    ("owner", roles(1), 0, 0), ("verifier", roles(2), 10, 10), ("auditor", roles(4), 10, 10),
    ("worker", roles(8), 10, 10), ("admin", roles(16), 0, 0), ("user", roles(32), 0, 10),
    ("user_and_verifier", roles(34), 0, 10), ("user_and_owner", roles(33), 0, 0),
    ("nobody", roles(0), 10, 10), ("unknown_role", roles(128), 10, 10),
    ("user_of_all", b"\x00\x20\x00", 10, 10), ("native_key", by_key(1), 10, 10),
    ("key_itself", by_key(64), 10, 10), ("the_worker", roles(1)[:-1] + b"\x03", 10, 10),
]


def sign_table(forgery):
    """Signs the table that the records make, if they make one."""
    auditor, persons = forge.verify.Auditor(), forgery.get("persons").decode()
    persons = forge.verify.read_persons(persons)
    _, entries = forgery.entries()
    try:
        for seq, entry in enumerate(entries):
            record = forge.verify.decode(entry, persons)
            auditor.push(seq, forge.verify.leaf_hash(entry), record)
    except forge.verify.Refused:
        return
    origin = forgery.origin() + "/table"
    forgery.set("table", forgery.signer.statement(origin, len(entries), auditor.table_root(2)))


def main():
    signer = forge.log_signer()
    for at, path in enumerate(sys.argv[2:4]):
        for name, wrong, *codes in FORGERIES:
            forgery = forge.Forgery(path, signer)
            _, entries = forgery.entries()
            assert entries[-1].count(OWNER) == 1, entries[-1]
            if callable(wrong):
                persons = forge.verify.read_persons(forgery.get("persons").decode())
                wrong = wrong(forge.verify.decode(entries[0], persons)["key"]["id"])
            forged = entries[-1].replace(OWNER, wrong)
            try:
                forgery.set_entries(entries[:-1] + [forged])
            except forge.verify.Refused:
                # It cannot even be read: the exports stay as they are.
                data = b"".join(
                    len(entry).to_bytes(2, "big") + entry for entry in [*entries[:-1], forged]
                )
                tile, _ = forgery.entries()
                forgery.set(tile, data)
            forgery.sign_all()
            sign_table(forgery)
            forgery.manifest()
            name = f"{at}_{name}.tar"
            with open(os.path.join(sys.argv[5], name), "wb") as file:
                file.write(forgery.pack())
            print(name, codes[at])


main()
