import { entryOf } from "../../../assembly/endpoints/entries";
import { Entry } from "../../../assembly/endpoints/entry";
import {
  counted,
  finished,
  followTopology,
  publishOwn,
  started,
  totalInFlight,
} from "../../../assembly/endpoints/in-flight";
import {
  addOthers,
  beginOthers,
  endOthers,
  forgetShare,
  leaveRecord,
  PUBLISHED_BYTES,
  receiveWord,
  shareWritten,
  wantedShare,
  workersBeside,
} from "../../../assembly/endpoints/other-workers";
import {
  requestsIn,
  sentBetween,
  sentIn,
  shareOf,
  unitsOf,
  waitingIn,
} from "../../../assembly/endpoints/shared-record";
import { queueOf, tokensDone, tokensSent } from "../../../assembly/endpoints/waiting-tokens";
import { Builder } from "../support/builder";

const SECOND: u64 = 1000000000;
const published: usize = memory.data(2 * PUBLISHED_BYTES, 8);

/** Two new endpoints. */
function endpoints(number: i32): void {
  const b = new Builder();
  b.pod(`10.9.${number}.1:8000`);
  b.pod(`10.9.${number}.2:8000`);
  b.model("m", [0, 1]);
  followTopology(b.view());
}

/** Brings the word of an endpoint up to date, as a worker does, and returns the new word. */
function share(entry: Entry, word: u64): u64 {
  const wanted = wantedShare(entry);
  const changed = word + wanted - entry.otherWorkers.share;
  shareWritten(entry, wanted);
  return changed;
}

/** A round of the exchange without other workers. */
function aloneAgain(): void {
  beginOthers();
  endOthers(SECOND);
}

describe("a word", () => {
  test("has requests, waiting tokens to the nearest 16, and tokens that were sent", () => {
    const word = shareOf(3, 1000, 77);
    expect(requestsIn(word)).toBe(3);
    expect(waitingIn(word)).toBe(63);
    expect(sentIn(word)).toBe(77);
    expect(unitsOf(7)).toBe(0);
    expect(unitsOf(8)).toBe(1);
  });

  test("is the sum of the shares of 128 workers that have the most each", () => {
    let word: u64 = 0;
    for (let i = 0; i < 128; i++) word += shareOf(i32.MAX_VALUE, i32.MAX_VALUE >> 1, 1000);
    expect(requestsIn(word)).toBe(128 * 8191);
    expect(waitingIn(word)).toBe(128 * 32767);
    expect(sentIn(word)).toBe(128000);
    for (let i = 0; i < 128; i++) word -= shareOf(i32.MAX_VALUE, i32.MAX_VALUE >> 1, 1000);
    expect(word).toBe(0);
  });

  test("takes negative counts for 0", () => {
    expect(shareOf(-1, -1000, 0)).toBe(0);
  });

  test("tells the tokens that were sent since, also when their number wraps", () => {
    expect(sentBetween(shareOf(0, 0, 5), shareOf(0, 0, 9))).toBe(64);
    expect(sentBetween(shareOf(0, 0, 0x3fffff), shareOf(0, 0, 1))).toBe(32);
    expect(sentBetween(shareOf(0, 0, 9), shareOf(0, 0, 5))).toBe(-64);
  });
});

describe("a share", () => {
  test("follows the worker's own counts, and leaves nothing behind", () => {
    endpoints(1);
    const entry = entryOf(0);
    forgetShare(entry);
    let word: u64 = 0;
    const first = started(0);
    const second = started(0);
    tokensSent(entry, 1000, SECOND);
    word = share(entry, word);
    expect(requestsIn(word)).toBe(2);
    expect(waitingIn(word)).toBe(63);
    expect(sentIn(word)).toBe(62);
    tokensDone(entry, 1000);
    finished(first, 0);
    finished(second, 0);
    word = share(entry, word);
    expect(requestsIn(word)).toBe(0);
    expect(waitingIn(word)).toBe(0);
    expect(sentIn(word)).toBe(62);
  });

  test("has all tokens that were sent, though each change rounds them down", () => {
    endpoints(2);
    const entry = entryOf(0);
    forgetShare(entry);
    let word: u64 = 0;
    for (let i = 0; i < 16; i++) {
      tokensSent(entry, 17, SECOND);
      word = share(entry, word);
    }
    expect(sentIn(word)).toBe(17);
    tokensDone(entry, 16 * 17);
  });
});

describe("the other workers", () => {
  test("have what is in the record beside the own share", () => {
    endpoints(3);
    const entry = entryOf(1);
    forgetShare(entry);
    receiveWord(entry, 0, true, SECOND);
    const request = started(1);
    tokensSent(entry, 320, SECOND);
    const word = share(entry, shareOf(4, 1600, 100));
    receiveWord(entry, word, false, SECOND);
    expect(counted(1)).toBe(5);
    expect(totalInFlight()).toBe(5);
    expect(queueOf(entry, SECOND)).toBe(1920);
    // The others' tokens drain as time passes, and are gone when their first bytes came.
    receiveWord(entry, share(entry, shareOf(4, 0, 100)), false, SECOND);
    finished(request, 0);
    tokensDone(entry, 320);
    leaveRecord(entry);
    aloneAgain();
    expect(counted(1)).toBe(0);
    expect(totalInFlight()).toBe(0);
  });

  test("count once, whether they are in the record, in the exchange, or in both in part", () => {
    endpoints(4);
    const entry = entryOf(0);
    forgetShare(entry);
    // Another worker has five requests and published them. Two are in its share of the record.
    memory.fill(published, 0, 2 * PUBLISHED_BYTES);
    store<i32>(published, 5);
    store<i32>(published, 320, 8);
    store<i32>(published, 320, 12);
    store<i32>(published, 2, 16);
    store<i32>(published, 10, 20);
    beginOthers();
    addOthers(published);
    endOthers(SECOND);
    expect(workersBeside()).toBe(1);
    expect(counted(0)).toBe(5);
    expect(entry.tokens.workersWaiting).toBe(320);
    receiveWord(entry, shareOf(2, 160, 10), true, SECOND);
    expect(counted(0)).toBe(5);
    expect(entry.tokens.workersWaiting).toBe(320);
    // Its share grows: the next round of the exchange knows that too.
    receiveWord(entry, shareOf(5, 320, 20), false, SECOND);
    store<i32>(published, 5, 16);
    store<i32>(published, 20, 20);
    beginOthers();
    addOthers(published);
    endOthers(SECOND);
    expect(counted(0)).toBe(5);
    expect(entry.tokens.workersWaiting).toBe(320);
    leaveRecord(entry);
    aloneAgain();
  });

  test("publish what their share has", () => {
    endpoints(5);
    const entry = entryOf(0);
    forgetShare(entry);
    const request = started(0);
    tokensSent(entry, 160, SECOND);
    publishOwn(published);
    expect(load<i32>(published)).toBe(1);
    expect(load<i32>(published, 16)).toBe(0);
    share(entry, 0);
    publishOwn(published);
    expect(load<i32>(published, 16)).toBe(1);
    expect(load<i32>(published, 20)).toBe(10);
    finished(request, 0);
    tokensDone(entry, 160);
    publishOwn(published);
    expect(load<i32>(published)).toBe(0);
    expect(load<i32>(published, 16)).toBe(1, "the share is changed after the counts");
  });
});
