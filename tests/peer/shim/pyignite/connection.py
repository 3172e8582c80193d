"""pyignite.connection: what its tests ask of a connection, answered by ours."""

from typing import Any
from uuid import UUID

from ignitemap.client.connection import NodeConnection
from ignitemap.client.session import Session
from ignitemap.protocol.codecs import Codecs


class AioConnection:
    """One connection of a client. Two of one connection are the same object."""

    def __init__(self, session: Session, connection: NodeConnection, codecs: Codecs) -> None:
        self.session = session
        self.codecs = codecs
        self.connection = connection

    @property
    def host(self) -> str:
        return self.connection.address.host

    @property
    def port(self) -> int:
        return self.connection.address.port

    @property
    def uuid(self) -> UUID | None:
        return self.connection.protocol.node_id

    @property
    def alive(self) -> bool:
        return not self.connection.lost


def adapted(session: Session, connection: NodeConnection, codecs: Codecs) -> Any:
    """The connection as pyignite shows it."""
    known: dict[NodeConnection, AioConnection] = session.__dict__.setdefault("peer_connections", {})
    return known.setdefault(connection, AioConnection(session, connection, codecs))
