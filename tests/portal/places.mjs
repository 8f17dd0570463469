//! Whoever has a role at a part of the tree only: what she is offered she may do
//! (S18, S21, S23; trust rows 24 and 27).

import assert from 'node:assert/strict';

import { accept, colleague, ownersPage, site } from './colleague.mjs';
import { accessibleInBothThemes, api, gone, harbour, intoShell, open, palette, settled, shown, typed, visit } from './world.mjs';

const dialog = (page) => page.locator('dialog[open]');
let made = Date.now() % 100_000;

/** Somebody with this role there, signed in on a page of her own that notes what is refused to it. */
async function somebody(browser, owner, role, node) {
  const name = `${role}-${(made += 1)}`;
  const { status, body } = await api(owner, 'POST', '/api/v1/invitations', { name, assignments: [{ role, node }] });
  assert.equal(status, 201, JSON.stringify(body));
  const page = await open(browser);
  await accept(page, body.link);
  page.refused = [];
  page.on('response', (r) => { if (r.status() >= 400 && r.url().includes('/api/')) page.refused.push(`${r.request().method()} ${new URL(r.url()).pathname}: ${r.status()}`); });
  return { name, page, id: (await api(page, 'GET', '/api/v1/me')).body.user.id };
}

/** A customer of its own, with a site that waits for a box and one that is nobody's business. */
async function place(owner) {
  const yard = await site(owner, 'Quay', [['crane', '192.168.77.10', [['ssh', 22]]]]);
  const customer = (await api(owner, 'GET', '/api/v1/tree')).body.customers.find((c) => c.sites.some((s) => s.id === yard.id));
  const other = (await api(owner, 'POST', `/api/v1/customers/${customer.id}/sites`, { name: 'Far pier' })).body;
  return { customer, yard: yard.id, other: other.id, crane: yard.hosts.crane };
}

/** Every page of the side bar, and those behind them. */
async function throughEveryPage({ page, id }, { customer, yard, crane }) {
  const links = await page.locator('nav[aria-label=Culvert] a').evaluateAll((all) => all.map((a) => a.getAttribute('href')));
  for (const path of [...links, `/c/${customer.id}`, `/sites/${yard}`, `/h/${crane}`, '/people/invite', `/people/${id}`, '/teams', '/account']) {
    await visit(page, path);
    assert.deepEqual(await page.locator('main [role=alert]').allInnerTexts(), [], path);
    assert.deepEqual(page.refused, [], path);
  }
  return links;
}

const options = (select) => select.locator('option:not([disabled])').allInnerTexts();

export async function an_administrator_of_one_customer_is_refused_nothing_that_a_page_offers(world, browser) {
  const owner = await ownersPage(world, browser);
  const at = await place(owner);
  const anna = await somebody(browser, owner, 'administrator', { kind: 'customer', id: at.customer.id });
  const { page } = anna;
  const links = await throughEveryPage(anna, at);
  assert.ok(links.includes('/audit') && links.includes('/people') && !links.includes('/webhooks'), links.join());

  // The trail is her customer's, and there is no other to choose.
  await visit(page, '/audit');
  await page.locator('tbody code', { hasText: 'customer.add' }).waitFor();
  assert.deepEqual(await options(page.getByLabel('Customer')), [at.customer.name]);

  // A box is claimed for one of her sites: none waits for somebody else to decide.
  await visit(page, '/boxes');
  await page.click('button:has-text("Claim a box")');
  const make = dialog(page).locator('button:has-text("Make the code")');
  assert.deepEqual(await options(dialog(page).getByLabel('Site')), ['Far pier', 'Yard']);
  assert.equal(await make.isDisabled(), true);
  await accessibleInBothThemes(page, 'a claim for one of her sites');
  await dialog(page).getByLabel('Site').selectOption({ label: 'Yard' });
  await make.click();
  await dialog(page).locator('.secret').waitFor();
  await dialog(page).locator('button:has-text("Done")').click();
  await page.locator('section', { hasText: 'Codes that still work' }).getByText('Yard').waitFor();

  // Her customer's other administrator, reader or technician: she begins with the place there is.
  await visit(page, '/people/invite');
  const where = page.getByLabel('Role 1: customer');
  assert.deepEqual(await options(where), [at.customer.name]);
  assert.equal(await where.inputValue(), at.customer.id);
  assert.ok(!(await options(page.getByLabel('Role 1', { exact: true }))).includes('owner'));
  await page.fill('label:has-text("Name she signs in with") input', `olga-${made}`);
  await page.click('button:has-text("Make the link")');
  await page.locator('.secret').waitFor();
  await visit(page, `/people/${anna.id}`);
  await page.getByRole('button', { name: 'Role', exact: true }).click();
  await dialog(page).getByLabel('Where: site or host').selectOption({ label: 'Site Yard' });
  await dialog(page).locator('button:has-text("Give role")').click();
  await page.locator('li', { hasText: `technician${at.customer.name}` }).waitFor();
  assert.deepEqual([...page.refused, ...page.faults], []);
  await gone(owner, at.customer.id);
}

