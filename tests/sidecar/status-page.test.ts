// The status page runs only its own script.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { quickSidecar } from "../../testkit/sidecar/quick-sidecar.ts";

/** Returns the sources that a policy allows for a directive. */
function sourcesOf(policy: string, directive: string): string {
  const found = policy.split("; ").find((part) => part.startsWith(`${directive} `));
  return found?.slice(directive.length + 1) ?? "";
}

test("the policy names the hash of the page's one script and one style, and allows no other", async (t) => {
  const sidecar = await quickSidecar(t, { endpoints: ["http://127.0.0.1:9"], targets: ["http://127.0.0.1:1"] });
  const response = await fetch(sidecar.url);
  const page = await response.text();
  const policy = response.headers.get("content-security-policy") ?? "";
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(sourcesOf(policy, "default-src"), "'none'");
  assert.equal(sourcesOf(policy, "base-uri"), "'none'");
  for (const element of ["script", "style"]) {
    const texts = [...page.matchAll(new RegExp(`<${element}[^>]*>([\\s\\S]*?)</${element}>`, "g"))];
    assert.equal(texts.length, 1, element);
    const hash = createHash("sha256")
      .update(texts[0]?.[1] ?? "")
      .digest("base64");
    assert.equal(sourcesOf(policy, `${element}-src`), `'sha256-${hash}'`);
  }
});

test("the page needs no inline handler, no style attribute and no markup from text", async (t) => {
  const sidecar = await quickSidecar(t, { endpoints: ["http://127.0.0.1:9"], targets: ["http://127.0.0.1:1"] });
  const page = await (await fetch(sidecar.url)).text();
  assert.doesNotMatch(page, /<[a-z][^>]*\s(?:on[a-z]+|style)=/);
  assert.doesNotMatch(page, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function/);
});
