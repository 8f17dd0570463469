//! The open session tabs of this window. A tab is a host, a protocol and a
//! viewer; the viewer component drives it and reports here what the tab strip,
//! the title bar and the reload offer need. Holds no secret but, for the moment until
//! it is connected, what a desktop that moved here was signed in to with; never stores
//! one.

import { asks } from '../ui/ask.svelte';
import { clock } from '../lib/clock.svelte';
import { clip } from '../lib/format';
import { hues } from '../lib/hues.svelte';
import { router } from '../lib/router.svelte';
import { world, type Host } from '../lib/world.svelte';
import type { PathQuality, Session, SessionEnd } from '../session';
import { soon } from './farewell';
import { entryOf, keeper, type Kept } from './keep';

export type TabState = 'opening' | 'open' | 'reconnecting' | 'ended';
export type Viewer = 'terminal' | 'desktop' | 'native';

type Service = Host['services'][number];
export interface Resume { token: string; seen: number }
/** Names of questions and their answers. */
export type Given = Record<string, string>;

export class Tab {
  readonly id: string;
  readonly host: string;
  readonly protocol: string;
  readonly port: number;
  /** Names at opening, for when the host leaves the tree meanwhile. */
  readonly names: { host: string; customer: string; customerId: string; colour?: string | number | null; site: string; address: string };
  readonly viewer: Viewer;
  resume: Resume | null;
  /** The colour that it had in the window that it comes from. */
  readonly hue: number | null;

  state = $state<TabState>('opening');
  step = $state('Asking for the session…');
  path = $state.raw<PathQuality | null>(null);
  ended = $state.raw<SessionEnd | null>(null);
  /** Output came while the tab was not looked at. */
  activity = $state(false);
  bell = $state(false);
  /** A question stands in its viewer. */
  asks = $state(false);
  /** A desktop that is only looked at, also when it is opened again. */
  viewOnly = $state(false);
  started = $state(clock.read());
  /** Counts re-openings: the viewer starts anew when it changes. */
  round = $state(0);
  session: Session | null = null;
  /** Tells the host that it is over; the session stays until that is said. */
  letGo: (() => Promise<void>) | null = null;
  /** What its viewer was given to sign in with, for the window that it moves to. */
  lend: (() => Given | null) | null = null;
  /** The same, from the window that it moved from; gone when it is connected. */
  lent: Promise<Given | null> | null = null;
  /** It goes on in another window: closing it here must not end it there. */
  moving = false;

  constructor(host: Host, protocol: string, port: number, options: { id?: string; resume?: Resume | null; hue?: number | null } = {}) {
    this.id = options.id ?? crypto.randomUUID().slice(0, 8);
    this.host = host.id;
    this.protocol = protocol;
    this.port = port;
    this.names = { host: host.name, customer: host.customer.name, customerId: host.customer.id, colour: host.customer.colour ?? null, site: host.site.name, address: host.address };
    this.viewer = protocol === 'ssh' || protocol === 'telnet' ? 'terminal' : protocol === 'vnc' ? 'desktop' : 'native';
    this.resume = options.resume ?? null;
    this.hue = options.hue ?? null;
    if (this.viewer === 'native') this.state = 'open';
  }

  #begun = false;
  /** True once: the tab was opened by a person a moment ago. */
  begin(): boolean {
    const first = !this.#begun;
    this.#begun = true;
    return first;
  }

  /** Something would be lost if the tab went now. */
  get live(): boolean { return this.viewer !== 'native' && (this.state === 'opening' || this.state === 'open' || this.state === 'reconnecting'); }

  /** What runs in it, or what it goes on with, would be lost: closing it is asked about. */
  get dear(): boolean { return this.viewer !== 'native' && (this.state === 'open' || this.state === 'reconnecting' || (this.state === 'opening' && this.resume !== null)); }

  /** The viewer heard something from the host. */
  stirred(): void { if (sessions.active !== this.id || document.hidden) this.activity = true; }
  rang(): void { if (sessions.active !== this.id || document.hidden) this.bell = true; }

  finish(end: SessionEnd): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.ended = end;
    this.session = null;
    // What the host, a person or the shell itself ended does not go on.
    if (end.code < LINE) this.resume = null;
    keeper.drop(this.id);
  }

  /**
   * Ends what runs; a terminal that moves to another window goes on there: the box
   * keeps it. Settled when the other ends are told, or two seconds later.
   */
  async hangUp(): Promise<void> {
    const { session, letGo } = this;
    this.session = this.letGo = null;
    try {
      if (letGo && !this.moving && this.state !== 'ended') await letGo();
    } finally { session?.close(); }
    // A window that goes now takes the last packets with it.
    if (session) await soon(session.closed);
  }

  again(): void {
    this.ended = null;
    this.path = null;
    this.state = 'opening';
    this.step = 'Asking for the session…';
    this.started = clock.read();
    this.round += 1;
  }
}

/** The first reason of docs/wire.md that is the line's or the server's, not the host's. */
const LINE = 300;

class Sessions {
  tabs = $state.raw<Tab[]>([]);
  active = $state<string | null>(null);
  /** Sessions of a window that was reloaded or died less than two minutes ago. */
  offers = $state.raw<Kept[]>([]);

