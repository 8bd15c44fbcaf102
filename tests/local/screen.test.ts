import assert from "node:assert/strict";
import { test } from "node:test";
import { Screen } from "../../envoy/local/screen.ts";

/** A terminal with the controls that Screen uses: up, clear to the end, carriage return, newline. */
class Glass {
  isTTY = true;
  columns = 40;
  rows = 10;
  lines: string[] = [""];
  #y = 0;

  write(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's
    for (const part of text.match(/\x1b\[\??\d*[A-Za-z]|\n|\r|[^\x1b\n\r]+/g) ?? []) {
      const up = /^.\[(\d+)A$/.exec(part);
      if (up) this.#y -= Number(up[1]);
      else if (part === "\x1b[J") this.lines = [...this.lines.slice(0, this.#y), ""];
      else if (part === "\n") this.lines[++this.#y] ??= "";
      else if (part !== "\r" && !part.startsWith("\x1b")) this.lines[this.#y] += part;
    }
  }
}

test("the block is redrawn in place, and permanent lines go above it", () => {
  const glass = new Glass();
  const screen = new Screen(glass);
  screen.say("hello");
  screen.draw(["a 1", "b 1"]);
  screen.draw(["a 2", "b 2", "c 2"]);
  assert.deepEqual(glass.lines, ["hello", "a 2", "b 2", "c 2", ""]);
  screen.say("pod-1 ended");
  screen.draw(["a 3"]);
  assert.deepEqual(glass.lines, ["hello", "pod-1 ended", "a 3", ""]);
  screen.end();
  screen.say("bye");
  assert.deepEqual(glass.lines, ["hello", "pod-1 ended", "a 3", "bye", ""]);
});

test("a block is never higher than the terminal, because scrolled lines cannot be redrawn", () => {
  const glass = new Glass();
  new Screen(glass).draw(Array.from({ length: 30 }, (_, i) => String(i)));
  assert.equal(glass.lines.length, glass.rows);
});

test("an output that is no terminal gets no escape sequence", () => {
  let text = "";
  const screen = new Screen({
    write: (more) => {
      text += more;
    },
  });
  screen.say("one");
  screen.end();
  assert.equal(screen.live, false);
  assert.equal(text, "one\n");
});
