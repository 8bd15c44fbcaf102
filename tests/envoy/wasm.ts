import { writeFile } from "node:fs/promises";
import { join } from "node:path";

// The smallest module that Envoy runs as a filter. It lets every request pass:
//   (module (memory (export "memory") 1)
//     (func (export "proxy_abi_version_0_2_1"))
//     (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
//     (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
//     (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
//     (func (export "proxy_on_context_create") (param i32 i32)))
const PASSING =
  "AGFzbQEAAAABFARgAABgAX8Bf2ACf38Bf2ACf38AAwYFAAECAgMFAwEAAQeCAQYGbWVtb3J5AgAXcHJveHlfYWJpX3ZlcnNpb25fMF8yXzEAABhwcm94eV9vbl9tZW1vcnlfYWxsb2NhdGUAARFwcm94eV9vbl92bV9zdGFydAACEnByb3h5X29uX2NvbmZpZ3VyZQADF3Byb3h5X29uX2NvbnRleHRfY3JlYXRlAAQKFwUCAAsFAEGACAsEAEEBCwQAQQELAgAL";

export async function passingFilter(folder: string): Promise<string> {
  const file = join(folder, "passing.wasm");
  await writeFile(file, Buffer.from(PASSING, "base64"));
  return file;
}
