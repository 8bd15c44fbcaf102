import { verify } from "../../../assembly/snapshot/verify";
import { newView, SectionOfView, SnapshotView } from "../../../assembly/snapshot/view";
import {
  BROKEN_DIRECTORY,
  BROKEN_ENDPOINT_ADDRESS,
  BROKEN_ENDPOINT_ORDER,
  BROKEN_MODEL_BASE,
  BROKEN_MODEL_NAME,
  BROKEN_MODEL_ORDER,
  BROKEN_MODEL_RANGE,
  BROKEN_MODEL_TOTAL,
  BROKEN_SECTION_BOUNDS,
  LAST_RULE,
  ruleCode,
  ruleSentence,
  VALID,
} from "../../../protocol/rules";
import { Builder, builtBytes } from "../support/builder";

const DIRECTORY = 64;
const RECORDS = 128;

function sample(): Builder {
  const builder = new Builder();
  builder.pod("10.0.0.1:8000");
  builder.pod("10.0.0.2:8000");
  builder.model("a", [0, 1]);
  builder.model("b", [1]);
  return builder;
}

function ruleOf(builder: Builder): u32 {
  const at = builder.build();
  return verify(newView(), at, builtBytes);
}

/** The rule that the snapshot breaks when the u32 at `offset` is overwritten with `value`. */
function after(offset: usize, value: u32): u32 {
  const at = sample().build();
  store<u32>(at + offset, value);
  return verify(newView(), at, builtBytes);
}

