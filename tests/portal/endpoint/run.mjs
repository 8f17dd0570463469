// The endpoint in a real browser: Chromium, a real server, a real gateway and
// real hosts behind it. Started by tests/e2e/tests/browser.rs, which makes the
// world and says where it is (CULVERT_URL, CULVERT_NAME, CULVERT_PASSWORD,
// CULVERT_ACCOUNT, CULVERT_ACCOUNT_PASSWORD, CULVERT_BLOB_SHA256). Functional
// only: playwright's tracing of the network halves any speed.

import { chromium } from 'playwright-core';

import * as tests from './tests.mjs';
import { CHROMIUM, need, start } from './world.mjs';

const { door, stop, address } = await start();
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ['--headless=new', '--no-sandbox'],
});
const world = {
  door,
  name: need('CULVERT_NAME'),
  password: need('CULVERT_PASSWORD'),
  account: need('CULVERT_ACCOUNT'),
  accountPassword: need('CULVERT_ACCOUNT_PASSWORD'),
  blob: need('CULVERT_BLOB_SHA256'),
};
const only = process.env.CULVERT_ONLY;
/** A page that hangs must not hang the test. */
const tooLong = async () => {
  await new Promise((wake) => setTimeout(wake, 60_000).unref());
  throw new Error('it took longer than a minute');
};
let failed = 0;
let passed = 0;
try {
  for (const [name, test] of Object.entries(tests)) {
    if (only && !name.includes(only)) continue;
    const context = await browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => console.log(`page: ${error.message}`));
    page.on('console', (line) => console.log(`page: ${line.text()}`));
    const begun = Date.now();
    try {
      await page.goto(address);
      await Promise.race([test(world, page), tooLong()]);
      passed += 1;
      console.log(`ok   ${name} (${Date.now() - begun} ms)`);
    } catch (error) {
      failed += 1;
      const read = await page.evaluate('globalThis.lastRead').catch(() => undefined);
      console.log(`FAIL ${name}: ${error.stack}\nlast read: ${JSON.stringify(read)}`);
    }
    await context.close();
  }
} finally {
  await browser.close();
  stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
