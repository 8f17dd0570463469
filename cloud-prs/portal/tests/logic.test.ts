//! Router, colours, formats, commands, the kept sessions of a lost window (S20).
// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { whyRelay } from '../src/session/worker/why';
import { fill, sentence } from '../src/api/call';
import { clock } from '../src/lib/clock.svelte';
import { hueOf, HUES, initials } from '../src/lib/colour';
import { apart, APART, Hues } from '../src/lib/hues.svelte';
import { bytes, clip, duration, spent } from '../src/lib/format';
import { serviceName } from '../src/lib/services';
import { match, safeReturn } from '../src/lib/router.svelte';
import { joined, objectOf, olderThan } from '../src/pages/trail';
import { rows } from '../src/pages/tree';
import { wellOf } from '../src/pages/verdict';
import { grouped } from '../src/pages/people/shapes';
import { commandFor } from '../src/viewer/command';
import { Keeper } from '../src/viewer/keep';
import { SessionError, type Session, type SessionEnd, type Stream } from '../src/session';
import { exitOf, ssh, TAKEN, type SshEvents } from '../src/viewer/pipes';
import { endBy, reasonOf } from '../src/viewer/reasons';
import { mayDo } from '../src/lib/world.svelte';

describe('addresses', () => {
  it('fit their pattern', () => {
    expect(match('/h/:host', '/h/abc')).toEqual({ host: 'abc' });
    expect(match('/h/:host', '/h/abc/x')).toBeNull();
    expect(match('/', '/')).toEqual({});
    expect(match('/h/:host', '/h/%E0%A4%A')).toBeNull();
  });
  it('lead back only to our own pages', () => {
    expect(safeReturn('/h/abc?x=1')).toBe('/h/abc?x=1');
    for (const evil of ['https://evil.example/', '//evil.example', '/\\evil.example', 'javascript:alert(1)', '/api/v1/me', '/sign-in?to=/x', null, '']) expect(safeReturn(evil)).toBe('/');
  });
  it('of the API carry every part encoded', () => expect(fill('/api/v1/hosts/{host}', { host: '../x?y' }, { q: 'a b', none: undefined })).toBe('/api/v1/hosts/..%2Fx%3Fy?q=a+b'));
});

describe('words', () => {
  it('are sentences', () => { expect(sentence('the box is offline')).toBe('The box is offline.'); expect(sentence('Why?')).toBe('Why?'); });
  it('cut at whole characters', () => { expect(clip('😀😀😀', 2)).toBe('😀😀…'); expect(clip('abc', 3)).toBe('abc'); });
  it('say durations and sizes', () => { expect(duration(9_000)).toBe('9 s'); expect(duration(3_725_000)).toBe('1:02:05'); expect(bytes(999)).toBe('999 B'); expect(bytes(1_250_000)).toBe('1.3 MB'); });
  it('say sums so that nobody takes minutes for hours', () => expect([9_000, 151_000, 3_600_000, 3_725_000, 3_599_999].map(spent)).toEqual(['9 s', '3 min', '1 h', '1 h 2 min', '1 h']));
  it('name a service by its port where its name alone would not do', () => {
    const ssh = { protocol: 'ssh', port: 2222 } as const;
    const web = [{ protocol: 'http', port: 80 }, { protocol: 'https', port: 443 }] as const;
    expect([serviceName(ssh, [ssh]), serviceName(ssh, [ssh], true), ...web.map((s) => serviceName(s, web)), serviceName({ protocol: 'tcp', port: 9100 }, [])]).toEqual(['SSH', 'SSH 2222', 'Web 80', 'Web 443', 'TCP 9100']);
  });
  it('say each role once, with its places', () => {
    const of = (role: string, ...path: string[]): never => ({ role, path }) as never;
    expect(grouped([of('technician', 'Mill'), of('owner'), of('technician', 'Port', 'Pier'), of('technician', 'Mill')])).toEqual([{ role: 'owner', places: ['everything'] }, { role: 'technician', places: ['Mill', 'Port › Pier'] }]);
  });
  it('say that all is well only where nothing is to be done', () => {
    const box = (more: object): never => ({ online: true, state: 'active', verdict: { code: 'ok', text: '' }, ...more }) as never;
    expect([box({}), box({ verdict: null }), box({ online: false }), box({ state: 'quarantined' }), box({ verdict: { code: 'udp_blocked', text: 'x' } })].map(wellOf)).toEqual([true, true, false, false, false]);
  });
  it('say how a shell ended', () => {
    expect(exitOf({ kind: 'status', status: 3 }).sentence).toContain('status 3');
    expect(exitOf({ kind: 'lost', reason: 301, text: '' }).code).toBe(301);
  });
});

