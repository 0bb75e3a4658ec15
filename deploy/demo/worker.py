"""Cuts the videos that the API has queued: a worker of the Faktory protocol, made with pyfaktory.

Each run is counted in the SQLite file that the API uses, after the work and before the task is acknowledged: what the
queue has lost would have no run, what was handed out twice has two.

    target/python/bin/python deploy/demo/worker.py --data videos.db --node 127.0.0.1:7419
"""

import argparse
import json
import sqlite3
import time

from pyfaktory import Client, Consumer

LOCK_SECONDS = 20

arguments = None


def cut(video, work_ms):
    time.sleep(work_ms / 1000)
    connection = sqlite3.connect(arguments.data, timeout=LOCK_SECONDS, isolation_level=None)
    try:
        connection.execute("UPDATE videos SET runs = runs + 1 WHERE id = ?", (video,))
    finally:
        connection.close()


def main():
    global arguments
    parser = argparse.ArgumentParser(description="Cuts the videos that the API has queued.")
    parser.add_argument("--data", required=True, help="the SQLite file that the API uses")
    parser.add_argument("--node", required=True, help="address of the node's Faktory port")
    parser.add_argument("--queue", default="videos", help="queue of the tasks")
    parser.add_argument("--concurrency", type=int, default=8, help="tasks at once, each in a process of its own")
    arguments = parser.parse_args()
    with Client(faktory_url=f"tcp://{arguments.node}", role="consumer", worker_id="video-worker") as client:
        consumer = Consumer(client=client, queues=[arguments.queue], concurrency=arguments.concurrency)
        consumer.register("cut", cut)
        print(json.dumps({"queue": arguments.queue}), flush=True)
        consumer.run()


if __name__ == "__main__":
    main()
