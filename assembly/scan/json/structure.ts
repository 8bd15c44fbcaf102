// Reads a body's structure in a loop.
//
//   body    = [ BOM ] ws object ws                BOM = EF BB BF
//   object  = "{" ws [ member { "," ws member } ] "}"
//   member  = string ws ":" ws value ws
//   array   = "[" ws [ value ws { "," ws value ws } ] "]"
//   value   = string | number | object | array | literal
//   literal = "true" | "false" | "null" | "NaN" | "Infinity" | "-Infinity"
//   ws      = { " " | "\t" | "\n" | "\r" }
//
// strings.ts has the grammar of string, and numbers.ts has the grammar of number. Each open bracket is a bit, so no nesting can
// overflow a call stack.

import { skipSpace } from "../space";
import { valueEnd } from "./capture";
import { fieldsDepth } from "./fields";
import {
  ERROR_DEPTH,
  ERROR_EXPECTED_COLON,
  ERROR_EXPECTED_COMMA,
  ERROR_EXPECTED_KEY,
  ERROR_TRAILING_BYTES,
  ERROR_TRAILING_COMMA,
} from "./json-errors";
import { numberList, numberShort } from "./numbers";
import {
  MODE_AFTER,
  MODE_COLON,
  MODE_IN_KEY,
  MODE_IN_NUMBER,
  MODE_IN_STRING,
  MODE_KEY,
  MODE_KEY_OR_CLOSE,
  MODE_VALUE,
  MODE_VALUE_OR_CLOSE,
  ScanState,
  STATUS_DONE,
  STATUS_MORE,
  STATUS_PAUSED,
} from "./scan-state";
import { Special } from "./special";
import { bodyStart, fail, failAt, keyRest, numberRest, stringRest, topKey, valueSlow } from "./values";

/** Number of blocks in which masks find a string's end. scanString(), which takes wider steps, reads longer strings. */
const SHORT_BLOCKS = 4;
const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const COLON: u32 = 0x3a;
const MINUS: u32 = 0x2d;
const SPACE: u32 = 0x20;
const OPEN: u32 = 0x7b;
const CLOSE: u32 = 0x7d;
/** The bit is set in "{" and "}", and clear in "[" and "]". */
const BRACE_BIT: u32 = 0x20;
const TRUE: u32 = 0x65757274;
const NULL: u32 = 0x6c6c756e;
const FALS: u32 = 0x736c6166;

/** Finishes the token that the end of the last window cut, or begins the body. */
function resume(state: ScanState, p: usize, end: usize, last: bool, mode: u32): usize {
  if (mode == MODE_IN_KEY) return keyRest(state, p, end, last);
  if (mode == MODE_IN_STRING) return stringRest(state, p, end, last);
  if (mode == MODE_IN_NUMBER) return numberRest(state, p, end, last);
  return bodyStart(state, p, end, last);
}

