/**
 * The terminal stream's messages (docs/wire.md, "Terminals"), and the class that
 * a terminal page uses over a session's stream.
 *
 * Never interprets terminal output and never keeps a secret: answers and keys go
 * straight into one message. Texts of hosts are plain text: show them with
 * textContent. The bytes are held by terminal.golden.json, which the Rust tests
 * of wire::terminal share.
 */

export const MAX_BODY = 64 * 1024;
/** Typed bytes that are kept for a resumption: more than can be on the way. */
export const MAX_UNTOLD = 2 * 1024 * 1024;

/** What this file needs of a session's stream (`Stream` of ./index). */
export interface ByteStream {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Uint8Array>;
  reset(code: number): void;
}

export interface Size {
  columns: number;
  rows: number;
}

/** `never`: refused for good; only the box itself can lift that. */
export type Verdict = 'refuse' | 'once' | 'remember' | 'never';

export interface Start extends Size {
  /** TERM, such as `xterm-256color`. */
  term: string;
  account?: string | undefined;
  resume?: { token: Uint8Array; seen: number } | undefined;
  /** As the server stores it (SessionAnswer.credentials[].sealed, decoded). */
  sealed?: Uint8Array | undefined;
}

export type FromPage =
  | ({ type: 'start' } & Start)
  | { type: 'input'; bytes: Uint8Array }
  | ({ type: 'resize' } & Size)
  | { type: 'answer'; prompt: number; answers: string[] }
  | { type: 'hostKey'; verdict: Verdict; fingerprint: string }
  | { type: 'privateKey'; prompt: number; key: string; passphrase: string }
  | { type: 'close' }
  | { type: 'legacy'; verdict: Verdict };

export interface Ready {
  token: Uint8Array;
  account: string;
  algorithm: string;
  fingerprint: string;
}

export interface HostKeyQuestion {
  /** `revoked` cannot be accepted. */
  state: 'new' | 'changed' | 'revoked';
  algorithm: string;
  fingerprint: string;
  oldFingerprint?: string;
  since?: Date;
}

export interface Prompt {
  id: number;
  kind: 'account' | 'password' | 'interactive' | 'key' | 'passphrase';
  name: string;
  instruction: string;
  questions: { text: string; echo: boolean }[];
}

export type Exit =
  | { kind: 'status'; status: number }
  | { kind: 'signal'; name: string; text: string }
  | { kind: 'lost'; reason: number; text: string };

export type ToPage =
  | ({ type: 'ready' } & Ready)
  | ({ type: 'hostKeyQuestion' } & HostKeyQuestion)
  | ({ type: 'prompt' } & Prompt)
  | { type: 'banner'; text: string }
  | { type: 'output'; bytes: Uint8Array }
  | { type: 'exit'; exit: Exit }
  | { type: 'refused'; reason: number; text: string }
  | { type: 'replayed'; from: number; input: number }
  | { type: 'legacy'; text: string }
  | { type: 'notice'; text: string };

/** The bytes are not a message of this version. */
export class TerminalFormatError extends Error {}

const VERDICTS: Verdict[] = ['refuse', 'once', 'remember', 'never'];
const KEY_STATES: HostKeyQuestion['state'][] = ['new', 'changed', 'revoked'];
const PROMPT_KINDS: Prompt['kind'][] = ['account', 'password', 'interactive', 'key', 'passphrase'];

class Writer {
  private readonly parts: number[] = [];

  u8(value: number): void {
    this.parts.push(value & 0xff);
  }
  u16(value: number): void {
    this.parts.push((value >>> 8) & 0xff, value & 0xff);
  }
  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value & 0xffff);
  }
  u64(value: number): void {
    this.u32(Math.floor(value / 2 ** 32));
    this.u32(value >>> 0);
  }
  put(bytes: Uint8Array): void {
    for (const byte of bytes) this.parts.push(byte);
  }
  bytes16(bytes: Uint8Array): void {
    if (bytes.length > 0xffff) throw new TerminalFormatError('too long for a message');
    this.u16(bytes.length);
    this.put(bytes);
  }
  text(text: string): void {
    this.bytes16(new TextEncoder().encode(text));
  }
  framed(kind: number): Uint8Array {
    return framed(kind, Uint8Array.from(this.parts));
  }
}

