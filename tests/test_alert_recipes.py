"""The receivers printed in docs/alerts.md do what they say."""

from __future__ import annotations

import re
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest

from neurorail.collector.alerts.post import post
from neurorail.collector.alerts.webhook import SIGNATURE_HEADER, Webhook, sign

SECRET = b"shared"
MESSAGE = {"event_id": "n1.1.2.0", "severity": "error", "title": "loops", "message": "look"}


@pytest.fixture
def printed(root: Path) -> dict[str, Any]:
    """What the programs of the page define."""
    text = (root / "docs" / "alerts.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    defined: dict[str, Any] = {"__name__": "recipes"}
    exec(compile(code, "alerts.md", "exec"), defined)
    return defined


def test_signature_is_checked(printed: dict[str, Any]) -> None:
    header = sign(SECRET, b"body", 1_000)
    assert printed["is_genuine"](header, b"body", SECRET, now=1_200.0)
    assert not printed["is_genuine"](header, b"another", SECRET, now=1_200.0)
    assert not printed["is_genuine"](header, b"body", b"wrong", now=1_200.0)
    assert not printed["is_genuine"](header, b"body", SECRET, now=1_300.0)


class MailServer(socketserver.StreamRequestHandler):
    """Takes mail, as far as SMTP is needed for it."""

    mails: list[str] = []  # noqa: RUF012 - shared by design: each request has a handler of its own.

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in iter(self.rfile.readline, b""):
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                mail = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.mails.append(mail.decode())
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")
            if verb == b"QUIT":
                return


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_alerts_become_mail(printed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    MailServer.mails = []
    with (
        serving(socketserver.TCPServer(("127.0.0.1", 0), MailServer)) as smtp,
        serving(HTTPServer(("127.0.0.1", 0), printed["Mailer"])) as port,
    ):
        for name, value in (
            ("WEBHOOK_SECRET", SECRET.decode()), ("MAIL_FROM", "rail@example.com"),
            ("MAIL_TO", "ops@example.com"), ("SMTP_HOST", "127.0.0.1"), ("SMTP_PORT", str(smtp)),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        webhook = Webhook("mail", f"http://127.0.0.1:{port}/", secret=SECRET)
        body = webhook.body(MESSAGE)
        headers = webhook.headers("n1.1.2.0", body, int(time.time()))
        forged = {**headers, SIGNATURE_HEADER: sign(b"wrong", body, int(time.time()))}
        assert post(webhook.url, body, forged, 10).status == 401
        assert post(webhook.url, body, headers, 10).taken
    (mail,) = MailServer.mails
    assert "Subject: [error] loops" in mail
    assert "look" in mail
