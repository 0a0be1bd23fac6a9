"""The only code that touches the network: files from the Hub and from https addresses, and uploads.

The Hub's own client finds revisions, knows the user's token and sends the requests. What it would accept is
not enough here: a file counts when its bytes have the sha256 that was known beforehand, an interrupted
download goes on where it stopped, and a server that does not answer is an error after ``TIMEOUT`` seconds.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from zoo.errors import CheckpointError, HubError
from zoo.files import atomic, sha256_of
from zoo.hub.locks import locks_hold
from zoo.hub.patience import Pace, TooSlowError, in_time
from zoo.spec import HUB_SCHEME, Pinned, Weights

if TYPE_CHECKING:
    import httpx2

Say = Callable[[str], object]
Result = TypeVar("Result")

TIMEOUT = 10.0  # seconds without an answer or a byte, where HF_HUB_DOWNLOAD_TIMEOUT does not say another
LARGEST = 1 << 30  # bytes of a file whose size nobody has told
ATTEMPTS = 3  # after a broken connection or a server's fault
COMMIT = re.compile(r"[0-9a-f]{40}")
MIRROR = "SPEECHZOO_MIRROR"  # a base address in place of GitHub and the Hub
_TRUE = {"1", "ON", "YES", "TRUE"}


@dataclass(frozen=True)
class Item:
    """A file that is known before it is asked for.

    Attributes:
        name: for messages.
        url: its address.
        size: bytes; None where only the sha256 is known.
        sha256: hex digest.
        headers: of the request.
    """

    name: str
    url: str
    size: int | None
    sha256: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Revision:
    """What a repository's revision is, as the Hub answers for one of its files.

    Attributes:
        commit: 40 hex digits.
        etag: of the file: the hash of its Git blob, or the sha256 of a large file.
    """

    commit: str
    etag: str


def cache_folder() -> Path:
    """Where downloads and exports are kept: ``SPEECHZOO_CACHE``, or the user's cache folder.

    The user's own is made here, for this user alone; who names another shares it with whom its folder says.
    """
    import platformdirs

    if named := os.environ.get("SPEECHZOO_CACHE"):
        return Path(named)
    folder = Path(platformdirs.user_cache_dir("speechzoo"))
    with suppress(OSError):  # of what cannot be made the first use tells
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
    return folder


def download(weights: Weights | Pinned, where: str = "", say: Say = lambda line: None) -> Path:
    """A local copy of a file that is known by its hash, from the cache or the network.

    Args:
        weights: or a file that belongs to some.
        where: whose file it is, for messages; by default the weights' tag.
        say: called with a line for what takes time.

    Raises:
        CheckpointError: not to be had from anywhere, not reachable, or other bytes than the descriptor's.
    """
    file = weights.file if isinstance(weights, Weights) else weights
    where = where or (f"weights {weights.tag}" if isinstance(weights, Weights) else file.name)
    target = cached(file)
    if has(target, file.size, file.sha256):
        return target
    try:
        item = item_of(file)
        with exclusive(item, say):
            if not has(target, file.size, file.sha256):
                keep(fetch(item, say), target)
    except HubError as error:
        ahead = "; `speechzoo download` fetches it ahead where there is a network" if offline() else ""
        raise CheckpointError(
            f"{where}: {error}{ahead}; or fetch the file yourself and pass its path"
        ) from error
    return target


def cached(file: Pinned) -> Path:
    """Where a file is in the cache, if it is there."""
    return cache_folder() / "weights" / f"{file.sha256[:16]}-{file.name}"


def item_of(file: Pinned) -> Item:
    """How a file is asked for: at its address, or at a mirror's in place of that.

    ``SPEECHZOO_MIRROR`` is a base address, https or http, below which lies ``HOST/PATH`` of the address that
    it stands in for. The hash that is known beforehand makes any mirror safe; it gets no token.

    Raises:
        HubError: the mirror is no address.
    """
    url, mirror = file.url, os.environ.get(MIRROR, "").rstrip("/")
    if mirror and not re.fullmatch(r"https?://[^\s/]+(/[^\s]*)?", mirror):
        raise HubError(
            f"{MIRROR} is {mirror!r}; expected a base address such as https://mirror.example/models"
        )
    if not url.startswith(HUB_SCHEME):
        url = f"{mirror}/{url.partition('://')[2]}" if mirror else url
        return Item(url, url, file.size, file.sha256)
    repo, commit, name = file.location()
    if not mirror:
        return repository_file(repo, commit, name, file.size, file.sha256)
    url = f"{mirror}/huggingface.co/{repo}/resolve/{commit}/{quote(name)}"
    return Item(url, url, file.size, file.sha256)


@dataclass(frozen=True)
class Answer:
    """What an address answers with.

    Attributes:
        status: of HTTP; 0 where nothing answered.
        size: bytes that came.
        right: whether they have the hash that is known.
        reason: why not, else empty.
    """

    status: int
    size: int
    right: bool
    reason: str = ""


def ask(file: Pinned) -> Answer:
    """Read a file to its end and keep nothing of it, to know whether its address still gives it."""
    status, size, item = 0, 0, item_of(file)

    def read_all() -> str:
        nonlocal status, size
        sha = hashlib.sha256()
        size = 0
        with _request(item.url, item.headers) as response:
            status = response.status_code
            for chunk in response.iter_bytes():
                sha.update(chunk)
                size += len(chunk)
                if size > (LARGEST if item.size is None else item.size):
                    raise HubError(f"it sends more than {_bytes(item)}")
        return sha.hexdigest()

    try:
        found = _attempt(item.name, lambda line: None, read_all)
    except HubError as error:
        refused = getattr(error.__cause__, "response", None)
        status = status if refused is None else refused.status_code
        return Answer(status, size, False, str(error).removeprefix(f"{item.name}: "))
    right = found == item.sha256 and item.size in (None, size)
    return Answer(status, size, right, "" if right else f"its sha256 is {found}")


def repository_file(repo: str, commit: str, file: str, size: int | None, sha256: str) -> Item:
    """A file of a repository on the Hub at a commit."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    url = hf_hub_url(repo, file, revision=commit, endpoint=_endpoint())
    return Item(f"{repo}@{commit[:12]}: {file}", url, size, sha256, build_hf_headers())


