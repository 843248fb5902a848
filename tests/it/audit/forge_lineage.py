"""Forges bundles of a log that had other keys and other names, by somebody who has all of them.

    forge_lineage.py VERIFY.PY BUNDLE.tar PART.tar LOG.KEY OUT_FOLDER FORGE.PY

Writes one tar for each, and prints for each key that an auditor may trust `<file> <the exit code that
a verifier must give> <key>`.
"""

import base64
import importlib.util
import json
import os
import sys

spec = importlib.util.spec_from_file_location("forge", sys.argv[6])
forge = importlib.util.module_from_spec(spec)
spec.loader.exec_module(forge)
verify = forge.verify

OTHER = bytes(range(1, 33))


def head(name, size, root):
    return f"{name} {size}\nroot {base64.b64encode(root).decode()}\n"


class Lineage(forge.Forgery):
    """A bundle whose log was signed by other keys before."""

    def __init__(self, path, signer):
        super().__init__(path, signer)
        self.size = json.loads(self.get("manifest.json"))["size"]
        # The same log under a key that was rotated, and under another name.
        self.rotated = forge.Signer(bytes(32), self.origin())
        self.renamed = forge.Signer(bytes(31) + b"\x01", "old.example.com/keys")

    def root(self, size):
        _, entries = self.entries()
        return verify.root_of(verify.leaf_hash(entry) for entry in entries[:size])

    def keys(self, *successions):
        """Each is (old, new, text behind the keys)."""
        notes = ""
        for old, new, text in successions:
            text = f"keyledger succession v1\nold {old.text}\nnew {new.text}\n{text}"
            notes += "\n" + text + "\n" + old.line(text) + new.line(text)
        signers = [successions[0][0], *(new for _, new, _ in successions)]
        self.set("keys", "".join(f"{signer.text}\n" for signer in signers) + notes)

    def rotation(self, size):
        return self.rotated, self.signer, head("size", size, self.root(size))

    def anew(self, last, begun=None):
        text = head("size", *last) + (head("from", *begun) if begun else "")
        return self.renamed, self.signer, text


def retired_checkpoint(f):
    f.keys(f.rotation(2))
    f.set("checkpoint", f.rotated.statement(f.origin(), f.size, f.root(f.size)))
    return 10, 10


def retired_earlier_checkpoint(f):
    f.keys(f.rotation(2))
    f.set("checkpoint-earlier", f.rotated.statement(f.origin(), f.size, f.root(f.size)))
    f.set("consistency", "")
    return 10, 10


def earlier_checkpoint_of_a_key_before_it_was_succeeded(f):
    f.keys(f.rotation(f.size))
    f.set("checkpoint-earlier", f.rotated.statement(f.origin(), f.size, f.root(f.size)))
    f.set("consistency", "")
    return 0, 0


def signed_by_the_retired_key_too(f):
    f.keys(f.rotation(2))
    text = f"{f.origin()}\n{f.size}\n{base64.b64encode(f.root(f.size)).decode()}\n"
    f.set("checkpoint", text + "\n" + f.signer.line(text) + f.rotated.line(text))
    return 0, 0


def bad_signature_beside_a_good_one(f):
    f.keys(f.rotation(f.size))
    text = f"{f.origin()}\n{f.size}\n{base64.b64encode(f.root(f.size)).decode()}\n"
    f.set("checkpoint-earlier", text + "\n" + f.rotated.line(text) + f.signer.line("else\n"))
    f.set("consistency", "")
    return 10, 10


def old_name_that_the_new_key_signs_too(f):
    f.keys(f.anew((2, f.root(2)), (2, f.root(2))))
    text = f"{f.renamed.name}\n{f.size}\n{base64.b64encode(f.root(f.size)).decode()}\n"
    f.set("checkpoint-earlier", text + "\n" + f.renamed.line(text) + f.signer.line(text))
    f.set("consistency", "")
    return 10, 10


def table_of_the_new_name_that_the_old_key_signs(f):
    f.keys(f.anew((f.size, f.root(f.size)), (f.size, f.root(f.size))))
    table = f.get("table").decode().split("\n\n")[0] + "\n"
    f.set("table", f.renamed.note(table))
    return 10, 10


def retired_table(f):
    f.keys(f.rotation(2))
    _, root = f.get("table").decode().split("\n")[1:3]
    root = base64.b64decode(root)
    f.set("table", f.rotated.statement(f.origin() + "/table", f.size, root))
    return 10, 10


def retired_manifest(f):
    f.keys(f.rotation(f.size))
    f.manifest(f.rotated)
    return 10, 10


def rotation_that_goes_on_from_elsewhere(f):
    old, new, text = f.rotation(2)
    f.keys((old, new, text + head("from", 1, f.root(1))))
    return 10, 10


def succession_that_says_more(f):
    old, new, text = f.anew((2, f.root(2)), (2, f.root(2)))
    f.keys((old, new, text + "and more\n"))
    return 10, 10


