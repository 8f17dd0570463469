//! The browser on real HTTPS: the portal under a name of its own, its private
//! authority trusted in the browser's own folder, and other sites' pages. And the
//! way back: what only the test beside can do is asked of it. Started by
//! tests/e2e/tests/people.rs and tests/e2e/tests/browser_blind.rs.

import { createInterface } from 'node:readline';

import { chromium } from 'playwright-core';

import { CHROMIUM, need } from './world.mjs';

export function place() {
  const account = process.env.CULVERT_ACCOUNT ? { name: need('CULVERT_ACCOUNT'), password: need('CULVERT_ACCOUNT_PASSWORD') } : null;
  return { url: need('CULVERT_URL'), owner: { name: need('CULVERT_OWNER'), password: need('CULVERT_OWNER_PASSWORD') }, account, vncPassword: process.env.CULVERT_VNC_PASSWORD };
}

/** Names of the portal's domain, of its siblings and of strangers all lead to the server. */
export const launch = () => {
  const at = need('CULVERT_AT');
  const map = ['culvert.test', '*.culvert.test', '*.evil.example'].map((name) => `MAP ${name} ${at}`).join(', ');
  return chromium.launch({ executablePath: CHROMIUM, args: ['--headless=new', '--no-sandbox', `--host-resolver-rules=${map}`], env: { ...process.env, HOME: need('CULVERT_HOME') } });
};

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks the test beside; words without spaces. */
export async function ask(...words) {
  console.log(`? ${words.join(' ')}`);
  const { value, done } = await answers.next();
  if (done) throw new Error(`nobody answers: ${words[0]}`);
  if (value.startsWith('! ')) throw new Error(`${words[0]}: ${value.slice(2)}`);
  return JSON.parse(value);
}

/** Runs tests one after the other, in this order; each gets what it needs by itself. */
export async function suite(tests) {
  const words = process.argv.slice(2);
  const world = place();
  const browser = await launch();
  let [passed, failed] = [0, 0];
  try {
    for (const [name, test] of Object.entries(tests)) {
      if (words.length && !words.some((word) => name.includes(word))) continue;
      const begun = Date.now();
      try {
        const measured = await test(world, browser);
        passed += 1;
        console.log(`ok   ${name} (${Date.now() - begun} ms)${measured ? `: ${measured}` : ''}`);
      } catch (error) {
        failed += 1;
        console.log(`FAIL ${name}: ${error.stack}`);
        for (const [i, page] of browser.contexts().flatMap((c) => c.pages()).entries()) {
          console.log(`  page ${i} at ${page.url()}: ${(await page.locator('body').innerText().catch(() => '')).replaceAll(/\s+/g, ' ').slice(0, 600)}`);
          if (process.env.CULVERT_SHOTS) await page.screenshot({ path: `${process.env.CULVERT_SHOTS}/${name}-${i}.png` }).catch(() => {});
        }
      }
      for (const context of browser.contexts()) await context.close();
    }
  } finally {
    await browser.close();
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
  process.stdin.destroy();
}
