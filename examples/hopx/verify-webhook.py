"""Receives callbacks of POST /execute/async and checks who sent them.

python verify-webhook.py PORT, with the secret in WEBHOOK_SECRET
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = os.environ.get("WEBHOOK_SECRET", "").encode()
MOST_AGE_SECONDS = 300
seen = set()


def verify(headers, body):
    """body: the bytes as they came; one that was parsed and written again has another signature."""
    timestamp = headers.get("X-HopX-Timestamp", "")
    mac = hmac.new(SECRET, timestamp.encode() + body, hashlib.sha256).hexdigest()
    is_ours = hmac.compare_digest("sha256=" + mac, headers.get("X-HopX-Signature", ""))
    return is_ours and abs(time.time() - int(timestamp)) <= MOST_AGE_SECONDS


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not verify(self.headers, body):
            return self.answer(401)
        # Every attempt carries the same id: a repeat is answered, and not worked on again.
        delivery = self.headers["X-HopX-Delivery"]
        if delivery not in seen:
            seen.add(delivery)
            result = json.loads(body)
            print(f"{result['execution_id']} {result['status']}: {result['stdout'].strip()}", flush=True)
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8080), Receiver)
print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
