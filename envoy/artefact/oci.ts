// Writes the module as an artefact, or checks an artefact. The program needs no Docker daemon and no registry. The same
// commit gives the same bytes.
//
//   tsx envoy/artefact/oci.ts                   build/pilotfish.wasm → build/artefact/
//   tsx envoy/artefact/oci.ts --check           reads build/artefact/ back and checks every digest
//   tsx envoy/artefact/oci.ts --check --rebuild also compiles the module anew: the bytes must be the same
//
// build/artefact/ has the plain module (for code.type HTTP and Envoy's local file), pilotfish.oci.tar (for `crane push` and
// `skopeo copy oci-archive:…`), the same image as a folder, the bill of materials, SHA256SUMS and digest.txt.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { layoutFiles, moduleOf, wasmImage } from "./module-image.ts";
import { sbom } from "./sbom.ts";
import { tar, untar } from "./tar.ts";

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const ABI_EXPORT = "proxy_abi_version_0_2_1";
const LAYOUT = "oci";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** All files of the artefact by name. The files of the layout are under oci/. */
export async function artefactFiles(module: Buffer, version: string, root = ROOT): Promise<Map<string, Buffer>> {
  const image = wasmImage(module, version);
  const layout = layoutFiles(image, version);
  const files = new Map<string, Buffer>();
  files.set("pilotfish.wasm", module);
  files.set("pilotfish.cdx.json", Buffer.from(await sbom({ root, sha256: sha256(module) })));
  files.set("pilotfish.oci.tar", tar([...layout].map(([name, bytes]) => ({ name, bytes }))));
  files.set("digest.txt", Buffer.from(`${image.digest}\n`));
  const sums = [...files].map(([name, bytes]) => `${sha256(bytes)}  ${name}\n`);
  files.set("SHA256SUMS", Buffer.from(sums.join("")));
  for (const [name, bytes] of layout) files.set(`${LAYOUT}/${name}`, bytes);
  return files;
}

/** Throws with a sentence if the files of an artefact are inconsistent. */
export async function checkArtefact(files: ReadonlyMap<string, Buffer>): Promise<{ digest: string; sha256: string }> {
  const need = (name: string): Buffer => {
    const bytes = files.get(name);
    if (!bytes) throw new Error(`${name}: missing`);
    return bytes;
  };
  for (const line of need("SHA256SUMS").toString().trim().split("\n")) {
    const [sum, name] = line.split("  ") as [string, string];
    if (sha256(need(name)) !== sum)
      throw new Error(`${name}: SHA-256 is ${sha256(need(name))}, SHA256SUMS says ${sum}`);
  }
  const module = need("pilotfish.wasm");
  const compiled = new WebAssembly.Module(new Uint8Array(module));
  const abis = WebAssembly.Module.exports(compiled).filter(({ name }) => name.startsWith("proxy_abi_version_"));
  if (abis.length !== 1 || abis[0]?.name !== ABI_EXPORT)
    throw new Error(
      `pilotfish.wasm: exports ${abis.map(({ name }) => name).join(", ") || "no ABI version"}, expected ${ABI_EXPORT}`,
    );

  const folder = new Map<string, Buffer>();
  for (const [name, bytes] of files)
    if (name.startsWith(`${LAYOUT}/`)) folder.set(name.slice(LAYOUT.length + 1), bytes);
  const archive = new Map(untar(need("pilotfish.oci.tar")).map(({ name, bytes }) => [name, Buffer.from(bytes)]));
  for (const [where, layout] of [
    ["oci/", folder],
    ["pilotfish.oci.tar", archive],
  ] as const) {
    const found = moduleOf(layout);
    if (!found.module.equals(module)) throw new Error(`${where}: its plugin.wasm is not pilotfish.wasm`);
    if (`${found.digest}\n` !== need("digest.txt").toString())
      throw new Error(`${where}: digest ${found.digest}, digest.txt says ${need("digest.txt").toString().trim()}`);
  }
  const bill = JSON.parse(need("pilotfish.cdx.json").toString()) as {
    metadata: { component: { hashes: { content: string }[] } };
  };
  if (bill.metadata.component.hashes[0]?.content !== sha256(module))
    throw new Error("pilotfish.cdx.json: it is the bill of another module");
  return { digest: need("digest.txt").toString().trim(), sha256: sha256(module) };
}

async function readFolder(folder: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of await readdir(folder, { recursive: true })) {
    const path = join(folder, name);
    if ((await stat(path)).isFile()) files.set(name, await readFile(path));
  }
  return files;
}

/** Compiles the sources again in a folder with another name. */
export async function rebuild(): Promise<Buffer> {
  const work = await mkdtemp(join(tmpdir(), "pilotfish-rebuild-"));
  try {
    for (const name of ["assembly", "protocol", "asconfig.json", "package.json"])
      await cp(join(ROOT, name), join(work, name), { recursive: true });
    await symlink(join(ROOT, "node_modules"), join(work, "node_modules"));
    const args = [join(work, "node_modules/assemblyscript/bin/asc.js"), "--target", "release"];
    await mkdir(join(work, "build"));
    await promisify(execFile)(process.execPath, args, { cwd: work });
    return await readFile(join(work, "build/pilotfish.wasm"));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function main(args: readonly string[]): Promise<void> {
  const unknown = args.find((argument) => argument !== "--check" && argument !== "--rebuild");
  if (unknown) throw new Error(`${unknown}: expected --check or --rebuild`);
  const out = join(ROOT, "build/artefact");
  if (!args.includes("--check")) {
    const module = await readFile(join(ROOT, "build/pilotfish.wasm"));
    const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { version: string };
    await rm(out, { recursive: true, force: true });
    for (const [name, bytes] of await artefactFiles(module, version)) {
      await mkdir(dirname(join(out, name)), { recursive: true });
      await writeFile(join(out, name), bytes);
    }
  }
  const files = await readFolder(out);
  const found = await checkArtefact(files);
  if (args.includes("--rebuild") && !(await rebuild()).equals(files.get("pilotfish.wasm") as Buffer))
    throw new Error("pilotfish.wasm: compiling it anew gives other bytes");
  console.log(`build/artefact: pilotfish.wasm sha256 ${found.sha256}, image ${found.digest}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2)).catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
