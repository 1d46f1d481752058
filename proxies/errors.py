"""The errors a user of `proxies` can cause, each with the status its score row gets."""

from __future__ import annotations

from typing import Literal

Status = Literal["ok", "nan", "inf", "empty", "oom", "error"]


class ProxyError(ValueError):
    """A wrong name, network or batch; the message is one line fit for a terminal."""

    status: Status = "error"


class NothingCollected(ProxyError):
    """A pass or a proxy found nothing to measure; it is never scored as zero."""

    status: Status = "empty"


class NotANumber(ProxyError):
    """A pass met NaN where the proxies behind it would have turned it into an ordinary number."""

    status: Status = "nan"
