// Lays a compressed copy (.br, .gz) beside each file of dist/ that gets shorter
// by it, and prints what a browser will load. The server embeds the copies. All
// files at the same time: one of them is most of the work of one core.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip as gzipped } from 'node:zlib';

const dist = new URL('./dist', import.meta.url).pathname;
const packed = new Set(['.png', '.woff2', '.br', '.gz']);

const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name));

for (const file of files.filter((file) => ['.br', '.gz'].includes(extname(file)))) rmSync(file);

async function copies(file) {
  const plain = readFileSync(file);
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
  };
  const [brotli, gzip] = await Promise.all([promisify(brotliCompress)(plain, { params }), promisify(gzipped)(plain, { level: 9 })]);
  // The time of packing and the system stand in no copy: builds are equal.
  gzip.fill(0, 4, 8);
  gzip[9] = 255;
  if (brotli.length < plain.length) writeFileSync(`${file}.br`, brotli);
  if (gzip.length < plain.length) writeFileSync(`${file}.gz`, gzip);
  return [relative(dist, file), plain.length, gzip.length, brotli.length];
}

const rows = await Promise.all(files.filter((file) => !packed.has(extname(file))).sort().map(copies));

const line = (name, ...sizes) => console.log(name.padEnd(44), ...sizes.map((n) => String(n).padStart(9)));
line('file', 'plain', 'gzip', 'brotli');
for (const row of rows) line(...row);
