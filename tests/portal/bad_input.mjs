//! What nobody should do and somebody does: names of any length and script,
//! things that work once used twice, a tab closed in the middle, a browser that
//! lacks something, a clock that is wrong. Each has a clear message, and nothing
//! breaks the layout (S20, S22, S34, T2).

import assert from 'node:assert/strict';

import { accessible, accessibleInBothThemes, api, choosesPassword, desktop, fits, harbour, intoShell, open, palette, reads, shown, shut, signIn, typed } from './world.mjs';

const LONG = 'x'.repeat(10_000);
/** The whole text is one that must not turn the line around it, nor break it. */
const ODD = [LONG, 'מחשב הקבלה \u202Etxt.exe', '😀🚰👩🏽‍🔧'.repeat(400), 'واجهة '.repeat(300), 'a\u0300'.repeat(2000), '<b>&amp;</b>'];

export async function a_name_that_is_too_long_or_hides_something_is_refused_in_words(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const site = harbour((await api(page, 'GET', '/api/v1/tree')).body).sites[0];
  await page.goto(`${world.url}/sites/${site.id}`);
  await page.click('button:has-text("Host"):not(:has-text("Hosts"))');
  const dialog = page.locator('dialog[open]');
  for (const [name, words] of [[LONG, /10000 bytes long and at most 100/], ['a\u202Eb', /invisible character \(U\+202E\)/]]) {
    await dialog.locator('label:has-text("Name") input').fill(name);
    await dialog.locator('label:has-text("Address") input').fill('192.168.77.9');
    await dialog.locator('button:has-text("Add host")').click();
    await dialog.locator('[role=alert]', { hasText: words }).waitFor();
    // Nothing typed is lost.
    assert.equal(await dialog.locator('label:has-text("Name") input').inputValue(), name);
  }
  await fits(page, 'a long name in the form');
}

/** As if an older or other server had let them in; which of them are those that every test may work at. */
async function oddTree(page) {
  const known = {};
  await page.route('**/api/v1/tree', async (route) => {
    const answer = await route.fetch();
    const tree = await answer.json();
    known.customer = harbour(tree).id;
    known.server = harbour(tree).sites[0].hosts.find((h) => h.name === 'server').id;
    let n = 0;
    const odd = () => ODD[n++ % ODD.length];
    for (const customer of tree.customers) {
      customer.name = odd();
      for (const site of customer.sites) { site.name = odd(); for (const host of site.hosts) { host.name = odd(); host.tags = ODD.map((t) => t.slice(0, 300)); } }
    }
    await route.fulfill({ response: answer, json: tree });
  });
  return known;
}

/** No text runs out of the box it stands in, and no row is higher than its neighbours. */
const torn = (page) => page.evaluate(() => {
  const out = [];
  for (const node of document.querySelectorAll('main *, nav *, header *')) {
    const { right, left, width } = node.getBoundingClientRect();
    if (width > 0 && (right > innerWidth + 1 || left < -1) && !node.closest('.scroll-x, .tabs, .tools, aside, .side, .xterm, .sr')) out.push(`${node.tagName}.${node.className}`.slice(0, 60));
  }
  const heights = new Set([...document.querySelectorAll('[role=row].host')].map((row) => row.offsetHeight));
  if (heights.size > 1) out.push(`rows of ${[...heights].join(' and ')} px`);
  // Nothing is cut in the middle of a character.
  for (const node of document.querySelectorAll('title, body *')) {
    for (const text of [...[...node.childNodes].filter((c) => c.nodeType === Node.TEXT_NODE), ...node.attributes]) {
      const { value, data = value } = text;
      if (!data.isWellFormed()) out.push(`half a character in ${node.tagName}.${node.className} ${text.name ?? ''}`.slice(0, 80));
    }
  }
  return out.slice(0, 5);
});

