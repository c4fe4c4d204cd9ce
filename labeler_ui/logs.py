"""The page's logs: Streamlit's and uvicorn's lines take the same way as ours, so that no secret gets around it."""

from __future__ import annotations

import logging

from streamlit import logger as streamlit_logger
from uvicorn.config import LOGGING_CONFIG

from db import logs


def configure() -> None:
    """Log to standard error from now on, in one form; call it before Streamlit reads its options.

    Streamlit gives each of its loggers a handler of its own, again whenever its options change, and uvicorn brings a
    configuration: both are told to pass their records on instead.

    Raises:
        InvalidInput: BORDERLINE_LOG_FORMAT is none of the formats.
    """
    logs.configure()
    streamlit_logger.setup_formatter = _pass_on
    streamlit_logger.update_formatter()
    LOGGING_CONFIG["loggers"] = {name: {"level": "INFO"} for name in ("uvicorn", "uvicorn.error", "uvicorn.access")}
    LOGGING_CONFIG["handlers"] = {}


def _pass_on(logger: logging.Logger) -> None:
    """Take the place of Streamlit's function that adds a handler: leave the record to the root's."""
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.propagate = True
