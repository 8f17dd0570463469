// A door in front of the server: serves the test's own page, passes the rest
// on, and cuts or holds up browsers' links when a test wants it.
//
// To the server everything comes from its own origin, since the page under
// test stands in for the portal's.

import { readFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
};

export class Door {
  /** Links that stand now. */
  links = new Set();
  /** How many were opened. */
  opened = 0;
  /** New links are refused. */
  closed = false;

  #server;

  constructor(server, folder) {
    this.#server = new URL(server);
    this.http = http.createServer((request, answer) => {
      const name = new URL(request.url, server).pathname;
      if (name.startsWith('/endpoint-test/')) void this.#file(folder, name, answer);
      else this.#pass(request, answer);
    });
    this.http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  async open() {
    await new Promise((done) => this.http.listen(0, '127.0.0.1', done));
    this.origin = `http://localhost:${this.http.address().port}`;
    return this.origin;
  }

  /** Breaks every link, as a dead line would. */
  cut() {
    for (const link of this.links) link.destroy();
  }

  shut() {
    this.cut();
    this.http.closeAllConnections();
    this.http.close();
  }

  async #file(folder, name, answer) {
    const file = path.join(folder, name.slice('/endpoint-test'.length));
    try {
      const bytes = await readFile(file);
      answer.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'text/plain' });
      answer.end(bytes);
    } catch {
      answer.writeHead(404).end();
    }
  }

  #headers(request) {
    const headers = { ...request.headers, host: this.#server.host };
    if (headers.origin === this.origin) headers.origin = this.#server.origin;
    return headers;
  }

  #pass(request, answer) {
    const options = { method: request.method, headers: this.#headers(request) };
    const asked = http.request(new URL(request.url, this.#server), options, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    asked.on('error', () => answer.writeHead(502).end());
    request.pipe(asked);
  }

  #upgrade(request, socket, head) {
    socket.on('error', () => undefined);
    if (this.closed) return void socket.destroy();
    const server = net.connect(Number(this.#server.port), this.#server.hostname, () => {
      const lines = [`GET ${request.url} HTTP/1.1`];
      for (const [name, value] of Object.entries(this.#headers(request))) {
        lines.push(`${name}: ${value}`);
      }
      server.write(`${lines.join('\r\n')}\r\n\r\n`);
      server.write(head);
      socket.pipe(server).pipe(socket);
      this.opened += 1;
      this.links.add(socket);
    });
    server.setNoDelay(true);
    server.on('error', () => socket.destroy());
    server.on('close', () => socket.destroy());
    socket.on('close', () => {
      this.links.delete(socket);
      server.destroy();
    });
  }
}
