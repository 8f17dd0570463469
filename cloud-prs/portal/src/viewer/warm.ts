//! One end of a session kept ready: its key made, its worker running, its link
//! to the server open, the frame's and the terminal's code loaded (a desktop's comes
//! with the first desktop). Made when somebody is about to
//! open a host (she looks at its page, points at its buttons, calls the search),
//! taken by the next session, and given up by its worker when nobody came in two
//! minutes. Never more than one in a window.

import type { EndKey } from '../session';

const newEndKey = async (): Promise<EndKey> => (await import('../session')).newEndKey();

interface Spare { making: Promise<EndKey>; key: EndKey | null }
let spare: Spare | null = null;

/** Somebody may open a host soon. */
export function warm(): void {
  if (document.hidden) return;
  // What cannot be loaded now is asked for again, and complained about, when it is needed.
  for (const code of [import('./Stage.svelte'), import('./emulator').then((m) => m.load())]) void code.catch(() => {});
  if (spare && (spare.key === null || spare.key.usable)) return;
  const mine: Spare = { making: newEndKey(), key: null };
  spare = mine;
  mine.making.then((key) => { mine.key = key; }, () => { if (spare === mine) spare = null; });
}

/** The end that is ready, or a new one. */
export async function takeEnd(): Promise<EndKey> {
  const mine = spare;
  spare = null;
  const key = await mine?.making.catch(() => null);
  if (key?.usable) return key;
  key?.dispose();
  return newEndKey();
}

/** Nobody is signed in any more. */
export function cool(): void {
  void spare?.making.then((key) => key.dispose(), () => {});
  spare = null;
}
