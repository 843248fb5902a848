"""A time-stamping authority of RFC 3161 that stamps whatever time it is told to.

Its certificates, keys and signatures are made by openssl; what it states is put together here, so that
it can state anything. Imported by who forges, and run as

    tsa.py fixtures FOLDER          makes what crates/timestamp/testdata holds
    tsa.py authority FOLDER [expired]    makes an authority for `openssl ts -reply`
"""

import datetime
import hashlib
import os
import subprocess
import sys

SHA_256 = bytes.fromhex("300d06096086480165030402010500")
ONE_AUTHORITY = "critical,timeStamping"


def der(tag, *contents):
    content = b"".join(contents)
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content


def integer(number):
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def info(data, at, nonce=None, version=1, hashed=None, more=b""):
    """A TSTInfo over `data`, at `at` (a text as in 20261130235959Z)."""
    imprint = der(0x30, SHA_256, der(4, hashed or hashlib.sha256(data).digest()))
    policy = bytes.fromhex("06042a030401")
    parts = [integer(version), policy, imprint, integer(7), der(0x18, at.encode())]
    parts += [integer(nonce)] if nonce is not None else []
    return der(0x30, *parts, more)


def moment(seconds):
    at = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return at.strftime("%Y%m%d%H%M%SZ")


class Authority:
    """A root, perhaps something between, and a signer; each with a certificate."""

    def __init__(self, folder, key="rsa:2048", usage=ONE_AUTHORITY, between=False, md="sha256", valid=None):
        os.makedirs(folder)
        self.folder, self.md = folder, md
        self.write("empty", b"")
        self._certificate("root", None, key, "basicConstraints=critical,CA:TRUE\n")
        above = "root"
        if between:
            self._certificate("between", "root", key, "basicConstraints=critical,CA:TRUE\n")
            above = "between"
        usages = f"extendedKeyUsage={usage}\n" if usage else ""
        extensions = f"basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n{usages}"
        self._certificate("signer", above, key, extensions, valid)
        self.between = between

    def path(self, name):
        return os.path.join(self.folder, name)

    def roots(self):
        return self.path("root.pem")

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def openssl(self, *arguments):
        done = subprocess.run(
            ["openssl", *arguments], cwd=self.folder, capture_output=True, check=False
        )
        assert done.returncode == 0, (arguments, done.stderr.decode())
        return done.stdout

    def _certificate(self, name, above, key, extensions, valid=None):
        kind = ["-newkey", key] if key.startswith("rsa") else ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{key}"]
        request = ["req", *kind, "-nodes", "-keyout", f"{name}.key", "-subj", f"/O=A time-stamper/CN={name}"]
        self.openssl(*request, "-out", f"{name}.csr", "-" + self.md)
        self.write("ca.cnf", CA.encode() + extensions.encode())
        begin, end = valid or ("20200101000000Z", "21200101000000Z")
        for file in ("index", "index.attr"):
            self.write(file, b"")
        sign = ["-selfsign", "-keyfile", f"{name}.key"] if above is None else [
            "-cert", f"{above}.pem", "-keyfile", f"{above}.key",
        ]
        self.openssl(
            "ca", "-batch", "-config", "ca.cnf", "-in", f"{name}.csr", "-out", f"{name}.pem", "-notext",
            "-md", self.md, "-startdate", begin, "-enddate", end, *sign,
        )

    def token(self, stated, signer="signer", *more, attributes=("-cades", "-nosmimecap")):
        self.write("stated", stated)
        chain = ["-certfile", "between.pem"] if self.between else []
        return self.openssl(
            "cms", "-sign", "-in", "stated", "-binary", "-nodetach", "-outform", "DER", "-md", self.md,
            "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-signer", f"{signer}.pem",
            "-inkey", f"{signer}.key", *attributes, *chain, *more,
        )

    def another_signer(self, name, extensions):
        """One whose certificate the root issued too."""
        self._certificate(name, "root", "P-256", extensions)

    def stamp(self, data, at, signer="signer", **stated):
        """A TimeStampResp over `data`; `at` in seconds since 1970, or a text."""
        at = at if isinstance(at, str) else moment(at)
        return granted(self.token(info(data, at, **stated), signer))


def granted(token):
    return der(0x30, der(0x30, integer(0)), token)


def refused():
    return der(0x30, der(0x30, integer(2)))


