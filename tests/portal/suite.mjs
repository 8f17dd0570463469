//! Runs tests in one browser, some side by side, each in windows of its own, and
//! reports how long each took; driven by tests/e2e/src/script.rs.

import { shut, world } from './world.mjs';

/** Tests at a time: most of them wait for a server, a box or a host most of the time. */
const AT_A_TIME = Math.max(1, Number(process.env.CULVERT_AT_A_TIME) || 3);

/**
 * `tests` in any order and beside each other, then `alone` one by one: those that
 * stop programs or change what others look at. Words of names on the command line
 * choose some.
 */
export async function suite(tests, launch, alone = {}) {
  const words = process.argv.slice(2).flatMap((word) => word.split(' '));
  const chosen = (all) => Object.entries(all).filter(([name]) => words.length === 0 || words.some((word) => name.includes(word)));
  const place = world();
  const browser = await launch();
  const begun = Date.now();
  let [passed, failed] = [0, 0];
  const lane = async (queue) => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      if (await one(...next, place, browser)) passed += 1;
      else failed += 1;
    }
  };
  try {
    const queue = chosen(tests);
    await Promise.all(Array.from({ length: AT_A_TIME }, () => lane(queue)));
    await lane(chosen(alone));
  } finally {
    await browser.close();
  }
  console.log(`${passed} passed, ${failed} failed (${Math.round((Date.now() - begun) / 1000)} s, ${AT_A_TIME} at a time)`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
  // Whoever answers keeps our input open: it must not keep us.
  process.stdin.destroy();
}

/** One test, with windows that nobody else has. */
async function one(name, test, place, browser) {
  const contexts = [];
  const own = {
    newContext: async (options) => {
      const context = await browser.newContext(options);
      contexts.push(context);
      return context;
    },
  };
  const begun = Date.now();
  try {
    const measured = await test(place, own);
    console.log(`ok   ${name} (${Date.now() - begun} ms)${measured ? `: ${measured}` : ''}`);
    return true;
  } catch (error) {
    console.log(`FAIL ${name} (${Date.now() - begun} ms): ${error.stack}`);
    await show(name, contexts);
    return false;
  } finally {
    for (const context of contexts) await shut(context);
  }
}

/** What its windows showed. */
async function show(name, contexts) {
  for (const [i, page] of contexts.flatMap((c) => c.pages()).entries()) {
    console.log(`  page ${i} at ${page.url()}: ${(await page.locator('body').innerText().catch(() => '')).replaceAll(/\s+/g, ' ').slice(0, 600)}`);
    if (process.env.CULVERT_SHOTS) await page.screenshot({ path: `${process.env.CULVERT_SHOTS}/${name}-${i}.png` }).catch(() => {});
  }
}
