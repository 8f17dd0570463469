//! What a window that died left behind, offered to the next one (S21, S34).
// @vitest-environment happy-dom
import { afterEach, expect, it, vi } from 'vitest';
import { asks } from '../src/ui/ask.svelte';
import { world } from '../src/lib/world.svelte';
import { Keeper } from '../src/viewer/keep';
import { sessions } from '../src/viewer/sessions.svelte';

const box = (online: boolean) => ({ id: 'b', online, state: 'active', version: '1' });
const host = { id: 'h', name: 'H', address: 'h', services: [{ protocol: 'vnc', port: 5900 }] };
const tree = { customers: [{ id: 'c', name: 'C', sites: [{ id: 's', name: 'S', gateway: box(false), hosts: [host] }] }] };

afterEach(() => { vi.unstubAllGlobals(); sessions.endAll(); world.forget(); });

it('an offered desktop stays offered, here and elsewhere, until its box is back', async () => {
  world.me = { user: { id: 'u', name: 'u' }, customers: [], rights: ['tree.see', 'session.see'] } as never;
  vi.stubGlobal('fetch', (url: string) => Promise.resolve(new Response(JSON.stringify(url.includes('/tree') ? tree : { hosts: [] }))));
  await world.load();
  new Keeper(localStorage, undefined).save({ id: 'd', user: 'u', host: 'h', protocol: 'vnc', port: 5900, name: 'H', resume: null });
  sessions.offer();
  await vi.waitFor(() => expect(sessions.offers).toHaveLength(1));
  const [kept] = sessions.offers;
  if (!kept) return;

  for (let tries = 0; tries < 3; tries += 1) await sessions.take(kept);
  expect([sessions.tabs, sessions.offers, localStorage.length]).toEqual([[], [kept], 1]);
  // Said each time, shown once.
  expect(asks.notices.map((n) => n.text)).toEqual([expect.stringContaining('S is offline')]);

  world.box(box(true) as never);
  await sessions.take(kept);
  expect(sessions.tabs.map((tab) => tab.host)).toEqual(['h']);
  expect([sessions.offers, localStorage.getItem('culvert.kept.d')]).toEqual([[], null]);
});
