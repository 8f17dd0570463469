//! The server's events: keep the world true without reload. All tabs of the
//! browser share one stream (events/hub.ts), which comes back by itself; then
//! the tree is loaded again, since events of the gap are lost. When the stream
//! says that the sign-in is over, or is refused, the page asks who it is at once.

import { SvelteSet } from 'svelte/reactivity';
import type { SessionInfo } from '../api/schema';
import type { Told } from './events/hub';
import { way, type Way } from './events/way';
import { world } from './world.svelte';

type SessionEvent = { kind: 'started' | 'ended'; session: SessionInfo };
type PresenceEvent = { host: string; users: (string | { name: string })[] };
/** Longer than the hub waits for the server: then the shared worker itself has died. */
const DEAD = 60_000;
/** Between two questions who we are, while the server refuses the stream. */
const PAUSE = 3_000;

class Events {
  #way: Way | null = null;
  #watch: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;
  /** The tree is loaded after this began: the first greeting asks for no other. */
  #fresh = false;
  #listeners = new SvelteSet<(e: SessionEvent) => void>();

  constructor() {
    // A page that the browser keeps for the way back hears nothing meanwhile.
    window.addEventListener('pagehide', () => this.#way?.leave());
    window.addEventListener('pageshow', (event) => { if (event.persisted && this.#way) this.#hear(); });
  }

  /** Begins to hear, before the tree is loaded: so nothing falls between. */
  start(): void {
    this.stop();
    this.#fresh = true;
    this.#asked = 0;
    this.#hear();
  }

  stop(): void {
    clearTimeout(this.#watch);
    clearTimeout(this.#retry);
    this.#way?.leave();
    this.#way = null;
    world.live = 'off';
  }

  /** For an `$effect`: hears of sessions that start and end. */
  onSession(f: (e: SessionEvent) => void): () => void {
    this.#listeners.add(f);
    return () => this.#listeners.delete(f);
  }

  #hear(): void {
    this.#way ??= way((told) => this.#take(told));
    this.#way.hear(world.me?.user.id ?? '');
    this.#expect();
  }

  #expect(): void {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => {
      this.#lost();
      this.#way?.leave();
      this.#way = null;
      this.#hear();
    }, DEAD);
  }

  #take(told: Told): void {
    if (!this.#way) return;
    this.#expect();
    if ('name' in told) {
      try { this.#event(told.name, JSON.parse(told.data)); } catch { /* a later server's event: ignored */ }
      return;
    }
    this.#lost();
    if (told.stream === 'refused') this.#ask();
  }

  #event(name: string, data: unknown): void {
    switch (name) {
      case 'hello': return this.#hello();
      case 'gateway': return world.box(data as Parameters<typeof world.box>[0]);
      case 'tree': return void world.load().catch(() => {});
      case 'presence': return this.#presence(data as PresenceEvent);
      case 'session': for (const f of this.#listeners) f(data as SessionEvent); return;
      // Only who is known to see the tree asks for it.
      case 'rights': return void this.#who().then((still) => { if (still) void world.load().catch(() => {}); });
      case 'signed_out': this.#asked = 0; return this.#ask();
    }
  }

  #hello(): void {
    world.live = 'on';
    world.presence.clear();
    this.#asked = 0;
    // A stream that came back has a gap, however short it was.
    if (!this.#fresh) void world.load().catch(() => {});
    this.#fresh = false;
  }

  #presence({ host, users }: PresenceEvent): void {
    // One person may have several sessions on a host.
    const names = [...new Set(users.map((u) => (typeof u === 'string' ? u : u.name)))];
    if (names.length) world.presence.set(host, names); else world.presence.delete(host);
  }

  #lost(): void {
    world.live = 'lost';
    this.#fresh = false;
  }

  /** Asks who we are, at once the first time; whoever is still somebody hears on. */
  #ask(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#who().then((still) => { if (still && this.#way) this.#hear(); }), this.#asked === 0 ? 0 : PAUSE);
    this.#asked += 1;
  }

  /** False when nobody is signed in any more: the page shows it then. */
  async #who(): Promise<boolean> {
    try {
      if (!(await world.whoami())) return false;
      // What she may not see any more goes from the page, too.
      if (!world.may('tree.see')) {
        world.fill({ customers: [] });
        world.presence.clear();
      }
      return true;
    } catch {
      return true;
    }
  }
}

export const events = new Events();