def find_revision(repo: str, revision: str, file: str, say: Say = lambda line: None) -> Revision:
    """Which commit a revision of a repository is, by one request for the head of one of its files.

    Args:
        repo: ``ORG/NAME``.
        revision: branch, tag or commit.
        file: that must be in it.

    Raises:
        HubError: no such repository, revision or file, not reachable, or no Hub.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    name = f"{repo}@{revision}: {file}"
    url = hf_hub_url(repo, file, revision=revision, endpoint=_endpoint())
    found = _attempt(
        name, say, lambda: in_time(lambda: get_hf_file_metadata(url, timeout=_timeout()), _patience())
    )
    if not found.commit_hash or not COMMIT.fullmatch(found.commit_hash) or not found.etag:
        raise HubError(
            f"{name}: {url} answers without the commit and ETag that the Hub sends; is HF_ENDPOINT right?"
        )
    if COMMIT.fullmatch(revision) and found.commit_hash != revision:
        raise HubError(f"{name}: the server answered with another commit, {found.commit_hash}")
    return Revision(found.commit_hash, found.etag)


def read(repo: str, revision: Revision, file: str, limit: int, say: Say = lambda line: None) -> bytes:
    """A small file of a repository, whose bytes must have the hash that its ETag is.

    Raises:
        HubError: not to be had, larger than ``limit`` bytes, or other bytes.
    """
    item = repository_file(repo, revision.commit, file, limit, "")

    def get() -> bytes:
        content, pace = b"", Pace(_patience())
        with _request(item.url, item.headers) as response:
            for chunk in response.iter_bytes():
                pace.take(len(chunk))
                content += chunk
                if len(content) > limit:
                    raise HubError(f"{item.name}: it is larger than {limit:,} bytes; it is not used")
        return content

    content = _attempt(item.name, say, get)
    if not is_content(content, revision.etag):
        raise HubError(
            f"{item.name}: its bytes do not have the hash that the commit has for it, {revision.etag}; it is "
            f"not used"
        )
    return content


def blob_hash(content: bytes) -> str:
    """What Git calls a file's content; the Hub's ETag of files that are not large."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_content(content: bytes, etag: str) -> bool:
    """Whether bytes are what an ETag of the Hub stands for: by Git's hash of them, or their sha256."""
    return etag in (blob_hash(content), sha256_of(content))


