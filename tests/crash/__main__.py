"""
``python -m tests.crash``: the crash matrix from the command line.

Without arguments it plays 60 faults with a seed of its own, which it prints. ``--seed 123 --faults 500`` gives a whole
run (the same again for the same seed); ``--services polly`` limits it. ``--kill-at audit.open:17`` (as often as wanted)
kills at points that nobody foresaw instead of at the rows of the matrix; ``--list-points`` names all that there are.
``CRASH_SEED`` and ``CRASH_FAULTS`` set the defaults, ``CRASH_KEEP=1`` keeps the folders of scenarios that passed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from pathlib import Path

from tests.crash import points, steps
from tests.crash.matrix import Plan, custom_steps, run, run_lane


def main() -> int:
    """Exit status: 0 if nothing was lost or paid twice, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__, allow_abbrev=False)
    parser.add_argument("--seed", default=os.environ.get("CRASH_SEED") or str(random.randrange(10**6)))
    parser.add_argument("--faults", type=int, default=int(os.environ.get("CRASH_FAULTS") or 60))
    parser.add_argument("--services", default=",".join(steps.SERVICES))
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--kill-at", action="append", default=[], metavar="POINT[:N]")
    parser.add_argument("--not-every-cell", action="store_true", help="stop when enough has been killed")
    parser.add_argument("--folder", type=Path, help="where everything goes (a temporary folder)")
    parser.add_argument("--list-points", action="store_true")
    parser.add_argument("--lane", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    services = tuple(arguments.services.split(","))
    rows = custom_steps(arguments.kill_at) or steps.STEPS
    if arguments.list_points:
        print(points.__doc__)
        for step in steps.STEPS:
            print(f"{step.name:60} {step.point:24} {step.act:12} {', '.join(step.tasks)}")
        return 0
    if arguments.lane is not None:
        plan = Plan(
            seed=arguments.seed,
            services=services,
            faults=arguments.faults,
            every_cell=not arguments.not_every_cell and not arguments.kill_at,
            steps=rows,
        )
        report = run_lane(plan, folder=arguments.lane)
        arguments.lane.with_suffix(".json").write_text(json.dumps(report.to_dict()))
        return 1 if report.failures else 0
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="crash-"))
    print(f"seed {arguments.seed}, {arguments.faults} faults; folder {folder}", flush=True)
    report = run(
        seed=arguments.seed,
        faults=arguments.faults,
        folder=folder,
        services=services,
        lanes=arguments.lanes,
        every_cell=not arguments.not_every_cell,
        kill_at=arguments.kill_at,
    )
    print(report.table(services, rows))
    for failure in report.failures:
        print(failure, file=sys.stderr)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
