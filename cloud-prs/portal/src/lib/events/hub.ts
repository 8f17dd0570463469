//! One stream of the server's events for every tab of a browser: over HTTP/1.1 a
//! browser opens six connections to a server, so tabs with a stream each would
//! soon leave none for anything else.
//!
//! Lives in a worker that the tabs share (shared.ts), or in the page where there
//! is none. Whoever comes later is told first what the stream has said that is
//! still true: that it is open, and who works where. Decides nothing about
//! sign-ins: whether somebody is still signed in, each page asks the server.

/** What a page is told: an event of the server's, or how the stream is. */
export type Told = { name: string; data: string } | { stream: 'lost' | 'refused' };
/** What a page says: let me hear, as this person; or no more. */
export type Said = { hear: string } | { leave: true };
export type Ear = (told: Told) => void;

export type Source = Pick<EventSource, 'addEventListener' | 'close' | 'readyState' | 'onerror'>;

const EVENTS = ['hello', 'beat', 'gateway', 'tree', 'presence', 'session', 'rights', 'signed_out'];
/** A stream silent for so long is started anew: it beats every 10 s. */
const QUIET = 40_000;
/**
 * The server ends each stream after some minutes, and the browser comes back within
 * a second or two. Only what lasts longer, or a coming back that fails, is a loss.
 */
const GRACE = 6_000;
const CLOSED = 2;

export class Hub {
  #source: Source | null = null;
  #person = '';
  #ears = new Set<Ear>();
  /** The stream's greeting while it is open. */
  #hello: string | null = null;
  /** Who works where, as it was said last: host → the event's data. */
  #presence = new Map<string, string>();
  #watch: ReturnType<typeof setTimeout> | undefined;
  #grace: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly open: () => Source = () => new EventSource('/api/v1/events')) {}

  /** Lets a page hear; another person's stream is not hers. */
  hear(ear: Ear, person: string): void {
    this.#ears.add(ear);
    if (this.#source && this.#person !== person) this.#stop();
    this.#person = person;
    if (!this.#source) return this.#start();
    if (this.#hello === null) return;
    ear({ name: 'hello', data: this.#hello });
    for (const data of this.#presence.values()) ear({ name: 'presence', data });
  }

  leave(ear: Ear): void {
    this.#ears.delete(ear);
    if (this.#ears.size === 0) this.#stop();
  }

  #start(): void {
    const source = this.open();
    this.#source = source;
    this.#heard();
    for (const name of EVENTS) {
      source.addEventListener(name, (event) => { if (this.#source === source) this.#take(name, (event as MessageEvent<string>).data); });
    }
    source.onerror = () => {
      if (this.#source !== source) return;
      const wasOpen = this.#hello !== null;
      this.#hello = null;
      // Unless it is closed, the browser comes back by itself.
      if (source.readyState !== CLOSED) return this.#gone(wasOpen);
      this.#stop();
      this.#tell({ stream: 'refused' });
    };
  }

  #gone(wasOpen: boolean): void {
    clearTimeout(this.#grace);
    if (wasOpen) this.#grace = setTimeout(() => this.#tell({ stream: 'lost' }), GRACE);
    else this.#tell({ stream: 'lost' });
  }

  #take(name: string, data: string): void {
    this.#heard();
    if (name === 'hello') {
      clearTimeout(this.#grace);
      this.#hello = data;
      this.#presence.clear();
    }
    if (name === 'presence') this.#keep(data);
    // The server ends it next: coming back would only be refused.
    if (name === 'signed_out') this.#stop();
    this.#tell({ name, data });
  }

  #keep(data: string): void {
    const { host, users } = JSON.parse(data) as { host: string; users: unknown[] };
    if (users.length > 0) this.#presence.set(host, data);
    else this.#presence.delete(host);
  }

  #heard(): void {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => {
      this.#stop();
      this.#tell({ stream: 'lost' });
      this.#start();
    }, QUIET);
  }

  #stop(): void {
    clearTimeout(this.#watch);
    clearTimeout(this.#grace);
    this.#source?.close();
    this.#source = null;
    this.#hello = null;
    this.#presence.clear();
  }

  #tell(told: Told): void {
    for (const ear of [...this.#ears]) ear(told);
  }
}