def list_files(repo: str, revision: str, say: Say) -> tuple[str, dict[str, tuple[int, str]]]:
    """What is in a revision of a repository, by one request.

    Returns:
        its commit; and by name size and hash of each file, the sha256 of large ones, else the Git blob's.

    Raises:
        HubError: no such repository or revision, not reachable, or no Hub.
    """
    from huggingface_hub import HfApi

    name = f"{repo}@{revision}"
    api = HfApi(endpoint=_endpoint())
    found = _attempt(
        name, say, lambda: api.model_info(repo, revision=revision, files_metadata=True, timeout=_timeout())
    )
    if not COMMIT.fullmatch(found.sha or "") or (COMMIT.fullmatch(revision) and found.sha != revision):
        raise HubError(f"{name}: the server answers with the commit {found.sha}; is HF_ENDPOINT right?")
    files = {}
    for file in found.siblings or ():
        size, digest = file.size, file.lfs.sha256 if file.lfs else file.blob_id
        if size is not None and digest and size <= LARGEST:
            files[file.rfilename] = (size, digest)
    return str(found.sha), files


@contextmanager
def exclusive(item: Item, say: Say = lambda line: None) -> Iterator[None]:
    """Only one process at a time fetches a file; the others wait, and then look into the cache again.

    Raises:
        HubError: the cache cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        folder = cache_folder() / "incoming"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{item.sha256}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"{item.name}: another process is fetching it; waiting for that")
            lock.acquire()
    except OSError as error:
        raise _unwritable(item.name, error) from error
    try:
        yield
    finally:
        lock.release()


def fetch(item: Item, say: Say = lambda line: None) -> Path:
    """A file with the right bytes at a temporary place, from where ``keep`` takes it.

    A download that was interrupted, in this process or an earlier one, goes on where it stopped. Call it
    inside ``exclusive``.

    Raises:
        HubError: not to be had, or its bytes do not have the sha256; nothing of it is left then.
    """
    part = _incoming(item)
    if part.is_symlink():  # never ours
        part.unlink()
    begun = part.is_file() and part.stat().st_size > 0
    _attempt(item.name, say, lambda: _transfer(item, part))
    if begun and not has(part, item.size, item.sha256):  # what there was may be of another file
        say(f"{item.name}: what was there of it is not of this file; fetching it from its beginning")
        part.unlink()
        _attempt(item.name, say, lambda: _transfer(item, part))
    if not has(part, item.size, item.sha256):
        found = sha256_of(part)
        part.unlink()
        raise HubError(
            f"{item.name}: it should have the sha256 {item.sha256}, but what the server sends has {found}; "
            f"it is not used"
        )
    return part


def keep(path: Path, target: Path) -> None:
    """Move a file to its place in the cache, at once.

    Raises:
        HubError: the cache cannot be written.
    """
    with atomic(target, lambda error: _unwritable(target.name, error)) as temporary:
        path.replace(temporary)


def write(content: bytes, target: Path) -> None:
    """Write a small file of the cache, whole or not at all.

    Raises:
        HubError: the cache cannot be written.
    """
    with atomic(target, lambda error: _unwritable(target.name, error)) as temporary:
        temporary.write_bytes(content)


def has(path: Path, size: int | None, sha256: str) -> bool:
    """Whether a file is there, whole and unchanged."""
    try:
        return path.is_file() and size in (None, path.stat().st_size) and sha256_of(path) == sha256
    except OSError:
        return False


def upload(folder: Path, files: Sequence[str], repo: str, message: str, *, private: bool = False) -> str:
    """Make a repository on the Hub hold these files of a folder and no others, in one commit.

    Args:
        folder: where the files are.
        files: paths in the folder and in the repository.
        repo: ``ORG/NAME``; made if there is none.
        message: of the commit.
        private: if it is made.

    Returns:
        the commit, 40 hex digits.

    Raises:
        HubError: no token, no right to write, or not reachable.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    _online(repo)
    api = HfApi(endpoint=_endpoint())

    def send() -> str:
        api.create_repo(repo, private=private or None, exist_ok=True)
        there = set(api.list_repo_files(repo)) - {".gitattributes"}
        added = [CommitOperationAdd(file, folder / file) for file in files]
        gone = [CommitOperationDelete(file) for file in sorted(there - set(files))]
        return str(api.create_commit(repo, [*added, *gone], commit_message=message).oid)

    return _attempt(repo, lambda line: None, send, attempts=1)


