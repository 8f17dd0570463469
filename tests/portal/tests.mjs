//! What the portal does with a real server, real gateways and real hosts: one
//! function for each claim; its name is the claim. S9, S18–S24, S30, S31, S34, K17.

import assert from 'node:assert/strict';

import { accessible, accessibleInBothThemes, api, choosesPassword, desktop, fits, harbour, intoShell, open, palette, picture, reads, settled, shown, signIn, telnet, typed, visit } from './world.mjs';

export async function a_wrong_password_is_said_and_nothing_is_told(world, browser) {
  const page = await open(browser);
  await page.goto(`${world.url}/`);
  const answers = [];
  for (const name of [world.owner.name, 'nobody-here']) {
    await page.fill('input[name=username]', name);
    await page.fill('input[name=password]', 'wrong wrong wrong');
    await page.click('button:has-text("Sign in with password")');
    await page.waitForSelector('[role=alert]');
    answers.push(await page.locator('[role=alert]').innerText());
    await page.reload();
  }
  assert.equal(answers[0], answers[1]);
  await accessibleInBothThemes(page, 'sign-in');
}

export async function ctrl_k_three_letters_enter_is_a_shell_that_types_and_reads_back(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await typed(page, 'echo read-$((6*7))-back; stty size\r');
  await reads(page, /read-42-back\s+\d+ \d+/);
  // UTF-8 both ways, and the title bar names customer and host.
  await typed(page, "printf '\\303\\244\\360\\237\\230\\200|\\n'; echo 'grüße' | od -An -c | head -1\r");
  await reads(page, /ä😀/u);
  assert.match(await page.locator(`${shown} header`).innerText(), /server/);
  assert.match(await page.title(), /server/);
  // The path is shown: kind and round trip.
  await page.waitForSelector(`${shown} .path:has-text("Relay")`);
  // What has scrolled away is there by keys, and search finds it: which of how many.
  await typed(page, 'seq 1000 1200\r');
  await reads(page, /1200\s+\S*[$#] *$/m);
  assert.doesNotMatch(await page.locator(`${shown} .xterm-rows`).innerText(), /read-42-back/);
  for (let pages = 0; pages < 9; pages += 1) await page.keyboard.press('Shift+PageUp');
  await reads(page, /read-42-back/);
  await page.keyboard.press('Control+Shift+F');
  const found = page.locator(`${shown} [role=search] [role=status]`);
  for (const [words, many] of [['read-42', /^[1-9]\d* \/ [1-9]\d*$/], ['nowhere-to-be-found', /^0 \/ 0$/], ['1107', /^1 \/ 1$/]]) {
    await page.fill(`${shown} [role=search] input`, words);
    await page.waitForFunction(([at, source]) => new RegExp(source).test(document.querySelector(`${at} [role=search] [role=status]`).textContent), [shown, many.source]);
    assert.match(await found.innerText(), many);
  }
  await reads(page, /1107/);
  await accessible(page, 'terminal');
  await fits(page, 'terminal');
  assert.deepEqual(page.faults, []);
}

export async function a_host_cannot_type(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  // Asks for everything; then shows what came as input within a second: nothing.
  await typed(page, "printf '\\033[c\\033[>c\\033[6n\\033[21t\\033]52;c;?\\007\\033P$qm\\033\\\\\\033]11;?\\007\\005'; read -t 1 -n 1 x; echo got=[${#x}]\r");
  await reads(page, /got=\[0\]/);
}

export async function a_paste_of_lines_asks_first(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await page.evaluate(() => navigator.clipboard.writeText('echo one\necho two\n'));
  await page.locator(`${shown} .xterm-helper-textarea`).focus();
  await page.keyboard.press('Control+Shift+V');
  await page.waitForSelector(`${shown} [role=dialog]:has-text("Paste 2 lines")`);
  await page.click(`${shown} button:has-text("As one line")`);
  await reads(page, /echo one echo two/);
  // A word that is pointed at is copied; nothing was before.
  await page.keyboard.press('Control+c');
  await typed(page, 'clear; echo cop-$((6*7))-ied\r');
  await reads(page, /cop-42-ied/);
  const line = await page.locator(`${shown} .xterm-rows > div`, { hasText: 'cop-42-ied' }).first().boundingBox();
  await page.mouse.dblclick(line.x + 20, line.y + line.height / 2);
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'echo one\necho two\n');
  await page.keyboard.press('Control+Shift+C');
  await page.waitForFunction(async () => (await navigator.clipboard.readText()) === 'cop-42-ied');
}

export async function telnet_types_and_reads_back(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await telnet(world, page, 'harb');
  await typed(page, 'echo tel-$((40+2))\r');
  await reads(page, /tel-42/);
}

/** Longer than a host takes to draw. */
const LONG = 45_000;

/** The desktop's picture, when what was done before has been drawn. */
async function still(page) {
  for (const late = Date.now() + LONG; ;) {
    const was = await picture(page);
    await page.waitForTimeout(1500);
    if ((await picture(page)) === was) return was;
    assert.ok(Date.now() < late, 'the picture does not rest');
  }
}

export async function a_desktop_is_seen_and_its_picture_changes(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await desktop(world, page, 'harb desk');
  const before = await still(page);
  const canvas = page.locator(`${shown} canvas`);
  const box = await canvas.boundingBox();
  await page.mouse.click(box.x + box.width * 0.25, box.y + box.height * 0.3);
  await page.keyboard.type('echo hello from the browser\n');
  let late = Date.now() + LONG;
  while ((await picture(page)) === before) {
    assert.ok(Date.now() < late, 'the picture stays the same whatever is typed');
    await page.waitForTimeout(250);
  }
  // What is chosen on the host, there by drawing over words, stands in the panel.
  await page.keyboard.type("clear; yes $(printf 'clip4711board %.0s' 1 2 3 4 5 6) | head -50\n");
  await page.click(`${shown} [aria-label="Clipboard"]`);
  const theirs = page.locator(`${shown} .clip textarea`).first();
  let copied = '';
  const pause = () => page.waitForTimeout(200);
  for (late = Date.now() + LONG; Date.now() < late && !copied.includes('clip4711board');) {
    // As slowly as a hand does it.
    const [x, y] = [box.x + box.width * 0.1, box.y + box.height * 0.25];
    await page.mouse.move(x, y);
    await page.mouse.down();
    await pause();
    await page.mouse.move(x + 150, y + 30, { steps: 5 });
    await pause();
    await page.mouse.up();
    await pause();
    copied = await theirs.inputValue();
  }
  assert.match(copied, /clip4711board/);
  await page.click(`${shown} [aria-label="Clipboard"]`);
  // View only: keys change nothing any more.
  await page.click(`${shown} [aria-label="View only"]`);
  const looked = await still(page);
  await page.mouse.click(box.x + box.width * 0.25, box.y + box.height * 0.3);
  await page.keyboard.type('xxxxxxxxxxxx');
  await page.waitForTimeout(1500);
  assert.equal(await picture(page), looked);
  await page.click(`${shown} [aria-label="Clipboard"]`);
  await accessible(page, 'desktop');
}

export async function five_sessions_at_three_customers_at_once(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  for (const letters of ['harb serv', 'lind prac', 'okaf scan']) {
    await palette(page, letters);
    await intoShell(page, world.account);
  }
  await desktop(world, page, 'lind rece');
  await desktop(world, page, 'okaf load');
  const tabs = page.locator('nav[aria-label="Open sessions"] a');
  assert.equal(await tabs.count(), 5);
  assert.equal(await page.locator('.tab .tag:has-text("ended")').count(), 0);
  const customers = new Set();
  for (let i = 0; i < 5; i += 1) {
    await tabs.nth(i).click();
    customers.add(await page.locator(`${shown} header .chip`).innerText());
  }
  assert.equal(customers.size, 3, [...customers].join());
  // Output while nobody looks marks the tab; it comes until nobody does.
  await tabs.nth(0).click();
  await typed(page, 'while sleep 1; do echo late; done\r');
  await tabs.nth(1).click();
  await page.waitForSelector('.tab:nth-child(1) .dot');
  // Leaving with open sessions asks.
  const [leave] = await Promise.all([page.waitForEvent('dialog'), page.close({ runBeforeUnload: true })]);
  assert.equal(leave.type(), 'beforeunload');
  await leave.dismiss();
}

export async function an_ended_session_says_why_and_offers_again(world, browser) {
  const page = await open(browser);
  await signIn(world, page, world.technician);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  const mine = (await api(page, 'GET', '/api/v1/sessions?state=live')).body.sessions.find((s) => s.user.name === world.technician.name);
  const other = await open(browser);
  await signIn(world, other);
  await other.goto(`${world.url}/live`);
  await other.locator('tr', { hasText: mine.host.name }).filter({ hasText: world.technician.name }).locator('button:has-text("End")').click();
  await other.locator('dialog[open] button:has-text("End session")').click();
  await page.waitForSelector(`${shown} [role=alert]`);
  // The cause itself, whichever of stream and session ends first.
  assert.match(await page.locator(`${shown} [role=alert]`).innerText(), /An administrator ended the session\..*ended_by_administrator/s);
  await accessible(page, 'ended');
  await page.click(`${shown} button:has-text("Open again")`);
  await intoShell(page, world.account);
  await typed(page, 'exit 7\r');
  await page.waitForSelector(`${shown} [role=alert]:has-text("The shell on the host has ended with status 7.")`);
}

export async function a_reload_offers_the_same_terminal_again(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await typed(page, 'kept=4711; echo set-$((6*7))\r');
  await reads(page, /set-42/);
  page.on('dialog', (d) => void d.accept());
  await page.reload();
  await page.locator('section[aria-label="Sessions to pick up"] button').first().click();
  await page.waitForSelector(`${shown} .xterm-rows`);
  await typed(page, 'echo still-$kept\r');
  await reads(page, /still-4711/);
}

/** A customer with a site and a host. */
async function place(owner, name) {
  const customer = (await api(owner, 'POST', '/api/v1/customers', { name: `${name} ${Date.now()}` })).body.id;
  const site = (await api(owner, 'POST', `/api/v1/customers/${customer}/sites`, { name: `${name} yard` })).body.id;
  const host = (await api(owner, 'POST', `/api/v1/sites/${site}/hosts`, { name: `${name} pump`, address: '192.0.2.7', services: [] })).body.id;
  return { customer, site, host };
}

export async function what_is_denied_looks_like_what_is_not_there(world, browser) {
  const owner = await open(browser);
  await signIn(world, owner);
  const [hers, denied] = [await place(owner, 'Allowed'), await place(owner, 'Hidden')];
  const missing = { customer: 'a'.repeat(26), site: 'a'.repeat(26), host: 'a'.repeat(26) };
  const page = await colleague(world, browser, owner, [{ role: 'administrator', node: { kind: 'customer', id: hers.customer } }]);
  const host = { name: 'renamed', address: '192.0.2.8', services: [] };
  const deeds = [
    ['PATCH', (at) => `customers/${at.customer}`, { name: `renamed ${Date.now()}` }],
    ['POST', (at) => `customers/${at.customer}/sites`, { name: 'one more' }],
    ['PATCH', (at) => `sites/${at.site}`, { name: 'renamed' }],
    ['POST', (at) => `sites/${at.site}/hosts`, { ...host, name: 'one more' }],
    ['GET', (at) => `hosts/${at.host}`],
    ['GET', (at) => `hosts/${at.host}/history`],
    ['PUT', (at) => `favourites/${at.host}`],
    ['PUT', (at) => `hosts/${at.host}`, host],
  ];
  // Her role allows each, so it is the place that is judged.
  for (const [method, path, body] of deeds) {
    const answer = async (at) => {
      const { status, body: said } = await api(page, method, `/api/v1/${path(at)}`, body);
      return { status, said: Object.values(at).reduce((text, id) => text.replaceAll(id, 'ID'), JSON.stringify(said)) };
    };
    const there = await answer(denied);
    assert.deepEqual(there, await answer(missing), `${method} ${path(denied)}`);
    assert.equal(there.status, 404);
    assert.ok((await answer(hers)).status < 300, `${method} ${path(hers)}`);
  }
  const reach = page.locator('text=not within your reach');
  for (const path of [(at) => `/c/${at.customer}`, (at) => `/sites/${at.site}`, (at) => `/h/${at.host}`]) {
    const looks = [];
    for (const at of [denied, missing]) {
      await page.goto(world.url + path(at));
      await reach.first().waitFor();
      await settled(page);
      looks.push([await page.title(), await page.locator('body').innerText()]);
    }
    assert.deepEqual(looks[0], looks[1]);
    assert.doesNotMatch(looks[0].join(), /Hidden/);
    await page.goto(world.url + path(hers));
    await page.locator('h1').first().waitFor();
    await settled(page);
    assert.equal(await reach.count(), 0, path(hers));
  }
  assert.deepEqual(page.faults, []);
}

/** A colleague with these roles, signed in for the first time. */
async function colleague(world, browser, owner, assignments) {
  const { link } = (await api(owner, 'POST', '/api/v1/invitations', { name: `colleague-${Date.now()}`, assignments })).body;
  const page = await open(browser);
  await page.goto(`${world.url}/invitation#${link.split('#')[1]}`);
  await choosesPassword(page, 'a-long-enough-password-4711');
  await page.waitForSelector('h1:has-text("Your account")');
  return page;
}

export async function who_has_no_role_is_told_and_who_reads_reports_begins_with_them(world, browser) {
  const owner = await open(browser);
  await signIn(world, owner);
  const nobody = await colleague(world, browser, owner, []);
  await visit(nobody, '/');
  await nobody.waitForSelector('h2:has-text("Nothing is within your reach yet")');
  await accessible(nobody, 'no role');
  const customer = harbour((await api(owner, 'GET', '/api/v1/tree')).body);
  const reader = await colleague(world, browser, owner, [{ role: 'reader', node: { kind: 'customer', id: customer.id } }]);
  await visit(reader, '/');
  await reader.waitForSelector('h1:has-text("Reports")');
  // Sessions of her customer, nobody else's; and no tree.
  const rows = reader.locator('[role=region] [role=listitem]');
  await rows.first().waitFor();
  for (const text of await rows.allInnerTexts()) assert.ok(text.includes(customer.name), text);
  assert.equal((await api(reader, 'GET', '/api/v1/tree')).status, 403);
  assert.deepEqual(await reader.locator('nav[aria-label=Culvert] .pages a').allInnerTexts(), ['Reports']);
  await accessible(reader, 'a reader');
  assert.deepEqual([...nobody.faults, ...reader.faults], []);
}

export async function what_is_shown_only_now_stays_when_her_rights_are_looked_at_anew(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const { id } = (await api(page, 'GET', '/api/v1/me')).body.user;
  await visit(page, '/people/invite');
  await page.fill('label:has-text("Name she signs in with") input', `late-${Date.now()}`);
  await page.getByLabel('Role 1: customer').selectOption({ label: 'Everything' });
  await page.click('button:has-text("Make the link")');
  const link = await page.locator('.secret').innerText();
  // One more role: the server says that her rights have changed, and the page asks who she is.
  const asked = page.waitForResponse((r) => new URL(r.url()).pathname === '/api/v1/me');
  const { status, body } = await api(page, 'POST', '/api/v1/assignments', { subject: { kind: 'user', id }, role: 'reader', node: { kind: 'all' } });
  assert.equal(status, 201, JSON.stringify(body));
  await asked;
  await settled(page);
  assert.equal(await page.locator('.secret').innerText(), link);
  await api(page, 'DELETE', `/api/v1/assignments/${body.id ?? body.assignment}`);
}

export async function a_customer_gets_a_second_site_another_name_and_goes(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const dialog = page.locator('dialog[open]');
  await page.getByRole('button', { name: 'Customer', exact: true }).click();
  await dialog.locator('label:has-text("Customer’s name") input').fill('Brook & Sons');
  await dialog.locator('label:has-text("First site") input').fill('Office');
  await dialog.locator('button:has-text("Add customer")').click();
  await page.waitForSelector('h1:has-text("Office")');
  const made = (await api(page, 'GET', '/api/v1/tree')).body.customers.find((c) => c.name === 'Brook & Sons');
  // A host there is added, and then it is another.
  await page.getByRole('button', { name: 'Host', exact: true }).first().click();
  await dialog.locator('label:has-text("Name") input').fill('till');
  await dialog.locator('label:has-text("Address") input').fill('192.168.7.31');
  await dialog.locator('button:has-text("Add host")').click();
  await page.waitForSelector('h1:has-text("till")');
  await page.getByRole('button', { name: 'Change', exact: true }).click();
  await dialog.locator('label:has-text("Name") input').fill('till at the door');
  await dialog.locator('label:has-text("Address") input').fill('192.168.7.32');
  await dialog.locator('[aria-label="Protocol 1"]').selectOption('vnc');
  await dialog.locator('button:has-text("Save")').click();
  await page.waitForSelector('h1:has-text("till at the door")');
  const [host] = (await api(page, 'GET', '/api/v1/tree')).body.customers.find((c) => c.id === made.id).sites[0].hosts;
  assert.deepEqual([host.name, host.address, host.services], ['till at the door', '192.168.7.32', [{ protocol: 'vnc', port: 5900 }]]);
  // Who reaches it is said there, by which rule.
  await page.locator('section.card:has(h2:text-is("Who can reach it")) li', { hasText: world.owner.name }).filter({ hasText: 'owner on everything' }).waitFor();
  assert.equal((await api(page, 'DELETE', `/api/v1/hosts/${host.id}`)).status, 204);
  assert.equal((await api(page, 'DELETE', `/api/v1/sites/${made.sites[0].id}`)).status, 204);
  for (const name of ['Depot', 'Yard']) {
    await visit(page, `/c/${made.id}`);
    await page.click('button:has-text("Site")');
    await dialog.locator('input').fill(name);
    await dialog.locator('button:has-text("Add site")').click();
    await page.waitForSelector(`h1:has-text("${name}")`);
    await page.click('[aria-label="Remove site"]');
    await dialog.locator('button:has-text("Remove site")').click();
    await page.waitForSelector('h1:has-text("Sites and boxes")');
  }
  await visit(page, `/c/${made.id}`);
  await page.click('[aria-label="Rename customer"]');
  await accessible(page, 'rename a customer');
  await dialog.locator('input').fill('Brook & Daughters');
  await dialog.locator('button:has-text("Rename")').click();
  await page.waitForSelector('h1:has-text("Brook & Daughters")');
  await page.click('[aria-label="Remove customer"]');
  await dialog.locator('button:has-text("Remove customer")').click();
  await page.waitForSelector('h1:has-text("Hosts")');
  assert.equal(await page.locator('[role=row].customer', { hasText: 'Brook' }).count(), 0);
  assert.deepEqual(page.faults, []);
}

export async function hostile_names_are_text(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const customer = (await api(page, 'POST', '/api/v1/customers', { name: 'evil <img src=x onerror=alert(1)> 🚰' })).body;
  const site = (await api(page, 'POST', `/api/v1/customers/${customer.id}/sites`, { name: 'مضخة رئيسية 😀' })).body;
  const names = ['<script>alert(1)</script>', '"><svg onload=alert(1)>', 'x'.repeat(100), 'מכונה txt.exe', '😀'.repeat(25)];
  let added = 0;
  for (const name of names) if ((await api(page, 'POST', `/api/v1/sites/${site.id}/hosts`, { name, address: '192.168.77.9', services: [{ protocol: 'ssh', port: 22 }] })).status === 201) added += 1;
  assert.ok(added >= 3, `the server takes only ${added} of them`);
  page.on('dialog', () => page.faults.push('a script ran'));
  for (const path of ['/', `/c/${customer.id}`, `/sites/${site.id}`, '/boxes', '/audit']) {
    await page.goto(world.url + path);
    await page.waitForSelector('h1');
    await page.waitForTimeout(400);
    await fits(page, path);
  }
  await page.setViewportSize({ width: 390, height: 844 });
  for (const path of ['/', `/sites/${site.id}`]) { await page.goto(world.url + path); await page.waitForSelector('h1'); await fits(page, `${path} on a phone`); }
  assert.deepEqual(page.faults, []);
  const tree = (await api(page, 'GET', '/api/v1/tree')).body;
  for (const h of tree.customers.find((c) => c.id === customer.id).sites[0].hosts) await api(page, 'DELETE', `/api/v1/hosts/${h.id}`);
  await api(page, 'DELETE', `/api/v1/sites/${site.id}`);
  await api(page, 'DELETE', `/api/v1/customers/${customer.id}`);
}

const WIDE = { width: 1280, height: 720 };
const PHONE = { width: 390, height: 844 };

async function everyPage(world, browser, viewport) {
  const page = await open(browser, { viewport });
  await signIn(world, page);
  for (const path of await everyPath(page)) {
    await visit(page, path);
    await fits(page, `${path} ${viewport.width}`);
    await accessibleInBothThemes(page, `${path} ${viewport.width}`);
  }
  await page.keyboard.press('Control+k');
  await page.keyboard.type('a');
  await page.waitForSelector('[role=option]');
  await accessibleInBothThemes(page, `palette ${viewport.width}`);
  await page.keyboard.press('Escape');
  if (viewport === PHONE) await throughTheMenu(page);
  assert.deepEqual(page.faults, []);
}

export const every_page_is_accessible_in_both_themes = (world, browser) => everyPage(world, browser, WIDE);
export const every_page_is_accessible_in_both_themes_on_a_phone = (world, browser) => everyPage(world, browser, PHONE);

/** The side bar's pages and those behind them. */
async function everyPath(page) {
  const tree = (await api(page, 'GET', '/api/v1/tree')).body;
  const customer = harbour(tree);
  const site = customer.sites[0];
  const empty = tree.customers.find((c) => c.name === 'Mill Street School').sites[0];
  assert.ok(!empty.gateway);
  const person = (await api(page, 'GET', '/api/v1/users')).body.users.find((u) => u.name !== 'owner');
  const links = await page.locator('nav[aria-label=Culvert] a').evaluateAll((all) => all.map((a) => a.getAttribute('href')));
  assert.ok(links.length > 6, links.join());
  return new Set([
    ...links, '/', `/c/${customer.id}`, `/sites/${site.id}`, `/sites/${empty.id}`, `/h/${site.hosts[0].id}`, '/people/invite',
    `/people/${person.id}`, `/people/${person.id}/leaving`, '/teams', '/hand-over', '/account', '/licences', '/s/none', '/nowhere',
  ]);
}

/** On a phone the navigation slides in, takes the focus with it, and goes. */
async function throughTheMenu(page) {
  const menu = page.locator('button[aria-label=Menu]');
  const boxes = page.locator('nav[aria-label=Culvert] a[href="/boxes"]');
  assert.equal(await boxes.isVisible(), false);
  await menu.click();
  await boxes.waitFor();
  await accessibleInBothThemes(page, 'menu');
  await boxes.click();
  await page.waitForSelector('h1:has-text("Sites and boxes")');
  await boxes.waitFor({ state: 'hidden' });
}
