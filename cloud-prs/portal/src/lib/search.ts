//! Finds hosts by words of customer, site, name, address and tags. The index is
//! made once per tree; a key then costs one pass of `indexOf` over ready strings
//! (10,000 hosts in a few milliseconds). Pure.

export interface Searchable {
  id: string;
  name: string;
  customer: string;
  site: string;
  address: string;
  tags?: readonly string[];
}

interface Row<T> { item: T; name: string; all: string }

export const fold = (text: string): string =>
  text.slice(0, 400).normalize('NFKD').replace(/[\p{M}\u200c\u200d]+/gu, '').toLowerCase();

export class Index<T extends Searchable> {
  readonly #rows: Row<T>[];

  constructor(items: readonly T[]) {
    this.#rows = items.map((item) => {
      const name = fold(item.name);
      const rest = [item.customer, item.site, item.address, ...(item.tags ?? [])].map(fold);
      return { item, name, all: `\n${name}\n${rest.join('\n')}` };
    });
  }

  /** Items that contain every word, best first; `boost` lifts favourites and recent ones. */
  find(query: string, limit: number, boost?: (item: T) => number): T[] {
    const words = fold(query).split(/\s+/).filter(Boolean);
    const hits: { item: T; score: number; at: number }[] = [];
    for (let at = 0; at < this.#rows.length; at++) {
      const row = this.#rows[at] as Row<T>;
      let score = 0;
      for (const word of words) {
        const s = rate(row, word);
        if (s === 0) { score = -1; break; }
        score += s;
      }
      if (score < 0) continue;
      hits.push({ item: row.item, score: score + (boost?.(row.item) ?? 0), at });
    }
    hits.sort((a, b) => b.score - a.score || a.at - b.at);
    return hits.slice(0, limit).map((hit) => hit.item);
  }

  /** The ids of all that match, for filtering the tree; null when nothing is asked. */
  matching(query: string): Set<string> | null {
    const words = fold(query).split(/\s+/).filter(Boolean);
    if (words.length === 0) return null;
    const found = new Set<string>();
    for (const row of this.#rows) if (words.every((word) => row.all.includes(word))) found.add(row.item.id);
    return found;
  }
}

// The host's own name counts most, a beginning more than a middle.
function rate(row: { name: string; all: string }, word: string): number {
  if (row.name.startsWith(word)) return row.name.length === word.length ? 12 : 10;
  const at = row.all.indexOf(word);
  if (at < 0) return 0;
  if (row.all.includes(`\n${word}`)) return 8;
  return /[^\p{L}\p{N}]/u.test(row.all[at - 1] ?? ' ') ? 6 : row.name.includes(word) ? 5 : 3;
}
