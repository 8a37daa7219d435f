"""`python -m tests.faults.report`."""

from __future__ import annotations

import sys
import traceback

from clusters.lab.lab import Lab
from tests.faults.catalogue import FAULTS, tried
from tests.faults.catalogue_stage import opened


def main() -> None:
    wanted = sys.argv[2:]
    with opened(Lab.load(sys.argv[1])) as stage:
        import time

        t = time.time()
        print("before:", stage.look().trouble, time.time() - t)
        for fault in FAULTS:
            if wanted and not any(w in fault.name or w == fault.cause for w in wanted):
                continue
            try:
                got = tried(stage, fault)
                print(
                    f"{got.detected} {got.right} {len(got.unrelated)} {got.seconds:.1f} ({got.mended:.1f}) {fault.cause}: {fault.name}\n{got}",
                    flush=True,
                )
            except Exception:
                print("BROKE", fault.name)
                traceback.print_exc()


if __name__ == "__main__":
    main()
