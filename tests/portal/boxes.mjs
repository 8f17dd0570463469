//! A real box claimed by the portal's code, its hosts tried, and a password kept
//! for one of them (S19, S21, S30, S39; trust rows 8 and 26).

import assert from 'node:assert/strict';

import { home, ownersPage, site } from './colleague.mjs';
import { accessibleInBothThemes, api, ask, intoShell, palette, reads, scanned, shown, typed, visit } from './world.mjs';

/** Makes a code on the page and claims a box with it; the page shows it without a reload. */
async function claim(page, world, place, button) {
  await page.goto(`${world.url}/sites/${place.id}`);
  await page.click(`button:has-text("${button}")`);
  await page.locator('dialog[open] button:has-text("Make the code")').click();
  const code = await page.locator('dialog[open] .secret').innerText();
  assert.equal(await scanned(page.getByRole('img', { name: 'Claim code as QR' })), code);
  await page.locator('dialog[open] button:has-text("Done")').click();
  return code;
}

const online = (page) => page.locator('section.card:has(h2:text-is("Box"))').getByText('Online', { exact: true }).waitFor();

export async function a_code_of_the_portal_claims_a_box_that_then_appears_online_and_tests_hosts(world, browser) {
  const page = await ownersPage(world, browser);
  const place = await site(page, 'Claimed', [
    ['answers', '192.168.77.10', [['ssh', 22], ['http', 81]]],
    ['is dead', '192.168.77.99', [['ssh', 22]]],
  ]);
  const code = await claim(page, world, place, 'Claim a box');
  await page.waitForSelector('text=No box stands here yet');
  await ask('claim', code);
  await online(page);
  // Used up: another box does not get it.
  await assert.rejects(ask('claim', code), /claim code is unknown, was used already or has expired/);

  // S39: what answered, for an open port, a closed one and a host that is not there.
  const lines = page.locator('.test p');
  await page.goto(`${world.url}/h/${place.hosts.answers}`);
  await page.click('button:has-text("Test connection")');
  await lines.nth(1).waitFor();
  const [open, closed] = await lines.allInnerTexts();
  assert.match(open, /SSH 22[^]*open/);
  assert.match(closed, /81[^]*refused the connection: nothing listens on that port/);
  await page.goto(`${world.url}/h/${place.hosts['is dead']}`);
  await page.click('button:has-text("Test connection")');
  await lines.first().waitFor();
  assert.match(await lines.first().innerText(), /SSH 22[^]*(did not answer|not reachable|no route)/);
  // Nobody has worked there, and the trail says what was done.
  await page.goto(`${world.url}/h/${place.hosts.answers}`);
  await page.getByText('Nobody has worked on this host yet.').waitFor();
  assert.ok(!(await api(page, 'GET', '/api/v1/sessions')).body.sessions.some((s) => s.host.id === place.hosts.answers));
  await visit(page, '/audit');
  await page.locator('tr', { hasText: 'session.start' }).filter({ hasText: 'answers: test' }).first().waitFor();
  assert.deepEqual(page.faults, []);
}

/** What is wrong at the box is told where boxes are listed, and on its site's page. */
export async function the_verdict_of_a_boxs_doctor_shows_on_the_page(world, browser) {
  const page = await ownersPage(world, browser);
  const place = await site(page, 'Troubled', []);
  const { code } = (await api(page, 'POST', '/api/v1/claims', { site: place.id })).body;
  await visit(page, '/boxes');
  await page.fill('[data-filter]', 'Troubled');
  const line = page.locator('[role=listitem]', { hasText: 'Troubled' });
  await line.getByText('No box stands here yet').waitFor();
  await ask('claim-box', code, 'troubled');
  const verdict = 'Culvert.toml on the card cannot be used: line 1.';
  await line.locator('.verdict', { hasText: verdict }).waitFor();
  await line.getByText('Online', { exact: true }).waitFor();
  await accessibleInBothThemes(page, 'boxes with a verdict');
  await visit(page, `/sites/${place.id}`);
  await page.locator('section.card .note', { hasText: verdict }).waitFor();
  await accessibleInBothThemes(page, 'a box with a verdict');
  assert.deepEqual(page.faults, []);
}

