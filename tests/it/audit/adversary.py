"""Everything that somebody with the log's own key could try: one bundle for each.

    adversary.py VERIFY.PY WHOLE.tar PART.tar LOG.KEY OUT_FOLDER

Prints a line of JSON for each: {"name", "code", "arguments"}: the exit code that a verifier must give,
and how it is called.
"""

import json
import os
import sys

import forge
import forge_limits
import forge_manifest
import forge_notes
import forge_records
import forge_tables
import story

OUT = sys.argv[5]


def written(name, code, data, key, more=()):
    path = os.path.join(OUT, name + ".tar")
    assert not os.path.exists(path), f"{name} is there twice"
    with open(path, "wb") as file:
        file.write(data)
    print(json.dumps({"name": name, "code": code, "arguments": [path, "--key", key, *more]}))


def of_records(signer, log):
    """Every record is sealed, chained and signed after the forgery."""
    for about, forgeries in [("limit", forge_limits), ("record", forge_records)]:
        for name, code, put in forgeries.FORGERIES:
            other = log.copy()
            put(other)
            other.seal()
            if hasattr(other, "limits"):
                other.set("limits.json", other.limits)
            other.manifest()
            written(f"{about}_{name}", code, other.pack(), signer.text)


def of_the_rest(signer, log):
    """What is forged is the files of a bundle that is as a server made it, but for its story."""
    log.seal()
    for about, forgeries in [("note", forge_notes), ("file", forge_manifest), ("table", forge_tables)]:
        for name, code, put in forgeries.FORGERIES:
            other = log.copy()
            other.key = signer.text
            data = put(other)
            if data is None:
                other.manifest()
            data = other.pack() if data is None else data
            written(f"{about}_{name}", code, data, other.key, getattr(other, "more", ()))


def main():
    signer = forge.log_signer()
    log = story.told(sys.argv[2], signer)
    of_records(signer, log)
    of_the_rest(signer, log)


main()
