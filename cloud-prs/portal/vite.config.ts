//! Builds the portal: hashed assets, viewers as chunks of their own, the licence
//! page, and a ceiling on what the first load may weigh.

import { readFileSync } from 'node:fs';

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { budget } from './bundling/budget';
import { licences } from './bundling/licences';

const api = JSON.parse(readFileSync(new URL('../openapi.json', import.meta.url), 'utf8')) as { paths: Record<string, unknown> };

export default defineConfig({
  define: { __API_PATHS__: JSON.stringify(Object.keys(api.paths)) },
  plugins: [svelte(), licences(), budget({ firstLoadJs: 120 * 1024 })],
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    sourcemap: false,
    reportCompressedSize: false,
  },
  worker: { format: 'es' },
  server: { proxy: { '/api': process.env.CULVERT_API ?? 'http://127.0.0.1:8080', '/link': { target: process.env.CULVERT_API ?? 'http://127.0.0.1:8080', ws: true } } },
  test: { environment: 'node', include: ['tests/**/*.test.ts', 'src/**/*.test.ts'] },
  resolve: process.env.VITEST ? { conditions: ['browser'] } : {},
});
