// Measures the endpoint in a real browser: throughput gateway → browser, and
// from a typed key to its echo. Prints one line of JSON. Started by
// `./bench portal`, which makes the world. Over a plain pipe of the browser's
// own protocol with nothing switched on but Runtime and Page: whoever traces
// the network copies every frame.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { CHROMIUM, helpers, need, start } from './world.mjs';

/** The browser's own protocol over descriptors 3 and 4. */
class Pipe {
  #last = 0;
  #waiting = new Map();
  #rest = '';

  constructor(child) {
    this.out = child.stdio[3];
    child.stdio[4].on('data', (chunk) => {
      const parts = (this.#rest + chunk).split('\0');
      this.#rest = parts.pop();
      for (const part of parts) {
        const message = JSON.parse(part);
        this.#waiting.get(message.id)?.(message);
        this.#waiting.delete(message.id);
      }
    });
  }

  async ask(method, params = {}, sessionId = undefined) {
    const id = ++this.#last;
    this.out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    const answer = await new Promise((resolve) => this.#waiting.set(id, resolve));
    if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  }
}

/** Runs in the page: bytes per second of a long answer, and the page's longest pause. */
async function throughput(seconds) {
  const session = await t.open('device', 'http');
  const stream = await session.open('target', 0, 'bulk');
  const writer = stream.writable.getWriter();
  const ask = 'GET /blob HTTP/1.1\r\nHost: device\r\nConnection: close\r\n\r\n';
  await writer.write(new TextEncoder().encode(ask));
  const reader = stream.readable.getReader();
  let last = performance.now();
  let pause = 0;
  const beat = setInterval(() => {
    pause = Math.max(pause, performance.now() - last);
    last = performance.now();
  }, 10);
  let bytes = 0;
  // The first second is for windows to open.
  const warm = performance.now() + 1000;
  let begun = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error('the file is too short');
    const now = performance.now();
    if (now >= warm) {
      begun ||= now;
      bytes += value.byteLength;
      if (now - begun >= seconds * 1000) break;
    }
  }
  const took = performance.now() - begun;
  clearInterval(beat);
  session.close();
  await session.closed;
  return { mbits: (bytes * 8) / took / 1000, pause };
}

/** Runs in the page: milliseconds from each typed key to its echo. */
async function echoes(account, password, count) {
  const session = await t.open('server', 'telnet');
  const stream = await session.telnet(0);
  const writer = stream.writable.getWriter();
  const type = (text) => writer.write(new TextEncoder().encode(text));
  await t.readText(stream, (text) => /login: *$/i.test(text));
  await type(`${account}\r`);
  await t.readText(stream, (text) => /password: *$/i.test(text));
  await type(`${password}\r`);
  // What is typed before the shell is there, login throws away.
  await t.readText(stream, (text) => /\$ $/.test(text));
  await type("stty raw -echo; echo RE'ADY'; exec cat\r");
  await t.readText(stream, (text) => text.includes('READY'));
  await new Promise((wake) => setTimeout(wake, 500));
  const reader = stream.readable.getReader();
  const took = [];
  for (let at = 0; at < count; at += 1) {
    const begun = performance.now();
    await type('k');
    await reader.read();
    took.push(performance.now() - begun);
    await new Promise((wake) => setTimeout(wake, 20));
  }
  session.close();
  await session.closed;
  return took;
}

const { stop, address } = await start();
const profile = mkdtempSync(path.join(tmpdir(), 'endpoint-speed-'));
const child = spawn(
  CHROMIUM,
  ['--headless=new', '--no-sandbox', '--remote-debugging-pipe', `--user-data-dir=${profile}`],
  { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
);
try {
  const pipe = new Pipe(child);
  const { targetId } = await pipe.ask('Target.createTarget', { url: address });
  const { sessionId } = await pipe.ask('Target.attachToTarget', { targetId, flatten: true });
  const run = async (source) => {
    const expression = `(async () => ${source})()`;
    const ask = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await pipe.ask('Runtime.evaluate', ask, sessionId);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? 'it threw');
    return result.value;
  };
  const call = (f, ...values) => run(`await (${f})(${values.map((v) => JSON.stringify(v)).join()})`);
  for (let tries = 0; (await run("typeof globalThis.culvert === 'object'")) !== true; tries += 1) {
    if (tries > 100) throw new Error('the page did not load');
    await new Promise((wake) => setTimeout(wake, 100));
  }
  await call(helpers, need('CULVERT_NAME'), need('CULVERT_PASSWORD'));
  const speeds = [];
  for (let round = 0; round < 3; round += 1) speeds.push(await call(throughput, 5));
  const who = [need('CULVERT_ACCOUNT'), need('CULVERT_ACCOUNT_PASSWORD')];
  const took = await call(echoes, ...who, 200);
  took.sort((one, other) => one - other);
  speeds.sort((one, other) => one.mbits - other.mbits);
  const result = {
    mbits: speeds[1].mbits,
    slowest: speeds[0].mbits,
    pause: Math.max(...speeds.map((speed) => speed.pause)),
    echo: took[took.length / 2],
    echo_p95: took[Math.ceil(took.length * 0.95) - 1],
  };
  console.log(JSON.stringify(result));
} finally {
  child.kill();
  stop();
  await new Promise((gone) => (child.exitCode === null ? child.once('exit', gone) : gone()));
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}
