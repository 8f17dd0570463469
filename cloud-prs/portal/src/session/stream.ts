//! A stream of a session, as the page sees it: two web streams over a port.
//!
//! Reading grants the worker room, so a slow reader slows the host down
//! (QUIC's flow control); writing waits while too much is on the way. Never
//! keeps more than `READ_WINDOW` bytes for a reader that does not read.

import { SessionError, internal } from './errors';
import { type FromStream, PIECE, READ_WINDOW, type ToStream, WRITE_WINDOW } from './messages';
import type { SessionEnd, TelnetStream } from './types';
import type { Told } from './worker/kept';

/** Both halves; a telnet conversation is one whose worker speaks telnet. */
export class PortStream implements TelnetStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly closed: Promise<SessionEnd>;

  #port: MessagePort;
  #told: ((message: Told) => void) | undefined;
  #reader!: ReadableStreamDefaultController<Uint8Array>;
  #writer!: WritableStreamDefaultController;
  #settle!: (end: SessionEnd) => void;
  /** Room granted to the worker and not yet used. */
  #granted = READ_WINDOW;
  /** Bytes handed to the worker and not yet taken by QUIC. */
  #underway = 0;
  #room: (() => void) | null = null;
  #readEnded = false;
  #over: SessionEnd | null = null;

  constructor(port: MessagePort, told?: (message: Told) => void) {
    this.#port = port;
    this.#told = told;
    this.closed = new Promise((settle) => (this.#settle = settle));
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.#reader = controller),
        pull: () => this.#grant(),
        cancel: (reason) => this.#stop(reason),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: READ_WINDOW }),
    );
    this.writable = new WritableStream<Uint8Array>({
      start: (controller) => void (this.#writer = controller),
      write: (chunk) => this.#write(chunk),
      close: () => this.#finish(),
      abort: (reason) => this.#say({ reset: codeOf(reason) }),
    });
    port.onmessage = (message: MessageEvent<FromStream>) => this.#take(message.data);
  }

  reset(code: number): void {
    this.#say({ reset: code });
  }

  resize(cols: number, rows: number): void {
    this.#say({ resize: [cols, rows] });
  }

  /** The worker is gone, and every stream with it. */
  lost(end: SessionEnd): void {
    this.#end(end);
  }

  #take(message: FromStream): void {
    if ('data' in message) {
      this.#granted -= message.data.byteLength;
      if (!this.#readEnded) this.#reader.enqueue(message.data);
    } else if ('took' in message) {
      this.#underway -= message.took;
      this.#wake();
    } else if ('told' in message) {
      this.#told?.(message.told);
    } else if ('end' in message) {
      this.#endReading();
    } else {
      this.#end(message.over);
    }
  }

  #grant(): void {
    const room = (this.#reader.desiredSize ?? 0) - this.#granted;
    // Not for every few bytes: each grant is a message.
    if (room >= READ_WINDOW / 4) {
      this.#granted += room;
      this.#say({ more: room });
    }
  }

  #stop(reason: unknown): void {
    this.#readEnded = true;
    this.#say({ stop: codeOf(reason) });
  }

  async #write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.byteLength; at += PIECE) {
      const data = chunk.slice(at, at + PIECE);
      this.#underway += data.byteLength;
      this.#port.postMessage({ data } satisfies ToStream, [data.buffer]);
      while (this.#underway >= WRITE_WINDOW && !this.#over) {
        await new Promise<void>((wake) => (this.#room = wake));
      }
      if (this.#over) throw new SessionError(this.#over);
    }
  }

  async #finish(): Promise<void> {
    this.#say({ finish: true });
    while (this.#underway > 0 && !this.#over) {
      await new Promise<void>((wake) => (this.#room = wake));
    }
  }

  #endReading(): void {
    if (this.#readEnded) return;
    this.#readEnded = true;
    this.#reader.close();
  }

  #end(end: SessionEnd): void {
    if (this.#over) return;
    this.#over = end;
    if (!this.#readEnded) {
      this.#readEnded = true;
      this.#reader.error(new SessionError(end));
    }
    // Does nothing to a side that was closed cleanly.
    this.#writer.error(new SessionError(end));
    this.#wake();
    this.#port.close();
    this.#settle(end);
  }

  #wake(): void {
    const wake = this.#room;
    this.#room = null;
    wake?.();
  }

  #say(message: ToStream): void {
    if (!this.#over) this.#port.postMessage(message);
  }
}

/** The number of a reason given to `cancel` or `abort`; else "closed by the technician". */
function codeOf(reason: unknown): number {
  return reason instanceof SessionError ? reason.code : 1;
}

/** A stream whose worker could not be reached. */
export const GONE = internal('The session’s worker has stopped: open the session again.');