describe('why it ended', () => {
  it('is the sentence of docs/wire.md, with what the other end adds', () => {
    expect(endBy(100)).toEqual({ code: 100, slug: 'ended_by_administrator', sentence: 'An administrator ended the session.' });
    expect(endBy(211, 'no common cipher').sentence).toMatch(/^The host does not speak .*\. No common cipher\.$/);
    expect(endBy(999).sentence).toContain('999');
    expect(reasonOf('peer_lost')).toBe('The other end stopped answering');
    expect(reasonOf('of_tomorrow')).toBe('of tomorrow');
  });
});

describe('this computer’s clock', () => {
  it('gives way to the server’s when it is wrong, and to nothing else', () => {
    const told = (ms: number): string => new Date(Date.now() - ms).toUTCString();
    clock.heard(told(300_000));
    expect(Math.round(clock.ahead / 10_000)).toBe(30);
    expect(Math.abs(Date.now() - 300_000 - clock.read())).toBeLessThan(3_000);
    for (const none of [null, '', 'yesterday']) clock.heard(none);
    expect(Math.round(clock.ahead / 10_000)).toBe(30);
    clock.heard(told(2_000));
    expect(clock.ahead).toBe(0);
  });
});

describe('the trail', () => {
  const row = (after: object): string => objectOf({ object: 'a'.repeat(26), before: '', after: JSON.stringify(after) });
  it('names what a deed was done to', () => {
    expect(row({ host: 'server', reason: 'peer_lost' })).toBe('server');
    expect(row({ subject: 'tess', role: 'technician', at: 'Harbour' })).toBe('tess: technician, Harbour');
    expect(row({ host: 'server', test: true })).toBe('server: test');
    expect(row({ site: 'b'.repeat(26) })).toBe('');
    expect(objectOf({ object: 'x', before: '{', after: 'null' })).toBe('');
    // What is there now has a name all the same.
    const names = new Map([['h'.repeat(26), 'till'], ['s'.repeat(26), 'Yard']]);
    const nameOf = (id: string): string | undefined => names.get(id);
    expect(objectOf({ object: 'h'.repeat(26), before: '', after: '{"protocol":"rdp"}' }, nameOf)).toBe('till');
    expect(objectOf({ object: 'c'.repeat(26), before: '', after: `{"site":"${'s'.repeat(26)}"}` }, nameOf)).toBe('Yard');
  });
  it('goes on where an answer ended, in the middle of a moment', () => {
    const rows = [{ chain: 'a', seq: 3, at: 20 }, { chain: 'a', seq: 2, at: 10 }, { chain: 'b', seq: 2, at: 10 }];
    expect([olderThan([]), olderThan(rows.slice(0, 2))]).toEqual([undefined, 11]);
    expect(joined(rows.slice(0, 2), rows.slice(1))).toEqual(rows);
  });
});

describe('a customer’s colour', () => {
  it('follows from the id, or is the one given', () => {
    expect(hueOf('aaa')).toBe(hueOf('aaa'));
    expect(hueOf('aaa', 120)).toBe(120);
    expect(hueOf('aaa', '#ff0000')).toBeGreaterThan(20);
    expect(hueOf('aaa', 'nonsense')).toBe(hueOf('aaa'));
  });
  it('comes with letters', () => { expect(initials('Alder & Sons')).toBe('AS'); expect(initials('übe')).toBe('Ü'); expect(initials('!!!')).toBe('·'); });
});