class Reader {
  private at = 0;
  private readonly utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(private readonly bytes: Uint8Array) {}

  take(length: number): Uint8Array {
    const end = this.at + length;
    if (end > this.bytes.length) throw new TerminalFormatError('a message ends too early');
    const slice = this.bytes.slice(this.at, end);
    this.at = end;
    return slice;
  }
  u8(): number {
    return this.take(1)[0] as number;
  }
  u16(): number {
    return this.u8() * 0x100 + this.u8();
  }
  u32(): number {
    return this.u16() * 0x10000 + this.u16();
  }
  u64(): number {
    const value = this.u32() * 2 ** 32 + this.u32();
    if (!Number.isSafeInteger(value)) throw new TerminalFormatError('a number is too large');
    return value;
  }
  text(): string {
    try {
      return this.utf8.decode(this.take(this.u16()));
    } catch (error) {
      if (error instanceof TerminalFormatError) throw error;
      throw new TerminalFormatError('a text is not UTF-8');
    }
  }
  option<T>(read: () => T): T | undefined {
    switch (this.u8()) {
      case 0:
        return undefined;
      case 1:
        return read();
      default:
        throw new TerminalFormatError('an option is neither there nor not');
    }
  }
  one<T>(known: T[]): T {
    const value = known[this.u8()];
    if (value === undefined) throw new TerminalFormatError('a value is unknown');
    return value;
  }
  end(): void {
    if (this.at !== this.bytes.length) throw new TerminalFormatError('a message is too long');
  }
}

function framed(kind: number, body: Uint8Array): Uint8Array {
  if (body.length > MAX_BODY) throw new TerminalFormatError('too long for a message');
  const out = new Uint8Array(4 + body.length);
  out.set([kind, body.length >>> 16, (body.length >>> 8) & 0xff, body.length & 0xff]);
  out.set(body, 4);
  return out;
}

/** A whole message of the page. */
export function encode(message: FromPage): Uint8Array {
  const out = new Writer();
  switch (message.type) {
    case 'start':
      return encodeStart(message);
    case 'input':
      return framed(0x02, message.bytes);
    case 'resize':
      out.u16(message.columns);
      out.u16(message.rows);
      return out.framed(0x03);
    case 'answer':
      out.u32(message.prompt);
      out.u8(message.answers.length);
      for (const answer of message.answers) out.text(answer);
      return out.framed(0x04);
    case 'hostKey':
      out.u8(VERDICTS.indexOf(message.verdict));
      out.text(message.fingerprint);
      return out.framed(0x05);
    case 'privateKey':
      out.u32(message.prompt);
      out.text(message.key);
      out.text(message.passphrase);
      return out.framed(0x06);
    case 'close':
      return out.framed(0x07);
    case 'legacy':
      out.u8(VERDICTS.indexOf(message.verdict));
      return out.framed(0x08);
  }
}

function encodeStart(start: Start): Uint8Array {
  const out = new Writer();
  out.u16(start.columns);
  out.u16(start.rows);
  out.text(start.term);
  out.u8(start.account === undefined ? 0 : 1);
  if (start.account !== undefined) out.text(start.account);
  out.u8(start.resume === undefined ? 0 : 1);
  if (start.resume !== undefined) {
    out.put(start.resume.token);
    out.u64(start.resume.seen);
  }
  out.u8(start.sealed === undefined ? 0 : 1);
  if (start.sealed !== undefined) out.bytes16(start.sealed);
  return out.framed(0x01);
}

/** A message of the gateway; `null` is one of a newer version to be skipped. */
export function decode(kind: number, body: Uint8Array): ToPage | null {
  const input = new Reader(body);
  const message = decodeKnown(kind, body, input);
  if (message === null) return null;
  if (message.type !== 'output') input.end();
  return message;
}