export async function an_administrator_of_one_site_is_offered_nothing_of_its_customer(world, browser) {
  const owner = await ownersPage(world, browser);
  const at = await place(owner);
  const sina = await somebody(browser, owner, 'administrator', { kind: 'site', id: at.yard });
  const { page } = sina;
  const links = await throughEveryPage(sina, at);
  // Trails are whole customers': there is none for her.
  assert.ok(!links.includes('/audit') && links.includes('/people'), links.join());
  await visit(page, `/c/${at.customer.id}`);
  for (const name of ['Site', 'Rename customer']) assert.equal(await page.getByRole('button', { name, exact: true }).count(), 0, name);
  await visit(page, '/people/invite');
  assert.equal(await page.getByLabel('Role 1: site or host').inputValue(), `site:${at.yard}`);
  assert.deepEqual((await options(page.getByLabel('Role 1: site or host'))).map((text) => text.trim()), ['Site Yard', 'crane']);
  await page.fill('label:has-text("Name she signs in with") input', `tom-${made}`);
  await page.click('button:has-text("Make the link")');
  await page.locator('.secret').waitFor();
  await visit(page, `/sites/${at.yard}`);
  await page.click('button:has-text("Claim a box")');
  await dialog(page).locator('button:has-text("Make the code")').click();
  await dialog(page).locator('.secret').waitFor();
  assert.deepEqual([...page.refused, ...page.faults], []);
  await gone(owner, at.customer.id);
}

const offered = async (page, ...names) => (await Promise.all(names.map(async (name) => ((await page.locator('main').getByRole('button', { name, exact: true }).or(page.locator('main').getByRole('link', { name, exact: true })).count()) ? name : null)))).filter(Boolean);

export async function nobody_is_offered_what_she_may_do_elsewhere_only(world, browser) {
  const owner = await ownersPage(world, browser);
  const at = await place(owner);
  const services = [{ protocol: 'ssh', port: 22 }];
  const buoy = (await api(owner, 'POST', `/api/v1/sites/${at.other}/hosts`, { name: 'buoy', address: '192.168.77.11', services })).body;
  // She sets up the yard, and works at the other site.
  const yara = await somebody(browser, owner, 'administrator', { kind: 'site', id: at.yard });
  await api(owner, 'POST', '/api/v1/assignments', { subject: { kind: 'user', id: yara.id }, role: 'technician', node: { kind: 'customer', id: at.customer.id } });
  const { page } = yara;
  await page.locator('nav[aria-label=Culvert] a[href="/"]').first().click();
  await page.locator('[role=row].host', { hasText: 'buoy' }).waitFor();
  await visit(page, `/h/${at.crane}`);
  assert.deepEqual(await offered(page, 'Change', 'Remove host'), ['Change', 'Remove host']);
  await visit(page, `/h/${buoy.id}`);
  await page.locator('h1', { hasText: 'buoy' }).waitFor();
  assert.deepEqual(await offered(page, 'Change', 'Remove host', 'Claim one'), []);
  assert.equal(await page.getByRole('button', { name: 'Edit' }).count(), 1, 'a technician writes notes');
  await visit(page, `/sites/${at.other}`);
  assert.deepEqual(await offered(page, 'Host', 'Import CSV', 'Rename site', 'Claim a box'), []);
  assert.deepEqual([...page.refused, ...page.faults], []);
  await gone(owner, at.customer.id);
}

