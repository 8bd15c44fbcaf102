// The malformed ones among snapshots with endpoints, models and adapters.
import * as c from "../constants.ts";
import { type Case, entryOf } from "./malformed-case.ts";

// In `adapters`: endpoints 10.0.0.1:8000, 10.0.0.2:8000; models llama, no-pods, orphan, sql-lora, tweet-lora.
export const CORE_CASES: readonly Case[] = [
  ["no-bytes", "an empty body", "body length", () => new Uint8Array(0)],
  ["short-header", "63 bytes: shorter than a header", "body length", (_o, _a, b) => b.slice(0, c.HEADER_BYTES - 1)],
  ["magic", "the first byte is not P", "header.magic", (o) => void o.setUint8(0, 0x51)],
  ["major", "major version 2", "header.major", (o) => void o.setUint16(c.HEADER_MAJOR, 2, true)],
  ["version-zero", "version 0", "header.version", (o) => void o.setBigUint64(c.HEADER_VERSION, 0n, true)],
  ["truncated", "the last byte is missing", "header.totalBytes", (_o, _a, b) => b.slice(0, -1)],
  [
    "trailing-byte",
    "one byte more than totalBytes",
    "header.totalBytes",
    (_o, _a, b) => {
      const longer = new Uint8Array(b.length + 1);
      longer.set(b);
      return longer;
    },
  ],
  ["section-count", "33 sections", "header.sectionCount", (o) => void o.setUint32(c.HEADER_SECTION_COUNT, 33, true)],
  [
    "directory-outside",
    "the directory ends behind the body",
    "header.sectionCount",
    (o, _a, b) => {
      o.setUint32(c.HEADER_TOTAL_BYTES, 80, true);
      return b.slice(0, 80);
    },
  ],
  [
    "section-missing",
    "MODELS has an unknown kind, so none is there",
    "sections",
    (o) => void o.setUint16(entryOf(o, c.SECTION_MODELS) + c.DIRECTORY_KIND, 900, true),
  ],
  [
    "section-twice",
    "a second ENDPOINTS in place of MODELS",
    "sections[1](ENDPOINTS)",
    (o) => void o.setUint16(entryOf(o, c.SECTION_MODELS) + c.DIRECTORY_KIND, c.SECTION_ENDPOINTS, true),
  ],
  [
    "section-unaligned",
    "ENDPOINTS begins at no multiple of 8",
    "sections[0](ENDPOINTS).offset",
    (o) => {
      const at = entryOf(o, c.SECTION_ENDPOINTS) + c.DIRECTORY_OFFSET;
      o.setUint32(at, o.getUint32(at, true) + 4, true);
    },
  ],
  [
    "section-in-directory",
    "STRINGS begins inside the directory",
    "sections[3](STRINGS).offset",
    (o) => void o.setUint32(entryOf(o, c.SECTION_STRINGS) + c.DIRECTORY_OFFSET, 64, true),
  ],
  [
    "section-outside",
    "STRINGS ends one byte behind the body",
    "sections[3](STRINGS).records",
    (o) => {
      const at = entryOf(o, c.SECTION_STRINGS) + c.DIRECTORY_RECORDS;
      o.setUint32(at, o.getUint32(at, true) + 1, true);
    },
  ],
  [
    "section-wraps",
    "offset + stride * records of ENDPOINTS passes 2^32",
    "sections[0](ENDPOINTS).records",
    (o) => void o.setUint32(entryOf(o, c.SECTION_ENDPOINTS) + c.DIRECTORY_RECORDS, 0x04000000, true),
  ],
  [
    "unknown-section-outside",
    "a section of unknown kind ends behind the body",
    "sections[3].records",
    (o) => {
      const at = entryOf(o, c.SECTION_STRINGS);
      o.setUint16(at + c.DIRECTORY_KIND, 900, true);
      o.setUint32(at + c.DIRECTORY_RECORDS, 0xffffffff, true);
    },
  ],
  [
    "stride-short",
    "endpoint records of 56 bytes",
    "sections[0](ENDPOINTS).stride",
    (o) => void o.setUint16(entryOf(o, c.SECTION_ENDPOINTS) + c.DIRECTORY_STRIDE, 56, true),
  ],
  [
    "stride-odd",
    "model endpoint records of 12 bytes",
    "sections[2](MODEL_ENDPOINTS).stride",
    (o) => void o.setUint16(entryOf(o, c.SECTION_MODEL_ENDPOINTS) + c.DIRECTORY_STRIDE, 12, true),
  ],
  [
    "strings-stride",
    "STRINGS with a stride of 0",
    "sections[3](STRINGS).stride",
    (o) => void o.setUint16(entryOf(o, c.SECTION_STRINGS) + c.DIRECTORY_STRIDE, 0, true),
  ],
  [
    "address-outside",
    "an address that ends behind STRINGS",
    "endpoints[0].address",
    (o, at) => void o.setUint32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_ADDRESS_OFFSET, 0xfffffff8, true),
  ],
  [
    "address-empty",
    "an address of no bytes",
    "endpoints[0].address",
    (o, at) => void o.setUint16(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_ADDRESS_LENGTH, 0, true),
  ],
  [
    "address-long",
    "an address of 55 bytes",
    "endpoints[0].address",
    (o, at) => void o.setUint16(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_ADDRESS_LENGTH, 55, true),
  ],
  [
    "address-host-name",
    "a name in place of an IP address",
    "endpoints[0].address",
    (_o, at, b) => void b.set(Buffer.from("podx.ns.1:800"), at(c.SECTION_STRINGS)),
  ],
  [
    "address-octet",
    "an IPv4 octet of 256",
    "endpoints[0].address",
    (_o, at, b) => void b.set(Buffer.from("256.0.0.1:800"), at(c.SECTION_STRINGS)),
  ],
  [
    "address-port-zero",
    "port 0",
    "endpoints[0].address",
    (_o, at, b) => void b.set(Buffer.from("10.0.0.100:00"), at(c.SECTION_STRINGS)),
  ],
  [
    "address-port-high",
    "port 65536",
    "endpoints[0].address",
    (_o, at, b) => void b.set(Buffer.from("1.0.0.1:65536"), at(c.SECTION_STRINGS)),
  ],
  [
    "address-ipv6-bare",
    "IPv6 without brackets",
    "endpoints[0].address",
    (_o, at, b) => void b.set(Buffer.from("fd00::12:8000"), at(c.SECTION_STRINGS)),
  ],
  [
    "address-comma",
    "a comma, which would make two entries of the header",
    "endpoints[0].address",
    (_o, at, b) => void b.set(Buffer.from("1.1.1.1,2:800"), at(c.SECTION_STRINGS)),
  ],
  [
    "address-twice",
    "the same address twice",
    "endpoints[1].address",
    (o, at) => void o.setUint32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_BYTES + c.ENDPOINT_ADDRESS_OFFSET, 0, true),
  ],
  [
    "address-order",
    "endpoints in descending order",
    "endpoints[1].address",
    (_o, at, b) => void b.set(Buffer.from("10.0.0.2:800010.0.0.1:8000"), at(c.SECTION_STRINGS)),
  ],
  [
    "kv-usage-high",
    "KV usage 1.5",
    "endpoints[0].kvUsage",
    (o, at) => void o.setFloat32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_KV_USAGE, 1.5, true),
  ],
  [
    "kv-usage-negative",
    "KV usage -0.5",
    "endpoints[1].kvUsage",
    (o, at) => void o.setFloat32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_BYTES + c.ENDPOINT_KV_USAGE, -0.5, true),
  ],
  [
    "kv-usage-infinite",
    "KV usage +Inf",
    "endpoints[0].kvUsage",
    (o, at) => void o.setFloat32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_KV_USAGE, Number.POSITIVE_INFINITY, true),
  ],
  [
    "name-empty",
    "a model name of no bytes",
    "models[0].name",
    (o, at) => void o.setUint16(at(c.SECTION_MODELS) + c.MODEL_NAME_LENGTH, 0, true),
  ],
  [
    "name-long",
    "a model name of 257 bytes",
    "models[0].name",
    (o, at) => void o.setUint16(at(c.SECTION_MODELS) + c.MODEL_NAME_LENGTH, 257, true),
  ],
  [
    "name-outside",
    "a model name that ends behind STRINGS",
    "models[4].name",
    (o, at) => {
      const field = at(c.SECTION_MODELS) + 4 * c.MODEL_BYTES + c.MODEL_NAME_LENGTH;
      o.setUint16(field, o.getUint16(field, true) + 1, true);
    },
  ],
  [
    "name-utf8",
    "a byte that is no UTF-8",
    "models[0].name",
    (_o, at, b) => void b.set([0xff], at(c.SECTION_STRINGS) + 26),
  ],
  [
    "name-control",
    "a line feed in a name",
    "models[0].name",
    (_o, at, b) => void b.set([10], at(c.SECTION_STRINGS) + 27),
  ],
  [
    "name-delete",
    "byte 0x7f in a name",
    "models[0].name",
    (_o, at, b) => void b.set([127], at(c.SECTION_STRINGS) + 27),
  ],
  [
    "name-order",
    "models in descending order",
    "models[1].name",
    (_o, at, b) => void b.set([0x7a], at(c.SECTION_STRINGS) + 26),
  ],
  [
    "model-kind",
    "a model of kind 2",
    "models[0].kind",
    (o, at) => void o.setUint16(at(c.SECTION_MODELS) + c.MODEL_KIND, 2, true),
  ],
  [
    "base-other",
    "a base model that names another base",
    "models[0].base",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + c.MODEL_BASE, 1, true),
  ],
  [
    "base-unknown",
    "a base model that names no base",
    "models[0].base",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + c.MODEL_BASE, c.UNKNOWN, true),
  ],
  [
    "base-outside",
    "an adapter whose base has an index past the models",
    "models[3].base",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + 3 * c.MODEL_BYTES + c.MODEL_BASE, 5, true),
  ],
  [
    "base-adapter",
    "an adapter whose base is an adapter",
    "models[3].base",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + 3 * c.MODEL_BYTES + c.MODEL_BASE, 4, true),
  ],
  [
    "range-outside",
    "a model's range ends behind MODEL_ENDPOINTS",
    "models[0].first",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + c.MODEL_FIRST, 5, true),
  ],
  [
    "range-wraps",
    "first + count passes 2^32",
    "models[0].first",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + c.MODEL_FIRST, 0xffffffff, true),
  ],
  [
    "range-huge",
    "the models' counts add up to more than 65536",
    "models[0].count",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + c.MODEL_COUNT, 65537, true),
  ],
  [
    "index-outside",
    "a model endpoint past the endpoints",
    "models[0].endpoints[1].index",
    (o, at) => void o.setUint32(at(c.SECTION_MODEL_ENDPOINTS) + c.MODEL_ENDPOINT_BYTES, 2, true),
  ],
  [
    "index-twice",
    "the same endpoint twice in one model",
    "models[0].endpoints[1].index",
    (o, at) => void o.setUint32(at(c.SECTION_MODEL_ENDPOINTS) + c.MODEL_ENDPOINT_BYTES, 0, true),
  ],
  [
    "state",
    "an adapter state of 3",
    "models[0].endpoints[0].state",
    (o, at) => void o.setUint8(at(c.SECTION_MODEL_ENDPOINTS) + c.MODEL_ENDPOINT_STATE, 3),
  ],
];
