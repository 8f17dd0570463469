//! The worker's WebSocket to the server: a fresh link ticket for each, bounded
//! in what waits in it.
//!
//! Knows nothing of what the messages hold; when to open the next one is the
//! endpoint's decision.

import type { End } from '../wasm/culvert_endpoint';
import type { Pump, Way } from './pump';
import type { Breaks } from './why';

/** Bytes that may wait in the WebSocket; QUIC's packets above are dropped. */
const MAX_WAITING = 128 * 1024;
/** Time for ticket and handshake. */
const PATIENCE = 15_000;
/** Reasons of docs/wire.md. */
const LINK_LOST = 303;
const SIGN_IN_NEEDED = 401;
const NOT_ALLOWED = 415;

export class ServerLink implements Way {
  #end: End;
  #pump: Pump;
  #socket: WebSocket | null = null;
  /** Counts attempts: what an earlier one brings is nobody's any more. */
  #attempt = 0;
  readonly breaks: Breaks = { count: 0, last: null };

  constructor(end: End, pump: Pump) {
    this.#end = end;
    this.#pump = pump;
  }

  room(): boolean {
    return (this.#socket?.bufferedAmount ?? 0) < MAX_WAITING;
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(message);
  }

  /** Opens a WebSocket with a new link ticket. */
  async open(): Promise<void> {
    this.drop();
    const attempt = this.#attempt;
    const asked = await linkTicket();
    if (attempt !== this.#attempt) return;
    if (typeof asked === 'number') {
      this.#end.link_failed(asked);
      this.#pump.schedule();
      return;
    }
    const nonce = this.#end.link_begins(asked.ticket);
    const socket = new WebSocket(address(), ['culvert.link.1', nonce]);
    socket.binaryType = 'arraybuffer';
    const patience = setTimeout(() => socket.close(), PATIENCE);
    let opened = false;
    socket.onopen = () => {
      opened = true;
      clearTimeout(patience);
    };
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      if (attempt !== this.#attempt) return;
      this.#end.message(new Uint8Array(data));
      this.#pump.schedule();
    };
    socket.onclose = () => {
      clearTimeout(patience);
      if (attempt !== this.#attempt) return;
      // One that never opened was no connection.
      if (opened) {
        this.breaks.count += 1;
        this.breaks.last = new Date();
      }
      this.#socket = null;
      this.#end.link_closed();
      this.#pump.schedule();
    };
    this.#socket = socket;
    this.#pump.way = this;
  }

  /** Lets the WebSocket go. */
  drop(): void {
    this.#attempt += 1;
    this.#socket?.close();
    this.#socket = null;
  }

  /** Waits, a moment at most, until the last words have left. */
  async drained(): Promise<void> {
    for (let waited = 0; waited < 300; waited += 10) {
      if ((this.#socket?.bufferedAmount ?? 0) === 0) return;
      await new Promise((wake) => setTimeout(wake, 10));
    }
  }
}

/** A link ticket, or the number of the reason why there is none. */
async function linkTicket(): Promise<{ ticket: string } | number> {
  try {
    const answer = await fetch(new URL('/api/v1/link-tickets', location.origin), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
      cache: 'no-store',
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.ok) return (await answer.json()) as { ticket: string };
    if (answer.status === 401) return SIGN_IN_NEEDED;
    return answer.status === 403 ? NOT_ALLOWED : LINK_LOST;
  } catch {
    return LINK_LOST;
  }
}

/** The browser's link of the server that this page came from. */
function address(): URL {
  const url = new URL('/link/browser', location.origin);
  url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:';
  return url;
}