describe('the customers that are open at once', () => {
  const gap = (a: number, b: number): number => Math.min(Math.abs(a - b), 360 - Math.abs(a - b));
  const least = (all: number[]): number => Math.min(...all.flatMap((a, i) => all.slice(i + 1).map((b) => gap(a, b))));
  it('have colours apart from each other, whatever they would have had', () => {
    const hues = new Hues();
    const open = Array.from({ length: HUES.length }, (_, n) => ({ id: `c${n}`, colour: 100 + (n % 2) }));
    for (let n = 1; n <= open.length; n++) hues.keep(open.slice(0, n));
    expect(least(open.map((c) => hues.of(c.id, c.colour)))).toBeGreaterThanOrEqual(APART);
    // Still all different where there are more than eyes tell apart.
    const many = Array.from({ length: 40 }, (_, n) => ({ id: `m${n}`, colour: 7 }));
    hues.keep(many);
    expect(new Set(many.map((c) => hues.of(c.id, c.colour))).size).toBe(40);
  });
  it('keep theirs while they are open, and what a window before gave them', () => {
    const hues = new Hues();
    hues.keep([{ id: 'a', colour: 50 }, { id: 'b', colour: 50 }]);
    const [a, b] = [hues.of('a', 50), hues.of('b', 50)];
    expect(a).toBe(50);
    expect(b).not.toBe(50);
    hues.keep([{ id: 'b', colour: 50 }]);
    expect([hues.of('b', 50), hues.of('a', 50)]).toEqual([b, 50]);
    hues.keep([{ id: 'b', colour: 50 }, { id: 'c', colour: 50, hue: 200 }]);
    expect(hues.of('c', 50)).toBe(200);
    expect(apart(10, [])).toBe(10);
  });
});

describe('a native command', () => {
  it('never lets a host’s name become shell words', () => {
    expect(commandFor({ id: 'aaaa', name: 'srv-1' }, 'ssh', 22)).toBe('culvert ssh srv-1');
    expect(commandFor({ id: 'aaaa', name: '$(reboot)' }, 'ssh', 2222)).toBe('culvert ssh aaaa:2222');
    expect(commandFor({ id: 'aaaa', name: '--help' }, 'vnc', 5901)).toBe('culvert vnc aaaa::5901');
    expect(commandFor({ id: 'aaaa', name: 'nas' }, 'https', 8443)).toBe('culvert web nas:8443');
  });
});

describe('the tree', () => {
  const customer = { id: 'c', name: 'C', sites: [] as never[] } as Parameters<typeof rows>[0][number];
  const site = { id: 's', name: 'S', customer, hosts: [] as never[] } as (typeof customer.sites)[number];
  customer.sites.push(site);
  for (const id of ['a', 'b']) site.hosts.push({ id, name: id, address: '', services: [], anyPort: false, tags: [], site, customer });
  const all = { hosts: null, keep: () => true, folded: new Set<string>() };
  it('shows, folds and filters', () => {
    expect(rows([customer], all, false).map((r) => r.kind)).toEqual(['customer', 'site', 'host', 'host']);
    expect(rows([customer], { ...all, folded: new Set(['s']) }, false).map((r) => r.kind)).toEqual(['customer', 'site']);
    expect(rows([customer], { ...all, hosts: new Set(['b']), folded: new Set(['c']) }, true).map((r) => r.id)).toEqual(['c', 's', 'b']);
    expect(rows([customer], { ...all, hosts: new Set() }, true)).toEqual([]);
  });
});

describe('hints of what she may', () => {
  it('follow the rights she was told', () => {
    expect(mayDo(null, 'x')).toBe(false);
    expect(mayDo({ rights: ['x'] } as never, 'x')).toBe(true);
    expect(mayDo({ rights: [] } as never, 'x')).toBe(false);
  });
});

