"""A statement as tokens, with H2's rules: unquoted names in upper case, comments blanked, `` `a` `` as ``"A"``.

Positions are kept because a syntax error is answered with the statement in upper case and ``[*]`` behind the token
where reading stopped.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from ignitemap.embedded.sql.errors import H2Error, conversion_failed
from ignitemap.embedded.sql.types import SqlType

__all__ = ["KEYWORDS", "Kind", "Source", "Token", "syntax_error", "tokenize"]


class Kind:
    """What a token is."""

    END: Final = 0
    NAME: Final = 1
    KEYWORD: Final = 2
    VALUE: Final = 3
    PARAMETER: Final = 4
    SYMBOL: Final = 5


class Token(NamedTuple):
    """One token. ``text`` is the name, the keyword or the symbol; a value has ``type`` and ``value``."""

    kind: int
    text: str
    end: int
    """Where reading goes on: behind the token."""
    start: int
    quoted: bool = False
    type: SqlType | None = None
    value: Any = None


class Source(NamedTuple):
    """A statement, and the form of it that H2 shows in syntax errors."""

    text: str
    shown: str
    tokens: list[Token]


WORDS: Final = (
    "ALL CHECK CONSTRAINT CROSS DISTINCT EXCEPT EXISTS FALSE FETCH FOR FOREIGN FROM FULL GROUP HAVING INNER INTERSECT IS"
    " JOIN LIKE LIMIT MINUS NATURAL NOT NULL OFFSET ON ORDER PRIMARY ROWNUM SELECT TRUE UNION UNIQUE WHERE WITH"
)
KEYWORDS: Final = frozenset(WORDS.split())
"""What can't be a name without quotes. LEFT, RIGHT, CASE, VALUES, SET and so on are names to H2."""

SYMBOLS: Final = frozenset(("<=", ">=", "<>", "!=", "||", "::", ":=", "&&", "!~", *"{}*/%;,:[]~()<>=+-@."))
PIECE: Final = re.compile(
    r"""(?P<space>[\s\x00-\x20]+)
    |(?P<comment>/\*.*?\*/|//[^\n\r]*|--[^\n\r]*)
    |(?P<name>[^\W\d][\w$]*)
    |(?P<number>0[xX][0-9a-fA-F]*|\d+[lL]|(?:\d|\.\d)[\d.]*(?:[eE][+-]?\d*)?)
    |(?P<string>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*"|`[^`]*`)
    |(?P<dollars>\$\$.*?\$\$)
    |(?P<pair>[!<>|=:&~]{2})
    |(?P<parameter>\?\d+|\?|\$\d+)
    |(?P<one>.)""",
    re.VERBOSE | re.DOTALL,
)
INT_MAX: Final = 2**31 - 1
LONG_MAX: Final = 2**63 - 1


def syntax_error(shown: str, position: int, expected: str = "") -> H2Error:
    """H2's syntax error at a position of the shown text; ``expected`` lists what could stand there."""
    marked = f"{shown[:position]}[*]{shown[position:]}".replace('"', '""')
    if expected:
        return H2Error(42001, f'Syntax error in SQL statement "{marked}"; expected "{expected}"')
    return H2Error(42000, f'Syntax error in SQL statement "{marked}"')


def upper(text: str) -> str:
    """Upper case as H2 does it: character by character, so that the length stays."""
    if text.isascii():
        return text.upper()
    return "".join(up if len(up := char.upper()) == 1 else char for char in text)


def tokenize(statement: str) -> Source:
    """The tokens of a statement; the last one is END.

    Raises:
        H2Error: A string, a quoted name or a comment does not end, or there is a character that SQL does not have.
    """
    tokens: list[Token] = []
    shown: list[str] = []
    failed = False
    for match in PIECE.finditer(statement):
        group = match.lastgroup
        start, end = match.span()
        text = match[0]
        if group == "space":
            shown.append(text)
        elif group == "name":
            text = upper(text)
            shown.append(text)
            tokens.append(Token(Kind.KEYWORD if text in KEYWORDS else Kind.NAME, text, end, start))
        elif group in {"one", "pair"}:
            shown.append(text)
            if text not in SYMBOLS:
                if text in {"'", '"', "`"}:
                    raise syntax_error(statement, start)
                failed = True
                break
            if text == "/" and statement.startswith("/*", start):
                raise syntax_error(statement, start)
            tokens.append(Token(Kind.SYMBOL, text, end, start))
        elif group == "number":
            shown.append(text.upper())
            sql_type, value = number(text)
            if value is None:
                failed = True
                break
            tokens.append(Token(Kind.VALUE, "0", end, start, type=sql_type, value=value))
        elif group == "string":
            shown.append(text)
            tokens.append(Token(Kind.VALUE, "'", end, start, type=SqlType.STRING, value=text[1:-1].replace("''", "'")))
        elif group == "quoted":
            name = upper(text[1:-1]) if text[0] == "`" else text[1:-1].replace('""', '"')
            shown.append(f'"{name}"' if text[0] == "`" else text)
            tokens.append(Token(Kind.NAME, name, end, start, quoted=True))
        elif group == "parameter":
            shown.append(text)
            index = int(text[1:]) if len(text) > 1 else None
            tokens.append(Token(Kind.PARAMETER, "?", end, start, value=index))
        elif group == "comment":
            shown.append(" " * len(text))
        else:
            shown.append(f"  {text[2:-2]}  ")
            tokens.append(Token(Kind.VALUE, "'", end, start, type=SqlType.STRING, value=text[2:-2]))
    whole = "".join(shown)
    if failed:  # H2 stops behind the last token that it could read
        whole += upper(statement[len(whole) :])
        raise syntax_error(whole if whole == statement else whole + " ", tokens[-1].end if tokens else 0)
    if whole != statement:
        whole += " "
    tokens.append(Token(Kind.END, "", len(statement) + 1, len(statement)))
    return Source(statement, whole, tokens)


def number(text: str) -> tuple[SqlType, Any]:
    """The type and value of a number; the value is None where H2 finds a syntax error in it."""
    if text[:2] in {"0x", "0X"}:
        value = int(text[2:] or "0", 16)
        return (SqlType.INT, value) if value <= INT_MAX else (SqlType.DECIMAL, Decimal(value))
    if text[-1] in "eE+-":
        return SqlType.DECIMAL, None
    digits = text.rstrip("lL")
    if digits.isdigit():
        value = int(digits)
        if value > LONG_MAX:
            return SqlType.DECIMAL, Decimal(value)
        return (SqlType.INT if value <= INT_MAX and digits == text else SqlType.LONG), value
    try:
        return SqlType.DECIMAL, Decimal(text)
    except InvalidOperation:
        raise conversion_failed(text) from None