describe("verify", () => {
  test("a valid snapshot breaks no rule, nor does an empty snapshot", () => {
    expect(ruleOf(sample())).toBe(VALID);
    expect(ruleOf(new Builder())).toBe(VALID);
  });

  test("the view reads what was built", () => {
    const builder = sample();
    builder.pods[1].waiting = 7;
    builder.pods[1].running = 8;
    builder.pods[1].kv = 0.25;
    builder.pods[1].age = 9;
    builder.pods[1].flags = 5;
    const view = builder.view();
    expect(view.version).toBe(builder.version);
    expect(view.endpointCount).toBe(2);
    expect(view.waiting(1)).toBe(7);
    expect(view.running(1)).toBe(8);
    expect(view.kvUsage(1)).toBe(0.25);
    expect(view.scrapeAge(1)).toBe(9);
    expect(view.flags(1)).toBe(5);
    expect(String.UTF8.decodeUnsafe(view.address(1), view.addressLength(1))).toBe("10.0.0.2:8000");
    expect(String.UTF8.decodeUnsafe(view.modelName(1), view.modelNameLength(1))).toBe("b");
    expect(view.modelBase(1)).toBe(1);
    expect(view.linkEndpoint(view.modelFirst(1))).toBe(1);
  });

  test("no byte behind the length is read: each prefix breaks a rule", () => {
    const at = sample().build();
    const bytes = builtBytes;
    for (let length: u32 = 0; length < bytes; length++) expect(verify(newView(), at, length)).not.toBe(VALID);
  });

  test("offsets and counts that wrap around 2^32 are outside", () => {
    for (let section = 0; section < 4; section++) {
      const entry = DIRECTORY + section * 16;
      expect(after(entry + 4, 0xfffffff8)).toBe(BROKEN_SECTION_BOUNDS);
      expect(after(entry + 8, 0xffffffff)).toBe(BROKEN_SECTION_BOUNDS);
    }
    const endpoint = RECORDS;
    expect(after(endpoint, 0xffffffff)).toBe(BROKEN_ENDPOINT_ADDRESS);
    const model = RECORDS + 2 * 64;
    expect(after(model, 0xffffffff)).toBe(BROKEN_MODEL_NAME);
    expect(after(model + 12, 0xffffffff)).toBe(BROKEN_MODEL_RANGE);
    expect(after(model + 16, 0xffffffff)).toBe(BROKEN_MODEL_TOTAL);
  });

  test("sections may overlap each other but not the header and the directory", () => {
    expect(after(DIRECTORY + 3 * 16 + 4, 128)).not.toBe(BROKEN_SECTION_BOUNDS);
    expect(after(DIRECTORY + 3 * 16 + 4, 120)).toBe(BROKEN_SECTION_BOUNDS);
    expect(after(DIRECTORY + 3 * 16 + 4, 0)).toBe(BROKEN_SECTION_BOUNDS);
  });

  test("a directory of more than 32 sections, or past the body, is refused before it is read", () => {
    expect(after(12, 33)).toBe(BROKEN_DIRECTORY);
    expect(after(12, 0xffffffff)).toBe(BROKEN_DIRECTORY);
    expect(after(12, 0x10000000)).toBe(BROKEN_DIRECTORY);
  });

  test("addresses and names ascend: a repeated one, a shorter one behind, and bytes above 0x7f are judged right", () => {
    const twice = sample();
    twice.pods[1].address = "10.0.0.1:8000";
    expect(ruleOf(twice)).toBe(BROKEN_ENDPOINT_ORDER);
    const shorter = sample();
    shorter.pods[1].address = "10.0.0.1:800";
    expect(ruleOf(shorter)).toBe(BROKEN_ENDPOINT_ORDER);
    const names = sample();
    names.models[0].name = "a";
    names.models[1].name = "\u00fc";
    expect(ruleOf(names)).toBe(VALID);
    names.models[0].name = "\u00fc";
    names.models[1].name = "a";
    expect(ruleOf(names)).toBe(BROKEN_MODEL_ORDER);
  });

  test("an adapter's base is a base model, before or behind the adapter", () => {
    const builder = sample();
    builder.models[0].kind = 1;
    builder.models[0].base = 1;
    expect(ruleOf(builder)).toBe(VALID);
    builder.models[1].kind = 1;
    builder.models[1].base = 0xffffffff;
    expect(ruleOf(builder)).toBe(BROKEN_MODEL_BASE);
    builder.models[0].base = 2;
    expect(ruleOf(builder)).toBe(BROKEN_MODEL_BASE);
  });

  test("the ranges of models may overlap, but add up to at most 65,536 records", () => {
    const builder = new Builder();
    const all: u32[] = [];
    builder.manyPods(1024);
    for (let i: u32 = 0; i < 1024; i++) all.push(i);
    for (let i = 0; i < 64; i++) builder.model(`m${100 + i}`, i == 0 ? all : []);
    const at = builder.build();
    const models = at + RECORDS + 1024 * 64;
    for (let i = 1; i < 64; i++) store<u32>(models + i * 32, 1024, 16);
    for (let i = 1; i < 64; i++) store<u32>(models + i * 32, 0, 12);
    expect(verify(newView(), at, builtBytes)).toBe(VALID);
    store<u32>(models + 63 * 32, 1025, 16);
    expect(verify(newView(), at, builtBytes)).toBe(BROKEN_MODEL_TOTAL);
  });

  test("each rule has a code and a sentence of its own", () => {
    const seen: string[] = [];
    for (let rule: u32 = 1; rule <= LAST_RULE; rule++) {
      const code = ruleCode(rule);
      const sentence = ruleSentence(rule);
      expect(seen.includes(code)).toBe(false, code);
      expect(seen.includes(sentence)).toBe(false, sentence);
      seen.push(code);
      seen.push(sentence);
    }
    expect(ruleCode(BROKEN_ENDPOINT_ORDER)).toBe("endpoint-order");
  });

  test("the view has start, records and stride of each section side by side", () => {
    const view = newView();
    view.strings = 1;
    view.stringBytes = 2;
    view.stringStride = 3;
    for (let at = offsetof<SnapshotView>("strings"); at < offsetof<SnapshotView>(); at += offsetof<SectionOfView>()) {
      const section = changetype<SectionOfView>(changetype<usize>(view) + at);
      if (at == offsetof<SnapshotView>("strings")) {
        expect(section.start).toBe(1);
        expect(section.records).toBe(2);
        expect(section.stride).toBe(3);
      } else expect(section.start).toBe(0);
    }
    expect(offsetof<SnapshotView>("cachedStride") + sizeof<u32>()).toBe(offsetof<SnapshotView>());
  });
});
