"""What is wrong with a user's file, in one line each; shared by the readers of this room."""

from dataclasses import dataclass

_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found in a file."""

    file: str
    where: str
    """The point or line it concerns."""
    what: str
    is_error: bool = True
    """What it concerns was left out; otherwise it is a warning."""

    def __str__(self) -> str:
        place = f"{self.file}: {self.where}" if self.where else self.file
        return printable(f"{place}: {self.what}")


def quoted(value: object) -> str:
    """A user's value, in quotation marks and not too long."""
    text = value if isinstance(value, str) else repr(value)
    return f"'{text if len(text) <= _LONGEST else text[:_LONGEST] + '...'}'"


def printable(text: str) -> str:
    """The text on one line, with what does not print made visible."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def decoded(data: bytes) -> str:
    """The text of a file: UTF-8 with or without BOM, else cp1252."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
