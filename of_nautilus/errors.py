"""The one error that is raised on purpose for what only the user can mend."""


class UserError(Exception):
    """An input cannot be used: says what is wrong, where, and what to do about it.

    The message is one line, made for the user; the command line prints it and ends with code 2.

    Parameters
    ----------
    what : str
        What is wrong, such as "truncated gzip file".
    where : object, optional
        The file, folder, address or option.
    line : int, optional
        The line (counted from 1) inside `where`.
    todo : str, optional
        What the user can do.

    Examples
    --------
    >>> print(UserError("broken line", "a.gz", line=3, todo="record the file again"))
    a.gz, line 3: broken line; record the file again

    """

    def __init__(
        self,
        what: str,
        where: object = None,
        *,
        line: int | None = None,
        todo: str | None = None,
    ) -> None:
        self.what = " ".join(what.split())
        self.where = where
        self.line = line
        self.todo = todo
        text = self.what
        if where is not None:
            place = f"{where}" if line is None else f"{where}, line {line}"
            text = f"{place}: {text}"
        if todo is not None:
            text = f"{text}; {todo}"
        super().__init__(text)
