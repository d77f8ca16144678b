# SPDX-License-Identifier: Apache-2.0
"""An HTTP server in a thread of the test's process, which others here answer requests with."""

import http.server
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """Keeps connections, and logs nothing. `owner` is the server."""

    protocol_version = "HTTP/1.1"
    owner = None

    def log_message(self, *args):
        pass


class Server:
    """with Server(Handler) as server: server.url is its address until the end. Each request is handled in a
    thread of its own, by the do_METHOD of the handler."""

    def __init__(self, handler, port=0, tls=None):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port),
                                                      type("Owned", (handler,), {"owner": self}))
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def release(self):
        """Whoever is kept waiting is let go."""

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *ignored):
        self.release()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
