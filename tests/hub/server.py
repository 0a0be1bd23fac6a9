"""A server on the loopback address that speaks the Hub's endpoints, is a mirror of others' addresses, and can
be told to fail at them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

Files = dict[str, bytes]


@dataclass
class Request:
    """What was asked for."""

    method: str
    path: str
    range: str | None
    authorization: str | None = None


@dataclass
class Repository:
    """Commits with their files, and which of them a branch is."""

    commits: dict[str, Files] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Files, branch: str = "main") -> str:
        content = b"".join(path.encode() + b"\0" + data for path, data in sorted(files.items()))
        name = hashlib.sha1(b"%d" % len(self.commits) + content).hexdigest()
        self.commits[name] = dict(files)
        self.refs[branch] = name
        return name


class Hub(ThreadingHTTPServer):
    """The server.

    Attributes:
        repositories: by name.
        mirrored: files of other hosts, by ``HOST/PATH``. Released files of GitHub, what its ``raw`` addresses
            name, and the Hub's large files are redirected, as they are there.
        requests: everything that was asked, in order.
        faults: by path in the repository, or ``HOST/PATH``, what to do in place of answering; called with
            the handler, the content, and how often the file was asked for before. It returns True if it
            answered.
        token: that requests must carry, if one is set.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.mirrored: Files = {}
        self.large = 100_000  # bytes of a file that the Hub keeps apart from Git
        self.requests: list[Request] = []
        self.faults: dict[str, Callable[[Handler, bytes, int], bool]] = {}
        self.token = ""
        self.release = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *values: object) -> None:
        pass

    def send(self, status: int, content: bytes = b"", **headers: str) -> None:
        """A whole answer; its body is left out of one to HEAD."""
        self.send_response(status)
        headers = {
            "Content-Length": str(len(content)),
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def break_off(self, content: bytes, announced: int, **headers: str) -> None:
        """Announce so many bytes, send these, and close the connection."""
        self.send(200, content, **{**headers, "Content-Length": str(announced)})
        self.wfile.flush()
        self.close_connection = True

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        token = self.headers.get("Authorization")
        self.server.requests.append(Request(self.command, path, self.headers.get("Range"), token))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.token and self.headers.get("Authorization") != f"Bearer {self.server.token}":
            self.send(401, b'{"error": "Invalid username or password."}', X_Error_Message="Invalid username")
        elif path.removeprefix("/") in self.server.mirrored:
            self._mirrored(path.removeprefix("/"))
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(*match.groups())
        elif match := re.fullmatch(r"/cdn/([0-9a-f]{64})", path):
            self._blob(match[1])
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree|preupload|commit)/(.+)", path):
            getattr(self, f"_{match[2]}")(match[1], match[3], body)
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)", path):
            self._revision(match[1], "main", body)
        elif path == "/api/repos/create":
            name = "{organization}/{name}".format(**json.loads(body))
            made = name not in self.server.repositories
            self.server.repositories.setdefault(name, Repository()).refs or self.server.repositories[
                name
            ].commit({})
            self._json({"url": f"{self.server.url}/{name}"}, 200 if made else 409)
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        else:
            self.send(404, b"{}")

    def _commit_of(self, repo: str, revision: str) -> tuple[str, Files] | None:
        """The files of a revision; or None after having said that there is none."""
        repository = self.server.repositories.get(repo)
        if repository is None:
            self.send(404, b'{"error": "Repository not found"}', X_Error_Code="RepoNotFound")
            return None
        commit = repository.refs.get(revision, revision)
        if commit not in repository.commits:
            self.send(404, b'{"error": "Invalid rev id"}', X_Error_Code="RevisionNotFound")
            return None
        return commit, repository.commits[commit]

    def _resolve(self, repo: str, revision: str, file: str) -> None:
        found = self._commit_of(repo, revision)
        if found is None:
            return
        commit, files = found
        if file not in files:
            self.send(404, b"Entry not found", X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            return
        content = files[file]
        before = sum(
            r.method == self.command and r.path.endswith(f"/{revision}/{file}")
            for r in self.server.requests[:-1]
        )
        fault = self.server.faults.get(file)
        if fault is None or not fault(self, content, before):
            self.file(content, X_Repo_Commit=commit)

    def file(self, content: bytes, etag: str = "", **headers: str) -> None:
        """A file or the part of it that was asked for, with its Git hash."""
        etag = etag or blob_hash(content)
        first = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if first is None:
            self.send(200, content, ETag=f'"{etag}"', Accept_Ranges="bytes", **headers)
        elif int(first[1]) >= len(content):
            self.send(416, Content_Range=f"bytes */{len(content)}", **headers)
        else:
            part = f"bytes {first[1]}-{len(content) - 1}/{len(content)}"
            self.send(206, content[int(first[1]) :], ETag=f'"{etag}"', Content_Range=part, **headers)

    def _mirrored(self, address: str) -> None:
        """A file of another host, or where that sends those who ask for it."""
        content = self.server.mirrored[address]
        before = sum(r.path == f"/{address}" for r in self.server.requests[:-1])
        fault = self.server.faults.get(address)
        if fault is not None and fault(self, content, before):
            return
        if re.search(r"^github.com/.*/(releases/download|raw)/|/resolve/", address):
            self.send(302, Location=f"{self.server.url}/cdn/{hashlib.sha256(content).hexdigest()}?expires=1")
        else:
            self.file(content)

    def _blob(self, sha256: str) -> None:
        """What large files are redirected to."""
        files = [f for r in self.server.repositories.values() for f in r.commits.values()]
        for content in (data for kept in (*files, self.server.mirrored) for data in kept.values()):
            if hashlib.sha256(content).hexdigest() == sha256:
                self.file(content, sha256)
                return
        self.send(404)

    def _json(self, data: object, status: int = 200) -> None:
        self.send(status, json.dumps(data).encode(), Content_Type="application/json")

    def _revision(self, repo: str, revision: str, body: bytes) -> None:
        if found := self._commit_of(repo, revision):
            siblings = [self._sibling(path, data) for path, data in found[1].items()]
            self._json({"id": repo, "sha": found[0], "siblings": siblings, "private": False})

    def _sibling(self, path: str, data: bytes) -> dict[str, object]:
        """What the Hub says of a file when it is asked for ``blobs``."""
        told: dict[str, object] = {"rfilename": path, "size": len(data), "blobId": blob_hash(data)}
        if len(data) >= self.server.large:
            sha256 = hashlib.sha256(data).hexdigest()
            told["lfs"] = {"size": len(data), "sha256": sha256, "pointerSize": 134}
        return told

    def _tree(self, repo: str, revision: str, body: bytes) -> None:
        if found := self._commit_of(repo, revision):
            self._json(
                [
                    {"type": "file", "path": path, "size": len(data), "oid": blob_hash(data)}
                    for path, data in found[1].items()
                ]
            )

    def _preupload(self, repo: str, revision: str, body: bytes) -> None:
        if found := self._commit_of(repo, revision):
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "regular",
                    "shouldIgnore": False,
                    "oid": blob_hash(found[1][file["path"]]) if file["path"] in found[1] else None,
                }
                for file in json.loads(body)["files"]
            ]
            self._json({"files": files})

    def _commit(self, repo: str, revision: str, body: bytes) -> None:
        found = self._commit_of(repo, revision)
        if found is None:
            return
        files = dict(found[1])
        for line in body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            elif entry["key"] == "deletedFile":
                del files[entry["value"]["path"]]
        commit = self.server.repositories[repo].commit(files, revision)
        self._json(
            {"success": True, "commitOid": commit, "commitUrl": f"{self.server.url}/{repo}/commit/{commit}"}
        )


def blob_hash(content: bytes) -> str:
    """What Git calls a file's content; the Hub's ETag of files that are not large."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def serving() -> Iterator[Hub]:
    """A server that runs as long as the block does."""
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.release.set()
            server.shutdown()
            thread.join()