function decodeKnown(kind: number, body: Uint8Array, input: Reader): ToPage | null {
  switch (kind) {
    case 0x81:
      return {
        type: 'ready',
        token: input.take(16),
        account: input.text(),
        algorithm: input.text(),
        fingerprint: input.text(),
      };
    case 0x82:
      return { type: 'hostKeyQuestion', ...hostKeyQuestion(input) };
    case 0x83:
      return { type: 'prompt', ...prompt(input) };
    case 0x84:
      return { type: 'banner', text: input.text() };
    case 0x85:
      return { type: 'output', bytes: body };
    case 0x86:
      return { type: 'exit', exit: exit(input) };
    case 0x87:
      return { type: 'refused', reason: input.u16(), text: input.text() };
    case 0x88:
      return { type: 'replayed', from: input.u64(), input: input.u64() };
    case 0x89:
      return { type: 'legacy', text: input.text() };
    case 0x8a:
      return { type: 'notice', text: input.text() };
    default:
      if (kind & 0x40) return null;
      throw new TerminalFormatError('the gateway sent a message of a newer version: reload the page');
  }
}

function hostKeyQuestion(input: Reader): HostKeyQuestion {
  const question: HostKeyQuestion = {
    state: input.one(KEY_STATES),
    algorithm: input.text(),
    fingerprint: input.text(),
  };
  const old = input.option(() => input.text());
  if (old !== undefined) question.oldFingerprint = old;
  const since = input.option(() => input.u64());
  if (since !== undefined) question.since = new Date(since);
  return question;
}

function prompt(input: Reader): Prompt {
  const head = {
    id: input.u32(),
    kind: input.one(PROMPT_KINDS),
    name: input.text(),
    instruction: input.text(),
  };
  const questions: Prompt['questions'] = [];
  for (let left = input.u8(); left > 0; left -= 1) {
    questions.push({ text: input.text(), echo: input.one([false, true]) });
  }
  return { ...head, questions };
}

function exit(input: Reader): Exit {
  switch (input.u8()) {
    case 0:
      return { kind: 'status', status: input.u32() };
    case 1:
      return { kind: 'signal', name: input.text(), text: input.text() };
    case 2:
      return { kind: 'lost', reason: input.u16(), text: input.text() };
    default:
      throw new TerminalFormatError('an end of an unknown kind');
  }
}

/** Cuts the pieces of a stream into messages. */
export class Unframer {
  private held = new Uint8Array(0);

  push(piece: Uint8Array): { kind: number; body: Uint8Array }[] {
    const all = new Uint8Array(this.held.length + piece.length);
    all.set(this.held);
    all.set(piece, this.held.length);
    const messages: { kind: number; body: Uint8Array }[] = [];
    let at = 0;
    while (all.length - at >= 4) {
      const [kind, a, b, c] = all.subarray(at, at + 4) as unknown as [number, number, number, number];
      const length = a * 0x10000 + b * 0x100 + c;
      if (length > MAX_BODY) throw new TerminalFormatError('a message is too long');
      if (all.length - at - 4 < length) break;
      messages.push({ kind, body: all.slice(at + 4, at + 4 + length) });
      at += 4 + length;
    }
    this.held = all.slice(at);
    return messages;
  }
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

/**
 * One terminal. `start` on the session's stream, `resume` on a new one after
 * `broken`; input typed meanwhile is sent then, none of it twice.
 */
export class TerminalStream {
  private readonly on: Partial<TerminalEvents>;
  private readonly first: Start;
  private writer: WritableStreamDefaultWriter<Uint8Array> | null = null;
  private stream: ByteStream | null = null;
  private size: Size;
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
    this.on = on;
  }

  static start(stream: ByteStream, start: Start, on: Partial<TerminalEvents>): TerminalStream {
    const terminal = new TerminalStream(start, on);
    terminal.attach(stream, start);
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
    if (this.ready) this.send({ type: 'resize', ...this.size });
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

  private attach(stream: ByteStream, start: Start): void {
    this.stream?.reset(304);
    this.ready = false;
    this.stream = stream;
    this.writer = stream.writable.getWriter();
    this.send({ type: 'start', ...start });
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
    }
  }

  /** Sends what the gateway has not got, from its count on. */
  private began(got: number): void {
    this.ready = true;
    if (Number.isNaN(this.told)) this.told = got;
    let skip = got - this.told;
    for (const piece of this.untold) {
      if (skip < piece.length) this.sendInput(piece.subarray(Math.max(0, skip)));
      skip -= piece.length;
    }
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
    if (message.type === 'start') this.resuming = message.resume !== undefined;
    // A broken stream shows at its reading side.
    void this.writer?.write(encode(message)).catch(() => undefined);
  }

  private broke(error: Error): void {
    this.ready = false;
    this.on.broken?.(error);
  }
}