def _transfer(item: Item, part: Path) -> None:
    """Append to a partial file what is missing of it."""
    from huggingface_hub.errors import HfHubHTTPError

    have = part.stat().st_size if part.is_file() else 0
    limit = LARGEST if item.size is None else item.size
    if have == item.size:
        return
    have = have if have < limit else 0
    headers = {**item.headers, **({"Range": f"bytes={have}-"} if have else {})}
    try:
        with _request(item.url, headers) as response:
            goes_on = response.status_code == 206
            if goes_on and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                raise HubError(f"{item.name}: the server sends another part than the one asked for")
            _append(item, part, have if goes_on else 0, response.iter_bytes())
    except HfHubHTTPError as error:
        if error.response.status_code != 416:
            raise
        part.unlink()  # it is no beginning of what the server has
        raise _BrokenOff(f"the server has no more than {have:,} of {_bytes(item)}") from error
    except HubError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _append(item: Item, part: Path, have: int, chunks: Iterator[bytes]) -> None:
    """Write what comes behind the first ``have`` bytes of a partial file."""
    from tqdm import tqdm

    bar = tqdm(
        total=item.size,
        initial=have,
        desc=item.name.rpartition("/")[2],
        unit="B",
        unit_scale=True,
        leave=False,
        disable=not sys.stderr.isatty(),
    )
    pace = Pace(_patience())
    try:
        with bar, open(part, "r+b" if have else "wb", opener=_no_link) as file:
            file.seek(have)
            for chunk in chunks:
                pace.take(len(chunk))
                have += len(chunk)
                if have > (LARGEST if item.size is None else item.size):
                    raise HubError(
                        f"{item.name}: it should have {_bytes(item)}, but the server sends more; it is "
                        f"not used"
                    )
                file.write(chunk)
                bar.update(len(chunk))
    except OSError as error:
        raise _unwritable(item.name, error) from error
    finally:
        with suppress(OSError):
            if part.stat().st_size == 0:
                part.unlink()
    if item.size is not None and have < item.size:
        raise _BrokenOff(f"it ended after {have:,} of {_bytes(item)}")


