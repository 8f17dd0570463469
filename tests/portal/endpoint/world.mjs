// What the test and the measurement share: the page, built, behind a door.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'vite';

import { Door } from './door.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

export function need(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: cargo test -p culvert-e2e --test browser sets it`);
  return value;
}

/** Builds the page and opens a door to the server; gives both back when done. */
export async function start() {
  execFileSync(path.join(here, 'node_modules/.bin/tsc'), ['-p', here], { stdio: 'inherit' });
  const folder = mkdtempSync(path.join(tmpdir(), 'endpoint-test-'));
  await build({
    root: here,
    base: '/endpoint-test/',
    logLevel: 'warn',
    configFile: false,
    worker: { format: 'es' },
    build: { outDir: folder, emptyOutDir: true, target: 'es2022', assetsInlineLimit: 0 },
  });
  const door = new Door(need('CULVERT_URL'), folder);
  const origin = await door.open();
  const stop = () => {
    door.shut();
    rmSync(folder, { recursive: true, force: true });
  };
  return { door, stop, address: `${origin}/endpoint-test/index.html` };
}

/** Runs in the page: signing in, opening a session, reading text. */
export async function helpers(name, password) {
  const ask = async (method, path, body) => {
    const answer = await fetch(path, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  };
  const open = async (host, protocol) => {
    const { newEndKey, connect } = globalThis.culvert;
    const [endKey, { hosts }] = await Promise.all([
      newEndKey(),
      ask('GET', `/api/v1/hosts?q=${encodeURIComponent(host)}`),
    ]);
    const found = hosts.find((one) => one.name === host);
    if (!found) throw new Error(`no host ${host}`);
    const wanted = { host: found.id, protocol, end_key: endKey.publicKey };
    const answer = await ask('POST', '/api/v1/sessions', wanted);
    const session = await connect({ answer, endKey });
    session.states = [session.state];
    session.on('state', (state) => session.states.push(state));
    return session;
  };
  /** Reads until `enough` says so. */
  const readText = async (stream, enough) => {
    const reader = stream.readable.getReader();
    const decoder = new TextDecoder();
    let text = '';
    while (!enough(text)) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
      globalThis.lastRead = text;
    }
    reader.releaseLock();
    return text;
  };
  Object.assign(globalThis, { t: { ask, open, readText } });
  await ask('POST', '/api/v1/sign-in', { name, password });
}
