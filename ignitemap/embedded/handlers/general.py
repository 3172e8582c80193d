"""Operations 0 to 2 and 10000: resources, heartbeats, the idle timeout."""

from typing import TYPE_CHECKING

from ignitemap.embedded.errors import failed
from ignitemap.embedded.handlers.table import Needs, answers
from ignitemap.protocol.operations import GetIdleTimeout, Heartbeat, ResourceClose, StopWarmup

if TYPE_CHECKING:
    from ignitemap.embedded.session import Session


@answers(ResourceClose, needs=Needs.NOTHING)
def close_resource(session: "Session", request: ResourceClose) -> None:
    """0."""
    session.close_resource(request.resource)


@answers(Heartbeat, needs=Needs.NOTHING)
def heartbeat(session: "Session", request: Heartbeat) -> None:
    """1: any request counts as a sign of life."""


@answers(GetIdleTimeout, needs=Needs.NOTHING)
def idle_timeout(session: "Session", request: GetIdleTimeout) -> int:
    """2."""
    return int((session.node.idle_timeout or 0) * 1000)


@answers(StopWarmup, needs=Needs.NOTHING)
def stop_warmup(session: "Session", request: StopWarmup) -> None:
    """10000: there is no warm-up here either."""
    raise failed("Node has already started.")
