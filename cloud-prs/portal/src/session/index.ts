//! Sessions for pages: the browser as a full end of a session.
//!
//! One worker per session holds the keys, the link to the server and QUIC; the
//! page gets streams, figures and reasons. Nothing here knows what is spoken
//! inside a stream. The worker is made by `newEndKey`, so that the link to the
//! server opens while the page still asks for the session.

import { NO_WASM, SessionError, internal } from './errors';
import type { FromWorker, Opening, ToWorker } from './messages';
import { GONE, PortStream } from './stream';
import { opening } from './terminal';
import type { Told } from './worker/kept';
import type {
  EndKey,
  Lane,
  PathQuality,
  SealInfo,
  Service,
  Session,
  SessionAnswer,
  SessionEnd,
  SessionState,
  Stream,
  TelnetOptions,
  TelnetStream,
} from './types';

export { SessionError } from './errors';
export { StreamSocket } from './socket';
export type * from './types';

/** Makes a key for one session; the worker that holds it starts with this. */
export async function newEndKey(): Promise<EndKey> {
  const worker = start();
  const publicKey = await new Promise<string>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.type === 'key') resolve(data.publicKey);
      if (data.type === 'closed') reject(new SessionError(data.end));
    };
    worker.onerror = (event) => reject(broken(event));
    send(worker, { type: 'key' });
  }).catch((error: unknown) => {
    worker.terminate();
    throw error;
  });
  return new WorkerKey(worker, publicKey);
}

/** Opens the session that was granted to `endKey`. */
export async function connect(options: {
  answer: SessionAnswer;
  endKey: EndKey;
  signal?: AbortSignal;
}): Promise<Session> {
  const { answer, endKey, signal } = options;
  if (!(endKey instanceof WorkerKey)) {
    throw new SessionError(internal('This key was not made by newEndKey.'));
  }
  const session = new WorkerSession(endKey.take(), answer);
  const abort = (): void => session.close();
  signal?.addEventListener('abort', abort);
  try {
    if (signal?.aborted) abort();
    await session.opened;
    return session;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/**
 * Seals a secret so that only that gateway can open it, for that target alone
 * (HPKE, RFC 9180). Needs no session.
 */
export async function seal(info: SealInfo, secret: Uint8Array): Promise<Uint8Array> {
  const worker = start();
  try {
    return await new Promise<Uint8Array>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
        if (data.type === 'sealed') resolve(data.sealed);
        if (data.type === 'failed' || data.type === 'closed') reject(new SessionError(data.end));
      };
      worker.onerror = (event) => reject(broken(event));
      send(worker, { type: 'seal', id: 0, info, secret });
    });
  } finally {
    worker.terminate();
  }
}

/** The worker behind a key, until a session takes it. */
class WorkerKey implements EndKey {
  #worker: Worker | null;
  /** The link may be refused before the session is asked for. */
  #end: SessionEnd | null = null;

  constructor(
    worker: Worker,
    readonly publicKey: string,
  ) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.type === 'closed') this.#over(data.end);
    };
    worker.onerror = (event) => this.#over(broken(event));
  }

  get usable(): boolean {
    return this.#worker !== null && this.#end === null;
  }

  take(): Worker {
    const worker = this.#worker;
    if (!worker) throw new SessionError(internal('This key was used already: make a new one.'));
    this.#worker = null;
    if (this.#end) {
      worker.terminate();
      throw new SessionError(this.#end);
    }
    return worker;
  }

  dispose(): void {
    this.#worker?.terminate();
    this.#worker = null;
  }

  /** Nothing more comes of it; whoever takes it is told why. */
  #over(end: SessionEnd): void {
    this.#end ??= end;
    this.#worker?.terminate();
  }
}

class WorkerSession implements Session {
  readonly opened: Promise<void>;
  readonly closed: Promise<SessionEnd>;
  state: SessionState = 'connecting';

  #worker: Worker;
  #end: SessionEnd | null = null;
  #settle!: (end: SessionEnd) => void;
  #ready!: { resolve: () => void; reject: (error: Error) => void };
  #asked = new Map<number, Asked>();
  #streams = new Set<PortStream>();
  #last = 0;
  #onPath: ((quality: PathQuality) => void)[] = [];
  #onState: ((state: SessionState) => void)[] = [];

