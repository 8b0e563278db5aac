#!/usr/bin/env python3
"""What tplus hands out, in the hands of others: proofs checked by examples/verify_proof.py, exports read by DuckDB and pyarrow, all to the
cent.

    .ci/outside.py TPLUS     with a Python that has blake3, cryptography, duckdb and pyarrow; openssl; and a tplus, best with --features parquet
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
from decimal import Decimal

import duckdb
import pyarrow
import pyarrow.compute
import pyarrow.parquet

TOP = pathlib.Path(__file__).resolve().parent.parent
ORDERS = 3000


def run(*args, fails=None):
    done = subprocess.run(args, capture_output=True, text=True)
    if fails is not None:
        assert done.returncode != 0 and fails in done.stderr, f"{args}: {done}"
        return None
    if done.returncode:
        sys.exit(f"{' '.join(map(str, args))}\n{done.stderr}")
    return done.stdout


def serve(tplus, data):
    clock = ["--clock", "manual", "--clock-start", "2026-01-01T00:00:00Z"]
    args = [tplus, "serve", "--data-dir", data, "--listen", "127.0.0.1:0", "--metrics-listen", "off", *clock]
    server = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in server.stdout:
        if found := re.search(r"gRPC\s+(\S+)", line):
            return server, "http://" + found[1].removeprefix("http://")
    sys.exit("the server does not start")


def replay(tplus, work, address):
    """Orders of ten days. Answers the balances of all sellers, as the server tells them."""
    rows = ["order_id,line,seller_id,completed_at,price"]
    for n in range(ORDERS):
        day, hour = 2 + n * 10 // ORDERS, n * 240 // ORDERS % 24
        rows.append(f"o{n},1,s{n % 13},2026-01-{day:02}T{hour:02}:00:00Z,{n * 37 % 500 + 1}.{n * 7 % 100:02}")
    file = work / "rows.csv"
    file.write_text("\n".join(rows) + "\n")
    price = sum(Decimal(row.split(",")[4]) for row in rows[1:])
    told = run(tplus, "replay", file, "--server", address, "--guarantee", "500", "--settle", "--json")
    return price, json.loads(told)["balances"]


def proofs(tplus, work):
    key, public, seal, proof = (work / name for name in ("key.pem", "pub.pem", "seal.json", "proof.json"))
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", key)
    run("openssl", "pkey", "-in", key, "-pubout", "-out", public)
    journal = [tplus, "journal"]
    seal.write_text(run(*journal, "seal", "--data-dir", work / "data", "--key", key))
    sealed = json.loads(seal.read_text())
    check = [sys.executable, TOP / "examples/verify_proof.py", seal, proof]
    for lsn in (1, 2, 1024, 1025, sealed["records"] - 1, sealed["records"]):
        text = run(*journal, "prove", "--data-dir", work / "data", "--seal", seal, "--lsn", str(lsn))
        proof.write_text(text)
        assert f"proven: this record is at lsn {lsn} of {sealed['records']}" in run(*check)
        run(*journal, "verify", "--seal", seal, "--proof", proof, "--public-key", public)
        parts = json.loads(text)
        for name in ("record", "path"):
            other = json.loads(text)
            value = parts[name] if name == "record" else parts[name][0]
            flipped = value[:-1] + format(int(value[-1], 16) ^ 1, "x")
            other[name] = flipped if name == "record" else [flipped, *parts[name][1:]]
            proof.write_text(json.dumps(other))
            run(*check, fails="this is not the record that was sealed")
    sealed["recorded_at"] = sealed["recorded_at"].replace("2026", "2027")
    seal.write_text(json.dumps(sealed))
    run(*check, fails="the seal was changed")
    print("proofs: made by tplus, checked by another program")


def exports(tplus, work, price, balances):
    formats = ["csv"]
    attempt = [tplus, "export", "orders", "--data-dir", work / "data", "--to", work / "attempt.parquet"]
    if subprocess.run(attempt, capture_output=True).returncode == 0:
        formats.append("parquet")
    for form in formats:
        files = {table: work / f"{table}.{form}" for table in ("orders", "entries")}
        for table, file in files.items():
            run(tplus, "export", table, "--data-dir", work / "data", "--to", file, "--overwrite")
            told = json.loads(pathlib.Path(f"{file}.json").read_text())
            amounts = ", ".join(f"'{name}': 'DECIMAL(18,2)'" for name in told["sums"])
            source = f"'{file}'" if form == "parquet" else f"read_csv('{file}', types={{{amounts}}})"
            sums = ", ".join(f"sum({name})" for name in told["sums"])
            count, *found = duckdb.sql(f"SELECT count(*), {sums} FROM {source}").fetchall()[0]
            assert count == told["rows"], (count, told)
            assert [str(amount) for amount in found] == list(told["sums"].values()), (found, told)
            if table == "orders":
                assert (count, found[0]) == (ORDERS, price), (count, found, price)
            else:
                server = [balances[name.removesuffix("_change")] for name in told["sums"]]
                assert [str(amount) for amount in found] == server, (found, server)
                kinds = dict(duckdb.sql(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {source})").fetchall())
                assert (kinds["recorded_day"], kinds["lsn"]) == ("DATE", "BIGINT"), kinds
                assert kinds["recorded_at"].startswith("TIMESTAMP"), kinds
    if "parquet" in formats:
        table = pyarrow.parquet.read_table(work / "entries.parquet")
        footer = json.loads(table.schema.metadata[b"tplus.export"])
        assert footer["rows"] == table.num_rows
        assert str(table.schema.field("available").type) == "decimal128(18, 2)", table.schema
        assert str(table.schema.field("recorded_at").type) == "timestamp[us, tz=UTC]", table.schema
        for name, amount in footer["sums"].items():
            assert str(pyarrow.compute.sum(table[name]).as_py()) == amount, name
    print("exports: read by DuckDB" + (" and pyarrow" if "parquet" in formats else "") + ":", ", ".join(formats))


def main(tplus):
    tplus = str(pathlib.Path(tplus).resolve())
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        server, address = serve(tplus, work / "data")
        try:
            price, balances = replay(tplus, work, address)
            proofs(tplus, work)
            exports(tplus, work, price, balances)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main(*sys.argv[1:2]) if len(sys.argv) == 2 else sys.exit(__doc__)
