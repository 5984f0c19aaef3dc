"""[tool.wheelhouse.verify]: what a service accepts, each with a reason, and what a mistake there says."""

import pytest

from pipeline.config import Config
from pipeline.errors import ConfigError
from tests.pipeline.test_config import GOOD

TABLES = """
[tool.wheelhouse.verify.allow_skipped]
gpu = "the runners have no GPU"
[[tool.wheelhouse.verify.accepted_licences]]
package = "psycopg2"
version = "2.9.11"
reason = "LGPL library, loaded and unchanged"
[[tool.wheelhouse.verify.accepted_secrets]]
path = "/srv/app/migrations/*"
kind = "Hex High Entropy String"
reason = "revision numbers of alembic"
"""


def test_what_a_service_accepts_is_parsed():
    """Skips, licences and look-alikes of secrets are each accepted by name, with a reason."""
    accepted = Config.parse(GOOD + TABLES).service.verify

    assert accepted.allow_skipped == {"gpu": "the runners have no GPU"}
    assert accepted.accepted_licences[0].version == "2.9.11"
    assert accepted.accepted_secrets[0].kind == "Hex High Entropy String"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('gpu = "the', 'gpus = "the', "verify.allow_skipped.gpus"),
        ('gpu = "the runners have no GPU"', 'gpu = "no"', "expected a text of at least 10 characters"),
        ('version = "2.9.11"\n', "", "has no key 'verify.accepted_licences.version'"),
        ('package = "psy', 'name = "psy', "unknown key 'verify.accepted_licences.name'"),
        ('path = "/srv', 'path = "srv', "expected a path that starts with /"),
    ],
)
def test_a_mistake_in_what_is_accepted_is_named(old, new, message):
    """Nothing is accepted by an unknown name, without a version, or without a reason."""
    assert old in TABLES

    with pytest.raises(ConfigError) as caught:
        Config.parse(GOOD + TABLES.replace(old, new))

    assert message in str(caught.value)


def test_a_licence_with_its_exception_can_be_named():
    """What `licences` allows may be a licence together with its exception."""
    text = GOOD.replace("port = 8000", 'licences = ["GPL-3.0-or-later WITH GCC-exception-3.1"]')

    assert Config.parse(text).service.licences == ("GPL-3.0-or-later WITH GCC-exception-3.1",)
