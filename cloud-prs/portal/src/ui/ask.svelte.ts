//! Questions and notices of the whole page: one confirm dialog, one list of
//! notices, one step-up. Pages await an answer instead of carrying state.

export interface Question { title: string; text: string; yes: string; danger?: boolean; type?: string }
export interface Notice { id: number; text: string; kind: 'good' | 'bad' | 'plain'; action?: { label: string; run: () => void } }

class Asks {
  question = $state<(Question & { answer: (yes: boolean) => void }) | null>(null);
  notices = $state<Notice[]>([]);
  #next = 1;

  confirm(question: Question): Promise<boolean> {
    this.question?.answer(false);
    return new Promise((resolve) => {
      this.question = { ...question, answer: (yes) => { this.question = null; resolve(yes); } };
    });
  }

  /** What is still shown is not shown twice: said again, it stays longer. */
  say(text: string, kind: Notice['kind'] = 'plain', action?: Notice['action']): void {
    const id = this.#next++;
    const others = this.notices.filter((n) => n.action || action || n.text !== text);
    this.notices = [...others.slice(-3), { id, text, kind, ...(action ? { action } : {}) }];
    setTimeout(() => this.dismiss(id), kind === 'bad' || action ? 12_000 : 5_000);
  }

  dismiss(id: number): void { this.notices = this.notices.filter((n) => n.id !== id); }
}

export const asks = new Asks();
