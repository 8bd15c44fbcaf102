// The status page and the policy that guards it. Names on the page come from pods and clusters, and pods may lie: the page sets
// them as text, and the policy lets the browser run this script and no other, even where markup slipped through.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

export const PAGE = readFileSync(new URL("./page.html", import.meta.url), "utf8");

export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    `style-src ${hashOf("style")}`,
    `script-src ${hashOf("script")}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
};

/** A source expression of CSP: the SHA-256 of the text in the page's only element of this name. */
function hashOf(element: "script" | "style"): string {
  const parts = PAGE.split(new RegExp(`</?${element}>`));
  if (parts.length !== 3) throw new Error(`page.html: expected one <${element}> without attributes`);
  return `'sha256-${createHash("sha256")
    .update(parts[1] ?? "")
    .digest("base64")}'`;
}
