"""Verifies a bundle of `neurorail audit export`. Needs Python and nothing else.

    python verify_bundle.py BUNDLE.jsonl PUBLIC_KEY_HEX

PUBLIC_KEY_HEX is the first key that signed; get it from elsewhere than the bundle. Exit status:
0  PROVEN      each event is held by a checkpoint that is signed with this key
1  BROKEN      something does not hold
2  UNUSABLE    this is no bundle, or has no event, or the key is none: nothing was verified
3  NOT PROVEN  nothing contradicts, but events are not signed yet, or no key was given
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


def merkle_root(value, place, count, path):  # RFC 6962; "" for a path of another length
    current, path = sha256(b"\0" + value).digest(), [bytes.fromhex(step) for step in path]
    while count > 1:
        if place % 2 or place + 1 < count:
            if not path:
                return ""
            step = path.pop(0)
            current = sha256(b"\1" + (step + current if place % 2 else current + step)).digest()
        place, count = place // 2, (count + 1) // 2
    return "" if path else current.hex()


def end(status, said, *more):
    print("\n".join((f"{('PROVEN', 'BROKEN', 'UNUSABLE', 'NOT PROVEN')[status]}: {said}", *more)))
    sys.exit(status)


def statement_fault(line):
    names = CHECKPOINT if line["kind"] == "checkpoint" else ROTATION
    title = "neurorail-checkpoint" if names is CHECKPOINT else "neurorail-key-rotation"
    message = compact([title, line["version"], *(line[name] for name in names)])
    key = keys.setdefault(line["node"], given or line["public_key"])
    if line["public_key"] != key or not signed(
            bytes.fromhex(key), message, bytes.fromhex(line["signature"])):
        return "a statement is not signed by the key that holds"
    if names is ROTATION:
        keys[line["node"]] = line["new_public_key"]
    else:
        roots[line["node"], line["root"]] = line["count"]
    return None


def event_fault(line):
    head, details, proof = line["head"], line["details"], line["proof"]
    own = sha256(bytes.fromhex(line["prev_hash"]) + compact(head)).digest()
    if own.hex() != line["hash"]:
        return "an event is not what its hash says"
    if details is not None and sha256(details.encode()).hexdigest() != head[-1]:
        return "the details are not what their event says"
    if proof is not None and (roots.get((head[0], proof["root"])) != proof["count"] or
            proof["root"] != merkle_root(own, proof["place"], proof["count"], proof["path"])):
        return "no checkpoint that the key signed holds the event"
    counts["proven" if proof else "unsigned"] += 1
    return None


faults, keys, roots = {}, {}, {}
counts = dict.fromkeys(("events", "proven", "unsigned", "erased"), 0)
if len(sys.argv) not in (2, 3):
    end(2, "use it as: python verify_bundle.py BUNDLE.jsonl PUBLIC_KEY_HEX")
given, number = sys.argv[2].lower() if sys.argv[2:] else None, 0
try:
    if given is not None and (len(given) != 64 or not point_of(bytes.fromhex(given))):
        raise ValueError("another length")
except (ValueError, IndexError):
    end(2, f"{given[:80]!r} is no public key: that is 64 hexadecimal digits, for Ed25519")
try:
    for number, text in enumerate(open(sys.argv[1], encoding="utf-8"), 1):
        line, fault = json.loads(text), None
        if line["kind"] in ("checkpoint", "rotation"):
            fault = statement_fault(line)
        elif line["kind"] == "event":
            fault = event_fault(line)
            counts["events"] += 1
            counts["erased"] += line["details"] is None
        if fault:
            faults.setdefault(fault, []).append(number)
except OSError as error:
    end(2, error)
except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
    end(2, f"line {number} cannot be read as one of a bundle: {type(error).__name__}: {error}")
told = "{proven} of {events} events proven, {unsigned} not signed yet, {erased} with erased details"
told = told.format(**counts)
if faults:
    end(1, told, *(f"{fault}: line {at[0]}" + (f" and {len(at) - 1} more" if at[1:] else "")
                   for fault, at in faults.items()))
if not counts["events"]:
    end(2, "the bundle has no event")
if given is None:
    end(3, "no key was given, and the bundle's own proves nothing by itself",
        f"if that key can be believed: {told}")
if counts["unsigned"]:
    end(3, told, "the server's next checkpoint signs the rest: export the bundle again after it")
end(0, told)
