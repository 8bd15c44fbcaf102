// Reads secrets. Invariant: no error sentence quotes a secret.
import { Bytes, bytesOf } from "../base/bytes";
import { Given } from "./given";
import { Problems } from "./problems";

/** Reads one secret, or a list of secrets while a new secret replaces an old one (docs/how-to/secrets.md). */
export function readSecrets(given: Given, max: i32): Bytes[] {
  const secrets: Bytes[] = [];
  if (!given.isList) {
    addSecret(given.problems, given.key, given.text, secrets);
    return secrets;
  }
  const list = given.list(max);
  if (!list.length) given.problems.add(`${given.key}: no secret given, 1 to ${max} are expected`);
  for (let i = 0; i < list.length; i++) addSecret(given.problems, list[i].key, list[i].text, secrets);
  return secrets;
}

/** Adds a secret to `secrets`, or a problem if the secret is not valid. */
export function addSecret(problems: Problems, key: string, secret: string, secrets: Bytes[]): void {
  if (isSecret(problems, key, secret)) secrets.push(bytesOf(secret));
}

/** Reads `pick.debugSecret`. Without the key the secret has length 0. */
export function readDebugSecret(given: Given): Bytes {
  isSecret(given.problems, given.key, given.text);
  return bytesOf(given.text);
}

function isSecret(problems: Problems, key: string, secret: string): bool {
  if (secret.length < 16 || secret.length > 256) {
    problems.add(`${key}: ${secret.length} characters given, 16 to 256 visible ASCII characters are expected`);
    return false;
  }
  for (let i = 0; i < secret.length; i++) {
    const c = secret.charCodeAt(i);
    if (c > 0x20 && c < 0x7f) continue;
    problems.add(`${key}: visible ASCII characters are expected, character ${i} is none`);
    return false;
  }
  return true;
}
