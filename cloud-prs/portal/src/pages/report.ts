//! What the report page computes: periods, sums per person, customer and host. Pure.

import type { SessionInfo } from '../api/schema';

export type By = 'sessions' | 'user' | 'customer' | 'host';
export interface Sum { id: string; name: string; under: string; count: number; time: number; from: number; to: number; last: number; people: number }

export const lasted = (s: SessionInfo, now: number): number => Math.max(0, (s.ended ?? now) - s.started);

export function sums(list: readonly SessionInfo[], by: Exclude<By, 'sessions'>, now: number): Sum[] {
  const found = new Map<string, Sum & { who: Set<string> }>();
  for (const s of list) {
    const { id, name } = s[by];
    const under = by === 'host' ? `${s.customer.name} › ${s.site.name}` : '';
    const sum = found.get(id) ?? { id, name, under, count: 0, time: 0, from: 0, to: 0, last: 0, people: 0, who: new Set<string>() };
    sum.count += 1;
    sum.time += lasted(s, now);
    sum.from += s.from_hosts;
    sum.to += s.to_hosts;
    sum.last = Math.max(sum.last, s.started);
    sum.who.add(s.user.id);
    sum.people = sum.who.size;
    found.set(id, sum);
  }
  return [...found.values()].map(({ who: _who, ...sum }) => sum).sort((a, b) => b.time - a.time);
}

/** Sums as a file. As in the server's own, no name in it is taken for a formula. */
export function csv(sums: readonly Sum[], by: Exclude<By, 'sessions'>, more: boolean): string {
  const head = [by, ...(by === 'host' ? ['where'] : []), 'sessions', 'seconds', 'bytes_from_host', 'bytes_to_host', 'people', 'last'];
  const rows = sums.map((s) => [
    guard(s.name), ...(by === 'host' ? [guard(s.under)] : []), ...[s.count, Math.floor(s.time / 1000), s.from, s.to, s.people].map(String), new Date(s.last).toISOString().replace(/\.\d+/, ''),
  ]);
  const left = more ? [['older sessions are left out: ask for a shorter time', ...Array<string>(head.length - 1).fill('')]] : [];
  return [head, ...rows, ...left].map((row) => `${row.map(field).join(',')}\n`).join('');
}
const guard = (text: string): string => (/^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text);
const field = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

export interface Span { name: string; /** First and last day. */ of: (now: number) => [string, string] }
export const LATELY: Span = { name: 'Last 30 days', of: (now) => [day(now - 30 * DAY), day(now)] };
/** Times that are asked for most. */
export const SPANS: readonly Span[] = [
  LATELY,
  { name: 'Last 7 days', of: (now) => [day(now - 7 * DAY), day(now)] },
  { name: 'Today', of: (now) => [day(now), day(now)] },
  { name: 'This month', of: (now) => [day(month(now)), day(now)] },
  { name: 'Last month', of: (now) => [day(month(now, -1)), day(month(now) - DAY / 2)] },
];
const DAY = 86_400_000;
/** The first of this month, or of one before. */
const month = (now: number, by = 0): number => { const d = new Date(now); return new Date(d.getFullYear(), d.getMonth() + by, 1).getTime(); };

/** A day as <input type=date> writes it, in this browser's time zone. */
export function day(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, '0')}-${String(d.getDate()).padStart(2, '0')}`;
}
export const startOf = (text: string): number | undefined => { const [y, m, d] = text.split('-').map(Number); return y && m && d ? new Date(y, m - 1, d).getTime() : undefined; };
export const endOf = (text: string): number | undefined => { const [y, m, d] = text.split('-').map(Number); return y && m && d ? new Date(y, m - 1, d + 1).getTime() : undefined; };
