/**
 * The class that a terminal page uses over a session's stream. Its messages
 * are in terminal/.
 *
 * Never interprets terminal output and never keeps a secret: answers and keys go
 * straight into one message. Texts of hosts are plain text: show them with
 * textContent.
 */

import { MAX_BODY, Unframer } from './terminal/bytes';
import { decode, encode } from './terminal/codec';
import {
  TerminalFormatError,
  type Exit,
  type FromPage,
  type HostKeyQuestion,
  type Prompt,
  type Ready,
  type Size,
  type Start,
  type ToPage,
  type Verdict,
} from './terminal/messages';

export { MAX_BODY, Unframer } from './terminal/bytes';
export { decode, encode } from './terminal/codec';
export * from './terminal/messages';

/** Typed bytes that are kept for a resumption: more than can be on the way. */
export const MAX_UNTOLD = 2 * 1024 * 1024;

/** What this file needs of a session's stream (`Stream` of ./index). */
export interface ByteStream {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Uint8Array>;
  reset(code: number): void;
}

export interface TerminalEvents {
  ready: (ready: Ready) => void;
  hostKeyQuestion: (question: HostKeyQuestion) => void;
  prompt: (prompt: Prompt) => void;
  banner: (text: string) => void;
  output: (bytes: Uint8Array) => void;
  /** `lost` bytes of output are gone before what follows. */
  resumed: (lost: number) => void;
  legacy: (text: string) => void;
  notice: (text: string) => void;
  /** The remote end is over, or never began; nothing follows. */
  over: (end: { exit: Exit } | { refused: { reason: number; text: string } }) => void;
  /** The stream broke: `resume` with a new stream within two minutes. */
  broken: (error: Error) => void;
}

/** What begins a terminal, for whoever sends it with the stream's opening. */
export const opening = (start: Start): Uint8Array => encode({ type: 'start', ...start });

/**
 * One terminal. `start` on the session's stream, `resume` on a new one after
 * `broken`; input typed meanwhile is sent then, none of it twice. What is typed
 * before a new terminal is ready was meant for a question (a password): it is
 * dropped, for the shell would run and show it.
 */
export class TerminalStream {
  private readonly on: Partial<TerminalEvents>;
  private readonly first: Start;
  private writer: WritableStreamDefaultWriter<Uint8Array> | null = null;
  private stream: ByteStream | null = null;
  private size: Size;
  /** The size that the gateway knows. */
  private saidSize: Size;
  private token: Uint8Array | null = null;
  private seen = 0;
  private told = 0;
  private untold: Uint8Array[] = [];
  private untoldLength = 0;
  private ready = false;
  /** The last start asked for a resumption. */
  private resuming = false;
  private isOver = false;

  private constructor(start: Start, on: Partial<TerminalEvents>) {
    this.first = start;
    this.size = { columns: start.columns, rows: start.rows };
    this.saidSize = this.size;
    this.on = on;
  }

  /** `said`: the stream was opened with `opening(start)`. */
  static start(
    stream: ByteStream,
    start: Start,
    on: Partial<TerminalEvents>,
    said = false,
  ): TerminalStream {
    const terminal = new TerminalStream(start, on);
    terminal.attach(stream, start, said);
    return terminal;
  }

  /** Goes on with a terminal of an earlier page: its last output is replayed. */
  static reopen(
    stream: ByteStream,
    start: Start,
    token: Uint8Array,
    on: Partial<TerminalEvents>,
  ): TerminalStream {
    const terminal = new TerminalStream(start, on);
    terminal.token = token;
    terminal.told = Number.NaN;
    terminal.resume(stream);
    return terminal;
  }

  /** To be kept (sessionStorage) by a page that wants to go on after a reload. */
  get resumeToken(): Uint8Array | null {
    return this.token;
  }

  get over(): boolean {
    return this.isOver;
  }

  resume(stream: ByteStream): void {
    if (this.token === null) throw new TerminalFormatError('this terminal cannot be resumed');
    this.attach(stream, {
      ...this.size,
      term: this.first.term,
      resume: { token: this.token, seen: this.seen },
    });
  }

  input(bytes: Uint8Array): void {
    if (this.isOver || bytes.length === 0) return;
    // Only a terminal that was ready once has a token.
    if (this.token === null) return;
    if (this.untoldLength + bytes.length > MAX_UNTOLD && !this.ready) {
      throw new TerminalFormatError('too much was typed while the terminal is not connected');
    }
    this.untold.push(bytes.slice());
    this.untoldLength += bytes.length;
    this.forget();
    if (this.ready) this.sendInput(bytes);
  }

