//! The worker's event loop around the endpoint in WebAssembly: one turn for
//! each macrotask, however many messages came.
//!
//! A turn acts on timers, hands out events, sends what is to be sent and sets
//! the next timer. Sockets and streams are others' (`link.ts`, `streams.ts`).

import type { End } from '../wasm/culvert_endpoint';

/** Kinds of events: `End.poll` (endpoint/src/web.rs). */
export const Kind = {
  LinkWanted: 1,
  LinkUseless: 2,
  RenewalWanted: 3,
  State: 4,
  Quality: 5,
  Accepted: 6,
  Refused: 7,
  Readable: 8,
  Writable: 9,
  Over: 10,
  Closed: 11,
  Ended: 12,
} as const;

/** Where messages go. */
export interface Way {
  /** Whether more may be handed over now. */
  room(): boolean;
  /** Takes a message; the bytes are lent for the call only. */
  send(message: Uint8Array<ArrayBuffer>): void;
}

export class Pump {
  way: Way | null = null;

  #end: End;
  #memory: WebAssembly.Memory;
  #take: (kind: number) => void;
  #turn = new MessageChannel();
  #pending = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(end: End, memory: WebAssembly.Memory, take: (kind: number) => void) {
    this.#end = end;
    this.#memory = memory;
    this.#take = take;
    this.#turn.port1.onmessage = () => {
      this.#pending = false;
      this.#run();
    };
  }

  /** Something has changed: a turn follows. */
  schedule(): void {
    if (this.#pending) return;
    this.#pending = true;
    this.#turn.port2.postMessage(null);
  }

  /** So many bytes that the endpoint has just read or made, lent for a moment. */
  lent(length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#memory.buffer as ArrayBuffer, this.#end.bytes_ptr(), length);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#turn.port1.close();
  }

  #run(): void {
    this.#end.tick();
    do this.#events();
    while (this.#send());
    this.#sleep();
  }

  #events(): void {
    for (let kind = this.#end.poll(); kind !== 0; kind = this.#end.poll()) this.#take(kind);
  }

  /** Whether something was sent, and so may have led to events. */
  #send(): boolean {
    const way = this.way;
    if (!way) return false;
    let any = false;
    for (;;) {
      const length = this.#end.send(way.room());
      if (length === 0) return any;
      any = true;
      way.send(this.lent(length));
    }
  }

  #sleep(): void {
    clearTimeout(this.#timer);
    const timeout = this.#end.timeout();
    // A timer counts 31 bits of milliseconds.
    if (timeout >= 0) this.#timer = setTimeout(() => this.#run(), Math.min(timeout, 1e9));
  }
}
