"""No password survives, wherever in a URL, a message or a command it stands."""

import shlex

import pytest

from studies.credentials import VARIABLES, redacted, redacted_command, redacted_uri

SECRET = "S3cr3t"

NASTY = [
    ("http://me:{}@host:5000", "http://***@host:5000"),
    ("https://{}@host/a", "https://***@host/a"),
    ("https://{}:x-oauth-basic@host/a", "https://***@host/a"),
    ("HTTPS://me:{}@host/a", "HTTPS://***@host/a"),
    ("postgresql+psycopg://me:{}@db:5432/x", "postgresql+psycopg://me:***@db:5432/x"),
    ("postgresql://me:a@{}@db/x", "postgresql://me:***@db/x"),
    ("postgresql://me:{}@{}@db/x", "postgresql://me:***@db/x"),
    ("postgresql://me:a:{}:b@db/x", "postgresql://me:***@db/x"),
    ("postgresql://me:a%40{}%3A@db/x", "postgresql://me:***@db/x"),
    ("postgresql://me:a/{}@db/x", "postgresql://me:***@db/x"),
    ("postgresql://me:12/{}@db/x", "postgresql://me:***@db/x"),
    ("postgresql://me:a?{}@db/x", "postgresql://me:***@db/x"),
    ("postgresql://me:a#{}@db/x", "postgresql://me:***@db/x"),
    ("postgresql://me:'\"<{}@db/x", "postgresql://me:***@db/x"),
    ("postgresql://:{}@db/x", "postgresql://:***@db/x"),
    ("postgresql://me:{}@/x?host=/run", "postgresql://me:***@/x?host=/run"),
    ("postgresql://me:{}@a:1,b:2/x", "postgresql://me:***@a:1,b:2/x"),
    ("postgresql://db/x?password={}", "postgresql://db/x?password=***"),
    ("postgresql://db/x?user=me&password={}&a=b", "postgresql://db/x?user=me&password=***&a=b"),
    ("postgresql://db/x?sslpassword=%40{}", "postgresql://db/x?sslpassword=***"),
    ("mysql+pymysql://me:{}@db/x?Password=a{}", "mysql+pymysql://me:***@db/x?Password=***"),
    ("https://host/a?access_token={}&b=c", "https://host/a?access_token=***&b=c"),
    ("https://host/a?X-Amz-Signature={}", "https://host/a?X-Amz-Signature=***"),
    ("redis://:/{}@host", "redis://:***@host"),
]

HARMLESS = [
    "http://127.0.0.1:5000/#/experiments/1",
    "http://[::1]:5000",
    "https://host/a@b",
    "postgresql://me@db/x",
    "sqlite:////home/me@work:x/mlflow.db",
    "file:///tmp/a:b@c",
    "temperature=[0.1, 1]",
    "a study with a <i>&</i> ü",
]


@pytest.mark.parametrize(("pattern", "shown"), NASTY)
def test_no_url_keeps_its_password(pattern, shown):
    uri = pattern.replace("{}", SECRET)
    assert redacted_uri(uri) == shown
    assert redacted(f"cannot reach {uri} now") == f"cannot reach {shown} now"
    command = redacted_command(["run", "--tracking-uri", uri, f"--storage={uri}"])
    assert shlex.split(command) == ["run", "--tracking-uri", shown, f"--storage={shown}"]
    assert redacted(redacted_uri(uri)) == shown


@pytest.mark.parametrize("password", ["a b", "a'b c", 'x" y', "a\nb", "*", "***@", "ü@:/?#[]%"])
def test_a_password_may_hold_anything(password):
    uri = f"postgresql+psycopg://me:{SECRET}{password}{SECRET}@db/x"
    assert redacted_uri(uri) == "postgresql+psycopg://me:***@db/x"
    assert SECRET not in redacted_command(["run", "--storage", uri, f"--tracking-uri={uri}"])


@pytest.mark.parametrize("text", HARMLESS)
def test_what_holds_no_password_stays(text):
    assert redacted(text) == text
    assert redacted_uri(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "connection failed: host=db user=me password=S3cr3t port=1",
        "connect(password='S3cr3t x', host='db')",
        "{'password': 'S3cr3t', 'user': 'me'}",
        '{"MLFLOW_TRACKING_TOKEN": "S3cr3t"}',
        "Authorization: Bearer S3cr3t",
        "headers={'Authorization': 'Basic S3cr3t'}",
        "(http://a:S3cr3t@h/, https://b:S3cr3t@h/)",
    ],
)
def test_messages_keep_no_secret(text):
    assert "S3cr3t" not in redacted(text)


@pytest.mark.parametrize("name", VARIABLES)
def test_secrets_of_the_environment_are_hidden(monkeypatch, name):
    monkeypatch.setenv(name, "p+q(S3cr3t")
    assert redacted("refused: p+q(S3cr3t") == "refused: ***"
