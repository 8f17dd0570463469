//! The rows of the audit trail: how one answer follows another, and what a row was
//! done to, by name where the row itself knows one. Pure; the names are foreign text.

interface Row { object: string; before: string; after: string }
interface Place { chain: string; seq: number; at: number }

/** What the server gives in one answer. */
export const MOST = 1000;

/**
 * Where the rows after `rows` begin. Others may be of the last one's moment, so that
 * one is asked for with them and `joined` leaves it out.
 */
export const olderThan = (rows: readonly Place[]): number | undefined => { const last = rows.at(-1); return last && last.at + 1; };

/** The rows that are there and those of an answer that are not among them yet. */
export function joined<T extends Place>(rows: readonly T[], answer: readonly T[]): T[] {
  const there = new Set(rows.map((r) => `${r.chain} ${r.seq}`));
  return [...rows, ...answer.filter((r) => !there.has(`${r.chain} ${r.seq}`))];
}

/** "server", "tess: technician, Harbour"; nothing where nobody knows more than the id. `nameOf` knows what is there now. */
export function objectOf(row: Row, nameOf: (id: string) => string | undefined = () => undefined): string {
  for (const json of [row.after, row.before]) {
    const known = parse(json);
    const subject = word(known.subject);
    if (subject) return [subject, [word(known.role), word(known.at)].filter(Boolean).join(', ')].filter(Boolean).join(': ');
    const name = word(known.host) || word(known.name) || word(known.label) || word(known.site);
    if (name) return known.test === true ? `${name}: test` : name;
  }
  const { site } = parse(row.after);
  return nameOf(row.object) ?? (typeof site === 'string' ? nameOf(site) : undefined) ?? '';
}

function parse(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
  } catch { return {}; }
}

/** A text that is a name and no id. */
const word = (value: unknown): string => (typeof value === 'string' && !/^[a-z2-7]{26}$/.test(value) ? value : '');
