"""Reads the index of a tensor bundle: which tensor lies where in which data file.

A checkpoint `<prefix>` is `<prefix>.index` and `<prefix>.data-00000-of-00001` and so on. The index
is a sorted table in blocks, each with its own checksum:

    [data block]...  [block of the meta index]  [block of the index]  [footer, 48 bytes]

    block   entries, then offsets of restart points, then how many of these (4 bytes)
            after it, outside its size: 1 byte compression, 4 bytes masked CRC-32C of all before
    entry   varint bytes shared with the previous key, varint rest of key, varint bytes of value
    footer  handle of the meta index, handle of the index, padding, 8 bytes magic
    handle  varint offset, varint size

The value of key "" is a BundleHeaderProto, of any other key a BundleEntryProto.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import tensor_bundle_pb2

from tfx_tpu_estimator.errors import DataCorruptionError

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5


@dataclasses.dataclass(frozen=True)
class SlicedTensor:
    """A tensor of which slices are stored: that of a partitioned variable, or of one of its slots.

    The slices of a slot need not make a whole: those of several variables may have separate names.

    Attributes:
      dtype: Type of its values.
      specs: Its slices as `RestoreV2` takes them, `<shape> <start>,<length>:...`.
    """

    dtype: tf.DType
    specs: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BundleIndex:
    """What the index of a checkpoint says about its data files.

    Attributes:
      num_shards: How many data files there are.
      needed_bytes: {number of the data file: size in bytes it must have at least}.
      sliced: {name: tensor} of those that are stored in slices.
    """

    num_shards: int
    needed_bytes: dict[int, int]
    sliced: dict[str, SlicedTensor]


def index_path(prefix: str) -> str:
    """Returns the path of the index of checkpoint `prefix`."""
    return prefix + ".index"


def data_path(prefix: str, shard: int, num_shards: int) -> str:
    """Returns the path of data file number `shard` of checkpoint `prefix`."""
    return f"{prefix}.data-{shard:05d}-of-{num_shards:05d}"


def read_index(prefix: str) -> BundleIndex:
    """Reads the index of checkpoint `prefix` and verifies all its checksums.

    Raises:
      DataCorruptionError: The file is missing, truncated or damaged; the message says which.
    """
    path = index_path(prefix)
    try:
        with tf.io.gfile.GFile(path, "rb") as f:
            content = f.read()
    except tf.errors.NotFoundError:
        raise DataCorruptionError(f"{path} is missing") from None
    try:
        entries = dict(_read_table(content))
        header = tensor_bundle_pb2.BundleHeaderProto.FromString(entries.pop(b""))
        needed = dict.fromkeys(range(header.num_shards), 0)
        sliced = {}
        for key, value in entries.items():
            entry = tensor_bundle_pb2.BundleEntryProto.FromString(value)
            if entry.slices:
                sliced[key.decode()] = _describe_slices(entry)
            needed[entry.shard_id] = max(needed[entry.shard_id], entry.offset + entry.size)
    except (ValueError, KeyError, IndexError, struct.error, DecodeError) as error:
        raise DataCorruptionError(f"{path} is damaged ({error})") from error
    return BundleIndex(num_shards=header.num_shards, needed_bytes=needed, sliced=sliced)


def _describe_slices(entry: tensor_bundle_pb2.BundleEntryProto) -> SlicedTensor:
    shape = " ".join(str(dim.size) for dim in entry.shape.dim)
    extents = (
        ":".join(f"{e.start},{e.length}" if e.HasField("length") else "-" for e in part.extent)
        for part in entry.slices
    )
    return SlicedTensor(tf.as_dtype(entry.dtype), tuple(f"{shape} {part}" for part in extents))


def _read_table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the keys and values of the table in order."""
    footer = content[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise ValueError("its end is not that of an index")
    position = 0
    handle = (0, 0)
    for _ in range(2):  # the meta index, which is empty, then the index
        handle, position = _read_handle(footer, position)
        _read_block(content, *handle)
    for _, value in _read_entries(_read_block(content, *handle)):
        (offset, size), _ = _read_handle(value, 0)
        yield from _read_entries(_read_block(content, offset, size))


def _read_block(content: bytes, offset: int, size: int) -> bytes:
    end = offset + size
    trailer = content[end : end + _TRAILER_BYTES]
    if len(trailer) < _TRAILER_BYTES:
        raise ValueError("a block goes beyond its end")
    if _masked_crc32c(content[offset : end + 1]) != struct.unpack("<I", trailer[1:])[0]:
        raise ValueError(f"checksum mismatch in the block at byte {offset}")
    if trailer[0] != 0:
        raise ValueError(f"compression {trailer[0]}, which TensorFlow does not write")
    return content[offset:end]


def _read_entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    num_restarts = struct.unpack("<I", block[-4:])[0]
    end = len(block) - 4 * (num_restarts + 1)
    position, key = 0, b""
    while position < end:
        shared, position = _read_varint(block, position)
        unshared, position = _read_varint(block, position)
        length, position = _read_varint(block, position)
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + length]
        position += length


def _read_handle(content: bytes, position: int) -> tuple[tuple[int, int], int]:
    offset, position = _read_varint(content, position)
    size, position = _read_varint(content, position)
    return (offset, size), position


def _read_varint(content: bytes, position: int) -> tuple[int, int]:
    result, shift = 0, 0
    while True:
        byte = content[position]
        result |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return result, position


def _make_crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_CRC_TABLE = _make_crc_table()


def _masked_crc32c(content: bytes) -> int:
    """The checksum as the table stores it: rotated and shifted, so that it can be summed itself."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
