//! xterm.js, set up once: guarded, fitted, searchable, paced. Loaded only when a
//! terminal is opened.

import type { ITheme } from '@xterm/xterm';
import { blinking } from './blink';
import { typedWithoutKey } from './unkeyed';

export interface EmulatorEvents {
  input: (bytes: Uint8Array) => void;
  resize: (columns: number, rows: number) => void;
  bell: () => void;
  find: () => void;
  paste: (text: string) => void;
}

export interface Emulator {
  readonly size: { columns: number; rows: number };
  write(bytes: Uint8Array): void;
  drained(): Promise<void>;
  /** A line of the portal's own, told apart by its looks. */
  note(text: string): void;
  paste(text: string): void;
  copy(): void;
  find(text: string, back: boolean): { at: number; of: number };
  unfind(): void;
  focus(): void;
  dispose(): void;
}

/** Bytes that may wait to be shown before the host is slowed down. */
const WAITING = 256 * 1024;
const SCROLLBACK = 10_000;

const LOOKS: ITheme = {
  background: '#0c1417', foreground: '#d8e3e6', cursor: '#55cbd3', cursorAccent: '#0c1417', selectionBackground: '#2b5a63',
  black: '#1b282e', red: '#ff8f85', green: '#57cf8f', yellow: '#f0b655', blue: '#79b4ff', magenta: '#d7a1f2', cyan: '#55cbd3', white: '#d8e3e6',
  brightBlack: '#7b8f96', brightRed: '#ffb1aa', brightGreen: '#86e3b0', brightYellow: '#f7d08a', brightBlue: '#a7cdff', brightMagenta: '#e6c3f8', brightCyan: '#8fe3e8', brightWhite: '#ffffff',
};

/** Loads what it takes; ahead of need, too. */
export const load = () => Promise.all([
  import('@xterm/xterm'), import('@xterm/addon-fit'), import('@xterm/addon-search'), import('@xterm/addon-unicode11'), import('./guard'),
]);

export async function emulate(place: HTMLElement, on: EmulatorEvents): Promise<Emulator> {
  const [{ Terminal }, { FitAddon }, { SearchAddon }, { Unicode11Addon }, { guard }] = await load();
  const terminal = new Terminal({
    allowProposedApi: true, scrollback: SCROLLBACK, cursorBlink: true, fontFamily: getComputedStyle(document.documentElement).getPropertyValue('--mono'), fontSize: 13.5, lineHeight: 1.2,
    theme: LOOKS, minimumContrastRatio: 4.5, macOptionIsMeta: true, rightClickSelectsWord: true, logLevel: 'off', windowOptions: {}, screenReaderMode: false, linkHandler: null,
  });
  const fit = new FitAddon();
  const search = new SearchAddon({ highlightLimit: 500 });
  terminal.loadAddon(fit);
  terminal.loadAddon(search);
  terminal.loadAddon(new Unicode11Addon());
  terminal.unicode.activeVersion = '11';
  const blink = blinking(place);
  terminal.onCursorMove(blink.moved);
  terminal.open(place);
  fit.fit();
  const encoder = new TextEncoder();
  const guarded = guard(terminal, (data) => on.input(encoder.encode(data)));
  terminal.onBinary((data) => on.input(Uint8Array.from(data, (c) => c.charCodeAt(0) & 0xff)));
  terminal.onResize(({ cols, rows }) => on.resize(cols, rows));
  terminal.onBell(on.bell);
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.type !== 'keydown' || !event.shiftKey || !(event.ctrlKey || event.metaKey)) return true;
    const key = event.key.toLowerCase();
    if (key === 'c') { event.preventDefault(); copy(); return false; }
    if (key === 'f') { event.preventDefault(); on.find(); return false; }
    // The browser turns this into a paste event, which is looked at below.
    return key !== 'v';
  });
  const onpaste = (event: ClipboardEvent): void => {
    event.preventDefault();
    event.stopImmediatePropagation();
    on.paste(event.clipboardData?.getData('text/plain') ?? '');
  };
  place.addEventListener('paste', onpaste, true);
  const unkeyed = typedWithoutKey(place, (text) => terminal.input(text, true));
  let waitingFrame = 0;
  const watch = new ResizeObserver(() => {
    cancelAnimationFrame(waitingFrame);
    // A hidden tab has no size: its terminal keeps the one it has.
    waitingFrame = requestAnimationFrame(() => { if (place.clientWidth > 40 && place.clientHeight > 40) fit.fit(); });
  });
  watch.observe(place);

  function copy(): void {
    const text = terminal.getSelection();
    if (text) void navigator.clipboard.writeText(text).catch(() => {});
  }
  let waiting = 0;
  let wake: (() => void)[] = [];
  let found = { at: 0, of: 0 };
  search.onDidChangeResults(({ resultIndex, resultCount }) => { found = { at: resultIndex + 1, of: resultCount }; });
  const marks = { matchBackground: '#7a5a12', activeMatchBackground: '#f0b655', matchOverviewRuler: '#f0b655', activeMatchColorOverviewRuler: '#ffffff' };

  return {
    get size() { return { columns: terminal.cols, rows: terminal.rows }; },
    write(bytes) {
      waiting += bytes.length;
      terminal.write(bytes, () => {
        waiting -= bytes.length;
        if (waiting < WAITING) for (const f of wake.splice(0)) f();
      });
    },
    drained: () => (waiting < WAITING ? Promise.resolve() : new Promise((resolve) => { wake.push(resolve); })),
    note: (text) => terminal.write(`\r\n\x1b[0;2m— ${text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')} —\x1b[0m\r\n`),
    paste: (text) => terminal.paste(text),
    copy,
    find(text, back) {
      if (back) search.findPrevious(text, { decorations: marks }); else search.findNext(text, { decorations: marks });
      return found;
    },
    unfind: () => search.clearDecorations(),
    focus: () => terminal.focus(),
    dispose() {
      watch.disconnect();
      cancelAnimationFrame(waitingFrame);
      place.removeEventListener('paste', onpaste, true);
      unkeyed();
      blink.stop();
      wake.splice(0).forEach((f) => f());
      guarded.dispose();
      terminal.dispose();
    },
  };
}
