import { followObjectives, objectiveHash, objectivePriorityOf } from "../../../assembly/admission/objectives";
import { newRandom } from "../../../assembly/base/random";
import { drawTarget, ruleFor } from "../../../assembly/route/snapshot-rules";
import { ruleHasPriority, rulePriority } from "../../../assembly/snapshot/objects";
import { NONE, SnapshotView } from "../../../assembly/snapshot/view";
import { Builder, bytesAt, bytesLength } from "../support/builder";

const random = newRandom(11);

function ruleOf(view: SnapshotView, name: string): u32 {
  const at = bytesAt(name);
  return ruleFor(view, at, bytesLength);
}

function drawn(view: SnapshotView, name: string): string {
  const rule = ruleOf(view, name);
  if (rule == NONE) return name;
  const target = drawTarget(view, rule, random);
  return target === null ? "" : String.UTF8.decodeUnsafe(target.model, target.length);
}

function priority(view: SnapshotView, name: string, pool: u32): i32 {
  followObjectives(view);
  const at = bytesAt(name);
  return objectivePriorityOf(view, objectiveHash(at, bytesLength), pool);
}

/** A snapshot with model `llama` in pool 1 and model `qwen` in pool 2. */
function builder(): Builder {
  const b = new Builder();
  b.pools = ["default/p", "default/q"];
  b.model("llama", []).pool = 1;
  b.model("qwen", []).pool = 2;
  return b;
}

describe("rules of the snapshot", () => {
  test("a snapshot without rules replaces nothing", () => {
    expect(ruleOf(builder().view(), "llama")).toBe(NONE);
  });

  test("a rule for the name beats one for any name", () => {
    const b = builder();
    b.rule("", "any", 1, 1);
    b.rule("llama", "exact", 1, 1);
    expect(drawn(b.view(), "llama")).toBe("exact");
  });

  test("a rule for any name applies to the models of its pool, and to unknown names only if there is one pool", () => {
    const b = builder();
    b.rule("", "any", 1, 2);
    expect(drawn(b.view(), "qwen")).toBe("any");
    expect(drawn(b.view(), "llama")).toBe("llama");
    expect(drawn(b.view(), "unknown")).toBe("unknown");
    const single = new Builder();
    single.pools = ["default/p"];
    single.rule("", "any", 1, 1);
    expect(drawn(single.view(), "unknown")).toBe("any");
    const all = builder();
    all.rule("", "any", 1, 0);
    expect(drawn(all.view(), "unknown")).toBe("any");
  });

  test("a rule of the name's own pool beats a rule for all pools; a rule of another pool does not apply", () => {
    const b = builder();
    b.rule("llama", "for-all", 1, 0);
    b.rule("llama", "for-q", 1, 2);
    expect(drawn(b.view(), "llama")).toBe("for-all");
    const own = builder();
    own.rule("llama", "for-all", 1, 0);
    own.rule("llama", "for-p", 1, 1);
    expect(drawn(own.view(), "llama")).toBe("for-p");
  });

  test("targets are drawn by weight, and equally often if all weights are 0", () => {
    const b = builder();
    b.rule("even", "a", 0, 1);
    b.rule("even", "b", 0, 1);
    b.rule("odd", "a", 9, 1);
    b.rule("odd", "b", 1, 1);
    b.rule("odd", "c", 0, 1);
    const view = b.view();
    const counts = new Map<string, i32>();
    for (let i = 0; i < 4000; i++) {
      const even = "even " + drawn(view, "even");
      counts.set(even, (counts.has(even) ? counts.get(even) : 0) + 1);
      const odd = "odd " + drawn(view, "odd");
      counts.set(odd, (counts.has(odd) ? counts.get(odd) : 0) + 1);
    }
    expect(counts.get("even a")).toBeGreaterThan(1800);
    expect(counts.get("even b")).toBeGreaterThan(1800);
    expect(counts.get("odd a")).toBeGreaterThan(3450);
    expect(counts.get("odd b")).toBeGreaterThan(280);
    expect(counts.has("odd c")).toBe(false);
  });

  test("a drawn target outlives its snapshot, and a name is kept once", () => {
    const b = builder();
    b.rule("old", "kept-name", 1, 1);
    const first = drawTarget(b.view(), 0, random)!;
    const again = drawTarget(b.view(), 0, random)!;
    expect(changetype<usize>(first)).toBe(changetype<usize>(again));
    expect(String.UTF8.decodeUnsafe(first.model, first.length)).toBe("kept-name");
  });

  test("a name that needs escapes in JSON replaces nothing", () => {
    const b = builder();
    b.rule("x", 'say "hi"', 1, 1);
    expect(drawTarget(b.view(), 0, random) === null).toBe(true);
  });

  test("a rule may have a priority", () => {
    const b = builder();
    b.rule("batch", "batch", 1, 1, true, -1);
    const view = b.view();
    expect(ruleHasPriority(view, 0)).toBe(true);
    expect(rulePriority(view, 0)).toBe(-1);
  });
});

describe("objectives of the snapshot", () => {
  test("are found by name for the request's pool, else for all, and are 0 when unknown", () => {
    const b = builder();
    b.objective("batch", -1, 1);
    b.objective("batch", -2147483648, 2);
    b.objective("food-review", 10, 0);
    const view = b.view();
    expect(priority(view, "batch", 1)).toBe(-1);
    expect(priority(view, "batch", 2)).toBe(-2147483648);
    expect(priority(view, "batch", 0)).toBe(-1, "the first, where the request's pool is not known");
    expect(priority(view, "food-review", 2)).toBe(10);
    expect(priority(view, "unknown", 1)).toBe(0);
    const other = builder();
    other.objective("only-p", 7, 1);
    expect(priority(other.view(), "only-p", 2)).toBe(0);
  });

  test("all of many objectives are found, and those of the last snapshot are forgotten", () => {
    const b = builder();
    for (let i = 1000; i < 1400; i++) b.objective(`o${i}`, i, 0);
    const view = b.view();
    for (let i = 1000; i < 1400; i++) expect(priority(view, `o${i}`, 1)).toBe(i);
    expect(priority(builder().view(), "o1000", 1)).toBe(0);
  });
});