  constructor(worker: Worker, answer: SessionAnswer) {
    this.#worker = worker;
    this.closed = new Promise((settle) => (this.#settle = settle));
    this.opened = new Promise((resolve, reject) => (this.#ready = { resolve, reject }));
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#take(data);
    worker.onerror = (event) => this.#over(broken(event));
    send(worker, { type: 'connect', answer });
  }

  async open(
    service: Service,
    index: number,
    lane: Lane = 'input',
    first?: Uint8Array,
  ): Promise<Stream> {
    return this.#open({ service, index, lane, ...(first ? { first } : {}) });
  }

  async telnet(index: number, options: TelnetOptions = {}): Promise<TelnetStream> {
    const { cols = 80, rows = 24, terminal = 'xterm-256color', charset = 'utf-8' } = options;
    const { kept } = options;
    const telnet = { cols, rows, terminal, charset, kept: kept ? (kept.resume ? 'resumed' : 'new') : false } as const;
    if (!kept) return this.#open({ service: 'target', index, lane: 'input', telnet });
    const resume = kept.resume ? { token: kept.resume, seen: 0 } : undefined;
    const first = opening({ columns: cols, rows, term: terminal, resume });
    return this.#open({ service: 'terminal', index, lane: 'input', first, telnet }, kept.told);
  }

  async seal(info: SealInfo, secret: Uint8Array): Promise<Uint8Array> {
    const sealed = await this.#ask((id) => send(this.#worker, { type: 'seal', id, info, secret }));
    if (!sealed) throw new SessionError(GONE);
    return sealed;
  }

  on(event: 'path', listener: (quality: PathQuality) => void): void;
  on(event: 'state', listener: (state: SessionState) => void): void;
  on(
    event: 'path' | 'state',
    listener: ((quality: PathQuality) => void) | ((state: SessionState) => void),
  ): void {
    if (event === 'path') this.#onPath.push(listener as (quality: PathQuality) => void);
    else this.#onState.push(listener as (state: SessionState) => void);
  }

  close(): void {
    if (!this.#end) send(this.#worker, { type: 'close' });
  }

  async #open(what: Opening, told?: (message: Told) => void): Promise<TelnetStream> {
    const { port1, port2 } = new MessageChannel();
    const stream = new PortStream(port1, told);
    this.#streams.add(stream);
    void stream.closed.then(() => this.#streams.delete(stream));
    try {
      await this.#ask((id) => {
        const ask: ToWorker = { type: 'open', id, what, port: port2 };
        this.#worker.postMessage(ask, [port2]);
      });
    } catch (error) {
      stream.lost(error instanceof SessionError ? error : GONE);
      throw error;
    }
    return stream;
  }

  async #ask(say: (id: number) => void): Promise<Uint8Array | undefined> {
    if (this.#end) throw new SessionError(this.#end);
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      say(id);
    });
  }

  #take(message: FromWorker): void {
    switch (message.type) {
      case 'state':
        this.#turn(message.state);
        if (message.state === 'open') this.#ready.resolve();
        break;
      case 'path':
        for (const listener of this.#onPath) listener(message.quality);
        break;
      case 'opened':
      case 'sealed':
        this.#answered(message.id)?.resolve('sealed' in message ? message.sealed : undefined);
        break;
      case 'failed':
        this.#answered(message.id)?.reject(new SessionError(message.end));
        break;
      case 'closed':
        this.#over(message.end);
        break;
      case 'key':
        break;
    }
  }

  #answered(id: number): Asked | undefined {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    return asked;
  }

  #turn(state: SessionState): void {
    if (this.state === state) return;
    this.state = state;
    for (const listener of this.#onState) listener(state);
  }

  #over(end: SessionEnd): void {
    if (this.#end) return;
    this.#end = end;
    this.#worker.terminate();
    for (const asked of this.#asked.values()) asked.reject(new SessionError(end));
    this.#asked.clear();
    for (const stream of this.#streams) stream.lost(end);
    this.#turn('closed');
    this.#ready.reject(new SessionError(end));
    this.#settle(end);
  }
}

interface Asked {
  resolve: (sealed: Uint8Array | undefined) => void;
  reject: (error: Error) => void;
}

function start(): Worker {
  if (typeof WebAssembly !== 'object' || typeof Worker !== 'function') {
    throw new SessionError(NO_WASM);
  }
  return new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
}

function send(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}

/** A worker that could not start or that broke. */
function broken(event: ErrorEvent): SessionError {
  return new SessionError(
    internal(
      `The session’s worker broke${event.message ? ` (${event.message})` : ''}: reload the page and open the session again.`,
    ),
  );
}
