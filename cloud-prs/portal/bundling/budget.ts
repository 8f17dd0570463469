//! Prints what the browser loads, gzipped, and fails the build above the ceiling.
//! "First load" is the entry with everything it imports at once, and the page that
//! a signed-in browser shows first, with the same; viewers, QR codes and the other
//! pages load later and are listed apart.

import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

export function budget({ firstLoadJs, firstPage }: { firstLoadJs: number; firstPage: string }): Plugin {
  return {
    name: 'culvert-budget',
    apply: 'build',
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((c) => c.type === 'chunk');
      const size = (name: string): number => {
        const c = bundle[name];
        return c ? gzipSync(c.type === 'chunk' ? c.code : c.source, { level: 9 }).length : 0;
      };
      const first = new Set<string>();
      const walk = (name: string): void => {
        if (first.has(name)) return;
        first.add(name);
        const c = bundle[name];
        if (c?.type === 'chunk') c.imports.forEach(walk);
      };
      const page = chunks.find((c) => c.facadeModuleId?.endsWith(firstPage));
      if (!page) return this.error(`no chunk holds ${firstPage}: the first load would be counted without its page`);
      for (const c of chunks) if (c.isEntry || c === page) walk(c.fileName);
      const total = [...first].reduce((sum, name) => sum + size(name), 0);
      const kb = (n: number): string => `${(n / 1024).toFixed(1).padStart(7)} KB`;
      console.log(`\nfirst load   ${kb(total)} JS gzipped (ceiling ${firstLoadJs / 1024} KB)`);
      const later = Object.keys(bundle).filter((n) => /\.(js|css|wasm)$/.test(n) && !first.has(n)).map((n) => [n, size(n)] as const);
      for (const [name, bytes] of later.sort((a, b) => b[1] - a[1]).slice(0, 12)) console.log(`  ${kb(bytes)}  ${name}`);
      if (total > firstLoadJs) this.error(`the first load is ${total} bytes of gzipped JS, above the ceiling of ${firstLoadJs}: load more of it lazily`);
    },
  };
}
