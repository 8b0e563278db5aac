#!/usr/bin/env python3
"""Checks a proof that a record is sealed, by docs/proofs.md alone and without tplus. Needs `blake3` from PyPI; `cryptography` too where the
seal is signed.

    verify_proof.py seal.json proof.json
"""

import json
import sys

from blake3 import blake3


def load(file, fields, optional):
    found = json.load(open(file, encoding="utf-8"))
    if not set(fields) <= set(found) <= set(fields) | {optional}:
        sys.exit(f"{file}: other fields than {', '.join(fields)}")
    return found


def node(left, right):
    return blake3(b"\x01" + left + right).digest()


def root_of(record, index, size, path):
    """RFC 9162, 2.1.3.2, with BLAKE3."""
    at, end, root = index, size - 1, blake3(b"\x00" + record).digest()
    for sibling in path:
        if end == 0:
            return None
        if at & 1 or at == end:
            root = node(sibling, root)
            while at and not at & 1:
                at, end = at >> 1, end >> 1
        else:
            root = node(root, sibling)
        at, end = at >> 1, end >> 1
    return root if end == 0 else None


def main(seal_file, proof_file):
    seal = load(seal_file, "format directory records recorded_at root chain peaks id".split(), "signature")
    proof = load(proof_file, "format seal lsn record path".split(), "readable")
    if (seal["format"], proof["format"]) != ("tplus seal v1", "tplus inclusion proof v1"):
        sys.exit("these are not a seal and a proof of a record, as this program knows them")
    names = "directory records recorded_at root".split()
    said = [seal["format"]] + [f"{name} {seal[name]}" for name in names]
    said += ["chain {lsn} {hash}".format(**seal["chain"])]
    statement = "".join(line + "\n" for line in said).encode()
    if blake3(statement).hexdigest() != seal["id"]:
        sys.exit("the seal was changed")
    if "signature" in seal:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        by = {name: bytes.fromhex(value) for name, value in seal["signature"].items()}
        Ed25519PublicKey.from_public_bytes(by["public_key"]).verify(by["ed25519"], statement)
        print("signed by", by["public_key"].hex())
    if proof["seal"] != seal["id"] or not 1 <= proof["lsn"] <= seal["records"]:
        sys.exit("the proof is not for this seal")
    record, path = bytes.fromhex(proof["record"]), [bytes.fromhex(sibling) for sibling in proof["path"]]
    if root_of(record, proof["lsn"] - 1, seal["records"], path) != bytes.fromhex(seal["root"]):
        sys.exit("this is not the record that was sealed")
    print(f"proven: this record is at lsn {proof['lsn']} of {seal['records']}, sealed by {seal['id']}")
    print(record.hex())


if __name__ == "__main__":
    main(*sys.argv[1:3]) if len(sys.argv) == 3 else sys.exit(__doc__)
