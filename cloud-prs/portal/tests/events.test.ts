//! One stream for every tab: who hears what, whoever comes when (S34; trust row 24).
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Hub, type Source, type Told } from '../src/lib/events/hub';

class Fake extends EventTarget {
  readyState = 1;
  onerror: Source['onerror'] = null;
  close(): void { this.readyState = 2; }
  say(name: string, data: unknown): void { this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) })); }
  fail(readyState: number): void { this.readyState = readyState; this.onerror?.call(this as never, new Event('error')); }
}

let streams: Fake[];
let hub: Hub;
beforeEach(() => {
  vi.useFakeTimers();
  streams = [];
  hub = new Hub(() => { const s = new Fake(); streams.push(s); return s as unknown as Source; });
});
afterEach(() => { vi.useRealTimers(); });

function tab(): { told: Told[]; ear: (t: Told) => void; names: () => string[] } {
  const told: Told[] = [];
  return { told, ear: (t) => told.push(t), names: () => told.map((t) => ('name' in t ? t.name : t.stream)) };
}
const last = (): Fake => streams.at(-1) as Fake;

describe('the hub', () => {
  it('opens one stream for all tabs, and ends it with the last', () => {
    const tabs = Array.from({ length: 8 }, tab);
    for (const t of tabs) hub.hear(t.ear, 'ann');
    last().say('tree', {});
    expect(streams.length).toBe(1);
    for (const t of tabs) expect(t.names()).toEqual(['tree']);
    for (const t of tabs.slice(1)) hub.leave(t.ear);
    expect(last().readyState).toBe(1);
    hub.leave((tabs[0] as ReturnType<typeof tab>).ear);
    expect(last().readyState).toBe(2);
  });
  it('tells who comes later what is still true', () => {
    const [one, two] = [tab(), tab()];
    hub.hear(one.ear, 'ann');
    last().say('hello', { at: 1 });
    last().say('presence', { host: 'a', users: ['bob'] });
    last().say('presence', { host: 'b', users: ['bob'] });
    last().say('presence', { host: 'a', users: [] });
    hub.hear(two.ear, 'ann');
    expect(two.told).toEqual([{ name: 'hello', data: '{"at":1}' }, { name: 'presence', data: '{"host":"b","users":["bob"]}' }]);
  });
  it('keeps nothing of a stream that is over', () => {
    const [one, two] = [tab(), tab()];
    hub.hear(one.ear, 'ann');
    last().say('hello', {});
    last().say('presence', { host: 'a', users: ['bob'] });
    last().fail(0);
    hub.hear(two.ear, 'ann');
    expect(two.names()).toEqual([]);
    last().say('hello', {});
    expect(two.names()).toEqual(['hello']);
    expect(one.names()).toEqual(['hello', 'presence', 'hello']);
  });
  it('says nothing of a stream that the server ended and that is back in a moment', () => {
    const one = tab();
    hub.hear(one.ear, 'ann');
    last().say('hello', {});
    last().fail(0);
    vi.advanceTimersByTime(5_000);
    last().say('hello', {});
    vi.advanceTimersByTime(30_000);
    expect(one.names()).toEqual(['hello', 'hello']);
  });
  it('says a loss when the stream stays away, or cannot come back', () => {
    for (const away of [() => vi.advanceTimersByTime(7_000), () => last().fail(0)]) {
      const one = tab();
      hub.hear(one.ear, 'ann');
      last().say('hello', {});
      last().fail(0);
      expect(one.names()).toEqual(['hello']);
      away();
      expect(one.names()).toEqual(['hello', 'lost']);
      last().say('hello', {});
      vi.advanceTimersByTime(30_000);
      expect(one.names()).toEqual(['hello', 'lost', 'hello']);
      hub.leave(one.ear);
    }
  });
  it('never gives one person’s stream to another', () => {
    const [one, two] = [tab(), tab()];
    hub.hear(one.ear, 'ann');
    last().say('hello', {});
    last().say('presence', { host: 'a', users: ['bob'] });
    hub.hear(two.ear, 'bea');
    expect([streams.length, streams[0]?.readyState, two.names()]).toEqual([2, 2, []]);
  });
  it('says a refusal and the end of the sign-in, and asks no more by itself', () => {
    const one = tab();
    hub.hear(one.ear, 'ann');
    last().say('signed_out', {});
    expect([one.names(), last().readyState]).toEqual([['signed_out'], 2]);
    hub.hear(one.ear, 'ann');
    last().fail(2);
    expect([one.names().at(-1), streams.length]).toEqual(['refused', 2]);
    vi.advanceTimersByTime(120_000);
    expect(streams.length).toBe(2);
  });
  it('starts a silent stream anew', () => {
    const one = tab();
    hub.hear(one.ear, 'ann');
    vi.advanceTimersByTime(39_000);
    last().say('beat', {});
    vi.advanceTimersByTime(39_000);
    expect(streams.length).toBe(1);
    vi.advanceTimersByTime(2_000);
    expect([streams.length, streams[0]?.readyState, one.names()]).toEqual([2, 2, ['beat', 'lost']]);
  });
});
