"""A file system as object stores are, for TFX's registry: `objects://...`, in memory.

There are objects, and no directories: one is there while an object below it is. A rename is a copy
and a removal of one object at a time. An object appears when it is written to its end.
"""

from __future__ import annotations

import io
import threading

from tfx.dsl.io import filesystem, filesystem_registry

SCHEME = "objects://"


class _Writer(io.BytesIO):
    """Stores what was written when it is closed."""

    def __init__(self, name: str):
        super().__init__()
        self._name = name

    def close(self) -> None:
        if not self.closed:
            ObjectStore.put(self._name, self.getvalue())
        super().close()


class _TextWriter(_Writer):
    def write(self, text: str) -> int:  # type: ignore[override]
        return super().write(text.encode("utf-8"))


class ObjectStore(filesystem.Filesystem):
    """The store.

    Attributes:
        objects: All objects, by name.
        on_change: Called after each change, as a server could look at any moment.
        changes_left: How many changes it takes before it fails for ever; None: any number.
    """

    SUPPORTED_SCHEMES = [SCHEME]
    objects: dict[str, bytes] = {}
    on_change = staticmethod(lambda: None)
    changes_left: int | None = None
    _lock = threading.RLock()

    @classmethod
    def reset(cls) -> None:
        """Empties the store."""
        cls.objects = {}
        cls.on_change = staticmethod(lambda: None)
        cls.changes_left = None

    @classmethod
    def _change(cls, work) -> None:
        with cls._lock:
            if cls.changes_left is not None:
                if cls.changes_left == 0:
                    raise OSError("the store cannot be reached")
                cls.changes_left -= 1
            work()
            cls.on_change()

    @classmethod
    def put(cls, name: str, content: bytes) -> None:
        """Stores an object."""
        cls._change(lambda: cls.objects.__setitem__(name, content))

    @classmethod
    def _below(cls, path: str) -> list[str]:
        with cls._lock:
            return [name for name in cls.objects if name.startswith(path.rstrip("/") + "/")]

    @staticmethod
    def open(name, mode="r"):
        if "w" in mode:
            return _Writer(name) if "b" in mode else _TextWriter(name)
        try:
            content = ObjectStore.objects[name]
        except KeyError as error:
            raise filesystem.NotFoundError(name) from error
        return io.BytesIO(content) if "b" in mode else io.StringIO(content.decode("utf-8"))

    @staticmethod
    def copy(src, dst, overwrite=False):
        ObjectStore.put(dst, ObjectStore.objects[src])

    @staticmethod
    def exists(path):
        return path in ObjectStore.objects or ObjectStore.isdir(path)

    @staticmethod
    def glob(pattern):
        raise AssertionError("not needed")

    @staticmethod
    def isdir(path):
        return bool(ObjectStore._below(path))

    @staticmethod
    def listdir(path):
        prefix = path.rstrip("/") + "/"
        rest = [name[len(prefix) :] for name in ObjectStore._below(path)]
        # As Cloud Storage does through TensorFlow: directories end with a slash.
        return sorted({r.split("/")[0] + "/" if "/" in r else r for r in rest})

    @staticmethod
    def makedirs(path):
        pass

    @staticmethod
    def mkdir(path):
        pass

    @staticmethod
    def remove(path):
        if path not in ObjectStore.objects:
            raise filesystem.NotFoundError(path)
        ObjectStore._change(lambda: ObjectStore.objects.pop(path))

    @staticmethod
    def rename(src, dst, overwrite=False):
        names = ObjectStore._below(src) or [src]
        for name in names:
            ObjectStore.copy(name, dst + name[len(src) :])
            ObjectStore.remove(name)

    @staticmethod
    def rmtree(path):
        for name in ObjectStore._below(path):
            ObjectStore.remove(name)

    @staticmethod
    def stat(path):
        raise AssertionError("not needed")

    @staticmethod
    def walk(top, topdown=True, onerror=None):
        folders: dict[str, list[str]] = {}
        for name in ObjectStore._below(top):
            folder, _, file = name.rpartition("/")
            folders.setdefault(folder, []).append(file)
        for folder, files in sorted(folders.items()):
            yield folder, [], files


def register() -> None:
    """Makes TFX use the store for `objects://`."""
    filesystem_registry.DEFAULT_FILESYSTEM_REGISTRY.register(ObjectStore, priority=1)
