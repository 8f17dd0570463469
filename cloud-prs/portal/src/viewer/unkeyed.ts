//! Text that comes without a key of its own: from dictation, emoji pickers, the
//! keyboards of phones, or a second thumb while another key is still down.
//!
//! The emulator takes such text only while it believes that no key is down; what
//! comes meanwhile would be lost, and so would line ends. Those are taken here,
//! before the emulator sees them, and nothing is taken twice: the first text
//! after a key press is that key's own, and an input method's keys (229) and
//! compositions are the emulator's.
//!
//! What a key press types is sent by the emulator at once; it is kept from being
//! written into the emulator's hidden field as well. The browser would draw that
//! field first and hold the host's echo back for a frame.

/** The key code of every key that an input method has taken. */
const TAKEN_BY_METHOD = 229;

/** Listens in front of the emulator in `place`; the answer ends it. */
export function typedWithoutKey(place: HTMLElement, send: (text: string) => void): () => void {
  /** The code of a key that is down, as the emulator counts: any key that goes up frees it. */
  let down: number | null = null;
  /** A key has typed, and its own text has not come as an event yet. */
  let pressed = false;
  const ondown = (event: KeyboardEvent): void => { down = event.keyCode; pressed = false; };
  const onpress = (event: KeyboardEvent): void => {
    // With one of these it may be a command of the browser.
    if (event.ctrlKey || event.altKey || event.metaKey) pressed = true;
    else event.preventDefault();
  };
  const onup = (): void => { down = null; pressed = false; };
  const oninput = (event: Event): void => {
    const { inputType, data, isComposing } = event as InputEvent;
    if (isComposing || down === TAKEN_BY_METHOD) return;
    if (pressed) { pressed = false; return; }
    if (inputType === 'insertLineBreak' || inputType === 'insertParagraph') take(event, '\r');
    else if (inputType === 'insertText' && data && down !== null) take(event, data);
  };
  const take = (event: Event, text: string): void => {
    event.stopImmediatePropagation();
    send(text);
  };
  place.addEventListener('keydown', ondown, true);
  place.addEventListener('keypress', onpress, true);
  place.addEventListener('keyup', onup, true);
  place.addEventListener('input', oninput, true);
  return () => {
    place.removeEventListener('keydown', ondown, true);
    place.removeEventListener('keypress', onpress, true);
    place.removeEventListener('keyup', onup, true);
    place.removeEventListener('input', oninput, true);
  };
}
