"""Debian's chromium for tests of pages, driven over its pipe: no port is opened, no driver needed.

Tests skip where there is no chromium or it does not start; once it has, every failure is one.
"""

from __future__ import annotations

import functools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--no-first-run", "--disable-component-update", "--disable-default-apps")  # fmt: skip
SECONDS = 120.0
#: chromium reads commands from file 3 and writes answers to file 4.
LAUNCH = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


@functools.cache
def found() -> str:
    """The path of a browser; empty where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or ""


class Page:
    """A page of the browser: commands of the DevTools protocol, and the events that they cause."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._left = b""
        self._number = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []

    def begin(self) -> None:
        """Open a page; OSError when the browser does not answer in time."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command; RuntimeError when the browser refuses it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._number:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']}")
                return dict(said["result"])
            self.events.append(said)

    def open(self, path: Path) -> None:
        """Load a file and wait until its scripts have run."""
        self.events.clear()
        self.ask("Page.navigate", url=path.as_uri())
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            self.events.append(self._next())

    def value(self, expression: str) -> Any:
        """What an expression gives in the page; RuntimeError when it throws."""
        done = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in done:
            raise RuntimeError(f"{expression}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def press(self, key: str) -> None:
        """A key down and up, as from a keyboard."""
        code, text = {"Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, ""), " ": (32, " ")}[key]
        for kind in ("keyDown", "keyUp"):
            self.ask(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key.strip() or "Space",
                windowsVirtualKeyCode=code, text=text if kind == "keyDown" else "",
            )  # fmt: skip

    def requested(self) -> list[str]:
        """The address of everything that was asked for since the page was opened."""
        return [e["params"]["request"]["url"] for e in self.events
                if e["method"] == "Network.requestWillBeSent"]  # fmt: skip

    def complaints(self) -> list[str]:
        """What the browser and the scripts said on the console: refusals, errors."""
        self.value("1")  # what was said before is there once this is answered
        return [
            str(e["params"]["entry"]["text"]) for e in self.events
            if e["method"] == "Log.entryAdded"
        ] + [
            str(e["params"]) for e in self.events
            if e["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        ]  # fmt: skip

    def _next(self) -> dict[str, Any]:
        """The next message of the browser; OSError when there is none in time."""
        until = time.monotonic() + SECONDS
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._answers], [], [], max(until - time.monotonic(), 0))
            data = os.read(self._answers, 65_536) if ready else b""
            if not data:
                raise OSError("the browser does not answer")
            self._left += data
        message, _, self._left = self._left.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A browser with an empty page whose profile lies in the folder; skips where none starts."""
    if not found():
        pytest.skip("chromium is not installed")
    (read, commands), (answers, write) = os.pipe(), os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(read), str(write), found(), *FLAGS,
         "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}", "about:blank"],
        pass_fds=(read, write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(read)
    os.close(write)
    page = Page(commands, answers)
    try:
        try:
            page.begin()
        except OSError:
            # where it shows a page by itself, what is broken is the way it is driven here
            words = [found(), *FLAGS, f"--user-data-dir={folder / 'alone'}", "--dump-dom"]
            done = subprocess.run([*words, "about:blank"], capture_output=True, check=False,
                                  timeout=SECONDS)  # fmt: skip
            if b"<html" in done.stdout:
                raise
            pytest.skip("chromium does not start here")
        yield page
    finally:
        process.kill()
        process.wait()
        os.close(commands)
        os.close(answers)
