"""A receiver of OpenTelemetry traces (OTLP over HTTP): decodes what comes by the project's own protobuf definitions.

Can be told to answer late, not at all, or with an error, as receivers do when they are in trouble.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse


def values(attributes) -> dict:
    """Attributes as a dict; each name once."""
    found = {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}
    assert len(found) == len(attributes), attributes
    return found


@dataclass
class Received:
    """One span with what it came with."""

    span: object
    resource: dict
    attributes: dict = field(default_factory=dict)


class Receiver:
    """Listens on a port of its own. `statuses` are what the next messages are answered with; then 200."""

    def __init__(self):
        self.lock = threading.Lock()
        self.spans: list[Received] = []
        self.messages: list[bytes] = []
        self.statuses: list[int] = []
        self.rejected = 0
        self.delay = 0.0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"receiver": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "Receiver":
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()

    def take(self, body: bytes) -> None:
        message = ExportTraceServiceRequest.FromString(body)
        with self.lock:
            self.messages.append(body)
            for group in message.resource_spans:
                resource = values(group.resource.attributes)
                for scope in group.scope_spans:
                    assert scope.scope.name == "countersign-server", scope.scope
                    self.spans += [Received(span, resource, values(span.attributes)) for span in scope.spans]

    def roots(self) -> list[Received]:
        """Spans of whole requests."""
        with self.lock:
            return [r for r in self.spans if r.span.kind == 2]

    def below(self, root: Received) -> list:
        """Spans of the stages of a request, in the order in which they began."""
        with self.lock:
            mine = [r.span for r in self.spans if r.span.parent_span_id == root.span.span_id]
        return sorted(mine, key=lambda span: span.start_time_unix_nano)

    def wait(self, found, within: float = 15.0):
        """Waits until `found` answers something that is true; returns it."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            if result := found():
                return result
            time.sleep(0.02)
        raise AssertionError(f"not received within {within} s; {len(self.spans)} spans came")

    def root_of(self, request_id: str) -> Received:
        """The span of the request with this `x-ms-request-id`."""
        return self.wait(lambda: next((r for r in self.roots() if r.attributes["countersign.request_id"] == request_id), None))


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver = self.receiver
        time.sleep(receiver.delay)
        status = receiver.statuses.pop(0) if receiver.statuses else 200
        answer = b""
        if self.path != "/v1/traces" or self.headers["Content-Type"] != "application/x-protobuf":
            status = 404
        if status == 200:
            receiver.take(body)
            response = ExportTraceServiceResponse()
            if receiver.rejected:
                response.partial_success.rejected_spans = receiver.rejected
            answer = response.SerializeToString()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("Content-Type", "application/x-protobuf")
        if status == 503:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass
