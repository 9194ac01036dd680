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
    """A record can be read, but it does not have the features its schema promises.

    Example:
        >>> issubclass(SchemaMismatchError, ValueError)
        True
    """


class EmptySplitError(ValueError):
    """A split that is needed holds no records at all, or a pattern matches no file.

    Example:
        >>> from tfx_tpu_estimator.inputs.tfrecord import list_files
        >>> try:
        ...     list_files("no/such/file-*", "train_files")
        ... except EmptySplitError as error:
        ...     print(str(error).split(". ")[0])
        `train_files`: the pattern 'no/such/file-*' matches no file
    """


class UserModuleError(ValueError):
    """The user's module cannot be imported, or lacks a function that is needed.

    Example:
        >>> issubclass(UserModuleError, ValueError)
        True
    """


class ExportError(OSError):
    """A model could not be written in full; nothing of it was left under its final name.

    Example:
        >>> issubclass(ExportError, OSError)
        True
    """


class FeatureNotAvailableError(NotImplementedError):
    """A documented feature that this release does not have; the message says what to do instead.

    Example:
        >>> from tfx_tpu_estimator.config.base_run_config import BaseRunConfig
        >>> from tfx_tpu_estimator.config.unsupported import refuse_strategies
        >>> try:
        ...     refuse_strategies(BaseRunConfig(train_distribute="mirrored"))
        ... except FeatureNotAvailableError as error:
        ...     print(str(error).split(". ")[0])
        RunConfig `train_distribute` is not supported; got 'mirrored'
    """


class CompileCheckError(RuntimeError):
    """A program does not compile for the TPUs it is meant for, or does not fit them.

    Args:
        message: What is wrong with which program, and what to do.
        report: The `CompileReport`, if there is one.

    Example:
        >>> CompileCheckError("The train program is too large.").report is None
        True
    """

    def __init__(self, message: str, report: object = None):
        super().__init__(message)
        self.report = report
