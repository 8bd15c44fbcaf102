// Writes the manifests of this folder with given names into another folder, for `kubectl apply -k` or for a standalone
// Envoy Gateway. The manifests of this folder are valid and have example names. Rendering replaces these names and keeps
// the comments.
//
//   tsx envoy/gateway/render.ts --name NAME --namespace NAMESPACE --model MODEL [--model …]
//     --out DIR                 where to; default build/gateway-NAME
//     --mode stock|single       default stock: nothing to patch
//     --infra kubernetes|fleet|host  a sidecar in each Envoy's pod (default), one for all Envoys, or a standalone Envoy Gateway
//     --backend service|pods|backend what serves a model: a Service, an InferencePool's pods, addresses (--endpoint)
//     --service NAME            the Service's name; default <model>-serve-svc; {model} stands for the model's name
//     --endpoint MODEL=ip:port  for --backend backend; may be repeated
//     --url URL --sha256 HEX    the module by http(s); --image REF [--digest HEX]: as an OCI image
//     --auth                    API keys for clients, on the listener
//     --listener-port, --plain-port, --controller-namespace, --sidecar-image, --eg-home, --envoy-version, --admin-port

import { createHash, randomBytes } from "node:crypto";
import { mkdir, rename as move, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parseDocument } from "yaml";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, "../..");

export interface RenderOptions {
  name: string;
  namespace: string;
  models: readonly string[];
  mode?: "stock" | "single";
  infra?: "kubernetes" | "fleet" | "host";
  backend?: "service" | "pods" | "backend";
  service?: string;
  /** Model → `ip:port` of its endpoints, for `backend`. */
  endpoints?: Readonly<Record<string, readonly string[]>>;
  code?: { url: string; sha256: string } | { image: string; digest?: string };
  auth?: boolean;
  listenerPort?: number;
  plainPort?: number;
  controllerNamespace?: string;
  sidecarImage?: string;
  egHome?: string;
  envoyVersion?: string;
  adminPort?: number;
  /** Merged into the filter's configuration; in stock mode into the reader's. */
  config?: Readonly<Record<string, unknown>>;
}

class RenderError extends Error {
  readonly code = "RENDER";
}

