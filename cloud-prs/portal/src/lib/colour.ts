//! A colour per customer: the same everywhere and for everybody. The server may
//! give one (a hue in degrees or #rrggbb); otherwise it follows from the id.

// Ten hues that stay apart for people who see red and green alike, too.
export const HUES = [28, 58, 92, 142, 168, 232, 262, 295, 325, 358];

export function hueOf(id: string, colour?: string | number | null): number {
  if (typeof colour === 'number') return ((colour % 360) + 360) % 360;
  if (typeof colour === 'string' && colour.trim() !== '') {
    const given = fromHex(colour) ?? (/^\d{1,3}$/.test(colour) ? Number(colour) % 360 : undefined);
    if (given !== undefined) return given;
  }
  let h = 2166136261;
  for (let i = 0; i < id.length; i++) h = Math.imul(h ^ id.charCodeAt(i), 16777619);
  return HUES[(h >>> 0) % HUES.length] ?? 200;
}

function fromHex(text: string): number | undefined {
  const m = /^#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text);
  if (!m) return undefined;
  const [r, g, b] = [m[1], m[2], m[3]].map((x) => { const v = parseInt(x ?? '0', 16) / 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }) as [number, number, number];
  // sRGB → OKLab, hue only (Björn Ottosson's matrices).
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const a = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  const A = 1.9779984951 * l - 2.428592205 * a + 0.4505937099 * s;
  const B = 0.0259040371 * l + 0.7827717662 * a - 0.808675766 * s;
  return Math.round((Math.atan2(B, A) * 180) / Math.PI + 360) % 360;
}

/** One or two letters for a chip. */
export function initials(name: string): string {
  const words = name.normalize('NFC').split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const letters = (words.length > 1 ? [words[0], words[1]] : [words[0]]).map((w) => Array.from(w ?? '')[0] ?? '');
  return (letters.join('') || '·').toLocaleUpperCase();
}
