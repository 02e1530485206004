# SPDX-License-Identifier: GPL-2.0-only
"""An HTTP server of Python's standard library: says who it is, and solves systems of linear equations by numpy."""

import json
import platform
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np


class Handler(BaseHTTPRequestHandler):
    """``GET /`` and ``POST /solve``, which takes ``{"a": matrix, "b": vector}``."""

    def do_GET(self) -> None:
        """Say who this is."""
        self._answer(200, "text/plain", f"Python {platform.python_version()} on {platform.system()}\n")

    def do_POST(self) -> None:
        """Solve ``a x = b``."""
        problem = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            solution = np.linalg.solve(np.array(problem["a"], float), np.array(problem["b"], float))
        except np.linalg.LinAlgError as error:
            self._answer(422, "text/plain", f"{error}\n")
        else:
            self._answer(200, "application/json", json.dumps({"x": [round(value, 9) for value in solution.tolist()]}))

    def _answer(self, status: int, kind: str, body: str) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    """Serve until a signal asks for the end."""
    with ThreadingHTTPServer(("", 80), Handler) as server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
