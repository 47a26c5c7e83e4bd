"""What processes of the stack may leave behind of what they hold: no secret in a log, no memory in a core file."""

import logging
import resource

from domain.secrets import Mask


class MaskingFormatter(logging.Formatter):
    """Around another: hides in the whole line, traceback included."""

    def __init__(self, inner: logging.Formatter, mask: Mask) -> None:
        super().__init__()
        self._inner = inner
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        return self._mask.text(self._inner.format(record))


def keep_in(mask: Mask) -> None:
    """For all handlers there are now, those of a server around us included."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    loggers = [logging.getLogger(), *(one for one in logging.root.manager.loggerDict.values())]
    handlers = {handler for one in loggers if isinstance(one, logging.Logger) for handler in one.handlers}
    if logging.lastResort is not None:
        handlers.add(logging.lastResort)
    for handler in handlers:
        inner = handler.formatter
        if not isinstance(inner, MaskingFormatter):
            handler.setFormatter(MaskingFormatter(inner or logging.Formatter(), mask))
