// Encodes the optional sections POOLS, OBJECTIVES and RULES.
import * as c from "./constants.ts";
import type { RuleView, SnapshotView } from "./snapshot.ts";

/** A section to encode. Its records are written once the offsets of all sections are known. */
interface ObjectSection {
  kind: number;
  stride: number;
  records: number;
  /** Writes the records from `at` on; `string` puts a text into STRINGS and returns its offset and length. */
  write(out: DataView, at: number, string: (bytes: Buffer) => readonly [offset: number, length: number]): void;
}

const bytesOf = (text: string): Buffer => Buffer.from(text, "utf8");

/** Maps a pool's name to its index + 1, by which records refer to the pool. */
type PoolIndex = ReadonlyMap<string, number>;

/** Makes the map. Pools are sorted by the bytes of their names, as in the section POOLS. */
export function poolIndexOf(view: SnapshotView): PoolIndex {
  const names = (view.pools ?? []).map(({ name }) => bytesOf(name)).sort((a, b) => a.compare(b));
  return new Map(names.map((name, i) => [name.toString("utf8"), i + 1]));
}

/** The sections that the view has, and the number of bytes of their texts in STRINGS. */
export function objectSections(view: SnapshotView, index: PoolIndex): { sections: ObjectSection[]; bytes: number } {
  const sections: ObjectSection[] = [];
  let bytes = 0;
  const poolField = (pool: string | null): number => (pool === null ? 0 : (index.get(pool) ?? 0));
  const text = (value: string): Buffer => {
    const encoded = bytesOf(value);
    bytes += encoded.length;
    return encoded;
  };
  if (view.pools !== undefined) {
    const names = [...index.keys()].map(text);
    sections.push({
      kind: c.SECTION_POOLS,
      stride: c.POOL_BYTES,
      records: names.length,
      write(out, at, string) {
        for (const [i, name] of names.entries()) {
          const [offset, length] = string(name);
          out.setUint32(at + i * c.POOL_BYTES + c.POOL_NAME_OFFSET, offset, true);
          out.setUint16(at + i * c.POOL_BYTES + c.POOL_NAME_LENGTH, length, true);
        }
      },
    });
  }
  if (view.objectives !== undefined) {
    const sorted = view.objectives
      .map(({ name, priority, pool }) => ({ name: text(name), priority, pool: poolField(pool) }))
      .sort((a, b) => a.name.compare(b.name) || a.pool - b.pool);
    sections.push({
      kind: c.SECTION_OBJECTIVES,
      stride: c.OBJECTIVE_BYTES,
      records: sorted.length,
      write(out, at, string) {
        for (const [i, { name, priority, pool }] of sorted.entries()) {
          const record = at + i * c.OBJECTIVE_BYTES;
          const [offset, length] = string(name);
          out.setUint32(record + c.OBJECTIVE_NAME_OFFSET, offset, true);
          out.setUint16(record + c.OBJECTIVE_NAME_LENGTH, length, true);
          out.setUint32(record + c.OBJECTIVE_POOL, pool, true);
          out.setInt32(record + c.OBJECTIVE_PRIORITY, priority, true);
        }
      },
    });
  }
  if (view.rules !== undefined) sections.push(ruleSection(view.rules, text, poolField));
  return { sections, bytes };
}

function ruleSection(
  rules: readonly RuleView[],
  text: (value: string) => Buffer,
  poolField: (pool: string | null) => number,
): ObjectSection {
  const sorted = rules
    .map(({ model, pool, priority, targets }) => ({
      name: model === null ? null : text(model),
      pool: poolField(pool),
      priority,
      targets: targets.map((target) => ({ model: text(target.model), weight: target.weight })),
    }))
    .sort((a, b) => (a.name ?? Buffer.alloc(0)).compare(b.name ?? Buffer.alloc(0)) || a.pool - b.pool);
  return {
    kind: c.SECTION_RULES,
    stride: c.RULE_BYTES,
    records: sorted.reduce((sum, { targets }) => sum + targets.length, 0),
    write(out, at, string) {
      let record = at;
      for (const { name, pool, priority, targets } of sorted) {
        const [offset, length] = name === null ? [0, 0] : string(name);
        for (const { model, weight } of targets) {
          const [targetOffset, targetLength] = string(model);
          out.setUint32(record + c.RULE_NAME_OFFSET, offset, true);
          out.setUint16(record + c.RULE_NAME_LENGTH, length, true);
          out.setUint16(record + c.RULE_FLAGS, priority === null ? 0 : c.RULE_HAS_PRIORITY, true);
          out.setUint32(record + c.RULE_TARGET_OFFSET, targetOffset, true);
          out.setUint16(record + c.RULE_TARGET_LENGTH, targetLength, true);
          out.setUint32(record + c.RULE_WEIGHT, weight, true);
          out.setUint32(record + c.RULE_POOL, pool, true);
          out.setInt32(record + c.RULE_PRIORITY, priority ?? 0, true);
          record += c.RULE_BYTES;
        }
      }
    },
  };
}
