//! One clock for every "4 min ago": ticks twice a minute, and each second only
//! while something on the page counts seconds. It shows the server's time: a
//! computer whose own clock is wrong still counts right, and is told.

/** An answer's date has whole seconds, and was on its way for a while. */
const EXACT = 5_000;

class Clock {
  now = $state(Date.now());
  second = $state(Date.now());
  /** How much this computer's clock is ahead of the server's; 0 when they agree. */
  ahead = $state(0);
  #counting = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor() {
    setInterval(() => { this.now = this.read(); }, 30_000);
    document.addEventListener('visibilitychange', () => { this.now = this.second = this.read(); });
  }

  /** The server's time, as far as it is known. */
  read(): number { return Date.now() - this.ahead; }

  /** The date of an answer of the server's. */
  heard(date: string | null): void {
    const theirs = Date.parse(date ?? '');
    if (Number.isNaN(theirs)) return;
    const ahead = Date.now() - theirs;
    const kept = Math.abs(ahead) < EXACT ? 0 : ahead;
    if (Math.abs(kept - this.ahead) < EXACT) return;
    this.ahead = kept;
    this.now = this.second = this.read();
  }

  /** For an `$effect`: counts seconds until the returned function is called. */
  count = (): (() => void) => {
    this.#counting += 1;
    this.second = this.read();
    this.#timer ??= setInterval(() => { this.second = this.read(); }, 1000);
    return () => {
      this.#counting -= 1;
      if (this.#counting === 0) { clearInterval(this.#timer); this.#timer = undefined; }
    };
  };
}

export const clock = new Clock();