describe('kept sessions', () => {
  const entry = { id: 't1', user: 'u', host: 'h', protocol: 'ssh', port: 22, name: 'srv', resume: { token: 'x', seen: 0 } };
  const locks = (names: string[]): LockManager => ({ request: () => new Promise(() => {}), query: async () => ({ held: names.map((name) => ({ name })) }) }) as unknown as LockManager;
  it('are offered to the next window of the same person for two minutes', async () => {
    localStorage.clear();
    new Keeper(localStorage, locks([])).save(entry);
    const next = new Keeper(localStorage, locks([]));
    expect(await next.orphans('u')).toHaveLength(1);
    expect(await next.orphans('u', Date.now() + 121_000)).toHaveLength(0);
    expect(localStorage.length).toBe(0);
  });
  it('are not offered while their window lives, nor to another person', async () => {
    localStorage.clear();
    const first = new Keeper(localStorage, locks([]));
    first.save(entry);
    const owner = (JSON.parse(localStorage.getItem('culvert.kept.t1') ?? '{}') as { window: string }).window;
    expect(await new Keeper(localStorage, locks([`culvert.window.${owner}`])).orphans('u')).toHaveLength(0);
    expect(localStorage.length).toBe(1);
    expect(await new Keeper(localStorage, locks([])).orphans('somebody else')).toHaveLength(0);
    expect(localStorage.length).toBe(0);
  });
  it('are taken up by one of the windows that they are offered to', async () => {
    localStorage.clear();
    const held = new Set<string>();
    const shared = {
      query: async () => ({ held: [] }),
      request: async (name: string, ...rest: unknown[]) => {
        const use = rest.at(-1) as (lock: unknown) => unknown;
        const mine = !held.has(name);
        held.add(name);
        await use(mine ? { name } : null);
        if (mine) held.delete(name);
      },
    } as unknown as LockManager;
    new Keeper(localStorage, locks([])).save(entry);
    const windows = [new Keeper(localStorage, shared), new Keeper(localStorage, shared)];
    const offers = await Promise.all(windows.map(async (keeper) => (await keeper.orphans('u'))[0]!));
    // As if the other one heard late of what the first does to the store.
    const stale = JSON.stringify(offers[1]);
    expect(await windows[0]!.claim(offers[0]!)).toBe(true);
    expect(localStorage.length).toBe(0);
    localStorage.setItem('culvert.kept.t1', stale);
    expect(await windows[1]!.claim(offers[1]!)).toBe(false);
    // And without locks, the store alone says so.
    localStorage.clear();
    expect(await new Keeper(localStorage, undefined).claim(offers[1]!)).toBe(false);
    localStorage.setItem('culvert.kept.t1', stale);
    expect(await new Keeper(localStorage, undefined).claim(offers[1]!)).toBe(true);
  });
  it('survive rubbish in the store', async () => {
    localStorage.setItem('culvert.kept.x', '{"at":');
    expect(await new Keeper(localStorage, locks([])).orphans('u')).toEqual([]);
  });
});

describe('a terminal whose stream breaks', () => {
  const breaks = async (code: number): Promise<{ end: SessionEnd; opened: number }> => {
    let opened = 0;
    const open = async (): Promise<Stream> => {
      opened += 1;
      const readable = new ReadableStream({ start: (c) => c.error(new SessionError(endBy(code))) });
      return { readable, writable: new WritableStream(), reset: () => {}, closed: new Promise(() => {}) } as unknown as Stream;
    };
    const end = await new Promise<SessionEnd>((over) => void ssh({ state: 'open', open } as unknown as Session, { columns: 80, rows: 24, resume: new Uint8Array(16) }, async () => {}, { over } as unknown as SshEvents));
    return { end, opened };
  };
  it('goes on in a new stream, three times', async () => expect((await breaks(301)).opened).toBe(4));
  it('is left to the window that took it over', async () => expect(await breaks(304)).toEqual({ end: TAKEN, opened: 1 }));
});

describe('why the relay', () => {
  it('names the server, and says when the way to it broke', () => {
    const calm = whyRelay('portal.example', { count: 0, last: null });
    expect(calm).toContain('portal.example');
    expect(calm).not.toContain('broke');
    const at = new Date(2026, 10, 22, 9, 5, 7);
    expect(whyRelay('portal.example', { count: 1, last: at })).toContain('broke once in this session, last at 09:05:07');
    expect(whyRelay('portal.example', { count: 3, last: at })).toContain('broke 3 times');
  });
});
