//! Runs tests one after the other and reports; driven by tests/e2e/src/script.rs.

import { world } from './world.mjs';

/** In this order; each test gets what it needs by itself. Words of names on the command line choose some. */
export async function suite(tests, launch) {
  const words = process.argv.slice(2);
  const place = world();
  const browser = await launch();
  let [passed, failed] = [0, 0];
  try {
    for (const [name, test] of Object.entries(tests)) {
      if (words.length && !words.some((word) => name.includes(word))) continue;
      const begun = Date.now();
      try {
        const measured = await test(place, browser);
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
  // Whoever answers keeps our input open: it must not keep us.
  process.stdin.destroy();
}
