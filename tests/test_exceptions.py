"""The tree of exceptions: its shape, its facts, and the way from a status on the wire to a class."""

import builtins
import copy
import inspect
import pickle
import re

import pytest

from ignitemap import exceptions
from ignitemap.exceptions import (
    MAX_SERVER_MESSAGE,
    CacheNotFound,
    ClientClosedNotSent,
    ClusterUnavailable,
    ConnectError,
    EncodeError,
    IgniteMapError,
    NotSentTimeout,
    PartialWriteError,
    ServerError,
    SqlError,
    TransactionConflict,
    TransactionDeadlock,
    TransactionTimeout,
    server_error,
)

CLASSES = [getattr(exceptions, name) for name in exceptions.__all__ if name[0].isupper()]

# What a drawn class must derive from besides its place in the tree.
ALSO: dict[str, tuple[type[BaseException], ...]] = {
    "EncodeTypeError": (TypeError,),
    "EncodeValueError": (ValueError,),
    "EncodeOverflowError": (OverflowError,),
    "StructureError": (ValueError,),
    "NotSentTimeout": (TimeoutError,),
    "ClusterUnavailable": (ConnectionError,),
    "OperationTimeout": (TimeoutError,),
    "ConnectError": (ConnectionError,),
    "ClientClosedNotSent": (exceptions.ClientClosed, exceptions.NotSentError),
    "ClientClosedOutcomeUnknown": (exceptions.ClientClosed, exceptions.OutcomeUnknownError),
}

# What a server that sends stack traces makes of a deadlock.
TRACE = (
    "Failed to acquire lock within provided timeout for transaction [timeout=600]\n"
    "Caused by: org.apache.ignite.transactions.TransactionDeadlockException: Deadlock detected:"
)


def drawn_tree() -> set[tuple[str, str]]:
    """The (class, parent) pairs of the drawing in the module's docstring."""
    pairs: set[tuple[str, str]] = set()
    parents = ["IgniteMapError"]
    for line in (exceptions.__doc__ or "").splitlines():
        branch = re.match(r" {4}((?:│   |    )*)[├└]── (.+)", line)
        if branch is None:
            continue
        depth = len(branch[1]) // 4 + 1
        names = re.match(r"[A-Z]\w+(?: · [A-Z]\w+)*", branch[2])
        assert names is not None
        del parents[depth:]
        for name in names[0].split(" · "):
            pairs.add((name, parents[depth - 1]))
        parents.append(names[0].split(" · ")[-1])
    return pairs


def facts_of(kind: type[IgniteMapError]) -> dict[str, object]:
    """A value, not the default, for each keyword that a class takes."""
    samples = {
        "str | None": "text",
        "str": "text",
        "int": 7,
        "int | None": 7,
        "float | None": 2.5,
    }
    facts: dict[str, object] = {}
    for parameter in inspect.signature(kind).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            text = inspect.formatannotation(parameter.annotation)
            facts[parameter.name] = {"h:1": "x"} if "Mapping" in text else samples[text]
    return facts


def test_tree_matches_drawing() -> None:
    """Every class stands in the drawing under each of its parents, and nothing else is drawn."""
    actual = {
        (kind.__name__, base.__name__)
        for kind in CLASSES
        for base in kind.__bases__
        if issubclass(base, IgniteMapError)
    }
    assert drawn_tree() == actual


def test_all_names_every_class() -> None:
    """Every exception class of the module is exported."""
    defined = {
        name for name, value in vars(exceptions).items() if inspect.isclass(value) and issubclass(value, IgniteMapError)
    }
    assert defined == {kind.__name__ for kind in CLASSES}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_builtin_parents(kind: type[IgniteMapError]) -> None:
    """A class is a builtin exception exactly where the tree says so."""
    for parent in ALSO.get(kind.__name__, ()):
        assert issubclass(kind, parent)
    wanted = {base for base in kind.__bases__ if base.__module__ == builtins.__name__} - {Exception}
    assert wanted <= set(ALSO.get(kind.__name__, ()))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_message_is_enough(kind: type[IgniteMapError]) -> None:
    """A message alone makes any of the exceptions, and is what str() shows."""
    error = kind("it failed")
    assert error.message == str(error) == "it failed"
    assert error.args == ("it failed",)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_pickle_keeps_facts(kind: type[IgniteMapError], protocol: int) -> None:
    """Pickling keeps the class, the message, every fact and the notes."""
    facts = facts_of(kind)
    error = kind("it failed", **facts)
    error.add_note("while testing")
    for twin in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error)):
        assert type(twin) is kind
        assert twin.args == ("it failed",)
        assert vars(twin) == vars(error)
        assert {name: getattr(twin, name) for name in facts} == facts


def test_causes_of_each_node_survive_pickling() -> None:
    """The cause of each node keeps its class, text and errno across a pickle."""
    error = ClusterUnavailable(
        "no node answered",
        causes={
            "10.0.0.1:10800": ConnectionRefusedError(111, "refused"),
            "10.0.0.2:10800": ConnectError("bad handshake", node="10.0.0.2:10800"),
        },
    )
    causes = pickle.loads(pickle.dumps(error)).causes
    assert type(causes["10.0.0.1:10800"]) is ConnectionRefusedError
    assert causes["10.0.0.1:10800"].errno == 111
    assert causes["10.0.0.2:10800"].node == "10.0.0.2:10800"


def test_causes_are_a_copy() -> None:
    """Changing the mapping that was passed in does not change the exception."""
    causes: dict[str, BaseException] = {"h:1": OSError("x")}
    error = ClusterUnavailable("none", causes=causes)
    causes.clear()
    assert list(error.causes) == ["h:1"]