def succession_of_a_number_in_another_spelling(f):
    old, new, text = f.anew((2, f.root(2)), (2, f.root(2)))
    f.keys((old, new, text.replace("from 2", "from 02")))
    return 10, 10


def rolled_back(f):
    """What an operator says who put an older backup in place."""
    f.keys(f.anew((f.size + 41, OTHER), (2, f.root(2))))
    return 14, 0


def rolled_back_and_grown_beyond(f):
    """The log is longer than the old one was; what that signed for is not in it all the same."""
    f.keys(f.anew((f.size - 1, OTHER), (2, f.root(2))))
    return 14, 0


def changed_in_place(f):
    f.keys(f.anew((f.size, OTHER), (f.size, f.root(f.size))))
    return 14, 0


def another_log_that_is_longer(f):
    f.keys(f.anew((2, OTHER), (f.size, f.root(f.size))))
    return 14, 0


def new_origin_that_lost_nothing(f):
    f.keys(f.anew((2, f.root(2)), (2, f.root(2))))
    return 0, 0


def new_origin_that_had_more_than_was_signed(f):
    f.keys(f.anew((2, f.root(2)), (f.size, f.root(f.size))))
    return 0, 0


def new_origin_that_goes_on_from_another_log(f):
    f.keys(f.anew((2, f.root(2)), (3, OTHER)))
    return 11, 0


def loss_that_is_not_put_in_numbers(f):
    f.keys(f.anew((3, OTHER)))
    return 14, 0


def loss_of_a_longer_log_that_is_not_put_in_numbers(f):
    f.keys(f.anew((f.size + 41, OTHER)))
    return 14, 0


def no_loss_and_no_numbers(f):
    f.keys(f.anew((2, f.root(2))))
    return 0, 0


def rotated_and_then_rolled_back(f):
    """What the rotation states is lost with the rest: no fork, and no concern of who came later."""
    last = head("size", 5, OTHER)
    first = forge.Signer(bytes(30) + b"\x01\x01", f.renamed.name)
    f.keys((first, f.renamed, last), f.anew((f.size + 2, OTHER), (2, f.root(2))))
    return 14, 0


def kept_from_before_the_loss(f):
    """The bundle itself has a checkpoint of what was lost: whoever put it there knew the old log."""
    f.keys(f.anew((f.size + 41, OTHER), (2, f.root(2))))
    f.set("checkpoint-earlier", f.renamed.statement(f.renamed.name, f.size, OTHER))
    f.set("consistency", "")
    return 14, 14


def kept_from_before_the_loss_and_still_there(f):
    f.keys(f.anew((f.size, OTHER), (f.size - 1, f.root(f.size - 1))))
    f.set("checkpoint-earlier", f.renamed.statement(f.renamed.name, 0, verify.sha256(b"")))
    f.set("consistency", "")
    return 14, 0


def rolled_back_and_invalid(f):
    """A loss that is on record excuses nothing else."""
    f.keys(f.anew((f.size + 41, OTHER), (2, f.root(2))))
    f.set("events.ndjson", f.get("events.ndjson").replace(b"created", b"revoked", 1))
    return 10, 10


WHOLE = [
    retired_checkpoint, retired_earlier_checkpoint,
    earlier_checkpoint_of_a_key_before_it_was_succeeded, signed_by_the_retired_key_too,
    bad_signature_beside_a_good_one,
    old_name_that_the_new_key_signs_too, table_of_the_new_name_that_the_old_key_signs,
    retired_table, retired_manifest,
    rotation_that_goes_on_from_elsewhere, succession_that_says_more,
    succession_of_a_number_in_another_spelling, rolled_back, rolled_back_and_grown_beyond,
    changed_in_place, another_log_that_is_longer, new_origin_that_lost_nothing,
    new_origin_that_had_more_than_was_signed, new_origin_that_goes_on_from_another_log,
    loss_that_is_not_put_in_numbers, loss_of_a_longer_log_that_is_not_put_in_numbers,
    no_loss_and_no_numbers, rotated_and_then_rolled_back, kept_from_before_the_loss,
    kept_from_before_the_loss_and_still_there, rolled_back_and_invalid,
]


def rolled_back_part(f):
    f.keys(f.anew((f.size + 41, OTHER), (2, OTHER)))
    return 14, 0


def part_that_lost_nothing(f):
    f.keys(f.anew((2, OTHER), (2, OTHER)))
    return 0, 0


OF_A_PART = [rolled_back_part, part_that_lost_nothing]


def main():
    signer = forge.log_signer()
    for path, forgeries in [(sys.argv[2], WHOLE), (sys.argv[3], OF_A_PART)]:
        for make in forgeries:
            forgery = Lineage(path, signer)
            codes = make(forgery)
            if make is not retired_manifest:
                forgery.manifest()
            name = f"{make.__name__}.tar"
            with open(os.path.join(sys.argv[5], name), "wb") as file:
                file.write(forgery.pack())
            first = forgery.get("keys").decode().split("\n", 1)[0]
            for code, key in zip(codes, (first, signer.text)):
                print(name, code, key)


main()
