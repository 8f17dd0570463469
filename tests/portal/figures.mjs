//! Measures the portal's own pages in Chromium: from the click on a host's
//! button to its shell's prompt, from a key in the terminal to its echo, how the
//! page fares while a terminal prints without end, from a key in the search to
//! its list, and the frames of a scrolling desktop. Everything a person would
//! have to type is given beforehand. Prints one line of JSON. Started by `./bench portal`, which
//! makes the world: `node figures.mjs near`, then `node figures.mjs far` with
//! a line between the browser and the server.

import { browse, percentile } from './pipe.mjs';

const RUNS = 15;
/** The server lets a person start one session a second, and some at once. */
const PAUSE = 1_200;
const HOSTS = 10_000;
/** In one import, at most 5,000 lines. */
const LINES = 5_000;
const FRAMES_MS = 10_000;
/** Keys typed in the terminal, and how long a typist waits between two at least. */
const KEYS = 200;
const TYPIST_MS = 60;
/** What a host prints at once, in MB. */
const FLOOD_MB = 12;
const QUERIES = ['pump north', 'valve', '10.41.7', 'reader harb 99', 'gauge-east-0042', 'meter west 7'];

function need(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: ./bench portal sets it`);
  return value;
}
const url = need('CULVERT_URL');
const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

// What runs in the page.

async function ask(method, path, body) {
  const type = typeof body === 'string' ? 'text/csv' : 'application/json';
  const answer = await fetch(path, { method, headers: { 'content-type': type }, ...(body === undefined || body === null ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
  return text ? JSON.parse(text) : null;
}

function fill(selector, values) {
  const fields = [...document.querySelectorAll(selector)];
  values.forEach((value, at) => {
    fields[at].value = value;
    fields[at].dispatchEvent(new Event('input', { bubbles: true }));
  });
  fields[0].form.requestSubmit();
}

/** From the next click until a prompt stands in the terminal and was drawn. */
function armPrompt() {
  globalThis.measured = new Promise((resolve, reject) => {
    addEventListener('click', (event) => {
      const begun = event.timeStamp;
      const look = () => {
        const stage = document.querySelector('.stage.shown');
        const asks = stage?.querySelector('[role=alert], [role=dialog]');
        if (asks) return reject(new Error(asks.innerText));
        const rows = [...(stage?.querySelector('.xterm-rows')?.children ?? [])];
        if (!rows.some((row) => /[$#]\s*$/.test(row.textContent))) requestAnimationFrame(look);
        // It stands in this frame; the next begins when this one is drawn.
        else requestAnimationFrame(() => resolve(performance.now() - begun));
      };
      requestAnimationFrame(look);
    }, { capture: true, once: true });
  });
}

/** From the next key until the terminal's page holds what was typed so far. */
function armEcho(wanted) {
  globalThis.measured = new Promise((resolve) => {
    const rows = document.querySelector('.stage.shown .xterm-rows');
    addEventListener('keydown', (event) => {
      const begun = event.timeStamp;
      const seen = new MutationObserver(() => {
        if (![...rows.children].some((row) => row.textContent.trimEnd().endsWith(wanted))) return;
        seen.disconnect();
        resolve(performance.now() - begun);
      });
      seen.observe(rows, { childList: true, subtree: true, characterData: true });
    }, { capture: true, once: true });
  });
}

/** The longest time between two frames of the page until the terminal shows the word. */
async function pauses(word) {
  const rows = document.querySelector('.stage.shown .xterm-rows');
  const began = performance.now();
  let [last, longest, frames] = [began, 0, 0];
  do {
    await new Promise((next) => requestAnimationFrame(next));
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    frames += 1;
  } while (!rows.textContent.includes(word));
  return { longest, took: last - began, frames };
}

/** From the next key until the list shows what all letters ask for, and was drawn. */
function armList(wanted) {
  globalThis.measured = new Promise((resolve) => {
    addEventListener('keydown', (event) => {
      const begun = event.timeStamp;
      const words = wanted.split(' ').filter(Boolean);
      const look = () => {
        const hosts = [...document.querySelectorAll('dialog[open] [role=option]')].filter((option) => option.querySelector('.addr'));
        const right = document.querySelector('dialog[open] input')?.value === wanted && hosts.length > 0 && hosts.every((host) => words.every((word) => host.textContent.toLowerCase().includes(word)));
        if (right) requestAnimationFrame(() => resolve(performance.now() - begun));
        else requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    }, { capture: true, once: true });
  });
}

/** Counts the frames in which the desktop's visible picture is another one. */
async function frames(duration) {
  const canvas = document.querySelector('.stage.shown canvas');
  const context = canvas.getContext('2d');
  const { drawImage, putImageData } = CanvasRenderingContext2D.prototype;
  let drawn = false;
  for (const draw of [drawImage, putImageData]) {
    CanvasRenderingContext2D.prototype[draw.name] = function (...all) {
      if (this === context) drawn = true;
      return draw.apply(this, all);
    };
  }
  const look = () => {
    const { data } = context.getImageData(60, 0, 16, canvas.height);
    let hash = 0;
    for (let at = 0; at < data.length; at += 4) hash = (Math.imul(hash, 31) + data[at] + data[at + 1] * 3 + data[at + 2] * 7) | 0;
    return hash;
  };
  const began = performance.now();
  let [last, changed, before, gaps] = [look(), 0, began, []];
  for (;;) {
    await new Promise((next) => requestAnimationFrame(next));
    const now = performance.now();
    if (now - began >= duration) break;
    if (!drawn) continue;
    drawn = false;
    const hash = look();
    if (hash === last) continue;
    last = hash;
    changed += 1;
    gaps.push(now - before);
    before = now;
  }
  Object.assign(CanvasRenderingContext2D.prototype, { drawImage, putImageData });
  return { changed, took: performance.now() - began, gaps, width: canvas.width, height: canvas.height };
}

// What drives it.

const shown = "document.querySelector('.stage.shown')";
const button = (protocol) => `[...document.querySelectorAll('.openers button:not(:disabled)')].find((b) => b.innerText.includes('${protocol}'))`;

async function signIn(page) {
  await page.until('the portal', "document.querySelector('input[name=username]')");
  await page.call(ask, 'POST', '/api/v1/sign-in', { name: need('CULVERT_OWNER'), password: need('CULVERT_OWNER_PASSWORD') });
}

async function toHost(page, name, protocol) {
  const { hosts } = await page.call(ask, 'GET', `/api/v1/hosts?q=${name}`);
  await page.goto(`${url}/h/${hosts.find((host) => host.name === name).id}`);
  await page.until(`${name}'s ${protocol} button`, button(protocol));
}

