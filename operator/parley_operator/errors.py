"""What can go wrong with the API server, in our words.

    OperatorError
    ├── RetryMayHelp        the same call may succeed later
    │   ├── ApiUnavailable  no answer in time, no connection, or 5xx
    │   │   └── TooManyRequests  not now (429); of an eviction: a disruption budget holds the pod
    │   └── Conflict        somebody else wrote first (409)
    └── RetryWillNotHelp    the object, or our rights, must change first
        ├── NotFound        no such object (404)
        ├── Forbidden       no right to do that (401, 403)
        └── Invalid         the API server refuses the object (400, 422 and the like)

A message names verb, object and status: never an object's content.
"""


class OperatorError(Exception):
    """The root."""


class RetryMayHelp(OperatorError):
    """The same call may succeed later."""


class ApiUnavailable(RetryMayHelp):
    """No answer in time, no connection, or 5xx."""


class TooManyRequests(ApiUnavailable):
    """Not now (429); of an eviction: a disruption budget holds the pod."""


class Conflict(RetryMayHelp):
    """Somebody else wrote first (409)."""


class RetryWillNotHelp(OperatorError):
    """The object, or our rights, must change first."""


class NotFound(RetryWillNotHelp):
    """No such object (404)."""


class Forbidden(RetryWillNotHelp):
    """No right to do that (401, 403)."""


class Invalid(RetryWillNotHelp):
    """The API server refuses the object (400, 422 and the like)."""
