// The endpoint in a real browser: Chromium, a real server, a real gateway and
// real hosts behind it. Started by tests/e2e/tests/browser.rs, which makes the
// world and says where it is (CULVERT_URL, CULVERT_NAME, CULVERT_PASSWORD,
// CULVERT_ACCOUNT, CULVERT_ACCOUNT_PASSWORD, CULVERT_BLOB_SHA256). Functional only: playwright's
// tracing of the network halves any speed.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';
import { build } from 'vite';

import { Door } from './door.mjs';
import * as tests from './tests.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const need = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: cargo test -p culvert-e2e --test browser sets it`);
  return value;
};

async function main() {
  execFileSync(path.join(here, 'node_modules/.bin/tsc'), ['-p', here], { stdio: 'inherit' });
  const folder = mkdtempSync(path.join(tmpdir(), 'endpoint-test-'));
  await build({
    root: here,
    base: '/endpoint-test/',
    logLevel: 'warn',
    configFile: false,
    worker: { format: 'es' },
    build: { outDir: folder, emptyOutDir: true, target: 'es2022', assetsInlineLimit: 0 },
  });
  const door = new Door(need('CULVERT_URL'), folder);
  const origin = await door.open();
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless=new', '--no-sandbox'],
  });
  const world = {
    door,
    origin,
    name: need('CULVERT_NAME'),
    password: need('CULVERT_PASSWORD'),
    account: need('CULVERT_ACCOUNT'),
    accountPassword: need('CULVERT_ACCOUNT_PASSWORD'),
    blob: need('CULVERT_BLOB_SHA256'),
    page: async () => {
      const context = await browser.newContext();
      const page = await context.newPage();
      page.on('pageerror', (error) => console.log(`page: ${error.message}`));
      page.on('console', (line) => console.log(`page: ${line.text()}`));
      await page.goto(`${origin}/endpoint-test/index.html`);
      return page;
    },
  };
  let failed = 0;
  let passed = 0;
  try {
    for (const [name, test] of Object.entries(tests)) {
      const page = await world.page();
      page.setDefaultTimeout(60_000);
      const begun = Date.now();
      try {
        await test(world, page);
        passed += 1;
        console.log(`ok   ${name} (${Date.now() - begun} ms)`);
      } catch (error) {
        failed += 1;
        console.log(`FAIL ${name}: ${error.stack}`);
      }
      await page.context().close();
    }
  } finally {
    await browser.close();
    door.shut();
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

await main();
