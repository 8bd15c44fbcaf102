// Where a run speaks: lines that stay, and below them, on a terminal, a block that is drawn anew in place.

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
    // The last column stays free: a full line would wrap on some terminals.
    return (this.#out.columns || 80) - 1;
  }

  get height(): number {
    return this.#out.rows || 24;
  }

  /** A line that stays, above the block. */
  say(line: string): void {
    this.#out.write(`${this.#erase()}${line}\n${this.#text()}`);
  }

  /** Draws the block anew in place of the last one. */
  draw(lines: readonly string[]): void {
    const erase = this.#erase();
    this.#block = lines.slice(0, this.height - 1);
    this.#out.write(`${HIDE_CURSOR}${erase}${this.#text()}`);
  }

  /** Leaves the block where it is and gives the cursor back. */
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
