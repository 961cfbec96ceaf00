"""Objects of one bucket through s3fs, and its errors translated into ours. Imported when first used."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import aiohttp
import s3fs
from botocore import exceptions as boto
from fsspec.asyn import sync

from serving.adapters.sources.source import ListedFile, SourceSettings
from serving.adapters.sources.transfer import RETRY_AFTER_S
from serving.errors import SourceRefused, SourceUnavailable

_CHUNK_BYTES = 4 << 20


class S3Client:
    """Reads objects of one bucket. Blocking; s3fs runs its requests on its own thread."""

    def __init__(self, source: str, bucket: str, settings: SourceSettings) -> None:
        self._source = source
        self._bucket = bucket
        self._fs = s3fs.S3FileSystem(
            endpoint_url=settings.s3_endpoint,
            config_kwargs={
                "connect_timeout": settings.timeout_s,
                "read_timeout": settings.timeout_s,
                "retries": {"total_max_attempts": 1},
            },
            skip_instance_cache=True,  # another bucket may have another endpoint, and credentials change
        )
        self._fs.retries = 1  # the caller retries, within the bounds of the whole transfer

    def look(self, name: str, key: str) -> ListedFile | None:
        """Size, ETag and version id of the object now; None if there is none."""
        with _translated(self._source):
            try:
                head = self._fs.call_s3("head_object", Bucket=self._bucket, Key=key)
            except FileNotFoundError:
                return None
            return ListedFile(name, head["ContentLength"], etag=head["ETag"], version_id=_version_id(head))

    def read(self, file: ListedFile, key: str, start: int) -> Iterator[bytes]:
        """The announced content from byte `start` on, in ranges that require the ETag, so two contents never mix."""
        version = {"VersionId": file.version_id} if file.version_id else {}
        for first in range(start, file.nbytes or 0, _CHUNK_BYTES):
            with _translated(self._source):
                part = self._fs.call_s3(
                    "get_object",
                    Bucket=self._bucket,
                    Key=key,
                    Range=f"bytes={first}-{first + _CHUNK_BYTES - 1}",
                    IfMatch=file.etag,
                    **version,
                )
                chunk = cast(bytes, sync(self._fs.loop, part["Body"].read))
            yield chunk


def _version_id(head: dict[str, str]) -> str | None:
    """The version id; None for "null", which a bucket without versioning uses for the latest content."""
    version_id = head.get("VersionId", "null")
    return None if version_id == "null" else version_id


@contextmanager
def _translated(source: str) -> Iterator[None]:
    """Turns s3fs's and botocore's errors into SourceRefused (a retry cannot help) or SourceUnavailable."""
    try:
        yield
    except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
        raise SourceRefused(
            source, "there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE"
        ) from error
    except PermissionError as error:
        raise SourceRefused(
            source,
            "the store denies access; the credentials need s3:GetObject, and s3:ListBucket to see what is missing",
        ) from error
    except FileNotFoundError as error:
        raise SourceUnavailable(source, "an object was removed while it was fetched", RETRY_AFTER_S) from error
    except (boto.BotoCoreError, aiohttp.ClientError, TimeoutError, ConnectionError) as error:
        why = str(error).partition("\n")[0][:200] or type(error).__name__
        raise SourceUnavailable(source, f"the store cannot be reached: {why}", RETRY_AFTER_S) from error
    except (OSError, boto.ClientError) as error:
        raise _store_error(source, error) from error


def _store_error(source: str, error: Exception) -> SourceRefused | SourceUnavailable:
    """The error for an error response of the store itself."""
    answer = error if isinstance(error, boto.ClientError) else error.__cause__
    if not isinstance(answer, boto.ClientError):
        return SourceUnavailable(source, f"the transfer broke off: {str(error)[:200]}", RETRY_AFTER_S)
    code = answer.response.get("Error", {}).get("Code", "?")
    status = answer.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status == 412 or code == "PreconditionFailed":
        return SourceUnavailable(source, "an object changed while it was fetched", RETRY_AFTER_S)
    if status == 429 or status >= 500 or code in ("SlowDown", "RequestTimeout", "InternalError"):
        return SourceUnavailable(source, f"the store says {code}; try again later", RETRY_AFTER_S)
    return SourceRefused(source, f"the store says {code}; check bucket, region and credentials")
