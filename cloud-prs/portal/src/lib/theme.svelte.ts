//! Light, dark or as the system says; kept in this browser only.

export type Theme = 'system' | 'light' | 'dark';
const KEY = 'culvert.theme';

function read(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === 'light' || kept === 'dark' ? kept : 'system';
  } catch { return 'system'; }
}

class Themes {
  choice = $state<Theme>(read());
  #system = window.matchMedia('(prefers-color-scheme: dark)');
  #systemDark = $state(this.#system.matches);

  constructor() {
    this.#system.addEventListener('change', (e) => { this.#systemDark = e.matches; });
    this.#show();
  }

  get dark(): boolean { return this.choice === 'dark' || (this.choice === 'system' && this.#systemDark); }

  set(choice: Theme): void {
    this.choice = choice;
    try { localStorage.setItem(KEY, choice); } catch { /* private mode: holds for this page */ }
    this.#show();
  }

  #show(): void {
    if (this.choice === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.choice;
  }
}

export const theme = new Themes();
