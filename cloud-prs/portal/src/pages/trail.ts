//! What a row of the audit trail was done to, by name where the row itself knows
//! one. Pure; the names are foreign text.

interface Row { object: string; before: string; after: string }

/** "server", "tess: technician, Harbour"; nothing where only the id is known. */
export function objectOf(row: Row): string {
  for (const json of [row.after, row.before]) {
    const known = parse(json);
    const subject = word(known.subject);
    if (subject) return [subject, [word(known.role), word(known.at)].filter(Boolean).join(', ')].filter(Boolean).join(': ');
    const name = word(known.host) || word(known.name) || word(known.label) || word(known.site);
    if (name) return name;
  }
  return '';
}

function parse(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
  } catch { return {}; }
}

/** A text that is a name and no id. */
const word = (value: unknown): string => (typeof value === 'string' && !/^[a-z2-7]{26}$/.test(value) ? value : '');
