//! Everything that opens over a page, and pages with a session: accessible in
//! the light and in the dark, and in place in both widths (S20, S34).

import assert from 'node:assert/strict';

import { accessibleInBothThemes, api, desktop, fits, harbour, intoShell, onHost, open, palette, reads, settled, shown, signIn, typed, visit } from './world.mjs';

const dialog = (page) => page.locator('dialog[open]');

/** Opens a dialog, looks at it, and leaves it as Escape does. */
async function over(page, name, open, more = async () => {}) {
  await open();
  await dialog(page).locator('h2').first().waitFor();
  await more();
  await settled(page);
  await accessibleInBothThemes(page, name);
  await fits(page, name);
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'detached' });
}

const press = (page, name) => () => page.getByRole('button', { name, exact: true }).first().click();

export async function every_dialog_is_accessible_in_both_themes(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const tree = (await api(page, 'GET', '/api/v1/tree')).body;
  const site = harbour(tree).sites[0];
  const empty = tree.customers.find((c) => c.name === 'Mill Street School').sites[0];
  const ssh = site.hosts.find((h) => h.name === 'server');
  const person = (await api(page, 'GET', '/api/v1/users')).body.users.find((u) => u.name === world.technician.name);

  await over(page, 'keyboard help', () => page.keyboard.press('?'));
  await over(page, 'add a customer', press(page, 'Customer'));
  await visit(page, `/c/${harbour(tree).id}`);
  await over(page, 'rename a customer', press(page, 'Rename customer'));
  await over(page, 'add a site', press(page, 'Site'));
  await visit(page, `/sites/${site.id}`);
  await over(page, 'add a host', press(page, 'Host'));
  await over(page, 'import', press(page, 'Import CSV'));
  await over(page, 'rename a site', press(page, 'Rename site'));
  await over(page, 'replace a box', press(page, 'Replace'));
  await over(page, 'revoke a box', press(page, 'Revoke'));
  await visit(page, `/sites/${empty.id}`);
  await over(page, 'a claim code', press(page, 'Claim a box'), async () => {
    await accessibleInBothThemes(page, 'before a claim code');
    await dialog(page).getByRole('button', { name: 'Make the code' }).click();
    await dialog(page).locator('.secret').waitFor();
  });
  const claims = (await api(page, 'GET', '/api/v1/claims')).body.claims.filter((c) => c.site?.id === empty.id);
  for (const { id } of claims) await api(page, 'DELETE', `/api/v1/claims/${id}`);
  await visit(page, `/h/${ssh.id}`);
  await over(page, 'change a host', press(page, 'Change'));
  await over(page, 'save a password', press(page, 'Save'));
  await over(page, 'save a key', press(page, 'Save'), async () => {
    await page.check('input[value=private_key]');
    await dialog(page).locator('textarea').fill('ssh-ed25519 AAAA the public half');
    await dialog(page).locator('[role=alert]', { hasText: 'the other half' }).waitFor();
  });
  await visit(page, '/teams');
  await over(page, 'a new team', press(page, 'Team'));
  await visit(page, `/people/${person.id}`);
  await over(page, 'give a role', press(page, 'Role'));
  await over(page, 'rename somebody', press(page, 'Rename'));
  await over(page, 'lost phone', press(page, 'Lost phone'));
  await over(page, 'shut somebody out', press(page, 'Shut out'));
  await visit(page, '/webhooks');
  await over(page, 'add a webhook', press(page, 'Webhook'));
  assert.deepEqual(page.faults, []);
}

export async function open_sessions_and_what_they_ask_are_accessible_in_both_themes(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const looks = async (name) => { await settled(page); await accessibleInBothThemes(page, name); await fits(page, name); };
  await palette(page, 'harb serv');
  await page.locator(`${shown} [role=dialog]`).waitFor();
  await looks('a host asks');
  await intoShell(page, world.account);
  await looks('a terminal');
  await page.click(`${shown} .path`);
  await page.keyboard.press('Control+Shift+F');
  await looks('a terminal with search and the path’s facts');
  await page.keyboard.press('Escape');
  // As the browser does it; the clipboard itself, which all windows share, is another test's.
  await page.locator(`${shown} .xterm-helper-textarea`).evaluate((area) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData('text/plain', 'echo one\necho two\n');
    area.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
  });
  await page.locator(`${shown} [role=dialog]`, { hasText: 'Paste 2 lines' }).waitFor();
  await looks('a paste asks');
  await page.click(`${shown} button:has-text("As one line")`);
  await reads(page, /echo one echo two/);
  await page.keyboard.press('Control+c');
  await over(page, 'end a session', () => page.click(`${shown} header button:has-text("End")`));

  await desktop(world, page, 'harb desk');
  await page.click(`${shown} [aria-label="Special keys"]`);
  await looks('a desktop with special keys');
  await page.click(`${shown} [aria-label="Clipboard"]`);
  await page.click(`${shown} [aria-label="View only"]`);
  await looks('a desktop, view only, with its clipboard');
  await over(page, 'a desktop in a window of its own', () => page.click(`${shown} [aria-label^="Pop out"]`));
  await page.locator('nav[aria-label="Open sessions"] a').first().click();
  await typed(page, 'exit 3\r');
  await page.waitForSelector(`${shown} [role=alert]:has-text("status 3")`);
  await looks('an ended terminal');
  // In the other width, too.
  const tabs = page.locator('nav[aria-label="Open sessions"] a');
  const phone = async (at) => {
    await page.setViewportSize({ width: 390, height: 844 });
    await tabs.nth(at).click();
    await looks(`session ${at} on a phone`);
  };
  for (const at of [0, 1]) await phone(at);
  await page.setViewportSize({ width: 1280, height: 720 });
  await palette(page, 'gauge cam');
  await page.locator(`${shown} .native :text("Nothing answered")`).waitFor();
  await looks('a native program');
  await phone(2);
  // In a window of its own: the browser asks about culvert's links, and waits for that.
  const other = await page.context().newPage();
  other.setDefaultTimeout(45_000);
  other.asked = page.asked;
  await other.goto(`${world.url}/`);
  await other.waitForSelector('[role=treegrid]');
  await palette(other, 'harb serv');
  await intoShell(other, world.account);
  // This page stays: nobody is asked whether to leave it, nor its session.
  const left = [];
  other.on('dialog', (d) => { left.push(d.type()); void d.dismiss(); });
  await other.click(`${shown} [aria-label="Open in my own viewer"]`);
  await dialog(other).locator(':text("Nothing answered")').waitFor();
  assert.deepEqual(left, []);
  await accessibleInBothThemes(other, 'in my own viewer');
  await fits(other, 'in my own viewer');
  assert.deepEqual(page.faults, []);
}

