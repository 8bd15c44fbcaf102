// Opens the files that a run's configuration names: secrets, certificates, tokens.
import type { Config } from "../config/schema.ts";
import { Access } from "../credentials/access.ts";
import { Secrets } from "../credentials/secrets.ts";
import type { Log } from "../log.ts";

export interface CredentialFiles {
  secrets: Secrets;
  /** Certificates and token for connections to pods. */
  pods: Access;
  /** Certificates for connections to Envoys. */
  envoys: Access;
}

/** Opens all files. Throws a ConfigError if a file cannot be read, after it has closed the files that it opened before. */
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
