//! Where the keyboard goes, and what it does: questions that come while another
//! tab is looked at, what is typed between them, Ctrl-K for the host, the tree
//! (S9, S19, S20, S34).

import assert from 'node:assert/strict';

import { accessible, accessibleInBothThemes, api, closes, harbour, intoShell, open, palette, reads, settled, shown, signIn, tabOf, tool, visit } from './world.mjs';

const question = (page) => page.locator(`${shown} [role=dialog]`);
const answered = (page, title) => page.waitForFunction(([at, was]) => document.querySelector(`${at} [role=dialog] h2`)?.textContent !== was, [shown, title]);

/** Answers by keys alone what comes before the password. */
async function untilThePassword(page, account) {
  for (;;) {
    await question(page).waitFor();
    const title = await question(page).locator('h2').innerText();
    if (title === 'Password') return;
    // The keyboard is there by itself: on the answer that is asked for.
    await page.waitForFunction((at) => document.activeElement?.closest(`${at} [role=dialog]`), shown);
    if (title === 'Sign in to the host') await page.keyboard.type(account.name);
    await page.keyboard.press('Enter');
    await answered(page, title);
  }
}

export async function a_question_waits_for_the_keyboard_and_what_is_typed_between_two_reaches_no_shell(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await page.waitForSelector(shown);
  await visit(page, '/');
  // Nobody looks at it: its tab says so, to eyes and to screen readers, and the window's title.
  const tab = tabOf(page, 'server');
  await tab.locator('.tag:has-text("asks")').waitFor();
  assert.match(await tab.locator('a .sr').textContent(), /waits for your answer/);
  assert.match(await page.title(), /^• /);
  await accessibleInBothThemes(page, 'a tab that asks');
  await tab.locator('a').click();
  await untilThePassword(page, world.account);
  // While it is asked, the window gets another size.
  await page.setViewportSize({ width: 1000, height: 600 });
  await page.keyboard.type('a wrong one');
  await page.evaluate((at) => {
    const between = [];
    const note = ({ key }) => {
      const stage = document.querySelector(at);
      if (stage.querySelector('.waiting')) between.push({ key, paste: !stage.querySelector('[aria-label=Paste]').disabled });
    };
    addEventListener('keydown', note, { capture: true });
    globalThis.typedBetween = () => { removeEventListener('keydown', note, { capture: true }); return between; };
  }, shown);
  await page.keyboard.press('Enter');
  await page.locator(`${shown} .waiting`).waitFor();
  // The host takes its time to say no: what is typed meanwhile was meant for its next question.
  for (const key of ['Enter', ...'typed-blind']) await page.keyboard.press(key);
  const between = await page.evaluate(() => globalThis.typedBetween());
  assert.deepEqual(between.slice(0, 2), [{ key: 'Enter', paste: false }, { key: 't', paste: false }], 'the host was too quick: nothing was typed between');
  await question(page).waitFor();
  await page.waitForFunction((at) => document.activeElement?.closest(`${at} [role=dialog] input`), shown);
  // What came after its answer stands in the question.
  await page.keyboard.press('Control+a');
  await page.keyboard.type(world.account.password);
  await page.keyboard.press('Enter');
  await reads(page, /[$#] *$/m);
  await page.keyboard.type('echo rows=$(stty size | cut -d" " -f1)=\n');
  const text = await reads(page, /rows=\d+=/);
  assert.ok(!text.includes('typed-blind'), text);
  assert.equal(Number(/rows=(\d+)=/.exec(text)[1]), await page.locator(`${shown} .xterm-rows > div`).count());

  // Ctrl-K opens the search; twice, it is the shell's: it cuts the line off at the cursor.
  await page.keyboard.type('echo never-written');
  await page.keyboard.press('Control+a');
  await page.keyboard.press('Control+k');
  await page.locator('dialog[open] input[role=combobox]').waitFor();
  await page.keyboard.press('Control+k');
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
  await page.keyboard.type('echo cut-$((6*7))\n');
  assert.ok(!(await reads(page, /cut-42/)).includes('never-written'));

  // An end takes the keyboard from the host, and gives it to nothing that the next key presses.
  await page.keyboard.type('exit 5\n');
  const over = page.locator(`${shown} [role=alert]`, { hasText: 'status 5' });
  await over.waitFor();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Open again');
  assert.equal(await over.count(), 1);
  assert.deepEqual(page.faults, []);
}

export async function a_sessions_tools_are_reached_by_keys_alone(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await page.keyboard.type('echo found-$((6*7))\n');
  await reads(page, /found-42/);
  // Without a word they are all there, before the hosts.
  await page.keyboard.press('Control+k');
  const listed = page.locator('dialog[open] [role=option]');
  for (const name of ['Search in the scroll-back', 'Copy the selection', 'Paste', 'Open in my own viewer', 'Pop out into a window of its own', 'Path: how the packets travel', 'End this session']) await listed.filter({ hasText: name }).waitFor();
  await accessibleInBothThemes(page, 'tools in the search');
  await page.keyboard.press('Escape');
  await page.locator('dialog[open]').waitFor({ state: 'detached' });

  const holds = (at) => page.waitForFunction((to) => document.activeElement?.closest(to), `${shown} ${at}`);
  await tool(page, 'scroll-back');
  await holds('[role=search]');
  await page.keyboard.type('found-42');
  await page.locator(`${shown} [role=search] [role=status]`, { hasText: /^[1-9]/ }).waitFor();
  await page.keyboard.press('Escape');
  await holds('.xterm');

  // How it travels, and back to the host.
  await tool(page, 'path');
  await holds('[popover]');
  assert.match(await page.locator(`${shown} [popover]`).innerText(), /Round trip/);
  await accessibleInBothThemes(page, 'the path');
  await page.keyboard.press('Escape');
  await holds('.xterm');
  await page.keyboard.type('echo on-$((6*7))\n');
  await reads(page, /on-42/);

  // Nothing is handed over here: while a browser does that, it takes no keys.
  await page.route('**/api/v1/launches', (route) => route.fulfill({ status: 503, body: '' }));
  await tool(page, 'my own');
  await page.locator('dialog[open] [role=alert]').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
  // Into a window of its own, which ends it.
  const [popup] = await Promise.all([page.waitForEvent('popup'), tool(page, 'pop out')]);
  popup.setDefaultTimeout(45_000);
  await reads(popup, /on-42/);
  await tool(popup, 'end this');
  await popup.locator('dialog[open] h2', { hasText: 'End this session?' }).waitFor();
  await closes(popup, () => popup.keyboard.press('Enter'));
  assert.deepEqual(page.faults, []);
}

/** The row that the tree tells a screen reader to be the active one. */
async function told(page) {
  await settled(page);
  return page.evaluate(() => {
    const row = document.getElementById(document.activeElement.getAttribute('aria-activedescendant') ?? '');
    return row && { role: row.role ?? row.getAttribute('role'), text: row.innerText, selected: row.ariaSelected, open: row.ariaExpanded, starred: row.querySelector('[aria-pressed]')?.getAttribute('aria-pressed') };
  });
}

export async function the_tree_is_worked_by_keys_and_tells_which_row_they_act_on(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const key = (name) => page.keyboard.press(name);
  const row = async (pattern) => { const at = await told(page); assert.equal(at?.role, 'row'); assert.equal(at.selected, 'true'); assert.match(at.text, pattern); return at; };
  // In the filter the arrows choose among what is left, and the field tells it.
  await key('/');
  await page.keyboard.type('practice');
  await key('ArrowDown');
  await row(/Lindgren/);
  await accessible(page, 'a row chosen from the filter');
  await key('Escape');
  await page.keyboard.type('harbour server');
  await key('Tab');
  await key('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('role')), 'treegrid');
  assert.equal((await row(/Harbour/)).open, 'true');
  await accessible(page, 'the tree in use');
  await key('ArrowDown');
  await row(/Pump station/);
  await key('ArrowDown');
  const { text, starred } = await row(/server/);
  // With Ctrl, Alt or Meta a key is the browser's.
  for (const other of ['Control+f', 'Alt+f', 'Meta+f']) await key(other);
  assert.equal((await row(/server/)).starred, starred);
  const flipped = starred === 'true' ? 'false' : 'true';
  const pressed = (value) => page.locator(`[role=row][aria-selected=true] [aria-pressed=${value}]`).waitFor();
  await key('f');
  await pressed(flipped);
  // Space is the host's page, where the same key does the same.
  await key(' ');
  await page.locator('h1', { hasText: 'server' }).waitFor();
  await page.locator(`button[aria-label=Starred][aria-pressed=${flipped}]`).waitFor();
  await key('f');
  await page.locator(`button[aria-label=Starred][aria-pressed=${starred}]`).waitFor();
  assert.ok(text.includes('server'));

  // Folding, in a tree to which nobody adds a customer meanwhile.
  const customer = harbour((await api(page, 'GET', '/api/v1/tree')).body);
  await visit(page, `/c/${customer.id}`);
  await key('/');
  await key('Tab');
  await key('ArrowLeft');
  assert.equal((await told(page)).open, 'false');
  await key('ArrowRight');
  assert.equal((await told(page)).open, 'true');
  // Shift-Enter in the search is the page of what is found, and no session.
  await key('Control+k');
  await page.keyboard.type('harb serv');
  await page.locator('dialog[open] [role=option][aria-selected=true]', { hasText: 'server' }).waitFor();
  await key('Shift+Enter');
  await page.waitForURL(`${world.url}/h/${customer.sites[0].hosts.find((h) => h.name === 'server').id}`);
  assert.equal(await page.locator('nav[aria-label="Open sessions"]').count(), 0);
  assert.deepEqual(page.faults, []);
}