export async function what_is_open_on_one_host_never_acts_on_another(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const ssh = [{ protocol: 'ssh', port: 22 }];
  await onHost(page, ssh, (other) => onHost(page, ssh, async (host) => {
    const at = ({ name }) => page.locator('h1', { hasText: name }).waitFor();
    // Each of these, left open by way of the browser's own button.
    const left = async (open, trace) => {
      await visit(page, `/h/${other.id}`);
      await visit(page, `/h/${host.id}`);
      await at(host);
      await open();
      await page.locator(trace).first().waitFor();
      if ((await dialog(page).count()) > 0) {
        // Nor does anything open over a question.
        await page.keyboard.press('Control+k');
        await settled(page);
        assert.equal(await page.locator('[role=combobox]').count(), 0, `the search over ${trace}`);
      }
      await page.goBack();
      await at(other);
      await settled(page);
      assert.equal(await page.locator(trace).count(), 0, `${trace} of another host`);
    };
    await left(press(page, 'Remove host'), `dialog[open] :text("“${host.name}”")`);
    await left(press(page, 'Change'), '#host-form');
    await left(press(page, 'Save'), '#credential');
    await left(async () => { await press(page, 'Edit')(); await page.keyboard.type('of the other one'); }, 'main textarea');
    await left(press(page, 'Test connection'), '.test .tag');
    // On the same page a question stays, whatever its address says besides.
    await press(page, 'Remove host')();
    await visit(page, `/h/${other.id}?from=somewhere#there`);
    await dialog(page).locator('button:has-text("Cancel")').click();
    const there = harbour((await api(page, 'GET', '/api/v1/tree')).body).sites[0].hosts.map(({ id }) => id);
    assert.ok(there.includes(host.id) && there.includes(other.id));
  }));
  assert.deepEqual(page.faults, []);
}

export async function what_was_typed_as_notes_goes_by_the_button_alone(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await onHost(page, [{ protocol: 'ssh', port: 22 }], async ({ id }) => {
    await visit(page, `/h/${id}`);
    const notes = page.locator('main textarea');
    const edit = press(page, 'Edit');
    await edit();
    await page.keyboard.press('Escape');
    await notes.waitFor({ state: 'detached' });
    await edit();
    await page.keyboard.type('never restart it by day');
    await page.keyboard.press('Escape');
    await settled(page);
    assert.equal(await notes.inputValue(), 'never restart it by day');
    await press(page, 'Cancel')();
    await notes.waitFor({ state: 'detached' });
  });
  assert.deepEqual(page.faults, []);
}

/** The first paragraph, key by key. */
export async function signing_in_ctrl_k_three_letters_and_enter_are_all_it_takes(world, browser) {
  const page = await open(browser);
  await page.goto(`${world.url}/`);
  await page.locator('input[name=username]:focus').waitFor();
  await page.keyboard.type(world.technician.name);
  await page.keyboard.press('Tab');
  await page.keyboard.type(world.technician.password);
  await page.keyboard.press('Enter');
  await page.waitForSelector('[role=treegrid]');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('ser');
  await page.locator('dialog[open] [role=option][aria-selected=true]', { hasText: 'server' }).waitFor();
  await page.keyboard.press('Enter');
  // What the host itself asks is answered by keys alone, too.
  const ask = page.locator(`${shown} [role=dialog]`);
  for (;;) {
    await ask.or(page.locator(`${shown} .xterm-rows`, { hasText: /[$#]\s*$/ })).first().waitFor();
    if ((await ask.count()) === 0) break;
    const title = await ask.locator('h2').innerText();
    if (!/First time/.test(title)) await page.keyboard.type((await ask.locator('input').first().getAttribute('type')) === 'password' ? world.account.password : world.account.name);
    await page.keyboard.press('Enter');
    await page.waitForFunction(([at, was]) => document.querySelector(`${at} [role=dialog] h2`)?.textContent !== was, [shown, title]);
  }
  await page.keyboard.type('echo works-$((6*7))\n');
  await reads(page, /works-42/);
  assert.match(await page.title(), /^server – Harbour/);
  assert.deepEqual(page.faults, []);
}
