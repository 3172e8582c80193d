"""A place in the tokens of a statement, and the small steps that every rule of the grammar is made of."""

from typing import Final

from ignitemap.embedded.sql.errors import H2Error
from ignitemap.embedded.sql.lexer import Kind, Source, Token, syntax_error

__all__ = ["Cursor"]


class Cursor:
    """Where reading is. With ``explain`` it collects what could have stood where a syntax error is.

    H2 reads a statement once without, and a second time with it if the first ended in a syntax error.
    """

    __slots__ = ("at", "expected", "indexed", "parameters", "selects", "source", "token", "tokens")

    def __init__(self, source: Source, *, explain: bool = False) -> None:
        self.source: Final = source
        self.tokens: Final = source.tokens
        self.at = 0
        self.token: Token = source.tokens[0]
        self.expected: list[str] | None = [] if explain else None
        self.parameters = 0
        self.indexed: bool | None = None
        """Whether parameters are written ``?1``: a statement can't mix both ways."""
        self.selects = 0
        """How many SELECTs are open that aggregates could belong to."""

    def advance(self) -> Token:
        """Go to the next token and return the one that was passed."""
        passed = self.token
        if self.at < len(self.tokens) - 1:
            self.at += 1
        self.token = self.tokens[self.at]
        if self.expected is not None:
            self.expected.clear()
        return passed

    def go_back(self, at: int) -> None:
        """Return to an earlier place."""
        self.at = at
        self.token = self.tokens[at]

    def read_if(self, text: str) -> bool:
        """Pass a keyword, word or symbol if it is the next token."""
        token = self.token
        if token.text == text and not token.quoted:
            self.advance()
            return True
        if self.expected is not None:
            self.expected.append(text)
        return False

    def read_any(self, *texts: str) -> str | None:
        """Pass one of some keywords, words or symbols if it is the next token, and return it."""
        for text in texts:
            if self.read_if(text):
                return text
        return None

    def is_next(self, text: str) -> bool:
        """Whether a keyword, word or symbol is the next token."""
        token = self.token
        if token.text == text and not token.quoted:
            return True
        if self.expected is not None:
            self.expected.append(text)
        return False

    def read(self, text: str) -> None:
        """Pass a keyword, word or symbol.

        Raises:
            H2Error: Something else is next.
        """
        if not self.read_if(text):
            raise self.failure()

    def read_name(self) -> str:
        """Pass a name and return it.

        Raises:
            H2Error: Something else is next.
        """
        if self.token.kind != Kind.NAME:
            raise self.failure("identifier")
        return self.advance().text

    def failure(self, expected: str | None = None) -> H2Error:
        """The syntax error for the token that is next."""
        if expected is None:
            expected = ", ".join(self.expected or ())
        return syntax_error(self.source.shown, self.token.end, expected)
