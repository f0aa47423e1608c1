"""The allocator's behaviour in a training process."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # from glibc's malloc.h
LARGEST_MMAP_THRESHOLD = 2**25  # glibc refuses more on 64-bit systems
KEEP = 2**31 - 1
PAD = 2**26


def keep_freed_memory() -> bool:
    """Let freed blocks be used again instead of going back to the system; True where it works.

    An epoch allocates and frees the same few arrays of a megabyte or more. glibc maps and unmaps
    each of them, and every fresh page costs a fault: on Cora that was more than the products
    themselves (a product with Â took 1.6 ms, of which 1.4 ms were page faults). It concerns the
    whole process; elsewhere than on Linux with glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    settings = {
        M_MMAP_THRESHOLD: LARGEST_MMAP_THRESHOLD,
        M_TRIM_THRESHOLD: KEEP,
        M_TOP_PAD: PAD,
    }
    accepted = [bool(mallopt(key, value)) for key, value in settings.items()]
    return all(accepted)
