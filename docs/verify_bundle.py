"""Verifies a bundle of `neurorail audit export`. Needs Python and nothing else.

    python verify_bundle.py BUNDLE.jsonl [PUBLIC_KEY_HEX]

Exit status 1: something does not hold. Without a key from elsewhere the bundle's first is believed.
"""

# fmt: off
import json
import sys
from hashlib import sha256, sha512

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
G = (15112221349535400772501151409588531511454012693041857206046113283949847762202,
     46316835694926478169428394003475163141307993866256225615783033603165251855960)
CHECKPOINT = ["node", "first", "last", "count", "total", "root", "prev_head", "head",
              "time_unix_nano", "public_key"]
ROTATION = ["node", "new_public_key", "time_unix_nano", "public_key"]


def plus(a, b):  # points of the curve
    k = D * a[0] * b[0] * a[1] * b[1]
    return ((a[0] * b[1] + b[0] * a[1]) * pow(1 + k, P - 2, P) % P,
            (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, P - 2, P) % P)


def times(point, factor):
    result = (0, 1)
    while factor:
        result = plus(result, point) if factor & 1 else result
        point, factor = plus(point, point), factor >> 1
    return result


def point_of(data):
    y, sign = int.from_bytes(data, "little") & (2**255 - 1), data[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or y >= P:
        raise ValueError("no point of the curve")
    return (P - x if x & 1 != sign else x), y


def signed(key, message, sig):  # Ed25519, RFC 8032
    try:
        point, r, s = point_of(key), point_of(sig[:32]), int.from_bytes(sig[32:], "little")
    except (ValueError, IndexError):
        return False
    k = int.from_bytes(sha512(sig[:32] + key + message).digest(), "little") % L
    return len(sig) == 64 and s < L and times(G, s) == plus(r, times(point, k))


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def merkle_root(value, place, count, path):  # RFC 6962
    current, path = sha256(b"\0" + value).digest(), [bytes.fromhex(step) for step in path]
    while count > 1:
        if place % 2:
            current = sha256(b"\1" + path.pop(0) + current).digest()
        elif place + 1 < count:
            current = sha256(b"\1" + current + path.pop(0)).digest()
        place, count = place // 2, (count + 1) // 2
    return current.hex()


faults, keys, roots, proven, unproven, erased = [], {}, {}, 0, 0, 0
for number, text in enumerate(open(sys.argv[1], encoding="utf-8"), 1):
    line = json.loads(text)
    if line["kind"] in ("checkpoint", "rotation"):
        names = CHECKPOINT if line["kind"] == "checkpoint" else ROTATION
        title = "neurorail-checkpoint" if names is CHECKPOINT else "neurorail-key-rotation"
        message = compact([title, line["version"], *(line[name] for name in names)])
        key = keys.setdefault(line["node"], (sys.argv[2:] or [line["public_key"]])[0])
        if line["public_key"] != key or not signed(
                bytes.fromhex(key), message, bytes.fromhex(line["signature"])):
            faults.append(f"line {number}: the statement is not signed by the key that holds")
        elif names is ROTATION:
            keys[line["node"]] = line["new_public_key"]
        else:
            roots[line["node"], line["root"]] = line["count"]
    elif line["kind"] == "event":
        head, details, proof = line["head"], line["details"], line["proof"]
        own = sha256(bytes.fromhex(line["prev_hash"]) + compact(head)).digest()
        if own.hex() != line["hash"]:
            faults.append(f"line {number}: the event is not what its hash says")
        if details is not None and sha256(details.encode()).hexdigest() != head[-1]:
            faults.append(f"line {number}: the details are not what the event says")
        if proof is not None and (proof["root"] != merkle_root(own, proof["place"], proof["count"],
                proof["path"]) or roots.get((head[0], proof["root"])) != proof["count"]):
            faults.append(f"line {number}: no signed checkpoint holds the event")
        erased, unproven = erased + (details is None), unproven + (proof is None)
        proven += proof is not None
print(f"{proven} events proven, {unproven} not signed yet, {erased} with erased details")
print("\n".join(faults) or "everything holds")
sys.exit(1 if faults else 0)
