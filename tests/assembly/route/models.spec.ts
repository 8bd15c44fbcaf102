import { findModel } from "../../../assembly/route/models";
import { NONE, SnapshotView } from "../../../assembly/snapshot/view";
import { Builder, bytesAt, bytesLength } from "../support/builder";

function find(view: SnapshotView, name: string): u32 {
  const at = bytesAt(name);
  return findModel(view, at, bytesLength);
}

function named(names: string[]): SnapshotView {
  const builder = new Builder();
  for (let i = 0; i < names.length; i++) builder.model(names[i], []);
  return builder.view();
}

describe("finding a model", () => {
  test("finds each model among any number of them, and no name between, before or behind them", () => {
    for (let count = 0; count < 20; count++) {
      const names: string[] = [];
      for (let i = 0; i < count; i++) names.push(`model-${String.fromCharCode(0x61 + i)}`);
      const view = named(names);
      for (let i = 0; i < count; i++) {
        expect(find(view, names[i])).toBe(i);
        expect(find(view, names[i] + "+")).toBe(NONE);
        expect(find(view, names[i].substring(0, names[i].length - 1))).toBe(NONE);
      }
      expect(find(view, "a")).toBe(NONE);
      expect(find(view, "z")).toBe(NONE);
      expect(find(view, "")).toBe(NONE);
    }
  });

  test("a name is not confused with a longer name that begins with it", () => {
    const view = named(["llama", "llama-3", "llama-3-70b"]);
    expect(find(view, "llama")).toBe(0);
    expect(find(view, "llama-3")).toBe(1);
    expect(find(view, "llama-3-70b")).toBe(2);
    expect(find(view, "llama-3-7")).toBe(NONE);
  });

  test("bytes above 0x7f sort behind ASCII, as in the snapshot", () => {
    const view = named(["a", "z", "\u00fc", "\uffee", "\ud83d\udc1f"]);
    expect(find(view, "\u00fc")).toBe(2);
    expect(find(view, "\uffee")).toBe(3);
    expect(find(view, "\ud83d\udc1f")).toBe(4);
  });
});
