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

/** A day as <input type=date> writes it, in this browser's time zone. */
export function day(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, '0')}-${String(d.getDate()).padStart(2, '0')}`;
}
export const startOf = (text: string): number | undefined => { const [y, m, d] = text.split('-').map(Number); return y && m && d ? new Date(y, m - 1, d).getTime() : undefined; };
export const endOf = (text: string): number | undefined => { const [y, m, d] = text.split('-').map(Number); return y && m && d ? new Date(y, m - 1, d + 1).getTime() : undefined; };