  /** The page is about to hand an address to another program. */
  #handing = false;

  get open(): Tab[] { return this.tabs.filter((t) => t.live); }

  constructor() {
    window.addEventListener('beforeunload', (event) => {
      const handing = this.#handing;
      this.#handing = false;
      if (!handing && this.open.length > 0) { event.preventDefault(); event.returnValue = ''; }
    });
    // What another window took up, or nobody wants, is offered here no more.
    window.addEventListener('storage', ({ key, newValue }) => {
      if (newValue === null) this.offers = this.offers.filter((o) => o.id !== entryOf(key));
    });
  }

  /** The service that a session can begin with now: of the protocol, else the first; says why if there is none. */
  #ready(host: Host, protocol?: string, port?: number, resume?: Resume | null): Service | null {
    const service = host.services.find((s) => (!protocol || s.protocol === protocol) && (port === undefined || s.port === port)) ?? (protocol ? null : host.services[0]);
    if (!service) {
      asks.say(`“${clip(host.name, 60)}” has no protocol yet: add one on its page.`, 'bad');
      router.go(`/h/${host.id}`);
      return null;
    }
    if (!world.online(host) && !resume) {
      asks.say(`The box at ${clip(host.site.name, 60)} is offline, so nothing at that site can be reached now.`, 'bad');
      router.go(`/h/${host.id}`);
      return null;
    }
    return service;
  }

  /** Opens a session on a host; without a protocol, on its first. */
  start(host: Host, protocol?: string, port?: number, resume?: Resume | null, hue?: number | null): Tab | null {
    const service = this.#ready(host, protocol, port, resume);
    return service && this.#begin(host, service, resume, hue);
  }

  #begin(host: Host, service: Service, resume?: Resume | null, hue?: number | null): Tab {
    const tab = new Tab(host, service.protocol, service.port, { resume: resume ?? null, hue: hue ?? null });
    this.#are([...this.tabs, tab]);
    world.visited(host.id);
    this.show(tab);
    return tab;
  }

  /**
   * Hands an address of another program's to the system. To the browser that is a
   * navigation, though this page stays: nobody shall be asked whether to leave it.
   */
  handOver(url: string): void {
    this.#handing = true;
    window.location.href = url;
    // Where a browser asks later than at once, it has asked by then.
    setTimeout(() => { this.#handing = false; }, 500);
  }

  #are(tabs: Tab[]): void {
    this.tabs = tabs;
    hues.keep(tabs.map((t) => ({ id: t.names.customerId, colour: t.names.colour ?? null, hue: t.hue })));
  }

  show(tab: Tab): void {
    this.active = tab.id;
    tab.activity = tab.bell = false;
    router.go(`/s/${tab.id}`);
  }

  find(id: string): Tab | undefined { return this.tabs.find((t) => t.id === id); }

  /** Closes a tab; one in which something would be lost is asked about when `ask` says so. It is gone at once; the answer comes when the host's end knows. */
  async close(tab: Tab, ask = true): Promise<boolean> {
    if (ask && tab.dear && !(await asks.confirm({ title: 'End this session?', text: `The ${tab.protocol.toUpperCase()} session on ${clip(tab.names.host, 80)} ends.`, yes: 'End session', danger: true }))) return false;
    const at = this.tabs.indexOf(tab);
    const over = tab.hangUp();
    keeper.drop(tab.id);
    this.#are(this.tabs.filter((t) => t !== tab));
    if (this.active === tab.id) {
      const next = this.tabs[Math.min(at, this.tabs.length - 1)];
      this.active = null;
      if (router.place.path === `/s/${tab.id}`) { if (next) this.show(next); else router.go(`/h/${tab.host}`); }
    }
    await over;
    return true;
  }

  endAll(): void {
    for (const tab of this.tabs) { void tab.hangUp(); keeper.drop(tab.id); }
    this.#are([]);
    this.active = null;
    this.offers = [];
  }

  step(by: number): void {
    if (this.tabs.length === 0) return;
    const at = this.tabs.findIndex((t) => t.id === this.active);
    const tab = this.tabs[(at + by + this.tabs.length) % this.tabs.length];
    if (tab) this.show(tab);
  }

  /** Looks for sessions that a lost page left behind. */
  offer(): void { void keeper.orphans(world.me?.user.id ?? '').then((kept) => { this.offers = kept; }); }

  /** Goes on with what was offered; what cannot begin now stays offered. */
  async take(kept: Kept): Promise<void> {
    const host = world.byHost.get(kept.host);
    if (!host) return asks.say('That host is no longer within your reach.', 'bad');
    const service = this.#ready(host, kept.protocol, kept.port, kept.resume);
    if (!service) return;
    this.offers = this.offers.filter((o) => o !== kept);
    if (!(await keeper.claim(kept))) return asks.say(`“${clip(kept.name, 60)}” was taken up in another window.`, 'bad');
    const tab = this.#begin(host, service, kept.resume, kept.hue);
    if (kept.viewOnly) tab.viewOnly = true;
  }

  decline(kept: Kept): void {
    keeper.drop(kept.id);
    this.offers = this.offers.filter((o) => o !== kept);
  }
}

export const sessions = new Sessions();
