"""Settings: what the environment may say."""

import pytest
from pydantic import ValidationError
from rag.errors import SettingsError
from rag.settings import Settings, read_key


def test_an_empty_environment_gives_working_defaults():
    """Nothing has to be set."""
    settings = Settings.from_environment({})

    assert (settings.port, settings.max_batch, settings.upstream_url) == (8000, 2048, None)


def test_variables_are_the_field_names_in_capitals():
    """MAX_BATCH sets max_batch; other variables are not ours."""
    settings = Settings.from_environment({"MAX_BATCH": "7", "max_body_bytes": "5", "PATH": "/bin"})

    assert (settings.max_batch, settings.max_body_bytes) == (7, 8_000_000)


def test_an_empty_variable_counts_as_not_set():
    """An orchestrator's empty variable is no value."""
    assert Settings.from_environment({"PORT": " "}).port == 8000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "0"),
        ("PORT", "many"),
        ("MAX_BATCH", "-1"),
        ("DEVICE", "tpu"),
        ("UPSTREAM_URL", "ftp://x/v1"),
        ("BODY_TIMEOUT_S", "nan"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_names_the_variable_and_what_was_found(name, text):
    """The message is enough to correct it."""
    with pytest.raises(SettingsError, match=f"{name}: found ") as caught:
        Settings.from_environment({name: text})

    assert text in caught.value.message or name.endswith("_URL")


def test_every_wrong_value_is_listed():
    """Two mistakes are told at once."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"PORT": "x", "MAX_BATCH": "y"})

    assert len(caught.value.message.splitlines()) == 2


def test_an_address_with_a_password_is_not_shown():
    """A wrong DATABASE_URL does not print its password."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"DATABASE_URL": "mysql://me:hunter2@db/x"})

    assert "hunter2" not in caught.value.message


def test_settings_never_change():
    """Nobody alters a setting after the start."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1


def test_a_key_is_read_without_its_line_end(tmp_path):
    """A key file written by an editor works."""
    (tmp_path / "key").write_text("sk-1\n")

    assert read_key(tmp_path / "key", "API_KEY_FILE") == "sk-1"


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"two\nlines", b"\xff\xfe"])
def test_a_file_without_one_key_is_refused_by_name(tmp_path, content):
    """An empty or binary key file stops the start."""
    (tmp_path / "key").write_bytes(content)

    with pytest.raises(SettingsError, match="API_KEY_FILE"):
        read_key(tmp_path / "key", "API_KEY_FILE")


def test_a_missing_key_file_is_refused_by_name(tmp_path):
    """A key file that is not mounted stops the start."""
    with pytest.raises(SettingsError, match="UPSTREAM_KEY_FILE"):
        read_key(tmp_path / "absent", "UPSTREAM_KEY_FILE")
