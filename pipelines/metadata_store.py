"""Where ML Metadata is: a SQLite file, or a PostgreSQL or MySQL server, as one text."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Iterable
from typing import Any

import ml_metadata
from google.protobuf import json_format, message
from ml_metadata.proto import metadata_store_pb2

_SERVERS = {"postgresql": 5432, "mysql": 3306}


def read_connection(where: str) -> metadata_store_pb2.ConnectionConfig | None:
    """Returns how to connect to a store.

    Args:
      where: The path of a SQLite file, or "postgresql://user:password@host:port/database", or
        "mysql://user:password@host:port/database". Characters such as "/" and "@" in a password
        are written as in any URL, "%2F" and "%40". The environment's variables PGPASSWORD and
        MYSQL_PWD stand for a password that is not given.

    Returns:
      The configuration; None for a path of another file system, such as "gs://bucket/file": a
      pipeline of a cluster has that cluster's own store.

    Raises:
      ValueError: A server without a host or database.

    Example:
      read_connection("postgresql://tfx@db.example.org/metadata")
    """
    config = metadata_store_pb2.ConnectionConfig()
    scheme, separator, _ = where.partition("://")
    if not separator:
        config.sqlite.filename_uri = where
        config.sqlite.connection_mode = 3  # READWRITE_OPENCREATE
        return config
    if scheme not in _SERVERS:
        return None
    url = urllib.parse.urlsplit(where)
    database = url.path.strip("/")
    if not url.hostname or not database:
        raise ValueError(
            f"`metadata_path` {hide_password(where)!r} must be "
            f"{scheme}://user:password@host:port/database."
        )
    if scheme == "postgresql":
        _fill_postgresql(config.postgresql, url, database)
    else:
        _fill_mysql(config.mysql, url, database)
    return config


def _fill_postgresql(config, url: urllib.parse.SplitResult, database: str) -> None:
    config.host = url.hostname or ""
    config.port = str(url.port or _SERVERS["postgresql"])
    config.dbname = database
    config.user = urllib.parse.unquote(url.username or "")
    config.password = _find_password(url, "PGPASSWORD")


def _fill_mysql(config, url: urllib.parse.SplitResult, database: str) -> None:
    config.host = url.hostname or ""
    config.port = url.port or _SERVERS["mysql"]
    config.database = database
    config.user = urllib.parse.unquote(url.username or "")
    config.password = _find_password(url, "MYSQL_PWD")


def _find_password(url: urllib.parse.SplitResult, variable: str) -> str:
    """Returns that of the URL, where it is quoted, or of the environment, where it is not."""
    if url.password:
        return urllib.parse.unquote(url.password)
    return os.environ.get(variable, "")


def hide_password(where: str) -> str:
    """Returns the text for people to read: without a password.

    Args:
      where: As `read_connection` takes it.
    """
    scheme, separator, rest = where.partition("://")
    if not separator or "@" not in rest:
        return where
    login, _, server = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    return f"{scheme}://{user}{':***' if colon else ''}@{server}"


def check_parameters(where: str, components: Iterable[Any]) -> None:
    """Checks that a store can write what components are made with.

    ML Metadata 1.16 quotes a text with a backslash wrongly for PostgreSQL, which then refuses the
    statement, when the component's turn has come. Such a text is `config: '"top_k": 2'` of a
    metric, as JSON.

    Args:
      where: As `read_connection` takes it.
      components: The nodes of a pipeline.

    Raises:
      ValueError: A parameter cannot be written.
    """
    if not where.startswith("postgresql://"):
        return
    for component in components:
        for key, value in component.exec_properties.items():
            if "\\" in _to_text(value):
                raise ValueError(
                    f"`{key}` of {component.id} has a backslash, also where it is written as JSON; "
                    "ML Metadata cannot write that to PostgreSQL. Do without it, or use MySQL or "
                    "SQLite."
                )


def _to_text(value: Any) -> str:
    if isinstance(value, message.Message):
        return json_format.MessageToJson(value)
    return value if isinstance(value, str) else ""


def make_room(where: str) -> None:
    """Makes the directory of a SQLite file; a server needs nothing."""
    if "://" not in where:
        os.makedirs(os.path.dirname(os.path.abspath(where)), exist_ok=True)


def connect(where: str) -> ml_metadata.MetadataStore:
    """Opens a store.

    Args:
      where: As `read_connection` takes it.

    Returns:
      The store, for queries of one's own.

    Raises:
      ValueError: A path of a file system that ML Metadata cannot open.
      ConnectionError: There is no such server or file, or it refuses.

    Example:
      connect("out/metadata.sqlite").get_artifacts_by_type("PushedModel")
    """
    config = read_connection(where)
    if config is None:
        raise ValueError(
            f"ML Metadata cannot open {where!r}: give the path of a SQLite file, or "
            "postgresql://... or mysql://..."
        )
    try:
        return ml_metadata.MetadataStore(config)
    except RuntimeError as error:
        # Its native code often gives the reason on the standard error alone.
        raise ConnectionError(
            f"ML Metadata could not open {hide_password(where)!r}: {str(error).strip()}. What the "
            "server answered may stand above this. Check that it runs, and that user, password "
            "and database are right."
        ) from error
