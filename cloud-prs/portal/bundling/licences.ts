//! Collects the licence texts of every npm package that ends in the bundle and
//! writes them as licences.json, which the page "Licences" shows.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin } from 'vite';

interface Notice { name: string; version: string; licence: string; text: string }

export function licences(): Plugin {
  const found = new Map<string, Notice>();
  return {
    name: 'culvert-licences',
    apply: 'build',
    moduleParsed({ id }) {
      const root = packageRoot(id.replace(/^\0/, '').split('?')[0] ?? '');
      if (root && !found.has(root)) found.set(root, notice(root));
    },
    generateBundle() {
      const list = [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
      const bare = list.filter((n) => n.text === '').map((n) => n.name);
      if (bare.length) this.warn(`no licence text in: ${bare.join(', ')}`);
      this.emitFile({ type: 'asset', fileName: 'licences.json', source: JSON.stringify(list) });
    },
  };
}

function packageRoot(file: string): string | null {
  const at = file.lastIndexOf('/node_modules/');
  if (at < 0) return null;
  const rest = file.slice(at + '/node_modules/'.length).split('/');
  const name = rest[0]?.startsWith('@') ? `${rest[0]}/${rest[1]}` : rest[0];
  let dir = join(file.slice(0, at), 'node_modules', name ?? '');
  while (!existsSync(join(dir, 'package.json')) && dir.includes('node_modules')) dir = dirname(dir);
  return existsSync(join(dir, 'package.json')) ? dir : null;
}

function notice(root: string): Notice {
  const about = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name: string; version: string; license?: string };
  const file = readdirSync(root).find((f) => /^(licen[cs]e|copying)/i.test(f));
  return { name: about.name, version: about.version, licence: about.license ?? 'see text', text: file ? readFileSync(join(root, file), 'utf8') : '' };
}
