// The base model's header. Its value is an adapter's base model, or the base model itself. The configuration wins over the snapshot.
import { Config } from "../../config/config";
import { findExact, ruleTarget } from "../../route/configured-rules";
import { current } from "../../snapshot/current";
import { NONE } from "../../snapshot/view";
import { changeHeader } from "../headers/changes";

/** Writes the header for `model`. `known` is the model's index in the snapshot; NONE: the snapshot does not have the model. */
export function setBaseModel(config: Config, known: u32, model: usize, length: u32): void {
  const header = config.body.baseModelHeader;
  if (header.length == 0) return;
  const rule = findExact(config.models.bases, model, length);
  const given = rule ? ruleTarget(rule) : null;
  if (given !== null) {
    changeHeader(header, given.model, given.length);
    return;
  }
  if (known == NONE) return;
  const view = current();
  const base = view.modelBase(known);
  if (base != NONE) changeHeader(header, view.modelName(base), view.modelNameLength(base));
}
