//! The worker of one session: keys, link and QUIC live here and nowhere else.
//!
//! Started by `newEndKey` (index.ts); the link to the server opens at once,
//! while the page still asks for the session. Says what `messages.ts` says.
//! Ends when the page terminates it, which is after it was told `closed`.

import { internal, whyNotLoaded } from './errors';
import type { FromWorker, Opening, ToWorker } from './messages';
import type { SealInfo, SessionAnswer, SessionEnd, SessionState } from './types';
import init, { End, seal } from './wasm/culvert_endpoint';
import { ServerLink } from './worker/link';
import { Kind, Pump } from './worker/pump';
import { renew } from './worker/renewal';
import { WorkerStream } from './worker/streams';
import { whyRelay } from './worker/why';

/** Reason 1 of docs/wire.md. */
const CLOSED_BY_TECHNICIAN = 1;
/** A key that no session is made with is given up after this. */
const UNUSED = 120_000;

const loaded = load();
// Why it failed is told to whoever asks, who may not have asked yet.
loaded.catch(() => {});
let session: WorkerSession | null = null;

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  loaded.then(
    (memory) => take(data, memory),
    (error: unknown) => say({ type: 'closed', end: whyNotLoaded(error) }),
  );
};

async function load(): Promise<WebAssembly.Memory> {
  const url = new URL('./wasm/culvert_endpoint_bg.wasm', import.meta.url);
  return (await init({ module_or_path: url })).memory;
}

function take(message: ToWorker, memory: WebAssembly.Memory): void {
  switch (message.type) {
    case 'key':
      session = new WorkerSession(memory);
      say({ type: 'key', publicKey: session.publicKey() });
      break;
    case 'connect':
      session?.connect(message.answer);
      break;
    case 'open':
      session?.open(message.id, message.what, message.port);
      break;
    case 'seal':
      sealed(message.id, message.info, message.secret);
      break;
    case 'close':
      session?.close();
      break;
  }
}

class WorkerSession {
  #end = new End();
  #pump: Pump;
  #link: ServerLink;
  #answer: SessionAnswer | null = null;
  #streams = new Map<number, WorkerStream>();
  /** Streams whose gateway has not answered yet, by number. */
  #asked = new Map<number, { id: number; what: Opening; port: MessagePort }>();
  #unused: ReturnType<typeof setTimeout>;

  constructor(memory: WebAssembly.Memory) {
    this.#pump = new Pump(this.#end, memory, (kind) => this.#take(kind));
    this.#link = new ServerLink(this.#end, this.#pump);
    this.#unused = setTimeout(() => this.close(), UNUSED);
    this.#pump.schedule();
  }

  publicKey(): string {
    return this.#end.public_key();
  }

  connect(answer: SessionAnswer): void {
    clearTimeout(this.#unused);
    this.#answer = answer;
    try {
      this.#end.grant(answer.session, answer.ticket, answer.gateway_key, answer.ends_at);
    } catch {
      const sentence = 'The server’s answer cannot be read: reload the page.';
      say({ type: 'closed', end: internal(sentence) });
    }
    this.#pump.schedule();
  }

  open(id: number, what: Opening, port: MessagePort): void {
    const { service, index, lane } = what;
    const key = this.#end.open(service, index, lane, what.first ?? new Uint8Array());
    if (key < 0) say({ type: 'failed', id, end: this.#ending() });
    else this.#asked.set(key, { id, what, port });
    this.#pump.schedule();
  }

  close(): void {
    this.#end.close(CLOSED_BY_TECHNICIAN);
    this.#pump.schedule();
  }

  #take(kind: number): void {
    switch (kind) {
      case Kind.LinkWanted:
        void this.#link.open();
        break;
      case Kind.LinkUseless:
        this.#link.drop();
        break;
      case Kind.RenewalWanted:
        if (this.#answer) void renew(this.#answer.session, this.#end, this.#pump);
        break;
      case Kind.State:
        say({ type: 'state', state: this.#end.state() as SessionState });
        break;
      case Kind.Quality:
        this.#tellQuality();
        break;
      case Kind.Closed:
        void this.#over(this.#ending());
        break;
      default:
        this.#takeStream(kind, this.#end.stream());
    }
  }

  #takeStream(kind: number, key: number): void {
    switch (kind) {
      case Kind.Accepted: {
        const asked = this.#asked.get(key);
        if (!asked) break;
        this.#asked.delete(key);
        const { id, what, port } = asked;
        this.#streams.set(key, new WorkerStream(key, what, port, this.#end, this.#pump));
        say({ type: 'opened', id });
        break;
      }
      case Kind.Refused: {
        const asked = this.#asked.get(key);
        this.#asked.delete(key);
        if (asked) say({ type: 'failed', id: asked.id, end: this.#ending() });
        break;
      }
      case Kind.Readable:
        this.#streams.get(key)?.read();
        break;
      case Kind.Writable:
        this.#streams.get(key)?.write();
        break;
      case Kind.Ended:
        this.#streams.get(key)?.ended();
        break;
      case Kind.Over:
        this.#streams.get(key)?.over(this.#ending());
        this.#streams.delete(key);
        break;
    }
  }

  #tellQuality(): void {
    const [rttMs = 0, lostPercent = 0, mtu = 0] = this.#end.path_figures();
    const kind = this.#end.path_kind() as 'relay' | 'rtc';
    const why = whyRelay(location.host, this.#link.breaks);
    say({ type: 'path', quality: { kind, rttMs, lostPercent, mtu, why } });
  }

  #ending(): SessionEnd {
    return { code: this.#end.code(), slug: this.#end.slug(), sentence: this.#end.sentence() };
  }

  /** The last packets say why; the page ends the worker when it is told. */
  async #over(end: SessionEnd): Promise<void> {
    // The turn that brought this event sends them.
    await new Promise((wake) => setTimeout(wake));
    await this.#link.drained();
    this.#link.drop();
    this.#pump.stop();
    say({ type: 'closed', end });
  }
}

function sealed(id: number, info: SealInfo, secret: Uint8Array): void {
  try {
    const { gatewayKey, sealingKey, signature, customer, host, address, protocol, account } = info;
    const texts = [gatewayKey, sealingKey, signature, customer, host, address, protocol, account];
    const { kind = 'password', passphrase = new Uint8Array() } = info;
    say({ type: 'sealed', id, sealed: seal(texts, info.port, kind, secret, passphrase) });
    passphrase.fill(0);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const sentence = `${why.charAt(0).toUpperCase()}${why.slice(1)}.`;
    say({ type: 'failed', id, end: { code: 416, slug: 'invalid', sentence } });
  } finally {
    secret.fill(0);
  }
}

function say(message: FromWorker): void {
  self.postMessage(message);
}
