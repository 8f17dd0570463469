//! Remembers, for two minutes, which sessions this window has open, so that a
//! reload or a crash can offer them again. The gateway keeps a terminal just as
//! long. Stored in this browser: host, protocol and the token that names the
//! kept terminal; the token is useless to anybody but the same signed-in person.
//! A window owns its entries while it holds a Web Lock of its own name; of the
//! windows that are offered an entry, one gets it.

export interface Kept {
  id: string; window: string; user: string; at: number;
  host: string; protocol: string; port: number; name: string;
  resume: { token: string; seen: number } | null;
  /** The customer's colour in that window. */
  hue?: number;
  /** A desktop that was only looked at. */
  viewOnly?: boolean;
}

const PREFIX = 'culvert.kept.';
const LOCK = 'culvert.window.';
const TAKING = 'culvert.taking.';
export const OFFER_MS = 120_000;

/** The entry that a change of the store is about. */
export const entryOf = (key: string | null): string | null => (key?.startsWith(PREFIX) ? key.slice(PREFIX.length) : null);

export class Keeper {
  readonly #window = crypto.randomUUID();

  constructor(private readonly store: Storage | null, private readonly locks: LockManager | undefined) {
    // Held until the page goes: a crash or reload sets it free.
    void locks?.request(LOCK + this.#window, () => new Promise<void>(() => {})).catch(() => {});
  }

  save(kept: Omit<Kept, 'window' | 'at'>): void {
    try { this.store?.setItem(PREFIX + kept.id, JSON.stringify({ ...kept, window: this.#window, at: Date.now() })); } catch { /* storage full or forbidden: no offer then */ }
  }

  drop(id: string): void {
    try { this.store?.removeItem(PREFIX + id); } catch { /* as above */ }
  }

  /**
   * Takes an entry that was offered, unless another window was quicker. The lock
   * is kept while an offer can be seen anywhere: a window may hear late of what
   * another one took out of the store.
   */
  async claim(kept: Kept): Promise<boolean> {
    const take = (): boolean => {
      const there = parse(this.store?.getItem(PREFIX + kept.id) ?? null);
      if (!there || there.window !== kept.window) return false;
      this.drop(kept.id);
      return true;
    };
    const { locks } = this;
    if (!locks) return take();
    return new Promise((settle) => {
      const held = locks.request(TAKING + kept.id, { ifAvailable: true }, (lock) => {
        const taken = lock !== null && take();
        settle(taken);
        return taken ? new Promise<void>((free) => { setTimeout(free, OFFER_MS); }) : undefined;
      });
      // Without locks at all, as without a store: better twice than not at all.
      held.catch(() => settle(take()));
    });
  }

  /** Entries of windows that are gone; what is too old or another person's is deleted. */
  async orphans(user: string, now = Date.now()): Promise<Kept[]> {
    if (!this.store) return [];
    const held = new Set((await this.locks?.query().catch(() => null))?.held?.map((l) => l.name) ?? []);
    const found: Kept[] = [];
    for (const key of Object.keys(this.store).filter((k) => k.startsWith(PREFIX))) {
      const kept = parse(this.store.getItem(key));
      if (kept && held.has(LOCK + kept.window)) continue;
      if (!kept || kept.user !== user || now - kept.at > OFFER_MS) this.store.removeItem(key);
      else if (kept.window !== this.#window) found.push(kept);
    }
    return found.sort((a, b) => b.at - a.at);
  }
}

function parse(text: string | null): Kept | null {
  try {
    const k = JSON.parse(text ?? '') as Partial<Kept>;
    return typeof k.id === 'string' && typeof k.host === 'string' && typeof k.at === 'number' && typeof k.protocol === 'string' && typeof k.port === 'number' ? (k as Kept) : null;
  } catch { return null; }
}

function storage(): Storage | null {
  try { return window.localStorage; } catch { return null; }
}

export const keeper = new Keeper(storage(), navigator.locks);