export async function a_persons_page_offers_what_may_be_done_to_her(world, browser) {
  const owner = await ownersPage(world, browser);
  const [at, far] = [await place(owner), await place(owner)];
  const anna = await somebody(browser, owner, 'administrator', { kind: 'customer', id: at.customer.id });
  const tom = await somebody(browser, owner, 'technician', { kind: 'customer', id: at.customer.id });
  const fay = await somebody(browser, owner, 'technician', { kind: 'site', id: at.yard });
  await api(owner, 'POST', '/api/v1/assignments', { subject: { kind: 'user', id: fay.id }, role: 'reader', node: { kind: 'customer', id: far.customer.id } });
  const deeds = ['Rename', 'Lost phone', 'Shut out', 'Off-board'];
  const on = async (page, { id, name }) => {
    await visit(page, `/people/${id}`);
    await page.locator('h1', { hasText: name }).waitFor();
    return offered(page, ...deeds);
  };
  const { page } = anna;
  assert.deepEqual(await on(page, tom), deeds);
  // Fay is another customer's, too: of hers, only the role here is Anna's to take.
  assert.deepEqual(await on(page, fay), []);
  await page.getByText('somebody who does can').waitFor();
  await accessibleInBothThemes(page, 'somebody else’s person');
  assert.equal(await page.getByRole('button', { name: /^Take role/ }).count(), 1);
  assert.deepEqual(await on(owner, fay), deeds);
  // Of her own account she changes the name here, and nobody shuts herself out.
  assert.deepEqual(await on(page, anna), ['Rename']);
  // An administrator of everything sees owners, and does nothing to them.
  const ada = await somebody(browser, owner, 'administrator', { kind: 'all' });
  const boss = (await api(owner, 'GET', '/api/v1/me')).body.user;
  assert.deepEqual(await on(ada.page, boss), []);
  assert.equal(await ada.page.getByRole('button', { name: /^Take role/ }).count(), 0);
  assert.deepEqual([...page.refused, ...page.faults, ...ada.page.faults], []);
  for (const one of [at, far]) await gone(owner, one.customer.id);
}

export async function an_owner_chooses_where_and_is_told_where_owners_are_made(world, browser) {
  const owner = await ownersPage(world, browser);
  const nina = await colleague(world, browser, owner);
  await owner.goto(`${world.url}/people/invite`);
  assert.equal(await owner.getByLabel('Role 1: customer').inputValue(), '', 'a place is chosen for her');
  assert.deepEqual(await options(owner.getByLabel('Role 1', { exact: true })), ['reader', 'technician', 'administrator']);
  await owner.getByText('culvert-prs admin user add NAME --role owner').waitFor();
  await accessibleInBothThemes(owner, 'an invitation');
  await owner.fill('label:has-text("Name she signs in with") input', `eve-${made}`);
  await owner.click('button:has-text("Make the link")');
  assert.equal(await owner.locator('form :invalid').count() > 0, true);
  assert.equal(await owner.locator('.secret').count(), 0);

  await visit(owner, `/people/${nina.id}`);
  await owner.getByRole('button', { name: 'Role', exact: true }).click();
  await dialog(owner).getByText('culvert-prs admin user role NAME owner').waitFor();
  assert.equal(await dialog(owner).locator('input[value=owner]').count(), 0);
  await accessibleInBothThemes(owner, 'a role');
  await owner.keyboard.press('Escape');
  // What is unmade at the console only has no bin here.
  const me = (await api(owner, 'GET', '/api/v1/me')).body.user.id;
  await visit(owner, `/people/${me}`);
  await owner.locator('li', { hasText: 'owner' }).first().waitFor();
  assert.equal(await owner.getByRole('button', { name: /^Take role owner/ }).count(), 0);
  assert.deepEqual(owner.faults, []);
}

