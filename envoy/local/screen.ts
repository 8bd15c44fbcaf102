// The output of a run: permanent lines, and on a terminal a block below them that is redrawn in place.

interface Terminal {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
  write(text: string): unknown;
}

const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";

export class Screen {
  readonly live: boolean;
  readonly #out: Terminal;
  #block: string[] = [];

  constructor(out: Terminal) {
    this.#out = out;
    this.live = out.isTTY === true && process.env.TERM !== "dumb";
  }

  get width(): number {
    // The last column stays free, because a full line would wrap on some terminals.
    return (this.#out.columns || 80) - 1;
  }

  get height(): number {
    return this.#out.rows || 24;
  }

  /** Writes a permanent line above the block. */
  say(line: string): void {
    this.#out.write(`${this.#erase()}${line}\n${this.#text()}`);
  }

  /** Redraws the block in place. */
  draw(lines: readonly string[]): void {
    const erase = this.#erase();
    this.#block = lines.slice(0, this.height - 1);
    this.#out.write(`${HIDE_CURSOR}${erase}${this.#text()}`);
  }

  /** Leaves the block and restores the cursor. */
  end(): void {
    this.#block = [];
    if (this.live) this.#out.write(SHOW_CURSOR);
  }

  #text(): string {
    return this.#block.map((line) => `${line}\n`).join("");
  }

  #erase(): string {
    return this.#block.length > 0 ? `\x1b[${this.#block.length}A\r\x1b[J` : "";
  }
}
