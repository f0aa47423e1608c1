# params.yaml is read here first: Snakemake takes the last of a key that stands twice, and writes out
# aliases without end.
import sys
from pathlib import Path

from neglink.errors import NeglinkError
from neglink.values import read_values

try:
    given = list(map(Path, workflow.configfiles))  # by --configfile
    own = Path("params.yaml")
    for path in [*given, own] if own.exists() else given or [own]:
        read_values(path)
except NeglinkError as error:
    sys.exit(f"neglink: error: {error}")
