// Malformed snapshots with endpoints, models and adapters.

import * as c from "../constants.ts";
import {
  BROKEN_BODY_LENGTH,
  BROKEN_DIRECTORY,
  BROKEN_ENDPOINT_ADDRESS,
  BROKEN_ENDPOINT_KV_USAGE,
  BROKEN_ENDPOINT_ORDER,
  BROKEN_MAGIC,
  BROKEN_MAJOR,
  BROKEN_MODEL_BASE,
  BROKEN_MODEL_KIND,
  BROKEN_MODEL_NAME,
  BROKEN_MODEL_ORDER,
  BROKEN_MODEL_RANGE,
  BROKEN_MODEL_TOTAL,
  BROKEN_SECTION_BOUNDS,
  BROKEN_SECTION_MISSING,
  BROKEN_SECTION_STRIDE,
  BROKEN_SECTION_TWICE,
  BROKEN_SERVED_INDEX,
  BROKEN_SERVED_ORDER,
  BROKEN_SERVED_STATE,
  BROKEN_TOTAL_BYTES,
  BROKEN_VERSION,
} from "../rules.ts";
import { type Case, entryOf } from "./malformed-case.ts";

// The cases edit the golden snapshot `adapters` (golden.ts). Its endpoints are 10.0.0.1:8000 and 10.0.0.2:8000; its models are
// llama, no-pods, orphan, sql-lora and tweet-lora.
export const CORE_CASES: readonly Case[] = [
  ["no-bytes", BROKEN_BODY_LENGTH, "an empty body", "body length", () => new Uint8Array(0)],
  [
    "short-header",
    BROKEN_BODY_LENGTH,
    "63 bytes: shorter than a header",
    "body length",
    (_o, _a, b) => b.slice(0, c.HEADER_BYTES - 1),
  ],
  ["magic", BROKEN_MAGIC, "the first byte is not P", "header.magic", (o) => void o.setUint8(0, 0x51)],
  ["major", BROKEN_MAJOR, "major version 2", "header.major", (o) => void o.setUint16(c.HEADER_MAJOR, 2, true)],
  [
    "version-zero",
    BROKEN_VERSION,
    "version 0",
    "header.version",
    (o) => void o.setBigUint64(c.HEADER_VERSION, 0n, true),
  ],
  ["truncated", BROKEN_TOTAL_BYTES, "the last byte is missing", "header.totalBytes", (_o, _a, b) => b.slice(0, -1)],
  [
    "trailing-byte",
    BROKEN_TOTAL_BYTES,
    "one byte more than totalBytes",
    "header.totalBytes",
    (_o, _a, b) => {
      const longer = new Uint8Array(b.length + 1);
      longer.set(b);
      return longer;
    },
  ],
  [
    "section-count",
    BROKEN_DIRECTORY,
    "33 sections",
    "header.sectionCount",
    (o) => void o.setUint32(c.HEADER_SECTION_COUNT, 33, true),
  ],
  [
    "directory-outside",
    BROKEN_DIRECTORY,
    "the directory ends behind the body",
    "header.sectionCount",
    (o, _a, b) => {
      o.setUint32(c.HEADER_TOTAL_BYTES, 80, true);
      return b.slice(0, 80);
    },
  ],
  [
    "section-missing",
    BROKEN_SECTION_MISSING,
    "MODELS has an unknown kind, so none is there",
    "sections",
    (o) => void o.setUint16(entryOf(o, c.SECTION_MODELS) + c.DIRECTORY_KIND, 900, true),
  ],
  [
    "section-twice",
    BROKEN_SECTION_TWICE,
    "a second ENDPOINTS in place of MODELS",
    "sections[1](ENDPOINTS)",
    (o) => void o.setUint16(entryOf(o, c.SECTION_MODELS) + c.DIRECTORY_KIND, c.SECTION_ENDPOINTS, true),
  ],
  [
    "section-unaligned",
    BROKEN_SECTION_BOUNDS,
    "ENDPOINTS begins at no multiple of 8",
    "sections[0](ENDPOINTS).offset",
    (o) => {
      const at = entryOf(o, c.SECTION_ENDPOINTS) + c.DIRECTORY_OFFSET;
      o.setUint32(at, o.getUint32(at, true) + 4, true);
    },
  ],
  [
    "section-in-directory",
    BROKEN_SECTION_BOUNDS,
    "STRINGS begins inside the directory",
    "sections[3](STRINGS).offset",
    (o) => void o.setUint32(entryOf(o, c.SECTION_STRINGS) + c.DIRECTORY_OFFSET, 64, true),
  ],
  [
    "section-outside",
    BROKEN_SECTION_BOUNDS,
    "STRINGS ends one byte behind the body",
    "sections[3](STRINGS).records",
    (o) => {
      const at = entryOf(o, c.SECTION_STRINGS) + c.DIRECTORY_RECORDS;
      o.setUint32(at, o.getUint32(at, true) + 1, true);
    },
  ],
  [
    "section-wraps",
    BROKEN_SECTION_BOUNDS,
    "offset + stride * records of ENDPOINTS passes 2^32",
    "sections[0](ENDPOINTS).records",
    (o) => void o.setUint32(entryOf(o, c.SECTION_ENDPOINTS) + c.DIRECTORY_RECORDS, 0x04000000, true),
  ],
  [
    "unknown-section-outside",
    BROKEN_SECTION_BOUNDS,
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
    BROKEN_SECTION_STRIDE,
    "endpoint records of 56 bytes",
    "sections[0](ENDPOINTS).stride",
    (o) => void o.setUint16(entryOf(o, c.SECTION_ENDPOINTS) + c.DIRECTORY_STRIDE, 56, true),
  ],
  [
    "stride-odd",
    BROKEN_SECTION_STRIDE,
    "model endpoint records of 12 bytes",
    "sections[2](MODEL_ENDPOINTS).stride",
    (o) => void o.setUint16(entryOf(o, c.SECTION_MODEL_ENDPOINTS) + c.DIRECTORY_STRIDE, 12, true),
  ],
  [
    "strings-stride",
    BROKEN_SECTION_STRIDE,
    "STRINGS with a stride of 0",
    "sections[3](STRINGS).stride",
    (o) => void o.setUint16(entryOf(o, c.SECTION_STRINGS) + c.DIRECTORY_STRIDE, 0, true),
  ],
  [
    "address-outside",
    BROKEN_ENDPOINT_ADDRESS,
    "an address that ends behind STRINGS",
    "endpoints[0].address",
    (o, at) => void o.setUint32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_ADDRESS_OFFSET, 0xfffffff8, true),
  ],
  [
    "address-empty",
    BROKEN_ENDPOINT_ADDRESS,
    "an address of no bytes",
    "endpoints[0].address",
    (o, at) => void o.setUint16(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_ADDRESS_LENGTH, 0, true),
  ],
  [
    "address-long",
    BROKEN_ENDPOINT_ADDRESS,
    "an address of 55 bytes",
    "endpoints[0].address",
    (o, at) => void o.setUint16(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_ADDRESS_LENGTH, 55, true),
  ],
  [
    "address-host-name",
    BROKEN_ENDPOINT_ADDRESS,
    "a name in place of an IP address",
    "endpoints[0].address",
    (_o, at, b) => void b.set(Buffer.from("podx.ns.1:800"), at(c.SECTION_STRINGS)),
  ],
  [
    "address-octet",
    BROKEN_ENDPOINT_ADDRESS,
    "an IPv4 octet of 256",
    "endpoints[0].address",
    (_o, at, b) => void b.set(Buffer.from("256.0.0.1:800"), at(c.SECTION_STRINGS)),
  ],
  [
    "address-port-zero",
    BROKEN_ENDPOINT_ADDRESS,
    "port 0",
    "endpoints[0].address",
    (_o, at, b) => void b.set(Buffer.from("10.0.0.100:00"), at(c.SECTION_STRINGS)),
  ],
  [
    "address-port-high",
    BROKEN_ENDPOINT_ADDRESS,
    "port 65536",
    "endpoints[0].address",
    (_o, at, b) => void b.set(Buffer.from("1.0.0.1:65536"), at(c.SECTION_STRINGS)),
  ],
  [
    "address-ipv6-bare",
    BROKEN_ENDPOINT_ADDRESS,
    "IPv6 without brackets",
    "endpoints[0].address",
    (_o, at, b) => void b.set(Buffer.from("fd00::12:8000"), at(c.SECTION_STRINGS)),
  ],
  [
    "address-comma",
    BROKEN_ENDPOINT_ADDRESS,
    "a comma, which would make two entries of the header",
    "endpoints[0].address",
    (_o, at, b) => void b.set(Buffer.from("1.1.1.1,2:800"), at(c.SECTION_STRINGS)),
  ],
  [
    "address-twice",
    BROKEN_ENDPOINT_ORDER,
    "the same address twice",
    "endpoints[1].address",
    (o, at) => void o.setUint32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_BYTES + c.ENDPOINT_ADDRESS_OFFSET, 0, true),
  ],
  [
    "address-order",
    BROKEN_ENDPOINT_ORDER,
    "endpoints in descending order",
    "endpoints[1].address",
    (_o, at, b) => void b.set(Buffer.from("10.0.0.2:800010.0.0.1:8000"), at(c.SECTION_STRINGS)),
  ],
  [
    "kv-usage-high",
    BROKEN_ENDPOINT_KV_USAGE,
    "KV usage 1.5",
    "endpoints[0].kvUsage",
    (o, at) => void o.setFloat32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_KV_USAGE, 1.5, true),
  ],
  [
    "kv-usage-negative",
    BROKEN_ENDPOINT_KV_USAGE,
    "KV usage -0.5",
    "endpoints[1].kvUsage",
    (o, at) => void o.setFloat32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_BYTES + c.ENDPOINT_KV_USAGE, -0.5, true),
  ],
  [
    "kv-usage-infinite",
    BROKEN_ENDPOINT_KV_USAGE,
    "KV usage +Inf",
    "endpoints[0].kvUsage",
    (o, at) => void o.setFloat32(at(c.SECTION_ENDPOINTS) + c.ENDPOINT_KV_USAGE, Number.POSITIVE_INFINITY, true),
  ],
  [
    "name-empty",
    BROKEN_MODEL_NAME,
    "a model name of no bytes",
    "models[0].name",
    (o, at) => void o.setUint16(at(c.SECTION_MODELS) + c.MODEL_NAME_LENGTH, 0, true),
  ],
  [
    "name-long",
    BROKEN_MODEL_NAME,
    "a model name of 257 bytes",
    "models[0].name",
    (o, at) => void o.setUint16(at(c.SECTION_MODELS) + c.MODEL_NAME_LENGTH, 257, true),
  ],
  [
    "name-outside",
    BROKEN_MODEL_NAME,
    "a model name that ends behind STRINGS",
    "models[4].name",
    (o, at) => {
      const field = at(c.SECTION_MODELS) + 4 * c.MODEL_BYTES + c.MODEL_NAME_LENGTH;
      o.setUint16(field, o.getUint16(field, true) + 1, true);
    },
  ],
  [
    "name-utf8",
    BROKEN_MODEL_NAME,
    "a byte that is no UTF-8",
    "models[0].name",
    (_o, at, b) => void b.set([0xff], at(c.SECTION_STRINGS) + 26),
  ],
  [
    "name-control",
    BROKEN_MODEL_NAME,
    "a line feed in a name",
    "models[0].name",
    (_o, at, b) => void b.set([10], at(c.SECTION_STRINGS) + 27),
  ],
  [
    "name-delete",
    BROKEN_MODEL_NAME,
    "byte 0x7f in a name",
    "models[0].name",
    (_o, at, b) => void b.set([127], at(c.SECTION_STRINGS) + 27),
  ],
  [
    "name-order",
    BROKEN_MODEL_ORDER,
    "models in descending order",
    "models[1].name",
    (_o, at, b) => void b.set([0x7a], at(c.SECTION_STRINGS) + 26),
  ],
  [
    "model-kind",
    BROKEN_MODEL_KIND,
    "a model of kind 2",
    "models[0].kind",
    (o, at) => void o.setUint16(at(c.SECTION_MODELS) + c.MODEL_KIND, 2, true),
  ],
  [
    "base-other",
    BROKEN_MODEL_BASE,
    "a base model that names another base",
    "models[0].base",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + c.MODEL_BASE, 1, true),
  ],
  [
    "base-unknown",
    BROKEN_MODEL_BASE,
    "a base model that names no base",
    "models[0].base",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + c.MODEL_BASE, c.UNKNOWN, true),
  ],
  [
    "base-outside",
    BROKEN_MODEL_BASE,
    "an adapter whose base has an index past the models",
    "models[3].base",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + 3 * c.MODEL_BYTES + c.MODEL_BASE, 5, true),
  ],
  [
    "base-adapter",
    BROKEN_MODEL_BASE,
    "an adapter whose base is an adapter",
    "models[3].base",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + 3 * c.MODEL_BYTES + c.MODEL_BASE, 4, true),
  ],
  [
    "range-outside",
    BROKEN_MODEL_RANGE,
    "a model's range ends behind MODEL_ENDPOINTS",
    "models[0].first",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + c.MODEL_FIRST, 5, true),
  ],
  [
    "range-wraps",
    BROKEN_MODEL_RANGE,
    "first + count passes 2^32",
    "models[0].first",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + c.MODEL_FIRST, 0xffffffff, true),
  ],
  [
    "range-huge",
    BROKEN_MODEL_TOTAL,
    "the models' counts add up to more than 65536",
    "models[0].count",
    (o, at) => void o.setUint32(at(c.SECTION_MODELS) + c.MODEL_COUNT, 65537, true),
  ],
  [
    "index-outside",
    BROKEN_SERVED_INDEX,
    "a model endpoint past the endpoints",
    "models[0].endpoints[1].index",
    (o, at) => void o.setUint32(at(c.SECTION_MODEL_ENDPOINTS) + c.MODEL_ENDPOINT_BYTES, 2, true),
  ],
  [
    "index-twice",
    BROKEN_SERVED_ORDER,
    "the same endpoint twice in one model",
    "models[0].endpoints[1].index",
    (o, at) => void o.setUint32(at(c.SECTION_MODEL_ENDPOINTS) + c.MODEL_ENDPOINT_BYTES, 0, true),
  ],
  [
    "state",
    BROKEN_SERVED_STATE,
    "an adapter state of 3",
    "models[0].endpoints[0].state",
    (o, at) => void o.setUint8(at(c.SECTION_MODEL_ENDPOINTS) + c.MODEL_ENDPOINT_STATE, 3),
  ],
];
