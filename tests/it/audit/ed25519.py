"""Ed25519 (RFC 8032) by hand, so that a forger can also sign as no library lets him."""

import hashlib

P = (1 << 255) - 19
ORDER = (1 << 252) + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BASE_Y = 4 * pow(5, -1, P) % P
NEUTRAL = (0, 1, 1, 0)


def add(one, other):
    """Of points in extended coordinates."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c, d = 2 * one[3] * other[3] * D % P, 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def x_of(y, sign):
    over, under = (y * y - 1) % P, (D * y * y + 1) % P
    x = over * pow(under, 3, P) * pow(over * pow(under, 7, P), (P - 5) // 8, P) % P
    if (under * x * x - over) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return P - x if x & 1 != sign else x


def doubled():
    x = x_of(BASE_Y, 0)
    point, points = (x, BASE_Y, 1, x * BASE_Y % P), []
    for _ in range(256):
        points.append(point)
        point = add(point, point)
    return points


POWERS = doubled()


def times(number):
    """So many times the base point, as 32 bytes."""
    point = NEUTRAL
    for place, power in enumerate(POWERS):
        if number >> place & 1:
            point = add(point, power)
    x, y, z, _ = point
    inverse = pow(z, -1, P)
    return (y * inverse % P | (x * inverse % P & 1) << 255).to_bytes(32, "little")


def number(data):
    return int.from_bytes(data, "little")


class Pair:
    """A key pair, from a seed."""

    def __init__(self, seed):
        hashed = hashlib.sha512(seed).digest()
        self.secret = number(hashed[:32]) & (1 << 254) - 8 | 1 << 254
        self.prefix, self.public = hashed[32:], times(self.secret)

    def sign(self, message, nonce=None):
        """The signature; with a nonce of the forger's own, which is for honest people never known."""
        if nonce is None:
            nonce = number(hashlib.sha512(self.prefix + message).digest()) % ORDER
        start = times(nonce)
        challenge = number(hashlib.sha512(start + self.public + message).digest())
        return start + ((nonce + challenge * self.secret) % ORDER).to_bytes(32, "little")
