//! Builds the portal: hashed assets, viewers as chunks of their own, the licence
//! page, and a ceiling on what the first load may weigh.

import { readFileSync } from 'node:fs';

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { budget } from './bundling/budget';
import { licences } from './bundling/licences';
import { reasons } from './bundling/reasons';

interface Described { paths: Record<string, unknown>; components: { schemas: Record<string, { properties?: Record<string, { minLength?: number }> }> } }
const api = JSON.parse(readFileSync(new URL('../openapi.json', import.meta.url), 'utf8')) as Described;
const shortest = api.components.schemas.Acceptance?.properties?.password?.minLength;
if (!shortest) throw new Error('openapi.json does not say how long a password must be');

const wire = readFileSync(new URL('../../docs/wire.md', import.meta.url), 'utf8');

export default defineConfig({
  define: { __API_PATHS__: JSON.stringify(Object.keys(api.paths)), __PASSWORD_MIN__: JSON.stringify(shortest), __REASONS__: JSON.stringify(reasons(wire)) },
  plugins: [svelte(), licences(), budget({ firstLoadJs: 120 * 1024, firstPage: '/src/pages/Home.svelte' })],
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
