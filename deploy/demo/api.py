"""A small video API: drafts, their videos, and work that goes on in the background.

Standard library only. Every process of it answers everything: what it knows lies in one SQLite file. A request that
writes may be sent again with the same Idempotency-Key and is then carried out once, so that a gateway may try it on
another process when this one dies. What is slow is slow on purpose: `sleep` stands for what a real API would wait for.

    python3 api.py --data videos.db --node http://127.0.0.1:7071 --port 8001
"""

import argparse
import itertools
import json
import re
import sqlite3
import threading
import time
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CREATE_DRAFT_SECONDS = 0.100
ADD_VIDEO_SECONDS = 0.200
# How long a writer waits for the others: each holds the file for a millisecond or so.
LOCK_SECONDS = 20
# How long a video's work is offered to the node before the client is told to come again.
PUSH_SECONDS = 5
PUSH_PAUSE_SECONDS = 0.1
BODY_BYTES_MAX = 64 * 1024
# What cutting a second of video takes, in milliseconds: for the worker, and as an estimate for the scheduler.
WORK_MS_PER_SECOND = 2
VIDEO_SECONDS_MAX = 60

SCHEMA = """
CREATE TABLE IF NOT EXISTS drafts (id TEXT PRIMARY KEY, key TEXT UNIQUE, title TEXT);
CREATE TABLE IF NOT EXISTS videos (
    id TEXT PRIMARY KEY, draft TEXT, key TEXT UNIQUE, seconds INTEGER,
    queued INTEGER DEFAULT 0, runs INTEGER DEFAULT 0
);
CREATE INDEX IF NOT EXISTS videos_by_draft ON videos (draft);
"""
CONFIGURATION = {"formats": ["mp4", "webm"], "resolutions": [480, 720, 1080], "seconds_max": VIDEO_SECONDS_MAX}