/** Reads on from `p` and returns the address where it stopped. The state then has what must come next, or how the body ended. */
export function scanStructure(state: ScanState, p: usize, end: usize, last: bool): usize {
  let mode = state.mode;
  if (mode >= MODE_IN_KEY) {
    p = resume(state, p, end, last, mode);
    mode = state.mode;
    if (mode >= MODE_IN_KEY || state.status != STATUS_MORE) return p;
  }
  let wanted = state.wanted;
  if (mode == MODE_AFTER && wanted >= 0) {
    state.wanted = -1;
    if (valueEnd(state, wanted, p)) {
      state.status = STATUS_PAUSED;
      return p;
    }
    wanted = -1;
  }
  const maxDepth = fieldsDepth(state.table);
  let depth = state.depth;
  let brackets = state.brackets;
  // The mask of special bytes of the 64 bytes at `base`. A short string's closing quote is found in the mask without another load.
  let base: usize = 0;
  let special: u64 = 0;

  while (true) {
    let c: u32 = load<u8>(p);
    if (c <= SPACE) {
      p = skipSpace(p);
      c = load<u8>(p);
    }

    if (mode <= MODE_KEY) {
      if (c != QUOTE) {
        if (c == CLOSE && mode == MODE_KEY_OR_CLOSE) {
          mode = MODE_AFTER;
          continue;
        }
        failAt(state, c == CLOSE ? ERROR_TRAILING_COMMA : ERROR_EXPECTED_KEY, p, end, last);
        break;
      }
      let short = false;
      if (depth != 1) {
        p++;
        if (p - base >= 64) {
          base = p;
          special = Special.bytes(base);
        }
        let bits = special >> <u64>(p - base);
        while (bits == 0) {
          base += 64;
          p = base;
          special = Special.bytes(base);
          bits = special;
        }
        const stop = p + <usize>ctz(bits);
        short = load<u8>(stop) == QUOTE;
        if (short) p = stop + 1;
      }
      if (!short) {
        state.depth = depth;
        p = depth == 1 ? topKey(state, p, end, last) : keyRest(state, p, end, last);
        mode = state.mode;
        wanted = state.wanted;
        if (mode != MODE_COLON || state.status != STATUS_MORE) break;
      }
      mode = MODE_COLON;
      c = load<u8>(p);
      if (c <= SPACE) {
        p = skipSpace(p);
        c = load<u8>(p);
      }
    }

    if (mode == MODE_COLON) {
      if (c != COLON) {
        failAt(state, ERROR_EXPECTED_COLON, p, end, last);
        break;
      }
      mode = MODE_VALUE;
      p++;
      c = load<u8>(p);
      if (c <= SPACE) {
        p = skipSpace(p);
        c = load<u8>(p);
      }
    }

    if (mode != MODE_AFTER) {
      let quick = false;
      const open = (c | BRACE_BIT) == OPEN;
      if (wanted < 0) {
        if (c == QUOTE) {
          p++;
          if (p - base >= 64) {
            base = p;
            special = Special.bytes(base);
          }
          let bits = special >> <u64>(p - base);
          for (let blocks = 0; bits == 0 && blocks < SHORT_BLOCKS; blocks++) {
            base += 64;
            p = base;
            special = Special.bytes(base);
            bits = special;
          }
          const stop = p + <usize>ctz(bits);
          if (bits != 0 && load<u8>(stop) == QUOTE) {
            p = stop + 1;
          } else {
            state.depth = depth;
            p = stringRest(state, p, end, last);
            mode = state.mode;
            if (mode != MODE_AFTER) break;
          }
          quick = true;
        } else if (open) {
          quick = true;
        } else if (c - 0x30 < 10 || c == MINUS) {
          const stop = numberShort(p, end);
          quick = stop != 0;
          if (quick) {
            p = stop;
            if (load<u8>(p) == COMMA && (brackets & 1) == 0) {
              mode = MODE_VALUE;
              p = numberList(p + 1);
              continue;
            }
          }
        } else if (c == CLOSE - BRACE_BIT && (mode == MODE_VALUE_OR_CLOSE || (brackets & 1) == 0)) {
          if (mode == MODE_VALUE) {
            fail(state, ERROR_TRAILING_COMMA, p);
            break;
          }
          quick = true;
        } else {
          const word = load<u32>(p);
          if (word == TRUE || word == NULL) {
            quick = true;
            p += 4;
          } else if (word == FALS && load<u8>(p, 4) == 0x65) {
            quick = true;
            p += 5;
          }
        }
      }
      if (!quick) {
        state.mode = mode;
        p = valueSlow(state, p, end, last);
        if (state.status != STATUS_MORE) break;
        if (!open || p >= end) {
          mode = state.mode;
          if (mode != MODE_AFTER) break;
          if (wanted >= 0) {
            state.wanted = -1;
            if (valueEnd(state, wanted, p)) {
              state.status = STATUS_PAUSED;
              break;
            }
            wanted = -1;
          }
        }
      }
      if (open) {
        if (depth >= maxDepth) {
          fail(state, ERROR_DEPTH, p);
          break;
        }
        if ((depth & 63) == 0 && depth != 0) store<u64>(state.stack + (depth >> 3), brackets);
        const object = (c & BRACE_BIT) >> 5;
        brackets = (brackets << 1) | object;
        mode = object ? MODE_KEY_OR_CLOSE : MODE_VALUE_OR_CLOSE;
        depth++;
        p++;
        if (wanted >= 0) {
          state.outer = wanted;
          state.wanted = -1;
          wanted = -1;
        }
        continue;
      }
      mode = MODE_AFTER;
      c = load<u8>(p);
      if (c <= SPACE) {
        p = skipSpace(p);
        c = load<u8>(p);
      }
    }

    if (c == COMMA && depth != 0) {
      p++;
      mode = brackets & 1 ? MODE_KEY : MODE_VALUE;
      continue;
    }
    if ((c | BRACE_BIT) != CLOSE || <u64>((c & BRACE_BIT) >> 5) != (brackets & 1) || depth == 0) {
      if (depth != 0) {
        failAt(state, ERROR_EXPECTED_COMMA, p, end, last);
      } else if (p < end) {
        fail(state, ERROR_TRAILING_BYTES, p);
      } else if (last) {
        state.status = STATUS_DONE;
      }
      break;
    }
    p++;
    depth--;
    brackets >>= 1;
    if ((depth & 63) == 0 && depth != 0) brackets = load<u64>(state.stack + (depth >> 3));
    if (depth == 1) {
      const outer = state.outer;
      if (outer >= 0) {
        state.outer = -1;
        if (valueEnd(state, outer, p)) {
          state.status = STATUS_PAUSED;
          break;
        }
      }
    }
  }

  state.mode = mode;
  state.depth = depth;
  state.brackets = brackets;
  return p;
}
