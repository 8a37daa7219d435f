"""`python -m tests.faults.report LAB [NAME …]`: make the faults of the catalogue in a running lab and judge each."""

from __future__ import annotations

import argparse

from clusters.lab.lab import Lab
from tests.faults.catalogue import FAULTS, tried
from tests.faults.catalogue_stage import opened


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.report", description=__doc__)
    parser.add_argument("lab", help="the name of a running lab")
    parser.add_argument("names", nargs="*", help="parts of a fault's name, or causes (default: every fault)")
    given = parser.parse_args()
    with opened(Lab.load(given.lab)) as stage:
        for fault in FAULTS:
            if given.names and not any(one in fault.name or one == fault.cause for one in given.names):
                continue
            got = tried(stage, fault)
            print(f"{got.seconds:6.1f} s  {fault.cause}: {fault.name}: {got}", flush=True)


if __name__ == "__main__":
    main()
