#!/usr/bin/env python3
"""Runs the session of the README against a fresh server, and compares what is printed with what the README shows.

usage: readme.py TPLUS_BINARY GRPCURL_BINARY
"""

import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SERVER = re.compile(r"^cargo run --release -- (--data-dir \S+ --clock manual .*)$", re.M)
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
PORT = "50051"


def main():
    tplus, grpcurl = sys.argv[1:3]
    readme = pathlib.Path(__file__).parent.parent.joinpath("README.md").read_text()
    with tempfile.TemporaryDirectory() as directory:
        flags = SERVER.search(readme).group(1).split()
        flags[1] = directory
        command = [tplus, *flags, "--listen", "127.0.0.1:0", "--metrics-listen", "off"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            sys.exit(session(readme, [grpcurl, tplus], port_of(server)))
        finally:
            server.terminate()
            server.wait(timeout=60)


def port_of(server):
    for line in server.stdout:
        found = re.search(r"gRPC\s+127\.0\.0\.1:(\d+)", line)
        if found:
            return found.group(1)
    sys.exit("the server did not say where it listens")


def session(readme, programs, port):
    # Commands are run as they are written, but for the port and for where the programs lie.
    folders = [os.path.dirname(os.path.abspath(program)) for program in programs]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TPLUS_")}
    environment["PATH"] = os.pathsep.join([*folders, os.environ["PATH"]])
    environment["TPLUS_SERVER"] = f"http://127.0.0.1:{port}"
    steps = [step for block in BLOCK.findall(readme) for step in re.split(r"^\$ ", block, flags=re.M) if step]
    passed = 0
    for step in steps:
        command, expected = parted(step)
        run = subprocess.run(
            command.replace(PORT, port), shell=True, env=environment, timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        printed = run.stdout.replace(port, PORT)
        if printed.strip() != expected.strip():
            print(f"$ {command}")
            print("\n".join(difflib.unified_diff(expected.splitlines(), printed.splitlines(), "README", "printed")))
            return 1
        passed += 1
    print(f"README: {passed} commands print what it shows")
    return 0 if passed else 1


def parted(step):
    """A command, which goes on in lines that begin with "> ", and what it prints."""
    command, *lines = step.split("\n")
    while lines and lines[0].startswith("> "):
        command += "\n" + lines.pop(0)[2:]
    return command, "\n".join(lines)


if __name__ == "__main__":
    main()