class Problem(Exception):
    """A request that is answered with another status than it hoped for."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Store:
    """The SQLite file. Connections belong to threads."""

    def __init__(self, path):
        self.path = path
        self.local = threading.local()
        self.connection().executescript(SCHEMA)

    def connection(self):
        if not hasattr(self.local, "connection"):
            connection = sqlite3.connect(self.path, timeout=LOCK_SECONDS, isolation_level=None)
            # Readers do not wait for writers, and a process that is killed leaves a whole file.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            self.local.connection = connection
        return self.local.connection

    def write(self, statement, *values):
        self.connection().execute(statement, values)

    def row(self, query, *values):
        return self.connection().execute(query, values).fetchone()

    def rows(self, query, *values):
        return self.connection().execute(query, values).fetchall()


class Videos:
    """What the API does, apart from HTTP."""

    def __init__(self, store, node, queue):
        self.store = store
        self.node = node
        self.queue = queue
        self.slow_seconds = 0.0
        self.requests = itertools.count()
        self.served = 0

    def create_draft(self, key, body):
        time.sleep(CREATE_DRAFT_SECONDS)
        title = str(body.get("title", "untitled"))
        self.store.write("INSERT OR IGNORE INTO drafts VALUES (?, ?, ?)", uuid.uuid4().hex, key, title)
        (draft,) = self.store.row("SELECT id FROM drafts WHERE key = ?", key)
        return 201, {"id": draft, "title": title}

    def add_video(self, draft, key, body):
        self.title_of(draft)
        seconds, priority = body.get("seconds", 10), body.get("priority", 5)
        if not isinstance(seconds, int) or not 1 <= seconds <= VIDEO_SECONDS_MAX:
            raise Problem(400, f"seconds is {seconds!r}: expected 1 to {VIDEO_SECONDS_MAX}")
        if not isinstance(priority, int) or not 1 <= priority <= 9:
            raise Problem(400, f"priority is {priority!r}: expected 1 to 9")
        time.sleep(ADD_VIDEO_SECONDS)
        insert = "INSERT OR IGNORE INTO videos (id, draft, key, seconds) VALUES (?, ?, ?, ?)"
        self.store.write(insert, uuid.uuid4().hex, draft, key, seconds)
        video, seconds, queued = self.store.row("SELECT id, seconds, queued FROM videos WHERE key = ?", key)
        if not queued:
            self.push(video, seconds, priority)
            self.store.write("UPDATE videos SET queued = 1 WHERE id = ?", video)
        return 202, {"id": video, "draft": draft}

    def push(self, video, seconds, priority):
        """Gives the work to the node. What the node has answered it keeps; until then this is told to nobody."""
        work_ms = seconds * WORK_MS_PER_SECOND
        job = {
            "jid": video,
            "jobtype": "cut",
            "queue": self.queue,
            "args": [video, work_ms],
            "priority": priority,
            "custom": {"estimate_ms": work_ms},
        }
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.node}/v1/tasks", json.dumps(job).encode(), headers)
        until = time.monotonic() + PUSH_SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=PUSH_SECONDS):
                    return
            except (urllib.error.URLError, OSError) as error:
                refused = isinstance(error, urllib.error.HTTPError) and error.code < 429
                if refused or time.monotonic() > until:
                    raise Problem(503, f"the video's work cannot be queued: {error}") from error
                time.sleep(PUSH_PAUSE_SECONDS)

    def draft(self, draft):
        title = self.title_of(draft)
        state = "CASE WHEN runs > 0 THEN 'done' WHEN queued THEN 'queued' ELSE 'new' END"
        videos = self.store.rows(f"SELECT id, {state} FROM videos WHERE draft = ?", draft)
        listed = [{"id": video, "state": state} for video, state in videos]
        return 200, {"id": draft, "title": title, "videos": listed}

    def title_of(self, draft):
        row = self.store.row("SELECT title FROM drafts WHERE id = ?", draft)
        if row is None:
            raise Problem(404, f"there is no draft {draft}")
        return row[0]

    def runs(self):
        """For whoever counts what became of the work: how often each video was cut."""
        return 200, dict(self.store.rows("SELECT id, runs FROM videos"))

    def begin(self):
        self.served = next(self.requests) + 1
        time.sleep(self.slow_seconds)

    def make_slow(self, body):
        ms = body.get("ms")
        if not isinstance(ms, (int, float)) or not 0 <= ms <= 60_000:
            raise Problem(400, f"ms is {ms!r}: expected 0 to 60000")
        self.slow_seconds = ms / 1000
        return 200, {"ms": ms}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One write for an answer, and nobody waits for an acknowledgement in between.
    wbufsize = -1
    disable_nagle_algorithm = True
    videos = None

    def do_GET(self):
        self.answer(self.get)

    def do_POST(self):
        self.answer(self.post)

    def get(self):
        # Neither waits: a slow backend is alive, and its health check says so.
        if self.path == "/health":
            return 200, {"healthy": True}
        if self.path == "/demo/runs":
            return self.videos.runs()
        if self.path == "/demo/served":
            return 200, {"served": self.videos.served}
        self.videos.begin()
        if self.path == "/configuration":
            return 200, CONFIGURATION
        draft = re.fullmatch(r"/drafts/([0-9a-f]+)", self.path)
        if draft:
            return self.videos.draft(draft[1])
        raise Problem(404, f"there is nothing at {self.path}")

    def post(self):
        body = self.body()
        if self.path == "/demo/slow":
            return self.videos.make_slow(body)
        self.videos.begin()
        key = self.headers.get("Idempotency-Key") or uuid.uuid4().hex
        if self.path == "/drafts":
            return self.videos.create_draft(key, body)
        draft = re.fullmatch(r"/drafts/([0-9a-f]+)/videos", self.path)
        if draft:
            return self.videos.add_video(draft[1], key, body)
        raise Problem(404, f"there is nothing at {self.path}")

    def body(self):
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            raise Problem(400, f"the body has {length} bytes: expected at most {BODY_BYTES_MAX}")
        try:
            body = json.loads(self.rfile.read(int(length)) or b"{}")
        except ValueError as error:
            raise Problem(400, f"the body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise Problem(400, "the body is not a JSON object")
        return body

    def answer(self, act):
        try:
            status, body = act()
        except Problem as problem:
            status, body = problem.status, {"error": str(problem)}
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_request(self, code="-", size="-"):
        """Not a line a request: what goes wrong is still told."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


def main():
    parser = argparse.ArgumentParser(description="A small video API whose work goes on in the background.")
    parser.add_argument("--data", required=True, help="the SQLite file that all processes share")
    parser.add_argument("--node", required=True, help="HTTP address of the node that queues tasks")
    parser.add_argument("--queue", default="videos", help="queue of the tasks")
    parser.add_argument("--port", type=int, default=8001, help="0: any free port")
    arguments = parser.parse_args()
    Handler.videos = Videos(Store(arguments.data), arguments.node.rstrip("/"), arguments.queue)
    server = Server(("127.0.0.1", arguments.port), Handler)
    print(json.dumps({"port": server.server_port}), flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
