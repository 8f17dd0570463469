// Lays a compressed copy (.br, .gz) beside each file of dist/ that gets shorter
// by it, and prints what a browser will load. The server embeds the copies.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const dist = new URL('./dist', import.meta.url).pathname;
const packed = new Set(['.png', '.woff2', '.br', '.gz']);

const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name));

for (const file of files.filter((file) => ['.br', '.gz'].includes(extname(file)))) rmSync(file);

const rows = [];
for (const file of files.filter((file) => !packed.has(extname(file))).sort()) {
  const plain = readFileSync(file);
  const brotli = brotliCompressSync(plain, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
    },
  });
  const gzip = gzipSync(plain, { level: 9 });
  // The time of packing and the system stand in no copy: builds are equal.
  gzip.fill(0, 4, 8);
  gzip[9] = 255;
  if (brotli.length < plain.length) writeFileSync(`${file}.br`, brotli);
  if (gzip.length < plain.length) writeFileSync(`${file}.gz`, gzip);
  rows.push([relative(dist, file), plain.length, gzip.length, brotli.length]);
}

const line = (name, ...sizes) => console.log(name.padEnd(44), ...sizes.map((n) => String(n).padStart(9)));
line('file', 'plain', 'gzip', 'brotli');
for (const row of rows) line(...row);
