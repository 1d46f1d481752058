"""A hub of one's own: the part of the Hugging Face hub's HTTP API that publishing and fetching speak."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import yaml

TOKEN = "hf_of_a_test"


class Hub:
    """What the hub keeps: commits of repositories (path -> bytes), their tags, and large files by sha256."""

    def __init__(self) -> None:
        self.address = ""
        self.commits: dict[str, dict[str, dict[str, bytes]]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.large: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []

    def head(self, repository: str) -> str:
        return list(self.commits[repository])[-1]

    def commit(self, repository: str, lines: list[dict]) -> str:
        files = dict(self.commits[repository][self.head(repository)])
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.large[value["oid"]]
            elif line["key"] == "deletedFile":
                files.pop(value["path"], None)
        text = json.dumps(
            {name: hashlib.sha1(content).hexdigest() for name, content in sorted(files.items())}
        )
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.commits[repository][commit] = files
        return commit

    def resolve(self, repository: str, revision: str) -> str | None:
        if revision == "main":
            return self.head(repository)
        known = self.commits[repository]
        return revision if revision in known else self.tags[repository].get(revision)


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """The hub at an address of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub does."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, code: int, content: object = b"", **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def route(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.asked.append((self.command, path))
        for method, pattern, name in ROUTES:
            found = re.fullmatch(pattern, path)
            if method == self.command and found:
                public = name in ("file", "revision", "put")
                if not public and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    self.answer(401, {"error": "Invalid credentials"}, X_Error_Message="Invalid credentials")
                    return
                getattr(self, name)(body, *found.groups())
                return
        self.answer(404, {"error": "no such page"})

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = route

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        if name in self.hub.commits:
            self.answer(409, {"error": "exists", "url": f"{self.hub.address}/datasets/{name}"})
            return
        self.hub.commits[name] = {"0" * 40: {".gitattributes": b"*.parquet filter=lfs\n"}}
        self.hub.tags[name] = {}
        self.answer(200, {"url": f"{self.hub.address}/datasets/{name}", "name": name, "id": name})

    def card(self, body: bytes) -> None:
        front = yaml.safe_load(json.loads(body)["content"].split("---")[1])
        errors = [] if front.get("license") else [{"message": "no license"}]
        self.answer(200 if not errors else 400, {"errors": errors, "warnings": []})

    def refs(self, _: bytes, name: str) -> None:
        tags = [
            {"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": commit}
            for tag, commit in self.hub.tags[name].items()
        ]
        head = {"name": "main", "ref": "refs/heads/main", "targetCommit": self.hub.head(name)}
        self.answer(200, {"branches": [head], "converts": [], "tags": tags})

    def info(self, _: bytes, name: str, revision: str = "main") -> None:
        commit = self.hub.resolve(name, revision)
        files = [{"rfilename": path} for path in self.hub.commits[name][commit]]
        self.answer(200, {"id": name, "sha": commit, "siblings": files, "private": False, "tags": []})

    def revision(self, body: bytes, name: str, revision: str) -> None:
        if name not in self.hub.commits or self.hub.resolve(name, revision) is None:
            self.answer(404, {"error": "Revision Not Found"}, X_Error_Code="RevisionNotFound")
            return
        self.info(body, name, revision)

    def tree(self, _: bytes, name: str, revision: str) -> None:
        files = self.hub.commits[name][self.hub.resolve(name, revision)]
        listed = [
            {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
            for path, content in files.items()
        ]
        self.answer(200, listed)

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".parquet") else "regular",
                "shouldIgnore": False,
                "oid": None,
            }
            for file in json.loads(body)["files"]
        ]
        self.answer(200, {"files": files})

    def batch(self, body: bytes, name: str) -> None:
        objects = [
            {
                "oid": wanted["oid"],
                "size": wanted["size"],
                "authenticated": True,
                "actions": {"upload": {"href": f"{self.hub.address}/large/{wanted['oid']}", "header": {}}},
            }
            for wanted in json.loads(body)["objects"]
        ]
        self.answer(200, {"transfer": "basic", "objects": objects})

    def put(self, body: bytes, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.large[oid] = body
        self.answer(200)

    def commit(self, body: bytes, name: str, revision: str) -> None:
        lines = [json.loads(line) for line in body.splitlines()]
        commit = self.hub.commit(name, lines)
        url = f"{self.hub.address}/datasets/{name}/commit/{commit}"
        self.answer(200, {"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})

    def tag(self, body: bytes, name: str, revision: str) -> None:
        self.hub.tags[name][json.loads(body)["tag"]] = self.hub.resolve(name, revision)
        self.answer(200)

    def file(self, _: bytes, name: str, revision: str, path: str) -> None:
        commit = self.hub.resolve(name, revision) if name in self.hub.commits else None
        content = self.hub.commits[name][commit].get(path) if commit else None
        if content is None:
            self.answer(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
            return
        self.answer(200, content, X_Repo_Commit=commit, ETag=f'"{hashlib.sha1(content).hexdigest()}"')


NAME = r"([\w.-]+/[\w.-]+)"
ROUTES = (
    ("POST", "/api/repos/create", "create"),
    ("POST", "/api/validate-yaml", "card"),
    ("GET", f"/api/datasets/{NAME}/refs", "refs"),
    ("GET", f"/api/datasets/{NAME}", "info"),
    ("GET", f"/api/datasets/{NAME}/revision/([^/]+)", "revision"),
    ("GET", f"/api/datasets/{NAME}/tree/([^/]+)", "tree"),
    ("POST", f"/api/datasets/{NAME}/preupload/([^/]+)", "preupload"),
    ("POST", f"/datasets/{NAME}.git/info/lfs/objects/batch", "batch"),
    ("PUT", "/large/([0-9a-f]{64})", "put"),
    ("POST", f"/api/datasets/{NAME}/commit/([^/]+)", "commit"),
    ("POST", f"/api/datasets/{NAME}/tag/([^/]+)", "tag"),
    ("GET", f"/datasets/{NAME}/resolve/([^/]+)/(.+)", "file"),
    ("HEAD", f"/datasets/{NAME}/resolve/([^/]+)/(.+)", "file"),
)
