//! A desktop's picture as plain memory. noVNC paints each rectangle on a hidden
//! canvas and copies that to the visible one: two trips through the browser's
//! graphics for every rectangle, which cost more than all decoding. Here
//! rectangles are written to memory, and what has changed goes to the visible
//! canvas once for each update.
//!
//! `Sheet` is pure. `drawOnSheet` puts it into a viewer of noVNC 1.7 in place of
//! the hidden canvas; another version without these parts paints as it always did.

export class Sheet {
  width = 0;
  height = 0;
  bytes = new Uint8ClampedArray(0);
  #words = new Uint32Array(0);

  /** Another size; what fits of the picture stays. */
  resize(width: number, height: number): void {
    if (width === this.width && height === this.height) return;
    const before = this.#words;
    const [w, h] = [this.width, this.height];
    this.bytes = new Uint8ClampedArray(width * height * 4);
    this.#words = new Uint32Array(this.bytes.buffer);
    for (let row = 0; row < Math.min(h, height); row += 1) {
      this.#words.set(before.subarray(row * w, row * w + Math.min(w, width)), row * width);
    }
    [this.width, this.height] = [width, height];
  }

  fill(x: number, y: number, width: number, height: number, [red = 0, green = 0, blue = 0]: ArrayLike<number> & Iterable<number>): void {
    const colour = new Uint32Array(new Uint8Array([red, green, blue, 255]).buffer)[0] ?? 0;
    const right = Math.min(x + width, this.width);
    const bottom = Math.min(y + height, this.height);
    for (let row = y; row < bottom && x < right; row += 1) this.#words.fill(colour, row * this.width + x, row * this.width + right);
  }

  /** Within the picture; the places may overlap. */
  copy(fromX: number, fromY: number, x: number, y: number, width: number, height: number): void {
    const w = Math.min(width, this.width - fromX, this.width - x);
    const h = Math.min(height, this.height - fromY, this.height - y);
    if (w <= 0) return;
    for (let n = 0; n < h; n += 1) {
      // What is copied downwards begins at the bottom.
      const row = y > fromY ? h - 1 - n : n;
      const from = (fromY + row) * this.width + fromX;
      this.#words.copyWithin((y + row) * this.width + x, from, from + w);
    }
  }

  /** Pixels of four bytes, `width` in a row. */
  blit(x: number, y: number, width: number, height: number, pixels: Uint8Array | Uint8ClampedArray): void {
    const w = Math.min(width, this.width - x);
    const h = Math.min(height, this.height - y);
    if (w <= 0) return;
    for (let row = 0; row < h; row += 1) {
      const from = row * width * 4;
      this.bytes.set(pixels.subarray(from, from + w * 4), ((y + row) * this.width + x) * 4);
    }
  }

  /** Pixels of two colours, a bit for each, rows in whole bytes. */
  blitBits(x: number, y: number, width: number, height: number, bits: Uint8Array, colours: Uint8Array): void {
    const pair = new Uint32Array(new Uint8Array([colours[0] ?? 0, colours[1] ?? 0, colours[2] ?? 0, 255, colours[3] ?? 0, colours[4] ?? 0, colours[5] ?? 0, 255]).buffer);
    const [zero = 0, one = 0] = pair;
    const stride = (width + 7) >> 3;
    const w = Math.min(width, this.width - x);
    const h = Math.min(height, this.height - y);
    for (let row = 0; row < h; row += 1) {
      const to = (y + row) * this.width + x;
      for (let at = 0; at < w; at += 1) {
        this.#words[to + at] = ((bits[row * stride + (at >> 3)] ?? 0) >> (7 - (at & 7))) & 1 ? one : zero;
      }
    }
  }
}

interface Display {
  _drawCtx: CanvasRenderingContext2D;
  _targetCtx: CanvasRenderingContext2D;
  _renderQ: unknown[];
  _damageBounds: { left: number; top: number; right: number; bottom: number };
  _viewportLoc: { x: number; y: number; w: number; h: number };
  _fbWidth: number;
  _fbHeight: number;
  _damage(x: number, y: number, w: number, h: number): void;
  resize(width: number, height: number): void;
  flip(fromQueue?: boolean): void;
  fillRect(x: number, y: number, w: number, h: number, colour: Uint8Array, fromQueue: boolean): void;
  copyImage(fromX: number, fromY: number, x: number, y: number, w: number, h: number, fromQueue: boolean): void;
  blitImage(x: number, y: number, w: number, h: number, pixels: Uint8Array, offset: number, fromQueue: boolean): void;
  drawImage(image: CanvasImageSource, ...where: number[]): void;
}
interface Tight { _monoRect(x: number, y: number, w: number, h: number, bits: Uint8Array, colours: Uint8Array, display: Display): void }
interface Inside { _display?: Partial<Display>; _decoders?: Record<number, Partial<Tight>> }

