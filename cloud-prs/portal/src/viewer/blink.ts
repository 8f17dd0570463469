//! The cursor's blinking: a class, turned over about twice a second.
//!
//! xterm.js blinks by an animation of colours. A browser works on such a one for
//! every frame, sixty times a second while a terminal has the focus; and while a
//! frame is due it holds back the messages that follow a key, so that the host's
//! echo comes a frame late. Terminal.svelte switches that animation off.

const HALF_MS = 600;

export interface Blinking {
  /** The cursor has moved: it is lit, and stays so for a while. */
  moved(): void;
  stop(): void;
}

export function blinking(place: HTMLElement): Blinking {
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  let timer: ReturnType<typeof setInterval> | undefined;
  const light = (): void => { if (place.classList.contains('unlit')) place.classList.remove('unlit'); };
  const begin = (): void => {
    end();
    if (!still.matches) timer = setInterval(() => place.classList.toggle('unlit'), HALF_MS);
  };
  const end = (): void => {
    clearInterval(timer);
    timer = undefined;
    light();
  };
  place.addEventListener('focusin', begin);
  place.addEventListener('focusout', end);
  return {
    moved: () => { if (timer !== undefined) begin(); },
    stop() {
      place.removeEventListener('focusin', begin);
      place.removeEventListener('focusout', end);
      end();
    },
  };
}
