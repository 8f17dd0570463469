//! Many tabs of one browser: all of them live, and none takes the others'
//! connections (S34; trust row 24).

import assert from 'node:assert/strict';

import { api, harbour, intoShell, open, palette, reads, signIn, typed } from './world.mjs';

/** HTTP/1.1 gives a browser six connections to a server. */
const TABS = 8;

export async function eight_tabs_hear_what_happens_work_and_end_together(world, browser) {
  const first = await open(browser);
  await signIn(world, first);
  const rest = [];
  for (let at = 1; at < TABS; at += 1) {
    const page = await first.context().newPage();
    page.setDefaultTimeout(45_000);
    await page.goto(`${world.url}/`);
    await page.waitForSelector('[role=treegrid]');
    rest.push(page);
  }
  // Each has a connection left to ask with, all at the same time.
  const asked = await Promise.all([first, ...rest].map((page) => api(page, 'GET', '/api/v1/me')));
  assert.deepEqual(asked.map((answer) => answer.status), Array(TABS).fill(200));
  // Its name puts it last: of a tree that other tests make longer only what is in sight is drawn.
  const NAME = 'Zulu, told to all tabs';
  const made = (await api(first, 'POST', '/api/v1/customers', { name: NAME })).body;
  const shows = (page, wanted) => page.waitForFunction(([name, is]) => {
    const tree = document.querySelector('#tree');
    tree.scrollTop = tree.scrollHeight;
    return [...tree.querySelectorAll('[role=row].customer')].some((row) => row.textContent.includes(name)) === is;
  }, [NAME, wanted]);
  await Promise.all([first, ...rest].map((page) => shows(page, true)));
  // The first one goes: the others hear on.
  await first.close();
  await api(rest[0], 'DELETE', `/api/v1/customers/${made.id}`);
  await Promise.all(rest.map((page) => shows(page, false)));
  // A session starts in one of them, and all others show who is there: on a host where nobody else works.
  const worker = rest.at(-1);
  const site = harbour((await api(worker, 'GET', '/api/v1/tree')).body).sites[0];
  const own = (await api(worker, 'POST', `/api/v1/sites/${site.id}/hosts`, { name: 'one of tabs', address: '192.168.77.10', services: [{ protocol: 'ssh', port: 22 }] })).body;
  let late;
  try {
    await palette(worker, 'one of tabs');
    await intoShell(worker, world.account);
    await typed(worker, 'echo tab-$((6*7))\r');
    await reads(worker, /tab-42/);
    const present = (page) => page.locator('[role=row].host', { hasText: 'one of tabs' }).locator(`.tag[title*="${world.owner.name}"]`);
    const look = (pages) => Promise.all(pages.map((page) => page.fill('[data-filter]', 'one of tabs')));
    await look(rest.slice(0, -1));
    await Promise.all(rest.slice(0, -1).map((page) => present(page).waitFor()));
    // Whoever opens one more hears of what began before.
    late = await worker.context().newPage();
    late.setDefaultTimeout(45_000);
    await late.goto(`${world.url}/`);
    await look([late]);
    await present(late).waitFor();
  } finally {
    // Other tests count the hosts of this site.
    assert.equal((await api(worker, 'DELETE', `/api/v1/hosts/${own.id}`)).status, 204);
  }
  // The sign-in ends everywhere at once.
  assert.equal((await api(late, 'POST', '/api/v1/sign-out')).status, 204);
  await Promise.all([...rest, late].map((page) => page.waitForSelector('input[name=password]')));
}