export async function names_of_any_length_and_script_break_no_page(world, browser) {
  for (const viewport of [{ width: 1280, height: 720 }, { width: 390, height: 844 }]) {
    const page = await open(browser, { viewport });
    const known = await oddTree(page);
    await signIn(world, page);
    const customer = (await api(page, 'GET', '/api/v1/tree')).body.customers.find((c) => c.id === known.customer);
    const site = customer.sites[0];
    for (const path of ['/', `/c/${customer.id}`, `/sites/${site.id}`, `/h/${site.hosts[0].id}`, '/boxes']) {
      await page.goto(world.url + path);
      await page.waitForSelector('h1');
      await page.waitForTimeout(300);
      await fits(page, `${path} ${viewport.width}`);
      assert.deepEqual(page.faults, [], path);
      assert.deepEqual(await torn(page), [], `${path} ${viewport.width}`);
    }
    // In a session: bar, tab, title, and the question about the host's key or account.
    await page.goto(`${world.url}/h/${known.server}`);
    await page.locator('button:has-text("SSH")').first().click();
    await page.locator(`${shown} [role=dialog]`).waitFor();
    await fits(page, `a session ${viewport.width}`);
    assert.deepEqual(await torn(page), [], `a session ${viewport.width}`);
    assert.ok((await page.title()).length < 160);
    await accessible(page, `odd names ${viewport.width}`);
    assert.deepEqual(page.faults, []);
    await shut(page.context());
  }
}

export async function what_works_once_says_so_the_second_time(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  // The ticket of a session's link: kept by somebody, and given out once more.
  let used = null;
  await page.route('**/api/v1/link-tickets', async (route) => {
    if (used) return route.fulfill({ json: used });
    const answer = await route.fetch();
    used = await answer.json();
    return route.fulfill({ response: answer, json: used });
  });
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await palette(page, 'harb serv');
  const said = page.locator(`${shown} [role=alert]`);
  await said.waitFor();
  assert.match(await said.innerText(), /ticket is not valid, was used already or has expired/);
  await accessible(page, 'a used ticket');
  // A colleague's invitation.
  const name = `twice-${Date.now()}`;
  const link = (await api(page, 'POST', '/api/v1/invitations', { name })).body;
  const secret = (link.url ?? link.link).split('#')[1];
  const password = 'a-long-enough-password-4711';
  for (const words of [/Your account/, /This link is not good any more: ask for a new one/]) {
    const other = await open(browser);
    await other.goto(`${world.url}/invitation#${secret}`);
    await choosesPassword(other, password);
    await other.locator('h1, [role=alert]', { hasText: words }).first().waitFor();
    await accessibleInBothThemes(other, `an invitation: ${words}`);
    await other.context().close();
  }
}

/** Works in a shell until `gone` has taken the tab away; the next one goes on in it. */
async function goesOnWithout(world, browser, gone) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await typed(page, 'closed=4712; echo set-$closed\r');
  await reads(page, /set-4712/);
  await gone(page);
  const next = await page.context().newPage();
  next.setDefaultTimeout(45_000);
  await next.goto(`${world.url}/`);
  await next.locator('section[aria-label="Sessions to pick up"] button', { hasText: 'server' }).click();
  await reads(next, /set-4712/);
  await typed(next, 'echo still-$closed\r');
  await reads(next, /still-4712/);
}

export const a_tab_closed_in_mid_session_is_offered_again = (world, browser) => goesOnWithout(world, browser, (page) => page.close({ runBeforeUnload: false }));

/** Nothing of the page runs any more that could say goodbye. */
export const a_tab_that_crashed_in_mid_session_is_offered_again = (world, browser) => goesOnWithout(world, browser, async (page) => {
  const crashed = page.waitForEvent('crash');
  await page.goto('chrome://crash').catch(() => {});
  await crashed;
});

