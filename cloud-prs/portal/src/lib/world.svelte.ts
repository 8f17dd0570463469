//! What the portal knows: who is signed in and her tree of customers, sites and
//! hosts, with the search index over it. Filled by one request, kept true by the
//! server's events (events.svelte.ts). Pages read it and never copy it.

import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import { get, Refused } from '../api/call';
import type { HostService as Service, Me, Tree, TreeGateway } from '../api/schema';
import { Index } from './search';

export interface Customer { id: string; name: string; colour?: string | number | null; sites: Site[] }
export interface Site { id: string; name: string; customer: Customer; hosts: Host[] }
export interface Host {
  id: string; name: string; address: string; services: readonly Service[]; anyPort: boolean; tags: readonly string[];
  site: Site; customer: Customer;
}

/** A place of the tree with what is above it; without a customer it is everything. */
export interface Where { customer?: string; site?: string; host?: string }

type BoxChange = Partial<TreeGateway> & { id: string };

class World {
  me = $state.raw<Me | null>(null);
  customers = $state.raw<Customer[]>([]);
  /** The box of a site, by the site's id. */
  boxes = new SvelteMap<string, TreeGateway>();
  /** How often a box was heard of that stands at no site. */
  strangers = $state(0);
  favourites = new SvelteSet<string>();
  recent = $state.raw<string[]>([]);
  /** Who works on a host now: host id → names. */
  presence = new SvelteMap<string, string[]>();
  loaded = $state(false);
  error = $state.raw<unknown>(null);
  live = $state<'on' | 'off' | 'lost'>('off');

  hosts = $derived(this.customers.flatMap((c) => c.sites.flatMap((s) => s.hosts)));
  byHost = $derived(new Map(this.hosts.map((h) => [h.id, h])));
  bySite = $derived(new Map(this.customers.flatMap((c) => c.sites.map((s) => [s.id, s] as const))));
  byCustomer = $derived(new Map(this.customers.map((c) => [c.id, c])));
  index = $derived(new Index(this.hosts.map((h) => ({
    id: h.id, name: h.name, customer: h.customer.name, site: h.site.name, address: h.address, tags: h.tags,
  }))));
  /** Counts loads: an older answer never overwrites a newer one. */
  #loads = 0;
  #newest: { turn: number; done: Promise<void> } | null = null;
  /** What the event stream says of boxes while the newest load is under way: its answer may be older. */
  #meanwhile: BoxChange[] | null = null;
  #recentRank = $derived(new Map(this.recent.map((id, i) => [id, i])));

  /** Whether the asker has this right anywhere; the server judges each request again. */
  may(action: string): boolean { return mayDo(this.me, action); }

  /** Whether she has it at this place, for what is done at a place of the tree. */
  mayAt(action: string, where: Where = {}): boolean { return mayDoAt(this.me, action, where); }

  /** The same for a host. */
  mayOn(action: string, host: Host): boolean { return this.mayAt(action, { customer: host.customer.id, site: host.site.id, host: host.id }); }

  online(host: Host): boolean { return this.boxes.get(host.site.id)?.online ?? false; }

