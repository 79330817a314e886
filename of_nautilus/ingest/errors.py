"""The one error that reading, writing or checking market data raises on purpose."""

from of_nautilus.errors import UserError


class IngestError(UserError):
    """Market data cannot be used: says what is wrong, where, and what to do about it.

    Examples
    --------
    >>> print(IngestError("broken line", "a.gz", line=3, todo="record the file again"))
    a.gz, line 3: broken line; record the file again

    """
