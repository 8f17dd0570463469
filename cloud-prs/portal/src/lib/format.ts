//! Turns figures and times into what people read. Pure; the locale is the browser's.

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' });

export const exact = (ms: number): string => full.format(ms);
export const time = (ms: number): string => clock.format(ms);
export const date = (ms: number): string => day.format(ms);

/** "now", "4 min ago", "3 h ago", then the date. */
export function ago(ms: number, now: number): string {
  const s = Math.round((now - ms) / 1000);
  if (s < 45) return 'now';
  if (s < 90 * 60) return `${Math.max(1, Math.round(s / 60))} min ago`;
  if (s < 36 * 3600) return `${Math.round(s / 3600)} h ago`;
  if (s < 14 * 86400) return `${Math.round(s / 86400)} days ago`;
  return date(ms);
}

/** "12 s", "4:05", "1:04:05". */
export function duration(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  const [h, m, r] = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return h ? `${h}:${two(m)}:${two(r)}` : `${m}:${two(r)}`;
}

/** The same in words, for sums: "12 s", "4 min", "1 h 4 min". */
export function spent(ms: number): string {
  if (ms < 60_000) return duration(ms);
  const m = Math.round(ms / 60_000);
  return m < 60 ? `${m} min` : `${Math.floor(m / 60).toLocaleString()} h${m % 60 ? ` ${m % 60} min` : ''}`;
}

export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let [value, unit] = [n / 1000, 0];
  while (value >= 999.5 && unit < units.length - 1) { value /= 1000; unit += 1; }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Cuts foreign text by code points, so that no half of a pair is left. */
export function clip(text: string, most: number): string {
  if (text.length <= most) return text;
  const cut = Array.from(text.slice(0, most * 2)).slice(0, most).join('');
  return cut.length < text.length ? `${cut}…` : text;
}

export const plural = (n: number, one: string, many = `${one}s`): string => `${n.toLocaleString()} ${n === 1 ? one : many}`;

export const PROTOCOLS: Record<string, string> = {
  ssh: 'SSH', vnc: 'VNC', rdp: 'RDP', telnet: 'Telnet', http: 'Web', https: 'Web', tcp: 'TCP',
};
export const protocolName = (p: string): string => PROTOCOLS[p] ?? p.toUpperCase();