/** RFC 6143's registry of encodings. */
const TIGHT = 7;

/** False when this noVNC is made otherwise inside. */
export function drawOnSheet(view: object): boolean {
  const { _display, _decoders } = view as Inside;
  const display = _display as Display | undefined;
  const methods = ['_damage', 'resize', 'flip', 'fillRect', 'copyImage', 'blitImage', 'drawImage'] as const;
  if (!display?._targetCtx || !display._drawCtx || !Array.isArray(display._renderQ) || !methods.every((name) => typeof display[name] === 'function')) return false;
  const sheet = new Sheet();
  const was = Object.fromEntries(methods.map((name) => [name, display[name].bind(display)])) as unknown as Pick<Display, (typeof methods)[number]>;
  /** What waits for a picture to be decoded keeps its place in noVNC's queue. */
  const queued = (fromQueue: boolean | undefined): boolean => display._renderQ.length > 0 && !fromQueue;
  const changed = (x: number, y: number, w: number, h: number): void => display._damage(x, y, w, h);

  sheet.resize(display._fbWidth, display._fbHeight);
  display.resize = (width, height) => { sheet.resize(width, height); was.resize(width, height); };
  display.fillRect = (x, y, w, h, colour, fromQueue) => {
    if (queued(fromQueue)) return was.fillRect(x, y, w, h, colour, fromQueue);
    sheet.fill(x, y, w, h, colour);
    changed(x, y, w, h);
  };
  display.copyImage = (fromX, fromY, x, y, w, h, fromQueue) => {
    if (queued(fromQueue)) return was.copyImage(fromX, fromY, x, y, w, h, fromQueue);
    sheet.copy(fromX, fromY, x, y, w, h);
    changed(x, y, w, h);
  };
  display.blitImage = (x, y, w, h, pixels, offset, fromQueue) => {
    if (queued(fromQueue)) return was.blitImage(x, y, w, h, pixels, offset, fromQueue);
    sheet.blit(x, y, w, h, pixels.subarray(offset));
    changed(x, y, w, h);
  };
  // Pictures that the browser decodes go over the hidden canvas.
  display.drawImage = (image, ...where) => {
    was.drawImage(image, ...where);
    const [x = 0, y = 0] = where.length > 4 ? where.slice(4) : where;
    const size = image as { width: number; height: number };
    const w = Math.min(where[6] ?? size.width, sheet.width - x);
    const h = Math.min(where[7] ?? size.height, sheet.height - y);
    if (w > 0 && h > 0) sheet.blit(x, y, w, h, display._drawCtx.getImageData(x, y, w, h).data);
  };
  display.flip = (fromQueue) => {
    if (queued(fromQueue)) return was.flip(fromQueue);
    const { _damageBounds: bounds, _viewportLoc: port } = display;
    const [left, top] = [Math.max(bounds.left, port.x), Math.max(bounds.top, port.y)];
    const [right, bottom] = [Math.min(bounds.right, port.x + port.w, sheet.width), Math.min(bounds.bottom, port.y + port.h, sheet.height)];
    if (right > left && bottom > top) {
      const picture = new ImageData(sheet.bytes, sheet.width, sheet.height);
      display._targetCtx.putImageData(picture, -port.x, -port.y, left, top, right - left, bottom - top);
    }
    bounds.left = bounds.top = 65535;
    bounds.right = bounds.bottom = 0;
  };
  const tight = _decoders?.[TIGHT];
  if (typeof tight?._monoRect === 'function') {
    const mono = tight._monoRect.bind(tight);
    tight._monoRect = (x, y, w, h, bits, colours, on) => {
      if (queued(false)) return mono(x, y, w, h, bits, colours, on);
      sheet.blitBits(x, y, w, h, bits, colours);
      changed(x, y, w, h);
    };
  }
  return true;
}
