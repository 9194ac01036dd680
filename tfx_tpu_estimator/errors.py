"""The exceptions a caller may want to catch; each also is the built-in it derives from."""


class DataCorruptionError(ValueError):
    """A data file cannot be read: it is truncated, damaged or of another format.

    Example:
        >>> try:
        ...     raise DataCorruptionError("train.tfrecord: record 3: checksum mismatch")
        ... except ValueError as error:
        ...     print(error)
        train.tfrecord: record 3: checksum mismatch
    """


class SchemaMismatchError(ValueError):
    """A record can be read, but it does not have the features its schema promises."""


class EmptySplitError(ValueError):
    """A split that is needed holds no records at all."""


class UserModuleError(ValueError):
    """The user's module cannot be imported, or lacks a function that is needed."""


class ExportError(OSError):
    """A model could not be written in full; nothing of it was left under its final name."""


class FeatureNotAvailableError(NotImplementedError):
    """A documented feature that this release does not have; the message says what to do instead."""
