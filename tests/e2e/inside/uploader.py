"""An upload loop: puts numbered objects for ever, and prints each one that was acknowledged.

What fails is tried again with the next number: a client that goes on while the service restarts.
"""

import hashlib
import json
import os
import signal
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


def main(bucket):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10)
    s3 = boto3.client("s3", config=config)
    number = 0
    while True:
        number += 1
        key = f"object-{number:06}"
        # Mostly small, now and then one that takes several writes.
        body = os.urandom(300_000 if number % 7 == 0 else 2_000)
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=body)
        except (ClientError, BotoCoreError, OSError) as error:
            print(f"{key}: {error}", file=sys.stderr, flush=True)
            time.sleep(0.05)
            continue
        print(json.dumps({"key": key, "sha256": hashlib.sha256(body).hexdigest()}), flush=True)


main(sys.argv[1])
