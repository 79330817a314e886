"""Keeps a bot's token out of logs: the libraries below write it with every address they call."""

import logging
import re

# The loggers that have been seen to write an address, and those of their kin.
_LOGGERS = (
    "httpx",
    *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
    *(f"telegram.{name}" for name in ("Bot", "ext.ExtBot", "request.BaseRequest")),
    "telegram.request.HTTPXRequest",
    "asyncio",
)
HIDDEN = "<token>"


def redacted(text: str, token: str) -> str:
    """Return a text without the token, and without the part of it that is the secret.

    >>> redacted("POST https://api.telegram.org/bot7:AbC/getMe", "7:AbC")
    'POST https://api.telegram.org/bot<token>/getMe'
    """
    secret = token.rpartition(":")[2] or token
    return re.sub(re.escape(secret), HIDDEN, text.replace(token, HIDDEN))


class _Redact(logging.Filter):
    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redacted(record.getMessage(), self._token)
        record.args = ()
        if record.exc_info:
            # A traceback's last line may quote it.
            trace = logging.Formatter().formatException(record.exc_info)
            record.exc_text = redacted(trace, self._token)
            record.exc_info = None
        return True


class Redaction:
    """While it is on, those loggers write no token, nor a line for every request."""

    def __init__(self, token: str) -> None:
        self._filter = _Redact(token)

    def start(self) -> None:
        """Switch it on."""
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            logger.addFilter(self._filter)
            if name.startswith("http") and logger.level == logging.NOTSET:
                logger.setLevel(logging.WARNING)

    def stop(self) -> None:
        """Switch it off; what is logged below a warning stays off."""
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self._filter)