export async function a_customer_whose_first_site_was_refused_gets_it_at_the_next_try(world, browser) {
  const page = await ownersPage(world, browser);
  const name = `Half done ${Date.now()}`;
  await page.getByRole('button', { name: 'Customer', exact: true }).click();
  await dialog(page).locator('label:has-text("Customer’s name") input').fill(name);
  await dialog(page).locator('label:has-text("First site") input').fill('x'.repeat(300));
  await dialog(page).locator('button:has-text("Add customer")').click();
  await dialog(page).locator('[role=alert]').waitFor();
  await dialog(page).getByText('The customer is added; its site is not yet.').waitFor();
  await accessibleInBothThemes(page, 'a refused site');
  await dialog(page).locator('label:has-text("First site") input').fill('Depot');
  await dialog(page).locator('button:has-text("Add site")').click();
  await page.waitForSelector('h1:has-text("Depot")');
  const found = (await api(page, 'GET', '/api/v1/tree')).body.customers.filter((c) => c.name === name);
  assert.deepEqual(found.map((c) => c.sites.map((s) => s.name)), [['Depot']]);
  await gone(page, found[0].id);
  assert.deepEqual(page.faults, []);
}

export async function a_reader_finds_her_customers_and_no_link_that_leads_nowhere(world, browser) {
  const owner = await ownersPage(world, browser);
  await palette(owner, 'harb serv');
  await intoShell(owner, world.account);
  await typed(owner, 'exit\r');
  await owner.waitForSelector(`${shown} [role=alert]`);
  const customer = harbour((await api(owner, 'GET', '/api/v1/tree')).body);
  const { page, id } = await somebody(browser, owner, 'reader', { kind: 'customer', id: customer.id });
  await visit(page, '/reports');
  await page.locator('[role=region] [role=listitem]').first().waitFor();
  assert.deepEqual(await page.locator('main a[href]:not([download])').evaluateAll((all) => all.map((a) => a.getAttribute('href'))), []);
  assert.deepEqual(await options(page.getByLabel('Customer')), ['All customers', customer.name]);
  await page.getByLabel('Customer').selectOption({ label: customer.name });
  await page.click('[aria-label=Show] button:has-text("Per host")');
  await page.locator('[aria-label=Report] tbody button', { hasText: 'server' }).first().click();
  await settled(page);
  assert.ok((await page.getByLabel('Host').locator('option:checked').innerText()).startsWith('server'));
  for (const text of await page.locator('[role=region] [role=listitem]').allInnerTexts()) assert.match(text, /server/);
  await accessibleInBothThemes(page, 'a reader’s report');

  // A role more shows at once; and so does the end, which no timer of the page finds out.
  await api(owner, 'POST', '/api/v1/assignments', { subject: { kind: 'user', id }, role: 'technician', node: { kind: 'customer', id: customer.id } });
  await page.locator('nav[aria-label=Culvert] a[href="/boxes"]').waitFor();
  const held = (await api(owner, 'GET', `/api/v1/assignments?user=${id}`)).body.assignments.find((a) => a.role === 'technician');
  await api(owner, 'DELETE', `/api/v1/assignments/${held.id}`);
  await page.locator('nav[aria-label=Culvert] a[href="/boxes"]').waitFor({ state: 'detached' });
  assert.deepEqual([...page.refused, ...page.faults], []);
  await page.evaluate(() => {
    const set = globalThis.setTimeout;
    globalThis.setTimeout = (f, ms, ...rest) => (ms >= 500 ? 0 : set(f, ms, ...rest));
  });
  const begun = Date.now();
  const over = page.waitForSelector('input[name=password]').then(() => Date.now() - begun);
  assert.equal((await api(owner, 'PATCH', `/api/v1/users/${id}`, { disabled: true })).status, 200);
  return `shut out: ${await over} ms`;
}
