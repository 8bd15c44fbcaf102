// What a run reads from files that its configuration names: secrets, certificates, tokens.
import type { Config } from "../config/schema.ts";
import { Access } from "../credentials/access.ts";
import { Secrets } from "../credentials/secrets.ts";
import type { Log } from "../log.ts";

export interface CredentialFiles {
  secrets: Secrets;
  /** How pods are spoken to. */
  pods: Access;
  /** How Envoys are spoken to. */
  envoys: Access;
}

/** Throws a ConfigError when a file cannot be read; those that were opened before are closed again. */
export function openCredentials({ push, scrape }: Config, log: Log): CredentialFiles {
  const { tls, bearerTokenFile, gzip } = scrape;
  const opened: Array<{ close(): void }> = [];
  const keep = <T extends { close(): void }>(one: T): T => {
    opened.push(one);
    return one;
  };
  try {
    return {
      secrets: keep(new Secrets(push.secrets, push.secretFile, log)),
      pods: keep(new Access({ tls, bearerTokenFile, gzip }, log)),
      envoys: keep(new Access({ under: "push", tls: { ...push.tls, verify: true }, gzip: false }, log)),
    };
  } catch (error) {
    for (const one of opened) one.close();
    throw error;
  }
}
