// SPDX-License-Identifier: GPL-2.0-only
// An HTTP server: says who it is, and computes digests in a worker thread.
"use strict";
const crypto = require("crypto");
const http = require("http");
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");

function answer(response, status, text) {
  response.writeHead(status, { "Content-Type": "text/plain", "Content-Length": Buffer.byteLength(text) });
  response.end(text);
}

function serve(request, response) {
  const url = new URL(request.url, "http://localhost");
  if (url.pathname === "/") {
    answer(response, 200, `Node.js ${process.version} on ${process.platform}\n`);
  } else if (url.pathname === "/sha256") {
    const worker = new Worker(__filename, { workerData: url.searchParams.get("text") });
    worker.once("message", (digest) => answer(response, 200, digest));
    worker.once("error", (error) => answer(response, 500, `${error}\n`));
  } else {
    answer(response, 404, "there is nothing here\n");
  }
}

if (isMainThread) {
  const server = http.createServer(serve);
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => server.close(() => process.exit(0)));
  }
  server.listen(80);
} else {
  parentPort.postMessage(crypto.createHash("sha256").update(workerData).digest("hex"));
}
