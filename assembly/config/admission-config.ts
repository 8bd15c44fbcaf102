// The section `admission` as the filter uses it.
import { Limits, newLimits } from "../admission/saturation";
import { AdmissionSettings } from "./generated/admission-settings";
import { Section } from "./section";

export { MODE_HOLD, MODE_OFF } from "./generated/admission-settings";

export class AdmissionConfig extends AdmissionSettings {
  limits: Limits = newLimits();

  constructor(section: Section) {
    super(section);
  }
}

/** Call after the last key was read. */
export function finishAdmission(config: AdmissionConfig): void {
  config.limits.queueDepth = <f32>config.saturation.queueDepthThreshold;
  config.limits.kvUsage = <f32>config.saturation.kvCacheUtilThreshold;
  config.limits.stale = config.saturation.metricsStalenessThreshold;
}
