"""An S3-compatible server on loopback, for the tests of stores: moto, with a log, keys that are checked, and objects that
change while a run reads them.

    server.py FOLDER    puts what is in the folder below `place/` of the bucket `extracts`

Says where it listens as a line of JSON, then answers each line of JSON on stdin with one on stdout.
"""

import json
import pathlib
import sys
import threading

import boto3
import moto.settings
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ACCOUNT, BUCKET, PREFIX = "123456789012", "extracts", "place/"


def put(key, path):
    s3_backends[ACCOUNT]["aws"].put_object(BUCKET, PREFIX + key, pathlib.Path(path).read_bytes())


class Watched:
    """The server, with what was asked of it; and with what is to be put when a key has been read so often."""

    def __init__(self, application):
        self.application, self.lock = application, threading.Lock()
        self.log, self.planned, self.failing = [], {}, 0

    def __call__(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        key = path.removeprefix(f"/{BUCKET}/{PREFIX}")
        with self.lock:
            self.log.append([method, path, environ.get("HTTP_RANGE")])
            if method == "GET" and key in self.planned:
                self.planned[key][0] -= 1
                if self.planned[key][0] == 0:
                    put(key, self.planned.pop(key)[1])
            if self.failing > 0:
                self.failing -= 1
                start_response("503 Slow Down", [("Content-Length", "0")])
                return [b""]
        return self.application(environ, start_response)


class Quiet(WSGIRequestHandler):
    def log(self, *_):
        pass


def client(service, endpoint):
    return boto3.client(
        service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="setup", aws_secret_access_key="setup"
    )


def set_up(folder, endpoint):
    s3, iam = client("s3", endpoint), client("iam", endpoint)
    s3.create_bucket(Bucket=BUCKET)
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file():
            put(path.relative_to(folder).as_posix(), path)
    allow = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}],
    }
    keys = {}
    for user, policy in [("reader", allow), ("stranger", None)]:
        iam.create_user(UserName=user)
        if policy:
            iam.put_user_policy(UserName=user, PolicyName="read", PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName=user)["AccessKey"]
        keys[user] = [made["AccessKeyId"], made["SecretAccessKey"]]
    # From here on, keys are looked at.
    moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    return keys


def main():
    watched = Watched(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, watched, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.port}"
    keys = set_up(sys.argv[1], endpoint)
    watched.log.clear()
    print(json.dumps({"endpoint": endpoint, "keys": keys}), flush=True)
    for line in sys.stdin:
        command, answer = json.loads(line), None
        with watched.lock:
            if "put" in command:
                put(command["put"], command["file"])
            elif "on_read" in command:
                watched.planned[command["key"]] = [command["on_read"], command["file"]]
            elif "fail" in command:
                watched.failing = command["fail"]
            elif "log" in command:
                answer, watched.log = watched.log, []
        print(json.dumps(answer), flush=True)


main()
