"""Examples in blocks: what is evaluated on its own, here or in another process, and then merged."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from .reading import read_batches
from .samples import Place

# A block ends after so many batches, or with the batch that brings it to so many bytes. What is in
# a block decides the order in which numbers are added up, so nothing else may decide it.
_BATCHES = 16
_BYTES = 32 << 20


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """Some batches of a file, one after the other.

    Attributes:
        file: Number of the file.
        first: Number of the first batch in its file.
        batches: [n] serialized tf.Examples each.
    """

    file: int
    first: int
    batches: Sequence[np.ndarray]

    @property
    def count(self) -> int:
        """Number of examples."""
        return sum(len(records) for records in self.batches)

    def list_places(self) -> list[Place]:
        """Returns where each batch stands."""
        return [(self.file, self.first + number) for number in range(len(self.batches))]


def read_blocks(files: Sequence[str], compression: str, batch_size: int) -> Iterator[Block]:
    """Yields the records of TFRecord files in order.

    Args:
        files: Paths.
        compression: 'GZIP' or ''.
        batch_size: Records in each batch but a file's last.
    """
    for number, file in enumerate(files):
        yield from read_file(number, file, compression, batch_size)


def read_file(number: int, file: str, compression: str, batch_size: int) -> Iterator[Block]:
    """Yields the records of one file; see `read_blocks`.

    Args:
        number: Its place among all files.
        file: Path.
        compression: 'GZIP' or ''.
        batch_size: Records in each batch but the last.
    """
    first, size, batches = 0, 0, []
    for records in read_batches([file], compression, batch_size):
        batches.append(records)
        size += sum(map(len, records.tolist()))
        if len(batches) == _BATCHES or size >= _BYTES:
            yield Block(number, first, batches)
            first, size, batches = first + len(batches), 0, []
    if batches:
        yield Block(number, first, batches)