export async function a_browser_without_webassembly_is_told_what_to_use(world, browser) {
  const page = await open(browser);
  await page.addInitScript(() => { delete globalThis.WebAssembly; });
  await signIn(world, page);
  await palette(page, 'harb serv');
  const said = page.locator(`${shown} [role=alert]`);
  await said.waitFor();
  assert.match(await said.innerText(), /cannot run WebAssembly.*use a current Firefox, Chrome, Edge or Safari, or the program culvert/s);
  await accessible(page, 'no WebAssembly');
  assert.deepEqual(page.faults, []);
}

export async function a_browser_without_webcodecs_shows_a_desktop(world, browser) {
  const page = await open(browser);
  await page.addInitScript(() => { for (const name of ['VideoDecoder', 'VideoFrame', 'EncodedVideoChunk', 'ImageDecoder']) delete globalThis[name]; });
  await signIn(world, page);
  assert.equal(await page.evaluate(() => typeof VideoDecoder), 'undefined');
  await desktop(world, page, 'harb desk');
  assert.equal(await page.locator(`${shown} [role=alert]`).count(), 0);
  await accessible(page, 'no WebCodecs');
  assert.deepEqual(page.faults, []);
}

/** As after an update: the page is of before, and its parts are at the server no more. */
export async function a_part_of_the_portal_that_is_gone_asks_for_a_reload(world, browser) {
  const page = await open(browser);
  page.on('dialog', (d) => void d.accept());
  for (const [part, slug] of [['Stage-*.js', null], ['xterm-*.js', 'page_outdated'], ['culvert_endpoint_bg-*.wasm', 'internal']]) {
    const gone = `**/assets/${part}`;
    await page.route(gone, (route) => route.fulfill({ status: 404, body: '' }));
    if (part.startsWith('Stage')) await signIn(world, page);
    else { await page.goto(`${world.url}/`); await page.waitForSelector('[role=treegrid]'); }
    await palette(page, 'harb serv');
    const said = page.locator('main [role=alert]', { hasText: /could not be (loaded|fetched).*Reload the page/s });
    await said.waitFor();
    if (slug) assert.ok((await said.innerText()).includes(slug), await said.innerText());
    await accessible(page, `without ${part}`);
    await page.unroute(gone);
    if (slug === 'internal') continue;
    await page.evaluate(() => { window.unreloaded = true; });
    await said.locator('button', { hasText: 'Reload' }).click();
    await page.waitForFunction(() => !window.unreloaded);
    await page.waitForSelector('main');
  }
  assert.deepEqual(page.faults, []);
}

const MINUTES = 5;

export async function a_clock_five_minutes_off_is_said_and_stops_nothing(world, browser) {
  for (const by of [MINUTES, -MINUTES]) {
    const page = await open(browser);
    const shift = (minutes) => { const { now } = Date; Date.now = () => now() + minutes * 60_000; };
    await page.addInitScript(shift, by);
    // The session's worker has a clock of its own; one that is over has none.
    page.on('worker', (worker) => void worker.evaluate(shift, by).catch(() => {}));
    await page.goto(`${world.url}/`);
    await page.locator('[role=status]', { hasText: `5 minutes ${by > 0 ? 'ahead of' : 'behind'} the server’s` }).waitFor();
    await accessible(page, 'a wrong clock at the door');
    await signIn(world, page);
    await page.locator('[role=status]', { hasText: /5 minutes (ahead of|behind) the server’s/ }).waitFor();
    await palette(page, 'harb serv');
    await intoShell(page, world.account);
    await typed(page, 'echo works-$((6*7))\r');
    await reads(page, /works-42/);
    // Times are the server's: the session has just begun.
    await page.evaluate(() => { history.pushState(null, '', '/live'); dispatchEvent(new PopStateEvent('popstate')); });
    const rows = page.locator('tr', { hasText: 'you' });
    await rows.first().waitFor();
    // Other tests' sessions may be older.
    const texts = await rows.allInnerTexts();
    assert.ok(texts.some((text) => /\s\d+ s\s/.test(text)), texts.join('; '));
    await accessible(page, 'a wrong clock');
    await page.context().close();
  }
}