  resize(size: Size): void {
    this.size = { columns: size.columns, rows: size.rows };
    if (this.ready) this.tellSize();
  }

  answer(prompt: Prompt, answers: string[]): void {
    this.send({ type: 'answer', prompt: prompt.id, answers });
  }

  privateKey(prompt: Prompt, key: string, passphrase = ''): void {
    this.send({ type: 'privateKey', prompt: prompt.id, key, passphrase });
  }

  hostKey(question: HostKeyQuestion, verdict: Verdict): void {
    this.send({ type: 'hostKey', verdict, fingerprint: question.fingerprint });
  }

  legacy(verdict: Verdict): void {
    this.send({ type: 'legacy', verdict });
  }

  /** Ends the terminal for good; the host is told. */
  close(): void {
    this.send({ type: 'close' });
    this.isOver = true;
    void this.writer?.close().catch(() => undefined);
  }

  private attach(stream: ByteStream, start: Start, said = false): void {
    this.stream?.reset(304);
    this.ready = false;
    this.stream = stream;
    this.writer = stream.writable.getWriter();
    this.resuming = start.resume !== undefined;
    this.saidSize = { columns: start.columns, rows: start.rows };
    if (!said) this.send({ type: 'start', ...start });
    void this.read(stream);
  }

  private async read(stream: ByteStream): Promise<void> {
    const unframer = new Unframer();
    const reader = stream.readable.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (this.stream !== stream) return;
        if (done) break;
        for (const { kind, body } of unframer.push(value)) {
          const message = decode(kind, body);
          if (message !== null) this.took(message);
        }
      }
      if (!this.isOver) this.broke(new Error('the stream ended'));
    } catch (error) {
      if (this.stream !== stream || this.isOver) return;
      if (error instanceof TerminalFormatError) stream.reset(504);
      this.broke(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private took(message: ToPage): void {
    switch (message.type) {
      case 'ready':
        this.token = message.token;
        this.on.ready?.(message);
        // A resumption says first how much of the input has arrived.
        if (!this.resuming) this.began(0);
        return;
      case 'replayed':
        this.on.resumed?.(Math.max(0, message.from - this.seen));
        this.seen = message.from;
        this.began(message.input);
        return;
      case 'output':
        this.seen += message.bytes.length;
        this.on.output?.(message.bytes);
        return;
      case 'exit':
        this.isOver = true;
        this.on.over?.({ exit: message.exit });
        return;
      case 'refused':
        this.isOver = true;
        this.on.over?.({ refused: { reason: message.reason, text: message.text } });
        return;
      case 'hostKeyQuestion':
        return this.on.hostKeyQuestion?.(message);
      case 'prompt':
        return this.on.prompt?.(message);
      case 'banner':
        return this.on.banner?.(message.text);
      case 'legacy':
        return this.on.legacy?.(message.text);
      case 'notice':
        return this.on.notice?.(message.text);
      // Left by telnet's pages alone (worker/kept.ts).
      case 'note':
        return;
    }
  }

  /** Sends what the gateway has not got, from its count on. */
  private began(got: number): void {
    this.ready = true;
    this.tellSize();
    if (Number.isNaN(this.told)) this.told = got;
    let skip = got - this.told;
    for (const piece of this.untold) {
      if (skip < piece.length) this.sendInput(piece.subarray(Math.max(0, skip)));
      skip -= piece.length;
    }
  }

  private tellSize(): void {
    const { columns, rows } = this.size;
    if (columns === this.saidSize.columns && rows === this.saidSize.rows) return;
    this.saidSize = this.size;
    this.send({ type: 'resize', columns, rows });
  }

  private sendInput(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += MAX_BODY) {
      this.send({ type: 'input', bytes: bytes.subarray(at, at + MAX_BODY) });
    }
  }

  /** Only the last MAX_UNTOLD bytes can be on the way. */
  private forget(): void {
    for (let oldest = this.untold[0]; oldest !== undefined; oldest = this.untold[0]) {
      if (this.untoldLength - oldest.length < MAX_UNTOLD) return;
      this.untold.shift();
      this.untoldLength -= oldest.length;
      this.told += oldest.length;
    }
  }

  private send(message: FromPage): void {
    // A broken stream shows at its reading side.
    void this.writer?.write(encode(message)).catch(() => undefined);
  }

  private broke(error: Error): void {
    this.ready = false;
    this.on.broken?.(error);
  }
}
