"""A Weights & Biases server for tests: takes runs and hands out the trials of one sweep; it can also stop doing so.

It knows what wandb asks when it starts a run, goes on with one, sends its history and files, and works as an agent of a
sweep; nothing of artifacts, and nothing of what the real server makes of all this.
"""

import base64
import gzip
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

from slurm.sweep_file import grid

USER = {"id": "U", "username": "me", "entity": "me", "email": "a@b", "flags": "{}", "admin": False,
        "teams": {"edges": []}}  # fmt: skip


@dataclass
class Store:
    """What the server has had, and how it behaves.

    Args:
        mood_after_history: what becomes of it once a run has sent some of its history: "well" nothing, "errors" answers
            500 to everything, "silent" accepts and never answers.
    """

    mood_after_history: str = "well"
    mood: str = "well"
    url: str = ""
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id: config, sweep, history, exit_code
    sweep: str = ""  # YAML
    trials: list[str] = field(default_factory=list)  # ids of those to be handed out
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)  # of all trials, by id
    lock: threading.RLock = field(default_factory=threading.RLock)

    def run(self, name: str) -> dict[str, Any]:
        return self.runs.setdefault(name, {"config": {}, "history": [], "exit_code": None, "is_known": False})


@contextmanager
def wandb_server(mood_after_history: str = "well") -> Iterator[Store]:
    """The server on a free port of this machine, for as long as the context lasts."""
    store = Store(mood_after_history)

    class OfStore(Handler):
        pass

    OfStore.store = store
    server = ThreadingHTTPServer(("127.0.0.1", 0), OfStore)
    server.daemon_threads = True
    store.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    store: Store
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.answer({}, self.store.mood)

    def do_PUT(self) -> None:
        self.body()
        self.answer({}, self.store.mood)

    def do_POST(self) -> None:
        body = self.body()
        mood = self.store.mood  # what it has taken is answered well
        if mood != "well":
            self.answer({}, mood)
            return
        with self.store.lock:
            if self.path == "/graphql":
                asked = json.loads(body)
                answer: dict[str, Any] = {
                    "data": answer_query(self.store, asked["query"], asked.get("variables") or {})
                }
            elif self.path.endswith("/file_stream"):
                answer = take_stream(self.store, self.path.split("/")[-2], json.loads(body))
            else:
                answer = {}
        self.answer(answer)

    def body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def answer(self, content: dict[str, Any], mood: str = "well") -> None:
        if mood == "silent":
            time.sleep(3600)
        body = json.dumps(content).encode()
        self.send_response(500 if mood == "errors" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def take_stream(store: Store, name: str, sent: dict[str, Any]) -> dict[str, Any]:
    """Lines of a run's files, and that it has ended."""
    run = store.run(name)
    lines = (sent.get("files") or {}).get("wandb-history.jsonl", {}).get("content", [])
    run["history"] += [json.loads(line) for line in lines]
    run["is_preempting"] = run.get("is_preempting", False) or bool(sent.get("preempting"))
    if sent.get("complete"):
        run["exit_code"] = sent.get("exitcode")
        if run["is_preempting"] and run["exit_code"] != 0 and name in store.parameters:
            store.trials.insert(0, name)  # as the real one: an interrupted trial is handed out again, first
    if run["history"]:
        store.mood = store.mood_after_history
    return {"exitcode": None, "limits": {}}


def answer_query(store: Store, query: str, given: dict[str, Any]) -> dict[str, Any]:
    """What is asked in GraphQL is recognised by the field's name."""
    if "upsertSweep" in query:
        store.sweep = given["config"]
        all_of_them = list(grid(yaml.safe_load(store.sweep)["parameters"]))
        store.trials = [f"trial{number}" for number in reversed(range(len(all_of_them)))]
        store.parameters = dict(zip(store.trials, all_of_them, strict=True))
        project = {"id": "P", "name": given.get("projectName") or "p", "entity": {"id": "E", "name": "me"}}
        sweep = {"id": "S", "name": "tests", "config": store.sweep, "state": "RUNNING", "displayName": None}
        return {"upsertSweep": {"sweep": {**sweep, "project": project}, "configValidationWarnings": []}}
    if "createAgent" in query:
        return {"createAgent": {"agent": {"id": "A"}}}
    if "agentHeartbeat" in query:
        return {"agentHeartbeat": {"agent": {"id": "A"}, "commands": json.dumps(commands(store, given))}}
    if "upsertBucket" in query:
        return upsert_run(store, given)
    if "createRunFiles" in query:
        files = [{"name": name, "uploadUrl": f"{store.url}/{name}"} for name in given.get("files", [])]
        return {"createRunFiles": {"runID": "R", "uploadHeaders": [], "files": files}}
    if "historyTail" in query:
        return resume_status(store, given)
    if "sweep(" in query:
        sweep = {"id": "S", "name": "tests", "method": "grid", "state": "RUNNING", "config": store.sweep}
        others = ("description", "createdAt", "heartbeatAt", "updatedAt", "controller", "scheduler")
        more = {"earlyStopJobRunning": False, "runs": {"edges": []}, **dict.fromkeys(others)}
        return {"project": {"sweep": {**sweep, **more}}}
    server = {"cliVersionInfo": None, "latestLocalVersionInfo": None, "features": []}
    return {"viewer": USER, "serverInfo": server} if "viewer" in query or "serverInfo" in query else {}


def commands(store: Store, given: dict[str, Any]) -> list[dict[str, Any]]:
    """What an agent is to do: the next trial, or to end when there is none and its last one has ended."""
    if json.loads(given.get("runState") or "{}"):
        return []
    if not store.trials:
        return [{"type": "exit"}]
    name = store.trials.pop(0)
    trial = store.parameters[name]
    program = yaml.safe_load(store.sweep)["program"]
    return [{"type": "run", "run_id": name, "program": program, "args": {k: {"value": v} for k, v in trial.items()}}]


def upsert_run(store: Store, given: dict[str, Any]) -> dict[str, Any]:
    name = given.get("name") or "run"
    run = store.run(name)
    is_new, run["is_known"] = not run["is_known"], True
    if given.get("config"):
        run["config"] = {key: value["value"] for key, value in json.loads(given["config"]).items()}
    run["sweep"] = given.get("sweep") or run.get("sweep")
    project = {"id": "P", "name": given.get("project") or "p", "entity": {"id": "E", "name": "me"}}
    bucket = {"id": base64.b64encode(name.encode()).decode(), "name": name, "displayName": name, "description": "",
              "config": given.get("config") or "{}", "sweepName": run["sweep"],
              "historyLineCount": len(run["history"]), "project": project}  # fmt: skip
    return {"upsertBucket": {"bucket": bucket, "inserted": is_new}}


def resume_status(store: Store, given: dict[str, Any]) -> dict[str, Any]:
    name = str(given.get("name"))
    run, bucket = store.runs.get(name), None
    if run is not None and run["history"]:
        tail = json.dumps([json.dumps(run["history"][-1])])
        config = json.dumps({key: {"value": value} for key, value in run["config"].items()})
        bucket = {"id": "B", "name": name, "displayName": name, "summaryMetrics": "{}", "logLineCount": 0,
                  "historyLineCount": len(run["history"]), "eventsLineCount": 0, "historyTail": tail,
                  "eventsTail": "[]", "config": config, "tags": [], "wandbConfig": json.dumps({"t": 1})}  # fmt: skip
    return {"model": {"id": "M", "name": given.get("project"), "entity": {"id": "E", "name": "me"}, "bucket": bucket}}
