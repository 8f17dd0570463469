//! One clock for every "4 min ago": ticks twice a minute, and each second only
//! while something on the page counts seconds.

class Clock {
  now = $state(Date.now());
  second = $state(Date.now());
  #counting = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor() {
    setInterval(() => { this.now = Date.now(); }, 30_000);
    document.addEventListener('visibilitychange', () => { this.now = this.second = Date.now(); });
  }

  /** For an `$effect`: counts seconds until the returned function is called. */
  count = (): (() => void) => {
    this.#counting += 1;
    this.second = Date.now();
    this.#timer ??= setInterval(() => { this.second = Date.now(); }, 1000);
    return () => {
      this.#counting -= 1;
      if (this.#counting === 0) { clearInterval(this.#timer); this.#timer = undefined; }
    };
  };
}

export const clock = new Clock();
