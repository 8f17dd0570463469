//! Runs the portal's tests in Chromium: `node run.mjs [words of names]`.

import * as bars from './bars.mjs';
import * as badInput from './bad_input.mjs';
import * as live from './live.mjs';
import * as tests from './tests.mjs';
import * as typing from './typing.mjs';
import { launch, world } from './world.mjs';

const browser = await launch();
const place = world();
const words = process.argv.slice(2);
/** Those of `live` stop and start programs, so they come last. */
const all = { ...tests, ...typing, ...bars, ...badInput, ...live };
let [passed, failed] = [0, 0];
try {
  for (const [name, test] of Object.entries(all)) {
    if (words.length && !words.some((word) => name.includes(word))) continue;
    const begun = Date.now();
    try {
      await test(place, browser);
      passed += 1;
      console.log(`ok   ${name} (${Date.now() - begun} ms)`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${name}: ${error.stack}`);
      const pages = browser.contexts().flatMap((c) => c.pages());
      if (process.env.CULVERT_SHOTS) for (const [i, page] of pages.entries()) await page.screenshot({ path: `${process.env.CULVERT_SHOTS}/${name}-${i}.png` }).catch(() => {});
    }
    for (const context of browser.contexts()) await context.close();
  }
} finally {
  await browser.close();
}
console.log(`${passed} passed, ${failed} failed`);
// Whoever grants wishes keeps our input open: it must not keep us.
process.stdin.destroy();
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
