"""pyignite.queries.query: its logger, which a test silences."""

import logging

logger = logging.getLogger("pyignite")
