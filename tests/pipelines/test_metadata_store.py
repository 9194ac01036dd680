"""Where ML Metadata is, given as one text."""

import ml_metadata
import pytest

from tfx_tpu_estimator.pipelines.metadata_store import connect, hide_password, read_connection


def test_a_path_is_a_sqlite_file(tmp_path):
    path = str(tmp_path / "metadata.sqlite")
    config = read_connection(path)
    assert config.sqlite.filename_uri == path
    assert isinstance(connect(path), ml_metadata.MetadataStore)
    assert (tmp_path / "metadata.sqlite").exists()


def test_postgresql_is_read_from_a_url(monkeypatch):
    config = read_connection("postgresql://tfx:a%2Fb%40c@db.example.org:5433/metadata").postgresql
    assert (config.host, config.port, config.dbname) == ("db.example.org", "5433", "metadata")
    assert (config.user, config.password) == ("tfx", "a/b@c")
    # A variable holds the password itself; only a URL quotes it.
    monkeypatch.setenv("PGPASSWORD", "50%25+off")
    config = read_connection("postgresql://tfx@db/metadata").postgresql
    assert (config.port, config.password) == ("5432", "50%25+off")


def test_mysql_is_read_from_a_url(monkeypatch):
    monkeypatch.setenv("MYSQL_PWD", "a%2Fb")
    config = read_connection("mysql://tfx@db/metadata").mysql
    assert (config.host, config.port, config.database) == ("db", 3306, "metadata")
    assert (config.user, config.password) == ("tfx", "a%2Fb")


@pytest.mark.parametrize("where", ["postgresql://user:pw@/x", "mysql://u:pw@host", "mysql://"])
def test_a_server_needs_a_host_and_a_database(where):
    with pytest.raises(ValueError, match=r"must be \w+://user:password@host:port/database") as it:
        read_connection(where)
    assert "pw" not in str(it.value)


def test_a_bucket_holds_no_store():
    assert read_connection("gs://bucket/metadata.sqlite") is None
    with pytest.raises(ValueError, match="cannot open 'gs://bucket/m'"):
        connect("gs://bucket/m")


def test_what_cannot_be_opened_is_named(tmp_path):
    where = str(tmp_path / "no" / "such" / "folder.sqlite")
    with pytest.raises(ConnectionError, match=r"could not open .*folder\.sqlite.*unable to open"):
        connect(where)
    with pytest.raises(
        ConnectionError, match=r"could not open 'postgresql://u:\*\*\*@127\.0\.0\.1"
    ):
        connect("postgresql://u:secret@127.0.0.1:1/x")


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("/a/b.sqlite", "/a/b.sqlite"),
        ("postgresql://u:p@h/d", "postgresql://u:***@h/d"),
        ("mysql://u@h/d", "mysql://u@h/d"),
    ],
)
def test_passwords_are_not_shown(where, shown):
    assert hide_password(where) == shown
