"""The limit of counting: inflate every block of a BAM, one after the other, and nothing else."""

import mmap
import sys

import deflate


def main(path: str) -> None:
    """Inflate without looking at a checksum; the size of each block is known beforehand."""
    with open(path, "rb") as handle:
        mapped = mmap.mmap(handle.fileno(), 0, prot=mmap.PROT_READ)
        view, at = memoryview(mapped), 0
        while at < len(view):
            end = at + int.from_bytes(view[at + 16 : at + 18], "little") + 1
            size = int.from_bytes(view[end - 4 : end], "little")
            deflate.deflate_decompress(view[at + 18 : end - 8], max(size, 1))
            at = end


if __name__ == "__main__":
    main(sys.argv[1])