def _no_link(path: str, flags: int) -> int:
    """Open a file, but not what a symbolic link points to."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _bytes(item: Item) -> str:
    return f"at most {LARGEST:,} bytes" if item.size is None else f"{item.size:,} bytes"


class _BrokenOff(Exception):
    """A body that is shorter than it should be."""


@contextmanager
def _request(url: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
    """A response of the server, or the error that it answers with."""
    from huggingface_hub import get_session
    from huggingface_hub.utils import hf_raise_for_status

    headers = {**headers, "Accept-Encoding": "identity"}
    answering = get_session().stream("GET", url, headers=headers, timeout=_timeout())
    with ExitStack() as stack:
        response = in_time(lambda: stack.enter_context(answering), _patience())
        if response.is_error:
            response.read()
        hf_raise_for_status(response)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise HubError(f"{url}: a web page came in place of the file; does the network ask for a login?")
        yield response


def _attempt(name: str, say: Say, action: Callable[[], Result], attempts: int = ATTEMPTS) -> Result:
    """Do something with the network, again after what may pass.

    Raises:
        HubError: it failed; the message says why in one sentence.
    """
    _online(name)
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    for attempt in range(1, attempts + 1):
        try:
            return action()
        except (HfHubHTTPError, httpx2.RemoteProtocolError, httpx2.ReadError, _BrokenOff) as error:
            passing = not isinstance(error, HfHubHTTPError) or error.response.status_code in _PASSING
            if attempt == attempts or not passing:
                raise HubError(f"{name}: {_reason(error)}") from error
            say(f"{name}: {_reason(error)}; trying again ({attempt + 1} of {attempts})")
            time.sleep(0.2 * 2**attempt)
        except TooSlowError as error:
            raise HubError(f"{name}: the server is too slow, {error}; try again later") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, HFValidationError, OSError, ValueError) as error:
            raise HubError(f"{name}: {_reason(error)}") from error
    raise AssertionError("an attempt returns or raises")


_PASSING = (408, 429, 500, 502, 503, 504)


def _reason(error: Exception) -> str:
    """Why a request failed, and the way out, in one sentence."""
    import httpx2
    from huggingface_hub.errors import (
        HfHubHTTPError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        if isinstance(error, RevisionNotFoundError):
            return f"the repository has no such revision ({status})"
        if isinstance(error, RemoteEntryNotFoundError):
            return f"the repository has no such file ({status})"
        if isinstance(error, RepositoryNotFoundError) or status in (401, 403):
            return (
                f"there is no such repository, or this user has no right to it ({status}); set "
                f"HF_TOKEN or run `hf auth login` if it is private"
            )
        return f"the server answered {status} {error.response.reason_phrase}"
    if isinstance(error, httpx2.ConnectTimeout | httpx2.ConnectError):
        return f"the server cannot be reached ({error or type(error).__name__}); check the network"
    if isinstance(error, httpx2.TimeoutException):
        return f"the server does not answer: nothing came for {_timeout():g} seconds"
    if isinstance(error, _BrokenOff | httpx2.RemoteProtocolError | httpx2.ReadError):
        return f"the connection broke off ({error or type(error).__name__})"
    told = str(error).splitlines() or [""]
    return f"it cannot be done ({type(error).__name__}: {told[0]})"


def _unwritable(name: str, error: OSError) -> HubError:
    forbidden = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    remedy = "see to its permissions" if forbidden else "make room there"
    return HubError(
        f"{name}: the cache {cache_folder()} cannot be written ({error.strerror or error}); {remedy}, "
        f"or set SPEECHZOO_CACHE to another folder"
    )


def offline() -> bool:
    """Whether the Hub's own setting, or an option, forbids requests."""
    return _forbidden or os.environ.get("HF_HUB_OFFLINE", "").upper() in _TRUE


@contextmanager
def without_network() -> Iterator[None]:
    """Forbid requests as long as the block runs."""
    global _forbidden
    before, _forbidden = _forbidden, True
    try:
        yield
    finally:
        _forbidden = before


_forbidden = False  # by an option of the command


def _online(name: str) -> None:
    if offline():
        raise HubError(
            f"{name}: it is not in the cache {cache_folder()}, and "
            f"{'--offline' if _forbidden else 'HF_HUB_OFFLINE'} forbids to fetch it"
        )


def _incoming(item: Item) -> Path:
    """Where a file grows; outside of everything that is taken for whole.

    Where locks do nothing, as on some network file systems, each process has a file of its own.
    """
    folder = cache_folder() / "incoming"
    own = "" if locks_hold(folder) else f".{os.getpid()}"
    return folder / f"{item.sha256}{own}.part{Path(item.url).suffix}"


def _endpoint() -> str | None:
    """``HF_ENDPOINT`` as it is now; the client reads it when it is imported."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def _patience() -> float:
    """Seconds for the head of an answer, or before a body must come at a useful pace."""
    return 6 * _timeout()


def _timeout() -> float:
    return float(os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT") or TIMEOUT)
