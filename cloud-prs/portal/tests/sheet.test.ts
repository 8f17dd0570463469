//! A desktop's picture as plain memory: whatever a host sends stays within it (S31).
import { describe, expect, it } from 'vitest';
import { Sheet } from '../src/viewer/sheet';

const [A, B] = [[1, 2, 3], [9, 8, 7]];
/** The red of each pixel, row by row. */
const reds = (s: Sheet): string => Array.from({ length: s.height }, (_, y) => Array.from({ length: s.width }, (_, x) => s.bytes[(y * s.width + x) * 4]).join('')).join(' ');
function sheet(width: number, height: number): Sheet {
  const s = new Sheet();
  s.resize(width, height);
  return s;
}

describe('a sheet', () => {
  it('fills, and never beyond its edge', () => {
    const s = sheet(4, 3);
    s.fill(1, 1, 100, 100, A);
    s.fill(9, 9, 5, 5, B);
    expect(reds(s)).toBe('0000 0111 0111');
    expect(s.bytes[(1 * 4 + 1) * 4 + 3]).toBe(255);
  });
  it('copies places that overlap, upwards and downwards and sideways', () => {
    const s = sheet(3, 3);
    for (const [row, colour] of [[0, [1]], [1, [2]], [2, [3]]] as const) s.fill(0, row, 3, 1, colour);
    s.copy(0, 0, 0, 1, 3, 2);
    expect(reds(s)).toBe('111 111 222');
    s.copy(0, 1, 0, 0, 3, 2);
    expect(reds(s)).toBe('111 222 222');
    s.fill(0, 0, 1, 1, [5]);
    s.copy(0, 0, 1, 0, 9, 9);
    expect(reds(s)).toBe('551 222 222');
  });
  it('takes pixels and bits, cut at its edge', () => {
    const s = sheet(3, 2);
    s.blit(1, 0, 4, 1, new Uint8Array([1, 0, 0, 255, 2, 0, 0, 255, 3, 0, 0, 255, 4, 0, 0, 255]));
    expect(reds(s)).toBe('012 000');
    s.blitBits(0, 1, 10, 2, new Uint8Array([0b01000000, 0, 0, 0]), new Uint8Array([...A, ...B]));
    expect(reds(s)).toBe('012 191');
  });
  it('keeps what fits when its size changes', () => {
    const s = sheet(2, 2);
    s.fill(0, 0, 2, 2, A);
    s.resize(3, 1);
    expect(reds(s)).toBe('110');
    s.resize(2, 2);
    expect(reds(s)).toBe('11 00');
  });
});
