"""Changes bytes of a bundle, here and there, and has verify.py check each in this process.

    flip.py VERIFY.PY BUNDLE.tar KEY SEED

Ends with 0 if every change was refused. A signature once asked of openssl is not asked again.
"""

import importlib.util
import os
import random
import sys
import tempfile

spec = importlib.util.spec_from_file_location("verify", sys.argv[1])
verify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify)

asked = {}
really = verify.Key.verifies


def verifies(key, message, signature):
    question = (key.public, message, signature)
    if question not in asked:
        asked[question] = really(key, message, signature)
    return asked[question]


verify.Key.verifies = verifies


def accepts(path):
    try:
        verify.Check(verify.Bundle(path), verify.Key(sys.argv[3]), None).run()
        return True
    except verify.Refused:
        return False


with open(sys.argv[2], "rb") as file:
    whole = file.read()
dice = random.Random(sys.argv[4])
if not accepts(sys.argv[2]):
    sys.exit("the bundle itself is refused")
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "changed.tar")
    for _ in range(400):
        at = dice.randrange(len(whole))
        changed = whole[at] ^ (1 << dice.randrange(8))
        with open(path, "wb") as file:
            file.write(whole[:at] + bytes([changed]) + whole[at + 1 :])
        if accepts(path):
            print(f"byte {at} made {changed} is accepted; seed {sys.argv[4]}")
            sys.exit(1)