const LABEL = /^[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?$/;
const MODEL = /^[\x21-\x7e]{1,256}$/;
const ZERO_SHA = "0".repeat(64);

/** A Kubernetes name for a model: `meta-llama/Llama-3.1-8B` → `meta-llama-llama-3-1-8b`. */
export function modelSlug(model: string): string {
  const slug = model
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  if (slug.length > 0 && slug.length <= 40 && LABEL.test(slug)) return slug;
  const hash = createHash("sha256").update(model).digest("hex").slice(0, 8);
  return `${slug.slice(0, 31).replaceAll(/-+$/g, "") || "model"}-${hash}`;
}

/** File name → text, with a kustomization.yaml that lists the other files. */
export async function render(options: RenderOptions): Promise<Map<string, string>> {
  check(options);
  const { infra = "kubernetes", backend = "service", mode = "stock" } = options;
  const files = new Map<string, string>();
  const add = async (folder: string) => {
    for (const name of (await readdir(join(HERE, folder))).sort()) {
      if (name === "kustomization.yaml" || !name.endsWith(".yaml")) continue;
      const text = rename(await readFile(join(HERE, folder, name), "utf8"), options);
      files.set(`${folder.replaceAll("/", "-")}-${name}`, text);
    }
  };
  await add("base");
  await add(mode);
  if (options.auth) await add("auth");
  await add(infra === "host" ? "host" : "kubernetes");
  if (infra === "fleet") await add("fleet");

  const slugs = new Set<string>();
  const template = await readFile(join(HERE, "routes", backend, "model.yaml"), "utf8");
  for (const model of options.models) {
    const slug = modelSlug(model);
    if (slugs.has(slug)) throw new RenderError(`models: ${model} and another model both become ${slug}`);
    slugs.add(slug);
    let text = rename(template, options, model);
    if (backend === "backend") text = withEndpoints(text, options.endpoints?.[model] ?? []);
    files.set(`route-${slug}.yaml`, text);
  }
  edit(files, `${mode}-wasm.yaml`, (text) => withModule(text, options));
  edit(files, "kubernetes-sidecar.yaml", (text) => withPods(text, options));
  for (const name of ["kubernetes-network-policy.yaml", "kubernetes-pod-monitor.yaml"])
    edit(files, name, (text) => text.replace(/values: \[ ?gemma-2b-it ?\]/, `values: [${[...slugs].join(", ")}]`));
  if (infra === "fleet")
    edit(files, "kubernetes-rbac.yaml", (text) =>
      text.replaceAll(`name: ${options.name}-envoy\n`, `name: ${options.name}-pilotfish\n`),
    );
  if (infra === "fleet") edit(files, "kubernetes-envoyproxy.yaml", withoutSidecar);
  // A standalone Envoy Gateway reads every file of its folder and does not support kustomization files.
  if (infra === "host") return files;
  const listed = [...files.keys()].filter((name) => name !== "kubernetes-pod-monitor.yaml");
  files.set(
    "kustomization.yaml",
    `# ${options.name}: Pilotfish on the listener llm (${mode} mode). kubernetes-pod-monitor.yaml, where it is here, needs the\n# Prometheus operator and is not listed.\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n${listed.map((name) => `  - ${name}\n`).join("")}`,
  );
  return files;
}

function edit(files: Map<string, string>, name: string, change: (text: string) => string): void {
  const text = files.get(name);
  if (text !== undefined) files.set(name, change(text));
}

/** Replaces the example names, which the files use only as names. Longer names come first, because some names share a prefix. */
function rename(text: string, options: RenderOptions, model = ""): string {
  const slug = model === "" ? "gemma-2b-it" : modelSlug(model);
  const service = serviceName(options, slug);
  const key = randomBytes(24).toString("hex");
  const names: [string, string][] = [
    ["google/gemma-2b-it", model],
    ["gemma-2b-it-serve-svc", service],
    ["gemma-2b-it", slug],
    ["envoy-gateway-system", options.controllerNamespace ?? "envoy-gateway-system"],
    ["llm-gateway", options.name],
    ["llm-serving", options.namespace],
    ["pilotfish-sidecar:0.1.0", options.sidecarImage ?? "pilotfish-sidecar:0.1.0"],
    ["replace-this-push-secret", randomBytes(32).toString("hex")],
    ["replace-this-api-key", key],
    [Buffer.from("replace-this-api-key").toString("base64"), Buffer.from(key).toString("base64")],
    ["EG_HOME", options.egHome ?? "EG_HOME"],
    ["envoyVersion: 1.40.0", `envoyVersion: ${options.envoyVersion ?? "1.40.0"}`],
    ["value: 19901", `value: ${options.adminPort ?? 19901}`],
    ["8088", String(options.listenerPort ?? 8088)],
    ["8080", String(options.plainPort ?? 8080)],
  ];
  const values = new Map(names);
  const pattern = new RegExp(names.map(([name]) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "g");
  return text.replaceAll(pattern, (found) => {
    const value = values.get(found) as string;
    // A model's name may contain characters with a meaning in YAML.
    return found === "google/gemma-2b-it" ? JSON.stringify(value) : value;
  });
}

function serviceName(options: RenderOptions, slug: string): string {
  return (options.service ?? "{model}-serve-svc").replaceAll("{model}", slug);
}

function withEndpoints(text: string, addresses: readonly string[]): string {
  const lines = addresses.map((address) => {
    const at = address.lastIndexOf(":");
    const ip = address.slice(0, at).replaceAll(/[[\]]/g, "");
    return `    - ip: {address: ${JSON.stringify(ip)}, port: ${address.slice(at + 1)}}\n`;
  });
  return text.replace(/(?: {4}- ip: .*\n)+/, () => lines.join(""));
}

/** Writes the module's source into every `code:` of the EnvoyExtensionPolicy. Writes the filter's configuration too. */
function withModule(text: string, options: RenderOptions): string {
  const document = parseDocument(text);
  const count = (document.getIn(["spec", "wasm"]) as { items: unknown[] }).items.length;
  for (let i = 0; i < count; i++) {
    const at = ["spec", "wasm", i];
    const code = options.code;
    if (code && "image" in code) {
      const image: Record<string, string> = { url: code.image };
      if (code.digest) image.sha256 = code.digest;
      document.setIn([...at, "code"], document.createNode({ type: "Image", image }));
    } else if (code) {
      document.setIn([...at, "code", "http", "url"], code.url);
      document.setIn([...at, "code", "http", "sha256"], code.sha256);
    }
    if (i > 0) continue;
    for (const [key, value] of Object.entries(options.config ?? {}))
      document.setIn([...at, "config", key], document.createNode(value));
  }
  return document.toString({ lineWidth: 0 });
}

/** Makes the sidecar watch the Services, or by default the InferencePools of the namespace. */
function withPods(text: string, options: RenderOptions): string {
  const { backend = "service", infra = "kubernetes" } = options;
  const names = options.models.map((model) =>
    backend === "service" ? serviceName(options, modelSlug(model)) : `${modelSlug(model)}-pods`,
  );
  const services = [...new Set(names)].map((name) => `        - ${options.namespace}/${name}\n`).join("");
  const list = text.replace(/( {6}services:\n)(?: {8}- .*\n)+/, (_all, head: string) => head + services);
  if (infra !== "fleet") return list;
  // Every Envoy is a push target, so no Envoy is only a peer.
  return list
    .replace(
      / {6}# The listener `llm`[\s\S]*? {6}peers:\n/,
      "      # The listener `llm` of each Envoy, as they come and go.\n",
    )
    .replace(
      / {8}kubernetes:\n((?: {10}.*\n)+)/,
      (_all, keys: string) => `      kubernetes:\n${keys.replaceAll(/^ {10}/gm, "        ")}`,
    );
}

/** Removes the sidecar from the Envoy pods, for separate sidecars that serve all Envoys. */
function withoutSidecar(text: string): string {
  const document = parseDocument(text);
  document.deleteIn(["spec", "provider", "kubernetes", "envoyDeployment", "patch"]);
  const comment = "# The Envoys of this Gateway. Their sidecars run in pods of their own: fleet-sidecar.yaml.\n";
  return document.toString({ lineWidth: 0 }).replace(/^(#.*\n|\n)+/, comment);
}

function check(options: RenderOptions): void {
  for (const key of ["name", "namespace"] as const) {
    if (!LABEL.test(options[key]))
      throw new RenderError(
        `${key}: got "${options[key]}", expected lower-case letters, digits and dashes, at most 50`,
      );
  }
  if (options.models.length === 0) throw new RenderError("model: none given, expected at least one");
  for (const model of options.models)
    if (!MODEL.test(model)) throw new RenderError(`model: got "${model}", expected 1 to 256 visible ASCII characters`);
  const code = options.code;
  const sums = code && "url" in code ? [code.sha256] : code && "image" in code && code.digest ? [code.digest] : [];
  for (const sum of sums)
    if (!/^[0-9a-f]{64}$/.test(sum)) throw new RenderError(`sha256: got "${sum}", expected 64 hexadecimal digits`);
  if (options.backend === "backend") {
    for (const model of options.models) {
      const addresses = options.endpoints?.[model] ?? [];
      if (addresses.length === 0)
        throw new RenderError(`endpoint: none given for ${model}, expected --endpoint ${model}=ip:port`);
      for (const address of addresses)
        if (!/^(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\]):\d{1,5}$/.test(address))
          throw new RenderError(`endpoint: got "${address}", expected ip:port`);
    }
  }
}

function choice<T extends string>(key: string, value: string | undefined, allowed: readonly T[]): T | undefined {
  if (value === undefined || allowed.includes(value as T)) return value as T | undefined;
  throw new RenderError(`--${key}: got "${value}", expected one of ${allowed.join(", ")}`);
}

function port(key: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (Number.isInteger(number) && number >= 1 && number <= 65535) return number;
  throw new RenderError(`--${key}: got "${value}", expected a port from 1 to 65535`);
}

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const many = { type: "string", multiple: true } as const;
  const { values } = parseArgs({
    options: {
      name: text,
      namespace: text,
      model: many,
      out: text,
      mode: text,
      infra: text,
      backend: text,
      service: text,
      endpoint: many,
      url: text,
      sha256: text,
      image: text,
      digest: text,
      auth: { type: "boolean" },
      "listener-port": text,
      "plain-port": text,
      "controller-namespace": text,
      "sidecar-image": text,
      "eg-home": text,
      "envoy-version": text,
      "admin-port": text,
    },
  });
  const endpoints: Record<string, string[]> = {};
  for (const given of values.endpoint ?? []) {
    const at = given.lastIndexOf("=");
    const model = given.slice(0, at);
    endpoints[model] = [...(endpoints[model] ?? []), given.slice(at + 1)];
  }
  const name = values.name ?? "llm-gateway";
  const options = defined({
    name,
    namespace: values.namespace ?? "llm-serving",
    models: values.model ?? [],
    mode: choice("mode", values.mode, ["stock", "single"]),
    infra: choice("infra", values.infra, ["kubernetes", "fleet", "host"]),
    backend: choice("backend", values.backend, ["service", "pods", "backend"]),
    service: values.service,
    endpoints,
    code: values.image
      ? defined({ image: values.image, digest: values.digest })
      : await httpCode(values.url, values.sha256),
    auth: values.auth,
    listenerPort: port("listener-port", values["listener-port"]),
    plainPort: port("plain-port", values["plain-port"]),
    controllerNamespace: values["controller-namespace"],
    sidecarImage: values["sidecar-image"],
    egHome: values["eg-home"],
    envoyVersion: values["envoy-version"],
    adminPort: port("admin-port", values["admin-port"]),
  }) as RenderOptions;
  const out = resolve(values.out ?? join(ROOT, "build", `gateway-${name}`));
  const files = await render(options);
  await write(out, files);
  console.log(`${out}: ${files.size} files`);
  if (!values.image && !values.url)
    console.log("--url or --image was not given: the policy names https://example.com/pilotfish.wasm");
}

const OWN = /^(base|stock|single|auth|kubernetes|fleet|host|route)-[\w-]+\.yaml$|^kustomization\.yaml$/;

/** Writes the folder. A standalone Envoy Gateway may watch it, so the folder stays, old files are removed, and files appear whole. */
async function write(out: string, files: ReadonlyMap<string, string>): Promise<void> {
  await mkdir(out, { recursive: true });
  for (const name of await readdir(out)) if (OWN.test(name) && !files.has(name)) await rm(join(out, name));
  for (const [name, text] of files) {
    await writeFile(join(out, `.${name}`), text);
    await move(join(out, `.${name}`), join(out, name));
  }
}

/** The checksum of --sha256, or of the module in build/. */
async function httpCode(url: string | undefined, sha256: string | undefined) {
  const built = await readFile(join(ROOT, "build/pilotfish.wasm")).catch(() => undefined);
  const sum = sha256 ?? (built ? createHash("sha256").update(built).digest("hex") : ZERO_SHA);
  return { url: url ?? "https://example.com/pilotfish.wasm", sha256: sum };
}

const defined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as T;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main().catch((error: Error) => {
    if (error.name !== "TypeError" && !(error instanceof RenderError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  });
}
