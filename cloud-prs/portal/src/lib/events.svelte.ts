//! The server's event stream: keeps the world true without reload. The browser
//! reconnects by itself; after each reconnect the tree is loaded again, since
//! events of the gap are lost. A stream silent for 40 s is started anew.

import { SvelteSet } from 'svelte/reactivity';
import type { SessionInfo } from '../api/schema';
import { world } from './world.svelte';

type SessionEvent = { kind: 'started' | 'ended'; session: SessionInfo };
const QUIET = 40_000;

class Events {
  #source: EventSource | null = null;
  #watch: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #listeners = new SvelteSet<(e: SessionEvent) => void>();

  start(): void {
    this.stop();
    const source = new EventSource('/api/v1/events');
    this.#source = source;
    let greeted = world.live === 'off';
    const heard = (): void => {
      clearTimeout(this.#watch);
      this.#watch = setTimeout(() => this.start(), QUIET);
    };
    heard();
    const on = (name: string, take: (data: never) => void): void => source.addEventListener(name, (e) => {
      heard();
      try { take(JSON.parse((e as MessageEvent<string>).data) as never); } catch { /* a later server's event: ignored */ }
    });
    on('hello', () => { world.live = 'on'; if (!greeted) void world.load().catch(() => {}); greeted = true; });
    on('beat', () => {});
    on('gateway', (g: Parameters<typeof world.box>[0]) => world.box(g));
    on('tree', () => void world.load().catch(() => {}));
    on('presence', (p: { host: string; users: (string | { name: string })[] }) => {
      // One person may have several sessions on a host.
      const names = [...new Set(p.users.map((u) => (typeof u === 'string' ? u : u.name)))];
      if (names.length) world.presence.set(p.host, names); else world.presence.delete(p.host);
    });
    on('session', (s: SessionEvent) => { for (const f of this.#listeners) f(s); });
    source.onerror = () => {
      world.live = 'lost';
      greeted = false;
      if (source.readyState !== EventSource.CLOSED) return;
      // Refused for good by this request (signed out, server gone): ask who we are, then try again.
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => { void world.whoami().then((yes) => { if (yes) this.start(); }).catch(() => this.start()); }, 3000);
    };
  }

  stop(): void {
    clearTimeout(this.#watch);
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  /** For an `$effect`: hears of sessions that start and end. */
  onSession(f: (e: SessionEvent) => void): () => void {
    this.#listeners.add(f);
    return () => this.#listeners.delete(f);
  }
}

export const events = new Events();