/** Opens the host's shell and says which questions came before the prompt. */
async function questions(page, name, account) {
  await palette(page, name);
  const title = page.locator(`${shown} [role=dialog] h2`);
  const prompt = page.locator(`${shown} .xterm-rows`);
  const seen = [];
  for (;;) {
    await page.waitForFunction((at) => document.querySelector(`${at} [role=dialog], ${at} [role=alert]`) || /[$#] *$/m.test(document.querySelector(`${at} .xterm-rows`)?.innerText.trimEnd() ?? ''), shown);
    if (!(await title.count())) break;
    const text = await title.innerText();
    seen.push(text);
    if (!/First time/.test(text)) { await intoShell(page, account); break; }
    await page.locator(`${shown} [role=dialog] button:has-text("Trust and remember")`).click();
    await page.waitForFunction(([at, was]) => document.querySelector(`${at} [role=dialog] h2`)?.textContent !== was, [shown, text]);
  }
  assert.match(await prompt.innerText(), /[$#]/);
  return seen;
}

const close = async (page) => {
  await page.locator(`${shown} .xterm-helper-textarea`).focus();
  await typed(page, 'exit\r');
  await page.waitForSelector(`${shown} [role=alert]`);
  await page.locator(`${shown} button:has-text("Close")`).first().click();
};

export async function a_password_kept_in_the_browser_opens_its_host_alone_and_a_new_box_asks_again(world, browser) {
  const page = await ownersPage(world, browser);
  // A name that no other host has: the palette finds it alone.
  const name = `keeper${Date.now() % 100_000}`;
  const place = await site(page, 'Keeper', [[name, '192.168.77.10', [['ssh', 22]]], ['other name', 'server.office', [['ssh', 22]]]]);
  await ask('claim', await claim(page, world, place, 'Claim a box'));
  await online(page);
  // First by hand: the key is pinned.
  await home(page, world);
  assert.ok((await questions(page, name, world.account)).length >= 2);
  await close(page);

  const sent = [];
  page.on('request', (request) => sent.push(request.postData() ?? ''));
  await page.goto(`${world.url}/h/${place.hosts[name]}`);
  await page.locator('section.card:has(h2:text-is("Saved sign-in")) button:has-text("Save")').click();
  await page.fill('#credential label:has-text("Account") input', world.account.name);
  await page.fill('#credential input[type=password]', world.account.password);
  await page.click('button:has-text("Encrypt and save")');
  await page.locator('section.card:has(h2:text-is("Saved sign-in"))').getByText(world.account.name).waitFor();
  assert.ok(sent.some((body) => body.includes('"sealed"')), 'nothing was kept');
  assert.ok(!sent.some((body) => body.includes(world.account.password)), 'the password was sent as it is');
  assert.ok(!(await page.content()).includes(world.account.password), 'the page still has it');

  // Used by the box: nothing is asked.
  assert.deepEqual(await questions(page, name, world.account), []);
  await typed(page, 'echo in-as-$(id -un)\r');
  await reads(page, new RegExp(`in-as-${world.account.name}`));
  await close(page);
  // Its ciphertext is for that host alone: given for another, the box does not open it.
  const lists = (await api(page, 'GET', `/api/v1/hosts/${place.hosts[name]}/credentials`)).body.credentials;
  assert.deepEqual(Object.keys(lists[0]).filter((key) => /seal|secret|password/.test(key)), []);

  const code = await claim(page, world, place, 'Replace');
  await ask('replace', code);
  await page.goto(`${world.url}/h/${place.hosts[name]}`);
  await page.getByText('enter again: new box').waitFor();
  await page.waitForSelector('button:has-text("SSH"):not([disabled])');
  const asked = await questions(page, name, world.account);
  assert.ok(asked.length >= 2, `a new box was told the password: ${asked}`);
  assert.deepEqual(page.faults, []);
}