async function closeTab(page) {
  await page.run("document.querySelector('.tabs .tab.on button').click()");
  const yes = "document.querySelector('dialog[open] button.danger')";
  await page.until('the question before the end', yes);
  await page.run(`${yes}.click()`);
  await page.until('the end of the session', "!document.querySelector('.tabs .tab') && !document.querySelector('dialog[open]')");
}

/** Keeps the account's password at the box and has its key remembered. */
async function keepSignIn(page) {
  await page.until('the saved sign-ins', "[...document.querySelectorAll('section.card')].some((s) => s.innerText.includes('Saved sign-in') && s.querySelector('header button'))");
  await page.run("[...document.querySelectorAll('section.card')].find((s) => s.innerText.includes('Saved sign-in')).querySelector('header button').click()");
  await page.until('its form', "document.querySelector('form#credential')");
  await page.call(fill, 'form#credential input.input', [need('CULVERT_ACCOUNT'), need('CULVERT_ACCOUNT_PASSWORD')]);
  await page.until('the sign-in kept', "!document.querySelector('form#credential')");
  await page.click(button('SSH'));
  const trust = `${shown}?.querySelector('[role=dialog] button.primary')`;
  await page.until('the question about the key', trust);
  await page.run(`${trust}.click()`);
  // With a host that is seen for the first time the box does not use it.
  await page.until('the question for the password', `${shown}?.querySelector('[role=dialog] input[type=password]')`);
  await page.call(fill, '.stage.shown [role=dialog] input', [need('CULVERT_ACCOUNT_PASSWORD')]);
  await page.until('the shell', `[...(${shown}?.querySelector('.xterm-rows')?.children ?? [])].some((row) => /[$#]\\s*$/.test(row.textContent))`);
  await closeTab(page);
}

async function prompts(page) {
  const took = [];
  // The first two fill the browser's caches.
  for (let at = -2; at < RUNS; at += 1) {
    await sleep(PAUSE);
    await page.call(armPrompt);
    await page.click(button('SSH'));
    const one = await page.run('await globalThis.measured');
    if (at >= 0) took.push(one);
    await closeTab(page);
    await page.until("the host's page", button('SSH'));
  }
  return { prompt: percentile(took, 0.5), prompt_p95: percentile(took, 0.95), prompt_runs: took.length };
}

/** A key as a keyboard has it: a letter has its code, and a capital is typed with Shift. */
function letterKey(page, letter) {
  const large = letter.toUpperCase();
  if (large < 'A' || large > 'Z') return page.key(letter, { text: letter });
  return page.key(letter, { code: `Key${large}`, number: large.charCodeAt(0), text: letter, modifiers: letter === large ? 8 : 0 });
}

