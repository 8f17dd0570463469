//! A stream in the worker: between the page's port and the endpoint.
//!
//! Reads only as much as the page has granted, so that QUIC's window closes on
//! a page that does not read; keeps what QUIC does not take and tells the page
//! when it has. With telnet the options are taken out and put in here.

import { type FromStream, PIECE, READ_WINDOW, type Opening, type ToStream } from '../messages';
import type { SessionEnd } from '../types';
import { type End, Talk } from '../wasm/culvert_endpoint';
import { KeptTelnet } from './kept';
import type { Pump } from './pump';

/** Answers of telnet that may wait before no more is read from the host. */
const TALK_WAITING = 64 * 1024;

/** Bytes for the host, and how many of the page's they stand for. */
interface Waiting {
  data: Uint8Array;
  at: number;
  page: number;
}

export class WorkerStream {
  readonly key: number;

  #end: End;
  #pump: Pump;
  #port: MessagePort;
  #talk: Talk | null = null;
  #kept: KeptTelnet | null = null;
  #granted = READ_WINDOW;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #finishing = false;
  /** Typed before it is known what was agreed on; the page has written no more than may wait. */
  #held: Uint8Array[] = [];

  constructor(key: number, what: Opening, port: MessagePort, end: End, pump: Pump) {
    this.key = key;
    this.#end = end;
    this.#pump = pump;
    this.#port = port;
    if (what.telnet) {
      const { terminal, cols, rows, charset } = what.telnet;
      this.#talk = new Talk(terminal, cols, rows, charset);
      if (what.telnet.kept) this.#kept = new KeptTelnet(this.#talk, what.telnet.kept === 'resumed');
    }
    port.onmessage = ({ data }: MessageEvent<ToStream>) => {
      this.#take(data);
      this.#pump.schedule();
    };
  }

  /** The endpoint may have something to read. */
  read(): void {
    while (this.#granted > 0 && this.#waitingBytes < TALK_WAITING) {
      const count = this.#end.read(this.key, Math.min(this.#granted, PIECE));
      if (count === 0) return;
      if (this.#kept) this.#takeKept(this.#kept, this.#pump.lent(count).slice());
      else if (this.#talk) this.#show(this.#talk.host(this.#pump.lent(count)) as Uint8Array<ArrayBuffer>);
      else this.#hand(this.#pump.lent(count).slice());
    }
  }

  /** The endpoint takes bytes again. */
  write(): void {
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      const taken = this.#end.write(this.key, first.data.subarray(first.at));
      first.at += taken;
      this.#waitingBytes -= taken;
      if (first.at < first.data.byteLength) return;
      this.#waiting.shift();
      if (first.page > 0) this.#say({ took: first.page });
    }
    if (this.#finishing) this.#end.finish(this.key);
    else if (this.#talk) this.read();
  }

  /** The host has ended its direction, and everything was read. */
  ended(): void {
    this.#say({ end: true });
  }

  /** Both ways are over. */
  over(end: SessionEnd): void {
    this.#say({ over: end });
    this.#port.close();
    this.#talk?.free();
    this.#talk = null;
  }

  #take(message: ToStream): void {
    if ('data' in message) this.#typed(message.data);
    else if ('more' in message) {
      this.#granted += message.more;
      this.read();
    } else if ('finish' in message) {
      this.#finishing = true;
      if (this.#kept) this.#queue(this.#kept.farewell, 0);
      else this.write();
    } else if ('stop' in message) this.#end.stop(this.key, message.stop);
    else if ('reset' in message) this.#end.reset(this.key, message.reset);
    else if (this.#talk) {
      this.#talk.resize(...message.resize);
      this.#answer(0);
    }
  }

  #typed(data: Uint8Array): void {
    if (!this.#talk) return this.#queue(data, data.byteLength);
    if (this.#kept?.holds) return void this.#held.push(data);
    const shown = this.#talk.typed(data) as Uint8Array<ArrayBuffer>;
    this.#answer(data.byteLength);
    this.#show(shown);
  }

  #takeKept(kept: KeptTelnet, piece: Uint8Array): void {
    try {
      const out = kept.take(piece, {
        show: (bytes) => { if (bytes.byteLength > 0) this.#hand(bytes as Uint8Array<ArrayBuffer>); },
        told: (told) => this.#say({ told }),
      });
      // Behind all of it: sending may read on.
      if (out.byteLength > 0) this.#queue(out, 0);
      if (!kept.holds) for (const typed of this.#held.splice(0)) this.#typed(typed);
    } catch {
      // What comes is not what was agreed on: reason 504 of docs/wire.md.
      this.#end.reset(this.key, 504);
      this.#end.stop(this.key, 504);
    }
  }

  /** What telnet shows: the host's bytes, or its own echo. */
  #show(shown: Uint8Array<ArrayBuffer>): void {
    if (shown.byteLength > 0) this.#hand(shown);
    this.#answer(0);
  }

  /** What telnet has for the host; stands for so many bytes of the page. */
  #answer(page: number): void {
    const out = this.#talk?.out();
    if (out && (out.byteLength > 0 || page > 0)) this.#queue(this.#kept && out.byteLength > 0 ? this.#kept.framed(out) : out, page);
  }

  #queue(data: Uint8Array, page: number): void {
    this.#waiting.push({ data, at: 0, page });
    this.#waitingBytes += data.byteLength;
    this.write();
  }

  #hand(data: Uint8Array<ArrayBuffer>): void {
    this.#granted -= data.byteLength;
    this.#port.postMessage({ data } satisfies FromStream, [data.buffer]);
  }

  #say(message: FromStream): void {
    this.#port.postMessage(message);
  }
}
