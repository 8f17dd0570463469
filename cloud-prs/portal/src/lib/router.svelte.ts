//! The portal's addresses. A page is a pattern with `:name` parts; the browser's
//! history is the only state. Links are ordinary <a href>: clicks are taken over
//! here, so that middle-click and copy address work as everywhere.

export interface Place { path: string; query: URLSearchParams; hash: string }

function here(): Place {
  const { pathname, search, hash } = window.location;
  return { path: pathname, query: new URLSearchParams(search), hash: hash.slice(1) };
}

class Router {
  place = $state.raw<Place>(typeof window === 'undefined' ? { path: '/', query: new URLSearchParams(), hash: '' } : here());

  start(): void {
    window.addEventListener('popstate', () => { this.place = here(); });
    document.addEventListener('click', (event) => {
      if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      const link = (event.target as Element | null)?.closest?.('a');
      if (!link || link.target || link.hasAttribute('download') || link.origin !== window.location.origin) return;
      if (link.pathname.startsWith('/api/')) return;
      event.preventDefault();
      this.go(link.pathname + link.search + link.hash);
    });
  }

  go(to: string, options: { replace?: boolean } = {}): void {
    window.history[options.replace ? 'replaceState' : 'pushState'](null, '', to);
    this.place = here();
  }
}

export const router = new Router();

/** The parts of `path` by a pattern such as `/h/:host`; null when it does not fit. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const want = pattern.split('/').filter(Boolean);
  const have = path.split('/').filter(Boolean);
  if (want.length !== have.length) return null;
  const parts: Record<string, string> = {};
  for (const [i, w] of want.entries()) {
    const h = have[i] as string;
    if (w.startsWith(':')) {
      try { parts[w.slice(1)] = decodeURIComponent(h); } catch { return null; }
    } else if (w !== h) return null;
  }
  return parts;
}

/** Only our own paths may be returned to after sign-in, never another origin. */
export function safeReturn(to: string | null): string {
  return to && /^\/(?![/\\])/.test(to) && !to.startsWith('/api/') && !to.startsWith('/sign-in') ? to : '/';
}
