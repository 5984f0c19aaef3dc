"""Errors: one tree, and the OpenAI envelope each becomes.

ServiceError                 500  the base; nothing else is raised on purpose
├── SettingsError                 a wrong environment; stops the start
├── ModelError                    a wrong model folder; stops the start
├── InputError               400
├── RefusedError             4xx  by the framework: no such path, no such method
├── AuthenticationError      401
├── UnknownNameError         404
│   └── UnknownModelError    404
├── SlowRequestError         408
├── IndexFullError           409
├── BodySizeError            413
├── OverloadError            429
├── UpstreamError            502
│   ├── UpstreamBusyError    429
│   └── UpstreamTimeoutError 504
├── NotReadyError            503
└── ShutdownError            503
"""

from collections.abc import Mapping


class ServiceError(Exception):
    """Error with a message that is safe to show, and the HTTP answer that it becomes."""

    status: int = 500
    type: str = "server_error"
    code: str = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or self.code
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """Give the headers that belong to the answer."""
        return {} if self.retry_after_s is None else {"retry-after": str(self.retry_after_s)}


class SettingsError(ServiceError):
    """A setting is wrong."""

    code = "wrong_setting"


class ModelError(ServiceError):
    """The model folder cannot be served."""

    code = "wrong_model"


class InputError(ServiceError):
    """The request says something that cannot be done."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_input"


class RefusedError(ServiceError):
    """A request that the framework refuses before a route sees it."""

    type = "invalid_request_error"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = f"http_{status}"


class AuthenticationError(ServiceError):
    """The key is missing or wrong."""

    status = 401
    type = "authentication_error"
    code = "invalid_api_key"

    @property
    def headers(self) -> dict[str, str]:
        """Name the scheme that is expected."""
        return {"www-authenticate": "Bearer"}


class UnknownNameError(ServiceError):
    """Nothing of that name exists."""

    status = 404
    type = "invalid_request_error"
    code = "not_found"


class UnknownModelError(UnknownNameError):
    """The requested model is not served here."""

    code = "model_not_found"


class SlowRequestError(ServiceError):
    """The body did not arrive in time."""

    status = 408
    type = "invalid_request_error"
    code = "request_timeout"


class IndexFullError(ServiceError):
    """The memory index holds as much as it may."""

    status = 409
    type = "invalid_request_error"
    code = "index_full"


class BodySizeError(ServiceError):
    """The body is larger than the cap."""

    status = 413
    type = "invalid_request_error"
    code = "body_too_large"


class OverloadError(ServiceError):
    """Every slot is taken; later works."""

    status = 429
    type = "rate_limit_error"
    code = "overloaded"


class NotReadyError(ServiceError):
    """What the request needs is not there, or not yet."""

    status = 503
    code = "not_ready"


class ShutdownError(ServiceError):
    """The process stops before the answer is ready; another replica can answer."""

    status = 503
    code = "shutting_down"


class UpstreamError(ServiceError):
    """The upstream failed or answered nonsense."""

    status = 502
    code = "upstream_error"


class UpstreamBusyError(UpstreamError):
    """The upstream limits the rate."""

    status = 429
    type = "rate_limit_error"
    code = "upstream_busy"


class UpstreamTimeoutError(UpstreamError):
    """The upstream did not answer in time."""

    status = 504
    code = "upstream_timeout"


def envelope(error: ServiceError) -> Mapping[str, Mapping[str, str | None]]:
    """Dress an error as OpenAI clients expect it."""
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}
