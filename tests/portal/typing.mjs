//! What is typed reaches the shell as it was meant, with a key of its own or
//! without one: é, dead keys, input methods, dictation, the keyboards of phones
//! (S9, S31).

import assert from 'node:assert/strict';

import { intoShell, open, palette, reads, shown, signIn, typed } from './world.mjs';

/** What the shell says of the bytes that come after, until the line's end. */
async function bytesOf(page, mark, type) {
  await typed(page, `printf %s '`);
  await type();
  await typed(page, `' | od -An -v -tx1 | tr -d ' \\n' | sed 's/.*/${mark}=&=/'\r`);
  const text = await reads(page, new RegExp(`${mark}=[0-9a-f]+=`));
  return Buffer.from(new RegExp(`${mark}=([0-9a-f]+)=`).exec(text)[1], 'hex').toString('utf8');
}

async function shell(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  return page;
}

export async function text_without_keys_reaches_the_shell(world, browser) {
  const page = await shell(world, browser);
  const words = 'é ß Ж 漢字 🚰 👩🏽‍🔧';
  assert.equal(await bytesOf(page, 'whole', () => page.keyboard.insertText(words)), words);
  // As dictation and emoji pickers give them: piece by piece, between keys.
  const piece = async () => {
    for (const part of ['ü', '😀']) { await page.keyboard.press('a'); await page.keyboard.insertText(part); await page.keyboard.press('b'); }
  };
  assert.equal(await bytesOf(page, 'pieces', piece), 'aüba😀b');
  // While another key is still down, as with two thumbs.
  const held = async () => { await page.keyboard.down('x'); await page.keyboard.insertText('é'); await page.keyboard.up('x'); await page.keyboard.press('y'); };
  assert.equal(await bytesOf(page, 'held', held), 'xéy');
  // A capital comes to the emulator by its key press.
  const capital = async () => { await page.keyboard.down('X'); await page.keyboard.insertText('É'); await page.keyboard.up('X'); await page.keyboard.press('Y'); };
  assert.equal(await bytesOf(page, 'capital', capital), 'XÉY');
  assert.equal(await page.locator('.stage.shown .xterm-helper-textarea').inputValue(), '', 'what keys type is not gathered in the hidden field');
}

/** An animation would have the browser hold back what follows a key until its next frame. */
export async function the_cursor_blinks_without_an_animation(world, browser) {
  const page = await shell(world, browser);
  // The colour of that very moment: a little later it is the other one.
  const cursor = (lit) => page.waitForFunction(([at, wanted]) => {
    const is = !document.querySelector(`${at} .place`).matches('.unlit');
    const mark = document.querySelector(`${at} .xterm-cursor-blink`);
    return is === wanted && mark && getComputedStyle(mark).backgroundColor;
  }, [shown, lit]).then((colour) => colour.jsonValue());
  const seen = new Set([await cursor(false), await cursor(true)]);
  assert.equal(seen.size, 2, [...seen].join(' '));
  const animations = () => page.evaluate(() => document.getAnimations().map((one) => `${one.animationName ?? one.transitionProperty} of ${one.effect?.target?.className}`));
  await page.waitForFunction(() => document.getAnimations().length === 0).catch(async (error) => { throw new Error(`${await animations()}`, { cause: error }); });
}

export async function an_input_methods_text_reaches_the_shell_once(world, browser) {
  const page = await shell(world, browser);
  const devtools = await page.context().newCDPSession(page);
  const compose = async (steps, result) => {
    for (const text of steps) await devtools.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length });
    await devtools.send('Input.insertText', { text: result });
    // The emulator sends what an input method has composed in a task of its own.
    await page.evaluate(() => new Promise((done) => { setTimeout(done); }));
  };
  assert.equal(await bytesOf(page, 'ime', () => compose(['に', 'にほ', 'にほん'], '日本')), '日本');
  const twice = async () => { await compose(['´'], 'é'); await page.keyboard.press('t'); await compose(['´'], 'é'); };
  assert.equal(await bytesOf(page, 'dead', twice), 'été');
}
