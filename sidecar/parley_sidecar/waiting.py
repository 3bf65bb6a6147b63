"""The command `parley wait`: until a sidecar answers. Only the standard library, to start fast.

The injector has the kubelet run it after the start of a sidecar that is a plain container: the kubelet starts the
application's containers only when this ended.
"""

import http.client
import time
from typing import Final

POLL_S: Final = 0.1
_ANSWER_S: Final = 3.0
"""As the injector's probes wait."""


def until_healthy(port: int, limit_s: float) -> bool:
    """Return True as soon as a sidecar answers on its metrics port, False if none did within `limit_s` seconds."""
    end = time.monotonic() + limit_s
    while not is_healthy(port):
        if time.monotonic() + POLL_S > end:
            return False
        time.sleep(POLL_S)
    return True


def is_healthy(port: int) -> bool:
    """Say whether a sidecar answers on its metrics port now."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
