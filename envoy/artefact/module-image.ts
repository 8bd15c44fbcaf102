// The module as an OCI image in the "compat" variant of the Wasm image specification: one layer, which is a gzipped tar with
// `plugin.wasm` at its root. Envoy Gateway and Istio load it, and every registry and tool accepts it as an ordinary image.

import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { gzipStored, tar, untar } from "./tar.ts";

export const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip";
const MODULE_FILE = "plugin.wasm";

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
  platform?: Record<string, string>;
}

interface Manifest {
  schemaVersion: 2;
  mediaType: string;
  config: Descriptor;
  layers: Descriptor[];
  annotations?: Record<string, string>;
}

export interface Image {
  /** Digest of the manifest, `sha256:…`, for references such as `repository@sha256:…`. */
  digest: string;
  manifest: Buffer;
  /** Digest → bytes: the manifest, the configuration, the layer. */
  blobs: ReadonlyMap<string, Buffer>;
}

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));

/** The image of a module. The same module and version give the same bytes, without a time or a machine's name. */
export function wasmImage(module: Uint8Array, version: string): Image {
  const archive = tar([{ name: MODULE_FILE, bytes: module }]);
  const layer = gzipStored(archive);
  const config = json({
    architecture: "wasm",
    os: "wasip1",
    config: {},
    rootfs: { type: "layers", diff_ids: [digestOf(archive)] },
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, digest: digestOf(config), size: config.length },
    layers: [{ mediaType: LAYER_TYPE, digest: digestOf(layer), size: layer.length }],
    annotations: {
      "org.opencontainers.image.title": "Pilotfish",
      "org.opencontainers.image.version": version,
      "org.opencontainers.image.licenses": "Apache-2.0",
    },
  } satisfies Manifest);
  const blobs = new Map([manifest, config, layer].map((bytes) => [digestOf(bytes), bytes]));
  return { digest: digestOf(manifest), manifest, blobs };
}

/** The files of an image layout folder by path. Tools find the image by the tag `reference`. */
export function layoutFiles(image: Image, reference: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  files.set("oci-layout", json({ imageLayoutVersion: "1.0.0" }));
  files.set(
    "index.json",
    json({
      schemaVersion: 2,
      mediaType: INDEX_TYPE,
      manifests: [
        {
          mediaType: MANIFEST_TYPE,
          digest: image.digest,
          size: image.manifest.length,
          platform: { architecture: "wasm", os: "wasip1" },
          annotations: { "org.opencontainers.image.ref.name": reference },
        },
      ],
    }),
  );
  for (const [digest, bytes] of image.blobs) files.set(`blobs/${digest.replace(":", "/")}`, bytes);
  return files;
}

/** Reads the module from a layout as Envoy Gateway does. Throws with a sentence if Envoy Gateway would refuse the layout. */
export function moduleOf(files: ReadonlyMap<string, Buffer>): { module: Buffer; digest: string } {
  const blob = (descriptor: Descriptor): Buffer => {
    const bytes = files.get(`blobs/${descriptor.digest.replace(":", "/")}`);
    if (!bytes) throw new Error(`blob ${descriptor.digest}: missing`);
    if (bytes.length !== descriptor.size)
      throw new Error(`blob ${descriptor.digest}: ${bytes.length} bytes, expected ${descriptor.size}`);
    if (digestOf(bytes) !== descriptor.digest)
      throw new Error(`blob ${descriptor.digest}: its digest is ${digestOf(bytes)}`);
    return bytes;
  };
  const index = parse<{ manifests: Descriptor[] }>(files, "index.json");
  if (parse<{ imageLayoutVersion: string }>(files, "oci-layout").imageLayoutVersion !== "1.0.0")
    throw new Error("oci-layout: expected version 1.0.0");
  const [only, ...others] = index.manifests;
  if (!only || others.length > 0) throw new Error(`index.json: ${index.manifests.length} manifests, expected 1`);
  const manifest = JSON.parse(blob(only).toString()) as Manifest;
  const config = JSON.parse(blob(manifest.config).toString()) as { rootfs: { diff_ids: string[] } };
  const layer = manifest.layers.at(-1);
  if (!layer || layer.mediaType !== LAYER_TYPE)
    throw new Error(`last layer: ${layer?.mediaType}, expected ${LAYER_TYPE}`);
  const archive = gunzipSync(blob(layer));
  if (config.rootfs.diff_ids.at(-1) !== digestOf(archive)) throw new Error("configuration: diff_id is not the layer's");
  const file = untar(archive).find(({ name }) => name === MODULE_FILE);
  if (!file) throw new Error(`layer: no ${MODULE_FILE} in it`);
  return { module: Buffer.from(file.bytes), digest: only.digest };
}

function parse<T>(files: ReadonlyMap<string, Buffer>, name: string): T {
  const bytes = files.get(name);
  if (!bytes) throw new Error(`${name}: missing`);
  return JSON.parse(bytes.toString()) as T;
}
