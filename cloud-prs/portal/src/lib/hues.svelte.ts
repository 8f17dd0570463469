//! The colours of the customers whose sessions are open in this window: apart
//! from each other for sure, whatever their ids or the server would give them.
//! A customer keeps hers while a session of hers is open.

import { hueOf, HUES } from './colour';

/** Degrees that two hues need to be told apart. */
export const APART = 25;

const between = (a: number, b: number): number => Math.min(Math.abs(a - b), 360 - Math.abs(a - b));
const room = (hue: number, taken: readonly number[]): number => taken.reduce((least, t) => Math.min(least, between(hue, t)), 360);

/** The wanted hue if it stands apart, else one of ours that does, else the one with the most room. */
export function apart(wanted: number, taken: readonly number[]): number {
  if (room(wanted, taken) >= APART) return wanted;
  const ours = HUES.find((hue) => room(hue, taken) >= APART);
  if (ours !== undefined) return ours;
  let best = wanted;
  for (let hue = 0; hue < 360; hue++) if (room(hue, taken) > room(best, taken)) best = hue;
  return best;
}

export class Hues {
  #held = $state.raw<ReadonlyMap<string, number>>(new Map());

  /** The customers with open sessions are these, in the order in which they were opened. */
  keep(customers: readonly { id: string; colour?: string | number | null; hue?: number | null }[]): void {
    const next = new Map<string, number>();
    for (const { id } of customers) {
      const had = this.#held.get(id);
      if (had !== undefined) next.set(id, had);
    }
    for (const { id, colour, hue } of customers) if (!next.has(id)) next.set(id, apart(hue ?? hueOf(id, colour), [...next.values()]));
    this.#held = next;
  }

  of(id: string, colour?: string | number | null): number { return this.#held.get(id) ?? hueOf(id, colour); }
}

export const hues = new Hues();