  find(query: string, limit: number): Host[] {
    const found = this.index.find(query, limit, (h) =>
      (this.favourites.has(h.id) ? 3 : 0) + Math.max(0, 2.5 - (this.#recentRank.get(h.id) ?? 99) / 4));
    return found.map((h) => this.byHost.get(h.id)).filter((h): h is Host => h !== undefined);
  }

  /** Asks who is signed in; false when nobody is. */
  async whoami(): Promise<boolean> {
    try {
      this.me = await get('/api/v1/me');
      return true;
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return false;
      throw error;
    }
  }

  /** Whoever waits for it then sees what was true when she asked: by a newer answer, when there is one. */
  load(): Promise<void> {
    const turn = ++this.#loads;
    const done = this.#load(turn);
    this.#newest = { turn, done };
    return done;
  }

  async #load(turn: number): Promise<void> {
    const meanwhile: BoxChange[] = [];
    this.#meanwhile = meanwhile;
    try {
      const [tree, recent] = await Promise.all([
        this.may('tree.see') ? get('/api/v1/tree').catch(none(NO_TREE)) : NO_TREE,
        this.may('session.see') ? get('/api/v1/recent').catch(none(NOT_LATELY)) : NOT_LATELY,
      ]);
      if (turn !== this.#loads) return this.#after(turn);
      this.fill(tree);
      this.#meanwhile = null;
      for (const change of meanwhile) this.#change(change);
      this.recent = recent.hosts.map((h) => h.id);
      this.error = null;
      this.loaded = true;
    } catch (error) {
      if (turn !== this.#loads) return this.#after(turn);
      this.#meanwhile = null;
      this.error = error;
      if (!this.loaded) throw error;
    }
  }

  #after(turn: number): Promise<void> | undefined { return this.#newest && this.#newest.turn > turn ? this.#newest.done : undefined; }

  fill(tree: Tree): void {
    const boxes = new Map<string, TreeGateway>();
    const favourites = new Set<string>();
    this.customers = tree.customers.map((c) => {
      const customer: Customer = { id: c.id, name: c.name, colour: c.colour ?? null, sites: [] };
      customer.sites = c.sites.map((s) => {
        const site: Site = { id: s.id, name: s.name, customer, hosts: [] };
        if (s.gateway) boxes.set(s.id, s.gateway);
        site.hosts = s.hosts.map((h) => {
          if (h.favourite) favourites.add(h.id);
          return { id: h.id, name: h.name, address: h.address, services: h.services, anyPort: h.any_port ?? false, tags: h.tags ?? [], site, customer };
        });
        return site;
      });
      return customer;
    });
    replace(this.boxes, boxes);
    for (const id of [...this.favourites]) if (!favourites.has(id)) this.favourites.delete(id);
    for (const id of favourites) this.favourites.add(id);
  }

  /** A box's state changed: by the event stream. */
  box(change: BoxChange): void {
    this.#meanwhile?.push(change);
    if (![...this.boxes.values()].some((box) => box.id === change.id)) this.strangers += 1;
    this.#change(change);
  }

  #change(change: BoxChange): void {
    for (const [site, box] of this.boxes) if (box.id === change.id) this.boxes.set(site, { ...box, ...change });
  }

  visited(host: string): void { this.recent = [host, ...this.recent.filter((id) => id !== host)].slice(0, 20); }

  forget(): void {
    this.#loads += 1;
    this.#newest = null;
    this.#meanwhile = null;
    this.me = null;
    this.customers = [];
    this.boxes.clear();
    this.favourites.clear();
    this.presence.clear();
    this.recent = [];
    this.loaded = false;
  }
}

const NO_TREE = { customers: [] };
const NOT_LATELY = { hosts: [] };
/** Whoever may see nothing of it has an empty one: her account and reports are there all the same. */
const none = <T,>(empty: T) => (error: unknown): T => {
  if (error instanceof Refused && error.status === 403) return empty;
  throw error;
};

function replace<K, V>(map: SvelteMap<K, V>, by: Map<K, V>): void {
  for (const key of [...map.keys()]) if (!by.has(key)) map.delete(key);
  for (const [key, value] of by) map.set(key, value);
}

/** A hint for what to show; a server that names no rights is asked each time. */
export const mayDo = (me: Me | null, action: string): boolean => (me?.rights ? me.rights.includes(action) : me !== null);

/** The same for one place: her roles there and above count. */
export const mayDoAt = (me: Me | null, action: string, where: Where): boolean =>
  mayDo(me, action) && (!me?.held || me.held.some((h) => h.rights.includes(action) && h.nodes.some((n) => n.kind === 'all' || where[n.kind] === n.id)));

export const world = new World();
