//! What the portal knows while answers and events cross each other (S21, S34).
// @vitest-environment happy-dom
import { afterEach, describe, expect, it, vi } from 'vitest';
import { world } from '../src/lib/world.svelte';
import { Tab } from '../src/viewer/sessions.svelte';

const box = (online: boolean) => ({ id: 'b', online, state: 'active', version: '1' });
const tree = (online: boolean) => ({ customers: [{ id: 'c', name: 'C', sites: [{ id: 's', name: 'S', gateway: box(online), hosts: [{ id: 'h', name: 'H', address: 'h', services: [] }] }] }] });

/** Requests for the tree, answered when the test says so. */
function server(): ((online: boolean) => void)[] {
  const waiting: ((online: boolean) => void)[] = [];
  world.me = { user: { id: 'u', name: 'u' }, customers: [], rights: ['tree.see', 'session.see'] } as never;
  const answer = (body: unknown): Response => new Response(JSON.stringify(body));
  vi.stubGlobal('fetch', (url: string) => (url.includes('/tree')
    ? new Promise<Response>((resolve) => { waiting.push((online) => resolve(answer(tree(online)))); })
    : Promise.resolve(answer({ hosts: [] }))));
  return waiting;
}
const online = (): boolean | undefined => world.boxes.get('s')?.online;
afterEach(() => { vi.unstubAllGlobals(); world.forget(); });

describe('a box that changes while the tree is on its way', () => {
  it('is as the event says, not as the older answer says', async () => {
    const waiting = server();
    const loaded = world.load();
    world.box(box(false));
    waiting[0]?.(true);
    await loaded;
    expect(online()).toBe(false);
  });
  it('is as the newest answer says, when that was asked for after the event', async () => {
    const waiting = server();
    const first = world.load();
    world.box(box(false));
    const second = world.load();
    waiting[1]?.(true);
    await second;
    expect(online()).toBe(true);
    waiting[0]?.(false);
    await first;
    expect(online()).toBe(true);
  });
  it('is not undone later', async () => {
    const waiting = server();
    const loaded = world.load();
    world.box(box(false));
    waiting[0]?.(true);
    await loaded;
    world.box(box(true));
    expect(online()).toBe(true);
  });
});

describe('a load that another one overtook', () => {
  it('is over when the newer one is: whoever waited sees what was true when she asked', async () => {
    const waiting = server();
    let over = false;
    const first = world.load().then(() => { over = true; });
    const second = world.load();
    waiting[0]?.(true);
    await new Promise((wake) => setTimeout(wake, 5));
    expect(over).toBe(false);
    waiting[1]?.(false);
    await first;
    expect([over, online()]).toEqual([true, false]);
    await second;
  });
  it('ends when she signs out meanwhile', async () => {
    const waiting = server();
    const loaded = world.load();
    world.forget();
    waiting[0]?.(true);
    await loaded;
    expect(world.loaded).toBe(false);
  });
});

describe('whoever reads reports alone', () => {
  it('asks for no tree: each refusal would be a row of the trail', async () => {
    const waiting = server();
    world.me = { user: { id: 'u', name: 'u' }, customers: [], rights: ['report.see'] } as never;
    await world.load();
    expect([waiting.length, world.loaded, world.customers]).toEqual([0, true, []]);
  });
});

describe('closing a tab', () => {
  const host = { id: 'h', name: 'H', address: 'h', services: [], anyPort: false, tags: [], site: { id: 's', name: 'S' }, customer: { id: 'c', name: 'C' } } as never;
  it('is asked about when something would be lost', () => {
    const tab = new Tab(host, 'ssh', 22);
    const dear = (state: Tab['state']): boolean => { tab.state = state; return tab.dear; };
    expect((['opening', 'open', 'reconnecting', 'ended'] as const).map(dear)).toEqual([false, true, true, false]);
    tab.resume = { token: 'x', seen: 0 };
    expect(dear('opening')).toBe(true);
    expect(new Tab(host, 'rdp', 3389).dear).toBe(false);
  });
});