def test_counts_default_to_zero() -> None:
    """A partial write has three counts."""
    error = PartialWriteError("stopped", done=3, unknown=2)
    assert (error.done, error.not_sent, error.unknown) == (3, 0, 2)


def test_builtins_catch_them() -> None:
    """A handler written for the builtin exception catches ours."""
    with pytest.raises(TimeoutError):
        raise NotSentTimeout("late", timeout=1)
    with pytest.raises(OSError, match="refused"):
        raise ConnectError("refused")
    with pytest.raises(exceptions.NotSentError):
        raise ClientClosedNotSent("closed", operation="CachePut")
    assert not issubclass(EncodeError, ValueError)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (1, "ServerError"),
        (2, "InvalidOperationCode"),
        (10, "InvalidNodeState"),
        (11, "NodeInRecoveryMode"),
        (100, "FunctionalityDisabled"),
        (1000, "CacheNotFound"),
        (1001, "CacheExists"),
        (1002, "CacheConfigInvalid"),
        (1010, "TooManyCursors"),
        (1011, "ResourceNotFound"),
        (1012, "SecurityViolation"),
        (1020, "TransactionLimitExceeded"),
        (1021, "TransactionNotFound"),
        (1030, "ServerError"),
        (1040, "EntryProcessorError"),
        (-5, "ServerError"),
    ],
)
def test_status_picks_class(status: int, name: str) -> None:
    """A status picks its class; one that has none is a plain ServerError."""
    error = server_error(status, "text", node="h:1", operation="CacheGet")
    assert type(error).__name__ == name
    assert (error.status, error.message, error.node, error.operation) == (status, "text", "h:1", "CacheGet")


def test_class_knows_its_status() -> None:
    """An exception made without a status has the one that stands for its class."""
    assert CacheNotFound("gone").status == 1000
    assert ServerError("failed").status == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Cache transaction timed out (was rolled back): GridNearTxLocal [...]", TransactionTimeout),
        (
            "Failed to acquire lock within provided timeout for transaction [timeout=600, tx=...]",
            TransactionTimeout,
        ),
        ("Transaction timed out: GridCacheSharedManagerAdapter [starting=true, stop=false]", TransactionTimeout),
        ("Failed to prepare transaction, read/write conflict [key=...]", TransactionConflict),
        ("Deadlock detected:\n\nK1: TX1 holds lock, TX2 waits lock.", TransactionDeadlock),
        (
            TRACE,
            TransactionDeadlock,
        ),
        ("Transaction spans operations on atomic cache", ServerError),
    ],
)
def test_text_picks_transaction_class(text: str, kind: type[ServerError]) -> None:
    """Failures of transactions, which all have status 1, are told apart by their text."""
    assert type(server_error(1, text)) is kind
    assert type(server_error(1, "50000: " + text, sql=True)) is (SqlError if kind is ServerError else kind)


def test_text_matters_for_status_1_only() -> None:
    """The text of a transaction under another status does not change the class."""
    assert type(server_error(1040, "Deadlock detected")).__name__ == "EntryProcessorError"
    assert type(server_error(77, "Deadlock detected")) is ServerError


def test_quoted_sql_is_no_transaction() -> None:
    """A statement that quotes the text of a deadlock is a SQL error all the same."""
    error = server_error(1, "42000: Failed to parse query: SELECT 'Deadlock detected", sql=True)
    assert isinstance(error, SqlError)
    assert error.state == "42000"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ('42000: Table "X" not found', "42000"),
        ("0700B: conversion failed", "0700B"),
        ("no state here", None),
        ("4200: short", None),
        (None, None),
    ],
)
def test_sqlstate(text: str | None, state: str | None) -> None:
    """The five characters before the colon of a SQL operation's message are its state."""
    error = server_error(1, text, sql=True)
    assert isinstance(error, SqlError)
    assert error.state == state


def test_state_only_for_sql() -> None:
    """What looks like a state in the message of another operation is left alone."""
    assert type(server_error(1, "42000: anything")) is ServerError


def test_status_beats_sql() -> None:
    """A page request for a lost cursor is ResourceNotFound, though its text begins with a state."""
    assert (
        type(server_error(1011, "50000: Failed to find resource with id: 5", sql=True)).__name__ == "ResourceNotFound"
    )


@pytest.mark.parametrize("text", [None, ""])
def test_missing_message(text: str | None) -> None:
    """A server error without a message still says something."""
    assert server_error(1011, text).message == "The server answered with status 1011 and no message."


def test_control_characters_are_escaped() -> None:
    """Nothing in a server's message can break a log line or drive a terminal."""
    error = server_error(1, "a\r\nb\x1b[31mc\x00\x7f\x85\u2028\u202e\ud800 é 😀")
    assert error.message == r"a\r\nb\x1b[31mc\x00\x7f\x85\u2028\u202e\ud800 é 😀"


@pytest.mark.parametrize("text", ["x" * 501, "x" * 100_000, "\n" * 500, "x" * 499 + "\x1b"])
def test_long_message_is_cut(text: str) -> None:
    """A message is cut to its limit, escapes included, and shows that it was."""
    shown = server_error(1, text).message
    assert len(shown) == MAX_SERVER_MESSAGE
    assert shown.endswith("…")
    assert shown.isprintable()


def test_message_of_exactly_the_limit_is_kept() -> None:
    """A message as long as the limit is not cut."""
    assert server_error(1, "x" * MAX_SERVER_MESSAGE).message == "x" * MAX_SERVER_MESSAGE
