//! Shows names by the rule that the server takes them by (wire/src/name.rs):
//! what is drawn as nothing or turns the direction of writing becomes a space,
//! except where it changes what is seen. A name that an older server let in so
//! looks different from the one that it imitates. Pure.

const UNSEEN = /[\p{Default_Ignorable_Code_Point}\p{Cc}\u2028\u2029\ufff9-\ufffb]/gu;
const JOINING = '[\\p{scx=Arab}\\p{scx=Syrc}\\p{scx=Mand}\\p{scx=Nkoo}\\p{scx=Mong}\\p{scx=Adlm}\\p{scx=Rohg}\\p{scx=Phag}\\p{scx=Mani}\\p{scx=Sogd}]';
/** Arabic letters that join to nothing behind them. */
const ALONE = '\u0621-\u0625\u0627\u0629\u062f-\u0632\u0648\u0671-\u0673\u0675-\u0677\u0688-\u0699\u06c0\u06c3-\u06cb\u06cd\u06cf\u06d2\u06d3\u06d5\u06ee\u06ef';
const JOINS_LEFT = new RegExp(`(?![${ALONE}])(?=\\p{L})${JOINING}\\p{M}*$`, 'u');
const JOINS_RIGHT = new RegExp(`^\\p{M}*(?=\\p{L})${JOINING}`, 'u');
/** Viramas of the scripts of India and around it. */
const VIRAMA = /[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u0e3a\u0eba\u0f84\u1039\u103a\u1714\u1734\u17d2\u1a60\u1b44\u1baa\u1bab\u1bf2\u1bf3\ua806\ua8c4\ua953\ua9c0\uaaf6\uabed]$/u;
const PICTURE_LEFT = /\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]*$/u;
const PICTURE_RIGHT = /^\p{Extended_Pictographic}/u;
const FLAG = /\u{1f3f4}(?:\u{e0067}\u{e0062}(?:\u{e0065}\u{e006e}\u{e0067}|\u{e0073}\u{e0063}\u{e0074}|\u{e0077}\u{e006c}\u{e0073})\u{e007f})/gu;

export function visible(name: string): string {
  const flags = [...name.matchAll(FLAG)].map((found) => [found.index, found.index + found[0].length] as const);
  return name.replace(UNSEEN, (c, at: number) => (fits(c, name.slice(0, at), name.slice(at + c.length)) || flags.some(([from, to]) => at > from && at < to) ? c : ' '));
}

function fits(c: string, before: string, after: string): boolean {
  switch (c) {
    case '\u200c': return VIRAMA.test(before) || (JOINS_LEFT.test(before) && JOINS_RIGHT.test(after));
    case '\u200d': return VIRAMA.test(before) || (PICTURE_LEFT.test(before) && PICTURE_RIGHT.test(after));
    case '\ufe0e': case '\ufe0f': return /\p{Extended_Pictographic}$/u.test(before) || (/[0-9#*]$/.test(before) && after.startsWith('\u20e3'));
    default: return false;
  }
}
