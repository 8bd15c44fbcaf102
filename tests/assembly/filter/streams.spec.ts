import { newRandom } from "../../../assembly/base/random";
import {
  closeStream,
  findStream,
  MAX_STREAMS,
  needStateBytes,
  openStream,
  openStreams,
  Stream,
  stateOf,
} from "../../../assembly/filter/streams";

const STATE: u32 = 52;

function open(id: u32): Stream {
  needStateBytes(STATE);
  const stream = openStream(id, 4096);
  if (stream === null) throw new Error(`stream ${id} was not opened`);
  return stream;
}

/** Fills the state with a byte of the stream's own, to see whether others write there. */
function mark(stream: Stream): void {
  memory.fill(stateOf(stream), <u8>(stream.id * 31 + 7), STATE);
}

function isMarked(stream: Stream): bool {
  for (let i: u32 = 0; i < STATE; i++) if (load<u8>(stateOf(stream) + i) != <u8>(stream.id * 31 + 7)) return false;
  return true;
}

describe("streams", () => {
  test("an id that was never opened, or was closed, has none", () => {
    expect(findStream(1) === null).toBe(true);
    const stream = open(1);
    expect(findStream(1) === stream).toBe(true);
    expect(findStream(2) === null).toBe(true);
    closeStream(stream);
    expect(findStream(1) === null).toBe(true);
    expect(openStreams()).toBe(0);
  });

  test("a stream in a used record begins with zeros, and the scanner's state is left alone", () => {
    const first = open(5);
    const record = changetype<usize>(first);
    // All that belongs to a stream lies behind the table's own fields.
    const begin = offsetof<Stream>("phase");
    expect(begin).toBe(offsetof<Stream>("root") + sizeof<usize>());
    memory.fill(record + begin, 0xaa, offsetof<Stream>() - begin);
    mark(first);
    closeStream(first);
    const second = open(5);
    expect(changetype<usize>(second)).toBe(record);
    expect(second.root).toBe(4096);
    for (let at = begin; at < offsetof<Stream>(); at++) expect(load<u8>(record + at)).toBe(0);
    expect(isMarked(second)).toBe(true);
    closeStream(second);
  });

  test("5,000 are found, and nothing else, while they open and close in random order", () => {
    const random = newRandom(11);
    const ids: u32[] = [];
    let next: u32 = 1;
    for (let step = 0; step < 40000; step++) {
      if (ids.length < 5000 && random.next() % 3 != 0) {
        mark(open(next));
        ids.push(next);
        // As in Envoy, ids ascend with holes; sometimes by a power of two, which would share a slot of a bad hash.
        next += random.next() % 50 == 0 ? 65536 : 1 + (random.next() % 3);
      } else if (ids.length) {
        const at = random.next() % ids.length;
        const stream = findStream(ids[at]);
        if (stream === null) throw new Error(`stream ${ids[at]} is lost`);
        if (stream.id != ids[at] || !isMarked(stream)) throw new Error(`stream ${ids[at]} was overwritten`);
        closeStream(stream);
        if (findStream(ids[at]) !== null) throw new Error(`stream ${ids[at]} is still there`);
        ids[at] = ids[ids.length - 1];
        ids.pop();
      }
    }
    expect(openStreams()).toBe(ids.length);
    for (let i = 0; i < ids.length; i++) {
      const stream = findStream(ids[i]);
      if (stream === null) throw new Error(`stream ${ids[i]} is lost`);
      closeStream(stream);
    }
    expect(openStreams()).toBe(0);
  });

  test("ids that share one slot have records of their own", () => {
    for (let i: u32 = 0; i < 300; i++) mark(open((i + 1) << 24));
    for (let i: u32 = 0; i < 300; i += 2) closeStream(findStream((i + 1) << 24)!);
    for (let i: u32 = 0; i < 300; i++) {
      const stream = findStream((i + 1) << 24);
      expect(stream === null).toBe(i % 2 == 0);
      if (stream !== null) expect(isMarked(stream)).toBe(true);
    }
    for (let i: u32 = 1; i < 300; i += 2) closeStream(findStream((i + 1) << 24)!);
    expect(openStreams()).toBe(0);
  });

  test("at most MAX_STREAMS are open; one that closes makes room for one", () => {
    for (let i: u32 = 1; i <= MAX_STREAMS; i++) open(i);
    expect(openStream(MAX_STREAMS + 1, 0) === null).toBe(true);
    expect(findStream(MAX_STREAMS + 1) === null).toBe(true);
    closeStream(findStream(77)!);
    expect(open(MAX_STREAMS + 2).id).toBe(MAX_STREAMS + 2);
    expect(openStream(MAX_STREAMS + 3, 0) === null).toBe(true);
    const pages = memory.size();
    for (let i: u32 = 1; i <= MAX_STREAMS; i++) if (i != 77) closeStream(findStream(i)!);
    closeStream(findStream(MAX_STREAMS + 2)!);
    for (let i: u32 = 1; i <= MAX_STREAMS; i++) open(i + MAX_STREAMS);
    expect(memory.size()).toBe(pages);
    for (let i: u32 = 1; i <= MAX_STREAMS; i++) closeStream(findStream(i + MAX_STREAMS)!);
    expect(openStreams()).toBe(0);
  });

  test("state that grows leaves open streams alone, and takes nothing from the bound", () => {
    const old = open(1);
    mark(old);
    needStateBytes(STATE * 2);
    const wide = open(2);
    memory.fill(stateOf(wide), 0xff, STATE * 2);
    const next = open(3);
    memory.fill(stateOf(next), 0x55, STATE * 2);
    expect(isMarked(old)).toBe(true);
    expect(load<u8>(stateOf(wide) + STATE * 2 - 1)).toBe(0xff);
    closeStream(old);
    closeStream(wide);
    closeStream(next);
    for (let i: u32 = 1; i <= MAX_STREAMS; i++) open(i);
    expect(openStream(MAX_STREAMS + 1, 0) === null).toBe(true);
    for (let i: u32 = 1; i <= MAX_STREAMS; i++) closeStream(findStream(i)!);
    expect(openStreams()).toBe(0);
  });
});
