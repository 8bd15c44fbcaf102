// The bill of materials of the module in CycloneDX 1.6: the packages that are compiled into the module, with their versions from
// package-lock.json. The bill includes the compiler, whose standard library and runtime are part of every module.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

interface LockPackage {
  version?: string;
  integrity?: string;
  license?: string;
  dependencies?: Record<string, string>;
}

interface SbomInput {
  /** The repository's root, with package-lock.json and assembly/. */
  root: string;
  /** Hex SHA-256 of the module. */
  sha256: string;
}

const COMPILER = "assemblyscript";

export async function sbom(input: SbomInput): Promise<string> {
  const lock = JSON.parse(await readFile(join(input.root, "package-lock.json"), "utf8")) as {
    name: string;
    version: string;
    packages: Record<string, LockPackage>;
  };
  const names = await compiledIn(input.root, lock.packages);
  const project = lock.packages[""] ?? {};
  const ref = `pkg:npm/${lock.name}@${lock.version}`;
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "library",
        "bom-ref": ref,
        name: `${lock.name}.wasm`,
        version: lock.version,
        ...licences(project),
        hashes: [{ alg: "SHA-256", content: input.sha256 }],
        purl: ref,
      },
    },
    components: names.map((name) => component(name, lock.packages[`node_modules/${name}`] ?? {})),
    dependencies: [
      { ref, dependsOn: names.map((name) => purl(name, lock.packages[`node_modules/${name}`]?.version ?? "")) },
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** The packages that the filter's sources import, their dependencies, and the compiler, sorted. */
async function compiledIn(root: string, packages: Record<string, LockPackage>): Promise<string[]> {
  const found = new Set<string>([COMPILER]);
  const add = (name: string) => {
    if (found.has(name)) return;
    const entry = packages[`node_modules/${name}`];
    if (!entry) throw new Error(`package-lock.json: ${name}, which the filter imports, is not there`);
    found.add(name);
    for (const dependency of Object.keys(entry.dependencies ?? {})) add(dependency);
  };
  const folder = join(root, "assembly");
  for (const file of await readdir(folder, { recursive: true })) {
    if (!file.endsWith(".ts")) continue;
    for (const name of importedPackages(await readFile(join(folder, file), "utf8"))) add(name);
  }
  return [...found].sort();
}

export function importedPackages(source: string): string[] {
  const names = new Set<string>();
  for (const match of source.matchAll(/^(?:import\b[^;]*?|export\b[^;]*?|\} )from "([^".][^"]*)";$/gm)) {
    const parts = (match[1] as string).split("/");
    names.add((match[1] as string).startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] as string));
  }
  return [...names];
}

const purl = (name: string, version: string): string => `pkg:npm/${name.replace("@", "%40")}@${version}`;

function licences(entry: LockPackage): object {
  return entry.license ? { licenses: [{ license: { id: entry.license.trim() } }] } : {};
}

function component(name: string, entry: LockPackage): object {
  const version = entry.version ?? "";
  const [algorithm, base64] = (entry.integrity ?? "").split("-");
  const hashes =
    algorithm === "sha512" && base64
      ? { hashes: [{ alg: "SHA-512", content: Buffer.from(base64, "base64").toString("hex") }] }
      : {};
  return {
    type: "library",
    "bom-ref": purl(name, version),
    name,
    version,
    ...licences(entry),
    ...hashes,
    purl: purl(name, version),
  };
}
