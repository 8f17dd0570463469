//! Keyboard help: whether a key belongs to a field or a viewer, and how a
//! shortcut is written on this machine.

const mac = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.platform);

export const shortcut = (key: string): string => (mac ? `⌘${key}` : `Ctrl ${key}`);

/** True where letters are typed text, so single-letter shortcuts must stay away. */
export function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.closest('[data-viewer]') !== null;
}

export const isPalette = (e: KeyboardEvent): boolean =>
  (e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey && e.key.toLowerCase() === 'k';

/** For `{@attach}`: the keyboard goes there as soon as it is on the page (`autofocus` only takes it from nobody). */
export const takeFocus = (node: HTMLElement): void => node.focus();
