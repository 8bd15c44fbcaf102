// A 100 MiB upload with the model after the file. The upload is routed if Envoy may buffer that much; otherwise it gets a 413. Envoy's
// memory does not grow.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { after, describe, test } from "node:test";
import { MODEL_HEADER } from "../../protocol/constants.ts";
import { pushToAll, rises } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { BOUNDARY, FORM_TYPE } from "../../testkit/form.ts";
import { type Answer, send } from "../../testkit/http.ts";
import { closeAll, type Stand, stand } from "../../testkit/stand.ts";

const MIB = 1024 * 1024;
const FILE_BYTES = 100 * MIB;

after(closeAll);

const piece = Buffer.alloc(MIB, "0123456789abcdef\r\n--");
const head = Buffer.from(
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n`,
);
const tail = Buffer.from(
  `\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="model"\r\n\r\nllama\r\n--${BOUNDARY}--\r\n`,
);

function* pieces(): Generator<Buffer> {
  yield head;
  for (let sent = 0; sent < FILE_BYTES; sent += piece.length) yield piece;
  yield tail;
}

function digest(): string {
  const hash = createHash("sha256");
  for (const one of pieces()) hash.update(one);
  return hash.digest("hex");
}

/** Resident memory of Envoy, if this machine has /proc. */
function residentMiB(envoy: TestEnvoy): number | undefined {
  try {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${envoy.pid}/status`, "utf8"));
    return match ? Number(match[1]) / 1024 : undefined;
  } catch {
    return undefined;
  }
}

/** Uploads a file. Returns the answer, or undefined if the connection closed during the upload. */
function upload({ envoy }: Stand): Promise<Answer | undefined> {
  const body = Readable.from(pieces());
  return send(envoy.url, { path: "/v1/audio/transcriptions", headers: FORM_TYPE, body }).catch(() => undefined);
}

async function standWith(bufferLimitBytes: number): Promise<Stand> {
  const made = await stand({}, ["llama"], { bufferLimitBytes });
  // Discards the body and answers with its size and hash.
  made.echo.early = (request, response) => {
    const hash = createHash("sha256");
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      hash.update(chunk);
      bytes += chunk.length;
    });
    request.on("end", () => {
      const seen = { bytes, sha256: hash.digest("hex"), model: request.headers[MODEL_HEADER] };
      response.end(JSON.stringify(seen));
    });
    return true;
  };
  await pushToAll(made.envoy, { llama: { on: [made.echo] } });
  return made;
}

describe("100 MiB with the model after the file", async () => {
  test("are routed byte for byte if the buffer limit allows it, and a second upload does not make Envoy larger", async () => {
    const made = await standWith(128 * MIB);
    const wanted = { bytes: head.length + FILE_BYTES + tail.length, sha256: digest(), model: "llama" };
    const sizes: (number | undefined)[] = [residentMiB(made.envoy)];
    for (let i = 0; i < 3; i++) {
      const answer = await upload(made);
      assert.equal(answer?.status, 200, answer?.text);
      assert.deepEqual(answer?.json, wanted);
      sizes.push(residentMiB(made.envoy));
    }
    const [before, first, , third] = sizes;
    if (before === undefined || first === undefined || third === undefined) return;
    console.log(`buffered: Envoy's memory ${sizes.map((size) => size?.toFixed(0)).join(", ")} MiB`);
    assert.ok(third - first < 50, `${first} MiB after the first upload, ${third} MiB after the third`);
  });

  test("are a 413 if the limit does not allow it, and Envoy keeps no memory", async () => {
    const made = await standWith(8 * MIB);
    const before = residentMiB(made.envoy);
    const rise = await rises(made.envoy, async () => {
      for (let i = 0; i < 3; i++) {
        const answer = await upload(made);
        assert.ok(answer === undefined || answer.status === 413, `${answer?.status} ${answer?.text}`);
      }
    });
    const tooLarge = await made.envoy.stats("^http\\.llm\\.downstream_rq_too_large$");
    assert.equal(tooLarge.get("http.llm.downstream_rq_too_large"), 3);
    assert.deepEqual(rise, { requests: 3 });
    assert.equal(made.echo.seen.length, 0);
    const now = residentMiB(made.envoy);
    if (before === undefined || now === undefined) return;
    console.log(`refused: Envoy's memory ${before.toFixed(0)}, then ${now.toFixed(0)} MiB`);
    assert.ok(now - before < 50, `${before} MiB before, ${now} MiB after`);
  });
});
