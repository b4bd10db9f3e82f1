"""Kills, damages and starves the program, and counts what it survives: python scripts/torture.py [--help]."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from torturing.damage import try_damage
from torturing.disks import try_disks
from torturing.inputs import try_inputs
from torturing.kills import try_kills
from torturing.program import Account

PARTS: Mapping[str, tuple[Callable[[Path, int, int, Account], None], int]] = {
    "kills": (try_kills, 200),
    "disks": (try_disks, 64),
    "files": (try_damage, 800),
    "inputs": (try_inputs, 2000),
}
"""What is done, and how often unless a number is given."""


def main() -> int:
    options = _options()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        # a process that is forked from one with several threads of arithmetic waits for them for ever
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "OMP_NUM_THREADS": "1"})  # noqa: S606
    account = Account()
    began = time.monotonic()
    for name in options.only or PARTS:
        work, count = PARTS[name]
        with tempfile.TemporaryDirectory(prefix="rlsel-torture-") as folder:
            work(Path(folder).resolve(), getattr(options, name) or count, options.seed, account)
    print("\n".join(["", f"{'survived / tried':>48}", *account.lines()]))
    content = {
        "seed": options.seed,
        "seconds": round(time.monotonic() - began),
        "tried": dict(sorted(account.tried.items())),
        "survived": {kind: account.survived[kind] for kind in sorted(account.tried)},
        "faults": account.faults,
    }
    options.json.write_text(json.dumps(content, indent=2) + "\n")
    return 1 if account.faults else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=list(PARTS), help="one part; may be given several times")
    for name, (_, count) in PARTS.items():
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"how many, in place of {count}")
    parser.add_argument("--seed", type=int, default=0, help="decides which; 0 unless it is given")
    parser.add_argument("--json", type=Path, default=Path("torture.json"), help="where the counts go")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
