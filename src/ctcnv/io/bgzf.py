"""Inflate BGZF, the compression of BAM: blocks of at most 64 kB, in the order of the file.

Each block is a gzip member with its size in the header, and CRC32 and length behind. A piece of the
file is cut into blocks, and each is inflated and checked by libdeflate in one call, without the
interpreter's lock. With more than one thread the calling thread works as the others do while the
block that it needs next is not ready, so that no more threads run than were asked for.

Every damage is a ValueError that names the file and the byte where the block begins, raised in the
order of the file.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

import deflate

#: Compressed bytes read at once, at least a block: enough that tasks of threads are worth it, few
#: enough that their data, some MB, lies in a cache until it is walked.
PIECE = 1 << 18
#: Pieces that wait to be inflated or walked, per thread; bounds memory.
AHEAD = 2
#: Most bytes of data in a block (SAM specification, 4.1).
LARGEST_BLOCK = 1 << 16
#: The empty block at the end of each file, as the SAM specification gives it.
END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

#: A block of the file: its first byte there, and its data.
Block = tuple[int, bytearray]


def check_end(path: Path, handle: IO[bytes]) -> int:
    """Refuse a file without the empty block that ends it; give the size of the file, bytes."""
    size = handle.seek(0, 2)
    handle.seek(max(size - len(END), 0))
    if handle.read() != END:
        raise ValueError(
            f"{path}: truncated: the empty block that ends every BAM is missing at byte {size:,}; "
            "copy or align it again"
        )
    return size


def blocks(
    path: Path, handle: IO[bytes], *, threads: int, offset: int = 0, piece_bytes: int | None = None
) -> Generator[Block, None, None]:
    """Every block of the file from an offset on, inflated and checked; ``path`` names it.

    piece_bytes : what is read at once, LARGEST_BLOCK or more (PIECE); with one thread no more is
    inflated than is asked for.
    """
    pieces = _pieces(path, handle, offset, piece_bytes or PIECE)
    if threads < 2:
        for each in pieces:
            yield from each.inflate()  # each is walked while it lies in the core's cache
        return
    pool = ThreadPoolExecutor(threads - 1)
    waiting: deque[tuple[Future[list[Block]], _Piece]] = deque()
    late: ValueError | None = None  # where cutting failed; what lies before is looked at first
    try:
        while True:
            piece: _Piece | None = None
            try:
                piece = None if late else next(pieces, None)
            except ValueError as error:
                late = error
            if piece is not None:
                waiting.append((pool.submit(_all, piece), piece))
            elif not waiting:
                break
            if piece is None or len(waiting) >= AHEAD * threads:
                yield from _first(waiting)
    finally:
        pool.shutdown(cancel_futures=True)
    if late:
        raise late


def _first(waiting: deque[tuple[Future[list[Block]], _Piece]]) -> list[Block]:
    """Take the first piece; while it is not ready, inflate those that no thread has begun."""
    for number, (future, piece) in enumerate(waiting):
        if waiting[0][0].done():
            break
        if future.cancel():
            own: Future[list[Block]] = Future()
            try:
                own.set_result(_all(piece))
            except ValueError as error:
                own.set_exception(error)
            waiting[number] = own, piece
    return waiting.popleft()[0].result()


def _all(piece: _Piece) -> list[Block]:
    return list(piece.inflate())


class _Piece:
    """Whole blocks that lie behind each other in a file."""

    def __init__(self, path: Path, offset: int, data: bytes, edges: list[int]) -> None:
        """``edges`` are the first bytes of the blocks in ``data``, and the end of the last."""
        self._path = path
        self._offset = offset
        self._data = data
        self._edges = edges

    def inflate(self) -> Iterator[Block]:
        """The blocks, each inflated when it is asked for; ValueError for one that is damaged."""
        view = memoryview(self._data)
        for begin, end in itertools.pairwise(self._edges):
            length = int.from_bytes(view[end - 4 : end], "little")
            try:
                # With a length of 0 nothing would be checked, so at least 1 is asked for.
                data = deflate.gzip_decompress(view[begin:end], min(length, LARGEST_BLOCK) or 1)
            except deflate.DeflateError:
                data = None
            if data is None or len(data) != length:
                raise ValueError(
                    f"{self._path}: damaged: the block at byte {self._offset + begin:,} cannot be "
                    "inflated or has a wrong checksum; copy or align it again"
                )
            yield self._offset + begin, data


def _pieces(path: Path, handle: IO[bytes], offset: int, piece_bytes: int) -> Iterator[_Piece]:
    """The file cut into whole blocks; what is cut off at the end of a piece is read again."""
    while True:
        handle.seek(offset)
        data = handle.read(piece_bytes)
        if not data:
            return
        edges = [0]
        while (end := _end_of_block(path, data, offset, edges[-1])) <= len(data):
            edges.append(end)
        if len(edges) == 1:
            raise ValueError(
                f"{path}: truncated inside the block at byte {offset:,}; copy or align it again"
            )
        yield _Piece(path, offset, data, edges)
        offset += edges[-1]


def _end_of_block(path: Path, data: bytes, offset: int, begin: int) -> int:
    """End of the block that begins here; beyond the data when its header is not whole."""
    head = data[begin : begin + 18]
    if len(head) < 18:
        return len(data) + 1
    # The size stands in the field BC, which htslib wants first as well.
    if head[:4] != b"\x1f\x8b\x08\x04" or head[12:16] != b"BC\x02\x00":
        raise ValueError(
            f"{path}: damaged: no block starts at byte {offset + begin:,}; copy or align it again"
        )
    return begin + 1 + int.from_bytes(head[16:18], "little")
