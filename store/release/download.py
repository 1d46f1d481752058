"""Downloading one file over HTTP: gone on with where it stopped, and checked before it gets its name."""

import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store.release.manifest import File, is_html, sha256

TRIES = 5  # connections for one file that got it no further
PAUSE = 1 / 40  # of the timeout, before the second try; each further one waits twice as long
BLOCK = 2**18
LARGEST = 2**24  # bytes of a manifest; a larger answer is something else
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
PASSING = (408, 425, 429, 500, 502, 503, 504)  # answers of a server that may do better later
CUT = (http.client.HTTPException, TimeoutError, ConnectionError, urllib.error.URLError)


class Trouble(Exception):
    """Why a file could not be had, in one line; what has arrived of it is good."""


class Refused(Trouble):
    """The server answered with something else than the release."""


class Passing(Exception):
    """What may go better at another try."""


class WrongRange(Passing):
    """What may go better from the first byte on."""


class _Redirected(urllib.request.HTTPRedirectHandler):
    """Follows a redirection, with the token where it stays on the same server: a renamed repository does."""

    def redirect_request(self, asked: Any, *answer: Any) -> Any:
        followed = super().redirect_request(asked, *answer)
        token = asked.unredirected_hdrs.get("Authorization")
        if followed and token and (followed.type, followed.host) == (asked.type, asked.host):
            followed.add_unredirected_header("Authorization", token)
        return followed


@dataclass(frozen=True)
class Server:
    """The folder of a release on a web server.

    token:   told to it, and to no other that it redirects to
    timeout: seconds without a byte, after which a connection is given up
    """

    address: str
    token: str | None = None
    timeout: float = 20.0

    def text(self, name: str) -> bytes:
        """A small file, whole. Raises Trouble."""
        return self.patiently(name, lambda: self._read(name))

    def open(self, name: str, start: int = 0) -> Any:
        """The answer to a request for a file from byte `start` on. Raises Trouble, Passing or OSError."""
        request = urllib.request.Request(f"{self.address}/{name}")
        request.add_header("User-Agent", "vit-zero-bench")
        request.add_header("Accept-Encoding", "identity")
        if start:
            request.add_header("Range", f"bytes={start}-")
        if self.token:
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        try:
            return urllib.request.build_opener(_Redirected).open(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            if error.code in PASSING:
                raise Passing(f"the server answered {error.code} {error.reason}") from None
            if error.code == 416 and start:
                raise WrongRange("the server has no bytes from there on") from None
            raise Refused(
                f"{self.address}/{name}: the server answered {error.code} {error.reason}. "
                "Check the address and, where it is private, HF_TOKEN."
            ) from None

    def pause(self, tries: int) -> float:
        """Seconds to wait after so many tries in vain."""
        return PAUSE * self.timeout * 2.0 ** (tries - 1)

    def patiently(self, name: str, attempt: Callable[[], bytes]) -> bytes:
        """What `attempt` returns, tried anew while the connection fails. Raises Trouble."""
        reason = ""
        for number in range(TRIES):
            if number:
                time.sleep(self.pause(number))
            try:
                return attempt()
            except (Passing, *CUT) as error:
                reason = told(error)
        raise Trouble(f"{self.address}/{name} could not be fetched in {TRIES} tries ({reason}). Try later.")

    def _read(self, name: str) -> bytes:
        with self.open(name) as answer:
            text: bytes = answer.read(LARGEST)
            length = answer.headers.get("Content-Length")
        if length is not None and int(length) != len(text):
            raise Passing("the connection was cut")
        return text


class Download:
    """One file of a release on its way from a server to its place."""

    def __init__(self, server: Server, file: File, place: Path) -> None:
        self.server = server
        self.file = file
        self.place = place
        self.part = place.with_name(f".{place.name}.{file.sha256[:16]}.part")
        self.address = f"{server.address}/{file.path}"

    def run(self, report: Callable[[int], None]) -> None:
        """Fetch the file. What arrived before a connection failed is kept under another name, to go on from.

        report: called with the number of bytes that are here

        Raises Trouble, and Refused for what is not the file.
        """
        self.place.parent.mkdir(parents=True, exist_ok=True)
        self.part.touch()
        self._try_until_whole(report)
        if sha256(self.part) != self.file.sha256:
            # The pieces may be of several answers, or of an earlier time: once more, in one piece.
            self.part.write_bytes(b"")
            self._try_until_whole(report)
        if sha256(self.part) != self.file.sha256:
            raise Refused(
                f"{self.address} has another sha256 than the manifest says: it was damaged on its way or at "
                "its source, and is not kept."
            )
        with self.part.open("rb") as part:
            os.fsync(part.fileno())
        self.part.replace(self.place)

    def _try_until_whole(self, report: Callable[[int], None]) -> None:
        """Append what is missing, by as many connections as make progress. Raises Trouble."""
        fruitless, reason = 0, ""
        while (have := self.part.stat().st_size) < self.file.bytes:
            if fruitless == TRIES:
                rest = f"{have:,} of {self.file.bytes:,} bytes are kept; the same call goes on from there"
                raise Trouble(
                    f"{self.address} could not be fetched ({reason}). {rest if have else 'Try later'}."
                )
            if fruitless:
                time.sleep(self.server.pause(fruitless))
            try:
                self._append(have, report)
                reason = "the connection was cut"
            except WrongRange as error:
                self.part.write_bytes(b"")
                reason = told(error)
            except (Passing, *CUT) as error:
                reason = told(error)
            fruitless = 0 if self.part.stat().st_size > have else fruitless + 1

    def _append(self, have: int, report: Callable[[int], None]) -> None:
        """Write the bytes of one answer behind those that are here, or instead of them."""
        with self.server.open(self.file.path, have) as answer:
            # Not `read`, which waits for a whole block, and forgets it where the server falls silent before.
            block = answer.read1(BLOCK)
            if is_html(block):
                raise Refused(
                    f"{self.address}: a web page was served instead of the file. Is there a login or captive "
                    "portal in between?"
                )
            done = self._first_byte(answer, have)
            with self.part.open("ab" if done else "wb") as part:
                while block:
                    done += len(block)
                    if done > self.file.bytes:
                        raise Refused(
                            f"{self.address} is longer than the {self.file.bytes:,} bytes of the manifest: "
                            "it is another file, and is not kept."
                        )
                    part.write(block)
                    part.flush()
                    report(done)
                    block = answer.read1(BLOCK)

    def _first_byte(self, answer: Any, have: int) -> int:
        """Where the answer begins: at the byte asked for, or at the first.

        Raises Refused for a file that ends too early, and WrongRange for a range that nobody asked for.
        """
        if answer.status == 206:
            found = RANGE.fullmatch(answer.headers.get("Content-Range") or "")
            if found is None or int(found[1]) != have or found[3] not in ("*", str(self.file.bytes)):
                raise WrongRange("the server served another range than the one asked for")
            return have
        length = answer.headers.get("Content-Length")
        if length is not None and int(length) < self.file.bytes:
            raise Refused(
                f"{self.address} has {int(length):,} bytes, the manifest says {self.file.bytes:,}: it is "
                "truncated, and is not kept."
            )
        return 0


def told(error: Exception) -> str:
    """A failed connection in words."""
    cause = getattr(error, "reason", None) or error
    if isinstance(cause, TimeoutError):
        return "the server fell silent"
    if isinstance(cause, http.client.IncompleteRead):
        return "the connection was cut"
    return " ".join(str(cause).split()) or type(cause).__name__
