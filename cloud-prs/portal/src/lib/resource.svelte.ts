//! One answer of the server as a page shows it: loading, there, or refused.
//! Reloads keep the old answer on the page; an older request never overwrites a
//! newer one.

export class Resource<T> {
  data = $state.raw<T | null>(null);
  error = $state.raw<unknown>(null);
  busy = $state(false);
  #turn = 0;

  constructor(private readonly fetch: () => Promise<T>, now = true) {
    if (now) void this.load();
  }

  load = async (): Promise<void> => {
    const turn = ++this.#turn;
    this.busy = true;
    try {
      const data = await this.fetch();
      if (turn !== this.#turn) return;
      this.data = data;
      this.error = null;
    } catch (error) {
      if (turn === this.#turn) this.error = error;
    } finally {
      if (turn === this.#turn) this.busy = false;
    }
  };
}

/** Runs an action once at a time; its refusal is kept for the page to show. */
export class Deed {
  busy = $state(false);
  error = $state.raw<unknown>(null);

  async run(what: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.error = null;
    try {
      await what();
      return true;
    } catch (error) {
      this.error = error;
      return false;
    } finally {
      this.busy = false;
    }
  }
}
