// Endpoints with caches of a known size, for the specs of the prefix index.
import { followCaches } from "../../../assembly/endpoints/cache/prefix-index";
import { BLOCK_BYTES } from "../../../assembly/endpoints/cache/prompt";
import { followTopology } from "../../../assembly/endpoints/in-flight";
import { Builder } from "./builder";

/** A pool of two endpoints whose caches have room for `blocks` blocks each. */
export function pool(blocks: u32): void {
  const b = new Builder();
  b.pod("10.0.0.1:8000").kvBlocks = blocks;
  b.pod("10.0.0.2:8000").kvBlocks = blocks;
  // A server's block then has BLOCK_BYTES, at four bytes for each token.
  for (let i = 0; i < b.pods.length; i++) b.pods[i].blockTokens = BLOCK_BYTES / 4;
  const view = b.view();
  followTopology(view);
  followCaches(view);
}
