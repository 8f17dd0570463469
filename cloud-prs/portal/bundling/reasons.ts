//! Reads the reasons of docs/wire.md: the one list of why things end, so that
//! the pages say what the programs say. A test over the tree holds that table
//! to the code (tests/deps).

export interface Reason { code: number; slug: string; sentence: string }

const ROW = /^\| (\d+) \| `([a-z_]+)` \| (.+) \|$/;

/** The rows of the table of reasons. */
export function reasons(markdown: string): Reason[] {
  const rows = markdown.split('\n').map((line) => ROW.exec(line)).filter((row) => row !== null);
  const found = rows.map(([, code, slug, text]) => ({ code: Number(code), slug: slug as string, sentence: text as string }));
  if (!found.some((r) => r.slug === 'finished') || !found.some((r) => r.slug === 'version_unsupported')) {
    throw new Error('docs/wire.md holds no table of reasons: see bundling/reasons.ts');
  }
  return found;
}