async function typing(page) {
  await sleep(PAUSE);
  await page.click(button('SSH'));
  const rows = `[...(${shown}?.querySelector('.xterm-rows')?.children ?? [])]`;
  await page.until('the shell', `${rows}.some((row) => /[$#]\\s*$/.test(row.textContent))`);
  const line = async (text) => {
    for (const letter of text) await letterKey(page, letter);
    await page.key('Enter', { code: 'Enter', number: 13, text: '\r' });
  };
  const took = { small: [], capital: [] };
  for (let at = 0; at < KEYS;) {
    // A line at a time; no two letters that follow each other are the same.
    await line("clear; PS1='> '");
    await page.until('an empty screen', `${rows}.filter((row) => row.textContent.trim()).length === 1`);
    let typed = '#';
    await letterKey(page, typed);
    for (; typed.length < 42 && at < KEYS; at += 1) {
      await sleep(TYPIST_MS);
      // Every third with Shift: the emulator takes capitals another way.
      const letter = (at % 3 === 2 ? 'ABCDEFGHIJKLMNOPQRSTUVWXYZ' : 'abcdefghijklmnopqrstuvwxyz')[(at * 7) % 26];
      typed += letter;
      await page.call(armEcho, typed);
      await letterKey(page, letter);
      took[at % 3 === 2 ? 'capital' : 'small'].push(await page.run('await globalThis.measured'));
    }
    await page.key('Enter', { code: 'Enter', number: 13, text: '\r' });
  }
  await line(`head -c ${FLOOD_MB * 750_000} /dev/urandom | base64 -w 100; echo over-$((6*7))`);
  const flood = await page.call(pauses, 'over-42');
  await closeTab(page);
  const all = [...took.small, ...took.capital];
  return {
    echo: percentile(all, 0.5), echo_p95: percentile(all, 0.95), echo_keys: all.length, echo_capital: percentile(took.capital, 0.5),
    pause: flood.longest, flood_mb_s: (FLOOD_MB * 1000) / flood.took, flood_fps: (flood.frames * 1000) / flood.took,
  };
}

async function desktop(page) {
  await toHost(page, 'desktop', 'VNC');
  await page.click(button('VNC'));
  await page.until('the question for the password', `${shown}?.querySelector('[role=dialog] input[type=password]')`);
  await page.call(fill, '.stage.shown [role=dialog] input', [need('CULVERT_VNC_PASSWORD')]);
  await page.until('the picture', `${shown}?.querySelector('canvas')?.width > 100 && !${shown}.querySelector('[role=dialog]')`);
  await sleep(2_000);
  const { changed, took, gaps, width, height } = await page.call(frames, FRAMES_MS);
  await closeTab(page);
  if (width !== 1280 || height !== 720) throw new Error(`the desktop is ${width} × ${height}`);
  return { frame: took / changed, frame_p95: percentile(gaps, 0.95), fps: (changed * 1000) / took };
}

async function tenThousand(page) {
  const { customers } = await page.call(ask, 'GET', '/api/v1/tree');
  const [kinds, places] = [['pump', 'valve', 'gauge', 'reader', 'meter'], ['north', 'south', 'east', 'west']];
  for (let from = 0; from < HOSTS; from += LINES) {
    const lines = Array.from({ length: LINES }, (_, n) => from + n).map((n) => `${kinds[n % 5]}-${places[n % 4]}-${String(n).padStart(5, '0')},10.41.${n >> 8}.${n & 255},ssh vnc`);
    await page.call(ask, 'POST', `/api/v1/sites/${customers[0].sites[0].id}/hosts/import`, `name,address,services\n${lines.join('\n')}\n`);
  }
}

async function searches(page) {
  await tenThousand(page);
  await page.goto(`${url}/live`);
  await page.until('the page', "document.querySelector('nav[aria-label=Culvert]')");
  const took = [];
  for (const query of QUERIES) {
    await page.key('k', { code: 'KeyK', number: 75, modifiers: 2 });
    await page.until('the search', "document.activeElement?.matches('dialog[open] input[role=combobox]')");
    await page.until(`${HOSTS} hosts`, `Number(document.querySelector('dialog[open] .foot .push').innerText.replace(/\\D/g, '')) >= ${HOSTS}`);
    // Back, too: a shorter word finds more.
    for (const wanted of [...query].map((_, at) => query.slice(0, at + 1)).concat([...query].slice(1).map((_, at) => query.slice(0, query.length - at - 1)))) {
      const was = await page.run("document.querySelector('dialog[open] input').value");
      await page.call(armList, wanted);
      if (wanted.length > was.length) await page.key(wanted.at(-1), { text: wanted.at(-1) });
      else await page.key('Backspace', { code: 'Backspace', number: 8 });
      took.push(await page.run('await globalThis.measured'));
    }
    await page.key('Escape', { code: 'Escape', number: 27 });
    await page.until('the search closed', "!document.querySelector('dialog[open]')");
  }
  return { search: percentile(took, 0.5), search_p95: percentile(took, 0.95), search_keys: took.length };
}

const line = process.env.CULVERT_LINE;
const size = '--window-size=1400,900';
const browser = await browse(`${url}/`, line ? [size, `--host-resolver-rules=MAP localhost ${line}`] : [size]);
try {
  const { page } = browser;
  await signIn(page);
  await toHost(page, 'server', 'SSH');
  if (process.argv[2] === 'near') {
    await keepSignIn(page);
    const prompt = await prompts(page);
    const terminal = await typing(page);
    const picture = await desktop(page);
    console.log(JSON.stringify({ ...prompt, ...terminal, ...picture, ...(await searches(page)) }));
  } else {
    console.log(JSON.stringify(await prompts(page)));
  }
} finally {
  await browser.stop();
}
