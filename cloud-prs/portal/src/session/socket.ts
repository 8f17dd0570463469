//! A WebSocket's face on a stream, for viewers that want a WebSocket (noVNC,
//! xterm's attach add-on).
//!
//! Such viewers take what comes and know no back-pressure towards the host;
//! `bufferedAmount` tells them about their own direction, as a WebSocket does.

import { SessionError } from './errors';
import type { SessionEnd, Stream } from './types';

/** `CloseEvent` codes: 1000 is a clean end, 4000 and more are applications' own. */
const CLEAN = 1000;
const OWN = 4000;

export class StreamSocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;

  readonly url = '';
  readonly protocol = '';
  readonly extensions = '';
  binaryType: BinaryType = 'arraybuffer';
  readyState: 0 | 1 | 2 | 3 = 0;
  bufferedAmount = 0;

  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;

  /** Why the stream ended, once it has. */
  ended: SessionEnd | null = null;

  #stream: Stream | null = null;
  #writer: WritableStreamDefaultWriter<Uint8Array> | null = null;

  /** Opens when the stream does; a refused stream is an error, then a close. */
  constructor(stream: Stream | Promise<Stream>) {
    super();
    Promise.resolve(stream).then(
      (opened) => this.#opened(opened),
      (error: unknown) => this.#failed(error),
    );
  }

  send(data: ArrayBuffer | ArrayBufferView | string): void {
    if (!this.#writer || this.readyState === this.CONNECTING) {
      throw new DOMException('the stream is not open yet', 'InvalidStateError');
    }
    if (this.readyState !== this.OPEN) return;
    const bytes = bytesOf(data);
    this.bufferedAmount += bytes.byteLength;
    this.#writer.write(bytes).then(
      () => void (this.bufferedAmount -= bytes.byteLength),
      // The stream's end tells why.
      () => undefined,
    );
  }

  close(): void {
    if (this.readyState >= this.CLOSING) return;
    this.readyState = 2;
    // Fails only when the stream ended meanwhile.
    this.#writer?.close().catch(() => undefined);
    this.#stream?.readable.cancel().catch(() => this.#stream?.reset(1));
  }

  #opened(stream: Stream): void {
    this.#stream = stream;
    this.#writer = stream.writable.getWriter();
    // The stream's own end tells why; nothing else listens to these.
    this.#writer.closed.catch(() => undefined);
    if (this.readyState === this.CLOSING) {
      stream.reset(1);
      this.#close({ code: 1, slug: 'closed_by_technician', sentence: '' });
      return;
    }
    this.readyState = 1;
    this.#fire(new Event('open'), this.onopen);
    void this.#read(stream);
  }

  async #read(stream: Stream): Promise<void> {
    const reader = stream.readable.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const exact = value.byteLength === value.buffer.byteLength ? value : value.slice();
        const data = this.binaryType === 'blob' ? new Blob([exact as BlobPart]) : exact.buffer;
        this.#fire(new MessageEvent('message', { data }), this.onmessage);
      }
      // The host has ended its direction: a WebSocket has only one end.
      await this.#writer?.close().catch(() => undefined);
    } catch {
      this.#fire(new Event('error'), this.onerror);
    }
    this.#close(await stream.closed);
  }

  #failed(error: unknown): void {
    this.#fire(new Event('error'), this.onerror);
    const sentence = error instanceof Error ? error.message : String(error);
    this.#close(error instanceof SessionError ? error : { code: 500, slug: 'internal', sentence });
  }

  #close(end: SessionEnd): void {
    if (this.readyState === this.CLOSED) return;
    this.readyState = 3;
    this.ended = end;
    const clean = end.code < 100;
    const code = clean ? CLEAN : OWN + Math.min(end.code, 999);
    // A close frame's text is at most 123 bytes; nobody needs more here either.
    const event = new CloseEvent('close', { code, reason: end.sentence, wasClean: clean });
    this.#fire(event, this.onclose);
  }

  #fire<E extends Event>(event: E, handler: ((event: E) => void) | null): void {
    this.dispatchEvent(event);
    handler?.call(this, event);
  }
}

function bytesOf(data: ArrayBuffer | ArrayBufferView | string): Uint8Array {
  if (typeof data === 'string') return new TextEncoder().encode(data);
  // A WebSocket copies at once; noVNC goes on writing into the same buffer.
  if (data instanceof ArrayBuffer) return new Uint8Array(data).slice();
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength).slice();
}
