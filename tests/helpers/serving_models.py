"""Directories that look like SavedModels, quickly made, and a watcher that follows a server."""

from __future__ import annotations

import os
import pathlib
import re
import threading
import time

from tensorflow.core.protobuf import saved_model_pb2

# What a server takes for a version: an integer with blanks or a sign around it.
INTEGER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)


def write_model(folder: pathlib.Path, seed: int = 0, size: int = 1000) -> pathlib.Path:
    """Writes a {serve} and {serve, tpu} model without ops; another `seed` makes another model."""
    (folder / "variables").mkdir(parents=True, exist_ok=True)
    (folder / "assets").mkdir(exist_ok=True)
    model = saved_model_pb2.SavedModel()
    for tags in (["serve"], ["serve", "tpu"]):
        model.meta_graphs.add().meta_info_def.tags.extend(tags)
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    (folder / "variables" / "variables.index").write_bytes(b"index %d" % seed)
    weights = bytes((i * (seed + 3)) % 251 for i in range(997)) * (size // 997 + 1)
    (folder / "variables" / "variables.data-00000-of-00001").write_bytes(weights[:size])
    (folder / "assets" / "words.txt").write_text(f"word {seed}\n")
    return folder


def read_tree(folder: str | pathlib.Path) -> dict[str, bytes]:
    """Returns the contents of all files below `folder`."""
    root = pathlib.Path(folder)
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def list_served(base: str | pathlib.Path) -> list[str]:
    """Returns the names that a server takes for versions, largest first."""
    names = os.listdir(base) if os.path.isdir(base) else []
    return sorted((n for n in names if INTEGER.fullmatch(n)), key=int, reverse=True)


class Watcher(threading.Thread):
    """Looks at a serving directory all the time, and loads the largest version it sees.

    Attributes:
        faults: What a server would have stumbled over, in words.
        seen: The content of each version that was loaded, by number.
        looks: How often it looked.
    """

    def __init__(self, base: pathlib.Path, models: list[dict[str, bytes]]):
        super().__init__(daemon=True)
        self.base = base
        self.models = models
        self.faults: list[str] = []
        self.seen: dict[int, dict[str, bytes]] = {}
        self.looks = 0
        self._stopping = threading.Event()

    def __enter__(self) -> Watcher:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self.join()

    def run(self) -> None:
        newest = -1
        ending = False
        while not ending:
            # Once more at the end: what is there then is seen however busy the machine is.
            ending = self._stopping.is_set()
            self.looks += 1
            time.sleep(0.001)
            served = list_served(self.base)
            if not served:
                if newest >= 0:
                    self.faults.append(f"version {newest} is gone and nothing is there")
                continue
            number = int(served[0])
            if number < newest:
                self.faults.append(f"version {newest} is gone, {number} is the newest")
            newest = number
            self._load(served[0])

    def _load(self, name: str) -> None:
        try:
            tree = read_tree(self.base / name)
        except FileNotFoundError:
            # Retention may take a version away, but never the newest.
            if list_served(self.base)[:1] == [name]:
                self.faults.append(f"a file of version {name} vanished")
            return
        if tree not in self.models and list_served(self.base)[:1] == [name]:
            self.faults.append(f"version {name} is incomplete: {sorted(tree)}")
        if self.seen.setdefault(int(name), tree) != tree:
            self.faults.append(f"the number {name} was used for another model")
