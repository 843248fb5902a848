"""Has verify.py check many bundles in this process, where a signature that was looked at once is not
looked at again.

    verify_all.py VERIFY.PY LIST

Each line of LIST is JSON: {"arguments": […]}. Prints a line of JSON for each: {"code", "output"}.
"""

import contextlib
import importlib.util
import io
import json
import sys

spec = importlib.util.spec_from_file_location("verify", sys.argv[1])
verify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify)

looked_at = {}
really = verify.Key.verifies


def verifies(key, message, signature):
    question = (key.public, message, signature)
    if question not in looked_at:
        looked_at[question] = really(key, message, signature)
    return looked_at[question]


verify.Key.verifies = verifies


def run(arguments):
    sys.argv, output = ["verify.py", *arguments], io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            code = verify.main()
        except SystemExit as ended:
            code = ended.code
    return {"code": code, "output": output.getvalue()}


with open(sys.argv[2], encoding="utf-8") as lines:
    for line in lines.read().splitlines():
        print(json.dumps(run(json.loads(line)["arguments"])))
