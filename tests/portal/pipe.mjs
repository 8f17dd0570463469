//! A browser for measuring: Chromium over a plain pipe of its own protocol,
//! with nothing switched on but what a figure needs, because whoever traces the
//! network copies every frame. Keys and clicks go the way of a real keyboard and
//! mouse. For tests/portal/figures.mjs and tests/portal/endpoint/speed.mjs.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Longer than anything here takes. */
const LIMIT = 60_000;

/** The protocol over descriptors 3 and 4. */
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
    const answer = await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${method}: no answer in ${LIMIT / 1000} s: ${params.expression ?? ''}`)), LIMIT);
      this.#waiting.set(id, (message) => {
        clearTimeout(late);
        resolve(message);
      });
    });
    if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  }
}

/** One page of it. */
class Page {
  #ask;

  constructor(pipe, sessionId) {
    this.#ask = (method, params) => pipe.ask(method, params, sessionId);
  }

  async run(source) {
    const ask = { expression: `(async () => ${source})()`, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.#ask('Runtime.evaluate', ask);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? 'it threw');
    return result.value;
  }

  /** Calls a function of the caller's file in the page. */
  call(f, ...values) {
    return this.run(`await (${f})(${values.map((v) => JSON.stringify(v)).join()})`);
  }

  /** Waits until an expression is true in the page. */
  async until(what, source, tries = 300) {
    for (let at = 0; at < tries; at += 1) {
      // While a page loads there is nobody to ask.
      if (await this.run(`Boolean(${source})`).catch(() => false)) return;
      await new Promise((wake) => setTimeout(wake, 100));
    }
    throw new Error(`${what}: not in time; the page shows: ${await this.run("(document.querySelector('dialog[open], .stage.shown') ?? document.body).innerText.slice(0, 600)")}`);
  }

  /** A click of the mouse in the middle of the element. */
  async click(source) {
    const at = await this.run(`{ const e = ${source}; e.scrollIntoView({ block: 'nearest' }); const b = e.getBoundingClientRect(); return { x: b.x + b.width / 2, y: b.y + b.height / 2 }; }`);
    await this.#ask('Input.dispatchMouseEvent', { type: 'mouseMoved', ...at });
    for (const type of ['mousePressed', 'mouseReleased']) await this.#ask('Input.dispatchMouseEvent', { type, ...at, button: 'left', clickCount: 1 });
  }

  /** One key; `text` is what it writes. */
  async key(key, { code = '', number = 0, text = undefined, modifiers = 0 } = {}) {
    const common = { key, code, windowsVirtualKeyCode: number, modifiers };
    await this.#ask('Input.dispatchKeyEvent', { type: text === undefined ? 'rawKeyDown' : 'keyDown', text, ...common });
    await this.#ask('Input.dispatchKeyEvent', { type: 'keyUp', ...common });
  }

  goto(url) { return this.#ask('Page.navigate', { url }); }
}

/** Starts Chromium with a fresh profile; gives a page and how to stop. */
export async function browse(url, options = []) {
  const profile = mkdtempSync(path.join(tmpdir(), 'culvert-figures-'));
  const child = spawn(
    CHROMIUM,
    ['--headless=new', '--no-sandbox', '--remote-debugging-pipe', `--user-data-dir=${profile}`, ...options],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  );
  const stop = async () => {
    child.kill();
    await new Promise((gone) => (child.exitCode === null && child.signalCode === null ? child.once('exit', gone) : gone()));
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const pipe = new Pipe(child);
    const { targetId } = await pipe.ask('Target.createTarget', { url });
    const { sessionId } = await pipe.ask('Target.attachToTarget', { targetId, flatten: true });
    // A page in the background draws no frames.
    await pipe.ask('Page.bringToFront', {}, sessionId);
    await pipe.ask('Emulation.setFocusEmulationEnabled', { enabled: true }, sessionId);
    return { page: new Page(pipe, sessionId), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The value below which `share` of the values lie. */
export function percentile(values, share) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}
