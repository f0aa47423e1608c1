#!/usr/bin/env python3
"""Stands in for qsub and qstat: notes what it was asked for, runs the job by itself, tells of it.

As qsub, a line of JSON a job goes to the file that STAND_IN_RECORD names: its arguments but the
last, which is the job script, the id that it was given, and its process. STAND_IN_KILLS is JSON:
how many attempts of the jobs whose name begins so are killed as they begin. As qstat, it knows the
jobs whose process is alive.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def submit(record: Path, asked: list[str], script: str) -> None:
    earlier = jobs(record)
    attempts = sum(job["asked"][:2] == asked[:2] for job in earlier)
    kills = json.loads(os.environ.get("STAND_IN_KILLS", "{}"))
    killed = any(asked[1].startswith(name) and attempts < kills[name] for name in kills)
    number = f"{len(earlier) + 1}.stand-in"
    job = subprocess.Popen(
        ["sh", "-c", "kill -KILL $$"] if killed else ["sh", script],
        env=os.environ | {"PBS_JOBID": number}, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=record.with_name(f"{number}.log").open("w"),
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    with record.open("a") as stream:
        stream.write(json.dumps({"id": number, "asked": asked, "pid": job.pid}) + "\n")
    sys.stdout.write(f"{number}\n")


def tell(record: Path, number: str) -> None:
    pid = next(job["pid"] for job in jobs(record) if job["id"] == number)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        sys.exit(f"qstat: Unknown Job Id {number}")
    sys.stdout.write(f"{number} R\n")


def jobs(record: Path) -> list[Any]:
    return [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []


if __name__ == "__main__":
    place = Path(os.environ["STAND_IN_RECORD"])
    if Path(sys.argv[0]).name == "qstat":
        tell(place, sys.argv[1])
    else:
        submit(place, sys.argv[1:-1], sys.argv[-1])
