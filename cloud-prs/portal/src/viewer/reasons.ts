//! Why something ended, for people: the list of docs/wire.md, put in by the
//! bundler. What the gateway adds in words of its own stands behind it.

import { sentence } from '../api/call';
import type { SessionEnd } from '../session';

declare const __REASONS__: readonly { code: number; slug: string; sentence: string }[];

const known = new Map(__REASONS__.map((reason) => [reason.code, reason]));

/** An end by its number; `text` is what the other end adds, or nothing. */
export function endBy(code: number, text = ''): SessionEnd {
  const reason = known.get(code);
  const said = sentence(text);
  if (!reason) return { code, slug: 'other', sentence: said || `It ended for a reason (${code}) that this page does not know: reload it.` };
  return { code, slug: reason.slug, sentence: said ? `${sentence(reason.sentence)} ${said}` : sentence(reason.sentence) };
}

/** The sentence of a short name, as reports carry it. */
export const reasonOf = (slug: string | null | undefined): string => {
  const reason = __REASONS__.find((r) => r.slug === slug);
  return reason ? sentence(reason.sentence).replace(/\.$/, '') : (slug ?? '').replaceAll('_', ' ');
};

/** The gateway keeps as many as it can. */
export const TOO_MANY_SESSIONS = 207;
/** What is asked for cannot be had at this target. */
export const TARGET_UNKNOWN = 208;
/** A kept terminal is over: only a new one can be begun. */
export const TERMINAL_GONE = 213;
/** Another page goes on with it. */
export const REPLACED = 304;
