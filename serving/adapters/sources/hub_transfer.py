"""The hub client's progress reports and errors, translated into ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serving.adapters.durable import storage_failed
from serving.adapters.sources.transfer import RETRY_AFTER_S, Transfer
from serving.errors import SourceRefused, SourceUnavailable


def bar(transfer: Transfer) -> type[Any]:
    """A progress bar class for the hub client that draws nothing and reports the bytes to `transfer`.

    The hub client resumes a broken transfer without end as long as some bytes arrive each time; `transfer` ends it.
    """
    from tqdm.auto import tqdm  # type: ignore[import-untyped]  # ships no types

    class Bar(tqdm):  # type: ignore[misc]  # its base is untyped
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            transfer.received(int(n or 0))
            return None

    return Bar


@contextmanager
def translated(source: str) -> Iterator[None]:
    """Turns the hub client's errors into SourceRefused (a retry cannot help), SourceUnavailable (a retry may help) or
    StorageFailed (this node's disk)."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise SourceRefused(
            source, "the repository is gated; accept its terms on the hub and set HF_TOKEN to a token that may read it"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise SourceRefused(source, "the repository has no such branch, tag or commit") from error
    except errors.RepositoryNotFoundError as error:
        raise SourceRefused(
            source,
            "no such repository, or it is private; check the spelling or set HF_TOKEN to a token that may read it",
        ) from error
    except errors.HfHubHTTPError as error:
        raise _http_error(source, error.response.status_code, error.response.headers.get("Retry-After")) from error
    except errors.LocalEntryNotFoundError as error:
        cause = error.__cause__
        if isinstance(cause, errors.HfHubHTTPError):
            raise _http_error(source, cause.response.status_code, cause.response.headers.get("Retry-After")) from error
        raise SourceUnavailable(source, "the hub cannot be reached", RETRY_AFTER_S) from error
    except errors.OfflineModeIsEnabled as error:
        raise SourceUnavailable(
            source, "the hub client is offline (HF_HUB_OFFLINE is set); unset it to download"
        ) from error
    except errors.HFValidationError as error:
        raise SourceRefused(source, "not a repository id") from error
    except httpx2.HTTPError as error:
        raise SourceUnavailable(source, f"the hub cannot be reached ({type(error).__name__})", RETRY_AFTER_S) from error
    except OSError as error:
        if error.errno is not None and not isinstance(error, ConnectionError | TimeoutError):
            path = Path(error.filename) if isinstance(error.filename, str) else Path(f"the files of {source}")
            raise storage_failed(path, error) from error
        raise SourceUnavailable(source, f"the transfer broke off: {_first_line(error)}", RETRY_AFTER_S) from error


def _http_error(source: str, status: int, retry_after: str | None) -> SourceRefused | SourceUnavailable:
    if status in (401, 403):
        return SourceRefused(source, f"the hub says {status}: set HF_TOKEN to a token that may read it")
    if status == 429 or status >= 500:
        wait_s = float(retry_after) if retry_after and retry_after.isdigit() else RETRY_AFTER_S
        return SourceUnavailable(source, f"the hub says {status}; try again later", wait_s)
    return SourceRefused(source, f"the hub says {status}")


def _first_line(error: OSError) -> str:
    return str(error).partition("\n")[0][:200]
