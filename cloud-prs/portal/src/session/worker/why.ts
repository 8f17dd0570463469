//! Why the session's packets go the way they go, in words: made of what the
//! worker knows, never of guesses. Pure.

/** How often the way to the server broke, and when last. */
export interface Breaks {
  count: number;
  last: Date | null;
}

export function whyRelay(server: string, breaks: Breaks): string {
  const way = `${server} carries the packets between this browser and the box and cannot read them: a browser has no direct way to a box yet.`;
  if (breaks.count === 0 || !breaks.last) return way;
  const times = breaks.count === 1 ? 'once' : `${breaks.count} times`;
  const at = breaks.last.toTimeString().slice(0, 8);
  return `${way} The connection to it broke ${times} in this session, last at ${at}, and was made again.`;
}