CA = """
[ca]
default_ca=own
[own]
database=index
rand_serial=yes
new_certs_dir=.
policy=any
x509_extensions=extensions
unique_subject=no
[any]
organizationName=optional
commonName=supplied
[extensions]
"""


def make(folder):
    """One directory with what each case is, for the tests of crates/timestamp."""
    at, data = "20261130235959Z", b"what was stamped\n"
    tables = [
        ("rsa2048", dict(key="rsa:2048", between=True)),
        ("rsa3072_sha384", dict(key="rsa:3072", md="sha384")),
        ("rsa2048_sha512", dict(key="rsa:2048", md="sha512")),
        ("p256", dict(key="P-256")),
        ("p256_sha512", dict(key="P-256", md="sha512")),
        ("p384_sha384", dict(key="P-384", md="sha384", between=True)),
        ("p384_sha512", dict(key="P-384", md="sha512")),
        ("rsa1024", dict(key="rsa:1024")),
        ("p521", dict(key="P-521", md="sha512")),
        ("sha1", dict(key="rsa:2048", md="sha1")),
        ("usage_not_critical", dict(usage="timeStamping", key="P-256")),
        ("usage_more", dict(usage="critical,timeStamping,codeSigning", key="P-256")),
        ("usage_other", dict(usage="critical,codeSigning", key="P-256")),
        ("usage_none", dict(usage=None, key="P-256")),
        ("expired", dict(valid=("20200101000000Z", "20261130235958Z"), key="P-256")),
        ("not_yet", dict(valid=("20261201000000Z", "21200101000000Z"), key="P-256")),
    ]
    os.makedirs(folder, exist_ok=True)

    def put(name, content):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)

    import tempfile

    with tempfile.TemporaryDirectory() as work:
        authorities = {}
        for name, options in tables:
            authority = authorities[name] = Authority(os.path.join(work, name), **options)
            put(f"{name}.tsr", authority.stamp(data, at, nonce=0x8000000000000001))
            put(f"{name}.pem", authority.read("root.pem"))
            if authority.between:
                put(f"{name}.between.pem", authority.read("between.pem"))
        one = authorities["p256"]
        put("fraction.tsr", one.stamp(data, "20261130235959.25Z"))
        put("version_2.tsr", one.stamp(data, at, version=2))
        put("sha1_imprint.tsr", granted(one.token(info(data, at, hashed=bytes(20)))))
        put("no_certificate.tsr", granted(one.token(info(data, at), "signer", "-nocerts")))
        last = authorities["p384_sha384"]
        last.between = False
        put("no_between.tsr", last.stamp(data, at))
        plain = one.token(info(data, at), attributes=("-noattr",))
        put("no_attributes.tsr", granted(plain))
        other = ["-signer", "root.pem", "-inkey", "root.key"]
        put("two_signers.tsr", granted(one.token(info(data, at), "signer", *other)))
        put("refused.tsr", refused())
        # As `openssl ts -reply` makes them: with the older name of the certificate (SHA-1) and the newer.
        one.write("data", data)
        one.openssl("ts", "-query", "-data", "data", "-sha256", "-cert", "-no_nonce", "-out", "query")
        for name, ess in [("ess_v1", "sha1"), ("ess_v2", "sha384")]:
            one.write("tsa.cnf", TSA.format(ess=ess).encode())
            one.write("serial", b"01\n")
            one.openssl(
                "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-signer", "signer.pem",
                "-inkey", "signer.key", "-out", "reply",
            )
            put(f"{name}.tsr", one.read("reply"))


TSA = """
[tsa]
default_tsa=own
[own]
serial=serial
default_policy=1.2.3.4.1
digests=sha256
signer_digest=sha256
ess_cert_id_alg={ess}
accuracy=secs:1
"""



def serve_from(folder, expired=False):
    """An authority whose folder has what `openssl ts -reply` needs."""
    valid = ("20200101000000Z", "20210101000000Z") if expired else None
    authority = Authority(folder, key="P-256", between=True, valid=valid)
    authority.write("tsa.cnf", TSA.format(ess="sha256").encode())
    authority.write("serial", b"01\n")


if __name__ == "__main__":
    if sys.argv[1] == "fixtures":
        make(sys.argv[2])
    else:
        serve_from(sys.argv[2], "expired" in sys.argv[3:])
