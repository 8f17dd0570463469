//! Keys that the browser or the system keeps for itself, by X keysym.

import type RFB from '@novnc/novnc';

const [CTRL, ALT, SHIFT, SUPER] = [0xffe3, 0xffe9, 0xffe1, 0xffeb];
const fn = (n: number): number => 0xffbd + n;

export const COMBOS: readonly { label: string; keys: readonly number[] }[] = [
  { label: 'Ctrl Alt Del', keys: [CTRL, ALT, 0xffff] },
  { label: 'Win', keys: [SUPER] },
  { label: 'Win R', keys: [SUPER, 0x72] },
  { label: 'Win L', keys: [SUPER, 0x6c] },
  { label: 'Alt Tab', keys: [ALT, 0xff09] },
  { label: 'Alt F4', keys: [ALT, fn(4)] },
  { label: 'Ctrl Shift Esc', keys: [CTRL, SHIFT, 0xff1b] },
  { label: 'Ctrl Alt F1', keys: [CTRL, ALT, fn(1)] },
  { label: 'Ctrl Alt F2', keys: [CTRL, ALT, fn(2)] },
  { label: 'Ctrl Alt F7', keys: [CTRL, ALT, fn(7)] },
  { label: 'Esc', keys: [0xff1b] },
  { label: 'Tab', keys: [0xff09] },
  { label: 'Print', keys: [0xff61] },
  { label: 'F1', keys: [fn(1)] }, { label: 'F2', keys: [fn(2)] }, { label: 'F5', keys: [fn(5)] }, { label: 'F8', keys: [fn(8)] },
  { label: 'F10', keys: [fn(10)] }, { label: 'F11', keys: [fn(11)] }, { label: 'F12', keys: [fn(12)] },
];

/** Presses the keys in order and lets them go in reverse. */
export function press(rfb: Pick<RFB, 'sendKey'>, keys: readonly number[]): void {
  for (const key of keys) rfb.sendKey(key, null, true);
  for (const key of [...keys].reverse()) rfb.sendKey(key, null, false);
}
